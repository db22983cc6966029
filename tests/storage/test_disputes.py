"""Refunds and disputes that a provider tells by its own number of the payment."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors.actor import Actor
from actors.checkout import Checkout
from actors.inbox import Inbox
from actors.notice_ends import RETRY_SECONDS
from actors.payers import Merchant
from contracts.attempt import BilledRefund
from contracts.commands import RecordRefundRefused
from contracts.facts import Fact, FactSource, RefundMoved, RefundOutcome, RefundSpotted
from contracts.money import Money
from contracts.order import Order
from contracts.states import RefundKind
from models.engine import Database
from models.preflight import check_preflight
from models.refunds import ask_about_refund_soon
from models.sweeps import claim_refunds
from providers.provider import VerifiedNotice
from tests.storage.messenger import Messenger, a_notice
from tests.storage.stage import buy, opened, paid, payment_of, put_on_sale, refund_of

# How a notice ends that has a person asked.
ASKED = "QUARANTINED"
BEGUN, TAKEN, OVER = RefundOutcome.PROCESSING, RefundOutcome.SUCCESS, RefundOutcome.CLOSED


@pytest.fixture
def wechat() -> Messenger:
    return Messenger("wechat", "x-signature-of-it")


@pytest.fixture
async def inbox(actor: Actor, database: Database, wechat: Messenger) -> AsyncIterator[Inbox]:
    inbox = Inbox(actor=actor, database=database, providers={"wechat": wechat})  # type: ignore[dict-item]  # as much as notices need
    yield inbox
    await inbox.close()


def txn_of(order: Order) -> str:
    return f"TXN-{order.attempts[-1].attempt_no}"


def dispute_of(order: Order, outcome: RefundOutcome, **changes: Any) -> RefundMoved:  # noqa: ANN401
    fields: dict[str, Any] = {
        "provider": "wechat",
        "attempt_no": "",
        "refund_no": f"du_{order.id}",
        "provider_refund_id": f"du_{order.id}",
        "refunded": Money(amount_minor=4000, currency="CNY"),
        "outcome": outcome,
        "source": FactSource.NOTICE,
        "kind": RefundKind.DISPUTE,
        "provider_txn_id": txn_of(order),
    }
    return RefundMoved(**(fields | changes))


async def received(inbox: Inbox, wechat: Messenger, *facts: Fact, name: str = "N1") -> int:
    """Store a notice and try once to process it."""
    body = a_notice("charge.dispute", *facts)
    verified = VerifiedNotice(provider="wechat", event_id=name, serial="1")
    stored = await inbox.store(verified, wechat.signed(body), body, None)
    assert stored is not None
    await inbox.process(stored.notice.id)
    return stored.notice.id


async def rows(database: Database) -> list[tuple[Any, ...]]:
    found = await database.fetch(
        "SELECT refund_no, kind, status, amount_minor FROM refunds ORDER BY id"
    )
    return [tuple(row) for row in found]


async def reasons(database: Database) -> list[str]:
    return [row["reason"] for row in await database.fetch("SELECT reason FROM cases ORDER BY id")]


async def how_it_stands(database: Database, notice_id: int) -> tuple[str, str | None]:
    row = await database.fetchrow(
        "SELECT status, reason FROM webhook_events WHERE id = $1", notice_id
    )
    assert row is not None
    return row["status"], row["reason"]


class TestARefundAtTheConsole:
    async def test_that_met_one_of_ours_is_recorded_when_ours_is_refused(
        self, inbox: Inbox, wechat: Messenger, actor: Actor, database: Database
    ) -> None:
        order = await paid(actor, await put_on_sale(database))
        ours = (await actor.take_turn(refund_of(order))).order.refunds[-1]
        fact = dispute_of(order, TAKEN, kind=RefundKind.OURS, refunded=order.total)
        notice_id = await received(inbox, wechat, fact)
        assert await how_it_stands(database, notice_id) == ("FAILED", "RefundUnderWay")

        await actor.take_turn(
            RecordRefundRefused(order_id=order.id, refund_no=ours.refund_no, code="NOT_ENOUGH")
        )
        await inbox.process(notice_id)

        assert await rows(database) == [
            (ours.refund_no, "ours", "failed", 9900),
            (fact.refund_no, "external", "succeeded", 9900),
        ]
        assert (await actor.load(order.id)).status == "REFUNDED"
        assert await reasons(database) == ["NOT_ENOUGH", "not_ours"]


class TestADisputeThatNamesOnlyAPayment:
    async def test_is_found_by_the_providers_number(
        self, inbox: Inbox, wechat: Messenger, actor: Actor, database: Database
    ) -> None:
        order = await paid(actor, await put_on_sale(database))
        await paid(actor, await put_on_sale(database), 2)

        notice_id = await received(inbox, wechat, dispute_of(order, BEGUN))

        assert (await how_it_stands(database, notice_id))[0] == ASKED
        assert await rows(database) == [(f"du_{order.id}", "dispute", "processing", 4000)]
        alarm = "SELECT cause FROM effects WHERE kind = 'ALARM'"
        assert await database.fetchval(alarm) == f"refund:du_{order.id}"
        assert (await actor.load(order.id)).payment_status == "REFUNDING"

    async def test_waits_for_the_payment_that_it_overtook(
        self, inbox: Inbox, wechat: Messenger, actor: Actor, database: Database
    ) -> None:
        order = await opened(actor, await _bought(actor, database))
        notice_id = await received(inbox, wechat, dispute_of(order, TAKEN))
        assert await how_it_stands(database, notice_id) == ("FAILED", "PaymentNotKnown")

        await actor.take_turn(payment_of(order))
        await inbox.process(notice_id)

        assert (await how_it_stands(database, notice_id))[0] == ASKED
        assert await rows(database) == [(f"du_{order.id}", "dispute", "succeeded", 4000)]
        left = "SELECT amount_minor - refund_minor FROM payments"
        assert await database.fetchval(left) == 9900 - 4000

    async def test_of_a_payment_that_never_comes_goes_to_a_person(
        self, inbox: Inbox, wechat: Messenger, actor: Actor, database: Database
    ) -> None:
        order = await opened(actor, await _bought(actor, database))
        wechat.sold[txn_of(order)] = order.attempts[-1].attempt_no
        notice_id = await received(inbox, wechat, dispute_of(order, TAKEN))

        for _ in RETRY_SECONDS:
            await inbox.process(notice_id)

        assert await how_it_stands(database, notice_id) == ("DEAD", "PaymentNotKnown")
        assert await reasons(database) == ["PaymentNotKnown"]

    @pytest.mark.parametrize("carries", ["", "GZZZZZZZZZZZZZZZ01"])
    async def test_of_what_others_sold_is_set_aside(
        self, inbox: Inbox, wechat: Messenger, actor: Actor, database: Database, carries: str
    ) -> None:
        order = await paid(actor, await put_on_sale(database))
        foreign = dispute_of(order, TAKEN, provider_txn_id="pi_of_the_shop_next_door")
        wechat.sold["pi_of_the_shop_next_door"] = carries
        notice_id = await received(inbox, wechat, foreign)
        for _ in range(2):
            await inbox.process(notice_id)
        wechat.is_away = True
        await inbox.process(notice_id)
        assert await how_it_stands(database, notice_id) == ("FAILED", "OutcomeUnknown")

        wechat.is_away = False
        await inbox.process(notice_id)

        assert await how_it_stands(database, notice_id) == ("PROCESSED", "not_ours")
        assert (await rows(database), await reasons(database)) == ([], [])

    async def test_is_one_row_however_its_words_come(
        self, inbox: Inbox, wechat: Messenger, actor: Actor, other: Actor, database: Database
    ) -> None:
        order = await paid(actor, await put_on_sale(database))
        words = [TAKEN, BEGUN, OVER, TAKEN, BEGUN, OVER]
        for n, word in enumerate(words):
            await received(inbox, wechat, dispute_of(order, word), name=f"N{n}")
        neighbour = Inbox(actor=other, database=database, providers={"wechat": wechat})  # type: ignore[dict-item]  # as above
        await asyncio.gather(
            *(
                received(desk, wechat, dispute_of(order, word), name=f"M{n}")
                for n, word in enumerate(words)
                for desk in [(inbox, neighbour)[n % 2]]
            )
        )
        await neighbour.close()

        assert await rows(database) == [(f"du_{order.id}", "dispute", "failed", 4000)]
        assert sorted(await reasons(database)) == ["dispute", "dispute_won"]
        assert await database.fetchval("SELECT refund_minor FROM payments") == 0

    async def test_leaves_the_rest_to_be_sent_back(
        self, inbox: Inbox, wechat: Messenger, actor: Actor, database: Database
    ) -> None:
        order = await paid(actor, await put_on_sale(database))
        await received(inbox, wechat, dispute_of(order, TAKEN))

        refund = (await actor.take_turn(refund_of(order))).order.refunds[-1]

        assert refund.amount.amount_minor == 9900 - 4000


class TestADisputeUnderReview:
    async def test_is_never_asked_for_as_if_it_were_a_refund(
        self, inbox: Inbox, wechat: Messenger, actor: Actor, database: Database
    ) -> None:
        order = await paid(actor, await put_on_sale(database))
        await received(inbox, wechat, dispute_of(order, BEGUN))
        number = f"du_{order.id}"
        checkout = Checkout(
            actor=actor,
            database=database,
            providers={"wechat": wechat},  # type: ignore[dict-item]  # as much as refunds need
            merchants={
                "wechat": Merchant(
                    provider="wechat", merchant_id="m", appid="a", notify_url="http://127.0.0.1/n"
                )
            },
        )

        await checkout.refunds.pursue(order.id, number)
        await ask_about_refund_soon(database, number)

        assert wechat.asked == []
        assert await database.fetchval("SELECT due_at FROM refunds") is None
        assert await claim_refunds(database, 10) == []

    async def test_may_take_weeks(
        self, inbox: Inbox, wechat: Messenger, actor: Actor, database: Database
    ) -> None:
        order = await paid(actor, await put_on_sale(database))
        await received(inbox, wechat, dispute_of(order, BEGUN))
        await database.execute("UPDATE refunds SET updated_at = now() - interval '20 days'")

        found = await check_preflight(database, intent_idle_min=30)

        assert [f.violations for f in found if f.id == "refunds.stuck"] == [0]


class TestARefundThatWasOnlySpotted:
    async def test_is_asked_about(
        self, inbox: Inbox, wechat: Messenger, actor: Actor, database: Database
    ) -> None:
        order = await paid(actor, await put_on_sale(database))
        spotted = RefundSpotted(
            provider="wechat", attempt_no="", refund_no="re_1", provider_txn_id=txn_of(order)
        )
        wechat.moved = dispute_of(order, TAKEN, refund_no="re_1", kind=RefundKind.OURS)

        notice_id = await received(inbox, wechat, spotted)

        asked = BilledRefund(attempt_no="", refund_no="re_1", provider_txn_id=txn_of(order))
        assert wechat.asked == [asked]
        assert (await how_it_stands(database, notice_id))[0] == ASKED
        assert await rows(database) == [("re_1", "external", "succeeded", 4000)]

    @pytest.mark.parametrize("is_away", [True, False])
    async def test_waits_until_its_provider_can_tell(
        self,
        inbox: Inbox,
        wechat: Messenger,
        actor: Actor,
        database: Database,
        *,
        is_away: bool,
    ) -> None:
        order = await paid(actor, await put_on_sale(database))
        wechat.is_away = is_away
        spotted = RefundSpotted(
            provider="wechat", attempt_no="", refund_no="re_1", provider_txn_id=txn_of(order)
        )
        notice_id = await received(inbox, wechat, spotted)
        assert await how_it_stands(database, notice_id) == ("FAILED", "OutcomeUnknown")
        assert await rows(database) == []

        wechat.is_away = False
        wechat.moved = dispute_of(order, TAKEN, refund_no="re_1", kind=RefundKind.OURS)
        await inbox.process(notice_id)

        assert (await how_it_stands(database, notice_id))[0] == ASKED


async def _bought(actor: Actor, database: Database) -> Order:
    return await buy(actor, await put_on_sale(database))
