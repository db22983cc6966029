"""Normalized events through the real inbox and database: each once, in any order, none lost."""

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from actors.actor import Actor
from actors.inbox import Inbox, Received
from actors.normalized import NormalizedEvents, identify
from contracts.commands import RecordAttempt, RecordOpenFailed, StartAttempt
from contracts.facts import AttemptClosedAtProvider
from contracts.order import Order
from contracts.states import Channel, OrderStatus
from models.engine import Database
from tests.storage.stage import (
    OnSale,
    a_start,
    buy,
    opened,
    payment_of,
    put_on_sale,
    refund_of,
    seats_taken,
)
from tests.storage.told import SECRET, an_event, intent_of, signed

SEED = 20261121
SAMPLES = 60
KINDS = (
    "payment.succeeded",
    "payment.failed",
    "payment.requires_action",
    "refund.succeeded",
    "refund.failed",
)


def inbox_of(
    actor: Actor,
    database: Database,
    providers: Collection[str] = frozenset({"wechat"}),
    believed: Collection[str] = frozenset({"wechat"}),
) -> Inbox:
    """Keep one process's inbox; what WeChat Pay itself would say is not asked for."""
    events = NormalizedEvents(
        database=database, providers=providers, believed=believed, secret=SECRET
    )
    return Inbox(actor=actor, database=database, providers={}, events=events)


@pytest.fixture
async def inbox(actor: Actor, database: Database) -> AsyncIterator[Inbox]:
    inbox = inbox_of(actor, database)
    yield inbox
    await inbox.close()


@pytest.fixture
async def sale(database: Database) -> OnSale:
    return await put_on_sale(database)


@pytest.fixture
async def order(actor: Actor, sale: OnSale) -> Order:
    return await opened(actor, await buy(actor, sale))


async def store(inbox: Inbox, body: bytes) -> Received | None:
    return await inbox.store(identify(body, "msg_1"), signed(body), body, None)


async def tell(inbox: Inbox, body: bytes) -> int:
    """Deliver an event as the door does, and wait for what follows from it."""
    received = await store(inbox, body)
    if received is None:
        inbox.resume_soon(identify(body, "msg_1"))
    else:
        inbox.process_soon(received)
    while inbox._background:  # noqa: SLF001 - the one way to know that nothing is under way
        await asyncio.wait(inbox._background)  # noqa: SLF001 - as above
    return 0 if received is None else received.notice.id


async def row_of(database: Database, notice_id: int) -> dict[str, Any]:
    row = await database.fetchrow("SELECT * FROM webhook_events WHERE id = $1", notice_id)
    assert row is not None
    return dict(row)


def a_second(order: Order) -> StartAttempt:
    """Have another way to pay opened beside the first."""
    return a_start(order, Channel.WECHAT_JSAPI)


async def known_as(database: Database, order: Order, number: str, n: int = 0) -> None:
    """Let the provider have said when an attempt opened what it calls its payment."""
    await database.execute(
        """UPDATE payment_attempts SET
             opened = coalesce(opened, '{}') || jsonb_build_object('reference', $2::text)
           WHERE attempt_no = $1""",
        order.attempts[n].attempt_no,
        number,
    )


async def untouched(database: Database, order: Order) -> bool:
    """Tell whether nothing was written for an order since."""
    version = await database.fetchval("SELECT version FROM orders WHERE id = $1", order.id)
    return bool(version == order.version)


async def due(database: Database) -> list[str]:
    """List the attempts that the sweep would ask about now."""
    rows = await database.fetch(
        "SELECT attempt_no FROM payment_attempts WHERE due_at <= now() ORDER BY id"
    )
    return [row["attempt_no"] for row in rows]


