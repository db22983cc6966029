"""Laws that hold for every order, whatever happens to it and in whatever order."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.allocate import allocate
from actors.decide import decide
from actors.evolve import evolve_all
from actors.transitions import edges
from contracts import errors
from contracts.commands import (
    ApplyCoupon,
    Cancel,
    Expire,
    MarkPaid,
    OrderCommand,
    RecordAttempt,
    RecordOpenFailed,
    RecordPayment,
    RecordRefund,
    RequestRefund,
)
from contracts.coupons import Coupon
from contracts.facts import (
    AttemptClosedAtProvider,
    AttemptNotFound,
    PaymentDeclined,
    RefundOutcome,
)
from contracts.money import Money
from contracts.order import Order, Reclaim
from contracts.states import (
    LIVE_REGISTRATIONS,
    AttemptState,
    Channel,
    CouponKind,
    InviteStatus,
    OrderStatus,
    RefundKind,
)
from tests.rules.builders import (
    NOW,
    ORDER_NO,
    POLICY,
    PRICE,
    a_payment,
    a_refund,
    an_attempt,
    an_order,
    opened,
    start,
)

FIRST, SECOND = f"{ORDER_NO}01", f"{ORDER_NO}02"
_PART: dict[str, Any] = {"amount_minor": 100, "currency": "CNY"}
WRONG = Money(amount_minor=1, currency="CNY")
FACTS: list[OrderCommand] = [
    RecordPayment(order_id=1, fact=a_payment(1, txn="T1")),
    RecordPayment(order_id=1, fact=a_payment(2, txn="T2")),
    RecordPayment(order_id=1, fact=a_payment(1, txn="T3", paid=WRONG)),
    RecordRefund(order_id=1, fact=a_refund(f"{FIRST}R01", RefundOutcome.PROCESSING)),
    RecordRefund(order_id=1, fact=a_refund(f"{SECOND}R01", RefundOutcome.PROCESSING)),
]
DECLINES: list[OrderCommand] = [
    RecordAttempt(order_id=1, fact=PaymentDeclined(provider="wechat", attempt_no=number, code=code))
    for number in (FIRST, SECOND)
    for code in ("card_declined", "expired_card")
]
DISPUTES: list[OrderCommand] = [
    RecordRefund(
        order_id=1,
        fact=a_refund(
            number,
            outcome,
            attempt_no=attempt_no,
            kind=RefundKind.DISPUTE,
            refunded=Money(amount_minor=amount_minor, currency="CNY"),
        ),
    )
    for number, attempt_no, amount_minor in (("du_1", FIRST, 9900), ("du_2", SECOND, 100))
    for outcome in (RefundOutcome.PROCESSING, RefundOutcome.SUCCESS, RefundOutcome.CLOSED)
]
COMMANDS: list[OrderCommand] = [
    *FACTS,
    *DISPUTES,
    *DECLINES,
    start(),
    start(channel=Channel.WECHAT_JSAPI, openid="o1"),
    opened(1),
    opened(2),
    RecordOpenFailed(order_id=1, attempt_no=FIRST, burnt=False),
    RecordOpenFailed(order_id=1, attempt_no=SECOND, burnt=True),
    RecordAttempt(order_id=1, fact=AttemptClosedAtProvider(provider="wechat", attempt_no=FIRST)),
    RecordAttempt(order_id=1, fact=AttemptClosedAtProvider(provider="wechat", attempt_no=SECOND)),
    RecordAttempt(
        order_id=1,
        fact=AttemptNotFound(
            provider="wechat", attempt_no=FIRST, asked_at=NOW + timedelta(hours=3)
        ),
    ),
    RecordRefund(order_id=1, fact=a_refund(f"{FIRST}R01", RefundOutcome.SUCCESS)),
    RecordRefund(order_id=1, fact=a_refund(f"{FIRST}R01", RefundOutcome.CLOSED)),
    RecordRefund(order_id=1, fact=a_refund(f"{SECOND}R01", RefundOutcome.SUCCESS)),
    RecordRefund(order_id=1, fact=a_refund(f"{SECOND}R01", RefundOutcome.CLOSED)),
    RecordRefund(
        order_id=1,
        fact=a_refund(f"{FIRST}R02", RefundOutcome.SUCCESS, refunded=Money(**_PART)),
    ),
    RecordRefund(
        order_id=1,
        fact=a_refund(f"{FIRST}R02", RefundOutcome.CLOSED, refunded=Money(**_PART)),
    ),
    RequestRefund(order_id=1, reason="r", by_user_id=5, idempotency_key="part", amount_minor=100),
    RequestRefund(order_id=1, reason="r", by_user_id=5, idempotency_key="rest"),
    MarkPaid(order_id=1, reason="cash", by_user_id=5),
    Expire(order_id=1),
    Cancel(order_id=1),
    ApplyCoupon(order_id=1, code="HALF"),
]
HALF = Coupon(
    id=1,
    code="HALF",
    kind=CouponKind.PERCENT,
    value=50,
    event_id=None,
    starts_at=None,
    ends_at=None,
    max_uses=None,
    used_count=0,
    is_active=True,
)


def turn(order: Order, command: OrderCommand, now: datetime, *, seats_left: bool) -> Order:
    """Take a turn in memory, refusals included."""
    asked = replace(order, reclaim=Reclaim(granted=seats_left), on_offer=HALF)
    try:
        return evolve_all(asked, decide(asked, command, now, POLICY))
    except errors.Refusal:
        return order


def view(order: Order) -> tuple[object, ...]:
    """Show what must not depend on the order in which facts arrived."""
    honoured = [p for p in order.payments if p.honoured]
    return (
        order.status,
        order.payment_status,
        order.last_payment_attempt_status,
        order.seats_held,
        len(honoured),
        {(p.provider, p.provider_txn_id) for p in order.payments},
        {a.attempt_no for a in order.attempts if a.state is AttemptState.PAID},
        frozenset(order.case_subjects),
        sorted(r.amount.amount_minor for r in order.refunds),
    )


class TestFacts:
    @given(st.permutations(FACTS[:3]), st.lists(st.sampled_from(FACTS[:3]), max_size=6))
    def test_end_in_the_same_state_in_any_order_and_repetition(
        self, shuffled: list[OrderCommand], repeated: list[OrderCommand]
    ) -> None:
        order = an_order(attempts=(an_attempt(1), an_attempt(2)))
        expected = order
        for fact in FACTS[:3]:
            expected = turn(expected, fact, NOW, seats_left=True)

        for fact in [*shuffled, *repeated]:
            order = turn(order, fact, NOW, seats_left=True)

        # Which of two good payments came first decides which is kept, and nothing else.
        assert view(order) == view(expected)

    @given(st.permutations([*FACTS[:2], *DECLINES]), st.sets(st.sampled_from(range(6)), min_size=1))
    def test_of_declined_payers_end_in_the_same_state_in_any_order(
        self, shuffled: list[OrderCommand], told: set[int]
    ) -> None:
        facts = [[*FACTS[:2], *DECLINES][n] for n in sorted(told)]
        order = expected = an_order(attempts=(an_attempt(1), an_attempt(2)))
        for fact in facts:
            expected = turn(expected, fact, NOW, seats_left=True)
        for fact in shuffled:
            if fact in facts:
                order = turn(order, fact, NOW, seats_left=True)

        assert view(order) == view(expected)


class TestEveryHistory:
    @given(
        st.lists(
            st.tuples(st.sampled_from(COMMANDS), st.integers(0, 45), st.booleans()), max_size=40
        )
    )
    def test_keeps_the_promises(self, history: list[tuple[OrderCommand, int, bool]]) -> None:
        order, now = an_order(), NOW
        for command, minutes, seats_left in history:
            before, now = order, now + timedelta(minutes=minutes)
            order = turn(order, command, now, seats_left=seats_left)

            moved = (before.status, order.status)
            assert before.status is order.status or _is_reachable(*moved)
            assert sum(payment.honoured for payment in order.payments) <= 1
            assert (order.settlement is not None) == (
                order.status in (OrderStatus.PAID, OrderStatus.REFUNDED)
            )
            assert {p.provider_txn_id for p in before.payments} <= {
                p.provider_txn_id for p in order.payments
            }
            live = [g for g in order.registrations if g.status in LIVE_REGISTRATIONS]
            waiting = [i for i in order.invites if i.status is InviteStatus.PENDING]
            assert order.seats_held == len(live) + len(waiting)
            for payment in order.payments:
                assert order.left_minor(payment) >= 0
            if order.status in (OrderStatus.PENDING, OrderStatus.CLOSING):
                assert order.seats_held == order.quantity
            elif order.status is not OrderStatus.PAID:
                assert order.seats_held == 0
                assert all(a.close_owed for a in order.live_attempts)
            assert order.settlement is None or order.settlement.paid == order.total
            if order.coupon is not None:
                ended = order.status in (OrderStatus.EXPIRED, OrderStatus.CANCELLED)
                assert order.coupon.is_released is ended
                price_minor = order.total.amount_minor + order.coupon.discount_minor
                assert price_minor == PRICE.amount_minor

    @given(
        st.lists(
            st.tuples(st.sampled_from(COMMANDS), st.integers(0, 45), st.booleans()), max_size=30
        ),
        st.sampled_from(COMMANDS),
    )
    def test_answers_a_repeated_command_with_nothing_new(
        self, history: list[tuple[OrderCommand, int, bool]], command: OrderCommand
    ) -> None:
        order, now = an_order(), NOW
        for earlier, minutes, seats_left in history:
            now += timedelta(minutes=minutes)
            order = turn(order, earlier, now, seats_left=seats_left)

        once = turn(order, command, now, seats_left=True)

        assert replace(turn(once, command, now, seats_left=True), reclaim=None) == replace(
            once, reclaim=None
        )


class TestAllocate:
    @given(st.integers(-5, 60), st.lists(st.integers(1, 10), max_size=30))
    def test_never_gives_more_than_is_left_and_answers_everyone(
        self, remaining: int, requests: list[int]
    ) -> None:
        answers = allocate(remaining, requests)

        given_out = sum(seats for seats, won in zip(requests, answers, strict=True) if won)
        assert len(answers) == len(requests)
        assert given_out <= max(remaining, 0)

    @given(st.integers(0, 60), st.lists(st.integers(1, 10), max_size=30))
    def test_refuses_only_who_did_not_fit_when_they_were_asked(
        self, remaining: int, requests: list[int]
    ) -> None:
        left = remaining
        for seats, won in zip(requests, allocate(remaining, requests), strict=True):
            assert won == (seats <= left)
            left -= seats if won else 0

    @given(st.lists(st.integers(1, 10), max_size=30))
    def test_gives_everyone_what_is_not_limited(self, requests: list[int]) -> None:
        assert all(allocate(None, requests))

    def test_sells_five_to_four_four_and_one(self) -> None:
        assert allocate(5, [4, 4, 1]) == [True, False, True]


def _is_reachable(start_: OrderStatus, end: OrderStatus) -> bool:
    """Tell whether one turn may go there: an order may be closing and ended in one turn."""
    return (start_, end) in edges() or any(
        (start_, between) in edges() and (between, end) in edges() for between in OrderStatus
    )
