"""The doors to intents: ask for one, confirm it."""

from litestar import Response, post
from litestar.params import JSONBody
from msgspec import UNSET

from actors.client_secrets import client_secret
from actors.confirmations import Answer, Confirm
from api import answers
from api.keys import body_hash
from api.problems import also, documented
from api.rooms import Visitor, house_of
from api.tracing import mark_order
from contracts.money import Money
from contracts.wire import intents as wire
from models.intents import Wanted
from models.payment_keys import Key, Scope


@post(
    "/payments/create_intent",
    responses={
        **also(200, wire.Intent, "The key has made this intent already, or the order has one"),
        **documented(401, 404, 409, 413, 415, 422),
    },
)
async def create_intent(
    request: Visitor, data: JSONBody[wire.CreateIntent]
) -> Response[wire.Intent]:
    """Ask for leave to collect what an order of your own costs.

    An order has one intent at a time: another key finds it too.
    """
    house = house_of(request)
    wanted = Wanted(
        user_id=request.user.user_id,
        amount=Money(amount_minor=data.amount, currency=data.currency),
        key=Key(
            scope=Scope.INTENT,
            holder_id=data.order_id,
            key=data.idempotency_key,
            body_hash=body_hash(data),
        ),
        metadata=data.metadata,
    )
    made = await house.intents.create(wanted)
    view = wire.Intent(
        intent_id=made.intent_id,
        status=made.status,
        amount=data.amount,
        currency=data.currency,
        client_secret=client_secret(house.settings.client_secret_key, made.intent_id),
    )
    return Response(view, status_code=201 if made.is_new else 200)


@post(
    "/payments/confirm",
    responses={
        **also(200, wire.ConfirmedIntent, "The key has done this already, or nothing was to do"),
        **documented(401, 404, 409, 413, 415, 422),
    },
)
async def confirm_intent(
    request: Visitor, data: JSONBody[wire.ConfirmIntent]
) -> Response[wire.ConfirmedIntent]:
    """Try to pay by an intent of your own; whether the order is paid, its provider tells later.

    *actionData* is made anew at each repeat, as long as the payment waits for its payer.
    """
    house = house_of(request)
    key = Key(
        scope=Scope.CONFIRM,
        holder_id=data.intent_id,
        key=data.idempotency_key,
        body_hash=body_hash(data),
    )
    wish = Confirm(
        user_id=request.user.user_id, key=key, method=data.method, simulate=data.simulate
    )
    told = await house.confirmations.confirm(wish)
    if told.order is not None:
        mark_order(told.order)
    return Response(_confirmed(told), status_code=201 if told.is_new else 200)


def _confirmed(told: Answer) -> wire.ConfirmedIntent:
    action = None
    if told.order is not None and told.channel is not None and told.parameters is not None:
        action = answers.action_data(told.order.order_no, told.channel, told.parameters)
    return wire.ConfirmedIntent(
        intent_id=told.intent_id,
        attempt_id=told.attempt_id,
        status=told.status.value,
        action_data=UNSET if action is None else action,
        paid_at=UNSET if told.paid_at is None else told.paid_at,
    )