class TestAnEventOfAPayment:
    async def test_that_succeeded_settles_the_order(
        self, inbox: Inbox, actor: Actor, database: Database, order: Order
    ) -> None:
        intent_id = await intent_of(database, order.id)
        body = an_event("payment.succeeded", order.id, intent_id, provider_txn_id="T9")
        notice_id = await tell(inbox, body)

        paid = await actor.load(order.id)
        assert paid.status is OrderStatus.PAID
        assert [p.provider_txn_id for p in paid.payments] == ["T9"]
        row = await row_of(database, notice_id)
        assert (row["status"], row["order_id"], row["provider"]) == (
            "PROCESSED",
            order.id,
            "wechat",
        )

    async def test_that_failed_leaves_the_order_to_be_paid(
        self, inbox: Inbox, actor: Actor, database: Database, order: Order
    ) -> None:
        body = an_event("payment.failed", order.id, await intent_of(database, order.id))
        await tell(inbox, body)

        left = await actor.load(order.id)
        assert (left.status, left.last_payment_attempt_status) == ("PENDING", "failed")

    async def test_of_an_unknown_kind_is_kept_and_moves_nothing(
        self, inbox: Inbox, database: Database, order: Order
    ) -> None:
        body = an_event("payment.thought_about", order.id, await intent_of(database, order.id))
        row = await row_of(database, await tell(inbox, body))

        assert (row["status"], row["reason"]) == ("PROCESSED", "no_money")
        assert await untouched(database, order)

    async def test_finds_its_attempt_by_the_providers_number(
        self, inbox: Inbox, actor: Actor, database: Database, order: Order
    ) -> None:
        await known_as(database, order, "T1")
        await actor.take_turn(a_second(order))
        body = an_event(
            "payment.succeeded",
            order.id,
            await intent_of(database, order.id),
            provider_txn_id="T1",
        )
        await tell(inbox, body)

        paid = await actor.load(order.id)
        assert [p.attempt_no for p in paid.payments] == [order.attempts[0].attempt_no]

    async def test_without_a_number_is_one_payment_of_each_attempt_named(
        self, inbox: Inbox, actor: Actor, database: Database, order: Order
    ) -> None:
        two = (await actor.take_turn(a_second(order))).order
        intent_id = await intent_of(database, two.id)
        for attempt in two.attempts:
            number = attempt.attempt_no
            await tell(inbox, an_event("payment.succeeded", two.id, intent_id, attempt_no=number))

        paid = await actor.load(two.id)
        assert [payment.honoured for payment in paid.payments] == [True, False]
        assert [refund.attempt_no for refund in paid.refunds] == [two.attempts[1].attempt_no]

    async def test_that_failed_says_nothing_of_an_attempt_after_it(
        self, inbox: Inbox, actor: Actor, database: Database, order: Order
    ) -> None:
        await known_as(database, order, "T1")
        await actor.take_turn(a_second(order))
        intent_id = await intent_of(database, order.id)
        await tell(inbox, an_event("payment.failed", order.id, intent_id, provider_txn_id="T1"))

        left = await actor.load(order.id)
        assert (left.status, left.last_payment_attempt_status) == ("PENDING", "processing")


