"""The door to everything that was tried, paid and sent back for an order."""

from litestar import get
from litestar.params import FromPath

from actors.intent_status import told_result
from actors.intents import status_of
from api.organizers import organizer_id_of
from api.problems import documented
from api.rooms import Visitor, house_of
from api.tracing import mark_order
from contracts.errors import NotFound
from contracts.order import Attempt, Order
from contracts.states import AttemptResult
from contracts.wire import order_payments as wire
from models.order_payments import (
    AttemptRow,
    IntentRow,
    OrderPayments,
    PaymentRow,
    RefundRow,
    Viewer,
    order_payments,
)


@get("/orders/{order:str}/payments", responses=documented(401, 404))
async def list_order_payments(request: Visitor, order: FromPath[str]) -> wire.OrderPayments:
    """Tell what was tried, paid and sent back for an order, newest first.

    It is shown to its buyer, to the organizer of its event and to admins.
    """
    house = house_of(request)
    organizer_id, is_admin = organizer_id_of(request)
    viewer = Viewer(user_id=request.user.user_id, organizer_id=organizer_id, is_admin=is_admin)
    rows = await order_payments(house.database, order, viewer)
    if rows is None:
        raise NotFound
    # Loaded after the rows, so that what these name is there.
    loaded = await house.actor.load(rows.order_id)
    mark_order(loaded)
    return _view(rows, loaded)


def _view(rows: OrderPayments, order: Order) -> wire.OrderPayments:
    attempts = {attempt.attempt_no: attempt for attempt in order.attempts}
    return wire.OrderPayments(
        attempts=tuple(_attempt(row, attempts[row.attempt_no]) for row in rows.attempts),
        payments=tuple(map(_payment, rows.payments)),
        refunds=tuple(map(_refund, rows.refunds)),
        intents=tuple(_intent(row, rows.attempts, order) for row in rows.intents),
    )


def _intent(row: IntentRow, attempts: tuple[AttemptRow, ...], order: Order) -> wire.IntentView:
    numbers = {attempt.attempt_no for attempt in attempts if attempt.intent_id == row.id}
    return wire.IntentView(
        intent_id=row.id,
        status=status_of(row.intent, numbers, order).value,
        provider=row.provider,
        amount=row.amount_minor,
        currency=row.currency,
        created_at=row.created_at,
        ended_at=row.ended_at,
        end_reason=None if row.end_reason is None else row.end_reason.value,
    )


def _attempt(row: AttemptRow, attempt: Attempt) -> wire.AttemptView:
    request = attempt.request
    return wire.AttemptView(
        attempt_id=row.id,
        intent_id=row.intent_id,
        attempt_no=row.attempt_no,
        provider=request.provider,
        channel=request.channel.value,
        status=told_result(attempt).value,
        amount=request.amount.amount_minor,
        currency=request.amount.currency,
        created_at=row.created_at,
    )


def _payment(row: PaymentRow) -> wire.PaymentView:
    return wire.PaymentView(
        payment_id=row.id,
        intent_id=row.intent_id,
        attempt_id=row.attempt_id,
        # Only what has succeeded is in the books.
        status=AttemptResult.SUCCEEDED.value,
        provider=row.provider,
        provider_txn_id=row.provider_txn_id,
        amount=row.amount_minor,
        currency=row.currency,
        is_honoured=row.honoured,
        source=row.source,
        paid_at=row.paid_at,
    )


def _refund(row: RefundRow) -> wire.RefundOfOrder:
    return wire.RefundOfOrder(
        refund_id=row.id,
        payment_id=row.payment_id,
        refund_no=row.refund_no,
        status=row.status,
        amount=row.amount_minor,
        currency=row.currency,
        reason=row.reason,
        kind=row.kind,
        created_at=row.created_at,
    )
