"""A campaign of mutated notices against the real application and a real PostgreSQL.

1. Each notice is genuine but for one thing, about an order that waits for exactly that money or
   has it already; each family of changes has its share, so that every check is reached.
2. Every answer is the one that the change calls for, and so is what is stored about it: no 5xx, no
   handler that failed, no order, payment, refund, place, seat or duty that moved.
3. Afterwards the unchanged notices are taken: every order that waited is PAID, every invariant
   holds. So the changes alone were what was refused.
4. A seed makes the same changes again, batch by batch; numbers, keys and the time differ.
"""

import asyncio
import random
import resource
import secrets
import time
from collections import Counter

import msgspec
from litestar.types import ASGIApp
from prometheus_client import REGISTRY

from actors.actor import Actor
from api.app import create_app
from models.engine import Database
from runtime.settings import read_settings
from tests.conftest import check_promises, empty
from tests.hostile import books, door, mutants_outside, mutants_unreadable, mutants_untrue
from tests.hostile.mutants import Family, Mutant, Scene, pairs
from tests.hostile.notices import Forge, Notice, Payment
from tests.providers.signing import API_V3_KEY, Platform, new_key, private_pem, public_pem
from tests.storage.stage import POLICY, buy, opened, put_on_sale

# Two prices, so that one order's money can be offered for another.
PRICES_MINOR = (9900, 5000)
WAITING, PAID = 40, 8
BATCH, AT_ONCE = 1000, 50
# Fourteen checks with two shares each and four lesser ones with one: 6.2 % for every check.
FAMILIES: dict[str, Family] = {
    "shape": mutants_outside.shape,
    "SIGNTEST": mutants_outside.probe,
    "staleness": mutants_outside.stale,
    "serial": mutants_outside.serial,
    "signature": mutants_outside.signature,
    "store": mutants_outside.stored,
    "envelope": mutants_unreadable.envelope,
    "seal": mutants_unreadable.seal,
    "plaintext": mutants_unreadable.plaintext,
    "merchant": mutants_untrue.merchant,
    "appid": mutants_untrue.appid,
    "order": mutants_untrue.order,
    "amount": mutants_untrue.amount,
    "currency": mutants_untrue.currency,
    "encoding": mutants_outside.encoding,
    "known payment": mutants_untrue.known,
    "not money": mutants_untrue.no_money,
    "refund": mutants_untrue.refund,
}
SELDOM = frozenset({"encoding", "known payment", "not money", "refund"})
_DECK = [name for name in FAMILIES for _ in range(1 if name in SELDOM else 2)]
_DOOR_ENDS = (
    *("malformed", "signtest", "stale", "unknown_key", "bad_signature", "encoded", "duplicate"),
)


class Report(msgspec.Struct, frozen=True):
    """What became of a campaign."""

    seed: int
    sent: int
    seconds: float
    families: dict[str, int]
    ends: dict[str, int]
    memory_growth_kib: int
    faults: list[str]


