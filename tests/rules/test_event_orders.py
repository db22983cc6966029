"""Events of one order in every order they can come: the same facts end in the same state."""

from collections.abc import Callable, Iterator
from itertools import product

import pytest
from msgspec.structs import replace

from actors.decide import decide
from actors.evolve import evolve_all
from contracts.attempt import Opened
from contracts.commands import (
    Cancel,
    OrderCommand,
    RecordAttempt,
    RecordPayment,
    RecordRefund,
    RequestRefund,
)
from contracts.facts import PayerAwaited, PaymentFailed, RefundOutcome, nameless_txn
from contracts.money import Money
from contracts.order import Attempt, Order, Reclaim
from contracts.states import LIVE_REGISTRATIONS, AttemptState, InviteStatus, OrderStatus
from tests.rules.builders import (
    NOW,
    ORDER_NO,
    POLICY,
    a_payment,
    a_refund,
    an_attempt,
    an_order,
    an_order_of,
)

ATTEMPT = f"{ORDER_NO}01"
KINDS = (
    "payment.succeeded",
    "payment.failed",
    "payment.requires_action",
    "refund.succeeded",
    "refund.failed",
)
LENGTH_MAX = 6


def asking(attempt: Attempt) -> Attempt:
    """Let the provider go on by itself, so that a payer who is awaited is news."""
    return replace(attempt, opened=Opened(reference="T1", needs_payer=False))


def leaving() -> Order:
    """Build an order whose buyer left while the provider could still take money."""
    order = an_order(attempts=(asking(an_attempt()),))
    return evolve_all(order, decide(order, Cancel(order_id=1), NOW, POLICY))


ORDERS: dict[str, Callable[[], Order]] = {
    "open": lambda: an_order(attempts=(asking(an_attempt()),)),
    "just being opened": lambda: an_order(
        attempts=(an_attempt(state=AttemptState.OPENING, claim_until=NOW),)
    ),
    "of unknown outcome": lambda: an_order(attempts=(an_attempt(state=AttemptState.UNKNOWN),)),
    "superseded": lambda: an_order(
        attempts=(replace(asking(an_attempt()), close_owed=True), an_attempt(2))
    ),
    "open beside another": lambda: an_order(attempts=(asking(an_attempt()), an_attempt(2))),
    "of four seats": lambda: an_order_of(4, attempts=(asking(an_attempt()),)),
    "left": leaving,
}


def wish(order: Order, amount_minor: int | None) -> RequestRefund:
    """Ask for money back as soon as there is some; of four seats a part names one."""
    seats = (1,) if amount_minor and order.invites else ()
    return RequestRefund(
        order_id=1, reason="sick", by_user_id=1, amount_minor=amount_minor, invite_ids=seats
    )


def command_of(kind: str, order: Order) -> OrderCommand | None:
    """Say what an event asks of an order; None while it must be put off."""
    match kind:
        case "payment.succeeded":
            return RecordPayment(order_id=1, fact=a_payment())
        case "payment.failed":
            fact = PaymentFailed(provider="wechat", attempt_no=ATTEMPT, code="PAYMENT_FAILED")
            return RecordAttempt(order_id=1, fact=fact)
        case "payment.requires_action":
            return RecordAttempt(
                order_id=1, fact=PayerAwaited(provider="wechat", attempt_no=ATTEMPT)
            )
        case _:
            return command_of_refund(order, is_done=kind == "refund.succeeded")


def command_of_refund(order: Order, *, is_done: bool) -> RecordRefund | None:
    refund = order.refund(f"{ATTEMPT}R01")
    if refund is None:
        return None
    moved = a_refund(
        refund.refund_no,
        RefundOutcome.SUCCESS if is_done else RefundOutcome.CLOSED,
        refunded=refund.amount,
        provider_refund_id="",
    )
    return RecordRefund(order_id=1, fact=moved)


class Walk:
    """Takes events one after another, each from the state that those before it left."""

    def __init__(self, order: Order, amount_minor: int | None) -> None:
        self._amount_minor = amount_minor
        self._after: dict[tuple[str, ...], tuple[Order, frozenset[str]]] = {
            (): (order, frozenset())
        }

    def end(self, kinds: tuple[str, ...]) -> Order:
        """Return the order at the end, when what was put off was tried again."""
        order, put_off = self._taken(kinds)
        for kind in sorted(put_off):
            order, _ = self._take(order, kind)
        return order

    def _taken(self, kinds: tuple[str, ...]) -> tuple[Order, frozenset[str]]:
        if kinds not in self._after:
            order, put_off = self._taken(kinds[:-1])
            order, is_taken = self._take(order, kinds[-1])
            self._after[kinds] = order, put_off if is_taken else put_off | {kinds[-1]}
        return self._after[kinds]

    def _take(self, order: Order, kind: str) -> tuple[Order, bool]:
        command = command_of(kind, order)
        if command is None:
            return order, False
        order = turned(replace(order, reclaim=Reclaim(granted=True)), command)
        if order.status is OrderStatus.PAID and not order.refunds:
            order = turned(order, wish(order, self._amount_minor))
        return order, True


