import pytest
from msgspec import structs

from contracts.commands import RecordPayment, RecordRefund, RecordRefundRefused
from contracts.facts import RefundOutcome
from contracts.money import Money
from contracts.order import Order
from contracts.states import OrderStatus, RefundStatus
from tests.rules.builders import ORDER_NO, a_payment, a_refund, after, an_attempt, an_order, kinds

NUMBER = f"{ORDER_NO}02R01"


def with_surplus() -> Order:
    order = an_order(attempts=(an_attempt(1), an_attempt(2)))
    order, _ = after(order, RecordPayment(order_id=1, fact=a_payment(1)))
    return after(order, RecordPayment(order_id=1, fact=a_payment(2, txn="T2")))[0]


def moved(outcome: RefundOutcome, number: str = NUMBER) -> RecordRefund:
    return RecordRefund(order_id=1, fact=a_refund(number, outcome))


class TestARefund:
    def test_ends_when_the_provider_says_success(self) -> None:
        order, _ = after(with_surplus(), moved(RefundOutcome.SUCCESS))

        assert order.refunds[0].status is RefundStatus.SUCCEEDED
        assert order.status is OrderStatus.PAID

    @pytest.mark.parametrize("late", [RefundOutcome.PROCESSING, RefundOutcome.ABNORMAL])
    def test_that_succeeded_stays_so_whatever_arrives_late(self, late: RefundOutcome) -> None:
        order, _ = after(with_surplus(), moved(RefundOutcome.SUCCESS))

        assert after(order, moved(late))[1] == []

    def test_of_a_surplus_goes_on_under_a_new_number_when_it_was_closed(self) -> None:
        order, events = after(with_surplus(), moved(RefundOutcome.CLOSED))

        assert kinds(events) == ["RefundAdvanced", "RefundRequested"]
        assert order.refunds[0].status is RefundStatus.FAILED
        assert order.refunds[1].refund_no == f"{ORDER_NO}02R02"

    def test_of_a_surplus_asks_a_person_in_the_end(self) -> None:
        order = with_surplus()
        for n in range(1, 5):
            order, _ = after(order, moved(RefundOutcome.CLOSED, f"{ORDER_NO}02R{n:02d}"))

        _, events = after(order, moved(RefundOutcome.CLOSED, f"{ORDER_NO}02R05"))

        assert kinds(events) == ["RefundAdvanced", "RefundStuck"]

    def test_that_was_closed_and_replaced_cannot_succeed_as_well(self) -> None:
        order, _ = after(with_surplus(), moved(RefundOutcome.CLOSED))

        order, events = after(order, moved(RefundOutcome.SUCCESS))

        assert kinds(events) == ["RefundStuck"]
        assert order.refunds[0].status is RefundStatus.FAILED

    def test_that_is_stuck_at_a_bank_asks_a_person_once(self) -> None:
        order, events = after(with_surplus(), moved(RefundOutcome.ABNORMAL))

        # The provider has it, so that later ones need not wait for it.
        assert kinds(events) == ["RefundAdvanced", "RefundStuck"]
        assert order.refunds[0].status is RefundStatus.PROCESSING
        assert after(order, moved(RefundOutcome.ABNORMAL))[1] == []

    def test_of_another_amount_asks_a_person(self) -> None:
        fact = a_refund(
            NUMBER, RefundOutcome.SUCCESS, refunded=Money(amount_minor=1, currency="CNY")
        )

        _, events = after(with_surplus(), RecordRefund(order_id=1, fact=fact))

        assert kinds(events) == ["RefundAdvanced", "RefundStuck"]

    def test_that_its_provider_made_twice_asks_a_person_once_more(self) -> None:
        order, _ = after(with_surplus(), moved(RefundOutcome.ABNORMAL))
        fact = structs.replace(moved(RefundOutcome.SUCCESS).fact, provider_refund_id="another")
        second = RecordRefund(order_id=1, fact=fact)

        order, events = after(order, second)

        assert kinds(events) == ["RefundAdvanced", "RefundStuck"]
        assert order.refunds[0].status is RefundStatus.SUCCEEDED
        assert f"twice:{NUMBER}" in order.case_subjects
        assert after(order, second)[1] == []

    def test_that_is_not_ours_asks_a_person(self) -> None:
        _, events = after(with_surplus(), moved(RefundOutcome.SUCCESS, f"{ORDER_NO}09R01"))

        assert kinds(events) == ["RefundStuck"]

    def test_refused_for_good_fails_and_asks_a_person(self) -> None:
        refused = RecordRefundRefused(order_id=1, refund_no=NUMBER, code="NO_AUTH")

        order, events = after(with_surplus(), refused)

        assert kinds(events) == ["RefundAdvanced", "RefundStuck"]
        assert order.refunds[0].status is RefundStatus.FAILED
