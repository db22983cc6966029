"""Refunds at Stripe: pending, settled a little later, never above what was paid.

Source: Stripe, "Refund and cancel payments", "Refund failures", read 2026-11.
"""

import secrets
import time
from typing import Any

import msgspec

from sandbox.alarm import Alarm
from sandbox.provider import Conflict, RefundOutcome
from sandbox.records import Refund, Trade
from sandbox.settings import SandboxSettings
from sandbox.store import Store
from sandbox.stripe import words
from sandbox.stripe.call import Call, Reply
from sandbox.stripe.events import Events
from sandbox.stripe.forms import convert
from sandbox.stripe.payments import Payments
from sandbox.stripe.refusal import Refusal, missing, wrong_state

_SETTLE_SECONDS = 3.0
_DAY_MS = 86_400_000
_PENDING = "pending"
_STATUS: dict[RefundOutcome, str] = {
    "success": "succeeded",
    "close": "failed",
    "abnormal": "requires_action",
}
_MAY_FOLLOW = {
    _PENDING: frozenset({"succeeded", "failed", "requires_action"}),
    "requires_action": frozenset({"succeeded", "failed"}),
    # A bank may send back what had gone through.
    "succeeded": frozenset({"failed"}),
    "failed": frozenset[str](),
}


class Refunds:
    """The refunds of one account."""

    def __init__(
        self,
        *,
        store: Store,
        settings: SandboxSettings,
        payments: Payments,
        events: Events,
        alarm: Alarm,
    ) -> None:
        self._store = store
        self._settings = settings
        self._payments = payments
        self._events = events
        self._alarm = alarm

    def create(self, call: Call) -> Reply:
        """Make a refund."""
        wanted = convert(call.words, words.WantedRefund)
        trade = self._payments.of_intent(wanted.payment_intent)
        if trade.status != words.SUCCEEDED:
            raise wrong_state("This PaymentIntent does not have a successful charge to refund.")
        left = words.paid_minor(trade) - self._payments.gone_minor(trade)
        amount = left if wanted.amount is None else wanted.amount
        if left == 0:
            raise _refused("charge_already_refunded", "Charge has already been refunded.")
        if amount > left:
            raise _refused(None, "Refund amount is greater than unrefunded amount on charge.")
        settle_at_ms = call.now_ms + self._settings.scaled_ms(_SETTLE_SECONDS)
        made = self._made(trade, amount, call.now_ms, wanted.metadata)
        made = msgspec.structs.replace(made, settle_at_ms=None if call.is_held else settle_at_ms)
        return Reply(body=self._accept(made, trade, call.now_ms))

    def list(self, call: Call) -> Reply:
        """List the refunds of a payment, newest first."""
        trade = self._payments.of_intent(str(call.words.get("payment_intent", "")))
        parts = self._store.refunds_of(words.NAME, trade.out_trade_no)
        told = [words.refund(part, trade) for part in reversed(parts)]
        return Reply(body=words.page("/v1/refunds", told))

    def one(self, call: Call) -> Reply:
        """Tell of a refund by Stripe's number."""
        made = self._store.refund_with(words.NAME, f'"refund_id":"{call.number}"')
        if made is None:
            raise missing("refund", call.number)
        return Reply(body=words.refund(made, self._trade(made)))

    def settle(self, refund: Refund, outcome: RefundOutcome) -> str:
        """Bring a refund to its end and owe the event of it.

        :raises Conflict: that end cannot follow.
        """
        status = _STATUS[outcome]
        if status == refund.status:
            return status
        if status not in _MAY_FOLLOW[refund.status]:
            raise Conflict(f"a refund cannot go from {refund.status} to {status}")
        ended = msgspec.structs.replace(refund, status=status, settle_at_ms=None)
        self._store.save_refund(ended)
        kind = "refund.failed" if status == "failed" else "refund.updated"
        self._tell(ended, self._trade(ended), kind, _now_ms())
        return status

    def console(self, trade: Trade, amount_minor: int, *, days_ago: int) -> Refund:
        """Refund in the dashboard: no metadata, the same events.

        :raises Conflict: unpaid, or not that much left.
        """
        left = words.paid_minor(trade) - self._payments.gone_minor(trade)
        if trade.status != words.SUCCEEDED or amount_minor > left:
            raise Conflict("there is not that much to refund")
        now_ms = _now_ms()
        made = self._made(trade, amount_minor, now_ms - days_ago * _DAY_MS, {})
        made = msgspec.structs.replace(made, status="succeeded")
        self._accept(made, trade, now_ms)
        return made

    def _made(
        self, trade: Trade, amount_minor: int, now_ms: int, metadata: dict[str, str]
    ) -> Refund:
        tail = f"3Sim{secrets.token_hex(10)}"
        detail = words.RefundDetail(
            refund_id=f"re_{tail}", currency=trade.currency.lower(), metadata=metadata
        )
        number = metadata.get("refund_no") or detail.refund_id
        if self._store.refund(words.NAME, number) is not None:
            number = detail.refund_id
        return Refund(
            provider=words.NAME,
            out_refund_no=number,
            out_trade_no=trade.out_trade_no,
            amount_minor=amount_minor,
            status=_PENDING,
            created_at_ms=now_ms,
            settle_at_ms=None,
            detail=msgspec.json.encode(detail),
        )

    def _accept(self, made: Refund, trade: Trade, now_ms: int) -> dict[str, Any]:
        self._store.add_refund(made)
        self._tell(made, trade, "refund.created", now_ms)
        charge = words.charge(trade, self._payments.gone_minor(trade))
        self._events.tell(trade, "charge.refunded", charge, due_at_ms=now_ms)
        self._alarm.ring()
        return words.refund(made, trade)

    def _tell(self, made: Refund, trade: Trade, kind: str, now_ms: int) -> None:
        self._events.tell(trade, kind, words.refund(made, trade), due_at_ms=now_ms)

    def _trade(self, refund: Refund) -> Trade:
        trade = self._store.trade(words.NAME, refund.out_trade_no)
        assert trade is not None, "a refund has a payment"
        return trade


def _refused(code: str | None, message: str) -> Refusal:
    return Refusal(400, code, message, is_kept=True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
