"""Opening and asking about charges: what one call says, and what a search adds to it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog

from contracts.attempt import AttemptRequest, Opened
from contracts.facts import (
    AttemptClosedAtProvider,
    AttemptNotFound,
    FactSource,
    PaymentNotPaid,
    QueryFact,
)
from providers.pingxx import errors, requests
from providers.pingxx.client import Answer, Client, decoded
from providers.pingxx.errors import PROVIDER
from providers.pingxx.evidence import Keeper
from providers.pingxx.search import CHARGES, SLACK_SECONDS, Search
from providers.pingxx.words import Charge
from providers.provider import OutcomeUnknown, ProviderRefused

_log: structlog.stdlib.BoundLogger = structlog.get_logger("payments")


class Charges:
    """The charges of one app; with *is_live* its key moves real money."""

    def __init__(self, client: Client, search: Search, keeper: Keeper, *, is_live: bool) -> None:
        self._client = client
        self._search = search
        self._keeper = keeper
        self._is_live = is_live

    async def open(self, request: AttemptRequest, wanted: dict[str, Any]) -> Opened:
        """Make a charge, or find the one that stands in the way of another.

        :raises ProviderError: there is none that its payer could pay.
        """
        try:
            answer = await self._client.send("open", "POST", CHARGES, words=wanted)
            charge = self._read(answer, request)
        except ProviderRefused as refused:
            if refused.code != errors.REFUSED_BY_CHANNEL:
                raise
            charge = await self._opened_before(request, refused)
        return self._handed_out(charge, request)

    async def query(
        self, request: AttemptRequest, opened: Opened | None, asked_at: datetime
    ) -> QueryFact:
        """Say what became of a number.

        :raises ProviderError: nothing was learnt.
        """
        charge = await self._known(request, opened)
        if charge is None:
            charge = await self._found("query", request)
        elif not charge.paid:
            charge = await self._paid_beside(charge, request, asked_at) or charge
        return self._fact(charge, request, asked_at)

    async def _opened_before(self, request: AttemptRequest, refused: ProviderRefused) -> Charge:
        """Find what an earlier opening made, for which the channel may have refused this one."""
        charge = await self._found("open", request)
        if charge is None:
            raise refused
        if charge.paid:
            raise errors.error_of("open", errors.ALREADY_PAID)
        if charge.money != request.amount or charge.opened(request.channel) is None:
            # Nobody was ever handed what could pay it, so its number may be left behind.
            raise refused
        return charge

    async def _known(self, request: AttemptRequest, opened: Opened | None) -> Charge | None:
        charge_id = (opened.reference if opened else None) or ""
        if not requests.is_charge_id(charge_id):
            return None
        answer = await self._client.send("query", "GET", f"{CHARGES}/{charge_id}")
        if answer.code == errors.NOT_FOUND:
            return None
        charge = self._read(answer, request)
        if charge.id != charge_id:
            raise errors.error_of("query", errors.FOREIGN)
        return charge

    async def _found(self, operation: str, request: AttemptRequest) -> Charge | None:
        raw = await self._search.charge_of(operation, request)
        return None if raw is None else self._kept(operation, raw)

    async def _paid_beside(
        self, known: Charge, request: AttemptRequest, asked_at: datetime
    ) -> Charge | None:
        """Look for what the payer paid if not the charge we know of."""
        try:
            raw = await self._search.paid_beside("query", request, known.created)
        except OutcomeUnknown as unknown:
            if unknown.code != errors.TOO_MANY or not _is_over(known, request, asked_at):
                raise
            # Seats must not wait for good because others pay much: its notice would bring it in.
            _log.warning(
                "payments.query.beside_unseen",
                provider=PROVIDER,
                number=request.attempt_no,
                code=unknown.code,
            )
            return None
        return None if raw is None else self._kept("query", raw)

    def _read(self, answer: Answer, request: AttemptRequest) -> Charge:
        charge = self._kept(answer.operation, answer.read(msgspec.Raw))
        if charge.order_no != request.attempt_no:
            raise errors.error_of(answer.operation, errors.FOREIGN)
        return charge

    def _kept(self, operation: str, raw: msgspec.Raw) -> Charge:
        charge = decoded(operation, raw, Charge)
        self._keeper.charge(charge.order_no, operation, decoded(operation, raw, dict[str, Any]))
        return charge

    def _handed_out(self, charge: Charge, request: AttemptRequest) -> Opened:
        told = (charge.money, charge.channel, charge.merchant_id(is_live=self._is_live))
        if told != (request.amount, request.channel.value, request.merchant_id):
            raise errors.error_of("open", errors.FOREIGN)
        if charge.paid:
            raise errors.error_of("open", errors.ALREADY_PAID)
        opened = charge.opened(request.channel)
        if opened is None:
            raise errors.error_of("open", errors.UNREADABLE)
        return opened

    def _fact(
        self, charge: Charge | None, request: AttemptRequest, asked_at: datetime
    ) -> QueryFact:
        number = request.attempt_no
        if charge is None:
            return AttemptNotFound(provider=PROVIDER, attempt_no=number, asked_at=asked_at)
        if charge.paid and not charge.reversed:
            return charge.fact(FactSource.QUERY, is_live=self._is_live, told_at=asked_at)
        # Of what was never paid only our own app may tell: its word gives seats back.
        if charge.paid or charge.merchant_id(is_live=self._is_live) != request.merchant_id:
            raise errors.error_of("query", errors.FOREIGN)
        if charge.reversed:
            return AttemptClosedAtProvider(provider=PROVIDER, attempt_no=number)
        return PaymentNotPaid(provider=PROVIDER, attempt_no=number, asked_at=asked_at)


def _is_over(charge: Charge, request: AttemptRequest, now: datetime) -> bool:
    """Tell whether nobody can pay a charge any more, by their clock and by ours."""
    ends_at = request.payable_until
    if charge.time_expire is not None:
        ends_at = max(ends_at, datetime.fromtimestamp(charge.time_expire, UTC))
    return now > ends_at + timedelta(seconds=SLACK_SECONDS)
