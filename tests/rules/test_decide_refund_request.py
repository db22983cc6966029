from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts import errors
from contracts.commands import (
    MarkPaid,
    OrderCommand,
    RecordPayment,
    RecordRefund,
    RecordRefundRefused,
    RequestRefund,
)
from contracts.facts import RefundOutcome
from contracts.money import Money
from contracts.order import Invite, Order, Registration
from contracts.states import (
    LIVE_REGISTRATIONS,
    InviteStatus,
    OrderStatus,
    PaymentStatus,
    RefundStatus,
    RegistrationStatus,
)
from tests.rules.builders import (
    ORDER_NO,
    PRICE,
    a_payment,
    a_refund,
    after,
    an_attempt,
    an_order_of,
    kinds,
)

FIRST, SECOND = f"{ORDER_NO}01R01", f"{ORDER_NO}01R02"
GUEST = Registration(id=2, user_id=8, status=RegistrationStatus.APPROVED, invite_id=3)


def paid(**changes: Any) -> Order:  # noqa: ANN401
    """Build a paid order of four: its buyer, two gift seats that wait, and a guest."""
    order, _ = after(
        an_order_of(4, attempts=(an_attempt(1),)), RecordPayment(order_id=1, fact=a_payment(1))
    )
    taken = replace(order.invites[2], status=InviteStatus.REDEEMED, redeemed_by=8)
    return replace(
        order,
        invites=(*order.invites[:2], taken),
        registrations=(*order.registrations, GUEST),
        **changes,
    )


def paid_by_hand() -> Order:
    command = MarkPaid(order_id=1, reason="cash", by_user_id=5)
    return after(an_order_of(2), command)[0]


def ask(amount_minor: int | None = None, **changes: Any) -> RequestRefund:  # noqa: ANN401
    fields: dict[str, Any] = {"order_id": 1, "reason": "sick", "by_user_id": 5}
    return RequestRefund(**(fields | {"amount_minor": amount_minor} | changes))


def told(outcome: RefundOutcome, minor: int, number: str = FIRST) -> RecordRefund:
    refunded = Money(amount_minor=minor, currency="CNY")
    fact = a_refund(number, outcome, attempt_no=f"{ORDER_NO}01", refunded=refunded)
    return RecordRefund(order_id=1, fact=fact)


def holders(order: Order) -> int:
    waiting = sum(i.status is InviteStatus.PENDING for i in order.invites)
    return waiting + sum(g.status in LIVE_REGISTRATIONS for g in order.registrations)


class TestARequest:
    def test_without_an_amount_means_all_that_is_left(self) -> None:
        order, _ = after(paid(), ask(4000))

        order, _ = after(order, ask())

        assert [r.amount.amount_minor for r in order.refunds] == [4000, 5900]
        assert [r.refund_no for r in order.refunds] == [FIRST, SECOND]
        assert order.payment_status is PaymentStatus.REFUNDING

    @pytest.mark.parametrize("amount", [9901, 2**53 - 1, 0, -1])
    def test_of_more_than_is_left_is_refused(self, amount: int) -> None:
        with pytest.raises(errors.RefundExceedsPaid) as refused:
            after(paid(), ask(amount))

        assert refused.value.extra == {"refundable": 9900}

    def test_counts_what_is_under_way(self) -> None:
        order, _ = after(paid(), ask(9900))

        for amount in (None, 1):
            with pytest.raises(errors.RefundExceedsPaid):
                after(order, ask(amount))

    def test_of_an_unpaid_order_is_refused(self) -> None:
        with pytest.raises(errors.InvalidState):
            after(an_order_of(1), ask())

    def test_of_a_refunded_order_is_refused(self) -> None:
        order, _ = after(paid(), ask())
        order, _ = after(order, told(RefundOutcome.SUCCESS, 9900))

        with pytest.raises(errors.RefundExceedsPaid):
            after(order, ask())

    def test_beyond_fifty_parts_is_refused(self) -> None:
        order = paid()
        for _ in range(50):
            order, _ = after(order, ask(1))

        with pytest.raises(errors.InvalidState, match="50"):
            after(order, ask(1))

    def test_may_be_repeated_under_a_new_number_when_it_failed(self) -> None:
        order, _ = after(paid(), ask())
        order, _ = after(order, told(RefundOutcome.CLOSED, 9900))

        order, _ = after(order, ask())

        assert [r.status for r in order.refunds] == [RefundStatus.FAILED, RefundStatus.REQUESTED]
        assert order.refunds[1].refund_no == SECOND

    def test_never_takes_a_number_that_somebody_used_past_us(self) -> None:
        order, _ = after(paid(), told(RefundOutcome.SUCCESS, 100, SECOND))

        order, _ = after(order, ask(100))

        assert order.refunds[1].refund_no == f"{ORDER_NO}01R03"


