"""Every flow, interrupted at every one of its steps, against the real database."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis.asyncio import Redis

from actors.failpoints import FAILPOINTS
from contracts.states import OrderStatus
from models.engine import Database
from tests.faults.steps import Flow, Stage, Story, crash_at_every_step
from tests.storage.stage import put_on_sale

ROOT = Path(__file__).resolve().parents[2]


async def create(story: Story) -> None:
    await story.order()


async def prepare(story: Story) -> None:
    await story.office.prepare(await story.order())


async def settle(story: Story) -> None:
    order = await story.office.prepare(await story.order())
    await story.office.notify(story.office.bank.pay(order.attempts[-1].attempt_no))
    await story.ended(order, OrderStatus.PAID)


async def ask(story: Story) -> None:
    order = await story.office.prepare(await story.order())
    story.office.bank.pay(order.attempts[-1].attempt_no)
    await story.ended(order, OrderStatus.PAID)


async def expire(story: Story) -> None:
    order = await story.office.prepare(await story.order())
    await story.office.end_time(order)
    await story.ended(order, OrderStatus.EXPIRED)


async def close(story: Story) -> None:
    order = await story.office.prepare(await story.order())
    await story.office.cancel(order)
    await story.ended(order, OrderStatus.CANCELLED)


async def refund(story: Story) -> None:
    order = await story.office.prepare(await story.order())
    await story.office.cancel(order)
    await story.ended(order, OrderStatus.CANCELLED)
    await story.order(quantity=1)
    # The provider takes the money although it said "closed", and another order has the place.
    await story.office.notify(story.office.bank.pay(order.attempts[-1].attempt_no))


async def lost_open(story: Story) -> None:
    story.office.bank.lost_opens = 1
    await story.office.prepare(await story.order())


async def unknown_notice(story: Story) -> None:
    order = await story.office.prepare(await story.order())
    notice = story.office.bank.pay(order.attempts[-1].attempt_no)
    lie = notice.replace(order.order_no.encode(), b"G" + b"Z" * 15)
    await story.office.notify(lie)
    await story.office.notify(notice)
    await story.ended(order, OrderStatus.PAID)


async def left_behind(story: Story) -> None:
    """Store a notice and die: the sweep finds it."""
    order = await story.office.prepare(await story.order())
    body = story.office.bank.pay(order.attempts[-1].attempt_no)
    verified = story.office.bank.verify({}, body, datetime.now(UTC))
    await story.office.inbox.store(verified, {}, body, None)
    await story.ended(order, OrderStatus.PAID)


async def refused_refund(story: Story) -> None:
    story.office.bank.refused_refunds = 1
    story.asks_a_person = True
    await refund(story)


FLOWS: list[Flow] = [
    create,
    prepare,
    settle,
    ask,
    expire,
    close,
    refund,
    lost_open,
    unknown_notice,
    left_behind,
    refused_refund,
]
# The way to the code on the screen, which every flow begins with, is interrupted in two of them.
THE_WAY_THERE = {
    name
    for name in FAILPOINTS
    if name.partition(".")[0] in {"create", "start_attempt", "open", "record_opened"}
}


@pytest.fixture
async def stage(database: Database, redis: Redis) -> Stage:
    sale = await put_on_sale(database, max_quantity=None, tiers={2: 16900})
    return Stage(database, redis, sale)


@pytest.mark.xdist_group("faults")
class TestAFlow:
    @pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.__name__)
    async def test_comes_to_its_end_wherever_it_is_interrupted(
        self, stage: Stage, flow: Flow
    ) -> None:
        known = set() if flow in (create, prepare) else THE_WAY_THERE

        await crash_at_every_step(stage.of(flow), but_not=known)


class TestTheFailpoints:
    async def test_are_each_passed_by_some_flow_and_no_other_is(self, stage: Stage) -> None:
        passages = [await stage.of(flow)(None) for flow in FLOWS]

        assert {step for passage in passages for step in passage.steps} == FAILPOINTS

    def test_are_written_in_the_code_as_they_are_listed(self) -> None:
        rooms = [ROOT / room for room in ("actors", "api", "jobs")]
        files = [file for room in rooms for file in room.glob("*.py")]
        written = {
            name
            for file in files
            for name in re.findall(r'reach\("([^"]+)"\)', file.read_text(encoding="utf-8"))
        }

        assert written
        assert written <= FAILPOINTS
