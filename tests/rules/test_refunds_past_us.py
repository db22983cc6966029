import pytest
from msgspec.structs import replace

from actors.duties import effects_of
from actors.refunds_past_us import payment_with_room
from contracts import errors
from contracts.commands import RecordPayment, RecordRefund, RecordRefundRefused, RequestRefund
from contracts.effects import EffectKind
from contracts.facts import RefundMoved, RefundOutcome, nameless_txn
from contracts.money import Money
from contracts.order import Order
from contracts.states import RefundKind
from tests.rules.builders import ORDER_NO, a_payment, a_refund, after, an_attempt, an_order, kinds

ATTEMPT = f"{ORDER_NO}01"
SUCCESS, CLOSED = RefundOutcome.SUCCESS, RefundOutcome.CLOSED


def paid(*txns: str) -> Order:
    """Build an order that was paid as often as it was told, each time under one number."""
    order = an_order(attempts=(an_attempt(1),))
    for txn in txns or ("T1",):
        order, _ = after(order, RecordPayment(order_id=1, fact=a_payment(1, txn)))
    return order


def at_console(amount_minor: int = 9900, txn: str | None = "T1", **changes: object) -> RefundMoved:
    refunded = Money(amount_minor=amount_minor, currency="CNY")
    about = {"attempt_no": ATTEMPT, "refunded": refunded, "provider_txn_id": txn}
    return a_refund("console", SUCCESS, **(about | changes))


def asked(order: Order, amount_minor: int) -> Order:
    wish = RequestRefund(order_id=1, reason="sick", by_user_id=5, amount_minor=amount_minor)
    return after(order, wish)[0]


class TestARefundPastUs:
    @pytest.mark.parametrize("under_way_minor", [3000, 9900])
    @pytest.mark.parametrize("kind", [RefundKind.OURS, RefundKind.DISPUTE])
    def test_waits_for_a_refund_of_ours_that_leaves_it_no_room(
        self, under_way_minor: int, kind: RefundKind
    ) -> None:
        order, fact = asked(paid(), under_way_minor), at_console(kind=kind)

        with pytest.raises(errors.RefundUnderWay):
            after(order, RecordRefund(order_id=1, fact=fact))

        ours = order.refunds[0].refund_no
        refused = RecordRefundRefused(order_id=1, refund_no=ours, code="NOT_ENOUGH")
        order, _ = after(order, refused)
        order, _ = after(order, RecordRefund(order_id=1, fact=fact))
        assert (order.status, order.payment_status) == ("REFUNDED", "REFUNDED")

    def test_has_no_room_where_ours_has_gone(self) -> None:
        order = asked(paid(), 3000)
        went = a_refund(order.refunds[0].refund_no, SUCCESS, refunded=order.refunds[0].amount)
        order, _ = after(order, RecordRefund(order_id=1, fact=went))

        _, events = after(order, RecordRefund(order_id=1, fact=at_console()))

        assert kinds(events) == ["RefundStuck"]

    def test_of_more_than_was_ever_paid_waits_for_nothing(self) -> None:
        assert payment_with_room(asked(paid(), 3000), at_console(), takes_minor=9901) is None

    def test_that_leaves_room_for_ours_takes_it(self) -> None:
        order, events = after(asked(paid(), 3000), RecordRefund(order_id=1, fact=at_console(6900)))

        assert kinds(events) == ["ExternalRefund", "RefundStuck"]
        assert (order.status, order.payment_status) == ("PAID", "REFUNDING")

    def test_is_of_the_payment_that_it_names(self) -> None:
        order = paid("T1", "T2")
        honoured, surplus = order.payments
        assert (honoured.honoured, surplus.honoured) == (True, False)

        assert payment_with_room(order, at_console(txn="T1"), takes_minor=1) == honoured
        assert payment_with_room(order, at_console(txn=None), takes_minor=1) == honoured
        with pytest.raises(errors.RefundUnderWay):
            payment_with_room(order, at_console(txn="T2"), takes_minor=1)

    @pytest.mark.parametrize("kind", [RefundKind.OURS, RefundKind.DISPUTE])
    def test_of_a_payment_nobody_knows_moves_nothing(self, kind: RefundKind) -> None:
        stranger = at_console(1000, "T9", kind=kind)

        order, events = after(paid(), RecordRefund(order_id=1, fact=stranger))

        assert kinds(events) == ["RefundStuck"]
        assert order.refunds == ()

    def test_is_of_a_payment_whose_number_nobody_was_told(self) -> None:
        order = paid(nameless_txn(ATTEMPT))

        assert payment_with_room(order, at_console(), takes_minor=1) == order.payments[0]

    @pytest.mark.parametrize("first", [SUCCESS, CLOSED])
    def test_that_went_and_failed_has_returned_in_whatever_order_it_is_told(
        self, first: RefundOutcome
    ) -> None:
        order = paid()
        for outcome in (first, SUCCESS, CLOSED):
            fact = replace(at_console(), outcome=outcome)
            order, _ = after(order, RecordRefund(order_id=1, fact=fact))

        assert [(row.kind, row.status) for row in order.refunds] == [("external", "returned")]
        assert (order.status, order.payment_status, order.seats_held) == ("PAID", "PAID", 0)

    def test_that_failed_takes_nothing_and_is_told_to_no_buyer(self) -> None:
        fact = replace(at_console(), outcome=CLOSED)

        order, events = after(paid(), RecordRefund(order_id=1, fact=fact))

        assert kinds(events) == ["ExternalRefund", "RefundStuck"]
        assert (order.status, order.payment_status, order.refunds[0].status) == (
            "PAID",
            "PAID",
            "failed",
        )
        assert [e.kind for event in events for e in effects_of(event)] == [EffectKind.ALARM]

    def test_in_another_currency_is_of_no_payment(self) -> None:
        fact = replace(at_console(), refunded=Money(amount_minor=1, currency="USD"))

        assert payment_with_room(paid(), fact, takes_minor=1) is None
