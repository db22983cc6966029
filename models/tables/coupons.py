"""What lowers a price, and who used it."""

from piccolo.columns import BigSerial
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from contracts.states import CouponKind
from models.tables.catalogue import Events
from models.tables.columns import big, flag, instant, number, one_of, parent, stamped, word
from models.tables.orders import Orders


class Coupons(Table, tablename="coupons"):
    """A code that lowers a price; *value* is minor units or percent, *used_count* the one count.

    Without an event it is good for every event; codes are kept in capitals.
    """

    id = BigSerial(primary_key=True)
    code = word(64)
    kind = word(16)
    value = big()
    event_id = parent(Events, null=True)
    starts_at = instant(null=True)
    ends_at = instant(null=True)
    max_uses = number(null=True)
    used_count = number()
    is_active = flag()
    created_by = big()
    created_at = stamped()

    coupons_code_key = Unique([code])
    coupons_code_check = Check("code <> '' AND code = upper(code)")
    coupons_kind_check = one_of("kind", CouponKind)
    coupons_value_check = Check("value >= 1 AND (kind <> 'PERCENT' OR value <= 100)")
    coupons_window_check = Check("ends_at > starts_at")
    coupons_uses_check = Check("used_count >= 0 AND (max_uses IS NULL OR used_count <= max_uses)")


class CouponUsages(Table, tablename="coupon_usages"):
    """The one coupon of an order; given back when the order ends unpaid."""

    order_id = parent(Orders, primary_key=True)
    coupon_id = parent(Coupons)
    discount_minor = big()
    released_at = instant(null=True)
    created_at = stamped()

    coupon_usages_discount_check = Check("discount_minor > 0")
