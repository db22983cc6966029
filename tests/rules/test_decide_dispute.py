from contextlib import suppress
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.duties import effects_of
from contracts import errors
from contracts.commands import RecordPayment, RecordRefund, RequestRefund
from contracts.effects import EffectKind
from contracts.facts import RefundOutcome
from contracts.money import Money
from contracts.order import Order
from contracts.states import OrderStatus, PaymentStatus, RefundKind, RefundStatus
from tests.rules.builders import ORDER_NO, a_payment, a_refund, after, an_attempt, an_order, kinds

DISPUTE = "du_1"
BEGUN, TAKEN, OVER = RefundOutcome.PROCESSING, RefundOutcome.SUCCESS, RefundOutcome.CLOSED
PART = Money(amount_minor=4000, currency="CNY")


def paid() -> Order:
    order = an_order(attempts=(an_attempt(1),))
    return after(order, RecordPayment(order_id=1, fact=a_payment(1)))[0]


def told(outcome: RefundOutcome, **changes: Any) -> RecordRefund:  # noqa: ANN401
    about: dict[str, Any] = {
        "attempt_no": f"{ORDER_NO}01",
        "refunded": PART,
        "kind": RefundKind.DISPUTE,
    }
    return RecordRefund(order_id=1, fact=a_refund(DISPUTE, outcome, **(about | changes)))


def heard(*outcomes: RefundOutcome, order: Order | None = None) -> Order:
    order = order or paid()
    for outcome in outcomes:
        order, _ = after(order, told(outcome))
    return order


def left_minor(order: Order) -> int:
    assert order.settlement is not None
    return order.left_minor(order.settlement)


class TestADispute:
    def test_is_told_to_a_person_while_it_can_be_answered(self) -> None:
        order, events = after(paid(), told(BEGUN))

        assert kinds(events) == ["DisputeMoved", "RefundStuck"]
        (row,) = order.refunds
        assert (row.kind, row.status, row.refund_no) == ("dispute", "processing", DISPUTE)
        assert order.case_subjects == (f"refund:{DISPUTE}",)

    @pytest.mark.parametrize("outcome", [BEGUN, TAKEN, RefundOutcome.ABNORMAL])
    def test_lowers_what_can_be_sent_back(self, outcome: RefundOutcome) -> None:
        order = heard(outcome)

        assert left_minor(order) == 9900 - 4000
        with pytest.raises(errors.RefundExceedsPaid):
            after(order, RequestRefund(order_id=1, reason="r", by_user_id=5, amount_minor=5901))

    def test_under_review_is_money_on_its_way_back(self) -> None:
        assert heard(BEGUN).payment_status is PaymentStatus.REFUNDING

    def test_of_all_that_was_paid_ends_the_order_when_it_was_taken(self) -> None:
        order, events = after(heard(), told(TAKEN, refunded=_cny(9900)))

        assert kinds(events) == ["DisputeMoved", "RefundStuck", "OrderRefunded"]
        assert (order.status, order.payment_status) == (OrderStatus.REFUNDED, "REFUNDED")
        assert order.seats_held == 0

    def test_that_was_won_leaves_all_of_the_money(self) -> None:
        order = heard(BEGUN, OVER)

        assert left_minor(order) == 9900
        assert order.payment_status is PaymentStatus.PAID
        assert order.case_subjects == (f"refund:{DISPUTE}",)

    def test_that_was_won_after_money_was_taken_asks_a_person_again(self) -> None:
        order, events = after(heard(BEGUN, TAKEN), told(OVER))

        assert kinds(events) == ["DisputeMoved", "RefundStuck"]
        assert left_minor(order) == 9900
        assert order.case_subjects == (f"refund:{DISPUTE}", f"dispute_won:{DISPUTE}")

    def test_that_was_won_gives_an_ended_order_its_money_and_no_seat_back(self) -> None:
        whole = {"refunded": _cny(9900)}
        ended, _ = after(paid(), told(TAKEN, **whole))
        order, _ = after(ended, told(OVER, **whole))

        assert (order.status, order.payment_status, order.seats_held) == ("PAID", "PAID", 0)
        assert (left_minor(order), order.refunds[0].status) == (9900, RefundStatus.FAILED)
        assert f"dispute_won:{DISPUTE}" in order.case_subjects

    def test_of_more_than_is_left_is_only_a_case(self) -> None:
        order, _ = after(
            paid(), RequestRefund(order_id=1, reason="r", by_user_id=5, amount_minor=9900)
        )

        order, events = after(order, told(BEGUN))

        assert kinds(events) == ["RefundStuck"]
        assert left_minor(order) == 0

    def test_of_another_amount_than_before_moves_nothing(self) -> None:
        order, events = after(heard(BEGUN), told(TAKEN, refunded=_cny(4001)))

        assert kinds(events) == ["RefundStuck"]
        assert f"dispute_amount:{DISPUTE}" in order.case_subjects
        assert left_minor(order) == 9900 - 4000

    @pytest.mark.parametrize(
        "changes", [{"provider": "stripe"}, {"refunded": Money(amount_minor=1, currency="USD")}]
    )
    def test_of_another_payment_is_only_a_case(self, changes: dict[str, Any]) -> None:
        order, events = after(paid(), told(TAKEN, **changes))

        assert (kinds(events), order.refunds) == (["RefundStuck"], ())

    def test_writes_no_letter_to_who_began_it(self) -> None:
        _, events = after(paid(), told(TAKEN))

        owed = [effect.kind for event in events for effect in effects_of(event)]
        assert owed == [EffectKind.ALARM]


class TestWordsOfADispute:
    @pytest.mark.parametrize("order_of_words", list(permutations([BEGUN, TAKEN, OVER])), ids=str)
    def test_mean_the_same_in_any_order(self, order_of_words: tuple[RefundOutcome, ...]) -> None:
        order, expected = heard(*order_of_words), heard(BEGUN, TAKEN, OVER)

        assert order.refunds == expected.refunds
        assert set(order.case_subjects) == set(expected.case_subjects)
        assert order.payment_status is expected.payment_status

    @given(st.lists(st.sampled_from(list(RefundOutcome)), min_size=1, max_size=8))
    def test_mean_the_same_however_often_and_shuffled_they_come(
        self, words: list[RefundOutcome]
    ) -> None:
        order, expected = heard(*words), heard(*sorted(set(words), reverse=True))

        assert order.refunds == expected.refunds
        assert set(order.case_subjects) == set(expected.case_subjects)
        assert left_minor(order) in {9900, 9900 - 4000}
        assert heard(*words, order=order) == order

    @given(
        st.lists(st.sampled_from(list(RefundOutcome)), max_size=6),
        st.integers(1, 9900),
        st.integers(1, 9900),
    )
    def test_never_take_more_than_was_paid(
        self, words: list[RefundOutcome], disputed_minor: int, asked_minor: int
    ) -> None:
        order = paid()
        ask = RequestRefund(order_id=1, reason="r", by_user_id=5, amount_minor=asked_minor)
        for n, word in enumerate(words):
            number = f"du_{n % 3}"
            fact = replace(told(word).fact, refund_no=number, refunded=_cny(disputed_minor))
            for command in (RecordRefund(order_id=1, fact=fact), ask):
                with suppress(errors.Refusal):
                    order, _ = after(order, command)
                assert left_minor(order) >= 0


def _cny(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="CNY")