class TestAnEventThatNamesNoAttempt:
    @pytest.fixture
    async def two(self, actor: Actor, database: Database, order: Order) -> Order:
        """Have a second attempt opened beside the first, both asked about in an hour."""
        both = (await actor.take_turn(a_second(order))).order
        await database.execute("UPDATE payment_attempts SET due_at = now() + interval '1 hour'")
        return both

    async def test_that_succeeded_is_held_where_several_could_be_paid(
        self, inbox: Inbox, database: Database, two: Order
    ) -> None:
        body = an_event("payment.succeeded", two.id, await intent_of(database, two.id))
        row = await row_of(database, await tell(inbox, body))

        assert (row["status"], row["reason"]) == ("QUARANTINED", "attempt")
        assert await untouched(database, two)
        assert await due(database) == [attempt.attempt_no for attempt in two.attempts]

    @pytest.mark.parametrize("is_first_over", [False, True])
    async def test_that_succeeded_is_of_the_one_that_was_not_refused(
        self,
        inbox: Inbox,
        actor: Actor,
        database: Database,
        two: Order,
        *,
        is_first_over: bool,
    ) -> None:
        first, second = (attempt.attempt_no for attempt in two.attempts)
        await actor.take_turn(RecordOpenFailed(order_id=two.id, attempt_no=second, burnt=True))
        if is_first_over:
            closed = AttemptClosedAtProvider(provider="wechat", attempt_no=first)
            await actor.take_turn(RecordAttempt(order_id=two.id, fact=closed))
        intent_id = await intent_of(database, two.id)
        await tell(inbox, an_event("payment.succeeded", two.id, intent_id, provider_txn_id="T9"))

        paid = await actor.load(two.id)
        assert [(p.attempt_no, p.provider_txn_id) for p in paid.payments] == [(first, "T9")]

    async def test_that_succeeded_is_of_the_one_that_is_not_over(
        self, inbox: Inbox, actor: Actor, database: Database, two: Order
    ) -> None:
        first, second = (attempt.attempt_no for attempt in two.attempts)
        closed = AttemptClosedAtProvider(provider="wechat", attempt_no=first)
        await actor.take_turn(RecordAttempt(order_id=two.id, fact=closed))
        intent_id = await intent_of(database, two.id)
        await tell(inbox, an_event("payment.succeeded", two.id, intent_id, provider_txn_id="T9"))

        paid = await actor.load(two.id)
        assert [payment.attempt_no for payment in paid.payments] == [second]

    async def test_but_a_payment_that_is_known_is_of_that_payments(
        self, inbox: Inbox, actor: Actor, database: Database, two: Order
    ) -> None:
        paid = (await actor.take_turn(payment_of(two, 0))).order
        (payment,) = paid.payments
        body = an_event(
            "payment.succeeded",
            two.id,
            await intent_of(database, two.id),
            provider_txn_id=payment.provider_txn_id,
        )
        row = await row_of(database, await tell(inbox, body))

        assert row["status"] == "PROCESSED"
        assert (await actor.load(two.id)).payments == (payment,)

    @pytest.mark.parametrize("kind", ["payment.failed", "payment.requires_action"])
    async def test_ends_none_of_several(
        self, inbox: Inbox, database: Database, two: Order, kind: str
    ) -> None:
        body = an_event(kind, two.id, await intent_of(database, two.id))
        row = await row_of(database, await tell(inbox, body))

        assert (row["status"], row["reason"]) == ("PROCESSED", "unidentified")
        assert await untouched(database, two)

    @pytest.mark.parametrize("state", ["OPENING", "UNKNOWN"])
    async def test_ends_none_whose_opening_is_under_way(
        self, inbox: Inbox, actor: Actor, database: Database, sale: OnSale, state: str
    ) -> None:
        order = (await actor.take_turn(a_start(await buy(actor, sale)))).order
        number = order.attempts[0].attempt_no
        if state == "UNKNOWN":
            lost = RecordOpenFailed(order_id=order.id, attempt_no=number, burnt=False)
            order = (await actor.take_turn(lost)).order
        intent_id = await intent_of(database, order.id)
        row = await row_of(
            database, await tell(inbox, an_event("payment.failed", order.id, intent_id))
        )

        assert (row["status"], row["reason"]) == ("PROCESSED", "unidentified")
        assert (await actor.load(order.id)).attempts[0].state == state

        await tell(inbox, an_event("payment.failed", order.id, intent_id, attempt_no=number))
        assert (await actor.load(order.id)).attempts[0].state == "CLOSED"


