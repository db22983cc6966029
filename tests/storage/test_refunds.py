"""Money on its way back, with many who ask at once and a provider whose answers get lost."""

import asyncio
from random import Random
from unittest.mock import patch

import asyncpg
import pytest
from msgspec.structs import replace

from actors.actor import Actor
from actors.checkout import Checkout
from actors.payers import Merchant
from actors.turn import Turn
from contracts import errors
from contracts.attempt import RefundRequest
from contracts.commands import Cancel, Expire, MarkPaid, OrderCommand, RecordAttempt
from contracts.facts import AttemptClosedAtProvider, FactSource, RefundMoved, RefundOutcome
from contracts.order import Order
from models.engine import Database
from models.refunds import claim_refund
from providers.provider import OutcomeUnknown, ProviderUnreachable
from tests.storage.stage import (
    buy,
    invite_ids,
    opened,
    outcome_of,
    paid,
    payment_of,
    put_on_sale,
    refund_of,
    seats_taken,
    time_is_up,
)

_ENDS = (RefundOutcome.SUCCESS, RefundOutcome.CLOSED, RefundOutcome.PROCESSING)

_BOTH = (RefundOutcome.SUCCESS, RefundOutcome.CLOSED)
_STANDS = """SELECT o.status, o.payment_status, o.refund_status, o.seats_held,
  (SELECT f.status FROM refunds f WHERE f.order_id = o.id ORDER BY f.id DESC LIMIT 1) AS refund,
  (SELECT p.refund_minor FROM payments p WHERE p.order_id = o.id) AS back
FROM orders o WHERE o.id = $1"""

MERCHANT = Merchant(
    provider="wechat", merchant_id="1900000001", appid="wx1", notify_url="http://127.0.0.1/n"
)


class Teller:
    """Moves money at once, but its first answer is lost."""

    name = "wechat"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.moved: RefundMoved | None = None

    async def refund(self, request: RefundRequest) -> RefundMoved:
        """Move the money."""
        self.asked.append("refund")
        self.moved = RefundMoved(
            provider="wechat",
            attempt_no=request.attempt_no,
            refund_no=request.refund_no,
            provider_refund_id="R1",
            refunded=request.amount,
            outcome=RefundOutcome.SUCCESS,
            source=FactSource.QUERY,
        )
        raise OutcomeUnknown("wechat", "refund", "timeout")

    async def query_refund(self, _request: RefundRequest) -> RefundMoved | None:
        """Tell whether it has moved."""
        self.asked.append("query_refund")
        return self.moved


class TestARefund:
    async def test_whose_answer_was_lost_is_asked_about_before_it_is_repeated(
        self, actor: Actor, database: Database
    ) -> None:
        order = await opened(actor, await buy(actor, await put_on_sale(database)))
        await actor.take_turn(payment_of(order))
        second = payment_of(order, provider_txn_id="TXN-2")
        refund = (await actor.take_turn(second)).order.refunds[0]
        teller = Teller()
        checkout = Checkout(
            actor=actor,
            database=database,
            providers={"wechat": teller},  # type: ignore[dict-item]  # as much as refunds need
            merchants={"wechat": MERCHANT},
        )

        for _ in range(2):
            await checkout.refunds.pursue(order.id, refund.refund_no)

        assert teller.asked == ["query_refund", "refund", "query_refund"]
        assert (await actor.load(order.id)).refunds[0].status == "succeeded"


class Twice(Teller):
    """Makes a refund as often as it is told to, lists it late, and is slow about it.

    *lost* says how many answers get lost.
    """

    name = "pingxx"

    def __init__(self, *, lost: int = 0) -> None:
        super().__init__()
        self.lost = lost
        self.is_listed = True

    async def refund(self, request: RefundRequest) -> RefundMoved:
        """Move the money, once more."""
        await asyncio.sleep(0.02)
        try:
            return await super().refund(request)
        except OutcomeUnknown:
            if self.lost:
                self.lost -= 1
                raise
            assert self.moved is not None
            return self.moved

    async def query_refund(self, request: RefundRequest) -> RefundMoved | None:
        """Tell what it lists."""
        await asyncio.sleep(0.02)
        moved = await super().query_refund(request)
        return moved if self.is_listed else None


