"""A campaign of mutated notices against the real application and a real PostgreSQL.

1. Each notice is genuine but for one thing, about an order that waits for exactly that money or
   has it already; each family of changes has its share, so that every check is reached.
2. Every answer is the one that the change calls for, and so is what is stored about it: no 5xx, no
   handler that failed, no order, payment, refund, place, seat or duty that moved.
3. Afterwards the unchanged notices are taken: every order that waited is PAID, every invariant
   holds. So the changes alone were what was refused.
4. A seed makes the same changes again, batch by batch; numbers, keys and the time differ.
5. Each provider that is set up has its batches in turn; what it brings is an entry.
"""

import asyncio
import random
import resource
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import msgspec
from litestar import Litestar
from litestar.types import ASGIApp
from prometheus_client import REGISTRY

from actors.actor import Actor
from api.app import create_app
from api.frontdesk import FrontDesk
from api.rooms import house_in
from contracts.attempt import Opened
from contracts.commands import RecordOpened
from contracts.order import Order
from models.engine import Database
from providers.provider import Provider
from runtime.settings import read_settings
from tests.conftest import check_promises, empty
from tests.hostile import books, door
from tests.hostile.entry import Entry
from tests.hostile.entry_alipay import alipay
from tests.hostile.entry_pingxx import pingxx
from tests.hostile.entry_stripe import stripe
from tests.hostile.entry_wechat import wechat
from tests.hostile.mutants import Mutant, Pen, Stage, pairs
from tests.hostile.notices import Notice, Payment
from tests.storage.stage import POLICY, buy, put_on_sale

# Two prices, so that one order's money can be offered for another.
PRICES_MINOR = (9900, 5000)
WAITING, PAID = 40, 8
BATCH, AT_ONCE = 1000, 50
# Who is set up takes part, one batch after the other.
ENTRIES: tuple[Callable[[], Entry], ...] = (wechat, stripe, pingxx, alipay)
_DOOR_ENDS = (
    *("malformed", "signtest", "stale", "unknown_key", "bad_signature", "encoded", "duplicate"),
)


class Report(msgspec.Struct, frozen=True):
    """What became of a campaign."""

    seed: int
    sent: int
    providers: dict[str, int]
    seconds: float
    families: dict[str, int]
    ends: dict[str, int]
    memory_growth_kib: int
    faults: list[str]