class TestAnEventThatContradicts:
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"amount": 9901}, "amount"),
            ({"amount": 1}, "amount"),
            ({"currency": "USD"}, "amount"),
            ({"currency": "cny"}, "amount"),
            ({"status": "failed"}, "status"),
            ({"provider": "mock"}, "provider"),
            ({"provider": "somebody"}, "provider"),
            ({"intent_id": 2**53 - 1}, "intent"),
            ({"order_id": 2**53 - 1}, "intent"),
        ],
        ids=str,
    )
    async def test_is_held_for_a_person_and_moves_nothing(
        self,
        inbox: Inbox,
        database: Database,
        order: Order,
        changes: dict[str, Any],
        reason: str,
    ) -> None:
        named = {"order_id": order.id, "intent_id": await intent_of(database, order.id)}
        body = an_event("payment.succeeded", **(named | changes))
        notice_id = await tell(inbox, body)

        row = await row_of(database, notice_id)
        assert (row["status"], row["reason"]) == ("QUARANTINED", reason)
        case = await database.fetchrow("SELECT kind, subject, reason FROM cases")
        assert case is not None
        assert tuple(case) == ("EVENT_MISMATCH", f"notice:{notice_id}", reason)
        assert await database.fetchval("SELECT count(*) FROM effects WHERE kind = 'ALARM'") == 1
        assert await untouched(database, order)
        assert await database.fetchval("SELECT count(*) FROM payments") == 0

    async def test_is_never_taken_for_another_orders_intent(
        self, inbox: Inbox, actor: Actor, database: Database, order: Order, sale: OnSale
    ) -> None:
        other = await opened(actor, await buy(actor, sale, user_id=2))
        body = an_event("payment.succeeded", order.id, await intent_of(database, other.id))
        row = await row_of(database, await tell(inbox, body))

        assert (row["status"], row["reason"]) == ("QUARANTINED", "intent")
        assert await untouched(database, order)
        assert await untouched(database, other)

    async def test_by_naming_an_intent_that_nobody_confirmed_is_held(
        self, inbox: Inbox, actor: Actor, database: Database, order: Order
    ) -> None:
        older = await database.fetchval(
            """INSERT INTO payment_intents (order_id, provider, amount_minor, currency, ended_at,
                 end_reason) VALUES ($1, 'wechat', 9900, 'CNY', now(), 'INTENT_EXPIRED')
               RETURNING id""",
            order.id,
        )
        row = await row_of(
            database, await tell(inbox, an_event("payment.succeeded", order.id, older))
        )

        assert (row["status"], row["reason"]) == ("QUARANTINED", "no_attempt")
        assert (await actor.load(order.id)).status is OrderStatus.PENDING

    async def test_that_nobody_can_read_is_a_dead_letter(
        self, inbox: Inbox, database: Database
    ) -> None:
        row = await row_of(database, await tell(inbox, b'{"event_id":"evt_1","type":"x"}'))

        assert (row["status"], row["provider"]) == ("DEAD", "unknown")
        assert row["event_id"].startswith("sha256:")
        assert await database.fetchval("SELECT kind FROM cases") == "UNREADABLE_NOTICE"

    @pytest.mark.parametrize(
        "created_at", ["1999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", None]
    )
    async def test_that_is_of_no_time_of_ours_is_a_dead_letter(
        self, inbox: Inbox, database: Database, order: Order, created_at: str | None
    ) -> None:
        told = json.loads(
            an_event("payment.succeeded", order.id, await intent_of(database, order.id))
        )
        soon = datetime.now(UTC) + timedelta(days=1, minutes=5)
        told["created_at"] = created_at or soon.isoformat()
        row = await row_of(database, await tell(inbox, json.dumps(told).encode()))

        assert (row["status"], row["reason"]) == ("DEAD", "created_at")
        assert await untouched(database, order)

    async def test_by_a_payment_of_another_order_is_held(
        self, inbox: Inbox, actor: Actor, database: Database, order: Order, sale: OnSale
    ) -> None:
        other = await opened(actor, await buy(actor, sale, user_id=2))
        for one, ended in ((other, ("PROCESSED", None)), (order, ("QUARANTINED", "txn"))):
            intent_id = await intent_of(database, one.id)
            body = an_event("payment.succeeded", one.id, intent_id, provider_txn_id="T7")
            row = await row_of(database, await tell(inbox, body))
            assert (row["status"], row["reason"]) == ended

        assert await untouched(database, order)

    async def test_by_a_payment_of_another_attempt_is_held(
        self, inbox: Inbox, actor: Actor, database: Database, order: Order
    ) -> None:
        second = (await actor.take_turn(a_second(order))).order.attempts[-1].attempt_no
        paid = (await actor.take_turn(payment_of(order))).order
        body = an_event(
            "payment.succeeded",
            order.id,
            await intent_of(database, order.id),
            attempt_no=second,
            provider_txn_id=paid.payments[0].provider_txn_id,
        )
        row = await row_of(database, await tell(inbox, body))

        assert (row["status"], row["reason"]) == ("QUARANTINED", "txn")
        assert await untouched(database, paid)

    @pytest.mark.parametrize("way", ["our number", "none", "none, it is over", "none, it is paid"])
    async def test_by_another_number_than_the_providers_is_held(
        self, inbox: Inbox, actor: Actor, database: Database, order: Order, way: str
    ) -> None:
        (attempt,) = order.attempts
        await known_as(database, order, "T1")
        if way == "none, it is over":
            closed = AttemptClosedAtProvider(provider="wechat", attempt_no=attempt.attempt_no)
            order = (await actor.take_turn(RecordAttempt(order_id=order.id, fact=closed))).order
        if way == "none, it is paid":
            order = (await actor.take_turn(payment_of(order, provider_txn_id="T1"))).order
        number = attempt.attempt_no if way == "our number" else None
        intent_id = await intent_of(database, order.id)
        invented, genuine = (
            an_event("payment.succeeded", order.id, intent_id, attempt_no=no, provider_txn_id=txn)
            for no, txn in ((number, "T9"), (attempt.attempt_no, "T1"))
        )
        row = await row_of(database, await tell(inbox, invented))

        assert (row["status"], row["reason"]) == ("QUARANTINED", "txn")
        assert await untouched(database, order)

        await tell(inbox, genuine)
        paid = await actor.load(order.id)
        assert (paid.status, [p.provider_txn_id for p in paid.payments]) == ("PAID", ["T1"])
        assert paid.refunds == ()

    @pytest.mark.parametrize("kind", ["payment.failed", "payment.requires_action"])
    @pytest.mark.parametrize("is_named", [False, True])
    async def test_by_another_number_ends_and_stops_nothing(
        self, inbox: Inbox, database: Database, order: Order, kind: str, *, is_named: bool
    ) -> None:
        await known_as(database, order, "T1")
        number = order.attempts[0].attempt_no if is_named else None
        intent_id = await intent_of(database, order.id)
        body = an_event(kind, order.id, intent_id, attempt_no=number, provider_txn_id="T9")
        row = await row_of(database, await tell(inbox, body))

        assert (row["status"], row["reason"]) == ("QUARANTINED", "txn")
        assert await untouched(database, order)

    async def test_by_another_number_than_a_query_told_is_held(
        self, inbox: Inbox, actor: Actor, database: Database, order: Order
    ) -> None:
        paid = (await actor.take_turn(payment_of(order))).order
        number = order.attempts[0].attempt_no
        named = {"attempt_no": number, "provider_txn_id": "T9"}
        intent_id = await intent_of(database, order.id)
        row = await row_of(
            database, await tell(inbox, an_event("payment.succeeded", order.id, intent_id, **named))
        )

        assert (row["status"], row["reason"]) == ("QUARANTINED", "txn")
        assert await untouched(database, paid)

    async def test_by_the_number_of_another_attempt_is_held(
        self, inbox: Inbox, actor: Actor, database: Database, order: Order
    ) -> None:
        await known_as(database, order, "T1")
        both = (await actor.take_turn(a_second(order))).order
        body = an_event(
            "payment.succeeded",
            order.id,
            await intent_of(database, order.id),
            attempt_no=both.attempts[-1].attempt_no,
            provider_txn_id="T1",
        )
        row = await row_of(database, await tell(inbox, body))

        assert (row["status"], row["reason"]) == ("QUARANTINED", "txn")
        assert await untouched(database, both)

    async def test_by_the_number_of_a_payment_that_should_have_another_is_held(
        self, inbox: Inbox, actor: Actor, database: Database, order: Order
    ) -> None:
        paid = (await actor.take_turn(payment_of(order, provider_txn_id="T9"))).order
        await known_as(database, order, "T1")
        intent_id = await intent_of(database, order.id)
        body = an_event("payment.succeeded", order.id, intent_id, provider_txn_id="T9")
        row = await row_of(database, await tell(inbox, body))

        assert (row["status"], row["reason"]) == ("QUARANTINED", "txn")
        assert await untouched(database, paid)

    @pytest.mark.parametrize("event_id", ["e" * 128, "e" * 129])
    async def test_by_an_id_longer_than_128_is_a_dead_letter(
        self, inbox: Inbox, database: Database, order: Order, event_id: str
    ) -> None:
        intent_id = await intent_of(database, order.id)
        body = an_event("payment.failed", order.id, intent_id, event_id=event_id)
        row = await row_of(database, await tell(inbox, body))

        assert row["status"] == ("PROCESSED" if len(event_id) == 128 else "DEAD")


