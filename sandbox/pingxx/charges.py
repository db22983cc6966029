"""Charges at Ping++: made, asked about, listed, and what a payer does to them.

1. Ping++ knows no idempotency: the same words make another charge of the same number. The channel
   below takes the number once, so all of them stand for one trade there; what differs is refused.
2. The channel tells of a payment at the address of the first charge, so that one is paid.
3. A passed time_expire stops the payment and nothing else. Ping++ closes no charge when asked.

Source: Ping++ API, creating, querying and listing Charges, read 2026-11.
"""

import hashlib
import secrets
import time
from typing import Any

import msgspec

from sandbox.pingxx import words
from sandbox.pingxx.keys import Keys
from sandbox.pingxx.paging import page_of, read_wanted
from sandbox.pingxx.refusal import Refusal, invalid, not_found, refused_by_channel
from sandbox.pingxx.words import Made, TradeDetail, WantedCharge
from sandbox.records import Trade
from sandbox.settings import PingxxSettings, SandboxSettings
from sandbox.store import Store

_EXTRA = {"wx_pub": "open_id", "wx_lite": "open_id", "wx_pub_qr": "product_id"}
_OPTIONAL_EXTRA = frozenset({"limit_pay"})
_PRODUCT_ID_LENGTH = 32
_EXPIRE_MIN_SECONDS = 60
_EXPIRE_MAX_SECONDS = {"alipay_qr": 15 * 86_400}
_WECHAT_EXPIRE_MAX_SECONDS, _EXPIRE_SECONDS = 7 * 86_400, 7200
_DAY_MS = 86_400_000


