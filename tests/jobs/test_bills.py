"""Bills over real rows: a week of them, each checked once, and what they name recorded once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import pytest
from msgspec.structs import replace

from actors.actor import Actor
from actors.bills import Bills
from contracts.attempt import BilledRefund, RefundRequest
from contracts.facts import FactSource, RefundMoved, RefundOutcome
from contracts.money import Money
from contracts.order import Order
from contracts.states import OrderStatus, RefundKind, RefundStatus
from jobs.batch import Batch
from jobs.bills import ALARM_TRIES, MAX_TRIES, BillChecks, due_days
from models.bills import DueBill, claim_bills, ensure_bills
from models.engine import Database
from models.sweeps import CLAIM
from providers.provider import OutcomeUnknown, Provider, ProviderUnreachable
from tests.faults.bank import NAME, Bank
from tests.jobs.rows import until_found
from tests.storage.stage import POLICY, outcome_of, paid, put_on_sale, refund_of

DAY = date(2026, 11, 20)


class Keeper(Bank):
    """A provider whose one bill names all it has, and that remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.away: set[str] = set()
        self.forgotten: set[str] = set()
        self.is_bill_away = False

    async def billed_refunds(self, day: date) -> list[BilledRefund]:
        """Hand out the bill."""
        if self.is_bill_away:
            raise ProviderUnreachable(NAME, "bill", "STATEMENT_CREATING")
        return await super().billed_refunds(day)

    async def query_refund(self, refund: RefundRequest | BilledRefund) -> RefundMoved | None:
        """Tell what became of a refund, and note that somebody asked."""
        self.asked.append(refund.refund_no)
        if refund.refund_no in self.away:
            raise OutcomeUnknown(NAME, "query_refund", "timeout")
        return None if refund.refund_no in self.forgotten else self.refunds[refund.refund_no]

    def has(
        self, attempt_no: str, refund_no: str, outcome: RefundOutcome = RefundOutcome.SUCCESS
    ) -> None:
        """Have a refund of one yuan, whoever asked for it."""
        self.refunds[refund_no] = RefundMoved(
            provider=NAME,
            attempt_no=attempt_no,
            refund_no=refund_no,
            provider_refund_id=f"B{refund_no}",
            refunded=Money(amount_minor=100, currency="CNY"),
            outcome=outcome,
            source=FactSource.QUERY,
        )


class KeepsNone:
    """A provider without bills, as far as anybody asks it here."""

    name = "other"


@pytest.fixture
async def actor(database: Database) -> AsyncIterator[Actor]:
    actor = Actor(database=database, redis=None, policy=POLICY)
    yield actor
    await actor.close()


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


@pytest.fixture
def bills(actor: Actor, database: Database, keeper: Keeper) -> Bills:
    return Bills(actor=actor, database=database, providers={NAME: keeper})


@pytest.fixture
def checks(database: Database, bills: Bills) -> BillChecks:
    return BillChecks(database=database, bills=bills)


@pytest.fixture
async def order(actor: Actor, database: Database) -> Order:
    return await paid(actor, await put_on_sale(database))


async def one_is_due(database: Database, tries: int = 0) -> None:
    await ensure_bills(database, [NAME], {DAY: datetime(2026, 11, 21, 2, tzinfo=UTC)})
    await database.execute("UPDATE bill_checks SET due_at = now(), tries = $1", tries)


async def do_round(database: Database, checks: BillChecks) -> None:
    """Do what the sweep does with the bills that are due now."""

    async def claim(limit: int) -> list[DueBill]:
        return await claim_bills(database, limit, [NAME])

    batch = Batch(
        job="bills",
        noun="bill",
        size=10,
        claim=claim,
        handle=checks.check,
        let_go=checks.check_later,
    )
    await batch.do_round()


class TestTheDays:
    @pytest.mark.parametrize(
        ("now", "newest"),
        [
            (datetime(2026, 11, 21, 15, 59, tzinfo=UTC), date(2026, 11, 20)),
            (datetime(2026, 11, 21, 16, 0, tzinfo=UTC), date(2026, 11, 21)),
            (datetime(2026, 3, 1, 0, 0, tzinfo=UTC), date(2026, 2, 28)),
        ],
    )
    def test_are_the_last_seven_that_ended_in_china(self, now: datetime, newest: date) -> None:
        days = due_days(now)

        assert list(days) == [newest - timedelta(days=n) for n in range(7)]

    def test_are_ready_at_ten_the_next_morning_there(self) -> None:
        days = due_days(datetime(2026, 11, 21, 1, 0, tzinfo=UTC))

        assert days[date(2026, 11, 20)] == datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


