"""The doors to an order's money, for who manages its event."""

from typing import Annotated

import msgspec
from msgspec import Meta

from contracts.wire.fields import ID_MAX, QUANTITY_MAX, Id

_REASON_MAX = 200
# What the refund remembers beside the key must fit its column.
KEY_MAX = 200

_Reason = Annotated[str, Meta(min_length=1, max_length=_REASON_MAX)]
_Seats = Annotated[tuple[Id, ...], Meta(max_length=QUANTITY_MAX)]


class RefundOrder(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """How much goes back, all that is left when *amount* is not said, and which seats with it.

    *idempotencyKey* may come as the header `Idempotency-Key` instead.
    """

    reason: _Reason
    amount: Annotated[int, Meta(ge=1, le=ID_MAX)] | None = None
    idempotency_key: (
        Annotated[str, Meta(min_length=1, max_length=KEY_MAX, pattern=r"^[ -~]+$(?!\n)")] | None
    ) = None
    invite_ids: _Seats = ()
    registration_ids: _Seats = ()


class RefundView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How a refund stands; without an id where there was no money to send back."""

    refund_id: int | None
    status: str


class MarkPaid(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """Why the order counts as paid."""

    reason: _Reason
