"""Orders and facts with everything filled in, so that a test shows only what matters."""

from datetime import UTC, datetime, timedelta
from typing import Any

from actors.decide import decide
from actors.evolve import evolve_all
from contracts.attempt import AttemptRequest, Opened
from contracts.commands import OrderCommand, RecordOpened, StartAttempt
from contracts.events import OrderEvent
from contracts.facts import FactSource, PaymentSucceeded, RefundMoved, RefundOutcome
from contracts.money import Money
from contracts.order import Attempt, Invite, Order, Registration
from contracts.policy import Policy
from contracts.states import (
    AttemptState,
    Channel,
    InviteStatus,
    OrderStatus,
    PaymentStatus,
    RegistrationStatus,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PRICE = Money(amount_minor=9900, currency="CNY")
POLICY = Policy()
ORDER_NO = "GABCDEFGHIJKLMNO"


def an_order(**changes: Any) -> Order:  # noqa: ANN401 - any field may be the one that matters
    """Build an unpaid order of one seat that has half an hour left."""
    fields: dict[str, Any] = {
        "id": 1,
        "order_no": ORDER_NO,
        "event_id": 1,
        "event_title": "Demo Night",
        "user_id": 7,
        "ticket_type_id": 1,
        "quantity": 1,
        "total": PRICE,
        "payment_channel": "wechat",
        "status": OrderStatus.PENDING,
        "payment_status": PaymentStatus.UNPAID,
        "seats_held": 1,
        "expired_at": NOW + timedelta(minutes=30),
        "created_at": NOW,
        "version": 1,
        "requires_approval": False,
        "registrations": (
            Registration(id=1, user_id=7, status=RegistrationStatus.PENDING_PAYMENT),
        ),
    }
    return Order(**(fields | changes))


def an_order_of(quantity: int, **changes: Any) -> Order:  # noqa: ANN401 - as above
    """Build an unpaid order of several seats, its gift seats waiting."""
    gifts = tuple(Invite(id=n, position=n, status=InviteStatus.PENDING) for n in range(1, quantity))
    return an_order(quantity=quantity, seats_held=quantity, invites=gifts, **changes)


def an_attempt(n: int = 1, state: AttemptState = AttemptState.OPEN, **changes: Any) -> Attempt:  # noqa: ANN401
    """Build the order's n-th attempt, open for half an hour."""
    attempt_no = f"{ORDER_NO}{n:02d}"
    fields: dict[str, Any] = {
        "attempt_no": attempt_no,
        "state": state,
        "request": AttemptRequest(
            attempt_no=attempt_no,
            provider="wechat",
            channel=Channel.WECHAT_NATIVE,
            merchant_id="1900000001",
            appid="wx0000000000000001",
            amount=PRICE,
            description="Demo Night",
            payable_until=NOW + timedelta(minutes=30),
            notify_url="http://127.0.0.1/notify",
        ),
        "opened": Opened(code_url="weixin://pay") if state is AttemptState.OPEN else None,
        "opened_at": NOW if state is AttemptState.OPEN else None,
    }
    return Attempt(**(fields | changes))


def a_payment(n: int = 1, txn: str = "T1", **changes: Any) -> PaymentSucceeded:  # noqa: ANN401
    """Build the success of the n-th attempt, exactly as it was asked for."""
    fields: dict[str, Any] = {
        "provider": "wechat",
        "attempt_no": f"{ORDER_NO}{n:02d}",
        "provider_txn_id": txn,
        "paid": PRICE,
        "merchant_id": "1900000001",
        "appid": "wx0000000000000001",
        "paid_at": NOW,
        "source": FactSource.NOTICE,
    }
    return PaymentSucceeded(**(fields | changes))


def a_refund(number: str, outcome: RefundOutcome, **changes: Any) -> RefundMoved:  # noqa: ANN401
    """Build what a provider says of a refund of the whole price."""
    fields: dict[str, Any] = {
        "provider": "wechat",
        "attempt_no": number[:18],
        "refund_no": number,
        "provider_refund_id": "R1",
        "refunded": PRICE,
        "outcome": outcome,
        "source": FactSource.NOTICE,
    }
    return RefundMoved(**(fields | changes))


def start(**changes: Any) -> StartAttempt:  # noqa: ANN401
    """Ask for an attempt on WeChat Native."""
    fields: dict[str, Any] = {
        "order_id": 1,
        "provider": "wechat",
        "channel": Channel.WECHAT_NATIVE,
        "merchant_id": "1900000001",
        "appid": "wx0000000000000001",
        "notify_url": "http://127.0.0.1/notify",
    }
    return StartAttempt(**(fields | changes))


def opened(n: int = 1) -> RecordOpened:
    """Report that the n-th attempt is open."""
    return RecordOpened(
        order_id=1, attempt_no=f"{ORDER_NO}{n:02d}", opened=Opened(code_url="weixin://pay")
    )


def after(
    order: Order, command: OrderCommand, now: datetime = NOW
) -> tuple[Order, list[OrderEvent]]:
    """Take one turn in memory."""
    events = decide(order, command, now, POLICY)
    return evolve_all(order, events), events


def kinds(events: list[OrderEvent]) -> list[str]:
    """Name the events."""
    return [type(event).__name__ for event in events]
