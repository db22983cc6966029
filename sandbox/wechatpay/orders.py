"""Orders at WeChat Pay: opened, asked about, closed.

Rules:

1. A number is used once. Identical parameters bring the same answer again, others are refused.
2. A passed time_expire stops the payment and nothing else: the state stays NOTPAY until closed.
3. Only an unpaid order can be closed; closing again is fine.

Source: WeChat Pay v3, Native order, JSAPI order, query and close, read 2026-11.
"""

import secrets

import msgspec

from sandbox.records import Trade
from sandbox.settings import SandboxSettings
from sandbox.store import Store
from sandbox.wechatpay import wire
from sandbox.wechatpay.call import Call, Reply
from sandbox.wechatpay.parameters import Prepay, check_mchid, check_time_expire, read_prepay
from sandbox.wechatpay.refusal import Refusal, bad_query, unlawful

# Older pages ask merchants to leave an order alone for five minutes before they close it.
_CLOSE_MIN_AGE_MS = 300_000


class Orders:
    """The order calls of one merchant."""

    def __init__(self, *, store: Store, settings: SandboxSettings) -> None:
        self._store = store
        self._settings = settings

    def native(self, call: Call) -> Reply:
        """Open an order the buyer pays by scanning."""
        wanted = read_prepay(call.payload, settings=self._settings, jsapi=False)
        return Reply(body={"code_url": self._open(call, wanted, wire.NATIVE)})

    def jsapi(self, call: Call) -> Reply:
        """Open an order the buyer pays inside WeChat."""
        wanted = read_prepay(call.payload, settings=self._settings, jsapi=True)
        return Reply(body={"prepay_id": self._open(call, wanted, wire.JSAPI)})

    def query(self, call: Call) -> Reply:
        """Tell the state of an order by the merchant's number."""
        self._check_query(call)
        return Reply(body=wire.transaction(self._existing(call.number)))

    def query_by_transaction(self, call: Call) -> Reply:
        """Tell the state of an order by WeChat Pay's number."""
        self._check_query(call)
        trade = self._store.trade_of_txn(wire.NAME, call.number)
        if trade is None:
            raise _not_found()
        return Reply(body=wire.transaction(trade))

    def close(self, call: Call) -> Reply:
        """Close an unpaid order."""
        check_mchid(call.payload, self._settings.wechat.mch_id)
        trade = self._existing(call.number)
        if trade.status in {wire.SUCCESS, wire.REFUND}:
            raise _paid()
        self._check_age(call, trade)
        if trade.status != wire.CLOSED:
            self._store.save_trade(msgspec.structs.replace(trade, status=wire.CLOSED))
        return Reply(status=204)

    def _open(self, call: Call, wanted: Prepay, channel: str) -> str:
        trade = self._store.trade(wire.NAME, wanted.out_trade_no)
        if trade is not None:
            return _again(trade, wanted, channel, call.now_ms)
        check_time_expire(wanted.expires_at_ms, now_ms=call.now_ms, settings=self._settings)
        detail = wire.TradeDetail(
            appid=wanted.appid,
            mchid=self._settings.wechat.mch_id,
            description=wanted.description,
            notify_url=wanted.notify_url,
            attach=wanted.attach,
            digest=wanted.digest,
            handle=_new_handle(channel),
            openid=wanted.openid,
        )
        self._store.add_trade(_new_trade(wanted, channel, call.now_ms, detail))
        return detail.handle

    def _existing(self, out_trade_no: str) -> Trade:
        trade = self._store.trade(wire.NAME, out_trade_no)
        if trade is None:
            raise _not_found()
        return trade

    def _check_query(self, call: Call) -> None:
        mchid = call.query.get("mchid")
        if mchid is None:
            raise bad_query("mchid", "missing")
        if mchid != self._settings.wechat.mch_id:
            raise unlawful("Http头Authorization中的mchid与query中的mchid不匹配")

    def _check_age(self, call: Call, trade: Trade) -> None:
        age_min_ms = self._settings.scaled_ms(self._settings.wechat.close_min_age_seconds)
        if fault := call.told_to("min_age"):
            real_ms = _CLOSE_MIN_AGE_MS if fault.delay_ms is None else fault.delay_ms
            age_min_ms = self._settings.scaled_ms(real_ms / 1000)
        if call.now_ms - trade.created_at_ms < age_min_ms:
            raise unlawful("订单生成后不能马上关单")


def _again(trade: Trade, wanted: Prepay, channel: str, now_ms: int) -> str:
    if trade.status in {wire.SUCCESS, wire.REFUND}:
        raise _paid()
    if trade.status == wire.CLOSED:
        raise Refusal(400, "ORDER_CLOSED", "订单已关闭")
    detail = wire.trade_detail(trade)
    if detail.digest != wanted.digest or trade.channel != channel:
        raise Refusal(403, "OUT_TRADE_NO_USED", "商户订单号重复")
    if wire.is_expired(trade, now_ms):
        raise unlawful("订单已过期")
    return detail.handle


def _new_trade(wanted: Prepay, channel: str, now_ms: int, detail: wire.TradeDetail) -> Trade:
    return Trade(
        provider=wire.NAME,
        out_trade_no=wanted.out_trade_no,
        channel=channel,
        amount_minor=wanted.total,
        currency="CNY",
        status=wire.NOTPAY,
        created_at_ms=now_ms,
        expires_at_ms=wanted.expires_at_ms,
        detail=msgspec.json.encode(detail),
    )


def _new_handle(channel: str) -> str:
    if channel == wire.NATIVE:
        return f"weixin://wxpay/bizpayurl?pr={secrets.token_urlsafe(9)}"
    return f"wx{secrets.token_hex(17)}"


def _paid() -> Refusal:
    return Refusal(400, "ORDERPAID", "该订单已支付")


def _not_found() -> Refusal:
    return Refusal(404, "ORDER_NOT_EXIST", "订单不存在")