def turned(order: Order, command: OrderCommand) -> Order:
    """Take one turn and give what is new the ids that it would be written under."""
    after = evolve_all(order, decide(order, command, NOW, POLICY))
    places = enumerate(after.registrations, 1)
    return replace(
        after,
        registrations=tuple(replace(place, id=place.id or n) for n, place in places),
        invites=tuple(replace(invite, id=invite.id or invite.position) for invite in after.invites),
    )


def essence(order: Order) -> tuple[object, ...]:
    """Tell how an order stands now: no times, nothing of how it came to that.

    Late money gets new places, and the old rows stay to tell why.
    """
    return (
        order.status,
        order.payment_status,
        order.last_payment_attempt_status,
        order.refund_status,
        order.seats_held,
        [(a.attempt_no, a.state, a.is_live and a.close_owed) for a in order.attempts],
        order.payments,
        [replace(refund, seats=None) for refund in order.refunds],
        [
            (r.user_id, r.status, r.refund_no)
            for r in order.registrations
            if r.status in LIVE_REGISTRATIONS
        ],
        [(i.status, i.refund_no) for i in order.invites if i.status is InviteStatus.PENDING],
        sorted(order.case_subjects),
    )


def sequences() -> Iterator[tuple[str, ...]]:
    """List every order of up to six events, duplicates among them."""
    for length in range(1, LENGTH_MAX + 1):
        yield from product(KINDS, repeat=length)


class TestTheSameEvents:
    @pytest.mark.parametrize("amount_minor", [None, 2000], ids=["all of it back", "a part back"])
    @pytest.mark.parametrize("name", ORDERS)
    def test_end_in_one_state_in_whatever_order_they_come(
        self, name: str, amount_minor: int | None
    ) -> None:
        walk = Walk(ORDERS[name](), amount_minor)
        ends: dict[frozenset[str], tuple[tuple[str, ...], tuple[object, ...]]] = {}
        for kinds in sequences():
            end = essence(walk.end(kinds))
            first, expected = ends.setdefault(frozenset(kinds), (kinds, end))

            assert end == expected, f"{kinds} ends otherwise than {first}"

        assert len(ends) == 2 ** len(KINDS) - 1

    @pytest.mark.parametrize(
        ("facts", "told"),
        [
            (KINDS, ("PAID", "PAID", "succeeded", "returned", 0)),
            (KINDS[:4], ("REFUNDED", "REFUNDED", "succeeded", "succeeded", 0)),
            (KINDS[:3], ("PAID", "REFUNDING", "succeeded", "requested", 1)),
            (KINDS[1:3], ("PENDING", "UNPAID", "failed", None, 1)),
            ((*KINDS[:3], "refund.failed"), ("PAID", "PAID", "succeeded", "failed", 1)),
            (KINDS[2:], ("PENDING", "UNPAID", "requires_action", None, 1)),
        ],
        ids=["all", "refunded", "paid", "failed", "refund failed", "refunds of nothing"],
    )
    def test_say_what_became_true(self, facts: tuple[str, ...], told: tuple[object, ...]) -> None:
        order = Walk(ORDERS["open"](), None).end(facts)

        assert (
            order.status,
            order.payment_status,
            order.last_payment_attempt_status,
            order.refund_status,
            order.seats_held,
        ) == told


class TestOnePayment:
    @pytest.mark.parametrize(
        "names", [("T1", nameless_txn(ATTEMPT)), (nameless_txn(ATTEMPT), "T1")]
    )
    def test_told_with_and_without_its_number_is_one(self, names: tuple[str, str]) -> None:
        order = ORDERS["open"]()
        for name in names:
            order = turned(order, RecordPayment(order_id=1, fact=a_payment(txn=name)))

        assert [payment.provider_txn_id for payment in order.payments] == [names[0]]
        assert order.refunds == ()

    def test_of_another_attempt_is_another(self) -> None:
        order = an_order(attempts=(an_attempt(), an_attempt(2)))
        for n in (1, 2):
            fact = a_payment(n, txn=nameless_txn(f"{ORDER_NO}0{n}"))
            order = turned(order, RecordPayment(order_id=1, fact=fact))

        assert [payment.honoured for payment in order.payments] == [True, False]
        assert order.refunds[0].amount == Money(amount_minor=9900, currency="CNY")