class TestEventsOfStrangers:
    async def test_are_each_kept_under_whatever_id(self, inbox: Inbox, database: Database) -> None:
        for provider in ("adyen", "paypal", "adyen"):
            await tell(
                inbox, an_event("payment.succeeded", 1, 1, event_id="evt_1", provider=provider)
            )

        rows = await database.fetch("SELECT provider, event_id FROM webhook_events")
        assert {row["provider"] for row in rows} == {"unknown"}
        assert len(rows) == len({row["event_id"] for row in rows}) == 2


class TestAnEventThatIsNotBelieved:
    """Of a provider whose notices have a signature of their own."""

    @pytest.fixture
    async def inbox(self, actor: Actor, database: Database) -> AsyncIterator[Inbox]:
        inbox = inbox_of(actor, database, believed=())
        yield inbox
        await inbox.close()

    @pytest.mark.parametrize("kind", ["payment.succeeded", "payment.failed"])
    async def test_has_its_attempt_asked_about_and_moves_nothing(
        self, inbox: Inbox, actor: Actor, database: Database, order: Order, kind: str
    ) -> None:
        await database.execute("UPDATE payment_attempts SET due_at = now() + interval '1 hour'")
        body = an_event(kind, order.id, await intent_of(database, order.id))
        row = await row_of(database, await tell(inbox, body))

        assert (row["status"], row["reason"]) == ("PROCESSED", "asked")
        assert await untouched(database, order)
        assert await due(database) == [order.attempts[0].attempt_no]
        assert (await actor.load(order.id)).payments == ()

    async def test_is_held_when_it_contradicts(
        self, inbox: Inbox, database: Database, order: Order
    ) -> None:
        intent_id = await intent_of(database, order.id)
        body = an_event("payment.succeeded", order.id, intent_id, amount=1)
        row = await row_of(database, await tell(inbox, body))

        assert (row["status"], row["reason"]) == ("QUARANTINED", "amount")

    async def test_has_its_refund_asked_about(
        self, inbox: Inbox, actor: Actor, database: Database, order: Order
    ) -> None:
        await actor.take_turn(payment_of(order))
        asked = (await actor.take_turn(refund_of(order))).order
        await database.execute("UPDATE refunds SET due_at = now() + interval '1 hour'")
        intent_id = await intent_of(database, order.id)
        number = asked.refunds[0].refund_no
        body = an_event("refund.succeeded", order.id, intent_id, refund_id=number)
        row = await row_of(database, await tell(inbox, body))

        assert (row["status"], row["reason"]) == ("PROCESSED", "asked")
        assert await untouched(database, asked)
        due_now = "SELECT refund_no FROM refunds WHERE due_at <= now()"
        assert await database.fetchval(due_now) == number