class Campaign:
    """One application, one database, one seed."""

    def __init__(self, app: ASGIApp, database: Database, key: Platform, seed: int) -> None:
        self._app = app
        self._database = database
        self._key = key
        self._seed = seed
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
        await empty(self._database)
        scene = await self._stage(Forge(self._key.key, dice))
        deck = _shuffled_deck(dice, size)
        before, money = await self._ends(), await books.money(self._database)
        expected: Counter[str] = Counter()
        for at in range(0, size, AT_ONCE):
            hand = [FAMILIES[name](scene) for name in deck[at : at + AT_ONCE]]
            expected.update(mutant.end for mutant in hand)
            await self._send(batch_no, hand)
        found = await self._ends()
        found.subtract(before)
        self._compare(batch_no, expected, +found)
        if await books.money(self._database) != money:
            self._fault(batch_no, "the books changed")
        self.families.update(deck)
        self.ends.update(+found)
        await self._settle(batch_no, scene)

    async def _send(self, batch_no: int, hand: list[Mutant]) -> None:
        sent = (door.post(self._app, door.WEBHOOK, one.headers, one.body) for one in hand)
        for mutant, status in zip(hand, await asyncio.gather(*sent), strict=True):
            if status != mutant.status:
                self._fault(batch_no, f"{mutant.what} ({mutant.end}): answered {status}")
        await self._until_processed()

    async def _until_processed(self) -> None:
        waiting = "SELECT count(*) FROM webhook_events WHERE status = 'RECEIVED'"
        async with asyncio.timeout(30):
            while await self._database.fetchval(waiting):  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0.002)

    async def _stage(self, forge: Forge) -> Scene:
        actor = Actor(database=self._database, redis=None, policy=POLICY)
        sales = [await put_on_sale(self._database, price_minor=price) for price in PRICES_MINOR]
        orders = await asyncio.gather(
            *(buy(actor, sales[n % 2], user_id=n + 1) for n in range(WAITING + PAID))
        )
        orders = await asyncio.gather(*(opened(actor, order) for order in orders))
        await actor.close()
        payments = [
            Payment(order.attempts[0].attempt_no, order.total.amount_minor, f"T{forge.hex(20)}")
            for order in orders
        ]
        notices = [forge.genuine(payment) for payment in payments[WAITING:]]
        await self._honest(notices)
        return Scene(
            forge=forge,
            waiting=tuple(payments[:WAITING]),
            paid=tuple(zip(payments[WAITING:], notices, strict=True)),
            attempt_nos=frozenset(payment.attempt_no for payment in payments),
        )

    async def _settle(self, batch_no: int, scene: Scene) -> None:
        await self._honest([scene.forge.genuine(payment) for payment in scene.waiting])
        unpaid = await self._database.fetchval("SELECT count(*) FROM orders WHERE status <> 'PAID'")
        if unpaid:
            self._fault(batch_no, f"{unpaid} orders could not be paid afterwards")
        await check_promises(self._database)

    async def _honest(self, notices: list[Notice]) -> None:
        sent = (door.post(self._app, door.WEBHOOK, pairs(one.headers), one.body) for one in notices)
        assert set(await asyncio.gather(*sent)) == {204}
        await self._until_processed()

    async def _ends(self) -> Counter[str]:
        ends = Counter(
            {
                f"door:{end}": int(
                    REGISTRY.get_sample_value(
                        "guichet_webhook_requests_total", {"provider": "wechat", "outcome": end}
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


async def campaign(dsn: str, count: int, seed: int, first: int = 0) -> Report:
    """Run batches *first* and on until *count* notices were sent, or something is wrong."""
    key = Platform()
    settings = read_settings(environ_of(dsn, key))
    database = await Database.connect(dsn, max_size=4)
    started, sent, batch_no, baseline, most = time.monotonic(), 0, first, 0, 0
    async with door.opened(create_app(settings)) as app:
        run = Campaign(app, database, key, seed)
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
        seconds=time.monotonic() - started,
        families=dict(sorted(run.families.items())),
        ends=dict(sorted(run.ends.items())),
        memory_growth_kib=most - baseline,
        faults=run.faults,
    )


def environ_of(dsn: str, key: Platform) -> dict[str, str]:
    """Set WeChat Pay up, and nothing else."""
    return {
        "APP_ENV": "sandbox",
        "DATABASE_URL": dsn,
        "JWT_SECRET": "sandbox-" + secrets.token_hex(32),
        # Nobody listens there: no notice may need the platform.
        "WECHAT_PAY_GATEWAY": "http://127.0.0.1:1",
        "WECHAT_PAY_MCH_ID": "1900000001",
        "WECHAT_SERVICE_ACCOUNT_APP_ID": "wx0000000000000001",
        "WECHAT_PAY_PRIVATE_KEY": private_pem(new_key()),
        "WECHAT_PAY_SERIAL_NO": "3775B6A45ACD588826D15E583A95F5DD00000001",
        "WECHAT_PAY_API_V3_KEY": API_V3_KEY,
        "WECHAT_PAY_PLATFORM_PUBLIC_KEY": public_pem(key.key),
        "WECHAT_PAY_PLATFORM_PUBLIC_KEY_ID": key.serial,
    }


def _shuffled_deck(dice: random.Random, size: int) -> list[str]:
    deck = [_DECK[n % len(_DECK)] for n in range(size)]
    dice.shuffle(deck)
    return deck


def _resident_kib() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123  # not a file on disk
        pages = int(statm.read().split()[1])
    return pages * resource.getpagesize() // 1024