class TestAKey:
    def test_finds_the_refund_it_made(self) -> None:
        wanted = ask(100, idempotency_key="k", invite_ids=(1,))
        order, _ = after(paid(), wanted)

        assert after(order, wanted)[1] == []
        failed, _ = after(order, told(RefundOutcome.CLOSED, 100))
        assert after(failed, wanted)[1] == []

    @pytest.mark.parametrize(
        "other",
        [
            {"amount_minor": 101},
            {"amount_minor": None},
            {"reason": "well"},
            {"invite_ids": ()},
            {"registration_ids": (2,)},
        ],
        ids=str,
    )
    def test_with_another_content_is_refused(self, other: dict[str, Any]) -> None:
        order, _ = after(paid(), ask(100, idempotency_key="k", invite_ids=(1,)))

        with pytest.raises(errors.IdempotencyMismatch):
            after(order, ask(**{"amount_minor": 100, "idempotency_key": "k", **other}))

    @pytest.mark.parametrize("key", ["surplus:wechat:T2", "wechat:T2", f"number:{FIRST}", ":", ""])
    def test_of_a_person_is_none_of_ours(self, key: str) -> None:
        order, _ = after(paid(), RecordPayment(order_id=1, fact=a_payment(1, txn="T2")))

        order, events = after(order, ask(1, idempotency_key=key))

        assert kinds(events) == ["RefundRequested"]
        closed = told(RefundOutcome.CLOSED, 1, order.refunds[-1].refund_no)
        assert kinds(after(order, closed)[1]) == ["RefundAdvanced"]


class TestANamedSeat:
    def test_is_marked_while_the_refund_is_under_way(self) -> None:
        order, _ = after(paid(), ask(100, invite_ids=(1,), registration_ids=(2,)))

        assert [i.refund_no for i in order.invites] == [FIRST, None, None]
        assert [g.refund_no for g in order.registrations] == [None, FIRST]
        assert order.seats_held == 4

    def test_is_free_when_the_money_has_gone_back(self) -> None:
        order, _ = after(paid(), ask(100, invite_ids=(1,), registration_ids=(2,)))

        order, _ = after(order, told(RefundOutcome.SUCCESS, 100))

        assert order.status is OrderStatus.PAID
        assert order.seats_held == holders(order) == 2
        assert order.invites[0].status is InviteStatus.INVALID
        assert order.registrations[1].status is RegistrationStatus.CANCELLED
        assert order.invites[0].refund_no == order.registrations[1].refund_no == FIRST

    @pytest.mark.parametrize(
        "failure",
        [
            told(RefundOutcome.CLOSED, 100),
            RecordRefundRefused(order_id=1, refund_no=FIRST, code="NOT_ENOUGH"),
        ],
        ids=lambda command: type(command).__name__,
    )
    def test_is_used_again_when_the_refund_failed(self, failure: OrderCommand) -> None:
        before = paid()
        order, _ = after(before, ask(100, invite_ids=(1,), registration_ids=(2,)))

        order, _ = after(order, failure)

        assert (order.invites, order.registrations) == (before.invites, before.registrations)

    def test_stays_marked_while_a_bank_refuses(self) -> None:
        order, _ = after(paid(), ask(100, invite_ids=(1,)))

        order, events = after(order, told(RefundOutcome.ABNORMAL, 100))

        assert kinds(events) == ["RefundAdvanced", "RefundStuck"]
        assert order.invites[0].refund_no == FIRST
        assert order.payment_status is PaymentStatus.REFUNDING

    def test_may_be_the_buyers_own(self) -> None:
        order, _ = after(paid(), ask(100, registration_ids=(1,)))

        order, _ = after(order, told(RefundOutcome.SUCCESS, 100))

        assert order.registrations[0].status is RegistrationStatus.CANCELLED
        assert order.seats_held == holders(order) == 3

    def test_of_an_order_that_cost_nothing_is_not_given_up_alone(self) -> None:
        order = paid()
        nothing = replace(order.payments[0], paid=Money(amount_minor=0, currency="CNY"))
        order = replace(order, payments=(nothing,))

        with pytest.raises(errors.NotFound):
            after(order, ask(invite_ids=(9,)))
        with pytest.raises(errors.InvalidState):
            after(order, ask(invite_ids=(1,)))
        ended, _ = after(order, ask())
        assert ended.status is OrderStatus.REFUNDED
        assert after(ended, ask())[1] == []

    @pytest.mark.parametrize("named", [{"invite_ids": (9,)}, {"registration_ids": (1, 9)}], ids=str)
    def test_must_be_the_orders(self, named: dict[str, Any]) -> None:
        with pytest.raises(errors.NotFound):
            after(paid(), ask(100, **named))

    def test_must_wait_for_a_guest(self) -> None:
        with pytest.raises(errors.InvalidState):
            after(paid(), ask(100, invite_ids=(3,)))

    @pytest.mark.parametrize("named", [{"invite_ids": (1,)}, {"registration_ids": (2,)}], ids=str)
    def test_is_in_one_refund_at_most(self, named: dict[str, Any]) -> None:
        order, _ = after(paid(), ask(100, **named))

        with pytest.raises(errors.InvalidState):
            after(order, ask(100, **named))

    def test_that_nobody_named_stays(self) -> None:
        order, _ = after(paid(), ask(9000))
        order, _ = after(order, told(RefundOutcome.SUCCESS, 9000))

        assert order.seats_held == holders(order) == 4