class TestAnEventOfARefund:
    async def asked(self, actor: Actor, order: Order) -> Order:
        await actor.take_turn(payment_of(order))
        return (await actor.take_turn(refund_of(order))).order

    async def test_that_succeeded_ends_the_order(
        self, inbox: Inbox, actor: Actor, database: Database, order: Order
    ) -> None:
        (refund,) = (await self.asked(actor, order)).refunds
        body = an_event(
            "refund.succeeded",
            order.id,
            await intent_of(database, order.id),
            refund_id=refund.refund_no,
            attempt_no=refund.attempt_no,
            provider_txn_id=refund.provider_txn_id,
        )
        await tell(inbox, body)

        assert (await actor.load(order.id)).payment_status == "REFUNDED"

    async def test_before_its_payment_waits_for_it(
        self, inbox: Inbox, actor: Actor, database: Database, order: Order
    ) -> None:
        number = f"{order.attempts[0].attempt_no}R01"
        intent_id = await intent_of(database, order.id)
        body = an_event("refund.succeeded", order.id, intent_id, refund_id=number)
        notice_id = await tell(inbox, body)

        row = await row_of(database, notice_id)
        assert (row["status"], row["reason"]) == ("FAILED", "PaymentNotKnown")
        assert row["due_at"] is not None
        assert await untouched(database, order)

        await self.asked(actor, order)
        await inbox.process(notice_id)

        assert (await row_of(database, notice_id))["status"] == "PROCESSED"
        assert (await actor.load(order.id)).payment_status == "REFUNDED"

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"amount": 9899}, "amount"),
            ({"currency": "USD"}, "amount"),
            ({"refund_id": "somebody else's"}, "refund"),
            ({"refund_id": None}, "refund"),
            ({"provider_txn_id": "T9"}, "txn"),
            ({"attempt_no": "somebody else's"}, "attempt"),
        ],
        ids=str,
    )
    async def test_that_contradicts_is_held(
        self,
        inbox: Inbox,
        actor: Actor,
        database: Database,
        order: Order,
        *,
        changes: dict[str, Any],
        reason: str,
    ) -> None:
        asked = await self.asked(actor, order)
        named = {"refund_id": asked.refunds[0].refund_no} | changes
        intent_id = await intent_of(database, order.id)
        notice_id = await tell(inbox, an_event("refund.succeeded", order.id, intent_id, **named))

        row = await row_of(database, notice_id)
        assert (row["status"], row["reason"]) == ("QUARANTINED", reason)
        assert await untouched(database, asked)

    async def test_of_a_provider_that_is_not_set_up_any_more_is_held(
        self, actor: Actor, database: Database, order: Order
    ) -> None:
        asked = await self.asked(actor, order)
        inbox = inbox_of(actor, database, providers=set())
        body = an_event(
            "refund.succeeded",
            order.id,
            await intent_of(database, order.id),
            refund_id=asked.refunds[0].refund_no,
        )
        row = await row_of(database, await tell(inbox, body))
        await inbox.close()

        assert (row["status"], row["reason"]) == ("QUARANTINED", "provider")
        assert await untouched(database, asked)

    async def test_of_another_order_is_held(
        self, inbox: Inbox, actor: Actor, database: Database, order: Order, sale: OnSale
    ) -> None:
        other = await self.asked(actor, await opened(actor, await buy(actor, sale, user_id=2)))
        asked = await self.asked(actor, order)
        body = an_event(
            "refund.succeeded",
            order.id,
            await intent_of(database, order.id),
            refund_id=other.refunds[0].refund_no,
        )
        row = await row_of(database, await tell(inbox, body))

        assert (row["status"], row["reason"]) == ("QUARANTINED", "refund")
        assert await untouched(database, asked)
        assert await untouched(database, other)