class Charges:
    """The charges of one app."""

    def __init__(
        self, *, store: Store, settings: SandboxSettings, own: PingxxSettings, keys: Keys
    ) -> None:
        self._store = store
        self._settings = settings
        self._own = own
        self._keys = keys

    def create(self, body: bytes, now_ms: int) -> dict[str, Any]:
        """Make a charge, the first of its number or one more."""
        wanted = msgspec.json.decode(body, type=WantedCharge)
        self._check(wanted, now_ms)
        made = Made(id=words.new_id("ch"), created_at_ms=now_ms)
        trade = self._store.trade(words.NAME, wanted.order_no)
        if trade is None:
            trade = _new_trade(wanted, made, now_ms)
            self._store.add_trade(trade)
        else:
            trade = _one_more(trade, wanted, made, now_ms)
            self._store.save_trade(trade)
        return self._object(trade, made, self._credential(trade))

    def existing(self, charge_id: str) -> tuple[Trade, Made]:
        """Find a charge and its trade."""
        trade = self._store.trade_of_txn(words.NAME, charge_id)
        trade = trade or self._store.trade_with(words.NAME, f'"{charge_id}"')
        made = [] if trade is None else words.trade_detail(trade).charges
        found = next((one for one in made if one.id == charge_id), None)
        if trade is None or found is None:
            raise not_found("charge")
        return trade, found

    def show(self, charge_id: str) -> dict[str, Any]:
        """Tell of one charge."""
        return self._object(*self.existing(charge_id))

    def show_paid(self, trade: Trade) -> dict[str, Any]:
        """Tell of the charge of a trade that gets paid."""
        return self._object(trade, words.trade_detail(trade).charges[0])

    def show_many(self, query: dict[str, str]) -> dict[str, Any]:
        """Tell of many, newest first."""
        wanted = read_wanted(query)
        if wanted.app != self._own.app_id:
            raise invalid("app[id]: no such app")
        first, last = wanted.span(int(time.time()))
        trades = self._store.trades_between(words.NAME, first * 1000 - _DAY_MS, (last + 1) * 1000)
        listed = [
            (made.created_at_ms, trade, made)
            for trade in trades
            for made in words.trade_detail(trade).charges
            if first <= made.created_at_ms // 1000 <= last
            and wanted.channel in {None, trade.channel}
            and wanted.paid in {None, "true" if words.is_paid_by(trade, made.id) else "false"}
        ]
        listed.sort(key=lambda found: (found[0], found[2].id), reverse=True)
        objects = [self._object(trade, made) for _, trade, made in listed]
        return page_of(objects, wanted, "/v1/charges")

    def _object(
        self, trade: Trade, made: Made, credential: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        refunds = self._store.refunds_of(words.NAME, trade.out_trade_no)
        return words.charge_object(
            trade, made, refunds, is_live=self._own.is_live, credential=credential
        )

    def _check(self, wanted: WantedCharge, now_ms: int) -> None:
        if wanted.app.id != self._own.app_id:
            raise invalid("app[id]: no such app")
        needed = _EXTRA.get(wanted.channel)
        allowed = _OPTIONAL_EXTRA | ({needed} if needed else frozenset())
        if (needed and needed not in wanted.extra) or not wanted.extra.keys() <= allowed:
            raise invalid(f"extra: {wanted.channel} takes {needed or 'none'}")
        if len(wanted.extra.get("product_id", "")) > _PRODUCT_ID_LENGTH:
            raise invalid("extra[product_id]: at most 32 characters")
        if wanted.time_expire is not None:
            self._check_time(wanted.channel, wanted.time_expire * 1000 - now_ms)

    def _check_time(self, channel: str, lead_ms: int) -> None:
        most_seconds = _EXPIRE_MAX_SECONDS.get(channel, _WECHAT_EXPIRE_MAX_SECONDS)
        # The wire knows whole seconds only.
        if lead_ms < self._settings.scaled_ms(_EXPIRE_MIN_SECONDS) - 1000:
            raise invalid("time_expire: less than one minute ahead")
        if lead_ms > most_seconds * 1000:
            raise invalid("time_expire: too far ahead")

    def _credential(self, trade: Trade) -> dict[str, Any]:
        paid_by: str | dict[str, str] = (
            f"http://127.0.0.1:{self._settings.port}/pingxx/qr/{trade.out_trade_no}"
        )
        if trade.channel in {"wx_pub", "wx_lite"}:
            paid_by = self._jsapi_call(words.trade_detail(trade).prepay_id)
        return {"object": "credential", trade.channel: paid_by}

    def _jsapi_call(self, prepay_id: str) -> dict[str, str]:
        app_id = "wx" + hashlib.sha256(self._own.app_id.encode()).hexdigest()[:16]
        parts = [app_id, str(int(time.time())), secrets.token_hex(16), f"prepay_id={prepay_id}"]
        signature = self._keys.sign("".join(f"{part}\n" for part in parts).encode())
        names = ("appId", "timeStamp", "nonceStr", "package")
        return dict(zip(names, parts, strict=True)) | {"signType": "RSA", "paySign": signature}


def _new_trade(wanted: WantedCharge, made: Made, now_ms: int) -> Trade:
    prepay_id = f"wx{time.strftime('%d%H%M%S')}{secrets.token_hex(13)}0000"
    detail = TradeDetail(wanted=wanted, charges=(made,), prepay_id=prepay_id)
    default_ms = now_ms + _EXPIRE_SECONDS * 1000
    return Trade(
        provider=words.NAME,
        out_trade_no=wanted.order_no,
        channel=wanted.channel,
        amount_minor=wanted.amount,
        currency=wanted.currency.upper(),
        status=words.UNPAID,
        created_at_ms=now_ms,
        expires_at_ms=default_ms if wanted.time_expire is None else wanted.time_expire * 1000,
        provider_txn_id=made.id,
        detail=msgspec.json.encode(detail),
    )


def _one_more(trade: Trade, wanted: WantedCharge, made: Made, now_ms: int) -> Trade:
    detail = words.trade_detail(trade)
    if trade.status == words.PAID:
        raise refused_by_channel(trade.channel, "该订单已支付")
    if trade.status == words.REVERSED or words.is_expired(trade, now_ms):
        raise Refusal(400, "invalid_request_error", "the charge is closed", "charge_closed")
    if detail.wanted != wanted:
        raise refused_by_channel(wanted.channel, "商户订单号重复")
    more = msgspec.structs.replace(detail, charges=(*detail.charges, made))
    return msgspec.structs.replace(trade, detail=msgspec.json.encode(more))
