"""One order and two providers: each charge is closed, paid and sent back where it was opened."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from msgspec import json, structs

from actors.actor import Actor
from actors.cashier import PLACEHOLDER, Cashier, Charge
from actors.checkout import Checkout
from actors.confirmations import Confirm, Confirmations
from actors.intents import Intents
from actors.order_refunds import OrderRefund, refund_order_payment
from actors.pay_channels import Way
from actors.payers import Merchant, Payers
from contracts.attempt import AttemptRequest, CodeToScan, Opened
from contracts.channels import Openids
from contracts.commands import RecordPayment, RequestRefund
from contracts.errors import (
    ChargeRefused,
    NotFound,
    PayChannelNotSupported,
    ProviderUnavailable,
    WechatOpenidRequired,
)
from contracts.facts import Fact, PaymentSucceeded
from contracts.order import Order
from contracts.states import (
    AttemptResult,
    AttemptState,
    Channel,
    OrderStatus,
    PaymentStatus,
    RefundStatus,
)
from models.engine import Database
from models.evidence import latest_evidence
from models.intents import Wanted
from models.orders import Seen
from models.payment_keys import Key, Scope
from providers.provider import NumberBurnt, ProviderRefused
from tests.faults.bank import Bank
from tests.storage.stage import buy, make_coupon, put_on_sale, wish

_facts = json.Decoder(list[Fact]).decode


class WeChatBank(Bank):
    """A bank with WeChat's own channels."""

    channels = frozenset({Channel.WECHAT_NATIVE, Channel.WECHAT_JSAPI, Channel.MINIPROGRAM_BRIDGE})

    def __init__(self) -> None:
        super().__init__("wechat")


class StripeBank(Bank):
    """A bank with Stripe's channels, which names its sessions itself and closes them when it may.

    The bank's own number of a charge is not ours.
    """

    channels = frozenset({Channel.STRIPE, Channel.STRIPE_CHECKOUT})

    def __init__(self) -> None:
        super().__init__("stripe")
        self.asked: list[str] = []

    async def open(self, request: AttemptRequest) -> Opened:
        """Open a session."""
        opened = await super().open(request)
        return Opened(code_url=opened.code_url, reference=f"cs_{request.attempt_no}")

    async def query(self, request: AttemptRequest, opened: Opened | None = None):  # type: ignore[no-untyped-def]  # noqa: ANN201 - as the bank's
        """Answer, and remember who was asked about."""
        self.asked.append(request.attempt_no)
        return await super().query(request, opened)


class Shop:
    """One process with both."""

    def __init__(self, database: Database, actor: Actor) -> None:
        self.database, self.actor = database, actor
        self.wechat, self.stripe = WeChatBank(), StripeBank()
        self.banks: dict[str, Bank] = {"wechat": self.wechat, "stripe": self.stripe}
        self.merchants = {
            name: Merchant(
                provider=name,
                merchant_id=f"m-{name}",
                appid=f"a-{name}",
                notify_url="http://127.0.0.1/n",
            )
            for name in self.banks
        }
        self.checkout = Checkout(
            actor=actor, database=database, providers=self.banks, merchants=self.merchants
        )
        self.payers = Payers(
            database=database,
            providers=self.banks,
            merchants=self.merchants,
            enabled=("wechat", "stripe", "pingxx"),
        )
        self.cashier = Cashier(
            database=database, actor=actor, checkout=self.checkout, payers=self.payers
        )

    def take_out(self, provider: str) -> None:
        """Start again without one of them."""
        del self.banks[provider], self.merchants[provider]

    async def charge(
        self, order: Order, payment_channel: str | None = None, channel: str | None = None
    ) -> Charge:
        """Ask for a charge."""
        order = await self.actor.load(order.id)
        seen = Seen(order=order, now=datetime.now(UTC), openids=Openids())
        return await self.cashier.charge(seen, payment_channel=payment_channel, channel=channel)

    async def paid(self, order: Order, provider: str, attempt_no: str) -> Order:
        """Have an attempt paid and told of."""
        (fact,) = _facts(self.banks[provider].pay(attempt_no))
        assert isinstance(fact, PaymentSucceeded)
        return (await self.actor.take_turn(RecordPayment(order_id=order.id, fact=fact))).order

    async def close_what_is_owed(self, order: Order) -> Order:
        """Do as the worker does."""
        for attempt in (await self.actor.load(order.id)).attempts:
            if attempt.close_owed:
                await self.checkout.attempts.close(order.id, attempt.attempt_no)
        return await self.actor.load(order.id)

    async def send_back(self, order: Order, **said: object) -> OrderRefund:
        """Ask for money back."""
        wanted = RequestRefund(order_id=order.id, reason="sick", by_user_id=1, **said)  # type: ignore[arg-type]  # as a test says
        return await refund_order_payment(self.actor, self.database, wanted)


