"""One stage per provider: the adapter, its simulator, and a hand on both."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from contracts.attempt import AttemptRequest, Confirmation
from contracts.states import Channel
from providers.mock.adapter import MockPay
from providers.mock.settings import MockSettings
from providers.provider import Provider
from providers.wechat.adapter import WeChatPay
from tests.providers.alipay_stage import alipay
from tests.providers.merchant import OPENID, an_attempt, settings_of
from tests.providers.pingxx_stage import pingxx
from tests.providers.signing import private_pem, public_pem
from tests.providers.stage import ANY_TXN, Notice, Stage, of_attempt
from tests.providers.stripe_stage import stripe
from tests.sandbox import simulator


class WeChatStage:
    """WeChat Pay's adapter in public key mode."""

    speaks = True
    signs_answers = True
    signs_in_body = False
    numbers_openings = False
    sticks = True
    fresh_for = timedelta(minutes=5)
    openid_channel: Channel | None = Channel.WECHAT_JSAPI

    def __init__(
        self,
        provider: WeChatPay,
        impatient: WeChatPay,
        simulated: simulator.Simulator,
        door: simulator.NoticeDoor,
    ) -> None:
        self.provider: Provider = provider
        self.impatient: Provider = impatient
        self.simulated = simulated
        self.door = door
        key = private_pem(simulated.keyring.merchant).splitlines()
        self.secrets = frozenset({simulator.API_V3_KEY, OPENID, key[1], key[2], "weixin://"})

    def an_attempt(self, **changes: Any) -> AttemptRequest:  # noqa: ANN401 - any field
        return an_attempt(**{"appid": simulator.APP_ID, "notify_url": self.door.url} | changes)

    def pay(self, attempt_no: str) -> None:
        assert self.simulated.act(attempt_no, "pay").status_code == 200

    def spoil(
        self, attempt_no: str, operation: str, mode: str, delay_ms: int | None = None
    ) -> None:
        more = of_attempt(attempt_no, operation) | {"delay_ms": delay_ms}
        self.simulated.fault("native" if operation == "open" else operation, mode, **more)

    def settle(self, refund_no: str, outcome: str) -> None:
        reply = self.simulated.control.post(f"/control/refunds/{refund_no}/{outcome}")
        assert reply.status_code == 200

    async def arrive(self, attempt_no: str) -> None:
        """Know the number from its opening on."""

    async def txn_of(self, attempt: AttemptRequest) -> str:  # noqa: ARG002 - ours is enough
        return ANY_TXN

    async def notices(self, attempt_no: str, count: int) -> list[Notice]:
        received = await asyncio.to_thread(self.door.wait_for, attempt_no, count)
        return [
            Notice({n.lower(): v for n, v in one.headers.items()}, one.body) for one in received
        ]


class MockStage:
    """The mock provider's adapter; its payments wait for their payer."""

    speaks = False
    signs_answers = True
    signs_in_body = False
    numbers_openings = False
    sticks = True
    fresh_for = timedelta(minutes=5)
    openid_channel: Channel | None = None

    def __init__(
        self, provider: MockPay, impatient: MockPay, simulated: simulator.Simulator
    ) -> None:
        self.provider: Provider = provider
        self.impatient: Provider = impatient
        self.simulated = simulated
        self.secrets = frozenset({simulator.WEBHOOK_SECRET})

    def an_attempt(self, **changes: Any) -> AttemptRequest:  # noqa: ANN401 - any field
        return a_mock_attempt(**changes)

    def pay(self, attempt_no: str) -> None:
        assert self.simulated.act(attempt_no, "pay").status_code == 200

    def spoil(
        self, attempt_no: str, operation: str, mode: str, delay_ms: int | None = None
    ) -> None:
        more = of_attempt(attempt_no, operation) | {"delay_ms": delay_ms}
        self.simulated.fault(operation, mode, provider="mock", **more)

    def settle(self, refund_no: str, outcome: str) -> None:
        reply = self.simulated.control.post(f"/control/refunds/{refund_no}/{outcome}")
        assert reply.status_code == 200

    async def arrive(self, attempt_no: str) -> None:
        """Know the number from its opening on."""

    async def txn_of(self, attempt: AttemptRequest) -> str:  # noqa: ARG002 - ours is enough
        return ANY_TXN

    async def notices(self, attempt_no: str, count: int) -> list[Notice]:
        raise NotImplementedError


@asynccontextmanager
async def wechat(folder: Path) -> AsyncIterator[WeChatStage]:
    """Start the simulator and an adapter that knows its keys."""
    with (
        simulator.NoticeDoor() as door,
        simulator.running_simulator(folder, SANDBOX_TIME_SCALE="60") as simulated,
    ):
        settings = wechat_settings(simulated)
        hasty = wechat_settings(simulated, timeout_seconds=1.0, connect_timeout_seconds=1.0)
        async with WeChatPay(settings) as provider, WeChatPay(hasty) as impatient:
            yield WeChatStage(provider, impatient, simulated, door)


@asynccontextmanager
async def mock(folder: Path) -> AsyncIterator[MockStage]:
    """Start the simulator and an adapter that shares its secret."""
    quiet = {"MOCK_WEBHOOK_AUTOFIRE": "0", "SANDBOX_TIME_SCALE": "60"}
    with simulator.running_simulator(folder, **quiet) as simulated:
        settings = mock_settings(simulated)
        hasty = mock_settings(simulated, timeout_seconds=1.0, connect_timeout_seconds=1.0)
        async with MockPay(settings) as provider, MockPay(hasty) as impatient:
            yield MockStage(provider, impatient, simulated)


def mock_settings(simulated: simulator.Simulator, **changes: Any) -> MockSettings:  # noqa: ANN401
    """Make settings for a simulator."""
    return mock_settings_at(simulated.base_url, **changes)


def mock_settings_at(url: str, **changes: Any) -> MockSettings:  # noqa: ANN401 - any field
    """Make settings for whoever answers at an address."""
    return MockSettings(**{"gateway": url, "secret": simulator.WEBHOOK_SECRET} | changes)


def a_mock_attempt(simulate: str | None = "requires_action", **changes: Any) -> AttemptRequest:  # noqa: ANN401
    """Make an attempt at the mock provider."""
    confirmation = Confirmation(order_id=17, intent_id=4, idempotency_key="key", simulate=simulate)
    mocked = {
        "provider": "mock",
        "channel": Channel.MOCK,
        "merchant_id": "mock",
        "appid": "mock",
        "notify_url": "http://127.0.0.1:9/payments/webhook",
        "confirmation": confirmation,
    }
    return an_attempt(**mocked | changes)


def wechat_settings(simulated: simulator.Simulator, **changes: Any) -> Any:  # noqa: ANN401
    """Make settings for a simulator, in public key mode unless changed."""
    return settings_of(
        **{
            "gateway": simulated.base_url,
            "merchant_id": simulator.MCH_ID,
            "merchant_serial_no": simulator.MERCHANT_SERIAL,
            "merchant_private_key_pem": private_pem(simulated.keyring.merchant),
            "api_v3_key": simulator.API_V3_KEY,
            "app_ids": (simulator.APP_ID, simulator.OTHER_APP_ID),
            "platform_public_keys_pem": {
                simulator.PUBLIC_KEY_ID: public_pem(simulated.keyring.platform)
            },
        }
        | changes
    )


# A new adapter takes part in every test by one line here.
STAGES: dict[str, Callable[[Path], AbstractAsyncContextManager[Stage]]] = {
    "alipay": alipay,
    "mock": mock,
    "pingxx": pingxx,
    "stripe": stripe,
    "wechat": wechat,
}
