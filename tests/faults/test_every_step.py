"""Every flow, interrupted at every one of its steps, against the real database."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis.asyncio import Redis

from actors.failpoints import FAILPOINTS
from contracts.channels import Payer
from contracts.commands import Cancel
from contracts.states import Channel, OrderStatus
from models.engine import Database
from runtime.failpoints import FailpointReached
from tests.faults.office import insistently
from tests.faults.steps import Flow, Stage, Story, crash_at_every_step
from tests.storage.stage import put_on_sale

ROOT = Path(__file__).resolve().parents[2]
# Far from the buyers' own numbers.
GUESTS = 1_000_000


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
    await story.money_came(order)


async def lost_open(story: Story) -> None:
    story.office.bank.lost_opens = 1
    await story.office.prepare(await story.order())


async def overtaken_open(story: Story) -> None:
    """Leave while the provider opens: what it opened is no longer wanted."""
    order = await story.order()
    leave = Cancel(order_id=order.id)
    story.office.bank.meanwhile = lambda: story.office.actor.take_turn(leave)
    payer = Payer(appid="wx1")
    with suppress(FailpointReached):
        await story.office.checkout.prepare(order, Channel.WECHAT_NATIVE, payer)
    await story.ended(order, OrderStatus.CANCELLED)


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
    await insistently(lambda: story.office.inbox.store(verified, {}, body, None))
    await story.ended(order, OrderStatus.PAID)


async def refused_refund(story: Story) -> None:
    story.office.bank.refused_refunds = 1
    story.asks_a_person = True
    await refund(story)


async def give_away(story: Story) -> None:
    order = await story.office.prepare(await story.order())
    await story.office.notify(story.office.bank.pay(order.attempts[-1].attempt_no))
    await story.ended(order, OrderStatus.PAID)
    await story.office.give_away(order, story.user_id + GUESTS)


async def send_back(story: Story) -> None:
    order = await story.office.prepare(await story.order())
    await story.office.notify(story.office.bank.pay(order.attempts[-1].attempt_no))
    await story.office.wait_for(order, OrderStatus.PAID)
    await story.office.send_back(order)
    await story.ended(order, OrderStatus.REFUNDED)


async def refund_past_us(story: Story) -> None:
    """Send the money back at the provider: only its bill tells of it."""
    order = await story.office.prepare(await story.order())
    await story.office.notify(story.office.bank.pay(order.attempts[-1].attempt_no))
    await story.office.wait_for(order, OrderStatus.PAID)
    story.office.bank.send_back(order.attempts[-1].attempt_no)
    await story.office.bills_are_ready()
    await story.ended(order, OrderStatus.REFUNDED)


async def take_cash(story: Story) -> None:
    """Close what is open at the provider, and settle by hand."""
    order = await story.office.prepare(await story.order())
    await story.office.take_cash(order)
    await story.ended(order, OrderStatus.PAID)


async def mend(story: Story) -> None:
    """Settle an order by the money it kept before."""
    order = await story.office.prepare(await story.order())
    attempt_no = order.attempts[-1].attempt_no
    story.office.bank.pay(attempt_no)
    await story.office.keep_unsettled(order, f"T{attempt_no}")
    await story.office.mend(order)
    await story.ended(order, OrderStatus.PAID)


async def discount(story: Story) -> None:
    """Close what is open for the old price, and pay less."""
    order = await story.office.prepare(await story.order())
    code = await story.office.coupon(50)
    story.promised[order.id] = await story.office.apply_coupon(order, code)


async def confirm(story: Story) -> None:
    """Ask for an intent, confirm it, and pay the one attempt there is."""
    order = await story.order()
    first, again = [await story.office.confirm(order) for _ in range(2)]
    assert (first.intent_id, first.attempt_id) == (again.intent_id, again.attempt_id)
    (attempt,) = (await story.office.actor.load(order.id)).attempts
    await story.office.notify(story.office.bank.pay(attempt.attempt_no))
    await story.ended(order, OrderStatus.PAID)


async def sell_for_nothing(story: Story) -> None:
    """Sell for nothing: there is no step between the sale and the settlement."""
    order = await story.order(coupon_code=await story.office.coupon(100))
    await story.ended(order, OrderStatus.PAID)


# Each flow with the steps that it is interrupted at; the way there is interrupted once.
FLOWS: list[tuple[Flow, set[str]]] = [
    (create, {"create", "expire"}),
    (prepare, {"start_attempt", "open", "record_opened"}),
    (settle, {"notice", "record_payment", "effect"}),
    (ask, {"query", "record_payment"}),
    (expire, {"sweep", "expire", "close", "record_attempt"}),
    (close, {"cancel", "close"}),
    (refund, {"notice", "record_payment", "refund", "record_refund"}),
    (lost_open, {"record_open_failed"}),
    (overtaken_open, {"record_opened"}),
    (unknown_notice, {"notice"}),
    (left_behind, {"notice", "sweep"}),
    (refused_refund, {"record_refund_refused"}),
    (give_away, {"reissue_invite", "redeem_invite", "decide_place"}),
    (send_back, {"request_refund", "refund", "record_refund"}),
    (refund_past_us, {"sweep", "record_refund"}),
    (take_cash, {"close", "mark_paid"}),
    (mend, {"sweep", "repair_settlement"}),
    (discount, {"close", "record_attempt", "apply_coupon"}),
    (confirm, {"intent", "confirm", "start_attempt", "open", "record_opened"}),
    (sell_for_nothing, {"create", "effect"}),
]


@pytest.fixture
async def stage(database: Database, redis: Redis) -> Stage:
    sale = await put_on_sale(database, max_quantity=None, tiers={2: 16900})
    return Stage(database, redis, sale)


class TestAFlow:
    @pytest.mark.parametrize(("flow", "subjects"), FLOWS, ids=[flow.__name__ for flow, _ in FLOWS])
    async def test_comes_to_its_end_wherever_it_is_interrupted(
        self, stage: Stage, flow: Flow, subjects: set[str]
    ) -> None:
        await crash_at_every_step(stage.of(flow), of=subjects)


class TestTheFailpoints:
    async def test_are_each_passed_by_some_flow_and_no_other_is(self, stage: Stage) -> None:
        passages = [await stage.of(flow)(None) for flow, _ in FLOWS]

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
