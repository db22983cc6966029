import pytest
from msgspec import structs

from contracts import errors
from contracts.commands import RecordPayment, RecordRefund, RecordRefundRefused, RequestRefund
from contracts.facts import RefundOutcome
from contracts.money import Money
from contracts.order import Order
from contracts.states import OrderStatus, RefundKind, RefundStatus
from tests.rules.builders import ORDER_NO, a_payment, a_refund, after, an_attempt, an_order, kinds

NUMBER = f"{ORDER_NO}02R01"
ASKED_FOR = f"{ORDER_NO}01R01"


def with_surplus() -> Order:
    order = an_order(attempts=(an_attempt(1), an_attempt(2)))
    order, _ = after(order, RecordPayment(order_id=1, fact=a_payment(1)))
    return after(order, RecordPayment(order_id=1, fact=a_payment(2, txn="T2")))[0]


def with_a_refund() -> Order:
    order = an_order(attempts=(an_attempt(1),))
    order, _ = after(order, RecordPayment(order_id=1, fact=a_payment(1)))
    return after(order, RequestRefund(order_id=1, reason="sick", by_user_id=5))[0]


def moved(outcome: RefundOutcome, number: str = NUMBER) -> RecordRefund:
    return RecordRefund(order_id=1, fact=a_refund(number, outcome))


class TestARefund:
    def test_ends_when_the_provider_says_success(self) -> None:
        order, _ = after(with_surplus(), moved(RefundOutcome.SUCCESS))

        assert order.refunds[0].status is RefundStatus.SUCCEEDED
        assert order.status is OrderStatus.PAID

    @pytest.mark.parametrize("late", RefundOutcome)
    def test_that_succeeded_stays_so_whatever_arrives_late(self, late: RefundOutcome) -> None:
        order, _ = after(with_surplus(), moved(RefundOutcome.SUCCESS))

        order, events = after(order, moved(late))

        assert kinds(events) in ([], ["RefundStuck"])
        assert order.refunds[0].status is RefundStatus.SUCCEEDED

    def test_that_its_provider_says_succeeded_and_failed_asks_a_person_in_either_order(
        self,
    ) -> None:
        ends = [RefundOutcome.SUCCESS, RefundOutcome.CLOSED]
        for first, second in (ends, ends[::-1]):
            order, _ = after(with_a_refund(), moved(first, ASKED_FOR))

            order, events = after(order, moved(second, ASKED_FOR))

            assert "RefundStuck" in kinds(events)
            assert (order.status, order.payment_status) == ("REFUNDED", "REFUNDED")
            assert f"failed_after_success:{ASKED_FOR}" in order.case_subjects
            for late in RefundOutcome:
                # Only that its bank had refused it may be news.
                events = after(order, moved(late, ASKED_FOR))[1]
                assert kinds(events) == (["RefundStuck"] if late == "ABNORMAL" else [])

    def test_that_a_bank_sends_back_after_it_succeeded_asks_a_person(self) -> None:
        order, _ = after(with_a_refund(), moved(RefundOutcome.SUCCESS, ASKED_FOR))

        _, events = after(order, moved(RefundOutcome.ABNORMAL, ASKED_FOR))

        assert kinds(events) == ["RefundStuck"]

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

    def test_told_without_its_providers_number_is_no_second_one(self) -> None:
        order, _ = after(with_surplus(), moved(RefundOutcome.PROCESSING))
        fact = structs.replace(moved(RefundOutcome.SUCCESS).fact, provider_refund_id="")

        _, events = after(order, RecordRefund(order_id=1, fact=fact))

        assert kinds(events) == ["RefundAdvanced"]

    def test_that_is_not_ours_asks_a_person(self) -> None:
        _, events = after(with_surplus(), moved(RefundOutcome.SUCCESS, f"{ORDER_NO}09R01"))

        assert kinds(events) == ["RefundStuck"]

    def test_is_asked_for_of_an_ended_order_when_a_dispute_was_won(self) -> None:
        order = an_order(attempts=(an_attempt(1),))
        order, _ = after(order, RecordPayment(order_id=1, fact=a_payment(1)))
        for outcome in (RefundOutcome.SUCCESS, RefundOutcome.CLOSED):
            fact = a_refund("du_1", outcome, attempt_no=f"{ORDER_NO}01", kind=RefundKind.DISPUTE)
            order, _ = after(order, RecordRefund(order_id=1, fact=fact))

        order, events = after(order, RequestRefund(order_id=1, reason="sick", by_user_id=5))

        assert (order.status, kinds(events)) == (OrderStatus.REFUNDED, ["RefundRequested"])
        number = order.refunds[-1].refund_no
        order, _ = after(order, moved(RefundOutcome.SUCCESS, number))
        assert (order.payment_status, order.seats_held) == ("REFUNDED", 0)
        with pytest.raises(errors.RefundExceedsPaid):
            after(order, RequestRefund(order_id=1, reason="sick", by_user_id=5))

    def test_refused_for_good_fails_and_asks_a_person(self) -> None:
        refused = RecordRefundRefused(order_id=1, refund_no=NUMBER, code="NO_AUTH")

        order, events = after(with_surplus(), refused)

        assert kinds(events) == ["RefundAdvanced", "RefundStuck"]
        assert order.refunds[0].status is RefundStatus.FAILED