class TestAWeekOfBills:
    async def test_is_looked_back_upon_once(self, database: Database, checks: BillChecks) -> None:
        first = await checks.claim(100)
        second = await checks.claim(100)

        assert len(first) in (6, 7)  # before ten in China, yesterday's is not ready
        assert second == []
        assert await database.fetchval("SELECT count(*) FROM bill_checks") == 7

    async def test_is_shared_by_two_workers(
        self, database: Database, bills: Bills, checks: BillChecks
    ) -> None:
        other = BillChecks(database=database, bills=bills)

        batches = await asyncio.gather(*(one.claim(2) for one in (checks, other) * 4))

        days = [row.day for batch in batches for row in batch]
        assert len(days) == len(set(days))
        assert len(days) + len(await checks.claim(100)) in (6, 7)

    async def test_is_none_of_a_provider_without_bills(
        self, actor: Actor, database: Database
    ) -> None:
        keeps_none: dict[str, Provider] = {"other": KeepsNone()}  # type: ignore[dict-item]
        bills = Bills(actor=actor, database=database, providers=keeps_none)

        assert await BillChecks(database=database, bills=bills).claim(100) == []
        assert await database.fetchval("SELECT count(*) FROM bill_checks") == 0

    async def test_leaves_rows_of_a_provider_that_is_not_configured(
        self, database: Database
    ) -> None:
        await one_is_due(database)

        assert await claim_bills(database, 10, ["other"]) == []


class TestABillThatIsDue:
    async def test_comes_back_when_its_worker_was_killed(self, database: Database) -> None:
        await one_is_due(database)
        (first,) = await claim_bills(database, 10, [NAME])
        early = await claim_bills(database, 10, [NAME])

        await database.execute("UPDATE bill_checks SET due_at = due_at - $1::interval", CLAIM)
        (second,) = await claim_bills(database, 10, [NAME])

        assert (early, second.day, second.tries) == ([], first.day, 2)

    async def test_is_done_once_it_was_read(
        self, database: Database, checks: BillChecks, keeper: Keeper, order: Order
    ) -> None:
        keeper.has(order.attempts[0].attempt_no, "console1")
        keeper.has("SOMEBODY0ELSE0NO01", "theirs")
        await one_is_due(database)

        await do_round(database, checks)

        row = await database.fetchrow("SELECT * FROM bill_checks")
        assert row is not None
        assert row["done_at"] is not None
        assert (row["due_at"], row["found"], row["unknown"]) == (None, 1, 1)

    async def test_is_tried_again_with_patience_when_it_was_not_read(
        self, database: Database, checks: BillChecks, keeper: Keeper
    ) -> None:
        keeper.is_bill_away = True
        await one_is_due(database, tries=3)

        await do_round(database, checks)

        pause = await database.fetchval("SELECT due_at - now() FROM bill_checks")
        assert timedelta(seconds=5) < pause <= timedelta(seconds=8)
        assert await database.fetchval("SELECT count(*) FROM cases") == 0

    async def test_gives_one_alarm_when_it_stays_unread(
        self, database: Database, checks: BillChecks, keeper: Keeper
    ) -> None:
        keeper.is_bill_away = True
        await one_is_due(database, tries=ALARM_TRIES - 1)
        for _ in range(2):
            await do_round(database, checks)
            await database.execute("UPDATE bill_checks SET due_at = now()")

        case = await database.fetchrow("SELECT * FROM cases")
        assert case is not None
        assert (case["kind"], case["subject"]) == ("UNCHECKED_BILL", "bill:wechat:2026-11-20")
        assert await database.fetchval("SELECT count(*) FROM effects WHERE kind = 'ALARM'") == 1

    async def test_is_given_up_in_the_end(
        self, database: Database, checks: BillChecks, keeper: Keeper
    ) -> None:
        keeper.is_bill_away = True
        await one_is_due(database, tries=MAX_TRIES - 1)

        await do_round(database, checks)

        row = await database.fetchrow("SELECT due_at, done_at FROM bill_checks")
        assert row is not None
        assert (row["due_at"], row["done_at"]) == (None, None)

    @pytest.mark.parametrize("outcome", [RefundOutcome.PROCESSING, RefundOutcome.ABNORMAL])
    async def test_is_looked_at_again_until_its_refunds_are_over(
        self,
        *,
        actor: Actor,
        database: Database,
        checks: BillChecks,
        keeper: Keeper,
        order: Order,
        outcome: RefundOutcome,
    ) -> None:
        keeper.has(order.attempts[0].attempt_no, "console1", outcome)
        await one_is_due(database, tries=5)
        await do_round(database, checks)
        row = await database.fetchrow("SELECT tries, due_at - now() AS pause FROM bill_checks")
        assert row is not None
        assert row["tries"] == 0
        assert timedelta(minutes=59) < row["pause"] <= timedelta(hours=1)
        assert (await actor.load(order.id)).refunds == ()

        keeper.has(order.attempts[0].attempt_no, "console1")
        await database.execute("UPDATE bill_checks SET due_at = now()")
        await do_round(database, checks)

        (refund,) = (await actor.load(order.id)).refunds
        assert (refund.kind, refund.status) == (RefundKind.EXTERNAL, RefundStatus.SUCCEEDED)
        await until_found(database, "SELECT done_at IS NOT NULL FROM bill_checks")

    async def test_comes_back_when_one_of_its_refunds_was_not_recorded(
        self,
        actor: Actor,
        database: Database,
        checks: BillChecks,
        keeper: Keeper,
        order: Order,
    ) -> None:
        keeper.has(order.attempts[0].attempt_no, "console1")
        keeper.has(order.attempts[0].attempt_no, "console2")
        keeper.away.add("console1")
        await one_is_due(database)

        await do_round(database, checks)

        assert [r.refund_no for r in (await actor.load(order.id)).refunds] == ["console2"]
        row = await database.fetchrow("SELECT tries, due_at - now() AS pause FROM bill_checks")
        assert row is not None
        assert row["tries"] == 1
        assert row["pause"] <= timedelta(seconds=1)


