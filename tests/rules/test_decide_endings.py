from datetime import timedelta

import pytest

from contracts import errors
from contracts.commands import Cancel, Expire
from contracts.states import (
    AttemptState,
    ClosingReason,
    InviteStatus,
    OrderStatus,
    RegistrationStatus,
)
from tests.rules.builders import NOW, after, an_attempt, an_order, an_order_of, kinds

LATE = NOW + timedelta(minutes=30)


class TestExpiring:
    def test_is_nothing_before_time_is_up(self) -> None:
        assert after(an_order(), Expire(order_id=1), now=LATE - timedelta(seconds=1))[1] == []

    def test_ends_an_order_nobody_can_pay(self) -> None:
        order, _ = after(an_order_of(3), Expire(order_id=1), now=LATE)

        assert order.status is OrderStatus.EXPIRED
        assert order.seats_held == 0
        assert {r.status for r in order.registrations} == {RegistrationStatus.CANCELLED}
        assert {i.status for i in order.invites} == {InviteStatus.INVALID}

    @pytest.mark.parametrize(
        "state", [AttemptState.OPENING, AttemptState.OPEN, AttemptState.UNKNOWN]
    )
    def test_keeps_the_seats_while_an_attempt_may_be_paid(self, state: AttemptState) -> None:
        order, events = after(
            an_order(attempts=(an_attempt(state=state),)), Expire(order_id=1), now=LATE
        )

        assert kinds(events) == ["OrderClosing", "AttemptCloseOwed"]
        assert order.seats_held == 1
        assert order.closing_for is ClosingReason.EXPIRE

    @pytest.mark.parametrize("state", [AttemptState.CLOSED, AttemptState.REFUSED])
    def test_does_not_wait_for_an_attempt_that_is_over(self, state: AttemptState) -> None:
        order, _ = after(
            an_order(attempts=(an_attempt(state=state),)), Expire(order_id=1), now=LATE
        )

        assert order.status is OrderStatus.EXPIRED

    @pytest.mark.parametrize("status", [s for s in OrderStatus if s is not OrderStatus.PENDING])
    def test_is_nothing_to_an_order_that_is_not_pending(self, status: OrderStatus) -> None:
        assert after(an_order(status=status), Expire(order_id=1), now=LATE)[1] == []


class TestCancelling:
    def test_ends_an_order_nobody_can_pay(self) -> None:
        assert after(an_order(), Cancel(order_id=1))[0].status is OrderStatus.CANCELLED

    def test_closes_what_is_open_first(self) -> None:
        order, _ = after(an_order(attempts=(an_attempt(),)), Cancel(order_id=1))

        assert order.status is OrderStatus.CLOSING
        assert order.closing_for is ClosingReason.CANCEL
        assert order.seats_held == 1

    @pytest.mark.parametrize("status", [OrderStatus.PAID, OrderStatus.REFUNDED])
    def test_is_refused_once_money_has_come(self, status: OrderStatus) -> None:
        with pytest.raises(errors.InvalidState):
            after(an_order(status=status), Cancel(order_id=1))

    @pytest.mark.parametrize(
        "status", [OrderStatus.CLOSING, OrderStatus.EXPIRED, OrderStatus.CANCELLED]
    )
    def test_may_be_repeated(self, status: OrderStatus) -> None:
        assert after(an_order(status=status), Cancel(order_id=1))[1] == []
