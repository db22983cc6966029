"""Finding what Ping++ knows under a number of ours: it lists by time, never by number.

1. One number may have several charges: nothing at Ping++ joins an opening that is repeated with
   the one whose answer was lost. The channel below takes a number once, so at most one of them is
   paid, whichever it is.
2. Lists are newest first, a hundred to a page. What does not end after so many pages says nothing.

Source: Ping++ API, lists of Charges and of Refunds, and paging, read 2026-11.
"""

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from contracts.attempt import AttemptRequest
from providers.pingxx import errors
from providers.pingxx.client import Client, decoded
from providers.pingxx.settings import PingxxSettings
from providers.pingxx.words import Charge, Listed, ListedRefund, Page

CHARGES: Final = "/v1/charges"
PAGE_SIZE: Final = 100
PAGES_MAX: Final = 100
# Beside a charge that is known: a search of more pages would only run out of its time.
PAGES_BESIDE: Final = 10
# Theirs and our clocks need not agree.
SLACK_SECONDS: Final = 300


class Search:
    """Looks through the lists of one app."""

    def __init__(self, client: Client, settings: PingxxSettings) -> None:
        self._client = client
        self._settings = settings

    async def charge_of(self, operation: str, request: AttemptRequest) -> msgspec.Raw | None:
        """Find the charge of an attempt: one that was paid, else the newest.

        :raises ProviderError: nothing was learnt.
        """
        newest: msgspec.Raw | None = None
        async for raw in self._all(operation, CHARGES, self._window(request)):
            if decoded(operation, raw, Listed).order_no != request.attempt_no:
                continue
            if decoded(operation, raw, Charge).paid:
                return raw
            newest = newest or raw
        return newest

    async def paid_beside(
        self, operation: str, request: AttemptRequest, since: int | None
    ) -> msgspec.Raw | None:
        """Find the charge of an attempt that was paid instead of one made at *since*.

        What was made before that one was handed to nobody: its answer was lost.

        :raises ProviderError: nothing was learnt, ``too_many_pages`` where others paid too much.
        """
        query = self._window(request) | {"paid": "true"}
        if since is not None:
            query["created[gte]"] = max(query["created[gte]"], since - SLACK_SECONDS)
        async for raw in self._all(operation, CHARGES, query, pages_max=PAGES_BESIDE):
            if decoded(operation, raw, Listed).order_no == request.attempt_no:
                return raw
        return None

    async def refund_of(self, operation: str, charge_id: str, refund_no: str) -> msgspec.Raw | None:
        """Find the refund of a charge that carries our number, the newest if there are several.

        :raises ProviderError: nothing was learnt.
        """
        async for raw in self._all(operation, f"{CHARGES}/{charge_id}/refunds", {}):
            if decoded(operation, raw, ListedRefund).refund_no == refund_no:
                return raw
        return None

    def _window(self, request: AttemptRequest) -> dict[str, Any]:
        ends_at = int(request.payable_until.timestamp())
        return {
            "app[id]": self._settings.app_id,
            "channel": request.channel.value,
            "created[gte]": ends_at - int(self._settings.open_window_seconds) - SLACK_SECONDS,
            "created[lte]": ends_at + SLACK_SECONDS,
        }

    async def _all(
        self, operation: str, path: str, query: dict[str, Any], *, pages_max: int = PAGES_MAX
    ) -> AsyncIterator[msgspec.Raw]:
        after: dict[str, str] = {}
        for _ in range(pages_max):
            asked = query | {"limit": PAGE_SIZE} | after
            page = (await self._client.send(operation, "GET", path, query=asked)).read(Page)
            for raw in page.data:
                yield raw
            if not page.has_more:
                return
            if not page.data:
                raise errors.error_of(operation, errors.UNREADABLE)
            after = {"starting_after": decoded(operation, page.data[-1], Listed).id}
        raise errors.error_of(operation, errors.TOO_MANY)
