"""The mock provider put together: its doors, and what the control API can make happen at it."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar import Response, Router, get, post
from litestar.handlers import HTTPRouteHandler

from sandbox.alarm import Alarm
from sandbox.faults import Faults
from sandbox.mock import events, words
from sandbox.mock.gateway import AnyRequest, Call, Gateway, Operation, Reply
from sandbox.mock.payments import Payments
from sandbox.mock.refunds import Refunds
from sandbox.mock.signing import Keys
from sandbox.page import page
from sandbox.provider import Conflict, Envelope, RefundOutcome
from sandbox.records import Notice, Refund, Trade, Wish
from sandbox.settings import MockSettings, SandboxSettings
from sandbox.store import Store

_DAY_MS = 86_400_000


class Mock:
    """One merchant's mock provider."""

    name = words.NAME
    operations = frozenset({"open", "query", "close", "refund", "query_refund", "notice"})
    resend_seconds = events.RESEND_SECONDS

    def __init__(
        self,
        *,
        store: Store,
        settings: SandboxSettings,
        own: MockSettings,
        faults: Faults,
        alarm: Alarm,
    ) -> None:
        keys = Keys(own.secret)
        self._store = store
        self._events = events.Events(store=store, settings=own, keys=keys)
        self._gateway = Gateway(store=store, keys=keys, faults=faults)
        self._payments = Payments(
            store=store,
            settings=settings,
            delay_ms=own.delay_ms,
            events=self._events,
            alarm=alarm,
        )
        self._refunds = Refunds(
            store=store,
            settings=settings,
            delay_ms=own.delay_ms,
            events=self._events,
            alarm=alarm,
        )

    def routes(self) -> Sequence[Router]:
        """Answer below /mock: calls of the merchant, and the page its payers are sent to."""
        doors = [
            self._door(post("/v1/payments"), "open", self._open),
            self._door(get("/v1/payments/{number:str}"), "query", self._query),
            self._door(post("/v1/payments/{number:str}/close"), "close", self._close),
            self._door(post("/v1/refunds"), "refund", self._refund),
            self._door(get("/v1/refunds/{number:str}"), "query_refund", self._query_refund),
        ]
        return [Router("/mock", route_handlers=[*doors, self._page()])]

    def pay(self, trade: Trade, wish: Wish) -> str:
        """Be the payer; what is paid is told of again under the same id.

        :raises Conflict: failed, closed, or too late.
        """
        return self._payments.pay(trade, wish, _now_ms())

    def fail(self, trade: Trade, wish: Wish) -> str:
        """Be a payer whose bank says no.

        :raises Conflict: paid or closed.
        """
        return self._payments.fail(trade, wish, _now_ms())

    def close(self, trade: Trade, wish: Wish) -> str:  # noqa: ARG002
        """Close an unpaid payment; nobody is told.

        :raises Conflict: paid.
        """
        return self._payments.close_for_good(trade)

    def settle_refund(self, refund: Refund, outcome: RefundOutcome) -> str:
        """Bring a refund to its end.

        :raises Conflict: that end cannot follow.
        """
        return self._refunds.settle(refund, outcome)

    def console_refund(
        self, trade: Trade, amount_minor: int, *, signed: bool, days_ago: int = 0
    ) -> Refund:
        """Refund past the merchant's service, as of some *days_ago*.

        :raises Conflict: unpaid, or not that much left.
        """
        now_ms = _now_ms() - days_ago * _DAY_MS
        return self._refunds.console(trade, amount_minor, now_ms, signed=signed)

    def crafted(
        self, trade: Trade, kind: str, overrides: Mapping[str, object]
    ) -> tuple[str, str, Envelope]:
        """Make one event of type *kind* with chosen faults, whatever the payment's state.

        :raises msgspec.ValidationError: an unknown override.
        """
        event_type = events.PAID if kind == "success" else kind
        wanted = msgspec.convert(overrides, events.Overrides)
        return self._events.crafted(trade, event_type, wanted)

    def seal(self, notice: Notice, flaw: str | None) -> Envelope:
        """Sign one copy afresh."""
        return self._events.seal(notice, flaw)

    def rotate(self) -> dict[str, str]:
        """Refuse: one secret serves both sides, so one side alone cannot change it.

        :raises Conflict: always; PAYMENT_WEBHOOK_SECRET takes several secrets.
        """
        raise Conflict("the secret is shared; change PAYMENT_WEBHOOK_SECRET on both sides")

    def accepted(self, status: int, body: bytes) -> bool:  # noqa: ARG002
        """Take every 2xx for heard."""
        return status // 100 == 2  # noqa: PLR2004 - a class of HTTP status

    def _open(self, call: Call) -> Reply:
        wanted = msgspec.json.decode(call.body, type=words.WantedPayment)
        trade, hangs = self._payments.open(wanted, call.now_ms)
        return _about(trade, hangs=hangs)

    def _query(self, call: Call) -> Reply:
        return _about(self._payments.existing(call.number))

    def _close(self, call: Call) -> Reply:
        return _about(self._payments.close(call.number))

    def _refund(self, call: Call) -> Reply:
        wanted = msgspec.json.decode(call.body, type=words.WantedRefund)
        return _about_refund(self._refunds.apply(wanted, call.now_ms, is_held=call.is_held))

    def _query_refund(self, call: Call) -> Reply:
        return _about_refund(self._refunds.existing(call.number))

    def _door(
        self, handler: HTTPRouteHandler, operation: str, perform: Operation
    ) -> HTTPRouteHandler:
        async def door(request: AnyRequest) -> Response[Any]:
            return await self._gateway.answer(request, operation, perform)

        return handler(door)

    def _page(self) -> HTTPRouteHandler:
        @get("/pay/{number:str}", media_type="text/html")
        async def show_payment(number: str) -> str:
            trade = self._store.trade(words.NAME, number)
            return page([] if trade is None else [trade])

        return show_payment


def _about(trade: Trade, *, hangs: bool = False) -> Reply:
    return Reply(body=words.payment_answer(trade), hangs=hangs)


def _about_refund(refund: Refund) -> Reply:
    return Reply(body=words.refund_answer(refund))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