@pytest.fixture
async def shop(database: Database, actor: Actor) -> AsyncIterator[Shop]:
    shop = Shop(database, actor)
    yield shop
    await shop.checkout.close()


@pytest.fixture
async def order(database: Database, actor: Actor) -> Order:
    return await buy(actor, await put_on_sale(database))


def states(order: Order) -> list[tuple[str, AttemptState]]:
    return [(one.request.provider, one.state) for one in order.attempts]


class TestACharge:
    async def test_is_opened_where_the_client_says_and_the_order_follows(
        self, shop: Shop, order: Order
    ) -> None:
        charge = await shop.charge(order, "stripe", "stripe:checkout_session")

        assert isinstance(charge.parameters, CodeToScan)
        assert (charge.order.payment_channel, charge.order.channel) == (
            "stripe",
            "stripe:checkout_session",
        )
        assert list(shop.stripe.trades) == [f"{order.order_no}01"]
        request = shop.stripe.trades[f"{order.order_no}01"].request
        assert (request.merchant_id, request.appid) == ("m-stripe", "a-stripe")

    async def test_that_the_provider_will_not_take_is_no_matter_of_trying_again(
        self, shop: Shop, order: Order, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def refuse(_request: AttemptRequest) -> Opened:
            raise ProviderRefused("stripe", "open", "amount_too_small")

        monkeypatch.setattr(shop.stripe, "open", refuse)

        with pytest.raises(ChargeRefused) as refused:
            await shop.charge(order, "stripe")

        assert (refused.value.code, refused.value.extra) == (
            "PROVIDER_REFUSED",
            {"providerCode": "amount_too_small"},
        )
        after = (await shop.charge(order, "wechat")).order
        assert states(after) == [
            ("stripe", AttemptState.REFUSED),
            ("wechat", AttemptState.OPEN),
        ]

    async def test_whose_number_is_burnt_is_made_under_another(
        self, shop: Shop, order: Order, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def burn(_request: AttemptRequest) -> Opened:
            raise NumberBurnt("stripe", "open", "kept_failure")

        with monkeypatch.context() as once:
            once.setattr(shop.stripe, "open", burn)
            with pytest.raises(ProviderUnavailable):
                await shop.charge(order, "stripe")

        after = (await shop.charge(order, "stripe")).order
        assert states(after) == [("stripe", AttemptState.REFUSED), ("stripe", AttemptState.OPEN)]

    async def test_of_what_costs_nothing_is_in_the_words_that_asked(
        self, shop: Shop, database: Database
    ) -> None:
        await make_coupon(database, value=100)
        made = await shop.actor.create(wish(await put_on_sale(database), 1, coupon_code="HALF"))
        assert made.order is not None
        assert made.order.status is OrderStatus.PAID

        charge = await shop.charge(made.order, "stripe", "stripe:checkout_session")
        unheard = await shop.charge(made.order, "nobody")

        assert charge.attempt is None
        assert charge.way == Way(provider="stripe", channel=Channel.STRIPE_CHECKOUT)
        assert unheard.way is None

    async def test_asked_for_again_is_the_same(self, shop: Shop, order: Order) -> None:
        first = await shop.charge(order, "stripe")
        second = await shop.charge(order, "stripe", "stripe:intent")

        assert second.parameters == first.parameters
        assert len(second.order.attempts) == 1

    async def test_goes_where_the_last_one_went_unless_told(self, shop: Shop, order: Order) -> None:
        await shop.charge(order, "stripe")

        charge = await shop.charge(order, None, None)

        assert len(charge.order.attempts) == 1
        with pytest.raises(PayChannelNotSupported):
            await shop.charge(order, None, "wx_pub_qr")

    async def test_of_who_is_switched_off_is_refused(self, shop: Shop, order: Order) -> None:
        shop.payers._enabled = ("wechat",)  # noqa: SLF001 - as another setting would
        with pytest.raises(PayChannelNotSupported) as refused:
            await shop.charge(order, "stripe")

        assert refused.value.extra["supported"] == [
            "wechat:wx_pub_qr",
            "wechat:wx_pub",
            "wechat:wx_lite",
        ]
        assert shop.stripe.trades == {}

    async def test_in_the_wechat_browser_needs_an_openid(self, shop: Shop, order: Order) -> None:
        with pytest.raises(WechatOpenidRequired) as refused:
            await shop.charge(order, "wechat", "wx_pub")

        assert refused.value.extra["orderNo"] == order.order_no

    async def test_of_a_paid_order_is_what_paid_it(self, shop: Shop, order: Order) -> None:
        await shop.charge(order, "stripe")
        await shop.paid(order, "stripe", f"{order.order_no}01")

        charge = await shop.charge(order, "wechat", "wx_pub_qr")

        assert charge.parameters is None
        assert charge.attempt is not None
        assert charge.attempt.request.provider == "stripe"
        assert shop.wechat.trades == {}


class TestASecondCharge:
    async def test_closes_the_first_at_its_own_provider(self, shop: Shop, order: Order) -> None:
        await shop.charge(order, "wechat", "wx_pub_qr")
        await shop.charge(order, "stripe")

        closed = await shop.close_what_is_owed(order)

        assert states(closed) == [("wechat", AttemptState.CLOSED), ("stripe", AttemptState.OPEN)]
        assert shop.wechat.trades[f"{order.order_no}01"].status == "CLOSED"
        assert shop.stripe.trades[f"{order.order_no}02"].status == "NOTPAY"

    async def test_is_opened_though_nobody_knows_of_the_first(
        self, shop: Shop, order: Order
    ) -> None:
        shop.wechat.lost_opens = 1
        with pytest.raises(ProviderUnavailable):
            await shop.charge(order, "wechat", "wx_pub_qr")

        after = (await shop.charge(order, "stripe")).order

        assert states(after) == [("wechat", AttemptState.UNKNOWN), ("stripe", AttemptState.OPEN)]
        assert after.attempts[0].close_owed

    async def test_back_at_the_first_provider_is_another_one(
        self, shop: Shop, order: Order
    ) -> None:
        await shop.charge(order, "wechat", "wx_pub_qr")
        await shop.charge(order, "stripe")
        await shop.charge(order, "wechat", "wx_pub_qr")

        closed = await shop.close_what_is_owed(order)

        assert states(closed) == [
            ("wechat", AttemptState.CLOSED),
            ("stripe", AttemptState.CLOSED),
            ("wechat", AttemptState.OPEN),
        ]


class TestTheChannelsOfWechat:
    def test_are_those_of_a_provider_that_has_them_all(self, shop: Shop, order: Order) -> None:
        elsewhere = structs.replace(order, payment_channel="stripe")

        assert (shop.payers.serves("wechat"), shop.payers.serves("stripe")) == (True, False)
        assert shop.payers.by_wechat(order, "stripe") == "wechat"
        assert shop.payers.by_wechat(elsewhere, "wechat") == "wechat"
        # Where new orders go to somebody else, so do these: nothing is opened at WeChat unasked.
        assert shop.payers.by_wechat(elsewhere, "stripe") == "stripe"


class TestTwoSuccesses:
    async def test_keep_the_first_and_send_the_second_back_where_it_came_from(
        self, shop: Shop, order: Order
    ) -> None:
        await shop.charge(order, "wechat", "wx_pub_qr")
        await shop.charge(order, "stripe")
        await shop.paid(order, "stripe", f"{order.order_no}02")
        after = await shop.paid(order, "wechat", f"{order.order_no}01")

        (refund,) = after.refunds
        await shop.checkout.refunds.pursue(order.id, refund.refund_no)
        after = await shop.actor.load(order.id)

        assert after.settlement is not None
        assert after.settlement.provider == "stripe"
        assert (after.status, after.payment_status) == (OrderStatus.PAID, PaymentStatus.PAID)
        assert [(r.provider, r.amount, r.status) for r in after.refunds] == [
            ("wechat", order.total, RefundStatus.SUCCEEDED)
        ]
        assert shop.wechat.refunds.keys() == {refund.refund_no}
        assert shop.stripe.refunds == {}

    async def test_under_one_number_of_two_providers_are_told_apart(
        self, shop: Shop, order: Order
    ) -> None:
        await shop.charge(order, "wechat", "wx_pub_qr")
        await shop.charge(order, "stripe")
        facts: list[PaymentSucceeded] = []
        for provider, number in (("wechat", "01"), ("stripe", "02")):
            (fact,) = _facts(shop.banks[provider].pay(f"{order.order_no}{number}"))
            assert isinstance(fact, PaymentSucceeded)
            facts.append(fact)
        one, other = facts
        same = structs.replace(other, provider_txn_id=one.provider_txn_id)

        await shop.actor.take_turn(RecordPayment(order_id=order.id, fact=one))
        after = (await shop.actor.take_turn(RecordPayment(order_id=order.id, fact=same))).order

        assert after.payment_status is PaymentStatus.PAID
        assert after.settlement is not None
        assert after.refunds_of(after.settlement) == ()


class TestMoneyBack:
    @pytest.fixture
    async def paid(self, shop: Shop, order: Order) -> Order:
        await shop.charge(order, "wechat", "wx_pub_qr")
        await shop.charge(order, "stripe")
        return await shop.paid(order, "stripe", f"{order.order_no}02")

    async def test_in_part_leaves_the_order_paid(self, shop: Shop, paid: Order) -> None:
        asked = await shop.send_back(paid, amount_minor=900, idempotency_key="k")
        again = await shop.send_back(paid, amount_minor=900, idempotency_key="k")
        assert asked.refund_no is not None
        await shop.checkout.refunds.pursue(paid.id, asked.refund_no)

        after = await shop.actor.load(paid.id)

        assert (asked.status, asked.amount_minor, asked.is_new) == (
            RefundStatus.REQUESTED,
            900,
            True,
        )
        assert (again.refund_id, again.is_new) == (asked.refund_id, False)
        assert (after.status, after.payment_status, after.refund_status) == (
            OrderStatus.PAID,
            PaymentStatus.PAID,
            RefundStatus.SUCCEEDED,
        )
        assert shop.stripe.refunds[asked.refund_no].refunded.amount_minor == 900
        assert shop.wechat.refunds == {}

    async def test_in_full_ends_the_order(self, shop: Shop, paid: Order) -> None:
        asked = await shop.send_back(paid)
        assert asked.refund_no is not None
        await shop.checkout.refunds.pursue(paid.id, asked.refund_no)

        after = await shop.actor.load(paid.id)

        assert (after.status, after.payment_status) == (
            OrderStatus.REFUNDED,
            PaymentStatus.REFUNDED,
        )

    async def test_that_is_refused_leaves_the_money_and_says_so(
        self, shop: Shop, paid: Order
    ) -> None:
        shop.stripe.refused_refunds = 1
        asked = await shop.send_back(paid)
        assert asked.refund_no is not None
        await shop.checkout.refunds.pursue(paid.id, asked.refund_no)

        after = await shop.actor.load(paid.id)

        assert (after.status, after.payment_status, after.refund_status) == (
            OrderStatus.PAID,
            PaymentStatus.PAID,
            RefundStatus.FAILED,
        )


class TestAProviderThatWasTakenOutOfTheSettings:
    @pytest.fixture
    async def waiting(self, shop: Shop, order: Order) -> Order:
        charge = await shop.charge(order, "stripe", "stripe:checkout_session")
        shop.take_out("stripe")
        return charge.order

    async def test_is_away_for_who_asks(self, shop: Shop, waiting: Order) -> None:
        asked, told = await shop.checkout.query(waiting.id)
        synced = await shop.cashier.sync(waiting, None)

        assert (asked.status, told) == (OrderStatus.PENDING, None)
        assert synced.status is OrderStatus.PENDING

    async def test_is_away_for_who_leaves(self, shop: Shop, waiting: Order) -> None:
        left = await shop.checkout.cancel(waiting.id)
        still = await shop.close_what_is_owed(left)

        assert (left.status, still.status) == (OrderStatus.CLOSING, OrderStatus.CLOSING)

    async def test_is_away_for_who_has_a_coupon(
        self, shop: Shop, waiting: Order, database: Database
    ) -> None:
        await database.execute(
            """INSERT INTO coupons (code, kind, value, event_id, used_count, is_active, created_by)
               VALUES ('HALF', 'PERCENT', 50, $1, 0, true, 1)""",
            waiting.event_id,
        )
        with pytest.raises(ProviderUnavailable):
            await shop.checkout.apply_coupon(waiting.id, "HALF")

    async def test_is_away_for_a_refund_until_it_is_back(self, shop: Shop, order: Order) -> None:
        await shop.charge(order, "stripe")
        paid = await shop.paid(order, "stripe", f"{order.order_no}01")
        asked = await shop.send_back(paid)
        assert asked.refund_no is not None
        merchant = shop.merchants["stripe"]

        shop.take_out("stripe")
        after = await shop.checkout.refunds.pursue_briefly(order.id, asked.refund_no)
        assert after.refunds[0].status is RefundStatus.REQUESTED
        shop.banks["stripe"], shop.merchants["stripe"] = shop.stripe, merchant
        after = await shop.checkout.refunds.pursue_briefly(order.id, asked.refund_no)

        assert after.refunds[0].status is RefundStatus.SUCCEEDED


class TestASync:
    async def test_asks_only_who_can_know_and_settles_on_their_word(
        self, shop: Shop, order: Order
    ) -> None:
        await shop.charge(order, "stripe", "stripe:checkout_session")
        number = f"{order.order_no}01"

        waiting = await shop.cashier.sync(await shop.actor.load(order.id), None)
        shop.stripe.pay(number)
        settled = await shop.cashier.sync(waiting, f"cs_{number}")
        known = await shop.cashier.sync(settled, PLACEHOLDER)

        assert waiting.status is OrderStatus.PENDING
        assert (settled.status, known.status) == (OrderStatus.PAID, OrderStatus.PAID)
        assert shop.stripe.asked == [number, number]

    async def test_by_the_placeholder_means_the_stored_session(
        self, shop: Shop, order: Order
    ) -> None:
        await shop.charge(order, "stripe", "stripe:checkout_session")
        shop.stripe.pay(f"{order.order_no}01")

        settled = await shop.cashier.sync(await shop.actor.load(order.id), PLACEHOLDER)

        assert settled.status is OrderStatus.PAID

    async def test_by_a_session_of_another_order_settles_nothing(
        self, shop: Shop, order: Order, database: Database, actor: Actor
    ) -> None:
        cheap = await buy(actor, await put_on_sale(database, price_minor=1))
        await shop.charge(cheap, "stripe", "stripe:checkout_session")
        await shop.charge(order, "stripe", "stripe:checkout_session")
        shop.stripe.pay(f"{cheap.order_no}01")

        with pytest.raises(NotFound):
            await shop.cashier.sync(await shop.actor.load(order.id), f"cs_{cheap.order_no}01")

        assert shop.stripe.asked == []
        for one in (order, cheap):
            assert (await shop.actor.load(one.id)).status is OrderStatus.PENDING

    async def test_of_an_order_that_stripe_never_saw_asks_nobody(
        self, shop: Shop, order: Order
    ) -> None:
        after = await shop.cashier.sync(order, None)

        assert (after.version, shop.stripe.asked) == (order.version, [])
        with pytest.raises(NotFound):
            await shop.cashier.sync(order, "cs_1")


class TestAConfirmation:
    async def test_goes_where_its_intent_is_for_whoever_was_paid_last(
        self, shop: Shop, order: Order
    ) -> None:
        intents = Intents(database=shop.database, actor=shop.actor)
        confirmations = Confirmations(
            database=shop.database,
            actor=shop.actor,
            attempts=shop.checkout.attempts,
            payers=shop.payers,
        )
        key = Key(scope=Scope.INTENT, holder_id=order.id, key="k", body_hash="h")
        made = await intents.create(Wanted(user_id=order.user_id, amount=order.total, key=key))
        await shop.charge(order, "stripe")

        for n, (method, provider) in enumerate(
            [(None, "wechat"), ("stripe:checkout_session", "stripe"), ("wx_pub_qr", "wechat")]
        ):
            key = Key(scope=Scope.CONFIRM, holder_id=made.intent_id, key=f"k{n}", body_hash=f"h{n}")
            answer = await confirmations.confirm(
                Confirm(user_id=order.user_id, key=key, method=method)
            )
            assert answer.status is AttemptResult.REQUIRES_ACTION
            assert answer.order is not None
            assert answer.order.payment_channel == provider


class TestEvidence:
    async def test_is_the_newest_of_each_kind(self, database: Database, order: Order) -> None:
        number = f"{order.order_no}01"
        rows = [
            ("checkout_session", "cs_1", '{"status": "open"}'),
            ("checkout_session", "cs_1", '{"status": "complete"}'),
            ("payment_intent", "pi_1", '{"id": "pi_1"}'),
        ]
        for n, (kind, object_id, body) in enumerate(rows):
            await database.execute(
                """INSERT INTO provider_records (attempt_no, provider, kind, object_id, source,
                     digest, body) VALUES ($1, 'stripe', $2, $3, 'query', $4, $5)""",
                number,
                kind,
                object_id,
                f"{n:064d}",
                body,
            )

        found = await latest_evidence(database, [number, "nobody"])

        assert {(one.kind.value, one.object_id): one.body for one in found} == {
            ("checkout_session", "cs_1"): {"status": "complete"},
            ("payment_intent", "pi_1"): {"id": "pi_1"},
        }
