"""The simulators as one web application, and the process that serves it on loopback."""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator

import msgspec
import uvicorn
from litestar import Litestar
from litestar.exceptions import HTTPException
from litestar.types import Scope

from sandbox import clockwork, control_doors, feishu_doors, mailbox_doors
from sandbox.alarm import Alarm
from sandbox.alipay.provider import Alipay
from sandbox.control import Control, Refused
from sandbox.delivery import Delivery
from sandbox.faults import Faults
from sandbox.feishu import Feishu
from sandbox.feishu_store import FeishuStore
from sandbox.mailbox import Mailbox
from sandbox.mailbox_store import MailboxStore
from sandbox.mock.provider import Mock
from sandbox.pingxx.provider import Pingxx
from sandbox.provider import Conflict, Provider
from sandbox.settings import SandboxSettings, from_environment
from sandbox.store import Store
from sandbox.stripe.provider import Stripe
from sandbox.wechatlogin.login import Login
from sandbox.wechatpay.provider import Wechat

_log = logging.getLogger("sandbox")


def build_app(settings: SandboxSettings) -> Litestar:
    """Build the application; its state file is opened here and closed when it shuts down."""
    store = Store(settings.state)
    faults, alarm = Faults(), Alarm()
    wechat = Wechat(store=store, settings=settings, faults=faults, alarm=alarm)
    mailbox = Mailbox(MailboxStore(settings.state), port=settings.smtp_port)
    feishu = Feishu(FeishuStore(settings.state), faults=faults)
    login = Login(settings=settings.wechat, faults=faults)
    providers: dict[str, Provider] = {wechat.name: wechat}
    if settings.mock is not None:
        providers[Mock.name] = Mock(
            store=store, settings=settings, own=settings.mock, faults=faults, alarm=alarm
        )
    if settings.alipay is not None:
        providers[Alipay.name] = Alipay(
            store=store, settings=settings, own=settings.alipay, faults=faults, alarm=alarm
        )
    if settings.pingxx is not None:
        providers[Pingxx.name] = Pingxx(
            store=store, settings=settings, own=settings.pingxx, faults=faults, alarm=alarm
        )
    if settings.stripe is not None:
        providers[Stripe.name] = Stripe(
            store=store, settings=settings, own=settings.stripe, faults=faults, alarm=alarm
        )
    delivery = Delivery(
        store=store,
        providers=providers,
        faults=faults,
        alarm=alarm,
        time_scale=settings.time_scale,
    )
    control = Control(
        store=store,
        providers=providers,
        login=login,
        faults=faults,
        delivery=delivery,
        alarm=alarm,
    )

    @contextlib.asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        loop = clockwork.run(store=store, providers=providers, delivery=delivery, alarm=alarm)
        ticking = asyncio.create_task(loop)
        ticking.add_done_callback(_report_end)
        await mailbox.open()
        try:
            yield
        finally:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)
            await mailbox.close()
            feishu.close()
            await delivery.close()
            store.close()

    return Litestar(
        route_handlers=[
            *control_doors.routes(control),
            *mailbox_doors.routes(mailbox),
            *feishu_doors.routes(feishu),
            *(route for provider in providers.values() for route in provider.routes()),
            *login.routes(),
        ],
        lifespan=[lifespan],
        exception_handlers={
            Refused: control_doors.refused,
            Conflict: control_doors.refused,
            msgspec.DecodeError: control_doors.refused,
        },
        after_exception=[_report],
        openapi_config=None,
        logging_config=None,
    )


def main() -> None:
    """Serve until told to stop."""
    settings = from_environment(os.environ)
    uvicorn.run(
        build_app(settings),
        host="127.0.0.1",
        port=settings.port,
        http="httptools",
        loop="uvloop",
        ws="none",
        proxy_headers=False,
        access_log=False,
        log_config=None,
        # Clients forget idle connections after some seconds. Were they closed at that moment, calls
        # would be lost; real providers keep them for a minute at least.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
    )


def _report_end(ticking: asyncio.Task[None]) -> None:
    if not ticking.cancelled():
        _log.error("the sandbox's clock stopped", exc_info=ticking.exception())


async def _report(error: Exception, _scope: Scope) -> None:
    if not isinstance(error, HTTPException | Refused | Conflict | msgspec.DecodeError):
        _log.error("the sandbox failed", exc_info=error)


if __name__ == "__main__":
    main()
