"""What WeChat Pay tells the merchant unasked: sealed, signed, and repeated until it is heard.

Source: WeChat Pay v3, payment notice and refund notice, read 2026-11.
"""

import secrets
import time
import uuid
from typing import Any

import msgspec

from sandbox.provider import Envelope
from sandbox.records import Notice, Refund, Trade
from sandbox.settings import SandboxSettings
from sandbox.wechatpay import wire
from sandbox.wechatpay.keys import Keys, Sealed

# 15s/15s/30s/3m/10m/20m/30m/30m/30m/60m/3h/3h/3h/6h/6h: 24 h 4 min in all, then silence.
RESEND_SECONDS = (
    15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600,
)  # fmt: skip
PAID = "TRANSACTION.SUCCESS"
# Refunds made in the merchant console are still told in the language of version 2.
CONSOLE_REFUND = "V2.REFUND"
_SUMMARIES = {
    PAID: "支付成功",
    "REFUND.SUCCESS": "退款成功",
    "REFUND.CLOSED": "退款关闭",
    "REFUND.ABNORMAL": "退款异常",
}


class Resource(Sealed, frozen=True, kw_only=True):
    """The sealed half of a notice."""

    original_type: str


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """The outer, readable half of a notice."""

    id: str
    create_time: str
    resource_type: str = "encrypt-resource"
    event_type: str
    summary: str
    resource: Resource


class Notices:
    """Makes notices and signs their copies."""

    def __init__(self, *, settings: SandboxSettings, keys: Keys) -> None:
        self._settings = settings
        self._keys = keys

    @property
    def serial(self) -> str:
        """The name of the key that signs notices by setting."""
        by_certificate = self._settings.wechat.notice_key == "certificate"
        return self._keys.certificate_serial if by_certificate else self._keys.public_key_id

    @property
    def old_serial(self) -> str:
        """The name of the public key before the last rotation."""
        return self._keys.old_public_key_id

    def of_payment(
        self, trade: Trade, *, due_at_ms: int, copies: int = 1, forged: bool = False
    ) -> Notice:
        """Tell of a payment. A forger sends once and under a key of their own."""
        made = self._notice(trade, PAID, wire.transaction(trade), due_at_ms)
        if forged:
            return msgspec.structs.replace(made, signing="foreign", copies=copies, attempt_max=1)
        return msgspec.structs.replace(made, copies=copies)

    def of_refund(self, refund: Refund, trade: Trade, *, url: str, due_at_ms: int) -> Notice:
        """Tell of a refund's end."""
        plaintext = wire.refund_notice(refund, trade)
        made = self._notice(trade, f"REFUND.{refund.status}", plaintext, due_at_ms)
        return msgspec.structs.replace(made, url=url)

    def of_console_refund(self, trade: Trade, *, due_at_ms: int) -> Notice:
        """Tell, once and in unsigned XML, of a refund made in the merchant console."""
        detail = wire.trade_detail(trade)
        body = (
            "<xml><return_code>SUCCESS</return_code>"
            f"<appid><![CDATA[{detail.appid}]]></appid><mch_id><![CDATA[{detail.mchid}]]></mch_id>"
            f"<nonce_str><![CDATA[{secrets.token_hex(16)}]]></nonce_str>"
            f"<req_info><![CDATA[{secrets.token_urlsafe(256)}]]></req_info></xml>"
        )
        made = self._notice(trade, CONSOLE_REFUND, {}, due_at_ms)
        return msgspec.structs.replace(made, content=body.encode(), attempt_max=1)

    def seal(self, notice: Notice, flaw: str | None) -> Envelope:
        """Sign one copy of a notice."""
        if notice.event_type == CONSOLE_REFUND:
            return Envelope(headers={"Content-Type": "text/xml"}, body=notice.content)
        spoilt = "bad_signature" if notice.signing == "foreign" else flaw
        return self.envelope(notice.content, serial=self.serial, flaw=spoilt)

    def envelope(
        self, body: bytes, *, serial: str, flaw: str | None, timestamp_offset_seconds: int = 0
    ) -> Envelope:
        """Put WeChat Pay's headers around a body."""
        signed = self._keys.signed_headers(
            body,
            serial=serial,
            flaw=flaw,
            timestamp_offset_seconds=timestamp_offset_seconds,
        )
        headers = signed | {
            "Content-Type": "application/json",
            "User-Agent": "Mozilla/4.0",
            "Request-ID": secrets.token_hex(16),
        }
        return Envelope(headers=headers, body=body)

    def message(self, *, notice_id: str, event_type: str, plaintext: bytes) -> bytes:
        """Seal one event for the merchant."""
        original_type = "refund" if event_type.startswith("REFUND.") else "transaction"
        sealed = self._keys.seal(plaintext, original_type)
        return msgspec.json.encode(
            Message(
                id=notice_id,
                create_time=wire.china_time(time.time_ns() // 1_000_000),
                event_type=event_type,
                summary=_SUMMARIES.get(event_type, ""),
                resource=Resource(**msgspec.structs.asdict(sealed), original_type=original_type),
            )
        )

    def _notice(
        self, trade: Trade, event_type: str, plaintext: dict[str, Any], due_at_ms: int
    ) -> Notice:
        notice_id = str(uuid.uuid4())
        content = self.message(
            notice_id=notice_id,
            event_type=event_type,
            plaintext=msgspec.json.encode(plaintext),
        )
        return Notice(
            notice_id=notice_id,
            provider=wire.NAME,
            out_trade_no=trade.out_trade_no,
            url=wire.trade_detail(trade).notify_url,
            event_type=event_type,
            content=content,
            attempt_max=1 + len(RESEND_SECONDS),
            due_at_ms=due_at_ms,
        )
