"""Notices on their way to the merchant: sent, answered, sent again.

Rules:

1. A notice leaves the store's due list only when it was accepted or its schedule is used up, so a
   killed sandbox goes on where it was.
2. Every copy is signed afresh; the id stays the same.
3. The first send may be several copies at once; one accepted copy is enough.
"""

import asyncio
import time
from collections.abc import Mapping

import httpx
import msgspec

from sandbox.alarm import Alarm
from sandbox.faults import Faults
from sandbox.provider import Envelope, Provider
from sandbox.records import Notice, Send
from sandbox.store import Store

# WeChat Pay asks for an answer within 5 seconds; the other providers are as impatient.
ANSWER_TIMEOUT_SECONDS = 5.0
# Enough for a hundred copies of one notice at once; more would only test the kernel.
CONNECTIONS_MAX = 128


class Delivery:
    """Sends what is due and remembers what was answered."""

    def __init__(
        self,
        *,
        store: Store,
        providers: Mapping[str, Provider],
        faults: Faults,
        alarm: Alarm,
        time_scale: float,
    ) -> None:
        self._store = store
        self._providers = providers
        self._faults = faults
        self._time_scale = time_scale
        self._alarm = alarm
        self._in_flight: dict[str, asyncio.Task[None]] = {}
        # Notices go to this machine; proxy variables are not for them.
        self._http = httpx.AsyncClient(
            trust_env=False,
            # Copies may queue for a connection; only the merchant's own time is measured.
            timeout=httpx.Timeout(ANSWER_TIMEOUT_SECONDS, pool=None),
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
        )

    def dispatch_due(self, now_ms: int) -> int | None:
        """Start sending what is due and return when the next notice is."""
        for notice in self._store.due_notices(now_ms):
            if notice.notice_id not in self._in_flight:
                task = asyncio.create_task(self._deliver(notice))
                self._in_flight[notice.notice_id] = task
        return self._store.next_notice_at_ms(now_ms)

    async def post(self, url: str, envelope: Envelope) -> tuple[int | None, bytes]:
        """Post one copy; without an answer the status is None."""
        try:
            reply = await self._http.post(url, content=envelope.body, headers=envelope.headers)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            return None, b""
        return reply.status_code, reply.content

    async def close(self) -> None:
        """Stop in the middle of whatever is going on; the store knows the rest."""
        tasks = list(self._in_flight.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._http.aclose()

    async def _deliver(self, notice: Notice) -> None:
        try:
            copies = await asyncio.gather(*(self._send(notice) for _ in range(notice.copies)))
            self._store.reschedule(self._after(notice, accepted=any(copies)))
        finally:
            del self._in_flight[notice.notice_id]
            self._alarm.ring()

    async def _send(self, notice: Notice) -> bool:
        provider = self._providers[notice.provider]
        fault = self._faults.take(notice.provider, "notice", notice.out_trade_no)
        mode = fault.mode if fault else None
        if fault and mode == "hang_before":
            await asyncio.sleep(fault.hang_seconds)
        sent_at_ms = time.time_ns() // 1_000_000
        status: int | None = None
        body = b""
        if mode not in {"error_500", "rate_limited"}:
            status, body = await self.post(notice.url, provider.seal(notice, mode))
        if mode == "timeout_after":
            status = None
        self._record(notice, status, sent_at_ms)
        return status is not None and provider.accepted(status, body)

    def _record(self, notice: Notice, status: int | None, sent_at_ms: int) -> None:
        send = Send(
            notice_id=notice.notice_id,
            out_trade_no=notice.out_trade_no,
            event_type=notice.event_type,
            attempt=notice.attempt + 1,
            status=status,
            sent_at_ms=sent_at_ms,
        )
        self._store.add_send(send)

    def _after(self, notice: Notice, *, accepted: bool) -> Notice:
        attempt = notice.attempt + 1
        waits = self._providers[notice.provider].resend_seconds
        due_at_ms = None
        if not accepted and attempt < notice.attempt_max:
            due_at_ms = round((time.time() + waits[attempt - 1] / self._time_scale) * 1000)
        return msgspec.structs.replace(notice, attempt=attempt, due_at_ms=due_at_ms, copies=1)
