"""The doors to orders under an event."""

import hashlib
from typing import Annotated, Literal

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import structs

from actors.sale import Sale
from api import answers, opening
from api.bodies import refuse_words
from api.keys import idempotency_key
from api.preparing import context_in_query, visit_in
from api.problems import also, documented
from api.references import PAGE_SIZE, PAGE_SIZE_MAX, cursor_of, id_of, next_cursor
from api.rooms import Visitor, house_of
from api.tracing import mark_order, mark_view, trace_context
from contracts.commands import CreateOrder
from contracts.numbers import new_order_no
from contracts.wire import orders as wire
from contracts.wire.fields import ID_MAX
from contracts.wire.payments import OrderToPay
from models.order_views import (
    Ownership,
    Place,
    own_order,
    own_order_id,
    own_orders,
    own_pending_order_id,
    place_of,
)
from runtime.house import House

_SAID_MAX = 64
_Said = Annotated[str | None, QueryParameter(name="environmentType", max_length=_SAID_MAX)]
_SaidOfTheBridge = Annotated[
    Literal["true", "false"] | None, QueryParameter(name="miniProgramBridgeSupported")
]
_SaidOfItsVersion = Annotated[
    str | None, QueryParameter(name="miniProgramBridgeVersion", max_length=_SAID_MAX)
]
_SaidOfTheShell = Annotated[str | None, QueryParameter(name="shellVersion", max_length=_SAID_MAX)]
_encode = msgspec.json.Encoder(order="deterministic").encode


@post(
    "/api/events/{event_id:str}/orders",
    responses={
        **also(200, OrderToPay, "The same tickets are already waiting to be paid"),
        **documented(401, 404, 409, 413, 415, 422),
    },
)
async def create_order(
    request: Visitor,
    event_id: FromPath[str],
    data: JSONBody[wire.CreateOrder],
) -> Response[OrderToPay | wire.FreeRegistration]:
    """Take seats and, unless told not to, open the payment.

    200 instead of 201 when the same tickets are already waiting to be paid. What a coupon leaves
    nothing to pay for is PAID at once.
    """
    house = house_of(request)
    visit = visit_in(request, data.client_context)
    command = _command(request, house, id_of(event_id), data)
    plan = await opening.plan(house, visit, command, is_eager=data.prepare)
    sale = plan.repeat or await house.checkout.buy(
        structs.replace(command, first_attempt=plan.words)
    )
    status = 200 if sale.is_existing else 201
    if sale.order_id is None:
        place = await _place(house, sale)
        return Response(answers.free_registration(place), status_code=status)
    order = sale.order or await house.actor.load(sale.order_id)
    if not data.prepare:
        content = opening.leave(house, order, plan.channel, visit, is_existing=sale.is_existing)
    elif plan.repeat is not None:
        content = await opening.recall(
            house, order, plan.channel, visit, is_existing=sale.is_existing
        )
    else:
        content = await opening.begin(
            house,
            order,
            plan.channel,
            visit,
            is_existing=sale.is_existing,
            # Found by its number after a lost answer it is this request's as well.
            is_claimed=order.order_no == command.order_no,
        )
    return Response(content, status_code=status)


@get("/api/events/{event_id:str}/orders/{order:str}", responses=documented(401, 404))
async def get_order(
    request: Visitor, event_id: FromPath[str], order: FromPath[str]
) -> wire.OrderView:
    """Tell how an order of your own stands; *order* is its id or its number."""
    found = await own_order(house_of(request).database, _whose(request, event_id, order))
    mark_view(found)
    return answers.order_view(found)


@get("/api/events/{event_id:str}/orders", responses=documented(401, 404))
async def list_orders(
    request: Visitor,
    event_id: FromPath[str],
    cursor: FromQuery[str | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE,
) -> wire.OrderPage:
    """List your own orders for the event, newest first."""
    found = await own_orders(
        house_of(request).database,
        event_id=id_of(event_id),
        user_id=request.user.user_id,
        before_id=cursor_of(cursor, start=ID_MAX),
        limit=limit,
    )
    return answers.order_page(found, next_cursor([order.id for order in found], asked=limit))


@get(
    "/api/events/{event_id:str}/orders/pending",
    responses={**also(204, None, "Nothing waits to be paid"), **documented(401, 404)},
)
async def get_pending_order(
    request: Visitor,
    event_id: FromPath[str],
    *,
    environment_type: _Said = None,
    bridge_supported: _SaidOfTheBridge = None,
    bridge_version: _SaidOfItsVersion = None,
    shell_version: _SaidOfTheShell = None,
) -> Response[OrderToPay | None]:
    """Tell what you can still pay, opening nothing; 204 when there is nothing."""
    house = house_of(request)
    context = context_in_query(environment_type, bridge_supported, bridge_version, shell_version)
    order_id = await own_pending_order_id(
        house.database, event_id=id_of(event_id), user_id=request.user.user_id
    )
    if order_id is None:
        return Response(None, status_code=204)
    order = await house.actor.load(order_id)
    content = await opening.resume(house, order, visit_in(request, context))
    return Response(content, status_code=200)


@post(
    "/api/events/{event_id:str}/orders/{order:str}/cancel",
    status_code=200,
    responses={
        **also(202, wire.OrderStatusOnly, "The provider could still take money"),
        **documented(401, 404, 409, 413),
    },
)
async def cancel_order(
    request: Visitor, event_id: FromPath[str], order: FromPath[str]
) -> Response[wire.OrderStatusOnly]:
    """Leave; 202 while the provider could still take money."""
    await refuse_words(request)
    house = house_of(request)
    order_id = await own_order_id(house.database, _whose(request, event_id, order))
    ended = await house.checkout.cancel(order_id)
    mark_order(ended)
    return answers.cancelled(ended)


@post(
    "/api/events/{event_id:str}/orders/{order:str}/query",
    status_code=200,
    responses=documented(401, 404, 413),
)
async def query_order(
    request: Visitor, event_id: FromPath[str], order: FromPath[str]
) -> wire.ProviderView:
    """Ask the provider what became of the payment; it is bothered at most every 6 s."""
    await refuse_words(request)
    house = house_of(request)
    order_id = await own_order_id(house.database, _whose(request, event_id, order))
    found, provider_status = await house.checkout.query(order_id)
    mark_order(found)
    return wire.ProviderView(status=found.status.value, provider_status=provider_status)


async def _place(house: House, sale: Sale) -> Place:
    if sale.registration is not None and sale.registration.id is not None:
        return Place(id=sale.registration.id, status=sale.registration.status.value)
    assert sale.registration_id is not None
    return await place_of(house.database, sale.registration_id)


def _command(request: Visitor, house: House, event_id: int, data: wire.CreateOrder) -> CreateOrder:
    key = idempotency_key(request)
    return CreateOrder(
        order_no=new_order_no(),
        event_id=event_id,
        ticket_type_id=data.ticket_type_id,
        user_id=request.user.user_id,
        quantity=data.quantity,
        payment_channel=house.settings.payment_provider,
        idempotency_key=key,
        body_hash=None if key is None else _body_hash(event_id, data),
        trace_ctx=trace_context(),
        coupon_code=data.coupon_code,
        answers=data.answers,
    )


def _body_hash(event_id: int, data: wire.CreateOrder) -> str:
    # Of what was understood, not of the bytes: blanks and the order of members mean nothing.
    return hashlib.sha256(b"orders %d " % event_id + _encode(data)).hexdigest()


def _whose(request: Visitor, event_id: str, order: str) -> Ownership:
    return Ownership(event_id=id_of(event_id), user_id=request.user.user_id, reference=order)
