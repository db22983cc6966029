"""Confirmations on the real database: many at once, lost calls, and what the provider says."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest
from msgspec import structs

from actors.actor import Actor
from actors.calls import WAIT_SECONDS
from actors.checkout import Checkout
from actors.confirmations import Answer, Confirm, Confirmations
from actors.intents import Intents
from actors.payers import Merchant, Payers
from contracts.attempt import AttemptRequest, Opened, PayerParameters
from contracts.commands import Cancel, RecordPayment
from contracts.errors import IdempotencyMismatch, InvalidState, PrepareInProgress, PriceMismatch
from contracts.facts import FactSource, PaymentNotPaid, PaymentSucceeded, QueryFact
from contracts.order import Order
from contracts.states import AttemptResult, AttemptState, Channel, OrderStatus
from models.engine import Database
from models.intents import Wanted
from models.payment_keys import Key, Scope
from providers.provider import OutcomeUnknown, ProviderError, ProviderRefused
from tests.storage.stage import buy, put_on_sale

MERCHANT = Merchant(provider="wechat", merchant_id="m", appid="a", notify_url="http://127.0.0.1/n")


class Teller:
    """A provider of one channel that goes on by itself; it counts and may fail first."""

    name = "wechat"
    channels = frozenset({Channel.MOCK})

    def __init__(self) -> None:
        self.opened: list[AttemptRequest] = []
        self.queries = 0
        self.failures: list[ProviderError] = []
        self.needs_payer = False
        self.was_asked = asyncio.Event()
        self.may_open = asyncio.Event()
        self.may_open.set()

    async def open(self, request: AttemptRequest) -> Opened:
        """Open an attempt, slowly enough for everybody to want one meanwhile."""
        self.opened.append(request)
        self.was_asked.set()
        await asyncio.sleep(0.05)
        await self.may_open.wait()
        if self.failures:
            raise self.failures.pop()
        return Opened(reference=f"txn_{request.attempt_no}", needs_payer=self.needs_payer)

    async def query(self, request: AttemptRequest, _opened: Opened | None = None) -> QueryFact:
        """Say that it is paid, unless its payer is awaited."""
        self.queries += 1
        if self.needs_payer:
            return PaymentNotPaid(
                provider="wechat", attempt_no=request.attempt_no, asked_at=datetime.now(UTC)
            )
        return PaymentSucceeded(
            provider="wechat",
            attempt_no=request.attempt_no,
            provider_txn_id=f"txn_{request.attempt_no}",
            paid=request.amount,
            merchant_id=request.merchant_id,
            appid=request.appid,
            paid_at=datetime.now(UTC),
            source=FactSource.QUERY,
        )

    def payer_parameters(
        self, _request: AttemptRequest, _opened: Opened, _now: object
    ) -> PayerParameters:
        """Have nothing for a client."""
        raise ProviderRefused("wechat", "payer_parameters", "NO_CLIENT")


class Till:
    """One process that confirms."""

    def __init__(
        self,
        database: Database,
        actor: Actor,
        teller: Teller,
        *,
        webhook_only: bool = True,
        merchant: Merchant = MERCHANT,
    ) -> None:
        self._intents = Intents(database=database, actor=actor)
        providers, merchants = {"wechat": teller}, {"wechat": merchant}
        self.checkout = Checkout(
            actor=actor,
            database=database,
            providers=providers,  # type: ignore[arg-type]  # as much as opening needs
            merchants=merchants,
        )
        payers = Payers(
            database=database,
            providers=providers,  # type: ignore[arg-type]  # the same
            merchants=merchants,
        )
        self._confirmations = Confirmations(
            database=database,
            actor=actor,
            attempts=self.checkout.attempts,
            payers=payers,
            webhook_only=webhook_only,
        )

    async def intent(self, order: Order) -> int:
        """Ask for an order's intent."""
        key = Key(scope=Scope.INTENT, holder_id=order.id, key="k", body_hash="h")
        made = await self._intents.create(
            Wanted(user_id=order.user_id, amount=order.total, key=key)
        )
        return made.intent_id

    async def confirm(self, intent_id: int, key: str = "k", simulate: str | None = None) -> Answer:
        """Confirm it."""
        return await self._confirmations.confirm(
            Confirm(
                user_id=1,
                key=Key(
                    scope=Scope.CONFIRM, holder_id=intent_id, key=key, body_hash=f"h{simulate}"
                ),
                simulate=simulate,
            )
        )


