"""The doors to gift seats and to free places."""

from datetime import datetime

import msgspec

from contracts.wire.fields import Answers, Id


class RedeemInvite(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """What a guest says when taking a gift seat."""

    answers: Answers | None = None


class Register(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """Which free ticket to take."""

    ticket_type_id: Id
    answers: Answers | None = None


class Person(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Somebody, as others at the event may know them."""

    id: int
    name: str


class Invite(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A gift seat; *code* and *url* are null where nobody could redeem them."""

    id: int
    status: str
    code: str | None
    url: str | None
    redeemed_at: datetime | None
    redeemer: Person | None


class InvitePage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """All gift seats of an order, oldest first; *nextCursor* is always null."""

    items: tuple[Invite, ...]
    next_cursor: str | None = None
