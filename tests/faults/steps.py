"""`crash_at_every_step`: run a flow once to see its steps, then again with a crash at each."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from itertools import count

import msgspec
from redis.asyncio import Redis

from actors.failpoints import Reach
from contracts.errors import Refusal
from contracts.order import Order
from contracts.states import OrderStatus
from models.engine import Database
from models.invariants import check_invariants
from runtime.failpoints import FailpointReached
from tests.faults.bank import Bank
from tests.faults.office import Office
from tests.storage.stage import OnSale


class Passage(msgspec.Struct, frozen=True):
    """One run of a flow: the steps it came by, and what was not true at its end."""

    steps: tuple[str, ...]
    violations: tuple[str, ...]


Run = Callable[[str | None], Awaitable[Passage]]


async def crash_at_every_step(run: Run, *, of: Collection[str] = ()) -> None:
    """Run a flow without a crash, then with one at each of its steps.

    *run* takes the step to crash at, lets the flow recover, and tells what it found. With *of*,
    only steps of those subjects: the rest was crashed at in another flow.
    """
    calm = await run(None)
    assert calm.violations == (), calm.violations
    assert {step.partition(".")[0] for step in calm.steps} >= set(of)
    for step in calm.steps:
        if not of or step.partition(".")[0] in of:
            passage = await run(step)
            assert step in passage.steps or _is_by_chance(step), f"{step} was not reached"
            assert passage.violations == (), f"after a crash at {step}: {passage.violations}"


def _is_by_chance(step: str) -> bool:
    """Tell whether a flow comes by only when a sweep happens to be the first."""
    return step.startswith(("sweep.", "query.", "record_attempt."))


class Story(msgspec.Struct):
    """A buyer's way through the house, and what it must end in."""

    office: Office
    user_id: int
    asks_a_person: bool = False
    promised: dict[int, Order] = {}
    ends: dict[int, OrderStatus] = {}

    async def order(self, quantity: int = 2, *, coupon_code: str | None = None) -> Order:
        """Buy, and remember that it was confirmed."""
        made = await self.office.order(self.user_id, quantity, coupon_code=coupon_code)
        self.promised[made.id] = made
        return made

    async def ended(self, order: Order, status: OrderStatus) -> None:
        """Wait for an end that must stay."""
        await self.office.wait_for(order, status)
        self.ends[order.id] = status

    async def money_came(self, order: Order) -> None:
        """Wait until money for the order is in the books."""
        async with asyncio.timeout(60):
            while not (await self.office.actor.load(order.id)).payments:
                await self.office.time_passes()
                await asyncio.sleep(0.03)


Flow = Callable[[Story], Awaitable[None]]
_users = count(1000)


class Stage:
    """Runs flows against the real database, with one crash each."""

    def __init__(self, database: Database, redis: Redis, sale: OnSale) -> None:
        self._database = database
        self._redis = redis
        self._sale = sale

    def of(self, flow: Flow) -> Run:
        """Return how *flow* is run."""

        async def run(step: str | None) -> Passage:
            passed: dict[str, None] = {}
            bank, reach = Bank(), _raising_once(step, passed)
            # Two, because the crash of one is made good by another.
            offices = [
                Office(
                    database=self._database,
                    redis=self._redis,
                    bank=bank,
                    sale=self._sale,
                    reach=reach,
                )
                for _ in range(2)
            ]
            story = Story(offices[0], next(_users))
            try:
                await flow(story)
                await self._let_settle(story)
            finally:
                await asyncio.gather(*(office.close() for office in offices))
            return Passage(tuple(passed), tuple(await self._violations(story)))

        return run

    async def _let_settle(self, story: Story) -> None:
        for order_id, order in story.promised.items():
            if (await story.office.actor.load(order_id)).status is OrderStatus.PENDING:
                await story.office.end_time(order)
        async with asyncio.timeout(60):
            while await self._is_anything_open():
                await story.office.time_passes()
                await self._give_up_unknown(story)
                await asyncio.sleep(0.03)

    async def _is_anything_open(self) -> bool:
        found: bool = await self._database.fetchval(
            """SELECT EXISTS (SELECT FROM orders WHERE status IN ('PENDING', 'CLOSING'))
                 OR EXISTS (SELECT FROM refunds WHERE status IN ('requested', 'processing'))
                 OR EXISTS (SELECT FROM webhook_events WHERE status IN ('RECEIVED', 'FAILED'))
                 OR EXISTS (SELECT FROM effects WHERE done_at IS NULL)"""
        )
        return found

    async def _give_up_unknown(self, story: Story) -> None:
        # An attempt the provider never heard of can only be waited out.
        for row in await self._database.fetch(
            "SELECT attempt_no FROM payment_attempts WHERE close_owed AND state <> 'CLOSED'"
        ):
            if row["attempt_no"] not in story.office.bank.trades:
                await self._database.execute(
                    """UPDATE payment_attempts SET payable_until = now() - interval '5 min',
                         request = jsonb_set(request::jsonb, '{payable_until}',
                           to_jsonb(now() - interval '5 min'))
                       WHERE attempt_no = $1""",
                    row["attempt_no"],
                )

    async def _violations(self, story: Story) -> list[str]:
        found = [f.id for f in await check_invariants(self._database) if f.violations]
        for order_id, promised in story.promised.items():
            try:
                order = await story.office.actor.load(order_id)
            except Refusal:
                found.append(f"order {order_id} is gone")
                continue
            if (order.order_no, order.total) != (promised.order_no, promised.total):
                found.append(f"order {order_id} is another")
            if order.status is not story.ends.get(order_id, order.status):
                found.append(f"order {order_id} is {order.status}")
            if not story.asks_a_person:
                found += _books_disagree(order, story.office.bank)
        return found


def _books_disagree(order: Order, bank: Bank) -> list[str]:
    found = []
    for attempt in order.attempts:
        trade = bank.trades.get(attempt.attempt_no)
        if trade is None or trade.status == "CLOSED":
            continue
        kept = order.status is OrderStatus.PAID and not trade.returned_minor
        returned = trade.returned_minor == trade.request.amount.amount_minor
        if trade.status != "PAID" or not (kept or returned):
            found.append(f"{attempt.attempt_no} is {trade.status} there, {order.status} here")
    return found


def _raising_once(step: str | None, passed: dict[str, None]) -> Reach:
    async def reach(name: str) -> None:
        is_first = name not in passed
        passed[name] = None
        if name == step and is_first:
            raise FailpointReached(name)

    return reach