@pytest.fixture
def teller() -> Teller:
    return Teller()


@pytest.fixture
async def till(database: Database, actor: Actor, teller: Teller) -> AsyncIterator[Till]:
    till = Till(database, actor, teller)
    yield till
    teller.may_open.set()
    await till.checkout.close()


@pytest.fixture
async def order(database: Database, actor: Actor) -> Order:
    return await buy(actor, await put_on_sale(database))


async def claims_run_out(database: Database) -> None:
    await database.execute("UPDATE payment_attempts SET claim_until = now()")


def told(answers: Sequence[Answer]) -> set[tuple[int, AttemptResult]]:
    return {(answer.attempt_id, answer.status) for answer in answers}


class TestAHundredConfirmations:
    async def test_under_one_key_make_one_attempt_and_one_call(
        self, till: Till, database: Database, other: Actor, *, teller: Teller, order: Order
    ) -> None:
        intent_id = await till.intent(order)
        tills = [till, Till(database, other, teller)]

        answers = await asyncio.gather(*(tills[n % 2].confirm(intent_id) for n in range(100)))

        assert len(teller.opened) == 1
        assert len(told(answers)) == 1
        assert sum(answer.is_new for answer in answers) == 1
        assert len((await other.load(order.id)).attempts) == 1

    async def test_under_keys_of_their_own_find_the_one_attempt(
        self, till: Till, teller: Teller, order: Order
    ) -> None:
        intent_id = await till.intent(order)

        answers = await asyncio.gather(*(till.confirm(intent_id, f"k{n}") for n in range(100)))

        assert len(teller.opened) == 1
        assert len(told(answers)) == 1


