"""The doors to sign in, and to oneself."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from contracts.people import EMAIL_MAX, EMAIL_PATTERN, Locale
from contracts.states import UserState

Role = Literal["buyer", "organizer", "admin"]


class SandboxLogin(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """Whom to be; the same name is the same user."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    role: Role = "buyer"
    openid: bool = True


class User(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who you are."""

    id: int
    name: str
    roles: tuple[str, ...]


class SignedIn(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A bearer token and whom it stands for."""

    token: str
    user: User


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a client must know before anybody signs in."""

    app_env: str
    sandbox_url: str | None
    stripe_enabled: bool
    stripe_publishable_key: str | None
    min_bridge_version: str


class Me(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who you are to us, where mail reaches you and in which language.

    *state* is ``paid`` from the first order that was settled, also by a coupon or by hand.
    """

    id: int
    name: str
    roles: tuple[str, ...]
    email: str | None
    locale: str | None
    state: UserState


class ChangeMe(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """What to change; null forgets it, what is left out stays."""

    email: Annotated[str, Meta(max_length=EMAIL_MAX, pattern=EMAIL_PATTERN)] | UnsetType | None = (
        UNSET
    )
    locale: Locale | UnsetType | None = UNSET