class TestAFullRefund:
    @pytest.mark.parametrize("amount", [None, 9900])
    def test_marks_every_seat_that_is_used_or_waits(self, amount: int | None) -> None:
        order, _ = after(paid(), ask(amount))

        assert [i.refund_no for i in order.invites] == [FIRST, FIRST, None]
        assert [g.refund_no for g in order.registrations] == [FIRST, FIRST]

    def test_takes_no_seat_that_it_does_not_name_while_another_may_fail(self) -> None:
        order, _ = after(paid(), ask(100, invite_ids=(1,)))
        order, _ = after(order, ask())
        assert [i.refund_no for i in order.invites] == [FIRST, None, None]

        order, _ = after(order, told(RefundOutcome.SUCCESS, 9800, SECOND))
        order, _ = after(order, told(RefundOutcome.CLOSED, 100))

        assert (order.status, order.payment_status) == (OrderStatus.PAID, PaymentStatus.PAID)
        assert order.seats_held == holders(order) == 4

    def test_ends_the_order_with_the_last_part(self) -> None:
        order, _ = after(paid(), ask(100, invite_ids=(1,)))
        order, _ = after(order, ask())
        order, first = after(order, told(RefundOutcome.SUCCESS, 9800, SECOND))

        order, last = after(order, told(RefundOutcome.SUCCESS, 100))

        assert (kinds(first), kinds(last)) == (
            ["RefundAdvanced"],
            ["RefundAdvanced", "OrderRefunded"],
        )
        assert order.status is OrderStatus.REFUNDED
        assert order.seats_held == holders(order) == 0


class TestARefundNobodyAskedFor:
    def test_lowers_what_is_left_and_asks_a_person_once(self) -> None:
        order, events = after(paid(), told(RefundOutcome.SUCCESS, 4000, "console1"))

        assert kinds(events) == ["ExternalRefund", "RefundStuck"]
        assert order.status is OrderStatus.PAID
        assert order.seats_held == holders(order) == 4
        with pytest.raises(errors.RefundExceedsPaid):
            after(order, ask(5901))
        for outcome in RefundOutcome:
            if outcome is not RefundOutcome.CLOSED:
                assert after(order, told(outcome, 4000, "console1"))[1] == []

    def test_of_everything_ends_the_order(self) -> None:
        order, _ = after(paid(), told(RefundOutcome.SUCCESS, 4000, "console1"))

        order, events = after(order, told(RefundOutcome.SUCCESS, 5900, "console2"))

        assert kinds(events) == ["ExternalRefund", "RefundStuck", "OrderRefunded"]
        assert order.status is OrderStatus.REFUNDED

    def test_of_more_than_is_left_is_only_a_case(self) -> None:
        order, _ = after(paid(), ask(6000))
        ours = order.refunds[0].refund_no
        order, _ = after(order, told(RefundOutcome.SUCCESS, 6000, ours))

        order, events = after(order, told(RefundOutcome.SUCCESS, 4000, "console1"))

        assert kinds(events) == ["RefundStuck"]
        assert len(order.refunds) == 1

    def test_of_another_currency_is_only_a_case(self) -> None:
        fact = a_refund(
            "console1",
            RefundOutcome.SUCCESS,
            attempt_no=f"{ORDER_NO}01",
            refunded=Money(amount_minor=1, currency="USD"),
        )

        assert kinds(after(paid(), RecordRefund(order_id=1, fact=fact))[1]) == ["RefundStuck"]

    def test_is_nothing_while_it_is_under_way(self) -> None:
        assert after(paid(), told(RefundOutcome.PROCESSING, 4000, "console1"))[1] == []


