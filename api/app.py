"""The front doors: the whole route list, and the server that opens them.

``python -m api.app`` serves on HOST and PORT with API_WORKERS processes; a worker that dies is
replaced, and none outlives the main process.
"""

import contextlib
import copy
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import structlog
from litestar import Litestar, Router
from litestar.config.cors import CORSConfig
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ASGIApp, ControllerRouterHandler

from api import (
    auth,
    binding,
    bridge,
    callbacks,
    catalogue,
    check_in,
    coupons,
    course_orders,
    events,
    exports,
    guest_list,
    health,
    intents,
    invites,
    me,
    order_payments,
    orders,
    payment_events,
    payment_refunds,
    payments,
    refunds,
    registrations,
    stripe_events,
    webhooks,
)
from api.bodies import StrictBody
from api.descriptions import StrictStructs
from api.frontdesk import FrontDesk
from api.problems import answer_failure
from api.schema_page import PlainPage
from api.server import serve
from runtime.logs import configure_logs
from runtime.memory import begin_serving
from runtime.metrics import bury_dead_processes
from runtime.settings import Settings, SettingsError, read_settings
from runtime.telemetry import start_telemetry, stop_telemetry
from runtime.wiring import open_house

PUBLIC_ROUTES: tuple[ControllerRouterHandler, ...] = (
    health.live,
    health.ready,
    health.metrics,
    auth.get_config,
    events.list_events,
    events.get_event,
    webhooks.receive_wechat_notice,
    payment_events.receive_event,
    stripe_events.receive_stripe_event,
    callbacks.receive_pingxx_event,
    callbacks.receive_alipay_notice,
    bridge.redeem_bridge_ticket,
    binding.bind_mini_openid_with_token,
)
SIGNED_IN_ROUTES: tuple[HTTPRouteHandler, ...] = (
    orders.create_order,
    orders.list_orders,
    orders.get_pending_order,
    orders.get_order,
    orders.cancel_order,
    orders.query_order,
    payments.prepare_wechat_payment,
    intents.create_intent,
    intents.confirm_intent,
    payment_refunds.refund_payment,
    payment_refunds.retry_refund,
    order_payments.list_order_payments,
    bridge.report_bridge_payment,
    bridge.make_bridge_ticket,
    bridge.get_bridge_settings,
    bridge.change_bridge_settings,
    binding.make_mini_bind_token,
    binding.bind_mini_openid,
    binding.make_h5_bind_state,
    binding.bind_openid,
    refunds.refund_order,
    refunds.mark_order_paid,
    invites.list_invites,
    invites.reissue_invite,
    invites.redeem_invite,
    registrations.register,
    registrations.leave,
    registrations.approve_registration,
    registrations.reject_registration,
    catalogue.list_managed_events,
    catalogue.create_event,
    catalogue.replace_event,
    catalogue.create_ticket_type,
    catalogue.replace_ticket_type,
    catalogue.delete_ticket_type,
    guest_list.list_registrations,
    exports.export_event,
    coupons.apply_coupon,
    coupons.make_event_coupon,
    coupons.list_event_coupons,
    coupons.change_event_coupon,
    coupons.make_coupon_for_all,
    coupons.list_coupons_for_all,
    coupons.change_coupon_for_all,
    course_orders.init_course_order,
    course_orders.require_to_pay,
    course_orders.query_course_order,
    course_orders.apply_discount,
    course_orders.get_payment_detail,
    course_orders.sync_stripe_payment,
    check_in.get_ticket,
    check_in.get_ticket_picture,
    check_in.check_in,
    me.get_me,
    me.change_me,
)
# Not built in elsewhere: what is not there cannot be reached by mistake.
SANDBOX_ROUTES: tuple[ControllerRouterHandler, ...] = (auth.sandbox_login,)

_CONFIGURATION_FAULT = 78

log: structlog.stdlib.BoundLogger = structlog.get_logger("api")


def create_app(settings: Settings) -> ASGIApp:
    """Build the application; its parts are wired when it starts."""
    app = Litestar(
        route_handlers=[
            *PUBLIC_ROUTES,
            *(SANDBOX_ROUTES if settings.is_sandbox else ()),
            *map(_for_signed_in, SIGNED_IN_ROUTES),
        ],
        lifespan=[_opened(settings)],
        guards=[auth.doorkeeper()],
        dto=StrictBody,
        return_dto=None,
        exception_handlers={Exception: answer_failure},
        cors_config=_cors(settings),
        openapi_config=_openapi(),
        plugins=[StrictStructs()],
        logging_config=None,
        debug=False,
    )
    return FrontDesk(app, {webhooks.WECHAT_PATH: webhooks.wechat_side_door(app)})


def main() -> int:
    """Serve until told to stop."""
    try:
        settings = read_settings()
    except SettingsError as error:
        sys.stderr.write(f"Cannot start: {error}\n")
        return _CONFIGURATION_FAULT
    configure_logs(settings.log_level)
    try:
        serve(
            partial(_begin, settings),
            host=settings.host,
            port=settings.port,
            count=settings.api_workers,
        )
    except OSError as error:
        sys.stderr.write(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}\n")
        return 1
    return 0


def _begin(settings: Settings) -> ASGIApp:
    bury_dead_processes(settings.prometheus_multiproc_dir)
    return create_app(settings)


def _for_signed_in(handler: HTTPRouteHandler) -> HTTPRouteHandler:
    # A router of their own would describe them too, but shares no path with a public door.
    described = copy.copy(handler)
    described.security = [{"bearer": []}]
    return described


def _opened(
    settings: Settings,
) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def opened(app: Litestar) -> AsyncIterator[None]:
        start_telemetry("api", settings.otel_exporter_otlp_endpoint)
        try:
            async with open_house(settings) as house:
                app.state["house"] = house
                begin_serving()
                yield
        except Exception:
            # The server is told of it with its message, and so is not asked to log it.
            log.exception("api.process.failed")
            raise
        stop_telemetry()

    return opened


def _cors(settings: Settings) -> CORSConfig | None:
    if not settings.cors_allow_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.cors_allow_origins),
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key"],
    )


def _openapi() -> OpenAPIConfig:
    bearer = SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")
    return OpenAPIConfig(
        title="Guichet",
        version="1",
        description="Sells event tickets and gets them paid. Amounts are integer minor units.",
        path="/schema",
        use_handler_docstrings=True,
        components=Components(security_schemes={"bearer": bearer}),
        render_plugins=[PlainPage(path="/")],
        openapi_router=_schema_router(),
    )


def _schema_router() -> Router:
    # The framework fills it with the pages.
    options: dict[str, Any] = auth.PUBLIC
    return Router(
        "/schema",
        route_handlers=[],
        include_in_schema=False,
        opt=options,
        dto=None,
        return_dto=None,
    )


if __name__ == "__main__":
    sys.exit(main())
