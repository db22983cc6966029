"""Many who want to pay one order at once, in two processes, with Redis and without."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from actors.actor import Actor
from actors.checkout import Checkout
from actors.payers import Merchant, Payers
from actors.turn import Turn
from contracts.attempt import AttemptRequest, CodeToScan, Opened, PayerParameters
from contracts.channels import Payer
from contracts.commands import OrderCommand
from contracts.errors import OrderCancelled, PrepareInProgress
from contracts.facts import FactSource, PaymentNotPaid, PaymentSucceeded, QueryFact
from contracts.order import Order
from contracts.states import AttemptState, Channel, OrderStatus
from models.engine import Database
from models.wechat_identities import bind_openid
from tests.storage.stage import POLICY, buy, put_on_sale

MERCHANT = Merchant(
    provider="wechat", merchant_id="1900000001", appid="wx1", notify_url="http://127.0.0.1/n"
)
NATIVE = Channel.WECHAT_NATIVE
SCANNER = Payer(appid="wx1")
IN_WECHAT = Payer(appid="wx1", openid="o1")


class Counter:
    """Opens attempts, slowly enough for everybody to want one meanwhile, and counts."""

    name = "wechat"
    channels = frozenset(Channel)

    def __init__(self) -> None:
        self.opened: list[AttemptRequest] = []
        self.paid: set[str] = set()
        self.was_asked = asyncio.Event()
        self.may_scan = asyncio.Event()
        self.may_scan.set()

    async def open(self, request: AttemptRequest) -> Opened:
        """Open an attempt."""
        self.opened.append(request)
        self.was_asked.set()
        await asyncio.sleep(0.05)
        if request.channel is NATIVE:
            await self.may_scan.wait()
        return Opened(code_url=f"weixin://{request.attempt_no}", prepay_id=request.attempt_no)

    async def query(self, request: AttemptRequest, _opened: Opened | None = None) -> QueryFact:
        """Say whether somebody paid."""
        if request.attempt_no not in self.paid:
            return PaymentNotPaid(
                provider="wechat", attempt_no=request.attempt_no, asked_at=datetime.now(UTC)
            )
        return PaymentSucceeded(
            provider="wechat",
            attempt_no=request.attempt_no,
            provider_txn_id=f"T{request.attempt_no}",
            paid=request.amount,
            merchant_id=request.merchant_id,
            appid=request.appid,
            paid_at=datetime.now(UTC),
            source=FactSource.QUERY,
        )

    def payer_parameters(
        self, _request: AttemptRequest, opened: Opened, _now: object
    ) -> PayerParameters:
        """Show the code."""
        return CodeToScan(code_url=opened.code_url or "")


@pytest.fixture
def provider() -> Counter:
    return Counter()


def checkouts(database: Database, provider: Counter, actors: Sequence[Actor]) -> list[Checkout]:
    return [
        Checkout(
            actor=actor,
            database=database,
            providers={"wechat": provider},  # type: ignore[dict-item]  # as much as opening needs
            merchants={"wechat": MERCHANT},
        )
        for actor in actors
    ]


async def fifty(checkouts: Sequence[Checkout], order: Order) -> list[Order]:
    """Prepare one order fifty times at once, in turns at every checkout."""
    several = [checkouts[n % len(checkouts)] for n in range(50)]
    return await asyncio.gather(*(one.prepare(order, NATIVE, SCANNER) for one in several))


def is_open(order: Order) -> bool:
    current = order.current_attempt
    return current is not None and current.state is AttemptState.OPEN


class TestFiftyPrepares:
    async def test_make_one_call_in_two_processes(
        self, actor: Actor, other: Actor, database: Database, provider: Counter
    ) -> None:
        order = await buy(actor, await put_on_sale(database))

        found = await fifty(checkouts(database, provider, [actor, other]), order)

        assert len(provider.opened) == 1
        assert all(is_open(one) for one in found)
        assert {len(one.attempts) for one in found} == {1}

    async def test_make_one_call_without_redis_too(
        self, lonely: Actor, database: Database, provider: Counter
    ) -> None:
        alone = Actor(database=database, redis=None, policy=POLICY)
        order = await buy(lonely, await put_on_sale(database))

        found = await fifty(checkouts(database, provider, [lonely, alone]), order)
        await alone.close()

        assert len(provider.opened) == 1
        assert all(is_open(one) for one in found)

    async def test_leave_the_call_to_whoever_made_it_while_it_takes_long(
        self, actor: Actor, database: Database, provider: Counter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("actors.checkout.WAIT_SECONDS", 0.3)
        order = await buy(actor, await put_on_sale(database))
        (checkout,) = checkouts(database, provider, [actor])
        provider.may_scan.clear()
        first = asyncio.create_task(checkout.prepare(order, NATIVE, SCANNER))
        await provider.was_asked.wait()

        with pytest.raises(PrepareInProgress):
            await checkout.prepare(order, NATIVE, SCANNER)
        provider.may_scan.set()

        assert is_open(await first)
        assert len(provider.opened) == 1


class TestAPrepareElsewhere:
    async def test_is_never_shown_what_another_channel_opened(
        self,
        actor: Actor,
        other: Actor,
        database: Database,
        provider: Counter,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        order = await buy(actor, await put_on_sale(database))
        here, there = checkouts(database, provider, [actor, other])
        waits = told_to_wait(other, monkeypatch)
        provider.may_scan.clear()
        first = asyncio.create_task(here.prepare(order, NATIVE, SCANNER))
        await provider.was_asked.wait()
        waiting = asyncio.create_task(there.prepare(order, NATIVE, SCANNER))
        await waits.wait()

        signed = await here.prepare(order, Channel.WECHAT_JSAPI, IN_WECHAT)
        with pytest.raises(PrepareInProgress):
            await waiting
        provider.may_scan.set()
        late = await first

        shown = payers(database, provider)
        assert shown.parameters(signed, Channel.WECHAT_JSAPI, IN_WECHAT, datetime.now(UTC))
        assert shown.parameters(late, NATIVE, SCANNER, datetime.now(UTC)) is None
        assert [a.close_owed for a in late.attempts] == [True, False]

    async def test_is_refused_once_the_order_is_gone(
        self, actor: Actor, database: Database, provider: Counter
    ) -> None:
        order = await buy(actor, await put_on_sale(database))
        (checkout,) = checkouts(database, provider, [actor])
        await checkout.cancel(order.id)

        with pytest.raises(OrderCancelled):
            await checkout.prepare(order, NATIVE, SCANNER)
        assert provider.opened == []


class TestAPayer:
    async def test_is_known_by_the_app_that_is_paid_at(
        self, database: Database, provider: Counter
    ) -> None:
        user_id = await a_user(database, openid="o-account")
        await bind_openid(database, user_id=user_id, appid="wx2", openid="o-program")
        two_apps = payers(database, provider, mini_program_appid="wx2")
        one_app = payers(database, provider)

        assert await two_apps.find("wechat", NATIVE, user_id) == Payer(appid="wx1")
        assert await two_apps.find("wechat", Channel.WECHAT_JSAPI, user_id) == Payer(
            appid="wx1", openid="o-account"
        )
        assert await two_apps.find("wechat", Channel.MINIPROGRAM_BRIDGE, user_id) == Payer(
            appid="wx2", openid="o-program"
        )
        assert await one_app.find("wechat", Channel.MINIPROGRAM_BRIDGE, user_id) == Payer(
            appid="wx1", openid="o-account"
        )

    @pytest.mark.parametrize("channel", [Channel.WECHAT_JSAPI, Channel.MINIPROGRAM_BRIDGE])
    async def test_is_nobody_without_an_openid(
        self, database: Database, provider: Counter, channel: Channel
    ) -> None:
        user_id = await a_user(database, openid=None)

        assert await payers(database, provider).find("wechat", channel, user_id) is None

    async def test_is_not_taken_for_the_one_known_at_another_app(
        self, database: Database, provider: Counter
    ) -> None:
        user_id = await a_user(database, openid="o-account")
        two_apps = payers(database, provider, mini_program_appid="wx2")

        assert await two_apps.find("wechat", Channel.MINIPROGRAM_BRIDGE, user_id) is None


def told_to_wait(actor: Actor, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Notice when somebody else is found to be opening the attempt."""
    told, take_turn = asyncio.Event(), actor.take_turn

    async def watched(command: OrderCommand) -> Turn:
        try:
            return await take_turn(command)
        except PrepareInProgress:
            told.set()
            raise

    monkeypatch.setattr(actor, "take_turn", watched)
    return told


