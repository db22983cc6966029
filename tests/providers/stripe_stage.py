"""Stripe on the stage of the conformance suite."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from contracts.attempt import AttemptRequest
from contracts.facts import PaymentSucceeded
from contracts.states import Channel
from providers.provider import Provider
from providers.stripe.adapter import StripePay
from providers.stripe.settings import StripeSettings
from tests.providers.merchant import an_attempt
from tests.providers.stage import Notice, of_attempt
from tests.sandbox import simulator

STRIPE_KEY, STRIPE_WEBHOOK_SECRET = "sk_test_51CanaryKey", "whsec_CanarySecret"
# Stripe tells more of one refund than how it ended.
STRIPE_ENDS = frozenset(
    {"payment_intent.succeeded", "checkout.session.completed", "refund.updated", "refund.failed"}
)


class StripeStage:
    """Stripe's adapter; its attempts are payment intents unless they are said to be sessions."""

    speaks = True
    signs_answers = False
    signs_in_body = False
    numbers_openings = False
    sticks = True
    fresh_for = timedelta(minutes=5)
    openid_channel: Channel | None = None

    def __init__(
        self,
        provider: StripePay,
        impatient: StripePay,
        simulated: simulator.Simulator,
        door: simulator.NoticeDoor,
    ) -> None:
        self.provider: Provider = provider
        self.impatient: Provider = impatient
        self.simulated = simulated
        self.door = door
        self.secrets = frozenset(
            {STRIPE_KEY, STRIPE_WEBHOOK_SECRET, "payer@example.com", "Jenny Rosen"}
        )

    def an_attempt(self, **changes: Any) -> AttemptRequest:  # noqa: ANN401 - any field
        return a_stripe_attempt(**changes)

    async def arrive(self, attempt_no: str) -> None:
        """Know the number from its opening on."""

    async def txn_of(self, attempt: AttemptRequest) -> str:
        fact = await self.provider.query(attempt)
        if isinstance(fact, PaymentSucceeded):
            return fact.provider_txn_id
        return (await self.provider.open(attempt)).reference or ""

    def pay(self, attempt_no: str) -> None:
        assert self.simulated.act(attempt_no, "pay").status_code == 200

    def spoil(
        self, attempt_no: str, operation: str, mode: str, delay_ms: int | None = None
    ) -> None:
        more = of_attempt(attempt_no, operation) | {"delay_ms": delay_ms}
        self.simulated.fault(operation, mode, provider="stripe", **more)

    def settle(self, refund_no: str, outcome: str) -> None:
        reply = self.simulated.control.post(f"/control/refunds/{refund_no}/{outcome}")
        assert reply.status_code == 200

    async def notices(self, attempt_no: str, count: int) -> list[Notice]:
        def told(one: simulator.Received) -> bool:
            return one.message["type"] in STRIPE_ENDS and attempt_no.encode() in one.body

        received = await asyncio.to_thread(self.door.wait_where, told, count)
        return [
            Notice({n.lower(): v for n, v in one.headers.items()}, one.body) for one in received
        ]


@asynccontextmanager
async def stripe(folder: Path) -> AsyncIterator[StripeStage]:
    """Start the simulator and an adapter that has its keys."""
    with (
        simulator.NoticeDoor() as door,
        simulator.running_simulator(
            folder,
            SANDBOX_TIME_SCALE="60",
            SANDBOX_STRIPE_SECRET_KEY=STRIPE_KEY,
            SANDBOX_STRIPE_WEBHOOK_SECRET=STRIPE_WEBHOOK_SECRET,
            SANDBOX_STRIPE_WEBHOOK_URL=door.url,
        ) as simulated,
    ):
        settings = stripe_settings(f"{simulated.base_url}/stripe")
        hasty = stripe_settings(
            f"{simulated.base_url}/stripe", timeout_seconds=1.0, connect_timeout_seconds=1.0
        )
        async with StripePay(settings) as provider, StripePay(hasty) as impatient:
            yield StripeStage(provider, impatient, simulated, door)


def stripe_settings(url: str, **changes: Any) -> StripeSettings:  # noqa: ANN401 - any field
    """Make settings for whoever answers at an address."""
    keys = {"secret_key": STRIPE_KEY, "webhook_secrets": (STRIPE_WEBHOOK_SECRET,)}
    return StripeSettings(**{"api_base": url} | keys | changes)


def a_stripe_attempt(**changes: Any) -> AttemptRequest:  # noqa: ANN401 - any field
    """Make an attempt at Stripe, in CNY as the suite pays."""
    at_stripe = {
        "provider": "stripe",
        "channel": Channel.STRIPE,
        "merchant_id": "stripe:test",
        "appid": "stripe:test",
        "return_url": "http://127.0.0.1:9/result?session_id={CHECKOUT_SESSION_ID}",
        "cancel_url": "http://127.0.0.1:9/back",
    }
    return an_attempt(**at_stripe | changes)