class TestARefundThatItsProviderWouldMakeTwice:
    @pytest.fixture
    async def order(self, actor: Actor, database: Database) -> Order:
        paid_for = await paid(actor, await put_on_sale(database))
        return (await actor.take_turn(refund_of(paid_for, 100))).order

    def _desk(
        self, actor: Actor, database: Database, teller: Twice, *, pause_seconds: float = 300
    ) -> Checkout:
        merchant = replace(MERCHANT, refund_pause_seconds=pause_seconds)
        return Checkout(
            actor=actor,
            database=database,
            providers={"wechat": teller},  # type: ignore[dict-item]  # as much as refunds need
            merchants={"wechat": merchant},
        )

    async def test_is_made_once_by_a_hundred_who_pursue_it(
        self, actor: Actor, other: Actor, database: Database, order: Order
    ) -> None:
        teller, number = Twice(), order.refunds[0].refund_no
        teller.is_listed = False
        # What is only asked about would hide that two were at it.
        desks = [self._desk(one, database, teller, pause_seconds=0) for one in (actor, other)]

        await asyncio.gather(
            *(desk.refunds.pursue(order.id, number) for desk in desks * 25),
            *(desk.refunds.pursue_briefly(order.id, number) for desk in desks * 25),
        )

        assert teller.asked.count("refund") == 1
        assert (await actor.load(order.id)).refunds[0].status == "succeeded"
        assert await database.fetchval("SELECT claim_until FROM refunds") is None

    async def test_is_only_asked_about_for_a_while_once_it_was_made(
        self, actor: Actor, database: Database, order: Order
    ) -> None:
        teller, number = Twice(lost=1), order.refunds[0].refund_no
        teller.is_listed = False
        desk = self._desk(actor, database, teller)

        for _ in range(3):
            await desk.refunds.pursue(order.id, number)
        made_at_first = teller.asked.count("refund")
        await database.execute("UPDATE refunds SET made_at = made_at - interval '301 s'")
        await desk.refunds.pursue(order.id, number)

        assert (made_at_first, teller.asked.count("refund")) == (1, 2)
        assert (await actor.load(order.id)).refunds[0].status == "succeeded"

    async def test_may_be_made_at_once_where_its_provider_never_heard_of_it(
        self, actor: Actor, database: Database, order: Order
    ) -> None:
        teller, number = Twice(), order.refunds[0].refund_no
        desk = self._desk(actor, database, teller)
        away = ProviderUnreachable("pingxx", "refund", "connect")

        with patch.object(teller, "refund", side_effect=away):
            await desk.refunds.pursue(order.id, number)
        await desk.refunds.pursue(order.id, number)

        assert (await actor.load(order.id)).refunds[0].status == "succeeded"

    async def test_is_taken_up_by_another_when_who_was_at_it_died(
        self, actor: Actor, database: Database, order: Order
    ) -> None:
        teller, number = Twice(), order.refunds[0].refund_no
        desk = self._desk(actor, database, teller)
        await claim_refund(database, number, seconds=30.0)

        is_ours = await desk.refunds.pursue(order.id, number)
        await database.execute("UPDATE refunds SET claim_until = now()")

        assert (is_ours, teller.asked) == (False, [])
        assert await desk.refunds.pursue(order.id, number)
        assert teller.asked == ["query_refund", "refund"]


class TestAHundredRequests:
    async def test_never_send_back_more_than_was_paid(
        self, actor: Actor, other: Actor, lonely: Actor, database: Database
    ) -> None:
        order = await paid(actor, await put_on_sale(database))
        desks = [actor, other, lonely, actor] * 25

        told = await asyncio.gather(
            *(desk.take_turn(refund_of(order, 300)) for desk in desks), return_exceptions=True
        )

        made = [answer for answer in told if isinstance(answer, Turn)]
        refused = [a for a in told if isinstance(a, errors.RefundExceedsPaid | errors.OrderBusy)]
        assert len(made) + len(refused) == 100
        assert 0 < len(made) <= 33
        assert await database.fetchval("SELECT sum(amount_minor) FROM refunds") == 300 * len(made)

    async def test_under_one_key_make_one_refund(
        self, actor: Actor, other: Actor, database: Database
    ) -> None:
        order = await paid(actor, await put_on_sale(database))
        wanted = refund_of(order, 300, idempotency_key="k")

        turns = await asyncio.gather(*(desk.take_turn(wanted) for desk in [actor, other] * 50))

        assert sum(bool(turn.events) for turn in turns) == 1
        assert await database.fetchval("SELECT count(*) FROM refunds") == 1


