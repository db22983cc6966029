"""The one shape of every refusal (RFC 9457)."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """One word of the request that is wrong."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why not; *code* is stable, other members follow it."""

    type: str
    title: str
    status: int
    detail: str
    code: Annotated[str, Meta(description="Stable; made for programs")]
    errors: list[FieldError] | UnsetType = UNSET


class WebhookRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider is told when its notice is turned away."""

    code: str
    message: str
