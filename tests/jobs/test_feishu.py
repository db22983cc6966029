"""News of sales, posted to the sandbox's Feishu group."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import msgspec
import pytest
from structlog.testing import capture_logs

from contracts.effects import EffectKind
from jobs.batch import Batch
from jobs.effects import ByKind, Effects, LogDelivery
from jobs.feishu import Bot, FeishuDelivery, NotPosted
from jobs.sale_lines import News
from models.engine import Database
from models.people import note_payers
from models.sweeps import DueEffect
from runtime.failpoints import Deed, Misfortune
from sandbox.embedded.ports import claim_port
from tests.jobs.conftest import Start
from tests.jobs.mail_server import Sold, a_person, a_sold_order, owe
from tests.jobs.rows import ALL_EFFECTS_DONE, until_found
from tests.sandbox.simulator import Simulator, running_simulator

NEWS = News(title="标题", lines=("一行",))


class Group:
    """The group in which the news end, and the secret address of its bot."""

    def __init__(self, simulator: Simulator) -> None:
        self._control = simulator.control
        self.url = f"{simulator.control.base_url}/feishu/hook?token=hush"
        self._seen = 0

    def fault(self, mode: str, **more: object) -> None:
        wish = {"provider": "feishu", "operation": "hook", "mode": mode, **more}
        assert self._control.post("/control/faults", json=wish).status_code < 300

    def forget(self) -> None:
        self._control.delete("/control/faults")
        self._seen = len(self._all())

    def messages(self) -> list[dict[str, Any]]:
        """List what came since it forgot, oldest first."""
        return self._all()[self._seen :]

    def _all(self) -> list[dict[str, Any]]:
        return list(reversed(self._control.get("/control/feishu").json()["items"]))


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with running_simulator(tmp_path_factory.mktemp("feishu")) as simulator:
        yield simulator


@pytest.fixture
def group(simulator: Simulator) -> Group:
    group = Group(simulator)
    group.forget()
    return group


@pytest.fixture
async def bot(group: Group) -> AsyncIterator[Bot]:
    async with Bot(group.url) as bot:
        yield bot


@pytest.fixture
async def sold(database: Database) -> Sold:
    """Sell for 169 yuan, of which a coupon took one, to somebody who pays for the first time."""
    sold = await a_sold_order(database)
    await database.execute(
        """INSERT INTO payments (order_id, attempt_no, provider, provider_txn_id, amount_minor,
             currency, honoured, refund_minor, source, paid_at)
           VALUES ($1, 'A1', 'pingxx', 'ch_1', 16900, 'CNY', true, 0, 'notice', now())""",
        sold.order_id,
    )
    await database.execute(
        """INSERT INTO payment_attempts (order_id, attempt_no, provider, channel, state,
             merchant_id, appid, amount_minor, currency, request, payable_until, close_owed, looks)
           VALUES ($1, 'A1', 'pingxx', 'alipay_qr', 'PAID', 'm', 'a', 16900, 'CNY', '{}', now(),
             false, 0)""",
        sold.order_id,
    )
    coupon_id = await database.fetchval(
        """INSERT INTO coupons (code, kind, value, used_count, is_active, created_by)
           VALUES ('LESS', 'FIXED', 100, 1, true, 1) RETURNING id"""
    )
    await database.execute(
        "INSERT INTO coupon_usages (order_id, coupon_id, discount_minor) VALUES ($1, $2, 100)",
        sold.order_id,
        coupon_id,
    )
    return sold


async def do_round(database: Database, bot: Bot) -> list[dict[str, Any]]:
    news = FeishuDelivery(database=database, bot=bot)
    delivery = ByKind({EffectKind.SALE_NEWS: news}, otherwise=LogDelivery())
    effects = Effects(database=database, delivery=delivery)
    with capture_logs() as lines:
        await Batch(
            job="effects",
            noun="effect",
            size=10,
            claim=effects.claim,
            handle=effects.deliver,
            let_go=effects.deliver_later,
        ).do_round()
    return [dict(line) for line in lines]


def people_in(news: News) -> int:
    (told,) = (line for line in news.lines if line.startswith("总用户数"))
    return int(told.partition("：")[2])


async def is_done(database: Database) -> bool:
    done: bool = await database.fetchval(ALL_EFFECTS_DONE)
    return done


class TestASale:
    async def test_is_told_with_all_its_facts(
        self, database: Database, bot: Bot, group: Group, sold: Sold
    ) -> None:
        await owe(database, "TICKETS", "paid:ch_1", sold.order_id)
        await owe(database, "SALE_NEWS", "paid:ch_1", sold.order_id)

        await do_round(database, bot)

        (message,) = group.messages()
        assert message["title"] == "Guichet：新的购票"
        assert message["lines"] == [
            "买家：Somebody",
            f"邮箱：{sold.buyer}",
            "活动：Night",
            "实付：169.00 CNY",
            "支付渠道：pingxx / alipay_qr",
            "价格项：Standard × 2，170.00 CNY",
            "价格项：优惠码 LESS，-1.00 CNY",
            "付费用户数：1",
            "注册用户数：1",
            "总用户数：2",
            f"订单：{sold.order_no}",
            f"通知：order:{sold.order_id}:paid:ch_1:SALE_NEWS",
        ]
        assert await is_done(database)

    @pytest.mark.parametrize(("seconds", "later"), [(60.0, 0), (0.0, 1)])
    async def test_counts_people_once_in_a_while(
        self,
        database: Database,
        sold: Sold,
        monkeypatch: pytest.MonkeyPatch,
        *,
        seconds: float,
        later: int,
    ) -> None:
        monkeypatch.setattr("jobs.feishu._COUNTS_SECONDS", seconds)
        told: list[News] = []
        bot: Any = SimpleNamespace(post=AsyncMock(side_effect=told.append))
        news, now = FeishuDelivery(database=database, bot=bot), datetime.now(UTC)
        effect = DueEffect(
            id=1,
            order_id=sold.order_id,
            trace_ctx=None,
            due_at=now,
            claimed_at=now,
            holder_kind="order",
            holder_id=sold.order_id,
            cause="paid:ch_1",
            kind=EffectKind.SALE_NEWS,
            tries=1,
        )

        await news.deliver(effect)
        await a_person(database, None)
        await news.deliver(effect)

        before, after = (people_in(one) for one in told)
        assert after - before == later

    async def test_names_no_address_of_who_has_none(
        self, database: Database, bot: Bot, group: Group, sold: Sold
    ) -> None:
        await database.execute("UPDATE users SET email = NULL")
        await owe(database, "SALE_NEWS", "paid:ch_1", sold.order_id)

        await do_round(database, bot)

        assert not [line for line in group.messages()[0]["lines"] if line.startswith("邮箱")]

    async def test_is_not_told_of_money_that_was_not_kept(
        self, database: Database, bot: Bot, group: Group
    ) -> None:
        sold = await a_sold_order(database, status="EXPIRED")
        await owe(database, "SALE_NEWS", "paid:ch_1", sold.order_id)

        lines = await do_round(database, bot)

        assert [line["event"] for line in lines] == ["feishu.skipped"]
        assert group.messages() == []
        assert await is_done(database)


class TestACoupon:
    @pytest.mark.parametrize(
        ("kind", "value", "told"), [("FIXED", 100, "1.00 CNY"), ("PERCENT", 10, "10%")]
    )
    async def test_is_told_when_it_is_taken(
        self,
        database: Database,
        bot: Bot,
        group: Group,
        sold: Sold,
        *,
        kind: str,
        value: int,
        told: str,
    ) -> None:
        await database.execute("UPDATE coupons SET kind = $1, value = $2", kind, value)
        await owe(database, "SALE_NEWS", "coupon:1", sold.order_id)

        await do_round(database, bot)

        (message,) = group.messages()
        assert message["title"] == "Guichet：使用优惠码"
        assert message["lines"][0] == "买家：Somebody"
        assert message["lines"][2:5] == ["优惠码：LESS", "名称：Night", f"优惠：{told}"]


class TestWhatTheBotDoesNotTake:
    @pytest.mark.parametrize(
        ("mode", "code"),
        [("error_500", "http_500"), ("rate_limited", "11232"), ("malformed", "unreadable")],
    )
    async def test_is_told_again_under_the_same_id(
        self,
        database: Database,
        bot: Bot,
        group: Group,
        sold: Sold,
        *,
        mode: str,
        code: str,
    ) -> None:
        await owe(database, "SALE_NEWS", "paid:ch_1", sold.order_id)
        group.fault(mode)

        lines = await do_round(database, bot)

        (failed,) = [line for line in lines if line["event"] == "feishu.failed"]
        assert failed["code"] == code
        assert not await is_done(database)
        await database.execute("UPDATE effects SET due_at = now()")
        await do_round(database, bot)
        (message,) = group.messages()
        assert message["lines"][-1].endswith(f"order:{sold.order_id}:paid:ch_1:SALE_NEWS")
        assert await is_done(database)

    async def test_shows_its_secret_address_to_nobody(
        self, database: Database, group: Group, sold: Sold
    ) -> None:
        await owe(database, "SALE_NEWS", "paid:ch_1", sold.order_id)
        with claim_port() as port:
            async with Bot(f"http://127.0.0.1:{port.number}/hook/hush") as nobody:
                lines = await do_round(database, nobody)
                with pytest.raises(NotPosted) as caught:
                    await nobody.post(NEWS)

        assert "hush" not in f"{lines} {caught.value!r} {caught.value.__cause__!r}"
        assert group.messages() == []

    async def test_keeps_letters_waiting_once_and_not_for_every_message(
        self, group: Group, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("jobs.feishu._CALL_SECONDS", 0.2)
        group.fault("hang_before", count=20, delay_ms=30_000)
        loop = asyncio.get_running_loop()

        async with Bot(group.url) as bot:
            began = loop.time()
            told = await asyncio.gather(
                *(bot.post(NEWS) for _ in range(20)), return_exceptions=True
            )
            took = loop.time() - began

        group.forget()
        assert {type(each) for each in told} == {NotPosted}
        assert [str(each) for each in told].count("away") == 16
        assert took < 25


class TestAWorker:
    async def test_tells_again_under_the_same_id_after_it_was_killed(
        self, database: Database, start: Start, group: Group, sold: Sold, tmp_path: Path
    ) -> None:
        await note_payers(database, [sold.order_id])
        await owe(database, "SALE_NEWS", "paid:ch_1", sold.order_id)
        failpoints = tmp_path / "failpoints"
        failpoints.mkdir()
        kill = msgspec.json.encode(Misfortune(deed=Deed.KILL))
        (failpoints / "effect.delivered").write_bytes(kill)
        told = {"FEISHU_NOTIFY_URL": group.url, "GUICHET_FAILPOINTS": str(failpoints)}

        killed = start(**told)
        await asyncio.to_thread(killed.wait, 90)
        assert not await is_done(database)
        # As when its claim runs out.
        await database.execute("UPDATE effects SET due_at = now()")
        start(**told)

        await until_found(database, ALL_EFFECTS_DONE)
        assert killed.returncode == -signal.SIGKILL
        first, second = group.messages()
        assert first["lines"] == second["lines"]

    async def test_without_a_bot_tells_the_log(
        self, database: Database, start: Start, group: Group, sold: Sold
    ) -> None:
        await a_person(database, None)
        await owe(database, "SALE_NEWS", "paid:ch_1", sold.order_id)
        start()

        await until_found(database, ALL_EFFECTS_DONE)
        assert group.messages() == []
