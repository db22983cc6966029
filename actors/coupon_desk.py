"""Where coupons are made and changed by who manages them."""

from actors.coupon_terms import changed_terms, new_terms
from contracts.coupons import Coupon, CouponChange, NewCoupon
from contracts.errors import CouponExists
from models.coupons import insert_coupon, lock_coupon, update_coupon
from models.engine import Database


async def make_coupon(database: Database, wanted: NewCoupon, *, user_id: int) -> Coupon:
    """Make a coupon.

    :raises InvalidRequest: no coupon could be like that.
    :raises CouponExists: its code is taken.
    """
    made = await insert_coupon(database, new_terms(wanted), created_by=user_id)
    if made is None:
        raise CouponExists
    return made


async def change_coupon(
    database: Database, coupon_id: int, change: CouponChange, *, event_id: int | None
) -> Coupon:
    """Change a coupon of an event, or with None one for every event.

    :raises NotFound: there is no such coupon there.
    :raises InvalidRequest: it would end before it begins.
    :raises InvalidState: it was used more often than it could be then.
    """
    async with database.transaction() as tx:
        # Under its lock: a sale that uses it meanwhile must not be overlooked.
        coupon = changed_terms(await lock_coupon(tx, coupon_id, event_id=event_id), change)
        await update_coupon(tx, coupon)
    return coupon
