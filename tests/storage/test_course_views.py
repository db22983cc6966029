"""Attempts of Stripe and Ping++ in the words of the course shop."""

from typing import Any

import msgspec
import pytest

from actors.actor import Actor
from contracts.attempt import Opened
from contracts.commands import RecordAttempt, RecordOpened, StartAttempt
from contracts.evidence import Evidence, EvidenceKind
from contracts.facts import AttemptClosedAtProvider, RefundOutcome
from contracts.order import Order
from contracts.states import Channel
from models.engine import Database
from models.evidence import keep_all
from tests.storage.stage import a_start, buy, outcome_of, payment_of, put_on_sale, refund_of

INTENT, SESSION, CHARGE = "pi_1", "cs_1", "ch_1"


async def opened_at(
    actor: Actor, database: Database, provider: str, channel: Channel, reference: str
) -> Order:
    order = await buy(actor, await put_on_sale(database))
    start: StartAttempt = msgspec.structs.replace(
        a_start(order, channel), provider=provider, merchant_id="m", appid="app_1"
    )
    started = (await actor.take_turn(start)).order
    attempt = started.current_attempt
    assert attempt is not None
    told = RecordOpened(
        order_id=order.id, attempt_no=attempt.attempt_no, opened=Opened(reference=reference)
    )
    return (await actor.take_turn(told)).order


async def keep(
    database: Database,
    order: Order,
    kind: EvidenceKind,
    object_id: str,
    **body: Any,  # noqa: ANN401
) -> None:
    attempt = order.attempts[0]
    evidence = Evidence(
        provider=attempt.request.provider,
        attempt_no=attempt.attempt_no,
        kind=kind,
        object_id=object_id,
        source="query",
        body={"id": object_id, **body},
    )
    await keep_all(database, [evidence])


async def row(database: Database, provider: str) -> dict[str, Any]:
    found = await database.fetchrow(f"SELECT * FROM order_{provider}_orders")  # noqa: S608 - two words
    assert found is not None
    return dict(found)


async def status(database: Database, provider: str) -> int:
    told: int = (await row(database, provider))["status"]
    return told


async def paid(actor: Actor, order: Order, provider: str, txn: str) -> Order:
    await actor.take_turn(payment_of(order, provider=provider, provider_txn_id=txn))
    return await actor.load(order.id)


class TestTheStripeOrders:
    async def test_show_an_attempt_that_was_just_opened(
        self, actor: Actor, database: Database
    ) -> None:
        order = await opened_at(actor, database, "stripe", Channel.STRIPE, INTENT)

        seen = await row(database, "stripe")

        assert seen["stripe_order_bid"] == order.attempts[0].attempt_no
        assert (seen["order_bid"], seen["user_bid"]) == (order.order_no, "1")
        assert seen["shifu_bid"] == str(order.ticket_type_id)
        assert (seen["payment_intent_id"], seen["checkout_session_id"]) == (INTENT, "")
        assert (seen["amount"], seen["currency"], seen["status"]) == (9900, "cny", 0)

    async def test_show_what_stripe_told(self, actor: Actor, database: Database) -> None:
        order = await opened_at(actor, database, "stripe", Channel.STRIPE_CHECKOUT, SESSION)
        await keep(database, order, EvidenceKind.CHECKOUT_SESSION, SESSION, payment_intent=INTENT)
        assert (await row(database, "stripe"))["payment_intent_id"] == INTENT
        await keep(
            database,
            order,
            EvidenceKind.PAYMENT_INTENT,
            INTENT,
            latest_charge={"id": CHARGE, "receipt_url": "https://r.example.org"},
            payment_method="pm_1",
            metadata={"order": order.order_no},
        )
        await paid(actor, order, "stripe", INTENT)

        seen = await row(database, "stripe")

        assert (seen["checkout_session_id"], seen["payment_intent_id"]) == (SESSION, INTENT)
        assert (seen["latest_charge_id"], seen["payment_method"]) == (CHARGE, "pm_1")
        assert seen["receipt_url"] == "https://r.example.org"
        assert order.order_no in seen["metadata_json"]
        assert CHARGE in seen["payment_intent_object"]
        assert seen["status"] == 1

    async def test_show_a_declined_payer_as_failed_until_they_pay(
        self, actor: Actor, database: Database
    ) -> None:
        order = await opened_at(actor, database, "stripe", Channel.STRIPE, INTENT)
        declined = {"code": "card_declined", "message": "Your card was declined."}
        await keep(
            database, order, EvidenceKind.PAYMENT_INTENT, INTENT, last_payment_error=declined
        )

        seen = await row(database, "stripe")
        await paid(actor, order, "stripe", INTENT)

        assert (seen["status"], seen["failure_code"]) == (4, "card_declined")
        assert seen["failure_message"] == "Your card was declined."
        assert await status(database, "stripe") == 1

    @pytest.mark.parametrize("is_paid", [False, True])
    async def test_show_no_object_of_anothers_money(
        self, actor: Actor, database: Database, *, is_paid: bool
    ) -> None:
        order = await opened_at(actor, database, "stripe", Channel.STRIPE, INTENT)
        await keep(database, order, EvidenceKind.PAYMENT_INTENT, INTENT, latest_charge=CHARGE)
        await keep(database, order, EvidenceKind.CHARGE, CHARGE, receipt_url="own")
        await keep(database, order, EvidenceKind.PAYMENT_INTENT, "pi_2", last_payment_error={})
        await keep(database, order, EvidenceKind.CHECKOUT_SESSION, "cs_2", payment_intent="pi_2")
        await keep(database, order, EvidenceKind.CHARGE, "ch_2", payment_intent="pi_2")
        if is_paid:
            await paid(actor, order, "stripe", INTENT)

        seen = await row(database, "stripe")

        assert (seen["payment_intent_id"], seen["checkout_session_id"]) == (INTENT, "")
        assert (seen["latest_charge_id"], seen["receipt_url"]) == (CHARGE, "own")
        assert seen["checkout_session_object"] == "{}"
        assert seen["status"] == int(is_paid)

    async def test_show_the_session_of_what_was_paid_though_its_opening_was_lost(
        self, actor: Actor, database: Database
    ) -> None:
        order = await opened_at(actor, database, "stripe", Channel.STRIPE_CHECKOUT, "cs_other")
        await keep(database, order, EvidenceKind.CHECKOUT_SESSION, SESSION, payment_intent=INTENT)
        await keep(database, order, EvidenceKind.PAYMENT_INTENT, INTENT)
        await paid(actor, order, "stripe", INTENT)

        seen = await row(database, "stripe")

        assert (seen["checkout_session_id"], seen["payment_intent_id"]) == (SESSION, INTENT)

    async def test_know_nothing_of_other_providers(self, actor: Actor, database: Database) -> None:
        await opened_at(actor, database, "pingxx", Channel.WX_PUB_QR, CHARGE)

        assert await database.fetchval("SELECT count(*) FROM order_stripe_orders") == 0


