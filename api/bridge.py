"""The doors around the Mini Program bridge: its gate, its tickets and what pages say of it."""

import structlog
from litestar import get, post, put
from litestar.params import JSONBody

from actors.biz_types import finder_of
from api.answers import request_payment_params
from api.auth import PUBLIC, role
from api.metrics import BRIDGE_REPORTS
from api.preparing import loggable
from api.problems import documented
from api.rooms import Anybody, Visitor, house_of
from api.tracing import mark_order, mark_view
from contracts.bridge import BridgeGate, report_code
from contracts.errors import NotFound
from contracts.wire import bridge as wire
from models.bridge import reported_order

_BASE = "/api/payments/wechat"

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments")


@get("/api/admin/bridge", opt=role("admin"), responses=documented(401, 403))
async def get_bridge_settings(request: Visitor) -> wire.BridgeSettings:
    """Tell how far the bridge is rolled out."""
    return _settings(await house_of(request).gatekeeper.read())


@put("/api/admin/bridge", opt=role("admin"), responses=documented(401, 403, 413, 415))
async def change_bridge_settings(
    request: Visitor, data: JSONBody[wire.BridgeSettings]
) -> wire.BridgeSettings:
    """Roll the bridge out, or back; every process follows within seconds."""
    gate = BridgeGate(rollout_percent=data.rollout_percent, min_version=data.min_version)
    await house_of(request).gatekeeper.change(gate, user_id=request.user.user_id)
    return _settings(gate)


@post(f"{_BASE}/bridge-report", status_code=204, responses=documented(401, 404, 413, 415))
async def report_bridge_payment(request: Visitor, data: JSONBody[wire.BridgeReport]) -> None:
    """Tell what the bridge answered. It is counted, and decides nothing."""
    house = house_of(request)
    order = await reported_order(
        house.database, user_id=request.user.user_id, order_no=data.order_no
    )
    if order is None:
        raise NotFound
    mark_view(order)
    channel, code = order.channel or "none", report_code(ok=data.ok, err_code=data.err_code)
    BRIDGE_REPORTS.labels(channel=channel, code=code).inc()
    log.info(
        "payments.bridge.reported",
        order_id=order.id,
        order_no=data.order_no,
        channel=channel,
        code=code,
        bridge_version=loggable(data.bridge_version or ""),
        shell_version=loggable(data.shell_version or ""),
    )
    house.hints.look_soon(order.id)


@post(f"{_BASE}/bridge-ticket", responses=documented(401, 404, 409, 413, 415))
async def make_bridge_ticket(
    request: Visitor, data: JSONBody[wire.BridgeTicketRequest]
) -> wire.BridgeTicket:
    """Make a ticket with which the Mini Program's own page fetches what it pays with, once."""
    house = house_of(request)
    find = finder_of(data.biz_type)
    seen = await find(house.own_orders, request.user.user_id, data.biz_id)
    mark_order(seen.order)
    minted = await house.tickets.mint(seen.order, seen.now)
    return wire.BridgeTicket(ticket=minted.secret, expires_at=minted.expires_at)


@post(
    f"{_BASE}/bridge-redeem",
    opt=PUBLIC,
    status_code=200,
    responses=documented(401, 403, 409, 413, 415),
)
async def redeem_bridge_ticket(
    request: Anybody, data: JSONBody[wire.RedeemBridgeTicket]
) -> wire.RedeemedBridgeTicket:
    """Hand the payer's Mini Program what it pays with; the ticket is used up."""
    crossing = await house_of(request).tickets.redeem(data.ticket, data.code)
    mark_order(crossing.order)
    params = request_payment_params(crossing.order.order_no, crossing.call)
    return wire.RedeemedBridgeTicket(request_payment_params=params)


def _settings(gate: BridgeGate) -> wire.BridgeSettings:
    return wire.BridgeSettings(rollout_percent=gate.rollout_percent, min_version=gate.min_version)
