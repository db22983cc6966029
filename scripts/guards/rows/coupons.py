"""What keeps coupons."""

from scripts.guards.guard import Guard
from scripts.guards.rows.paths import RULES, STORAGE

_COUPON_RULES = f"{RULES}coupon_rules.py::"
_COUPON_USES = f"{STORAGE}coupon_uses.py::"
_REFUSED_COUPON = f"{_COUPON_RULES}TestACoupon::test_is_refused_in_the_same_words_whatever_is_wrong"

COUPONS = (
    Guard(
        "coupon.percent",
        "a percentage is hundredths of the price",
        "actors/coupons.py",
        "price_minor * coupon.value // 100",
        "price_minor * coupon.value",
        f"{_COUPON_RULES}TestADiscount::test_of_percent_is_hundredths_rounded_down",
    ),
    Guard(
        "coupon.fixed",
        "a discount is at most the price",
        "actors/coupons.py",
        "return min(coupon.value, price_minor)",
        "return coupon.value",
        f"{_COUPON_RULES}TestADiscount::test_is_never_negative_and_never_above_the_price",
    ),
    Guard(
        "coupon.active",
        "a coupon that was switched off is not used",
        "actors/coupons.py",
        "coupon.is_active\n        and ",
        "",
        f"{_REFUSED_COUPON}[off]",
    ),
    Guard(
        "coupon.event",
        "a coupon of another event is not used",
        "actors/coupons.py",
        "        and coupon.event_id in (None, event_id)\n",
        "",
        f"{_REFUSED_COUPON}[other event]",
    ),
    Guard(
        "coupon.begins",
        "a coupon is not used before its time",
        "actors/coupons.py",
        "        and (coupon.starts_at is None or coupon.starts_at <= now)\n",
        "",
        f"{_REFUSED_COUPON}[too early]",
    ),
    Guard(
        "coupon.ends",
        "a coupon is not used after its time",
        "actors/coupons.py",
        "        and (coupon.ends_at is None or now < coupon.ends_at)\n",
        "",
        f"{_REFUSED_COUPON}[too late]",
    ),
    Guard(
        "coupon.nothing",
        "a coupon that takes nothing off is not used up by it",
        "actors/coupons.py",
        "    if discount == 0:\n",
        "    if False:\n",
        f"{_COUPON_RULES}TestACoupon::test_that_takes_nothing_off_is_not_used",
    ),
    Guard(
        "coupon.uses",
        "a group uses a coupon no more often than is left",
        "actors/coupons.py",
        "if left is not None and taken[coupon_id] >= left:",
        "if False:",
        f"{_COUPON_RULES}TestACoupon::test_goes_to_who_comes_first",
    ),
    Guard(
        "coupon.lock_sold",
        "two sales do not count the same use of a coupon",
        "models/coupon_uses.py",
        "c.code = ANY($1::text[]) ORDER BY c.id FOR NO KEY UPDATE",
        "c.code = ANY($1::text[]) ORDER BY c.id",
        f"{STORAGE}locks.py::TestLocks::test_keep_others_from_counting_the_same_use_of_a_coupon",
    ),
    Guard(
        "coupon.lock_order",
        "a sale locks the attendance before a coupon",
        "actors/sales.py",
        ", with_attendance=has_coupons",
        "",
        f"{STORAGE}locks.py::TestLocks"
        "::test_of_a_coupon_come_after_the_attendance_that_is_counted_under_them",
    ),
    Guard(
        "coupon.no_seat",
        "who comes too late for a coupon takes no seat from others",
        "actors/wishes.py",
        "grant([w for w in wishes if w.command.order_no not in refused], stocks)",
        "[w for w in grant(wishes, stocks) if w.command.order_no not in refused]",
        f"{_COUPON_USES}TestASaleWithACoupon"
        "::test_that_is_used_up_takes_no_seat_from_others_of_its_group",
    ),
    Guard(
        "coupon.one",
        "an order has one coupon",
        "actors/decide.py",
        "    if order.coupon is not None:\n",
        "    if False:\n",
        f"{_COUPON_RULES}TestAnOrderThatAsksForACoupon::test_that_has_another_is_refused",
    ),
    Guard(
        "coupon.payable",
        "only the price of an order that waits is lowered",
        "actors/decide.py",
        "    refuse_unless_payable(order, now)\n    if order.coupon",
        "    if order.coupon",
        f"{_COUPON_RULES}TestAnOrderThatAsksForACoupon::test_is_refused_when_it_waits_no_more",
    ),
    Guard(
        "coupon.old_price",
        "the price does not change while the old one can be paid",
        "actors/decide.py",
        "    if keeps_old_price(order, command):\n",
        "    if False:\n",
        f"{_COUPON_RULES}TestAnOrderThatAsksForACoupon"
        "::test_waits_until_the_old_price_cannot_be_paid",
    ),
    Guard(
        "coupon.old_money",
        "money of a price that is asked no more is not kept",
        "actors/decide_payment.py",
        " and fact.paid == order.total:",
        ":",
        f"{_COUPON_RULES}TestMoneyOfThePriceBefore"
        "::test_goes_back_and_the_order_waits_for_the_rest",
    ),
    Guard(
        "coupon.released",
        "an order that ends unpaid gives its coupon back",
        "actors/evolve.py",
        "_with_coupon(emptied(order), is_released=True)",
        "emptied(order)",
        f"{_COUPON_USES}TestAnEndedOrder::test_gives_its_use_back_once_however_it_ends",
    ),
    Guard(
        "coupon.late",
        "late money is kept only with the coupon it was reckoned with",
        "actors/turns.py",
        "        if not late:\n",
        "        if True:\n",
        f"{_COUPON_USES}TestLateMoney::test_goes_back_when_others_used_the_coupon_up",
    ),
    Guard(
        "coupon.free_is_paid",
        "what cost nothing is paid, not refunded",
        "actors/evolve.py",
        "    if settlement.paid.amount_minor == 0:\n",
        "    if False:\n",
        f"{_COUPON_RULES}TestAnOrderThatAsksForACoupon"
        "::test_is_settled_at_once_when_nothing_is_left_to_pay",
    ),
    Guard(
        "coupon.free_is_found",
        "a sale for nothing that lost its answer finds its own order",
        "actors/new_orders.py",
        "request_no=command.order_no if is_free else None",
        "request_no=None",
        f"{_COUPON_USES}TestASaleOfNothingToPay::test_that_lost_its_answer_finds_its_own_order",
    ),
    Guard(
        "coupon.below_used",
        "a coupon's limit stays above its uses",
        "actors/coupon_terms.py",
        "if max_uses is not None and max_uses < coupon.used_count:",
        "if False:",
        f"{_COUPON_RULES}TestTheTermsOfACoupon::test_never_fall_below_what_was_used",
    ),
    Guard(
        "coupon.of_event",
        "a coupon of another event is not changed",
        "models/coupons.py",
        "WHERE c.id = $1 AND c.event_id IS NOT DISTINCT FROM $2 FOR",
        "WHERE c.id = $1 AND ($2::bigint IS NULL OR true) FOR",
        f"{_COUPON_USES}TestTheDesk::test_changes_no_coupon_of_another_event",
    ),
)