class Campaign:
    """One application, one database, one seed."""

    def __init__(
        self, app: ASGIApp, database: Database, entries: Sequence[Entry], seed: int
    ) -> None:
        self._app = app
        self._database = database
        self._entries = entries
        self._seed = seed
        self.sent: Counter[str] = Counter()
        self.families: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.faults: list[str] = []

    async def run(self, batch_no: int, size: int) -> None:
        """Send one batch of mutants and look at everything they could have moved."""
        try:
            await self._run(batch_no, size)
        except (AssertionError, TimeoutError) as failure:
            self._fault(batch_no, f"{type(failure).__name__} {failure}"[:500])

    async def _run(self, batch_no: int, size: int) -> None:
        dice = random.Random(f"{self._seed}:{batch_no}")  # noqa: S311  # replayable on purpose
        entry = self._entries[batch_no % len(self._entries)]
        await empty(self._database)
        scene = await self._stage(entry, entry.pen(dice))
        deck = entry.deck(dice, size)
        before, money = await self._ends(entry), await books.money(self._database)
        expected: Counter[str] = Counter()
        for at in range(0, size, AT_ONCE):
            hand = [entry.families[name](scene) for name in deck[at : at + AT_ONCE]]
            expected.update(mutant.end for mutant in hand)
            await self._send(batch_no, entry, hand)
        found = await self._ends(entry)
        found.subtract(before)
        self._compare(batch_no, expected, +found)
        if await books.money(self._database) != money:
            self._fault(batch_no, "the books changed")
        self.sent[entry.provider] += size
        self.families.update(f"{entry.provider}: {name}" for name in deck)
        for end, count in (+found).items():
            self.ends[f"{entry.provider}: {end}"] += count
        await self._settle(batch_no, entry, scene)

    async def _send(self, batch_no: int, entry: Entry, hand: list[Mutant]) -> None:
        sent = (door.post(self._app, entry.path, one.headers, one.body) for one in hand)
        for mutant, status in zip(hand, await asyncio.gather(*sent), strict=True):
            if not entry.is_answer_to(mutant, status):
                self._fault(batch_no, f"{mutant.what} ({mutant.end}): answered {status}")
        await self._until_processed()

    async def _until_processed(self) -> None:
        waiting = "SELECT count(*) FROM webhook_events WHERE status = 'RECEIVED'"
        async with asyncio.timeout(60):
            while await self._database.fetchval(waiting):  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0.002)

    async def _stage(self, entry: Entry, pen: Pen) -> Stage[Pen]:
        actor = Actor(database=self._database, redis=None, policy=POLICY)
        sales = [await put_on_sale(self._database, price_minor=price) for price in PRICES_MINOR]
        orders = await asyncio.gather(
            *(buy(actor, sales[n % 2], user_id=n + 1) for n in range(WAITING + PAID))
        )
        orders = await asyncio.gather(*(_opened(actor, entry, order) for order in orders))
        await actor.close()
        payments = [
            Payment(order.attempts[0].attempt_no, order.total.amount_minor, pen.txn())
            for order in orders
        ]
        notices = [pen.genuine(payment) for payment in payments[WAITING:]]
        await self._honest(entry, notices)
        return Stage(
            forge=pen,
            waiting=tuple(payments[:WAITING]),
            paid=tuple(zip(payments[WAITING:], notices, strict=True)),
            attempt_nos=frozenset(payment.attempt_no for payment in payments),
        )

    async def _settle(self, batch_no: int, entry: Entry, scene: Stage[Pen]) -> None:
        await self._honest(entry, [scene.forge.genuine(payment) for payment in scene.waiting])
        unpaid = await self._database.fetchval("SELECT count(*) FROM orders WHERE status <> 'PAID'")
        if unpaid:
            self._fault(batch_no, f"{unpaid} orders could not be paid afterwards")
        await check_promises(self._database)

    async def _honest(self, entry: Entry, notices: list[Notice]) -> None:
        sent = (door.post(self._app, entry.path, pairs(one.headers), one.body) for one in notices)
        assert set(await asyncio.gather(*sent)) <= entry.taken
        await self._until_processed()

    async def _ends(self, entry: Entry) -> Counter[str]:
        ends = Counter(
            {
                f"door:{end}": int(
                    REGISTRY.get_sample_value(
                        "guichet_webhook_requests_total",
                        {"provider": entry.provider, "outcome": end},
                    )
                    or 0
                )
                for end in _DOOR_ENDS
            }
        )
        for row in await self._database.fetch(
            """SELECT status || ':' || coalesce(reason, '') AS word, count(*) FROM webhook_events
               WHERE NOT (status = 'QUARANTINED' AND reason IS NULL) GROUP BY 1
               UNION ALL SELECT 'case:' || reason, count(*) FROM cases
               WHERE order_id IS NOT NULL GROUP BY 1"""
        ):
            ends[row["word"]] = row["count"]
        return ends

    def _compare(self, batch_no: int, expected: Counter[str], found: Counter[str]) -> None:
        for end in sorted(expected.keys() | found.keys()):
            if expected[end] != found[end]:
                self._fault(batch_no, f"{end}: {found[end]} instead of {expected[end]}")

    def _fault(self, batch_no: int, what: str) -> None:
        self.faults.append(f"batch {batch_no}: {what}")


async def _opened(actor: Actor, entry: Entry, order: Order) -> Order:
    """Open an attempt as the entry's provider would."""
    attempt = (await actor.take_turn(entry.start(order.id))).order.current_attempt
    assert attempt is not None
    command = RecordOpened(
        order_id=order.id,
        attempt_no=attempt.attempt_no,
        opened=Opened(code_url="weixin://wxpay/bizpayurl?pr=test"),
    )
    return (await actor.take_turn(command)).order


async def campaign(dsn: str, count: int, seed: int, first: int = 0) -> Report:
    """Run batches *first* and on until *count* notices were sent, or something is wrong."""
    entries = [make() for make in ENTRIES]
    settings = read_settings(_environ(dsn, entries))
    database = await Database.connect(dsn, max_size=4)
    started, sent, batch_no, baseline, most = time.monotonic(), 0, first, 0, 0
    async with door.opened(create_app(settings)) as app:
        known = providers_of(app)
        run = Campaign(app, database, [e for e in entries if e.provider in known], seed)
        while sent < count and not run.faults:
            size = min(BATCH, count - sent)
            await run.run(batch_no, size)
            sent, batch_no, most = sent + size, batch_no + 1, _resident_kib()
            baseline = baseline or most
    await empty(database)
    await database.close()
    return Report(
        seed=seed,
        sent=sent,
        providers=dict(run.sent),
        seconds=time.monotonic() - started,
        families=dict(sorted(run.families.items())),
        ends=dict(sorted(run.ends.items())),
        memory_growth_kib=most - baseline,
        faults=run.faults,
    )


def providers_of(app: ASGIApp) -> Mapping[str, Provider]:
    """List who is set up in an application."""
    return house_in(cast("Litestar", cast("FrontDesk", app)._app)).providers  # noqa: SLF001 - nobody else needs it


def _environ(dsn: str, entries: Sequence[Entry]) -> dict[str, str]:
    environ = {
        "APP_ENV": "sandbox",
        "DATABASE_URL": dsn,
        "JWT_SECRET": "sandbox-" + secrets.token_hex(32),
    }
    for entry in entries:
        environ |= entry.environ
    return environ


def _resident_kib() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123  # not a file on disk
        pages = int(statm.read().split()[1])
    return pages * resource.getpagesize() // 1024
