"""Alipay put together: its doors, and what the control API can make happen at it."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar import Response, Router, get, post, route
from litestar.response import Redirect

from sandbox.alarm import Alarm
from sandbox.alipay import notices, pages, words
from sandbox.alipay.gateway import AnyRequest, Call, Gateway, parameters_of
from sandbox.alipay.keys import Keys
from sandbox.alipay.parameters import (
    AskedRefund,
    NamedTrade,
    WantedRefund,
    WantedTrade,
    read,
    require_named,
)
from sandbox.alipay.refunds import Refunds
from sandbox.alipay.refusal import Refusal, bad_parameter
from sandbox.alipay.trades import Addresses, Trades
from sandbox.faults import Faults
from sandbox.provider import Conflict, Envelope, RefundOutcome
from sandbox.records import Notice, Refund, Trade, Wish
from sandbox.settings import AlipaySettings, SandboxSettings
from sandbox.store import Store

_DAY_MS = 86_400_000
_PAGES = {
    "alipay.trade.wap.pay": (words.WAP, "QUICK_WAP_WAY"),
    "alipay.trade.page.pay": (words.PAGE, "FAST_INSTANT_TRADE_PAY"),
}


class Alipay:
    """One merchant's Alipay."""

    name = words.NAME
    operations = frozenset({"open", "query", "close", "refund", "query_refund", "notice"})
    resend_seconds = notices.RESEND_SECONDS

    def __init__(
        self,
        *,
        store: Store,
        settings: SandboxSettings,
        own: AlipaySettings,
        faults: Faults,
        alarm: Alarm,
    ) -> None:
        self._keys = Keys(own)
        self._scanned_at = f"http://127.0.0.1:{settings.port}/alipay/cashier"
        self._alarm = alarm
        self._notices = notices.Notices(store=store, settings=own, keys=self._keys)
        self._trades = Trades(store=store, notices=self._notices)
        self._refunds = Refunds(store=store, notices=self._notices, alarm=alarm)
        self._gateway = Gateway(store=store, settings=own, keys=self._keys, faults=faults)

    def routes(self) -> Sequence[Router]:
        """Answer below /alipay: calls of the merchant, and the cashier of its payers."""
        operations = {
            "alipay.trade.precreate": ("open", self._precreate),
            "alipay.trade.query": ("query", self._query),
            "alipay.trade.close": ("close", self._close),
            "alipay.trade.refund": ("refund", self._refund),
            "alipay.trade.fastpay.refund.query": ("query_refund", self._query_refund),
        }

        @route("/gateway.do", http_method=["GET", "POST"], status_code=200)
        async def gateway(request: AnyRequest) -> Response[Any]:
            parameters = await parameters_of(request)
            if parameters.get("method") in _PAGES:
                return self._enter(parameters)
            return await self._gateway.answer(request, parameters, operations)

        @get("/cashier/{token:str}")
        async def show_cashier(token: str) -> Response[Any]:
            trade = self._trades.scan(token, _now_ms())
            self._alarm.ring()
            return _nobody() if trade is None else _html(pages.cashier(trade))

        @post("/cashier/{token:str}/pay")
        async def pay(token: str) -> Response[Any]:
            return self._paid_at_cashier(token)

        return [Router("/alipay", route_handlers=[gateway, show_cashier, pay])]

    def pay(self, trade: Trade, wish: Wish) -> str:
        """Be the payer; what is paid is told of again under the same id.

        :raises Conflict: closed, or too late.
        """
        return self._trades.pay(trade, wish)

    def fail(self, trade: Trade, wish: Wish) -> str:  # noqa: ARG002
        """Be a payer who scans the code and does not pay: nobody is told.

        :raises Conflict: closed, or too late.
        """
        return self._trades.fail(trade)

    def close(self, trade: Trade, wish: Wish) -> str:
        """Close an unpaid trade from Alipay's side.

        :raises Conflict: paid.
        """
        return self._trades.close_for_good(trade, wish)

    def settle_refund(self, refund: Refund, outcome: RefundOutcome) -> str:
        """Bring a held refund to its end.

        :raises Conflict: that end cannot follow; Alipay has no ``abnormal``.
        """
        return self._refunds.settle(refund, outcome)

    def console_refund(
        self, trade: Trade, amount_minor: int, *, signed: bool, days_ago: int
    ) -> Refund:
        """Refund past the merchant's service, as of some *days_ago*.

        :raises Conflict: unpaid, or not that much left.
        """
        now_ms = _now_ms() - days_ago * _DAY_MS
        return self._refunds.console(trade, amount_minor, now_ms, signed=signed)

    def crafted(
        self, trade: Trade, kind: str, overrides: Mapping[str, object]
    ) -> tuple[str, str, Envelope]:
        """Make one notice (``success``, ``finished`` or ``closed``) with chosen faults.

        :raises msgspec.ValidationError: an unknown kind or override.
        """
        wanted = msgspec.convert(overrides, notices.Overrides)
        return self._notices.crafted(trade, kind, wanted)

    def seal(self, notice: Notice, flaw: str | None) -> Envelope:
        """Sign one copy afresh."""
        return self._notices.seal(notice, flaw)

    def accepted(self, status: int, body: bytes) -> bool:
        """Take nothing for heard but the bare word."""
        return notices.is_heard(status, body)

    def rotate(self) -> dict[str, str]:
        """Sign with a new key; its public half is handed out."""
        return self._keys.rotate()

    def _precreate(self, call: Call) -> dict[str, Any]:
        wanted = read(call.parameters, WantedTrade)
        trade = self._trades.precreate(wanted, _addresses(call.parameters), call.now_ms)
        token = words.trade_detail(trade).token
        return {"out_trade_no": trade.out_trade_no, "qr_code": f"{self._scanned_at}/{token}"}

    def _query(self, call: Call) -> dict[str, Any]:
        return words.trade_answer(self._named(call))

    def _close(self, call: Call) -> dict[str, Any]:
        named = read(call.parameters, NamedTrade)
        require_named(named)
        trade = self._trades.close(named, call.now_ms)
        self._alarm.ring()
        return {"out_trade_no": trade.out_trade_no, "trade_no": trade.provider_txn_id}

    def _refund(self, call: Call) -> dict[str, Any]:
        wanted = read(call.parameters, WantedRefund)
        return self._refunds.apply(wanted, self._named(call), call.now_ms, is_held=call.is_held)

    def _query_refund(self, call: Call) -> dict[str, Any]:
        wanted = read(call.parameters, AskedRefund)
        return self._refunds.query(wanted.out_request_no, self._named(call))

    def _named(self, call: Call) -> Trade:
        named = read(call.parameters, NamedTrade)
        require_named(named)
        return self._trades.existing(named, call.now_ms)

    def _enter(self, parameters: dict[str, str]) -> Response[Any]:
        channel, product = _PAGES[parameters["method"]]
        try:
            self._gateway.admit(parameters)
            wanted = read(parameters, WantedTrade)
            if wanted.product_code != product:
                raise bad_parameter("product_code")
            trade = self._trades.arrive(wanted, channel, _addresses(parameters), _now_ms())
        except Refusal as refusal:
            said = pages.refused(refusal.body["sub_code"], refusal.body["sub_msg"])
            return _html(said, status=400)
        return Redirect(f"/alipay/cashier/{words.trade_detail(trade).token}", status_code=302)

    def _paid_at_cashier(self, token: str) -> Response[Any]:
        trade = self._trades.scan(token, _now_ms())
        if trade is None:
            return _nobody()
        detail = words.trade_detail(trade)
        if not words.was_paid(trade):
            try:
                self._trades.pay(trade, Wish())
            except Conflict as conflict:
                return _html(pages.refused("TRADE_HAS_CLOSE", str(conflict)), status=409)
        self._alarm.ring()
        if detail.return_url is None:
            return Redirect(f"/alipay/cashier/{token}", status_code=303)
        joint = "&" if "?" in detail.return_url else "?"
        back = f"{detail.return_url}{joint}{self._notices.returned(trade)}"
        return Redirect(back, status_code=303)


def _addresses(parameters: Mapping[str, str]) -> Addresses:
    return Addresses(
        notify_url=parameters.get("notify_url"), return_url=parameters.get("return_url")
    )


def _nobody() -> Response[Any]:
    return _html(pages.refused("TRADE_NOT_EXIST", "there is no such code"), status=404)


def _html(text: str, *, status: int = 200) -> Response[Any]:
    return Response(text, status_code=status, media_type="text/html")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
