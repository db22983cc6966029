"""The terms of a coupon: which make sense, and which may change once people used it. Pure."""

from datetime import UTC, datetime

from msgspec import UNSET
from msgspec.structs import replace

from actors.coupons import plain_code
from contracts.coupons import Coupon, CouponChange, NewCoupon
from contracts.errors import InvalidRequest, InvalidState
from contracts.states import CouponKind

_PERCENT_MAX = 100
# Every calendar on the way can hold these; a time outside them is a slip of the hand.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def new_terms(wanted: NewCoupon) -> NewCoupon:
    """Check the terms of a new coupon and write its code as it is kept.

    :raises InvalidRequest: no coupon could be like that.
    """
    if wanted.kind is CouponKind.PERCENT and wanted.value > _PERCENT_MAX:
        raise _odd("value", "A percentage is at most 100.")
    _check_time("startsAt", wanted.starts_at)
    _check_window(wanted.starts_at, wanted.ends_at)
    return replace(wanted, code=plain_code(wanted.code))


def changed_terms(coupon: Coupon, change: CouponChange) -> Coupon:
    """Change a coupon; its price and code stay.

    :raises InvalidRequest: it would end before it begins.
    :raises InvalidState: it was used more often than it could be then.
    """
    max_uses = coupon.max_uses if change.max_uses is UNSET else change.max_uses
    ends_at = coupon.ends_at if change.ends_at is UNSET else change.ends_at
    if max_uses is not None and max_uses < coupon.used_count:
        raise InvalidState("The coupon was used more often already.")
    _check_window(coupon.starts_at, ends_at)
    return replace(coupon, is_active=change.is_active, max_uses=max_uses, ends_at=ends_at)


def _check_window(starts_at: datetime | None, ends_at: datetime | None) -> None:
    _check_time("endsAt", ends_at)
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        raise _odd("endsAt", "It must end after it begins.")


def _check_time(field: str, moment: datetime | None) -> None:
    if moment is not None and not _EARLIEST <= moment < _LATEST:
        raise _odd(field, "A time from 2000 to 2199, please.")


def _odd(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(errors=[{"field": field, "message": message}])