class TestAnEventThatComesAgain:
    async def test_a_hundred_times_at_once_is_one(
        self, inbox: Inbox, actor: Actor, database: Database, order: Order, other: Actor
    ) -> None:
        body = an_event("payment.succeeded", order.id, await intent_of(database, order.id))
        elsewhere = inbox_of(other, database)
        await asyncio.gather(*(tell(one, body) for one in [inbox, elsewhere] * 50))
        await elsewhere.close()

        assert len((await actor.load(order.id)).payments) == 1
        assert await database.fetchval("SELECT count(*) FROM webhook_events") == 1
        assert await database.fetchval("SELECT status FROM webhook_events") == "PROCESSED"

    async def test_finishes_what_died_after_it_was_stored(
        self, inbox: Inbox, actor: Actor, database: Database, order: Order, other: Actor
    ) -> None:
        body = an_event("payment.succeeded", order.id, await intent_of(database, order.id))
        assert await store(inbox, body) is not None
        elsewhere = inbox_of(other, database)

        assert await tell(elsewhere, body) == 0

        assert (await actor.load(order.id)).status is OrderStatus.PAID
        assert await database.fetchval("SELECT status FROM webhook_events") == "PROCESSED"
        await elsewhere.close()

    async def test_buries_nothing_by_coming_often(
        self, inbox: Inbox, actor: Actor, database: Database, order: Order
    ) -> None:
        number = f"{order.attempts[0].attempt_no}R01"
        intent_id = await intent_of(database, order.id)
        body = an_event("refund.succeeded", order.id, intent_id, refund_id=number)
        notice_id = await tell(inbox, body)
        for _ in range(100):
            await tell(inbox, body)

        row = await row_of(database, notice_id)
        assert (row["status"], row["retry_count"]) == ("FAILED", 1)

        await actor.take_turn(payment_of(order))
        await actor.take_turn(refund_of(order))
        await tell(inbox, body)
        assert (await row_of(database, notice_id))["status"] == "PROCESSED"

    async def test_is_never_processed_twice_at_once(
        self, inbox: Inbox, database: Database, order: Order
    ) -> None:
        reached = 0

        async def reach(name: str) -> None:
            nonlocal reached
            reached += name == "notice.read"

        inbox._reach = reach  # noqa: SLF001 - counts who comes by
        body = an_event("payment.failed", order.id, await intent_of(database, order.id))
        received = await store(inbox, body)
        assert received is not None
        inbox.process_soon(received)
        await asyncio.gather(*(inbox.process(received.notice.id) for _ in range(20)))
        await inbox.close()

        assert reached == 1

    async def test_is_checked_against_its_signature_again(
        self, inbox: Inbox, actor: Actor, database: Database, order: Order
    ) -> None:
        body = an_event("payment.succeeded", order.id, await intent_of(database, order.id))
        received = await store(inbox, body)
        assert received is not None
        await database.execute("UPDATE webhook_events SET body = body || ' '::bytea")

        await inbox.process(received.notice.id)

        row = await row_of(database, received.notice.id)
        assert (row["status"], row["reason"]) == ("FAILED", "NoticeRefused")
        assert (await actor.load(order.id)).status is OrderStatus.PENDING