class TestANamedSeat:
    async def test_goes_back_once_when_the_money_has_gone(
        self, actor: Actor, other: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, tiers={3: 24000})
        order = await paid(actor, sale, quantity=3)
        first, _ = invite_ids(order)
        await actor.take_turn(refund_of(order, 100, invite_ids=(first,)))
        asked = await actor.load(order.id)
        success = outcome_of(asked, RefundOutcome.SUCCESS)

        await asyncio.gather(*(desk.take_turn(success) for desk in [actor, other] * 20))

        assert await seats_taken(database, sale) == 2
        assert await actor.load(order.id) == (await actor.take_turn(success)).order
        assert (
            await database.fetchval(
                "SELECT seats FROM seat_ledger WHERE cause = $1",
                f"refund:{asked.refunds[0].refund_no}",
            )
            == -1
        )

    async def test_goes_back_with_the_rest_when_all_is_refunded(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, tiers={3: 24000})
        order = await paid(actor, sale, quantity=3)
        for amount, seats in ((100, invite_ids(order)[:1]), (None, ())):
            await actor.take_turn(refund_of(order, amount, invite_ids=seats))
            asked = await actor.load(order.id)
            await actor.take_turn(outcome_of(asked, RefundOutcome.SUCCESS))

        assert await seats_taken(database, sale) == 0
        assert (await actor.load(order.id)).status == "REFUNDED"

    async def test_is_the_guests_again_when_the_refund_was_closed(
        self, actor: Actor, database: Database
    ) -> None:
        order = await paid(actor, await put_on_sale(database, tiers={2: 16900}), quantity=2)
        await actor.take_turn(refund_of(order, 100, invite_ids=invite_ids(order)))
        asked = await actor.load(order.id)

        await actor.take_turn(outcome_of(asked, RefundOutcome.CLOSED))

        after = await actor.load(order.id)
        assert (after.invites, after.payment_status) == (order.invites, "PAID")


class TestARefundThatReturns:
    async def test_leaves_the_order_its_money_and_no_seat(
        self, actor: Actor, other: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database, tiers={3: 24000})
        order = await paid(actor, sale, quantity=3)
        await actor.take_turn(refund_of(order))
        asked = await actor.load(order.id)
        words = [outcome_of(asked, end) for end in (RefundOutcome.SUCCESS, RefundOutcome.CLOSED)]

        await asyncio.gather(*(desk.take_turn(w) for desk in [actor, other] * 5 for w in words))

        row = await database.fetchrow(_STANDS, order.id)
        assert row is not None
        assert tuple(row) == ("PAID", "PAID", "returned", 0, "returned", 0)
        assert await seats_taken(database, sale) == 0
        assert await database.fetchval("SELECT array_agg(reason) FROM cases") == [
            "failed_after_success"
        ]

    @pytest.mark.parametrize("ends", [_BOTH, _BOTH[::-1]], ids=["told in order", "told late"])
    async def test_is_sent_back_once_more_when_it_is_asked_for(
        self, actor: Actor, database: Database, ends: tuple[RefundOutcome, ...]
    ) -> None:
        sale = await put_on_sale(database, tiers={3: 24000})
        order = await paid(actor, sale, quantity=3)
        await actor.take_turn(refund_of(order))
        asked = await actor.load(order.id)
        for end in ends:
            await actor.take_turn(outcome_of(asked, end))
        assert await database.fetchval("SELECT refund_minor FROM payments") == 0

        again = (await actor.take_turn(refund_of(order))).order
        await actor.take_turn(outcome_of(again, RefundOutcome.SUCCESS))

        row = await database.fetchrow(_STANDS, order.id)
        assert row is not None
        assert tuple(row) == ("REFUNDED", "REFUNDED", "succeeded", 0, "succeeded", 24000)
        with pytest.raises(errors.RefundExceedsPaid):
            await actor.take_turn(refund_of(order))