class TestThePingxxOrders:
    async def test_show_an_attempt_with_what_was_told_of_it(
        self, actor: Actor, database: Database
    ) -> None:
        order = await opened_at(actor, database, "pingxx", Channel.WX_PUB_QR, CHARGE)
        await keep(
            database,
            order,
            EvidenceKind.CHARGE,
            CHARGE,
            transaction_no="4200",
            subject="Night",
            client_ip="127.0.0.1",
            extra={"product_id": "1"},
        )
        await paid(actor, order, "pingxx", CHARGE)

        seen = await row(database, "pingxx")

        assert seen["pingxx_order_bid"] == order.attempts[0].attempt_no
        assert (seen["app_id"], seen["channel"]) == ("app_1", "wx_pub_qr")
        assert (seen["charge_id"], seen["transaction_no"]) == (CHARGE, "4200")
        assert (seen["subject"], seen["client_ip"]) == ("Night", "127.0.0.1")
        assert seen["extra"] == '{"product_id": "1"}'
        assert seen["status"] == 1
        assert seen["paid_at"] is not None
        assert seen["refunded_at"] is None

    async def test_show_no_charge_of_anothers_money(self, actor: Actor, database: Database) -> None:
        order = await opened_at(actor, database, "pingxx", Channel.WX_PUB_QR, CHARGE)
        await keep(database, order, EvidenceKind.CHARGE, "ch_2", transaction_no="1")

        seen = await row(database, "pingxx")

        assert (seen["charge_id"], seen["transaction_no"]) == (CHARGE, "")

    @pytest.mark.parametrize(("part", "expected"), [(100, 1), (None, 2)])
    async def test_are_refunded_when_all_went_back(
        self, actor: Actor, database: Database, part: int | None, expected: int
    ) -> None:
        order = await opened_at(actor, database, "pingxx", Channel.ALIPAY_QR, CHARGE)
        order = await paid(actor, order, "pingxx", CHARGE)
        await actor.take_turn(refund_of(order, part))
        assert await status(database, "pingxx") == 1
        order = await actor.load(order.id)
        await actor.take_turn(outcome_of(order, RefundOutcome.SUCCESS))

        seen = await row(database, "pingxx")

        assert seen["status"] == expected
        assert (seen["refunded_at"] is not None) is (expected == 2)
        assert seen["refund_id"].startswith("P")

    async def test_are_closed_when_the_provider_closed_them(
        self, actor: Actor, database: Database
    ) -> None:
        order = await opened_at(actor, database, "pingxx", Channel.ALIPAY_QR, CHARGE)
        gone = AttemptClosedAtProvider(provider="pingxx", attempt_no=order.attempts[0].attempt_no)
        await actor.take_turn(RecordAttempt(order_id=order.id, fact=gone))

        seen = await row(database, "pingxx")

        assert seen["status"] == 3
        assert seen["closed_at"] is not None

    async def test_are_failed_when_the_provider_said_so(
        self, actor: Actor, database: Database
    ) -> None:
        order = await opened_at(actor, database, "pingxx", Channel.ALIPAY_QR, CHARGE)
        await keep(database, order, EvidenceKind.CHARGE, CHARGE, failure_code="x", failure_msg="no")

        seen = await row(database, "pingxx")

        assert (seen["status"], seen["failure_code"], seen["failure_msg"]) == (4, "x", "no")
        assert seen["failed_at"] is not None
