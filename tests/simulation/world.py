"""One seed: processes over one store, buyers, a provider, and everything that can go wrong."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import asyncpg
import msgspec

from actors.metrics import OVERTAKEN
from contracts.numbers import ALPHABET
from contracts.policy import Policy
from tests.simulation.buyers import Acknowledged, Buyer
from tests.simulation.chances import Chances, chances_of
from tests.simulation.faults import Faults
from tests.simulation.history import History
from tests.simulation.loop import WORLD, VirtualLoop
from tests.simulation.notices import Notices
from tests.simulation.organizer import Organizer
from tests.simulation.process import GRACE_SECONDS, Process
from tests.simulation.promises import broken, broken_at_the_end, unfinished
from tests.simulation.redis import RedisServer
from tests.simulation.seams import patched, quiet
from tests.simulation.server import Server
from tests.simulation.sql import statements
from tests.simulation.twins import put_coupons
from tests.simulation.wechat import WeChat

_BEGIN = datetime(2026, 11, 21, 8, tzinfo=UTC)
# What the service promises to need at most, once nothing goes wrong any more.
HEAL_SECONDS = 900
_LOOK_EVERY_SECONDS = 10
_ENOUGH = 5


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one seed."""

    seed: int
    digest: str
    events: int
    violations: tuple[str, ...]
    end: str
    counts: dict[str, int]


