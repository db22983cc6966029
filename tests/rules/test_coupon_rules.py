"""What coupons take off, when they may, and what an order makes of one."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from actors.coupon_terms import changed_terms, new_terms
from actors.coupons import beyond_uses, discount_at, discount_minor, plain_code
from actors.decide_payment import wants_seats_again
from contracts import errors
from contracts.commands import ApplyCoupon, Cancel, Expire, RecordPayment
from contracts.coupons import AppliedCoupon, Coupon, CouponChange, NewCoupon
from contracts.money import Money
from contracts.order import Order, Reclaim
from contracts.states import AttemptState, CouponKind, OrderStatus
from tests.rules.builders import NOW, PRICE, a_payment, after, an_attempt, an_order, kinds, start

APPLY = ApplyCoupon(order_id=1, code="half")
SECOND = timedelta(seconds=1)


def a_coupon(**changes: Any) -> Coupon:  # noqa: ANN401 - any field may be the one that matters
    """Build a coupon that halves every price for everybody."""
    fields: dict[str, Any] = {
        "id": 1,
        "code": "HALF",
        "kind": CouponKind.PERCENT,
        "value": 50,
        "event_id": None,
        "starts_at": None,
        "ends_at": None,
        "max_uses": None,
        "used_count": 0,
        "is_active": True,
    }
    return Coupon(**(fields | changes))


def a_percentage(value: int) -> Coupon:
    """Build a coupon of some percent."""
    return a_coupon(value=value)


def a_sum(value: int) -> Coupon:
    """Build a coupon of some money."""
    return a_coupon(kind=CouponKind.FIXED, value=value)


def asking(coupon: Coupon | None = None, **changes: Any) -> Order:  # noqa: ANN401 - as above
    """Build an order that is shown the coupon it asks for."""
    return an_order(on_offer=coupon or a_coupon(), **changes)


COUPONS = st.builds(a_percentage, st.integers(1, 100)) | st.builds(a_sum, st.integers(1, 2**53))


class TestADiscount:
    @given(COUPONS, st.integers(0, 2**53))
    def test_is_never_negative_and_never_above_the_price(self, coupon: Coupon, price: int) -> None:
        assert 0 <= discount_minor(coupon, price) <= price

    @given(st.integers(1, 100), st.integers(0, 2**53))
    def test_of_percent_is_hundredths_rounded_down(self, value: int, price: int) -> None:
        taken = discount_minor(a_percentage(value), price)

        assert taken * 100 <= value * price < (taken + 1) * 100

    @pytest.mark.parametrize(
        ("coupon", "price", "discount"),
        [
            (a_percentage(1), 9900, 99),
            (a_percentage(50), 9901, 4950),
            (a_percentage(33), 100, 33),
            (a_percentage(100), 9900, 9900),
            (a_sum(1), 9900, 1),
            (a_sum(9900), 9900, 9900),
            (a_sum(10_000), 9900, 9900),
        ],
    )
    def test_is_so_much(self, coupon: Coupon, price: int, discount: int) -> None:
        assert discount_minor(coupon, price) == discount


class TestACoupon:
    @pytest.mark.parametrize("text", ["HALF", "half", " Half\t", "hAlF\n"])
    def test_is_meant_however_its_code_is_written(self, text: str) -> None:
        assert plain_code(text) == "HALF"

    @pytest.mark.parametrize(
        "coupon",
        [
            None,
            a_coupon(is_active=False),
            a_coupon(event_id=2),
            a_coupon(starts_at=NOW + SECOND),
            a_coupon(ends_at=NOW),
            a_coupon(max_uses=3, used_count=3),
            a_coupon(max_uses=3, used_count=4),
        ],
        ids=["unknown", "off", "other event", "too early", "too late", "used up", "beyond"],
    )
    def test_is_refused_in_the_same_words_whatever_is_wrong(self, coupon: Coupon | None) -> None:
        with pytest.raises(errors.CouponInvalid) as refusal:
            discount_at(coupon, event_id=1, price_minor=9900, now=NOW)

        assert str(refusal.value) == errors.CouponInvalid.detail
        assert refusal.value.extra == {}

    @pytest.mark.parametrize(
        "coupon",
        [
            a_coupon(event_id=1),
            a_coupon(starts_at=NOW, ends_at=NOW + SECOND),
            a_coupon(max_uses=3, used_count=2),
        ],
        ids=["this event", "first and last moment", "last use"],
    )
    def test_is_good_at_its_edges(self, coupon: Coupon) -> None:
        assert discount_at(coupon, event_id=1, price_minor=9900, now=NOW) == 4950

    @pytest.mark.parametrize(("value", "price"), [(1, 99), (50, 1), (100, 0)])
    def test_that_takes_nothing_off_is_not_used(self, value: int, price: int) -> None:
        with pytest.raises(errors.CouponInvalid):
            discount_at(a_percentage(value), event_id=1, price_minor=price, now=NOW)

    def test_goes_to_who_comes_first(self) -> None:
        coupons = {1: a_coupon(max_uses=5, used_count=3), 2: a_coupon(id=2)}
        claims = [("a", 1), ("b", 2), ("c", 1), ("d", 1), ("e", 2), ("f", 1)]

        assert beyond_uses(claims, coupons) == {"d", "f"}


class TestAnOrderThatAsksForACoupon:
    def test_costs_less_from_then_on(self) -> None:
        order, events = after(asking(), APPLY)

        assert kinds(events) == ["CouponApplied"]
        assert (order.status, order.total.amount_minor) == (OrderStatus.PENDING, 4950)
        assert order.coupon == AppliedCoupon(coupon_id=1, discount_minor=4950)

    def test_is_settled_at_once_when_nothing_is_left_to_pay(self) -> None:
        order, events = after(asking(a_percentage(100)), APPLY)

        assert kinds(events) == ["CouponApplied", "OrderPaid"]
        assert (order.status, order.payment_status, order.refund_status) == ("PAID", "PAID", None)
        assert order.settlement is not None
        assert order.settlement.paid == Money(amount_minor=0, currency="CNY")
        assert order.settlement.provider_txn_id == f"FREE-{order.order_no}"
        assert [place.status for place in order.registrations] == ["APPROVED"]

    def test_that_has_it_keeps_it_whatever_became_of_the_order(self) -> None:
        first, _ = after(asking(), APPLY)
        for status in OrderStatus:
            _, events = after(replace(first, status=status), APPLY)
            assert events == []

    def test_that_has_another_is_refused(self) -> None:
        first, _ = after(asking(), APPLY)
        for other in (a_coupon(id=2), None):
            with pytest.raises(errors.InvalidState):
                after(replace(first, on_offer=other), APPLY)

    @pytest.mark.parametrize("state", [AttemptState.OPENING, AttemptState.OPEN])
    def test_waits_until_the_old_price_cannot_be_paid(self, state: AttemptState) -> None:
        with pytest.raises(errors.PrepareInProgress):
            after(asking(attempts=(an_attempt(1, state),)), APPLY)

    def test_does_not_wait_for_what_its_provider_cannot_close(self) -> None:
        order = asking(attempts=(an_attempt(1, AttemptState.OPEN),))
        number = order.attempts[0].attempt_no

        order, events = after(order, replace(APPLY, unclosed=frozenset({number})))

        assert kinds(events) == ["CouponApplied", "AttemptCloseOwed"]
        assert order.total.amount_minor == 4950
        order, events = after(order, RecordPayment(order_id=1, fact=a_payment(1)))
        assert (order.status, kinds(events)) == ("PENDING", ["SurplusReceived"])

    @pytest.mark.parametrize("state", [AttemptState.OPENING, AttemptState.UNKNOWN])
    def test_waits_for_what_may_yet_be_opened_whoever_says_what(self, state: AttemptState) -> None:
        order = asking(attempts=(an_attempt(1, state),))
        told = frozenset({order.attempts[0].attempt_no})

        with pytest.raises(errors.PrepareInProgress):
            after(order, replace(APPLY, unclosed=told))

    def test_is_told_that_the_coupon_is_bad_before_anything_is_closed(self) -> None:
        order = asking(a_coupon(is_active=False), attempts=(an_attempt(1),))

        with pytest.raises(errors.CouponInvalid):
            after(order, APPLY)

    @pytest.mark.parametrize(
        ("status", "refusal"),
        [
            (OrderStatus.PAID, errors.OrderAlreadyPaid),
            (OrderStatus.REFUNDED, errors.OrderAlreadyPaid),
            (OrderStatus.CANCELLED, errors.OrderCancelled),
            (OrderStatus.EXPIRED, errors.OrderExpired),
            (OrderStatus.CLOSING, errors.OrderExpired),
        ],
    )
    def test_is_refused_when_it_waits_no_more(
        self, status: OrderStatus, refusal: type[errors.Refusal]
    ) -> None:
        with pytest.raises(refusal):
            after(asking(status=status), APPLY)

    def test_is_refused_when_its_time_is_up(self) -> None:
        order = asking()

        with pytest.raises(errors.OrderExpired):
            after(order, APPLY, now=order.expired_at)

    def test_is_paid_for_its_new_price(self) -> None:
        order, _ = after(asking(), APPLY)
        order, _ = after(order, start())

        assert order.attempts[-1].request.amount.amount_minor == 4950


class TestTheUseOfACoupon:
    @pytest.mark.parametrize("command", [Cancel(order_id=1), Expire(order_id=1)])
    def test_comes_back_when_the_order_ends_unpaid(self, command: Cancel | Expire) -> None:
        order, _ = after(asking(), APPLY)
        ended, _ = after(order, command, now=order.expired_at)

        assert ended.coupon is not None
        assert ended.coupon.is_released
        assert ended.total.amount_minor == 4950

    def test_is_taken_again_with_the_seats_of_late_money(self) -> None:
        order = _late(paid_minor=4950)
        fact = a_payment(1, paid=order.total)

        paid, _ = after(order, RecordPayment(order_id=1, fact=fact))

        assert paid.status == "PAID"
        assert paid.coupon is not None
        assert not paid.coupon.is_released


class TestMoneyOfThePriceBefore:
    def test_goes_back_and_the_order_waits_for_the_rest(self) -> None:
        order, _ = after(asking(), APPLY)
        order = replace(order, attempts=(an_attempt(1, AttemptState.CLOSED),))

        order, events = after(order, RecordPayment(order_id=1, fact=a_payment(1)))

        assert kinds(events) == ["SurplusReceived"]
        assert order.status == "PENDING"
        assert [refund.amount for refund in order.refunds] == [PRICE]

    def test_wants_no_seats_when_it_is_late(self) -> None:
        order = _late(paid_minor=9900)

        assert not wants_seats_again(order, a_payment(1))
        _, events = after(order, RecordPayment(order_id=1, fact=a_payment(1)))
        assert kinds(events) == ["SurplusReceived"]


def _late(*, paid_minor: int) -> Order:
    order, _ = after(asking(), APPLY)
    order, _ = after(order, Cancel(order_id=1))
    closed = an_attempt(1, AttemptState.CLOSED)
    paid = Money(amount_minor=paid_minor, currency="CNY")
    attempt = replace(closed, request=replace(closed.request, amount=paid))
    return replace(order, attempts=(attempt,), reclaim=Reclaim(granted=True))


class TestTheTermsOfANewCoupon:
    def test_are_kept_with_the_code_in_capitals(self) -> None:
        wanted = NewCoupon(code="spring-26", kind=CouponKind.FIXED, value=10_000)

        assert new_terms(wanted) == replace(wanted, code="SPRING-26")

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"kind": CouponKind.PERCENT, "value": 101}, "value"),
            ({"starts_at": NOW, "ends_at": NOW}, "endsAt"),
            ({"starts_at": NOW, "ends_at": NOW - SECOND}, "endsAt"),
            ({"starts_at": datetime.min.replace(tzinfo=NOW.tzinfo)}, "startsAt"),
            ({"ends_at": datetime.max.replace(tzinfo=NOW.tzinfo)}, "endsAt"),
        ],
    )
    def test_make_sense_or_are_refused(self, changes: dict[str, Any], field: str) -> None:
        wanted = NewCoupon(code="A", kind=CouponKind.FIXED, value=1)

        with pytest.raises(errors.InvalidRequest) as refusal:
            new_terms(replace(wanted, **changes))

        told: Any = refusal.value.extra["errors"]
        assert [fault["field"] for fault in told] == [field]


class TestTheTermsOfACoupon:
    def test_stay_where_nothing_is_said(self) -> None:
        coupon = a_coupon(max_uses=5, ends_at=NOW)

        changed = changed_terms(coupon, CouponChange(is_active=False))

        assert changed == replace(coupon, is_active=False)

    def test_lose_a_limit_that_is_taken_away(self) -> None:
        change = CouponChange(is_active=True, max_uses=None, ends_at=None)

        changed = changed_terms(a_coupon(max_uses=5, ends_at=NOW), change)

        assert (changed.max_uses, changed.ends_at) == (None, None)

    def test_never_fall_below_what_was_used(self) -> None:
        coupon = a_coupon(max_uses=5, used_count=3)

        assert changed_terms(coupon, CouponChange(is_active=True, max_uses=3)).max_uses == 3
        with pytest.raises(errors.InvalidState):
            changed_terms(coupon, CouponChange(is_active=True, max_uses=2))

    def test_end_after_they_begin(self) -> None:
        coupon = a_coupon(starts_at=NOW, max_uses=1)

        with pytest.raises(errors.InvalidRequest):
            changed_terms(coupon, CouponChange(is_active=True, max_uses=UNSET, ends_at=NOW))
