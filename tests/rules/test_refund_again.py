from typing import Any

import pytest
from msgspec.structs import replace

from actors.decide_refund_request import again_key, newest_again
from contracts import errors
from contracts.commands import RecordPayment, RecordRefundRefused, RequestRefund
from contracts.events import RefundRequested
from contracts.money import Money
from contracts.order import Order
from contracts.states import OrderStatus, RefundKind, RefundStatus
from tests.rules.builders import ORDER_NO, PRICE, a_payment, after, an_attempt, an_order_of, start

FIRST, SECOND, SURPLUS = f"{ORDER_NO}01R01", f"{ORDER_NO}01R02", f"{ORDER_NO}02R01"


def paid() -> Order:
    """Build an order that was paid twice: the second money goes back by itself."""
    order = an_order_of(2, attempts=(an_attempt(1), an_attempt(2)))
    order, _ = after(order, RecordPayment(order_id=1, fact=a_payment(1)))
    return after(order, RecordPayment(order_id=1, fact=a_payment(2, "T2")))[0]


def refused(order: Order, number: str) -> Order:
    command = RecordRefundRefused(order_id=1, refund_no=number, code="NO")
    return after(order, command)[0]


def again(number: str, **changes: Any) -> RequestRefund:  # noqa: ANN401
    fields: dict[str, Any] = {
        "order_id": 1,
        "reason": "sick",
        "by_user_id": 5,
        "amount_minor": PRICE.amount_minor,
        "idempotency_key": again_key(number),
        "again": number,
    }
    return RequestRefund(**(fields | changes))


def ask() -> RequestRefund:
    return RequestRefund(order_id=1, reason="sick", by_user_id=5)


class TestARefundAskedForAgain:
    def test_takes_the_next_number_and_the_seats_once_more(self) -> None:
        order, first = after(paid(), ask())
        order = refused(order, FIRST)

        order, events = after(order, again(FIRST))

        (event,) = events
        (before,) = first
        assert isinstance(event, RefundRequested)
        assert isinstance(before, RefundRequested)
        assert event.refund.refund_no == f"{ORDER_NO}01R02"
        assert event.invite_ids == before.invite_ids
        assert event.registration_ids == before.registration_ids

    def test_is_asked_for_once(self) -> None:
        order = refused(after(paid(), ask())[0], FIRST)
        order, _ = after(order, again(FIRST))

        assert after(order, again(FIRST))[1] == []

    def test_is_followed_to_the_newest_of_its_kind(self) -> None:
        order = refused(after(paid(), ask())[0], FIRST)
        assert newest_again(order, order.refunds[-1]).refund_no == FIRST
        order = refused(after(order, again(FIRST))[0], SECOND)
        order, _ = after(order, again(SECOND))

        found = {r.refund_no: newest_again(order, r).refund_no for r in order.refunds}

        third = f"{ORDER_NO}01R03"
        assert found == {SURPLUS: SURPLUS, FIRST: third, SECOND: third, third: third}

    def test_of_money_the_order_cannot_keep_leaves_the_order_alone(self) -> None:
        order = refused(paid(), SURPLUS)

        order, events = after(order, again(SURPLUS))

        (event,) = events
        assert isinstance(event, RefundRequested)
        assert event.refund.provider_txn_id == "T2"
        assert (event.invite_ids, event.registration_ids) == ((), ())
        assert order.status is OrderStatus.PAID
        assert order.refund_status is None

    def test_needs_the_money_to_be_there(self) -> None:
        order = refused(after(paid(), ask())[0], FIRST)
        order, _ = after(order, ask())

        with pytest.raises(errors.RefundExceedsPaid):
            after(order, again(FIRST))

    def test_must_have_failed(self) -> None:
        order, _ = after(paid(), ask())

        for number in (FIRST, SURPLUS):
            with pytest.raises(errors.InvalidState):
                after(order, again(number))

    def test_must_be_ours(self) -> None:
        order = refused(after(paid(), ask())[0], FIRST)
        theirs = tuple(replace(refund, kind=RefundKind.DISPUTE) for refund in order.refunds)
        order = replace(order, refunds=theirs)

        assert order.refunds[-1].status is RefundStatus.FAILED
        with pytest.raises(errors.InvalidState):
            after(order, again(FIRST))

    def test_must_be_known(self) -> None:
        with pytest.raises(errors.NotFound):
            after(paid(), again("X"))


class TestAnAgreedPrice:
    def test_that_is_not_the_orders_opens_nothing(self) -> None:
        order = an_order_of(1, attempts=(an_attempt(1),))
        agreed = Money(amount_minor=1, currency="CNY")

        with pytest.raises(errors.PriceMismatch) as mismatch:
            after(order, start(agreed=agreed))

        assert mismatch.value.extra == {"orderAmount": PRICE.amount_minor}
        assert after(order, start(agreed=order.total))[1] == []
