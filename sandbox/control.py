"""What the control API can see and move, whichever provider holds the trade."""

import time
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from sandbox.alarm import Alarm
from sandbox.delivery import Delivery
from sandbox.faults import Fault, Faults
from sandbox.feishu import Feishu
from sandbox.provider import Provider, RefundOutcome
from sandbox.records import Notice, Refund, Send, Trade, Wish
from sandbox.store import Store
from sandbox.wechatlogin.login import OPENID, PROVIDER, Login
from sandbox.wechatlogin.refusal import Refusal

_TRADES_SHOWN = 100
_OF_THE_MERCHANT = frozenset({"bill", "bill_file", "certificates", "search"})
_Body = TypeVar("_Body", bound=msgspec.Struct)


class ConsoleRefund(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much goes back, in the currency's smallest unit, and whether a signed notice tells it.

    *days_ago* dates it back, so that a past day's bill has it.
    """

    amount: Annotated[int, msgspec.Meta(ge=1)]
    signed: bool = False
    days_ago: Annotated[int, msgspec.Meta(ge=0, le=90)] = 0


class CraftedNotice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which trade one notice speaks of, and how it differs from an honest one."""

    out_trade_no: str
    kind: str = "success"
    overrides: dict[str, Any] = {}


class LoggedIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who opened which app."""

    appid: str
    openid: Annotated[str, msgspec.Meta(pattern=rf"\A{OPENID.pattern}\Z")]


class Refused(Exception):
    """The control API says no."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.body = {"status": status, "code": code, "message": message}


class Control:
    """What the control API knows and moves."""

    def __init__(
        self,
        *,
        store: Store,
        providers: Mapping[str, Provider],
        login: Login,
        faults: Faults,
        delivery: Delivery,
        alarm: Alarm,
    ) -> None:
        self._store = store
        self._providers = providers
        self._login = login
        self._faults = faults
        self._delivery = delivery
        self._alarm = alarm

    def trades(self, order_no: str | None) -> list[Trade]:
        """List one order's trades or the last hundred."""
        if not order_no:
            return self._store.last_trades(_TRADES_SHOWN)
        return self._store.trades_of_order(order_no)

    def act(self, out_trade_no: str, action: str, body: bytes) -> str:
        """Pay, fail or close a trade and return its status."""
        wish = _decode(body, Wish)
        trade = self._trade(out_trade_no)
        provider = self._providers[trade.provider]
        actions = {"pay": provider.pay, "fail": provider.fail, "close": provider.close}
        if action not in actions:
            raise Refused(404, "NOT_FOUND", "pay, fail or close")
        status = actions[action](trade, wish)
        self._alarm.ring()
        return status

    def console_refund(self, out_trade_no: str, body: bytes) -> Refund:
        """Refund past the merchant's service."""
        wanted = _decode(body, ConsoleRefund)
        trade = self._trade(out_trade_no)
        refund = self._providers[trade.provider].console_refund(
            trade, wanted.amount, signed=wanted.signed, days_ago=wanted.days_ago
        )
        self._alarm.ring()
        return refund

    def settle_refund(self, out_refund_no: str, outcome: RefundOutcome) -> str:
        """End a refund."""
        refund = self._store.any_refund(out_refund_no)
        if refund is None:
            raise Refused(404, "NOT_FOUND", "no such refund")
        status = self._providers[refund.provider].settle_refund(refund, outcome)
        self._alarm.ring()
        return status

    def rotate_keys(self, name: str) -> dict[str, str]:
        """Have a provider sign with a new key, and tell what its merchant needs."""
        provider = self._providers.get(name)
        if provider is None:
            raise Refused(404, "NOT_FOUND", "no such provider")
        return provider.rotate()

    def add_fault(self, body: bytes) -> None:
        """Queue a fault."""
        fault = _decode(body, Fault)
        if fault.operation not in self._operations(fault.provider):
            raise Refused(400, "INVALID_REQUEST", "no such provider or operation")
        if fault.out_trade_no is not None and fault.operation in self._of_no_trade:
            raise Refused(400, "INVALID_REQUEST", "calls of this operation are about no trade")
        self._faults.add(fault)

    def clear_faults(self) -> None:
        """Forget the faults nobody met."""
        self._faults.clear()

    def faults(self) -> list[Fault]:
        """List the faults nobody met."""
        return self._faults.waiting()

    async def send_crafted(self, body: bytes) -> dict[str, Any]:
        """Send one crafted notice and tell what came back."""
        wanted = _decode(body, CraftedNotice)
        trade = self._trade(wanted.out_trade_no)
        provider = self._providers[trade.provider]
        notice_id, url, envelope = provider.crafted(trade, wanted.kind, wanted.overrides)
        sent_at_ms = time.time_ns() // 1_000_000
        status, answer = await self._delivery.post(url, envelope)
        send = Send(
            notice_id=notice_id,
            out_trade_no=trade.out_trade_no,
            event_type=f"crafted.{wanted.kind}",
            attempt=1,
            status=status,
            sent_at_ms=sent_at_ms,
        )
        self._store.add_send(send)
        return {"id": notice_id, "status": status, "body": answer.decode(errors="replace")}

    def notices(self, out_trade_no: str) -> dict[str, Any]:
        """Tell what was sent for a trade and what will be."""
        return {
            "notices": [_sent(send) for send in self._store.sends_of(out_trade_no)],
            "pending": [_pending(notice) for notice in self._store.pending_notices(out_trade_no)],
        }

    def calls(self, out_trade_no: str) -> dict[str, int]:
        """Count a trade's provider calls by operation."""
        return self._store.calls_of(out_trade_no)

    def login_code(self, body: bytes) -> str:
        """Play ``wx.login``."""
        wanted = _decode(body, LoggedIn)
        try:
            return self._login.new_code(wanted.appid, wanted.openid)
        except Refusal as refusal:
            raise Refused(400, "INVALID_REQUEST", refusal.errmsg) from refusal

    @property
    def _of_no_trade(self) -> frozenset[str]:
        return self._login.operations | Feishu.operations | _OF_THE_MERCHANT

    def _operations(self, name: str) -> frozenset[str]:
        if name == Feishu.name:
            return Feishu.operations
        provider = self._providers.get(name)
        operations = frozenset[str]() if provider is None else provider.operations
        return operations | self._login.operations if name == PROVIDER else operations

    def _trade(self, out_trade_no: str) -> Trade:
        trade = self._store.any_trade(out_trade_no)
        if trade is None:
            raise Refused(404, "NOT_FOUND", "no such trade")
        return trade


def _decode(body: bytes, kind: type[_Body]) -> _Body:
    return msgspec.json.decode(body, type=kind)


def _sent(send: Send) -> dict[str, Any]:
    return {
        "id": send.notice_id,
        "event_type": send.event_type,
        "attempt": send.attempt,
        "status": send.status,
        "sent_at_ms": send.sent_at_ms,
    }


def _pending(notice: Notice) -> dict[str, Any]:
    return {
        "id": notice.notice_id,
        "event_type": notice.event_type,
        "attempt": notice.attempt + 1,
        "due_at_ms": notice.due_at_ms,
    }
