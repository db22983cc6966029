"""Money back: looked for under its number first, as Ping++ would refund one number twice."""

from typing import Any, Final

import msgspec

from contracts.attempt import BilledRefund, RefundRequest
from contracts.facts import FactSource, RefundMoved
from providers.pingxx import errors, requests
from providers.pingxx.client import Client, decoded
from providers.pingxx.evidence import Keeper
from providers.pingxx.search import CHARGES, Search
from providers.pingxx.words import Refund
from providers.provider import ProviderRefused

# The numbers of refunds that were none of ours are Ping++'s own.
_OTHERS: Final = "re_"


class Refunds:
    """The refunds of one app."""

    def __init__(self, client: Client, search: Search, keeper: Keeper) -> None:
        self._client = client
        self._search = search
        self._keeper = keeper

    async def refund(self, request: RefundRequest, wanted: dict[str, Any]) -> RefundMoved:
        """Make a refund unless its number is known.

        :raises ProviderError: see Provider.refund.
        """
        made = await self._find("refund", request) or await self._make(request, wanted)
        if made.amount != request.amount.amount_minor:
            raise errors.error_of("refund", errors.NUMBER_USED)
        return made.fact(FactSource.QUERY)

    async def query(self, refund: RefundRequest | BilledRefund) -> RefundMoved | None:
        """Say what became of a refund; None where nobody asked for it.

        :raises ProviderError: nothing was learnt.
        """
        made = await self._find("query_refund", refund)
        return None if made is None else made.fact(FactSource.QUERY)

    async def _make(self, request: RefundRequest, wanted: dict[str, Any]) -> Refund:
        path = f"{CHARGES}/{request.provider_txn_id}/refunds"
        answer = await self._client.send("refund", "POST", path, words=wanted)
        try:
            return self._read("refund", answer.read(msgspec.Raw), request)
        except ProviderRefused:
            # It may say no because an earlier answer was lost and the money is on its way.
            if (made := await self._find("refund", request)) is None:
                raise
            return made

    async def _find(self, operation: str, refund: RefundRequest | BilledRefund) -> Refund | None:
        charge_id = requests.require_refund(refund, operation)
        if refund.refund_no.startswith(_OTHERS):
            path = f"{CHARGES}/{charge_id}/refunds/{refund.refund_no}"
            answer = await self._client.send(operation, "GET", path)
            raw = None if answer.code == errors.NOT_FOUND else answer.read(msgspec.Raw)
        else:
            raw = await self._search.refund_of(operation, charge_id, refund.refund_no)
        return None if raw is None else self._read(operation, raw, refund)

    def _read(
        self, operation: str, raw: msgspec.Raw, asked: RefundRequest | BilledRefund
    ) -> Refund:
        refund = decoded(operation, raw, Refund)
        attempt_no = asked.attempt_no or refund.charge_order_no
        wanted = (asked.refund_no, asked.provider_txn_id, attempt_no)
        if (refund.refund_no, refund.charge, refund.charge_order_no) != wanted:
            raise errors.error_of(operation, errors.FOREIGN)
        told = decoded(operation, raw, dict[str, Any])
        self._keeper.refund(refund.charge_order_no, operation, told)
        return refund