class TestARefundNobodyAskedFor:
    async def test_is_kept_and_told_to_a_person(self, actor: Actor, database: Database) -> None:
        order = await paid(actor, await put_on_sale(database))
        await actor.take_turn(refund_of(order, 100))
        ours = outcome_of(await actor.load(order.id), RefundOutcome.SUCCESS)
        theirs = replace(ours, fact=replace(ours.fact, refund_no="console1"))

        for _ in range(2):
            await actor.take_turn(theirs)

        assert await database.fetchval(
            "SELECT kind || status || idempotency_key FROM refunds WHERE refund_no = 'console1'"
        ) == ("externalsucceededexternal:console1")
        assert await database.fetchval("SELECT reason FROM cases") == "not_ours"

    async def test_under_another_orders_number_is_refused(
        self, actor: Actor, database: Database
    ) -> None:
        sale = await put_on_sale(database)
        one, another = await paid(actor, sale, 1), await paid(actor, sale, 2)
        for order in (one, another):
            await actor.take_turn(refund_of(order, 100))
        ours, theirs = [
            outcome_of(await actor.load(order.id), RefundOutcome.SUCCESS)
            for order in (one, another)
        ]
        mixed = replace(theirs, fact=replace(theirs.fact, refund_no=ours.fact.refund_no))

        with pytest.raises(asyncpg.NotNullViolationError):
            await actor.take_turn(mixed)

        assert (
            await database.fetchval("SELECT count(*) FROM refunds WHERE status = 'requested'") == 2
        )


class TestMoneyByHand:
    async def test_goes_back_without_a_provider(self, actor: Actor, database: Database) -> None:
        sale = await put_on_sale(database)
        order = await buy(actor, sale)
        await actor.take_turn(MarkPaid(order_id=order.id, reason="cash", by_user_id=1))

        await actor.take_turn(refund_of(order))

        assert (await actor.load(order.id)).status == "REFUNDED"
        assert await seats_taken(database, sale) == 0
        row = await database.fetchrow("SELECT status, due_at FROM refunds")
        assert row is not None
        assert tuple(row) == ("succeeded", None)


class TestEverythingAtOnce:
    @pytest.mark.parametrize("seed", range(6))
    async def test_gives_each_seat_back_once(
        self, actor: Actor, other: Actor, lonely: Actor, database: Database, seed: int
    ) -> None:
        random = Random(seed)  # noqa: S311 - repeatable is the point
        sale = await put_on_sale(database, tiers={3: 24000})
        order = await opened(actor, await buy(actor, sale, quantity=3))
        await time_is_up(database, order)
        closed = AttemptClosedAtProvider(provider="wechat", attempt_no=order.attempts[0].attempt_no)
        storm: list[OrderCommand] = [
            payment_of(order),
            Cancel(order_id=order.id),
            Expire(order_id=order.id),
            RecordAttempt(order_id=order.id, fact=closed),
            MarkPaid(order_id=order.id, reason="cash", by_user_id=1),
            refund_of(order, 100, idempotency_key="one", invite_ids=invite_ids(order)[:1]),
            refund_of(order, 100, idempotency_key="two", invite_ids=invite_ids(order)),
            refund_of(order, idempotency_key="rest"),
        ]

        for _ in range(4):
            loaded = await actor.load(order.id)
            told = [outcome_of(loaded, random.choice(_ENDS), n) for n in range(len(loaded.refunds))]
            commands = [*storm, *told] * 2
            random.shuffle(commands)
            answers = await asyncio.gather(
                *(random.choice((actor, other, lonely)).take_turn(c) for c in commands),
                return_exceptions=True,
            )
            for answer in answers:
                assert isinstance(answer, Turn | errors.Refusal), answer

        assert await seats_taken(database, sale) == (await actor.load(order.id)).seats_held
