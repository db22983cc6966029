"""What becomes of an order that kept money without being paid."""

import pytest
from msgspec.structs import replace

from actors.decide_repair import obstacle_to_repair
from actors.duties import effects_of
from contracts.commands import RepairSettlement
from contracts.effects import Effect, EffectKind
from contracts.events import AttemptCloseOwed, SettlementRepaired
from contracts.facts import FactSource
from contracts.money import Money
from contracts.order import Order, Payment, Refund
from contracts.states import (
    AttemptState,
    OrderStatus,
    PaymentStatus,
    RefundStatus,
    RegistrationStatus,
)
from tests.rules.builders import (
    NOW,
    ORDER_NO,
    PRICE,
    after,
    an_attempt,
    an_order,
    an_order_of,
    kinds,
)

REPAIR = RepairSettlement(order_id=1)
KEPT = Payment(
    provider="wechat",
    provider_txn_id="T1",
    attempt_no=f"{ORDER_NO}01",
    paid=PRICE,
    paid_at=NOW,
    source=FactSource.NOTICE,
    honoured=True,
)


def damaged(**changes: object) -> Order:
    """Build an order that kept money and does not know it."""
    fields = {"attempts": (an_attempt(1), an_attempt(2)), "payments": (KEPT,)}
    return an_order(**(fields | changes))


def a_refund(status: RefundStatus) -> Refund:
    return Refund(
        refund_no="R1",
        provider="wechat",
        provider_txn_id="T1",
        attempt_no=KEPT.attempt_no,
        amount=PRICE,
        status=status,
        reason="sick",
        idempotency_key="k",
    )


class TestARepair:
    @pytest.mark.parametrize("status", [OrderStatus.PENDING, OrderStatus.CLOSING])
    def test_pays_the_order_with_what_it_kept(self, status: OrderStatus) -> None:
        order, events = after(damaged(status=status), REPAIR)

        assert kinds(events) == ["SettlementRepaired", "AttemptCloseOwed"]
        assert (order.status, order.payment_status) == (OrderStatus.PAID, PaymentStatus.PAID)
        assert order.paid_at == KEPT.paid_at
        assert order.payments == (KEPT,)
        assert order.seats_held == 1
        assert order.registrations[0].status is RegistrationStatus.APPROVED
        assert [a.state for a in order.attempts] == [AttemptState.PAID, AttemptState.OPEN]
        assert events[1:] == [AttemptCloseOwed(attempt_no=f"{ORDER_NO}02")]

    def test_owes_the_tickets_once_with_what_settling_would_have_owed(self) -> None:
        assert effects_of(SettlementRepaired(payment=KEPT)) == [
            Effect(kind=EffectKind.TICKETS, cause="paid:T1")
        ]

    def test_is_done_once(self) -> None:
        order, _ = after(damaged(), REPAIR)

        assert after(order, REPAIR)[1] == []

    def test_keeps_the_gift_seats(self) -> None:
        order, _ = after(replace(an_order_of(3), payments=(KEPT,)), REPAIR)

        assert [invite.refund_no for invite in order.invites] == [None, None]
        assert order.seats_held == 3

    def test_does_nothing_without_money(self) -> None:
        assert after(an_order(), REPAIR)[1] == []
        surplus = replace(KEPT, honoured=False)
        assert after(an_order(payments=(surplus,)), REPAIR)[1] == []

    @pytest.mark.parametrize(
        "money", [PaymentStatus.PAID, PaymentStatus.REFUNDING, PaymentStatus.REFUNDED]
    )
    @pytest.mark.parametrize("status", [OrderStatus.PENDING, OrderStatus.PAID])
    def test_never_touches_what_is_paid_or_goes_back(
        self, money: PaymentStatus, status: OrderStatus
    ) -> None:
        order = damaged(payment_status=money, status=status)

        assert after(order, REPAIR)[1] == []
        assert obstacle_to_repair(order) is None

    @pytest.mark.parametrize(
        "refund", [RefundStatus.REQUESTED, RefundStatus.PROCESSING, RefundStatus.SUCCEEDED]
    )
    def test_is_a_persons_where_money_went_back(self, refund: RefundStatus) -> None:
        order = damaged(refunds=(a_refund(refund),))

        assert after(order, REPAIR)[1] == []
        assert obstacle_to_repair(order) == "refund"

    def test_is_done_where_a_refund_failed(self) -> None:
        order = damaged(refunds=(a_refund(RefundStatus.FAILED),))

        assert kinds(after(order, REPAIR)[1])[:1] == ["SettlementRepaired"]

    @pytest.mark.parametrize("status", [OrderStatus.EXPIRED, OrderStatus.CANCELLED])
    def test_is_a_persons_where_the_seats_went_back(self, status: OrderStatus) -> None:
        order = damaged(status=status, seats_held=0)

        assert after(order, REPAIR)[1] == []
        assert obstacle_to_repair(order) == "seats_gone"

    def test_is_a_persons_where_the_money_is_not_what_was_asked(self) -> None:
        order = damaged(payments=(replace(KEPT, paid=Money(amount_minor=1, currency="CNY")),))

        assert after(order, REPAIR)[1] == []
        assert obstacle_to_repair(order) == "amount"
