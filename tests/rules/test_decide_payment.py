from typing import Any

import pytest
from msgspec.structs import replace

from actors.duties import case_of, effects_of
from contracts.commands import RecordPayment
from contracts.effects import CaseKind, EffectKind
from contracts.errors import InvalidState
from contracts.facts import PaymentSucceeded
from contracts.money import Money
from contracts.order import Reclaim
from contracts.states import (
    AttemptState,
    InviteStatus,
    OrderStatus,
    PaymentStatus,
    RefundStatus,
    RegistrationStatus,
)
from tests.rules.builders import PRICE, a_payment, after, an_attempt, an_order, an_order_of, kinds

OPEN = an_order(attempts=(an_attempt(),))
ENDED = replace(OPEN, status=OrderStatus.EXPIRED, seats_held=0)


def record(fact: PaymentSucceeded) -> RecordPayment:
    return RecordPayment(order_id=1, fact=fact)


class TestAPayment:
    def test_settles_the_order_with_everything_that_hangs_on_it(self) -> None:
        order, events = after(OPEN, record(a_payment()))

        assert order.status is OrderStatus.PAID
        assert order.payment_status is PaymentStatus.PAID
        assert order.attempts[0].state is AttemptState.PAID
        assert order.registrations[0].status is RegistrationStatus.APPROVED
        assert effects_of(events[0])[0].kind is EffectKind.TICKETS

    def test_leaves_the_place_to_the_organizer_where_approval_is_needed(self) -> None:
        order, _ = after(replace(OPEN, requires_approval=True), record(a_payment()))

        assert order.registrations[0].status is RegistrationStatus.PENDING

    def test_settles_an_order_that_was_being_closed(self) -> None:
        closing = an_order(status=OrderStatus.CLOSING, attempts=(an_attempt(close_owed=True),))

        order, _ = after(closing, record(a_payment()))

        assert order.status is OrderStatus.PAID
        assert order.seats_held == 1

    def test_changes_nothing_when_it_is_seen_again(self) -> None:
        order, _ = after(OPEN, record(a_payment()))

        assert after(order, record(a_payment()))[1] == []

    def test_owes_a_close_of_every_other_open_attempt(self) -> None:
        two = an_order(attempts=(an_attempt(1), an_attempt(2)))

        order, events = after(two, record(a_payment(1)))

        assert kinds(events) == ["OrderPaid", "AttemptCloseOwed"]
        assert order.attempts[1].close_owed

    def test_is_refused_for_an_attempt_the_order_never_made(self) -> None:
        with pytest.raises(InvalidState):
            after(OPEN, record(a_payment(9)))


class TestASecondPayment:
    def test_goes_back_in_full_and_leaves_the_order_alone(self) -> None:
        paid, _ = after(an_order(attempts=(an_attempt(1), an_attempt(2))), record(a_payment(1)))

        order, events = after(paid, record(a_payment(2, txn="T2")))

        assert kinds(events) == ["SurplusReceived"]
        assert order.payment_status is PaymentStatus.PAID
        assert order.refund_status is None
        assert order.refunds[0].amount == PRICE
        assert order.refunds[0].status is RefundStatus.REQUESTED


class TestALatePayment:
    def test_goes_back_in_full_when_its_seats_cannot_be_had_again(self) -> None:
        gone = replace(ENDED, reclaim=Reclaim(granted=False, refusal="sold_out"))

        order, events = after(gone, record(a_payment()))

        assert kinds(events) == ["SurplusReceived"]
        assert order.status is OrderStatus.EXPIRED
        assert order.refunds[0].amount == PRICE

    @pytest.mark.parametrize("status", [OrderStatus.EXPIRED, OrderStatus.CANCELLED])
    def test_is_honoured_with_new_places_while_seats_last(self, status: OrderStatus) -> None:
        ended = replace(
            an_order_of(3, attempts=(an_attempt(),)),
            status=status,
            seats_held=0,
            registrations=(replace(OPEN.registrations[0], status=RegistrationStatus.CANCELLED),),
            reclaim=Reclaim(granted=True),
        )
        ended = replace(
            ended, invites=tuple(replace(i, status=InviteStatus.INVALID) for i in ended.invites)
        )

        order, _ = after(ended, record(a_payment()))

        assert order.status is OrderStatus.PAID
        assert order.seats_held == 3
        assert [r.status for r in order.registrations] == ["CANCELLED", "APPROVED"]
        assert [i.status for i in order.invites] == ["INVALID", "INVALID", "PENDING", "PENDING"]
        assert [i.position for i in order.invites] == [1, 2, 3, 4]


class TestAContradictingPayment:
    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"paid": Money(amount_minor=1, currency="CNY")}, "amount"),
            ({"paid": Money(amount_minor=9900, currency="USD")}, "currency"),
            ({"merchant_id": "foreign"}, "merchant"),
            ({"appid": "foreign"}, "appid"),
            ({"provider": "alipay"}, "provider"),
        ],
    )
    def test_is_held_for_a_person_and_gives_no_ticket(
        self, change: dict[str, Any], reason: str
    ) -> None:
        order, events = after(OPEN, record(a_payment(**change)))

        assert kinds(events) == ["PaymentQuarantined"]
        assert order.status is OrderStatus.PENDING
        assert order.attempts[0].state is AttemptState.CLOSED
        case = case_of(events[0])
        assert case is not None
        assert (case.kind, case.reason) == (CaseKind.PAYMENT_MISMATCH, reason)

    def test_opens_a_case_for_each_attempt_that_a_transaction_is_said_to_pay(self) -> None:
        wrong = Money(amount_minor=1, currency="CNY")
        two = an_order(attempts=(an_attempt(1), an_attempt(2)))
        order, _ = after(two, record(a_payment(1, paid=wrong)))

        order, events = after(order, record(a_payment(2, paid=wrong)))

        assert kinds(events) == ["PaymentQuarantined"]
        assert len(order.case_subjects) == 2

    def test_opens_one_case_however_often_it_is_seen(self) -> None:
        wrong = a_payment(paid=Money(amount_minor=1, currency="CNY"))
        order, _ = after(OPEN, record(wrong))

        assert after(order, record(wrong))[1] == []