class TestTheSameEventsStored:
    async def test_end_in_one_state_in_whatever_order_they_come(
        self, inbox: Inbox, actor: Actor, database: Database
    ) -> None:
        random = Random(SEED)  # noqa: S311 - repeatable is the point
        sale = await put_on_sale(database)
        ends: dict[frozenset[str], tuple[list[str], tuple[object, ...]]] = {}
        for n in range(SAMPLES):
            facts = random.sample(KINDS, k=random.choice((3, 4, 5)))
            kinds = facts + random.choices(facts, k=6 - len(facts))
            random.shuffle(kinds)
            end = await self.end_of(inbox, actor, database, sale, kinds)
            first, expected = ends.setdefault(frozenset(facts), (kinds, end))

            assert end == expected, f"seed {SEED}, {n}: {kinds} ends otherwise than {first}"

    async def end_of(
        self, inbox: Inbox, actor: Actor, database: Database, sale: OnSale, kinds: list[str]
    ) -> tuple[object, ...]:
        """Tell one buyer's order all of *kinds*, then once more what was put off."""
        user_id = 1 + await database.fetchval("SELECT coalesce(max(user_id), 0) FROM orders")
        taken = await seats_taken(database, sale)
        order = await opened(actor, await buy(actor, sale, user_id=user_id))
        intent_id = await intent_of(database, order.id)
        for kind in kinds:
            is_refund = kind.startswith("refund.")
            number = f"{order.attempts[0].attempt_no}R01" if is_refund else None
            # The same fact under the same id, as a provider repeats it.
            event_id = f"evt_{order.id}_{kind}"
            body = an_event(kind, order.id, intent_id, event_id=event_id, refund_id=number)
            await tell(inbox, body)
            await self.ask_back(actor, order.id)
        for row in await database.fetch(
            "SELECT id FROM webhook_events WHERE status = 'FAILED' ORDER BY id"
        ):
            await inbox.process(row["id"])
        end = await actor.load(order.id)
        left = await seats_taken(database, sale) - taken
        # What nobody will ever know of is not the next order's to try.
        await database.execute("DELETE FROM webhook_events WHERE status = 'FAILED'")
        return (
            left,
            end.status,
            end.payment_status,
            end.last_payment_attempt_status,
            end.refund_status,
            end.seats_held,
            [attempt.state for attempt in end.attempts],
            [(payment.paid, payment.honoured) for payment in end.payments],
            [(refund.amount, refund.status) for refund in end.refunds],
            [(place.status, bool(place.refund_no)) for place in end.registrations],
            len(end.case_subjects),
        )

    async def ask_back(self, actor: Actor, order_id: int) -> None:
        order = await actor.load(order_id)
        if order.status is OrderStatus.PAID and not order.refunds:
            await actor.take_turn(refund_of(order))
