"""What Alipay tells its merchant: forms that carry their own signature, repeated until heard.

1. Every copy says when it is sent and is signed afresh; its id stays the same.
2. Heard is only the bare word ``success``.

Source: Alipay Open Platform, "Asynchronous notices", read 2026-11.
"""

import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Literal
from urllib.parse import urlencode

import msgspec

from sandbox.alipay import words
from sandbox.alipay.keys import Keys, Which, joined
from sandbox.provider import Envelope
from sandbox.records import Notice, Refund, Trade, Wish
from sandbox.settings import AlipaySettings
from sandbox.store import Store

# 4m, 10m, 10m, 1h, 2h, 6h, 15h: eight sends in about 25 hours, then silence.
RESEND_SECONDS = (240, 600, 600, 3600, 7200, 21600, 54000)
HEARD = b"success"
_UNSIGNED = frozenset({"sign", "sign_type"})
_KINDS = {"success": words.PAID, "finished": "TRADE_FINISHED", "closed": words.CLOSED}


class Overrides(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a crafted notice differs from an honest one; all but the last lines is signed.

    *fields* take the place of ours and *omit* leaves some out; *is_service* signs ``sign_type``
    too, as notices of the platform's services are; *key* may be the one before a rotation.
    """

    id: str | None = None
    fields: dict[str, str] = {}
    omit: tuple[str, ...] = ()
    amount: int | None = None
    charset: Literal["utf-8", "gbk", "gb2312"] = "utf-8"
    is_service: bool = False
    timestamp_offset_seconds: int = 0
    key: Literal["new", "old"] = "new"
    forged: bool = False
    # After signing, so the signature no longer holds or the reader must choose.
    body: str | None = None
    unsigned_fields: dict[str, str] = {}
    twice: tuple[str, ...] = ()
    omit_signed: tuple[str, ...] = ()
    bytes_appended: Annotated[int, msgspec.Meta(ge=0, le=4_000_000)] = 0


class Notices:
    """Makes notices, owes them to the merchant and signs their copies."""

    def __init__(self, *, store: Store, settings: AlipaySettings, keys: Keys) -> None:
        self._store = store
        self._settings = settings
        self._keys = keys

    def tell_trade(self, trade: Trade, due_at_ms: int, wish: Wish | None = None) -> None:
        """Owe a notice about a trade's state, unless nobody is to hear of it."""
        self._owe(trade, _event(trade), self._fields(trade), due_at_ms, wish or Wish())

    def tell_again(self, trade: Trade, due_at_ms: int, wish: Wish) -> None:
        """Send the notice of a payment once more, under the same id."""
        told = self._store.notice_of(trade.out_trade_no, _event(trade))
        if told is None:
            self.tell_trade(trade, due_at_ms, wish)
        elif not wish.drop:
            again = msgspec.structs.replace(
                told, attempt=0, due_at_ms=due_at_ms, copies=wish.duplicate
            )
            self._store.reschedule(again)

    def tell_refund(self, refund: Refund, trade: Trade, gone_minor: int, due_at_ms: int) -> None:
        """Owe a notice about a refund; it names the refund, and the sum of all of them."""
        fields = self._fields(trade) | {
            "gmt_refund": f"{words.china_time(due_at_ms)}.000",
            "out_biz_no": refund.out_refund_no,
            "refund_fee": words.yuan(gone_minor),
        }
        self._owe(trade, f"refund.{refund.out_refund_no}", fields, due_at_ms, Wish())

    def seal(self, notice: Notice, flaw: str | None) -> Envelope:
        """Sign one copy afresh."""
        spoilt = notice.signing == "foreign" or flaw in {"bad_signature", "signtest"}
        fields = msgspec.json.decode(notice.content, type=dict[str, str])
        return self._sealed(fields, which="foreign" if spoilt else "new")

    def returned(self, trade: Trade) -> str:
        """Make the query that a payer's browser brings back from the cashier."""
        fields = {
            "app_id": self._settings.app_id,
            "auth_app_id": self._settings.app_id,
            "charset": "utf-8",
            "method": f"alipay.trade.{'wap' if trade.channel == words.WAP else 'page'}.pay.return",
            "out_trade_no": trade.out_trade_no,
            "seller_id": self._settings.seller_id,
            "timestamp": words.china_time(_now_ms()),
            "total_amount": words.yuan(words.total_minor(trade)),
            "trade_no": trade.provider_txn_id or "",
            "version": "1.0",
        }
        return urlencode(fields | self._signature(fields, "new", "utf-8"))

    def crafted(self, trade: Trade, kind: str, wanted: Overrides) -> tuple[str, str, Envelope]:
        """Make one notice with chosen faults; return its id, address and copy.

        :raises msgspec.ValidationError: an unknown kind.
        """
        if kind not in _KINDS:
            raise msgspec.ValidationError(f"kind {kind!r} is not known")
        fields = self._fields(_as_told(trade, kind)) | wanted.fields
        if wanted.amount is not None:
            fields["total_amount"] = words.yuan(wanted.amount)
        notice_id = wanted.id or words.new_notify_id(_now_ms())
        fields |= {"notify_id": notice_id, "charset": wanted.charset}
        fields = {n: v for n, v in fields.items() if n not in wanted.omit}
        envelope = self._sealed(
            fields,
            which="foreign" if wanted.forged else wanted.key,
            charset=wanted.charset,
            is_service=wanted.is_service,
            offset_seconds=wanted.timestamp_offset_seconds,
            after=wanted,
        )
        return notice_id, words.trade_detail(trade).notify_url or "", envelope

    def _fields(self, trade: Trade) -> dict[str, str]:
        own = self._settings
        return words.trade_notice(trade, app_id=own.app_id, seller_id=own.seller_id)

    def _owe(
        self, trade: Trade, event_type: str, fields: dict[str, str], due_at_ms: int, wish: Wish
    ) -> None:
        url = words.trade_detail(trade).notify_url
        if wish.drop or url is None:
            return
        notice_id = words.new_notify_id(_now_ms())
        notice = Notice(
            notice_id=notice_id,
            provider=words.NAME,
            out_trade_no=trade.out_trade_no,
            url=url,
            event_type=event_type,
            content=msgspec.json.encode(fields | {"notify_id": notice_id}),
            signing="foreign" if wish.forged else "genuine",
            copies=wish.duplicate,
            attempt_max=1 if wish.forged else 1 + len(RESEND_SECONDS),
            due_at_ms=due_at_ms,
        )
        self._store.add_notice(notice)

    def _sealed(
        self,
        fields: dict[str, str],
        *,
        which: Which,
        charset: str = "utf-8",
        is_service: bool = False,
        offset_seconds: int = 0,
        after: Overrides | None = None,
    ) -> Envelope:
        if after is None or "notify_time" not in after.omit:
            now_ms = _now_ms() + offset_seconds * 1000
            fields = {"notify_time": words.china_time(now_ms)} | fields
        signed = self._signature(fields, which, charset, is_service=is_service)
        body = _after_signing(signed | fields, charset, after or Overrides())
        content_type = f"application/x-www-form-urlencoded; charset={charset}"
        return Envelope(headers={"Content-Type": content_type}, body=body)

    def _signature(
        self, fields: Mapping[str, str], which: Which, charset: str, *, is_service: bool = False
    ) -> dict[str, str]:
        named = dict(fields) | {"sign_type": "RSA2"}
        text = joined(named, but=frozenset({"sign"}) if is_service else _UNSIGNED)
        return {"sign_type": "RSA2", "sign": self._keys.sign(text.encode(charset), which)}


def is_heard(status: int, body: bytes) -> bool:
    """Tell whether the merchant's answer ends the sends."""
    return status == HTTPStatus.OK and body == HEARD


def _event(trade: Trade) -> str:
    return f"trade.{trade.status}"


def _as_told(trade: Trade, kind: str) -> Trade:
    now_ms = _now_ms()
    arrived = words.as_waiting(trade, now_ms)
    if kind == "closed":
        return words.changed(arrived, words.CLOSED, closed_at_ms=now_ms)
    known = words.was_paid(trade)
    paid = arrived if known else words.changed(arrived, words.PAID, paid_at_ms=now_ms)
    return msgspec.structs.replace(paid, status=_KINDS[kind])


def _after_signing(fields: dict[str, str], charset: str, wanted: Overrides) -> bytes:
    if wanted.body is not None:
        return wanted.body.encode()
    kept = {n: v for n, v in fields.items() if n not in wanted.omit_signed}
    pairs = [*(kept | wanted.unsigned_fields).items(), *((n, fields[n]) for n in wanted.twice)]
    return urlencode(pairs, encoding=charset).encode() + b" " * wanted.bytes_appended


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