async def a_user(database: Database, *, openid: str | None) -> int:
    user_id: int = await database.fetchval(
        "INSERT INTO users (issuer, subject, name, openid) VALUES ('i', 's', 'n', $1) RETURNING id",
        openid,
    )
    return user_id


def payers(database: Database, provider: Counter, **changes: Any) -> Payers:  # noqa: ANN401
    return Payers(
        database=database,
        providers={"wechat": provider},  # type: ignore[dict-item]  # as above
        merchants={"wechat": msgspec.structs.replace(MERCHANT, **changes)},
    )


class TestAQuestion:
    async def test_is_about_everything_that_could_have_been_paid(
        self, actor: Actor, database: Database, provider: Counter
    ) -> None:
        (checkout,) = checkouts(database, provider, [actor])
        order = await buy(actor, await put_on_sale(database))
        order = await checkout.prepare(order, NATIVE, SCANNER)
        await checkout.prepare(order, Channel.WECHAT_JSAPI, IN_WECHAT)
        provider.paid.add(f"{order.order_no}01")

        order, told = await checkout.query(order.id)

        assert (order.status, told) == (OrderStatus.PAID, "SUCCESS")
        assert order.settlement is not None
        assert order.settlement.attempt_no == f"{order.order_no}01"

    async def test_is_asked_once_in_a_while(
        self, actor: Actor, database: Database, provider: Counter
    ) -> None:
        (checkout,) = checkouts(database, provider, [actor])
        order = await buy(actor, await put_on_sale(database))
        order = await checkout.prepare(order, NATIVE, SCANNER)

        assert (await checkout.query(order.id))[1] == "NOTPAY"
        provider.paid.add(f"{order.order_no}01")
        assert (await checkout.query(order.id))[1] is None
