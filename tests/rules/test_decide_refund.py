import pytest
from msgspec import structs

from actors.duties import effects_of
from contracts import errors
from contracts.commands import RecordPayment, RecordRefund, RecordRefundRefused, RequestRefund
from contracts.effects import EffectKind
from contracts.facts import RefundOutcome
from contracts.money import Money
from contracts.order import Order
from contracts.states import OrderStatus, RefundKind, RefundStatus
from tests.rules.builders import (
    ORDER_NO,
    PRICE,
    a_payment,
    a_refund,
    after,
    an_attempt,
    an_order,
    kinds,
)

NUMBER = f"{ORDER_NO}02R01"
ASKED_FOR = f"{ORDER_NO}01R01"
ENDS = [RefundOutcome.SUCCESS, RefundOutcome.CLOSED]


def with_surplus() -> Order:
    order = an_order(attempts=(an_attempt(1), an_attempt(2)))
    order, _ = after(order, RecordPayment(order_id=1, fact=a_payment(1)))
    return after(order, RecordPayment(order_id=1, fact=a_payment(2, txn="T2")))[0]


def with_a_refund(amount_minor: int | None = None) -> Order:
    order = an_order(attempts=(an_attempt(1),))
    order, _ = after(order, RecordPayment(order_id=1, fact=a_payment(1)))
    wish = RequestRefund(order_id=1, reason="sick", by_user_id=5, amount_minor=amount_minor)
    return after(order, wish)[0]


def returned() -> Order:
    order = with_a_refund()
    for outcome in ENDS:
        order, _ = after(order, moved(outcome, ASKED_FOR))
    return order


def ended(order: Order, n: int, outcome: RefundOutcome) -> RecordRefund:
    refund = order.refunds[n - 1]
    fact = a_refund(refund.refund_no, outcome, refunded=refund.amount)
    return RecordRefund(order_id=1, fact=fact)


def moved(outcome: RefundOutcome, number: str = NUMBER) -> RecordRefund:
    return RecordRefund(order_id=1, fact=a_refund(number, outcome))