class TestARefundPastUs:
    async def test_is_recorded_with_a_question_for_a_person(
        self, actor: Actor, database: Database, bills: Bills, keeper: Keeper, order: Order
    ) -> None:
        keeper.has(order.attempts[0].attempt_no, "console1")

        checked = await bills.check(NAME, DAY)

        after = await actor.load(order.id)
        (refund,) = after.refunds
        assert (refund.kind, refund.amount.amount_minor) == (RefundKind.EXTERNAL, 100)
        assert after.status is OrderStatus.PAID
        assert await database.fetchval("SELECT reason FROM cases") == "not_ours"
        assert [one.moved for one in checked.past_us] == [keeper.refunds["console1"]]
        assert checked.is_over

    async def test_is_asked_about_once(
        self, bills: Bills, keeper: Keeper, order: Order, database: Database
    ) -> None:
        keeper.has(order.attempts[0].attempt_no, "console1")
        await bills.check(NAME, DAY)

        again = await bills.check(NAME, DAY)

        assert keeper.asked == ["console1"]
        assert [(one.billed.refund_no, one.moved) for one in again.past_us] == [("console1", None)]
        assert await database.fetchval("SELECT count(*) FROM refunds") == 1

    async def test_is_recorded_once_by_two_checks_at_once(
        self, bills: Bills, keeper: Keeper, order: Order, database: Database
    ) -> None:
        keeper.has(order.attempts[0].attempt_no, "console1")

        both = await asyncio.gather(*(bills.check(NAME, DAY) for _ in range(2)))

        assert [checked.failure for checked in both] == [None, None]
        assert await database.fetchval("SELECT count(*) FROM refunds") == 1
        assert await database.fetchval("SELECT count(*) FROM cases") == 1

    async def test_is_not_believed_while_its_provider_contradicts_itself(
        self, actor: Actor, bills: Bills, keeper: Keeper, order: Order
    ) -> None:
        keeper.has(order.attempts[0].attempt_no, "console1")
        keeper.forgotten.add("console1")

        checked = await bills.check(NAME, DAY)

        assert checked.failure is not None
        assert checked.failure.code == "not_found"
        assert (await actor.load(order.id)).refunds == ()


class TestARefundOfOurOwn:
    async def test_is_not_asked_about(
        self, actor: Actor, bills: Bills, keeper: Keeper, order: Order
    ) -> None:
        await actor.take_turn(refund_of(order, 100))
        await actor.take_turn(outcome_of(await actor.load(order.id), RefundOutcome.PROCESSING))
        ours = (await actor.load(order.id)).refunds[0]
        keeper.has(ours.attempt_no, ours.refund_no)

        checked = await bills.check(NAME, DAY)

        assert keeper.asked == []
        assert checked.past_us == ()
        assert (await actor.load(order.id)).refunds == (replace(ours),)


class TestARefundOfAnotherService:
    async def test_is_only_counted(
        self, database: Database, bills: Bills, keeper: Keeper, order: Order
    ) -> None:
        keeper.has("SOMEBODY0ELSE0NO01", "theirs")

        checked = await bills.check(NAME, DAY)

        assert (checked.unknown, checked.past_us, keeper.asked) == (1, (), [])
        assert await database.fetchval("SELECT count(*) FROM cases") == 0
        assert order.refunds == ()
