"""Secrets that open one thing once."""

from datetime import datetime
from enum import StrEnum

import msgspec


class TokenKind(StrEnum):
    """What a token opens."""

    BRIDGE_PAY = "bridge_pay"  # the signed parameters of one attempt, for the Mini Program's page
    MINI_BIND = "mini_bind"  # binding the openid of the Mini Program
    OAUTH_STATE = "oauth_state"  # binding the openid of the service account


class MintedToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token as its bearer holds it; nobody can read it again."""

    secret: str
    expires_at: datetime


class RedeemedToken(msgspec.Struct, frozen=True, kw_only=True):
    """What a token stood for; it opens nothing any more."""

    id: int
    user_id: int
    order_id: int | None
    attempt_no: str | None
