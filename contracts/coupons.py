"""A coupon as prices are lowered by it, and as an order carries it."""

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from contracts.states import CouponKind


class Coupon(msgspec.Struct, frozen=True, kw_only=True):
    """A code that lowers a price; *value* is minor units or percent, by *kind*.

    Without *event_id* it is good for every event, without *max_uses* for everybody. Its window is
    *starts_at* <= now < *ends_at*; *code* stands in capitals.
    """

    id: int
    code: str
    kind: CouponKind
    value: int
    event_id: int | None
    starts_at: datetime | None
    ends_at: datetime | None
    max_uses: int | None
    used_count: int
    is_active: bool


class AppliedCoupon(msgspec.Struct, frozen=True, kw_only=True):
    """The one coupon of an order; *is_released* once the order ended and gave its use back."""

    coupon_id: int
    discount_minor: int
    is_released: bool = False


class NewCoupon(msgspec.Struct, frozen=True, kw_only=True):
    """A coupon that is to be made; words as in :class:`Coupon`."""

    code: str
    kind: CouponKind
    value: int
    event_id: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    max_uses: int | None = None


class CouponChange(msgspec.Struct, frozen=True, kw_only=True):
    """What may become of a coupon; what is unset stays as it is, None takes the limit away."""

    is_active: bool
    max_uses: int | UnsetType | None = UNSET
    ends_at: datetime | UnsetType | None = UNSET