class TestARefund:
    def test_ends_when_the_provider_says_success(self) -> None:
        order, _ = after(with_surplus(), moved(RefundOutcome.SUCCESS))

        assert order.refunds[0].status is RefundStatus.SUCCEEDED
        assert order.status is OrderStatus.PAID

    @pytest.mark.parametrize("late", [late for late in RefundOutcome if late != "CLOSED"])
    def test_that_succeeded_stays_so_whatever_arrives_late(self, late: RefundOutcome) -> None:
        order, _ = after(with_surplus(), moved(RefundOutcome.SUCCESS))

        order, events = after(order, moved(late))

        assert kinds(events) in ([], ["RefundStuck"])
        assert order.refunds[0].status is RefundStatus.SUCCEEDED

    @pytest.mark.parametrize("ends", [ENDS, ENDS[::-1]], ids=["in order", "the other way round"])
    def test_that_its_provider_says_succeeded_and_failed_has_returned(
        self, ends: list[RefundOutcome]
    ) -> None:
        first, second = ends
        order, _ = after(with_a_refund(), moved(first, ASKED_FOR))

        order, events = after(order, moved(second, ASKED_FOR))

        assert kinds(events)[-1] == "RefundStuck"
        assert f"failed_after_success:{ASKED_FOR}" in order.case_subjects
        assert order.refunds[0].status is RefundStatus.RETURNED
        assert (order.status, order.payment_status, order.refund_status) == (
            "PAID",
            "PAID",
            "returned",
        )
        # They were free in between, and may be sold.
        assert order.seats_held == 0
        for late in RefundOutcome:
            assert after(order, moved(late, ASKED_FOR))[1] == []

    def test_that_returned_can_be_asked_for_again(self) -> None:
        order = returned()

        order, events = after(order, RequestRefund(order_id=1, reason="sick", by_user_id=5))

        assert kinds(events) == ["RefundRequested"]
        assert (order.refunds[1].amount, order.payment_status) == (PRICE, "REFUNDING")
        order, events = after(order, moved(RefundOutcome.SUCCESS, order.refunds[1].refund_no))
        assert kinds(events) == ["RefundAdvanced", "OrderRefunded"]
        assert (order.status, order.payment_status, order.seats_held) == ("REFUNDED", "REFUNDED", 0)
        with pytest.raises(errors.RefundExceedsPaid):
            after(order, RequestRefund(order_id=1, reason="sick", by_user_id=5))

    def test_that_returned_is_named_when_it_is_tried_again(self) -> None:
        again = RequestRefund(order_id=1, reason="sick", by_user_id=5, again=ASKED_FOR)

        order, events = after(returned(), again)

        assert kinds(events) == ["RefundRequested"]
        assert order.refunds[1].refund_no == f"{ORDER_NO}01R02"

    def test_that_returned_leaves_what_another_sent_back(self) -> None:
        order = with_a_refund(2000)
        order, _ = after(order, RequestRefund(order_id=1, reason="sick", by_user_id=5))
        for n, outcome in ((1, RefundOutcome.SUCCESS), (2, RefundOutcome.SUCCESS)):
            order, _ = after(order, ended(order, n, outcome))
        assert order.status is OrderStatus.REFUNDED

        order, events = after(order, ended(order, 1, RefundOutcome.CLOSED))

        assert kinds(events) == ["RefundAdvanced", "OrderRefundReturned", "RefundStuck"]
        assert order.left_minor(order.payments[0]) == 2000
        assert [refund.status for refund in order.refunds] == ["returned", "succeeded"]

    def test_that_returned_writes_no_letter(self) -> None:
        order, _ = after(with_a_refund(), moved(RefundOutcome.SUCCESS, ASKED_FOR))

        _, events = after(order, moved(RefundOutcome.CLOSED, ASKED_FOR))

        owed = [effect.kind for event in events for effect in effects_of(event)]
        assert owed == [EffectKind.ALARM]

    def test_made_past_us_returns_without_a_case(self) -> None:
        order = an_order(attempts=(an_attempt(1),))
        order, _ = after(order, RecordPayment(order_id=1, fact=a_payment(1)))
        theirs = [
            RecordRefund(order_id=1, fact=a_refund("re_1", outcome, attempt_no=f"{ORDER_NO}01"))
            for outcome in ENDS
        ]
        order, _ = after(order, theirs[0])
        assert (order.status, order.refunds[0].kind) == ("REFUNDED", RefundKind.EXTERNAL)

        order, events = after(order, theirs[1])

        assert kinds(events) == ["RefundAdvanced", "OrderRefundReturned"]
        assert (order.status, order.payment_status) == ("PAID", "PAID")
        assert after(order, theirs[0])[1] == []

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

        assert (order.status, kinds(events)) == (OrderStatus.PAID, ["RefundRequested"])
        number = order.refunds[-1].refund_no
        order, _ = after(order, moved(RefundOutcome.SUCCESS, number))
        assert (order.status, order.payment_status, order.seats_held) == ("REFUNDED", "REFUNDED", 0)
        with pytest.raises(errors.RefundExceedsPaid):
            after(order, RequestRefund(order_id=1, reason="sick", by_user_id=5))

    def test_that_was_refused_and_succeeded_all_the_same_has_not_returned(self) -> None:
        refused = RecordRefundRefused(order_id=1, refund_no=ASKED_FOR, code="NO_AUTH")
        order, _ = after(with_a_refund(), refused)

        order, events = after(order, moved(RefundOutcome.SUCCESS, ASKED_FOR))

        assert kinds(events) == ["RefundAdvanced", "OrderRefunded", "RefundStuck"]
        assert (order.status, order.refunds[0].status) == ("REFUNDED", "succeeded")
        assert order.case_subjects == (f"refused:{ASKED_FOR}", f"refund:{ASKED_FOR}")
        assert after(order, moved(RefundOutcome.SUCCESS, ASKED_FOR))[1] == []

    def test_refused_for_good_fails_and_asks_a_person(self) -> None:
        refused = RecordRefundRefused(order_id=1, refund_no=NUMBER, code="NO_AUTH")

        order, events = after(with_surplus(), refused)

        assert kinds(events) == ["RefundAdvanced", "RefundStuck"]
        assert order.refunds[0].status is RefundStatus.FAILED
