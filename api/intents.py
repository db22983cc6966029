"""The doors to intents: ask for one, confirm it."""

from litestar import Response, post

from actors.client_secrets import client_secret
from api.keys import body_hash
from api.problems import also, documented
from api.rooms import Visitor, house_of
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
async def create_intent(request: Visitor, data: wire.CreateIntent) -> Response[wire.Intent]:
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
