"""The doors to coupons."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from contracts.wire.fields import ID_MAX, ShortText
from contracts.wire.orders import OrderView

_USES_MAX = 2**31 - 1

Code: TypeAlias = Annotated[str, Meta(max_length=64, pattern=r"^[0-9A-Za-z_-]+$(?!\n)")]
Value: TypeAlias = Annotated[
    int, Meta(ge=1, le=ID_MAX, description="Minor units where fixed, at most 100 where percent")
]
Uses: TypeAlias = Annotated[int, Meta(ge=1, le=_USES_MAX)]
Moment: TypeAlias = Annotated[datetime, Meta(tz=True)]
Kind: TypeAlias = Literal["fixed", "percent"]


class MakeCoupon(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """A code and what it takes off; without *maxUses* anybody may use it."""

    code: Code
    kind: Kind
    value: Value
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    max_uses: Uses | None = None


class ChangeCoupon(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """What becomes of a coupon; what is not said stays, null takes the limit away."""

    is_active: bool
    max_uses: Uses | UnsetType | None = UNSET
    ends_at: Moment | UnsetType | None = UNSET


class Coupon(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A coupon and how often it is used now."""

    id: int
    code: str
    kind: Kind
    value: int
    event_id: Annotated[int | None, Meta(description="null: every event")]
    starts_at: datetime | None
    ends_at: datetime | None
    max_uses: Annotated[int | None, Meta(description="null: no limit")]
    used_count: int
    is_active: bool


class CouponPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Some coupons, newest first; ask again with *nextCursor* as `cursor` for more."""

    items: tuple[Coupon, ...]
    next_cursor: str | None


class ApplyCoupon(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """Which coupon to use."""

    coupon_code: ShortText


class DiscountedOrder(OrderView, frozen=True, kw_only=True, rename="camel"):
    """How an order stands; *totalAmount* is what is left of its price."""

    discount_amount: int