class TestAConfirmation:
    async def test_is_processing_when_the_provider_goes_on_by_itself(
        self, till: Till, actor: Actor, teller: Teller, order: Order
    ) -> None:
        answer = await till.confirm(await till.intent(order))

        assert answer.status is AttemptResult.PROCESSING
        after = await actor.load(order.id)
        assert after.status is OrderStatus.PENDING
        assert after.last_payment_attempt_status is AttemptResult.PROCESSING
        assert teller.queries == 0

    async def test_waits_for_its_payer_without_anything_for_a_client(
        self, till: Till, teller: Teller, order: Order
    ) -> None:
        teller.needs_payer = True

        answer = await till.confirm(await till.intent(order))

        assert (answer.status, answer.parameters) == (AttemptResult.REQUIRES_ACTION, None)

    async def test_that_is_refused_has_failed_and_another_key_tries_again(
        self, till: Till, actor: Actor, teller: Teller, order: Order
    ) -> None:
        teller.failures = [ProviderRefused("wechat", "open", "DECLINED")]
        intent_id = await till.intent(order)

        failed, again = [await till.confirm(intent_id) for _ in range(2)]
        another = await till.confirm(intent_id, "k2")

        assert (failed.status, failed.is_new) == (AttemptResult.FAILED, True)
        assert told([failed]) == told([again])
        assert (another.status, another.is_new) == (AttemptResult.PROCESSING, True)
        after = await actor.load(order.id)
        assert [attempt.state for attempt in after.attempts] == [
            AttemptState.REFUSED,
            AttemptState.OPEN,
        ]

    async def test_whose_answer_was_lost_before_it_was_remembered_is_found_again(
        self, till: Till, database: Database, teller: Teller, order: Order
    ) -> None:
        teller.failures = [ProviderRefused("wechat", "open", "DECLINED")]
        intent_id = await till.intent(order)
        first = await till.confirm(intent_id)
        await database.execute("DELETE FROM payment_keys WHERE scope = 'confirm'")

        again = await till.confirm(intent_id)

        assert told([first]) == told([again])
        assert (again.is_new, len(teller.opened)) == (False, 1)

    async def test_whose_call_was_lost_is_opened_again_and_has_its_first_answer(
        self, till: Till, actor: Actor, teller: Teller, order: Order
    ) -> None:
        teller.failures = [OutcomeUnknown("wechat", "open", "timeout")]
        teller.needs_payer = True
        intent_id = await till.intent(order)

        lost, found, once_more = [await till.confirm(intent_id) for _ in range(3)]

        assert told([lost, found, once_more]) == {(lost.attempt_id, AttemptResult.PROCESSING)}
        assert (found.is_new, found.channel) == (False, None)
        first, second = teller.opened
        assert first == second
        assert [a.state for a in (await actor.load(order.id)).attempts] == [AttemptState.OPEN]
        other = await till.confirm(intent_id, "k2")
        assert told([other]) == {(lost.attempt_id, AttemptResult.REQUIRES_ACTION)}

    async def test_whose_call_was_lost_is_left_alone_once_nobody_can_pay(
        self, till: Till, actor: Actor, teller: Teller, order: Order
    ) -> None:
        teller.failures = [OutcomeUnknown("wechat", "open", "timeout")]
        intent_id = await till.intent(order)
        first = await till.confirm(intent_id)
        await actor.take_turn(Cancel(order_id=order.id))

        again = await till.confirm(intent_id)

        assert told([first]) == told([again])
        assert len(teller.opened) == 1

    async def test_that_is_repeated_while_its_call_is_under_way_waits_as_long_as_that_may_take(
        self, till: Till, teller: Teller, order: Order
    ) -> None:
        intent_id = await till.intent(order)
        teller.may_open.clear()
        first = asyncio.create_task(till.confirm(intent_id))
        await teller.was_asked.wait()

        repeat = asyncio.create_task(till.confirm(intent_id))
        await asyncio.wait({repeat}, timeout=WAIT_SECONDS + 0.5)
        assert not repeat.done()
        teller.may_open.set()

        assert told([await first]) == told([await repeat])
        assert len(teller.opened) == 1

    @pytest.mark.parametrize("key", ["k", "k2"])
    async def test_whose_opener_never_called_is_opened_by_a_repeat_when_the_claim_is_over(
        self, till: Till, database: Database, teller: Teller, order: Order, *, key: str
    ) -> None:
        intent_id = await till.intent(order)
        teller.may_open.clear()
        dead = asyncio.create_task(till.confirm(intent_id))
        await teller.was_asked.wait()
        repeats = [asyncio.create_task(till.confirm(intent_id, key)) for _ in range(5)]
        await asyncio.wait(repeats, timeout=0.3)
        assert len(teller.opened) == 1

        await claims_run_out(database)
        async with asyncio.timeout(30):
            while len(teller.opened) < 2:  # noqa: ASYNC110 - a claim that is over sets no event
                await asyncio.sleep(0.01)
        # Long enough for another to ask as well, if it could.
        await asyncio.wait(repeats, timeout=0.3)
        assert len(teller.opened) == 2
        teller.may_open.set()

        assert told(await asyncio.gather(dead, *repeats)) == {
            ((await dead).attempt_id, AttemptResult.PROCESSING)
        }
        assert len(set(map(repr, teller.opened))) == 1

    async def test_that_is_paid_while_it_is_opened_is_processing_for_the_key_that_started_it(
        self, till: Till, actor: Actor, teller: Teller, order: Order
    ) -> None:
        intent_id = await till.intent(order)
        teller.may_open.clear()
        first = asyncio.create_task(till.confirm(intent_id))
        await teller.was_asked.wait()
        fact = await teller.query(teller.opened[0])
        assert isinstance(fact, PaymentSucceeded)
        await actor.take_turn(RecordPayment(order_id=order.id, fact=fact))

        repeat = await till.confirm(intent_id)
        teller.may_open.set()
        answers = [await first, repeat, await till.confirm(intent_id)]
        later = await till.confirm(intent_id, "k2")

        assert told(answers) == {(later.attempt_id, AttemptResult.PROCESSING)}
        assert [answer.paid_at for answer in answers] == [None] * 3
        assert (later.status, later.paid_at) == (AttemptResult.SUCCEEDED, fact.paid_at)

    async def test_of_a_paid_intent_is_remembered_too(
        self, till: Till, actor: Actor, teller: Teller, order: Order
    ) -> None:
        intent_id = await till.intent(order)
        await till.confirm(intent_id)
        fact = await teller.query(teller.opened[0])
        assert isinstance(fact, PaymentSucceeded)
        await actor.take_turn(RecordPayment(order_id=order.id, fact=fact))

        first, again = [await till.confirm(intent_id, "k2") for _ in range(2)]

        assert told([first]) == told([again])
        assert first.paid_at == again.paid_at == fact.paid_at
        with pytest.raises(IdempotencyMismatch):
            await till.confirm(intent_id, "k2", simulate="failed")

    async def test_whose_opener_died_is_opened_again_with_the_same_snapshot(
        self, till: Till, database: Database, teller: Teller, order: Order
    ) -> None:
        intent_id = await till.intent(order)
        teller.may_open.clear()
        dead = asyncio.create_task(till.confirm(intent_id))
        await teller.was_asked.wait()
        await claims_run_out(database)
        teller.may_open.set()

        found = await till.confirm(intent_id)

        assert found.status is AttemptResult.PROCESSING
        assert found.attempt_id == (await dead).attempt_id
        assert len(set(map(repr, teller.opened))) == 1

    async def test_is_told_to_come_back_while_another_takes_long(
        self, database: Database, actor: Actor, teller: Teller, order: Order
    ) -> None:
        till = Till(database, actor, teller, merchant=structs.replace(MERCHANT, call_seconds=0.0))
        intent_id = await till.intent(order)
        teller.may_open.clear()
        first = asyncio.create_task(till.confirm(intent_id))
        await teller.was_asked.wait()

        try:
            for key in ("k", "k2"):
                with pytest.raises(PrepareInProgress):
                    await till.confirm(intent_id, key)
        finally:
            teller.may_open.set()

        assert (await first).is_new
        assert len(teller.opened) == 1

    async def test_with_another_wish_under_its_key_is_refused_while_it_is_under_way(
        self, till: Till, teller: Teller, order: Order
    ) -> None:
        intent_id = await till.intent(order)
        teller.may_open.clear()
        first = asyncio.create_task(till.confirm(intent_id))
        await teller.was_asked.wait()

        try:
            with pytest.raises(IdempotencyMismatch):
                await till.confirm(intent_id, simulate="failed")
        finally:
            teller.may_open.set()

        assert (await first).status is AttemptResult.PROCESSING

    async def test_of_an_ended_intent_is_refused_without_a_turn_of_its_order(
        self, till: Till, database: Database, order: Order
    ) -> None:
        intent_id = await till.intent(order)
        await database.execute(
            "UPDATE payment_intents SET ended_at = now(), end_reason = 'INTENT_EXPIRED'"
        )

        async with database.transaction() as tx:
            # A turn would wait for this, and not long.
            await tx.execute("SELECT FROM orders FOR UPDATE")
            with pytest.raises(InvalidState):
                await till.confirm(intent_id)

    async def test_never_pays_another_price_than_its_intent_says(
        self,
        till: Till,
        database: Database,
        actor: Actor,
        *,
        teller: Teller,
        order: Order,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        intent_id = await till.intent(order)
        take_turn = actor.take_turn

        async def repriced(command: object) -> object:
            await database.execute("UPDATE orders SET total_minor = 1 WHERE id = $1", order.id)
            return await take_turn(command)  # type: ignore[arg-type]  # passed on as it came

        monkeypatch.setattr(actor, "take_turn", repriced)
        with pytest.raises(PriceMismatch):
            await till.confirm(intent_id)
        await database.execute(
            "UPDATE orders SET total_minor = $2 WHERE id = $1", order.id, order.total.amount_minor
        )

        assert teller.opened == []


class TestWithoutWebhookOnly:
    async def test_an_immediate_success_settles_by_the_turn_of_all_facts(
        self, database: Database, actor: Actor, teller: Teller, order: Order
    ) -> None:
        till = Till(database, actor, teller, webhook_only=False)
        intent_id = await till.intent(order)

        answers = [await till.confirm(intent_id) for _ in range(2)]
        another = await till.confirm(intent_id, "k2")

        assert {answer.status for answer in (*answers, another)} == {AttemptResult.SUCCEEDED}
        assert all(answer.paid_at for answer in (*answers, another))
        after = await actor.load(order.id)
        assert after.status is OrderStatus.PAID
        assert after.settlement is not None
        assert after.settlement.source == FactSource.QUERY
        assert (len(teller.opened), teller.queries) == (1, 1)

    async def test_what_waits_for_its_payer_is_not_asked_about(
        self, database: Database, actor: Actor, teller: Teller, order: Order
    ) -> None:
        teller.needs_payer = True
        till = Till(database, actor, teller, webhook_only=False)

        answer = await till.confirm(await till.intent(order))

        assert (answer.status, teller.queries) == (AttemptResult.REQUIRES_ACTION, 0)
