"""WeChat Pay v3 put together: its doors, and what the control API can make happen at it."""

import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Response, Router, get, post
from litestar.handlers import HTTPRouteHandler

from sandbox.alarm import Alarm
from sandbox.faults import Faults
from sandbox.provider import Conflict, Envelope, RefundOutcome
from sandbox.records import Notice, Refund, Trade, Wish
from sandbox.settings import SandboxSettings
from sandbox.store import Store
from sandbox.wechatpay import notices, wire
from sandbox.wechatpay.bills import Bills
from sandbox.wechatpay.crafted import Overrides, craft
from sandbox.wechatpay.gateway import AnyRequest, Gateway, Operation
from sandbox.wechatpay.keys import Keys
from sandbox.wechatpay.orders import Orders
from sandbox.wechatpay.refunds import Refunds

_OUT_TRADE_NO = "/pay/transactions/out-trade-no/{number:str}"


class Wechat:
    """One merchant's WeChat Pay."""

    name = wire.NAME
    operations = frozenset(
        {
            *("native", "jsapi", "query", "close", "refund", "query_refund"),
            *("bill", "bill_file", "certificates", "notice"),
        }
    )
    resend_seconds = notices.RESEND_SECONDS

    def __init__(
        self, *, store: Store, settings: SandboxSettings, faults: Faults, alarm: Alarm
    ) -> None:
        self._keys = keys = Keys(settings.wechat)
        self._store = store
        self._notices = notices.Notices(settings=settings, keys=keys)
        self._orders = Orders(store=store, settings=settings)
        self._refunds = Refunds(store=store, settings=settings, notices=self._notices, alarm=alarm)
        self._bills = Bills(store=store, settings=settings)
        self._gateway = Gateway(store=store, settings=settings, keys=keys, faults=faults)

    def routes(self) -> Sequence[Router]:
        """Answer below /v3."""
        orders, refunds, gateway = self._orders, self._refunds, self._gateway
        doors = [
            self._door(post("/pay/transactions/native"), "native", orders.native),
            self._door(post("/pay/transactions/jsapi"), "jsapi", orders.jsapi),
            self._door(get(_OUT_TRADE_NO), "query", orders.query),
            self._door(
                get("/pay/transactions/id/{number:str}"), "query", orders.query_by_transaction
            ),
            self._door(post(f"{_OUT_TRADE_NO}/close"), "close", orders.close),
            self._door(post("/refund/domestic/refunds"), "refund", refunds.apply),
            self._door(get("/refund/domestic/refunds/{number:str}"), "query_refund", refunds.query),
            self._door(get("/bill/tradebill"), "bill", self._bills.offer),
            self._door(get("/billdownload/file"), "bill_file", self._bills.download),
            self._door(get("/certificates"), "certificates", gateway.certificates),
        ]
        return [Router("/v3", route_handlers=doors)]

    def pay(self, trade: Trade, wish: Wish) -> str:
        """Take the buyer's money. A paid trade is told of again under the same id.

        :raises Conflict: closed, or too late.
        """
        now_ms = _now_ms()
        if wish.forged:
            self._tell(wire.as_paid(trade, now_ms=now_ms, total_minor=wish.wrong_amount), wish)
            return trade.status
        if trade.status in {wire.SUCCESS, wire.REFUND}:
            self._tell_again(trade, wish)
            return trade.status
        if trade.status == wire.CLOSED or wire.is_expired(trade, now_ms):
            raise Conflict("the trade is closed or its time is over")
        paid = wire.as_paid(trade, now_ms=now_ms, total_minor=wish.wrong_amount)
        self._store.save_trade(paid)
        self._tell(paid, wish)
        return paid.status

    def fail(self, trade: Trade, wish: Wish) -> str:  # noqa: ARG002
        """Refuse an attempt: WeChat Pay tells nobody and the state does not change."""
        return trade.status

    def close(self, trade: Trade, wish: Wish) -> str:  # noqa: ARG002
        """Close an unpaid trade; WeChat Pay tells nobody.

        :raises Conflict: paid.
        """
        if trade.status in {wire.SUCCESS, wire.REFUND}:
            raise Conflict("the trade is paid")
        self._store.save_trade(msgspec.structs.replace(trade, status=wire.CLOSED))
        return wire.CLOSED

    def settle_refund(self, refund: Refund, outcome: RefundOutcome) -> str:
        """Bring a refund to its end.

        :raises Conflict: that end cannot follow.
        """
        return self._refunds.settle(refund, outcome)

    def console_refund(
        self, trade: Trade, amount_minor: int, *, signed: bool, days_ago: int
    ) -> Refund:
        """Refund in the merchant console.

        :raises Conflict: unpaid, or not that much left.
        """
        return self._refunds.console(trade, amount_minor, signed=signed, days_ago=days_ago)

    def crafted(
        self, trade: Trade, kind: str, overrides: Mapping[str, object]
    ) -> tuple[str, str, Envelope]:
        """Make one payment notice with chosen faults, whatever the trade's state.

        :raises msgspec.ValidationError: an unknown kind or override.
        """
        if kind != "success":
            raise msgspec.ValidationError(f"kind {kind!r} is not known, `success` is")
        wanted = msgspec.convert(overrides, Overrides)
        known = wire.trade_detail(trade).success_at_ms is not None
        honest = trade if known else wire.as_paid(trade, now_ms=_now_ms())
        notice_id, envelope = craft(self._notices, wire.transaction(honest), wanted)
        return notice_id, wire.trade_detail(trade).notify_url, envelope

    def seal(self, notice: Notice, flaw: str | None) -> Envelope:
        """Sign one copy afresh."""
        return self._notices.seal(notice, flaw)

    def rotate(self) -> dict[str, str]:
        """Sign with a new platform key under a new public key id."""
        return self._keys.rotate()

    def accepted(self, status: int, body: bytes) -> bool:  # noqa: ARG002
        """Take 200 and 204 for heard; the body says nothing."""
        return status in {HTTPStatus.OK, HTTPStatus.NO_CONTENT}

    def _door(
        self, handler: HTTPRouteHandler, operation: str, perform: Operation
    ) -> HTTPRouteHandler:
        async def door(request: AnyRequest) -> Response[Any]:
            return await self._gateway.answer(request, operation, perform)

        return handler(door)

    def _tell(self, paid: Trade, wish: Wish) -> None:
        if wish.drop:
            return
        notice = self._notices.of_payment(
            paid,
            due_at_ms=_now_ms() + wish.delay_ms,
            copies=wish.duplicate,
            forged=wish.forged,
        )
        self._store.add_notice(notice)

    def _tell_again(self, trade: Trade, wish: Wish) -> None:
        told = self._store.notice_of(trade.out_trade_no, notices.PAID)
        if told is None:
            self._tell(trade, wish)
        elif not wish.drop:
            again = msgspec.structs.replace(
                told, attempt=0, due_at_ms=_now_ms() + wish.delay_ms, copies=wish.duplicate
            )
            self._store.reschedule(again)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
