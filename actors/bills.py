"""Refunds made past us are noticed by their provider's bill, whoever was not told of them.

1. A bill only names refunds. What became of one is asked at the provider, whose answer is signed,
   and takes the way of every fact: a turn.
2. Numbers the books know are not asked about: refunds of ours have their own sweep.
3. Refunds of attempts that are not ours belong to another service of the same merchant.

Safe to repeat, and to run twice at once.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date

import msgspec
import structlog

from actors.actor import Actor
from contracts.attempt import BilledRefund
from contracts.commands import RecordRefund
from contracts.errors import Refusal
from contracts.facts import RefundMoved, RefundOutcome
from contracts.states import RefundKind
from models.bills import kinds_of_refunds
from models.engine import Database
from models.orders import order_ids_of_attempts
from providers.provider import (
    KeepsBills,
    OutcomeUnknown,
    Provider,
    ProviderError,
    read_bill,
)

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments")

# Hundreds may be made at the console in one go; their answers take a tenth of a second each.
_CALLS = 8
_OVER = frozenset({RefundOutcome.SUCCESS, RefundOutcome.CLOSED})


class PastUs(msgspec.Struct, frozen=True, kw_only=True):
    """A refund of an attempt of ours that we did not make.

    *moved* is None where nothing new was learnt: the books have it, or *failure* says why not.
    """

    billed: BilledRefund
    moved: RefundMoved | None = None
    failure: ProviderError | Refusal | None = None


class CheckedBill(msgspec.Struct, frozen=True, kw_only=True):
    """What a bill said; *unknown* counts refunds of attempts that are not ours."""

    past_us: tuple[PastUs, ...]
    unknown: int

    @property
    def failure(self) -> ProviderError | Refusal | None:
        """Why one of its refunds could not be recorded."""
        return next((refund.failure for refund in self.past_us if refund.failure), None)

    @property
    def is_over(self) -> bool:
        """Whether every refund of it has come to its end."""
        moved = (refund.moved for refund in self.past_us)
        return self.failure is None and all(m is None or m.outcome in _OVER for m in moved)


class Bills:
    """Checks the bills of every provider that keeps some."""

    def __init__(
        self, *, actor: Actor, database: Database, providers: Mapping[str, Provider]
    ) -> None:
        self._actor = actor
        self._database = database
        self._providers = providers
        self._calls = asyncio.Semaphore(_CALLS)

    @property
    def providers(self) -> list[str]:
        """Who keeps bills."""
        return sorted(n for n, one in self._providers.items() if isinstance(one, KeepsBills))

    async def check(self, provider: str, day: date) -> CheckedBill:
        """Record each refund past us that one day's bill names.

        One that fails does not stop the others; its failure is kept with it.

        :raises ProviderError: the bill was not read; come back later.
        """
        billed = await read_bill(self._providers[provider], day)
        kinds = await kinds_of_refunds(self._database, [refund.refund_no for refund in billed])
        orders = await order_ids_of_attempts(
            self._database, [refund.attempt_no for refund in billed]
        )
        ours = [refund for refund in billed if refund.attempt_no in orders]
        new = [refund for refund in ours if refund.refund_no not in kinds]
        old = [r for r in ours if kinds.get(r.refund_no) is RefundKind.EXTERNAL]
        return CheckedBill(
            past_us=(
                *(PastUs(billed=refund) for refund in old),
                *await self._record_all(provider, new, orders),
            ),
            unknown=len(billed) - len(ours),
        )

    async def _record_all(
        self, provider: str, refunds: Sequence[BilledRefund], orders: Mapping[str, int]
    ) -> list[PastUs]:
        return await asyncio.gather(
            *(self._record(provider, refund, orders[refund.attempt_no]) for refund in refunds)
        )

    async def _record(self, provider: str, refund: BilledRefund, order_id: int) -> PastUs:
        try:
            async with self._calls:
                moved = await self._ask(provider, refund)
            await self._actor.take_turn(RecordRefund(order_id=order_id, fact=moved))
        except (ProviderError, Refusal) as failure:
            log.warning(
                "payments.bill.refund_failed",
                order_id=order_id,
                refund_no=refund.refund_no,
                provider=provider,
                code=failure.code,
            )
            return PastUs(billed=refund, failure=failure)
        return PastUs(billed=refund, moved=moved)

    async def _ask(self, provider: str, refund: BilledRefund) -> RefundMoved:
        moved = await self._providers[provider].query_refund(refund)
        if moved is None:
            # It cannot both have made the refund and not know it: one of the answers is wrong.
            raise OutcomeUnknown(provider, "query_refund", "not_found")
        return moved