class TestMoneyThatCameByHand:
    def test_settles_the_order_once(self) -> None:
        order = paid_by_hand()

        assert order.status is OrderStatus.PAID
        assert order.settlement is not None
        assert order.settlement.provider_txn_id == f"MANUAL-{ORDER_NO}"
        assert after(order, MarkPaid(order_id=1, reason="again", by_user_id=5))[1] == []

    def test_waits_until_no_provider_can_take_any(self) -> None:
        with pytest.raises(errors.InvalidState, match="unresolved"):
            after(
                an_order_of(2, attempts=(an_attempt(1),)),
                MarkPaid(order_id=1, reason="cash", by_user_id=5),
            )

    @pytest.mark.parametrize(
        ("status", "refusal"),
        [
            (OrderStatus.EXPIRED, errors.InvalidState),
            (OrderStatus.CANCELLED, errors.InvalidState),
            (OrderStatus.REFUNDED, errors.InvalidState),
            (OrderStatus.PAID, errors.OrderAlreadyPaid),
        ],
    )
    def test_settles_nothing_that_is_over(
        self, status: OrderStatus, refusal: type[errors.Refusal]
    ) -> None:
        with pytest.raises(refusal):
            after(replace(paid(), status=status), MarkPaid(order_id=1, reason="x", by_user_id=5))

    def test_goes_back_by_hand(self) -> None:
        order, events = after(paid_by_hand(), ask(100, invite_ids=(1,)))

        assert kinds(events) == ["RefundRequested", "RefundAdvanced"]
        assert order.seats_held == holders(order) == 1

        order, events = after(order, ask())

        assert kinds(events) == ["RefundRequested", "RefundAdvanced", "OrderRefunded"]
        assert order.status is OrderStatus.REFUNDED


class TestAnOrderThatCostNothing:
    def free(self) -> Order:
        order = paid()
        assert order.settlement is not None
        nothing = Money(amount_minor=0, currency=PRICE.currency)
        payment = replace(order.settlement, paid=nothing, source="free")
        return replace(order, total=nothing, payments=(payment,))

    def test_ends_without_a_refund(self) -> None:
        order, events = after(self.free(), ask())

        assert kinds(events) == ["OrderRefunded"]
        assert (order.status, order.payment_status) == ("REFUNDED", "REFUNDED")
        assert (order.refunds, order.seats_held) == ((), 0)

    def test_has_nothing_to_send_back(self) -> None:
        with pytest.raises(errors.RefundExceedsPaid):
            after(self.free(), ask(1))


_SEATS = st.sets(st.integers(1, 4), max_size=3)
_ASKED = st.builds(
    lambda amount, invites, places: ask(
        amount, invite_ids=tuple(invites), registration_ids=tuple(places)
    ),
    st.one_of(st.none(), st.integers(1, 12_000)),
    _SEATS,
    _SEATS,
)
_OUTCOMES = st.tuples(st.sampled_from(RefundOutcome), st.integers(0, 6))
_PAST_US = st.integers(1, 12_000)


class TestEveryHistory:
    @given(st.lists(st.one_of(_ASKED, _OUTCOMES, _PAST_US), max_size=25))
    def test_keeps_the_sum_and_the_seats(self, history: list[Any]) -> None:
        order = paid()
        for n, step in enumerate(history):
            order = self.take(order, step, n)

            assert order.settlement is not None
            assert order.left_minor(order.settlement) >= 0
            assert order.seats_held == holders(order)
            done = sum(
                r.amount.amount_minor for r in order.refunds if r.status is RefundStatus.SUCCEEDED
            )
            assert (done == PRICE.amount_minor) == (order.status is OrderStatus.REFUNDED)
            self.check_marks(order)

    def take(self, order: Order, step: Any, n: int) -> Order:  # noqa: ANN401
        command: RequestRefund | RecordRefund
        if isinstance(step, RequestRefund):
            command = step
        elif isinstance(step, int):
            command = told(RefundOutcome.SUCCESS, step, f"console{n}")
        elif len(order.refunds) > step[1]:
            refund = order.refunds[step[1]]
            command = told(step[0], refund.amount.amount_minor, refund.refund_no)
        else:
            return order
        try:
            return after(order, command)[0]
        except errors.Refusal:
            return order

    def check_marks(self, order: Order) -> None:
        places: tuple[Invite | Registration, ...] = (*order.invites, *order.registrations)
        for place in places:
            if place.refund_no is not None and order.status is OrderStatus.PAID:
                refund = order.refund(place.refund_no)
                assert refund is not None
                is_free = place.status in (InviteStatus.INVALID, RegistrationStatus.CANCELLED)
                assert is_free == (refund.status is RefundStatus.SUCCEEDED)
                assert refund.status is not RefundStatus.FAILED
