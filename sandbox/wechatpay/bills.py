"""The refund bill of a past day: an offer that is signed, then a file that its hash vouches for.

Rules:

1. There is a bill of each of the last 90 days, none of today, and none of a day without refunds.
2. It lists the refunds asked for on that day in China, whoever asked, in their present state.
3. Its address works for five minutes, and for the merchant alone.

Source: WeChat Pay v3, trade bill, application and download, read 2026-11.
"""

import hashlib
import re
import secrets
from datetime import UTC, date, datetime, timedelta

import msgspec

from sandbox.records import Refund
from sandbox.settings import SandboxSettings
from sandbox.store import Store
from sandbox.wechatpay import wire
from sandbox.wechatpay.call import Call, Reply
from sandbox.wechatpay.refusal import Refusal, bad_query, unlawful

_DOWNLOAD_SECONDS = 300.0
_DAYS_KEPT = 90
_STATES = {
    wire.SUCCESS: "SUCCESS",
    wire.PROCESSING: "PROCESSING",
    wire.CLOSED: "FAIL",
    wire.ABNORMAL: "CHANGE",
}
_NAMES = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,"
    "交易状态,付款银行,货币种类,应结订单金额,代金券金额,退款申请时间,退款成功时间,微信退款单号,"
    "商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,"
    "订单金额,申请退款金额,费率备注"
)
_TOTALS = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)


class _File(msgspec.Struct, frozen=True):
    """A bill that was offered; a restart forgets it."""

    content: bytes
    expires_at_ms: int


class Bills:
    """The bills of one merchant."""

    def __init__(self, *, store: Store, settings: SandboxSettings) -> None:
        self._store = store
        self._settings = settings
        self._files: dict[str, _File] = {}

    def offer(self, call: Call) -> Reply:
        """Make the bill of a day and say where it lies."""
        day = _wanted_day(call)
        refunds = self._store.refunds_between(wire.NAME, *_bounds_ms(day))
        if not refunds:
            raise Refusal(400, "NO_STATEMENT_EXIST", "账单文件不存在")
        content = self._written(refunds)
        self._files = {
            token: file for token, file in self._files.items() if file.expires_at_ms > call.now_ms
        }
        token = secrets.token_urlsafe(32)
        self._files[token] = _File(
            content, call.now_ms + self._settings.scaled_ms(_DOWNLOAD_SECONDS)
        )
        address = f"http://127.0.0.1:{self._settings.port}/v3/billdownload/file?token={token}"
        digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        return Reply(
            body={"hash_type": "SHA1", "hash_value": digest, "download_url": address},
        )

    def download(self, call: Call) -> Reply:
        """Hand out a bill that was offered."""
        file = self._files.get(call.query.get("token", ""))
        if file is None or file.expires_at_ms <= call.now_ms:
            raise unlawful("下载地址已失效")
        is_spoilt = call.told_to("bad_signature") or call.told_to("signtest")
        return Reply(file=file.content + b" " if is_spoilt else file.content)

    def _written(self, refunds: list[Refund]) -> bytes:
        rows = [_values(self._row(refund)) for refund in refunds]
        sent_back = _yuan(sum(refund.amount_minor for refund in refunds))
        totals = [f"{len(refunds)}.0", "0.00", sent_back, "0.00", "0.00", "0.00", sent_back]
        lines = [_NAMES, *rows, _TOTALS, _values(totals), ""]
        return b"\xef\xbb\xbf" + "\r\n".join(lines).encode()

    def _row(self, refund: Refund) -> list[str]:
        trade = self._store.trade(wire.NAME, refund.out_trade_no)
        assert trade is not None, "a refund has a trade"
        of_trade, of_refund = wire.trade_detail(trade), wire.refund_detail(refund)
        asked_at, amount = _clock(refund.created_at_ms), _yuan(refund.amount_minor)
        ended_at = of_refund.success_at_ms
        return [
            *(asked_at, of_trade.appid, of_trade.mchid, "0", "", trade.provider_txn_id or ""),
            *(trade.out_trade_no, of_trade.openid or "", wire.trade_type(trade), "REFUND"),
            *("OTHERS", trade.currency, "0.00", "0.00", asked_at),
            *("" if ended_at is None else _clock(ended_at), of_refund.refund_id),
            *(refund.out_refund_no, amount, "0.00", "ORIGINAL", _STATES[refund.status]),
            *(of_trade.description, of_trade.attach or "", "0.00000", "0.60%", "0.00", amount, ""),
        ]


def _wanted_day(call: Call) -> date:
    if call.query.get("bill_type", "ALL") != "REFUND":
        raise bad_query("bill_type", "only refund bills are made here")
    if "tar_type" in call.query:
        raise bad_query("tar_type", "bills are not packed here")
    text = call.query.get("bill_date", "")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise bad_query("bill_date", "not a day") from None
    age = (_moment(call.now_ms).date() - day).days
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text) or not 0 < age <= _DAYS_KEPT:
        raise bad_query("bill_date", "not one of the last three months before today")
    return day


def _bounds_ms(day: date) -> tuple[int, int]:
    begins = datetime(day.year, day.month, day.day, tzinfo=wire.CHINA)
    return _ms(begins), _ms(begins + timedelta(days=1))


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(wire.CHINA)


def _clock(at_ms: int) -> str:
    return _moment(at_ms).strftime("%Y-%m-%d %H:%M:%S")


def _yuan(amount_minor: int) -> str:
    return f"{amount_minor // 100}.{amount_minor % 100:02}"


def _values(values: list[str]) -> str:
    return ",".join(f"`{value}" for value in values)
