"""Ping++ put together: its doors, and what the control API can make happen at it."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar import Response, Router, get, post
from litestar.handlers import HTTPRouteHandler

from sandbox.alarm import Alarm
from sandbox.faults import Faults
from sandbox.page import page
from sandbox.pingxx import events, words
from sandbox.pingxx.charges import Charges
from sandbox.pingxx.gateway import AnyRequest, Call, Gateway, Operation
from sandbox.pingxx.keys import Keys
from sandbox.pingxx.refunds import Refunds
from sandbox.provider import Conflict, Envelope, RefundOutcome
from sandbox.records import Notice, Refund, Trade, Wish
from sandbox.settings import PingxxSettings, SandboxSettings
from sandbox.store import Store

_DAY_MS = 86_400_000


class Pingxx:
    """One merchant's app at Ping++."""

    name = words.NAME
    operations = frozenset({"open", "query", "refund", "query_refund", "notice"})
    resend_seconds = events.RESEND_SECONDS

    def __init__(
        self,
        *,
        store: Store,
        settings: SandboxSettings,
        own: PingxxSettings,
        faults: Faults,
        alarm: Alarm,
    ) -> None:
        self._store = store
        self._keys = Keys(own, settings.state.with_name("pingxx-rotated.key"))
        self._events = events.Events(store=store, own=own, keys=self._keys)
        self._gateway = Gateway(store=store, keys=self._keys, faults=faults)
        self._charges = Charges(store=store, settings=settings, own=own, keys=self._keys)
        self._refunds = Refunds(
            store=store,
            settings=settings,
            charges=self._charges,
            events=self._events,
            alarm=alarm,
        )

    def routes(self) -> Sequence[Router]:
        """Answer below /pingxx: calls of the merchant, and the page behind a code to scan."""
        one, refunds = "/v1/charges/{charge_id:str}", "/v1/charges/{charge_id:str}/refunds"
        doors = [
            self._door(post("/v1/charges"), "open", self._open),
            self._door(get("/v1/charges"), "query", self._list),
            self._door(get(one), "query", self._query),
            self._door(post(refunds), "refund", self._refund),
            self._door(get(refunds), "query_refund", self._list_refunds),
            self._door(get(f"{refunds}/{{refund_id:str}}"), "query_refund", self._query_refund),
        ]
        return [Router("/pingxx", route_handlers=[*doors, self._page()])]

    def pay(self, trade: Trade, wish: Wish) -> str:
        """Be the payer; what is paid is told of again under the same id.

        :raises Conflict: reversed, or too late.
        """
        now_ms = _now_ms()
        due_at_ms = now_ms + wish.delay_ms
        paid = words.as_paid(trade, now_ms, wish.wrong_amount or trade.amount_minor)
        if wish.forged:
            self._events.tell_payment(trade, self._charges.show_paid(paid), due_at_ms, wish)
            return trade.status
        if trade.status == words.PAID:
            return self._told_again(trade, due_at_ms, wish)
        if trade.status == words.REVERSED or words.is_expired(trade, now_ms):
            raise Conflict("the charge is over or its time is")
        self._store.save_trade(paid)
        self._events.tell_payment(paid, self._charges.show_paid(paid), due_at_ms, wish)
        return paid.status

    def fail(self, trade: Trade, wish: Wish) -> str:  # noqa: ARG002
        """Refuse an attempt: Ping++ tells nobody, and the payer may try again."""
        return trade.status

    def close(self, trade: Trade, wish: Wish) -> str:  # noqa: ARG002
        """Reverse an unpaid charge from the provider's side; nobody is told.

        :raises Conflict: paid.
        """
        if trade.status == words.PAID:
            raise Conflict("the charge is paid")
        self._store.save_trade(msgspec.structs.replace(trade, status=words.REVERSED))
        return words.REVERSED

    def settle_refund(self, refund: Refund, outcome: RefundOutcome) -> str:
        """Bring a refund to its end.

        :raises Conflict: it has ended otherwise.
        """
        return self._refunds.settle(refund, outcome)

    def console_refund(
        self, trade: Trade, amount_minor: int, *, signed: bool, days_ago: int = 0
    ) -> Refund:
        """Refund in the console, as of some *days_ago*.

        :raises Conflict: unpaid, or not that much left.
        """
        made_at_ms = _now_ms() - days_ago * _DAY_MS
        return self._refunds.console(trade, amount_minor, made_at_ms, signed=signed)

    def rotate(self) -> dict[str, str]:
        """Sign with a new key from now on, and hand out its public half."""
        return {"public_key": self._keys.rotate()}

    def crafted(
        self, trade: Trade, kind: str, overrides: Mapping[str, object]
    ) -> tuple[str, str, Envelope]:
        """Make one event of type *kind* with chosen faults, whatever the trade's state.

        :raises msgspec.ValidationError: an unknown override.
        """
        wanted = msgspec.convert(overrides, events.Overrides)
        is_paid = trade.status == words.PAID
        honest = trade if is_paid else words.as_paid(trade, _now_ms(), trade.amount_minor)
        return self._events.crafted(kind, self._charges.show_paid(honest), wanted)

    def seal(self, notice: Notice, flaw: str | None) -> Envelope:
        """Sign one copy afresh."""
        return self._events.seal(notice, flaw)

    def accepted(self, status: int, body: bytes) -> bool:  # noqa: ARG002
        """Take every 2xx for heard; the body says nothing."""
        return status // 100 == 2  # noqa: PLR2004 - a class of HTTP status

    def _told_again(self, trade: Trade, due_at_ms: int, wish: Wish) -> str:
        told = self._store.notice_of(trade.out_trade_no, events.PAID)
        if told is None:
            self._events.tell_payment(trade, self._charges.show_paid(trade), due_at_ms, wish)
        else:
            self._events.tell_again(told, due_at_ms, wish)
        return trade.status

    def _open(self, call: Call) -> dict[str, Any]:
        return self._charges.create(call.body, call.now_ms)

    def _query(self, call: Call) -> dict[str, Any]:
        return self._charges.show(call.charge_id)

    def _list(self, call: Call) -> dict[str, Any]:
        return self._charges.show_many(call.query)

    def _refund(self, call: Call) -> dict[str, Any]:
        return self._refunds.create(call.charge_id, call.body, call.now_ms, is_held=call.is_held)

    def _query_refund(self, call: Call) -> dict[str, Any]:
        return self._refunds.show(call.charge_id, call.refund_id)

    def _list_refunds(self, call: Call) -> dict[str, Any]:
        return self._refunds.show_many(call.charge_id, call.query)

    def _door(
        self, handler: HTTPRouteHandler, operation: str, perform: Operation
    ) -> HTTPRouteHandler:
        async def door(request: AnyRequest) -> Response[Any]:
            return await self._gateway.answer(request, operation, perform)

        return handler(door)

    def _page(self) -> HTTPRouteHandler:
        @get("/qr/{number:str}", media_type="text/html")
        async def show_charge(number: str) -> str:
            trade = self._store.trade(words.NAME, number)
            return page([] if trade is None else [trade])

        return show_charge


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