class World:
    """Everything there is in one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)  # noqa: S311 - repeatable is the point
        self.chances: Chances = chances_of(self.random)
        self.loop = VirtualLoop(self.random)
        self.history = History(self.loop.time)
        self.violations: list[str] = []
        self.acknowledged: list[Acknowledged] = []
        self.key_of: dict[str, str] = {}
        self.wechat = WeChat(self.clock)
        self.notices = Notices(self)
        self.wechat.tell = self.notices.tell
        self.wechat.settle_soon = self.notices.settle_soon
        self.redis = RedisServer(self.loop)
        self.server = Server(self.loop, self.clock, statements())
        self.server.after_commit = self._look_at_commit
        self.server.note_failure = self._note_failure
        self.policy = Policy(
            order_expire_seconds=self.chances.order_expire_seconds,
            prepare_claim_seconds=self.chances.prepare_claim_seconds,
            late_payment_honour_hours=self.chances.honour_hours,
            attempt_grace_seconds=GRACE_SECONDS,
            gift_code_key=b"k" * 32,
            legacy_payment_fields=seed % 2 == 0,
        )
        self.processes = [Process(self, n) for n in range(self.chances.processes)]
        self.faults = Faults(self)
        self._notices = 0
        self._seen_status: dict[int, str] = {}
        self._overtaken_before = _overtaken()

    def clock(self) -> datetime:
        """Tell the one true time."""
        return _BEGIN + timedelta(seconds=self.loop.time())

    def run(self) -> Outcome:
        """Live through the seed."""
        with patched(self), quiet():
            try:
                task = self.loop.spawn(None, self._run())
                self.loop.run_until_complete(task)
            except _Enough:
                pass
            finally:
                self._bury()
        self.violations += self.loop.failures
        return self._outcome()

    def report(self, violation: str) -> None:
        """Note that a promise is broken; after a few the seed has made its point."""
        self.history.note("BROKEN", violation)
        self.violations.append(violation)
        if len(self.violations) >= _ENOUGH:
            raise _Enough

    def new_order_no(self, key: str | None) -> str:
        """Make an order number, and remember for which key."""
        order_no = "G" + "".join(self.random.choices(ALPHABET, k=15))
        if key is not None:
            self.key_of[order_no] = key
        return order_no

    def pay(self, user_id: int, attempt_no: str) -> None:
        """Have a payer pay a number."""
        random, chances = self.random, self.chances
        late = random.random() < chances.provider_takes_late
        extra = 1 if random.random() < chances.wrong_amount else 0
        paid = self.wechat.pay(self.wechat.trades[attempt_no], late=late, extra_minor=extra)
        self.history.note(f"u{user_id}", f"pays {attempt_no}: {paid}")

    def wake(self, names: Sequence[str]) -> None:
        """Bring a wake-up to every worker; it may get lost."""
        if self.redis.is_away or not self.chances.has_redis:
            return
        for process in self.processes:
            self.loop.call_later(0.06, _wake, process.owner, process.sweeps, names, context=WORLD)

    def reach_of(self, process: Process) -> Callable[[str], Awaitable[None]]:
        """Build what a process calls at its failpoints."""
        owner = process.owner

        async def reach(name: str) -> None:
            chance = self.chances.crash_at_step
            if chance and not owner.is_dead and self.random.random() < chance:
                self.history.note(owner.name, f"dies at {name}")
                self.loop.call_soon(self.faults.crash, process, owner, context=WORLD)
                await asyncio.sleep(1)

        return reach

    async def _run(self) -> None:
        self._put_on_sale()
        for process in self.processes:
            process.start()
        buyers = [Buyer(self, n + 1) for n in range(self.chances.buyers)]
        living = [self.loop.spawn(None, buyer.live()) for buyer in buyers]
        if self.chances.organizer_every:
            living.append(self.loop.spawn(None, Organizer(self).live()))
        living += self.faults.start()
        await asyncio.sleep(self.chances.seconds)
        for task in living:
            task.cancel()
        await asyncio.wait(living)
        self.history.note("world", "faults stop")
        self.faults.heal()
        await self._wait_for_the_end()

    async def _wait_for_the_end(self) -> None:
        policy = self.policy
        # The last attempt may be payable for 65 s after its order's end.
        lasts = policy.order_expire_seconds + 65 + policy.attempt_grace_seconds
        deadline = self.loop.time() + lasts + HEAL_SECONDS
        pending = True
        while self.loop.time() < deadline and pending:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            orders = self.server.tables["orders"].rows.values()
            pending = bool(unfinished(self)) or any(o["status"] == "PENDING" for o in orders)
        for violation in [*broken(self.server.tables), *broken_at_the_end(self)]:
            self.report(violation)

    def _put_on_sale(self) -> None:
        tables, chances, random = self.server.tables, self.chances, self.random
        row: dict[str, Any] = {
            "id": 1,
            "title": "Night",
            "status": "PUBLISHED",
            "ends_at": _BEGIN + timedelta(days=2),
            "require_approval": random.random() < 0.3,
        }
        tables["events"].put(row)
        tables["event_attendance"].put(
            {"id": 1, "seats_held": 0, "max_attendees": chances.event_cap}
        )
        for type_id, price in ((1, 9900), (2, random.choice((0, 5000)))):
            kind = {
                "id": type_id,
                "event_id": 1,
                "price_minor": price,
                "currency": "CNY",
                "max_quantity": chances.seats,
                "current_quantity": 0,
                "max_per_order": 10,
                "is_active": True,
                "catalog_version": 1,
            }
            tables["ticket_types"].put(kind)
            if price:
                tier = {"id": type_id, "ticket_type_id": type_id, "quantity": 2}
                tables["price_tiers"].put({**tier, "price_minor": 2 * price - 1})
        put_coupons(tables)
        for n in range(self.chances.buyers):
            tables["users"].put({"id": n + 1, "state": "registered"})

    def _look_at_commit(self, client: str) -> None:
        self.history.note(client, "committed")
        for violation in broken(self.server.tables):
            self.report(violation)
        for order in self.server.tables["orders"].rows.values():
            before = self._seen_status.get(order["id"])
            if before != order["status"]:
                self._seen_status[order["id"]] = order["status"]
                self.history.note(f"order {order['id']}", f"{before} -> {order['status']}")
                self._look_at_end(order)

    def _look_at_end(self, order: dict[str, Any]) -> None:
        if order["status"] not in ("EXPIRED", "CANCELLED"):
            return
        for trade in self.wechat.trades.values():
            is_its = trade.request.attempt_no.startswith(order["order_no"])
            if is_its and self.wechat.is_payable(trade):
                self.report(f"seats went back while payable: {trade.request.attempt_no}")

    def _note_failure(self, client: str, failure: Exception) -> None:
        self.history.note(client, f"is refused: {failure!r}")
        if not isinstance(failure, asyncpg.PostgresError):
            self.report(f"the store cannot answer {client}: {failure!r}")

    def _bury(self) -> None:
        asyncio._set_running_loop(self.loop)  # noqa: SLF001 - what runs out may make tasks
        try:
            self._end_everything()
        finally:
            asyncio._set_running_loop(None)  # noqa: SLF001 - see above
        self.loop.close()

    def _end_everything(self) -> None:
        for process in self.processes:
            if process.is_alive:
                process.crash()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_out()

    def _outcome(self) -> Outcome:
        rows = self.server.tables
        counts = {name: len(table.rows) for name, table in rows.items()}
        for order in rows["orders"].rows.values():
            counts[order["status"]] = counts.get(order["status"], 0) + 1
        counts["steps"] = self.loop.steps
        counts["statements"] = self.history.length
        counts["late"] = sum(
            r["cause"].startswith("late:") for r in rows["seat_ledger"].rows.values()
        )
        counts["sent back"] = sum(
            r["status"] == "succeeded" and not r["idempotency_key"].startswith("surplus:")
            for r in rows["refunds"].rows.values()
        )
        counts["surplus"] = sum(not r["honoured"] for r in rows["payments"].rows.values())
        counts["overtaken"] = int(_overtaken() - self._overtaken_before)
        return Outcome(
            seed=self.seed,
            digest=self.history.digest,
            events=self.history.length,
            violations=tuple(self.violations),
            end=self.history.end,
            counts=counts | self.faults.counts,
        )


class _Enough(BaseException):
    """The seed has broken enough promises."""


def _wake(owner: Any, sweeps: list[Any], names: Sequence[str]) -> None:  # noqa: ANN401 - see process
    if not owner.is_dead:
        for sweep in sweeps:
            if sweep.name in names:
                sweep.wake()


def _overtaken() -> float:
    return float(OVERTAKEN._value.get())  # noqa: SLF001 - there is no other way to read it


def simulate(seed: int) -> Outcome:
    """Live through one seed; the same seed gives the same outcome, always."""
    return World(seed).run()
