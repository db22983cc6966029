"""The doors to an order's money for who sends it back by the payments API."""

from litestar import Response, post
from litestar.params import JSONBody

from actors.refund_desk import Told
from api.keys import body_hash, idempotency_key
from api.organizers import manager_of
from api.problems import also, documented
from api.rooms import Visitor, house_of
from api.tracing import mark_order
from contracts.commands import RequestRefund
from contracts.errors import NotFound
from contracts.wire import intents as wire
from contracts.wire.refunds import RefundView
from models.order_views import managed_order_id
from models.payment_keys import Key, Scope
from models.refunds import managed_refund


@post(
    "/payments/refund",
    responses={
        **also(200, RefundView, "The key has made this refund already"),
        **documented(401, 403, 404, 409, 413, 415, 422),
    },
)
async def refund_payment(
    request: Visitor, data: JSONBody[wire.RefundPayment]
) -> Response[RefundView]:
    """Send money of a paid order at an event of your own back, all that is left or a part."""
    house = house_of(request)
    order_id = await managed_order_id(
        house.database, data.order_id, organizer_id=manager_of(request)
    )
    command = RequestRefund(
        order_id=order_id,
        reason=data.reason,
        by_user_id=request.user.user_id,
        amount_minor=data.amount,
    )
    key = Key(
        scope=Scope.REFUND,
        holder_id=order_id,
        key=data.idempotency_key,
        body_hash=body_hash(data),
    )
    return _view(await house.refund_desk.ask(command, key))


@post(
    "/payments/refund/retry",
    responses={
        **also(200, RefundView, "Nothing new was to be made"),
        **documented(401, 403, 404, 409, 413, 415, 422),
    },
)
async def retry_refund(request: Visitor, data: JSONBody[wire.RetryRefund]) -> Response[RefundView]:
    """Go on with a refund: under its number while that is under way, under another once it failed.

    What has succeeded is told as it is, and of one that was asked for again the newest is meant.
    *idempotencyKey* may come as the header `Idempotency-Key` instead.
    """
    house = house_of(request)
    organizer_id = manager_of(request)
    refund = await managed_refund(house.database, data.refund_id, organizer_id=organizer_id)
    if refund is None:
        raise NotFound
    key = _retry_key(request, data)
    told = await house.refund_desk.retry(refund, key, by_user_id=request.user.user_id)
    return _view(told)


def _retry_key(request: Visitor, data: wire.RetryRefund) -> Key | None:
    said = body_hash(data)
    if data.idempotency_key is not None:
        return Key(
            scope=Scope.RETRY,
            holder_id=data.refund_id,
            key=data.idempotency_key,
            body_hash=said,
        )
    in_header = idempotency_key(request)
    if in_header is None:
        return None
    # What the header names is the whole request, and so the refund too.
    user_id = request.user.user_id
    return Key(scope=Scope.RETRY_HEADER, holder_id=user_id, key=in_header, body_hash=said)


def _view(told: Told) -> Response[RefundView]:
    if told.order is not None:
        mark_order(told.order)
    view = RefundView(refund_id=told.refund_id, status=told.status.value)
    return Response(view, status_code=201 if told.is_new else 200)
