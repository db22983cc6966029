"""Trades at Alipay: made ready, met by their payers, paid, closed, asked about.

1. A code to scan makes no trade: until somebody scans it, Alipay has never heard of the number.
   A page to pay on makes its trade when the payer opens it.
2. A number is used once: the same words lead to the same trade, others are refused.
3. When its time is over an unpaid trade closes by itself.

Source: Alipay Open Platform, trade precreate, wap pay, page pay, query and close, read 2026-11.
"""

import hashlib
import secrets
import time

import msgspec

from sandbox.alipay import words
from sandbox.alipay.notices import Notices
from sandbox.alipay.parameters import NamedTrade, WantedTrade, expires_at_ms, minor_of
from sandbox.alipay.refusal import bad_parameter, business, not_exist
from sandbox.alipay.words import TradeDetail
from sandbox.provider import Conflict
from sandbox.records import Trade, Wish
from sandbox.store import Store

_MARK = "."


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """Where a call wants news and payers to go."""

    notify_url: str | None = None
    return_url: str | None = None


class Trades:
    """The trades of one merchant."""

    def __init__(self, *, store: Store, notices: Notices) -> None:
        self._store = store
        self._notices = notices

    def precreate(self, wanted: WantedTrade, to: Addresses, now_ms: int) -> Trade:
        """Make a code to scan, or find it."""
        return self._made(wanted, words.QR, to, now_ms)

    def arrive(self, wanted: WantedTrade, channel: str, to: Addresses, now_ms: int) -> Trade:
        """Let a payer in by a page, or let them in again."""
        return self._arrived(self._made(wanted, channel, to, now_ms), now_ms)

    def scan(self, token: str, now_ms: int) -> Trade | None:
        """Let in whoever has a trade's token; None for a token that nobody was given."""
        trade = self._store.trade(words.NAME, token.partition(_MARK)[0])
        if trade is None or not secrets.compare_digest(words.trade_detail(trade).token, token):
            return None
        return self._arrived(self._closed_if_late(trade, now_ms), now_ms)

    def existing(self, named: NamedTrade, now_ms: int) -> Trade:
        """Find a trade that somebody has met."""
        if named.trade_no is not None:
            trade = self._store.trade_of_txn(words.NAME, named.trade_no)
        else:
            trade = self._store.trade(words.NAME, named.out_trade_no or "")
        if trade is None or trade.status == words.NOT_SCANNED:
            raise not_exist()
        return self._closed_if_late(trade, now_ms)

    def close(self, named: NamedTrade, now_ms: int) -> Trade:
        """Close what waits for its payer; paid or closed before is refused alike."""
        trade = self.existing(named, now_ms)
        if trade.status != words.WAITING:
            raise business("REASON_TRADE_STATUS_INVALID", "交易状态异常")
        return self._closed(trade, now_ms)

    def pay(self, trade: Trade, wish: Wish) -> str:
        """Be the payer.

        :raises Conflict: closed, or too late.
        """
        now_ms = _now_ms()
        due_at_ms = now_ms + wish.delay_ms
        if wish.forged:
            amount = wish.wrong_amount or trade.amount_minor
            arrived = words.as_waiting(trade, now_ms)
            claimed = words.changed(arrived, words.PAID, paid_minor=amount, paid_at_ms=now_ms)
            self._notices.tell_trade(claimed, due_at_ms, wish)
            return trade.status
        if words.was_paid(trade):
            self._notices.tell_again(words.changed(trade, words.PAID), due_at_ms, wish)
            return trade.status
        self._require_payable(trade, now_ms)
        amount = wish.wrong_amount or trade.amount_minor
        arrived = words.as_waiting(trade, now_ms)
        paid = words.changed(arrived, words.PAID, paid_minor=amount, paid_at_ms=now_ms)
        self._store.save_trade(paid)
        self._notices.tell_trade(paid, due_at_ms, wish)
        return paid.status

    def fail(self, trade: Trade) -> str:
        """Be a payer who gets as far as the cashier, and does not pay there.

        :raises Conflict: closed, or too late.
        """
        if words.was_paid(trade):
            return trade.status
        self._require_payable(trade, _now_ms())
        return self._arrived(trade, _now_ms()).status

    def close_for_good(self, trade: Trade, wish: Wish) -> str:
        """Let a trade's time run out, and tell it.

        :raises Conflict: paid.
        """
        if words.was_paid(trade):
            raise Conflict("the trade is paid")
        if trade.status == words.CLOSED:
            return trade.status
        now_ms = _now_ms()
        return self._closed(words.as_waiting(trade, now_ms), now_ms, wish).status

    def _made(self, wanted: WantedTrade, channel: str, to: Addresses, now_ms: int) -> Trade:
        digest = _digest(wanted, channel)
        known = self._store.trade(words.NAME, wanted.out_trade_no)
        if known is not None:
            return self._again(known, digest, now_ms)
        detail = TradeDetail(
            subject=wanted.subject,
            digest=digest,
            token=f"{wanted.out_trade_no}{_MARK}{secrets.token_hex(8)}",
            notify_url=to.notify_url,
            return_url=to.return_url,
            quit_url=wanted.quit_url,
        )
        trade = Trade(
            provider=words.NAME,
            out_trade_no=wanted.out_trade_no,
            channel=channel,
            amount_minor=minor_of(wanted.total_amount),
            currency="CNY",
            status=words.NOT_SCANNED,
            created_at_ms=now_ms,
            expires_at_ms=expires_at_ms(wanted, now_ms),
            detail=msgspec.json.encode(detail),
        )
        self._store.add_trade(trade)
        return trade

    def _again(self, known: Trade, digest: str, now_ms: int) -> Trade:
        known = self._closed_if_late(known, now_ms)
        if known.status == words.CLOSED:
            raise business("TRADE_HAS_CLOSE", "交易已经关闭")
        if words.was_paid(known):
            raise business("TRADE_HAS_SUCCESS", "交易已被支付")
        if words.trade_detail(known).digest != digest:
            raise business("CONTEXT_INCONSISTENT", "交易信息被篡改")
        if words.is_expired(known, now_ms):
            raise bad_parameter("time_expire")
        return known

    def _arrived(self, trade: Trade, now_ms: int) -> Trade:
        arrived = words.as_waiting(trade, now_ms)
        # Whoever scans a code too late finds nothing to pay.
        if arrived.status != trade.status and not words.is_expired(trade, now_ms):
            self._store.save_trade(arrived)
            return arrived
        return trade

    def _closed_if_late(self, trade: Trade, now_ms: int) -> Trade:
        if trade.status == words.WAITING and words.is_expired(trade, now_ms):
            return self._closed(trade, now_ms)
        return trade

    def _closed(self, trade: Trade, now_ms: int, wish: Wish | None = None) -> Trade:
        closed = words.changed(trade, words.CLOSED, closed_at_ms=now_ms)
        self._store.save_trade(closed)
        due_at_ms = now_ms + (wish.delay_ms if wish else 0)
        self._notices.tell_trade(closed, due_at_ms, wish)
        return closed

    def _require_payable(self, trade: Trade, now_ms: int) -> None:
        if trade.status == words.CLOSED or words.is_expired(trade, now_ms):
            raise Conflict("the trade is closed or its time is over")


def _digest(wanted: WantedTrade, channel: str) -> str:
    # How long a code lives is told anew each time; the trade is the same.
    said = (channel, wanted.total_amount, wanted.subject, wanted.product_code or "")
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
