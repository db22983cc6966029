"""One stage per provider: the adapter, its simulator, and a hand on both."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from contracts.attempt import AttemptRequest, Confirmation
from contracts.states import Channel
from providers.mock.adapter import MockPay
from providers.mock.settings import MockSettings
from providers.pingxx.adapter import PingxxPay
from providers.pingxx.settings import PingxxSettings
from providers.provider import Provider
from providers.wechat.adapter import WeChatPay
from tests.providers.merchant import OPENID, an_attempt, settings_of
from tests.providers.signing import private_pem, public_pem
from tests.sandbox import simulator

ANY_TXN = "4200000000000000001"


class Notice(NamedTuple):
    """What came to our door, with lower-case header names."""

    headers: dict[str, str]
    body: bytes


class Stage(Protocol):
    """What the conformance suite needs of a provider and of its simulator.

    *speaks* is whether its notices come to a door of its own, *signs_answers* whether its answers
    are signed, *numbers_openings* whether each opening of a number gets one of the provider's;
    *fresh_for* is how long a notice is believed, *openid_channel* one that needs an openid.
    """

    speaks: bool
    signs_answers: bool
    numbers_openings: bool
    fresh_for: timedelta
    openid_channel: Channel
    provider: Provider
    impatient: Provider
    secrets: frozenset[str]

    def an_attempt(self, **changes: Any) -> AttemptRequest:  # noqa: ANN401 - any field
        """Make a request that the simulator will accept."""

    def pay(self, attempt_no: str) -> None:
        """Be the payer."""

    def spoil(self, operation: str, mode: str, delay_ms: int | None = None) -> None:
        """Let the next call of an operation go wrong."""

    def settle(self, refund_no: str, outcome: str) -> None:
        """Bring a held refund to its end."""

    def txn_of(self, attempt_no: str) -> str:
        """Say which payment of the provider's a refund of an attempt must name."""

    async def notices(self, attempt_no: str, count: int) -> list[Notice]:
        """Wait for so many notices about an attempt."""


class WeChatStage:
    """WeChat Pay's adapter in public key mode."""

    speaks = True
    signs_answers = True
    numbers_openings = False
    fresh_for = timedelta(minutes=5)
    openid_channel = Channel.WECHAT_JSAPI

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

    def spoil(self, operation: str, mode: str, delay_ms: int | None = None) -> None:
        more = {} if delay_ms is None else {"delay_ms": delay_ms}
        self.simulated.fault("native" if operation == "open" else operation, mode, **more)

    def settle(self, refund_no: str, outcome: str) -> None:
        reply = self.simulated.control.post(f"/control/refunds/{refund_no}/{outcome}")
        assert reply.status_code == 200

    def txn_of(self, attempt_no: str) -> str:  # noqa: ARG002 - our own number is enough
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
    numbers_openings = False
    fresh_for = timedelta(minutes=5)
    openid_channel = Channel.WECHAT_JSAPI

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

    def spoil(self, operation: str, mode: str, delay_ms: int | None = None) -> None:
        more = {} if delay_ms is None else {"delay_ms": delay_ms}
        self.simulated.fault(operation, mode, provider="mock", **more)

    def settle(self, refund_no: str, outcome: str) -> None:
        reply = self.simulated.control.post(f"/control/refunds/{refund_no}/{outcome}")
        assert reply.status_code == 200

    def txn_of(self, attempt_no: str) -> str:  # noqa: ARG002 - our own number is enough
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
        hasty = wechat_settings(simulated, timeout_seconds=0.5, connect_timeout_seconds=0.5)
        async with WeChatPay(settings) as provider, WeChatPay(hasty) as impatient:
            yield WeChatStage(provider, impatient, simulated, door)


@asynccontextmanager
async def mock(folder: Path) -> AsyncIterator[MockStage]:
    """Start the simulator and an adapter that shares its secret."""
    quiet = {"MOCK_WEBHOOK_AUTOFIRE": "0", "SANDBOX_TIME_SCALE": "60"}
    with simulator.running_simulator(folder, **quiet) as simulated:
        settings = mock_settings(simulated)
        hasty = mock_settings(simulated, timeout_seconds=0.5, connect_timeout_seconds=0.5)
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
            "platform_public_key_pem": public_pem(simulated.keyring.platform),
            "platform_public_key_id": simulator.PUBLIC_KEY_ID,
        }
        | changes
    )


class PingxxStage:
    """Ping++'s adapter; a code to scan unless a test asks for another channel."""

    speaks = True
    signs_answers = False
    numbers_openings = True
    fresh_for = timedelta(hours=26)
    openid_channel = Channel.WX_PUB

    def __init__(
        self,
        provider: PingxxPay,
        impatient: PingxxPay,
        simulated: simulator.Simulator,
        door: simulator.NoticeDoor,
    ) -> None:
        self.provider: Provider = provider
        self.impatient: Provider = impatient
        self.simulated = simulated
        self.door = door
        key = private_pem(simulated.keyring.merchant).splitlines()
        self.secrets = frozenset({simulator.PINGXX_SECRET_KEY, OPENID, key[1], key[2]})

    def an_attempt(self, **changes: Any) -> AttemptRequest:  # noqa: ANN401 - any field
        return a_pingxx_attempt(**changes)

    def pay(self, attempt_no: str) -> None:
        assert self.simulated.act(attempt_no, "pay").status_code == 200

    def spoil(self, operation: str, mode: str, delay_ms: int | None = None) -> None:
        more = {} if delay_ms is None else {"delay_ms": delay_ms}
        self.simulated.fault(operation, mode, provider="pingxx", **more)

    def settle(self, refund_no: str, outcome: str) -> None:
        reply = self.simulated.control.post(f"/control/refunds/{refund_no}/{outcome}")
        assert reply.status_code == 200

    def txn_of(self, attempt_no: str) -> str:
        return self.simulated.txn_of(attempt_no)

    async def notices(self, attempt_no: str, count: int) -> list[Notice]:
        def speaks_of(one: simulator.Received) -> bool:
            told = one.message["data"]["object"]
            return attempt_no in {told.get("order_no"), told.get("charge_order_no")}

        received = await asyncio.to_thread(self.door.wait_where, speaks_of, count)
        return [
            Notice({n.lower(): v for n, v in one.headers.items()}, one.body) for one in received
        ]


@asynccontextmanager
async def pingxx(folder: Path) -> AsyncIterator[PingxxStage]:
    """Start the simulator and an adapter that knows its keys."""
    with (
        simulator.NoticeDoor() as door,
        simulator.running_simulator(
            folder,
            **simulator.pingxx_environment(folder, door.url),
            SANDBOX_TIME_SCALE="60",
        ) as simulated,
    ):
        settings = pingxx_settings(simulated)
        hasty = pingxx_settings(simulated, timeout_seconds=0.5, connect_timeout_seconds=0.5)
        async with PingxxPay(settings) as provider, PingxxPay(hasty) as impatient:
            yield PingxxStage(provider, impatient, simulated, door)


def pingxx_settings(simulated: simulator.Simulator, **changes: Any) -> PingxxSettings:  # noqa: ANN401
    """Make settings for a simulator."""
    return PingxxSettings(
        **{
            "gateway": f"{simulated.base_url}/pingxx",
            "secret_key": simulator.PINGXX_SECRET_KEY,
            "app_id": simulator.PINGXX_APP_ID,
            "private_key_pem": private_pem(simulated.keyring.merchant),
            "webhook_public_keys_pem": (public_pem(simulated.keyring.platform),),
        }
        | changes
    )


def a_pingxx_attempt(**changes: Any) -> AttemptRequest:  # noqa: ANN401 - any field
    """Make an attempt at Ping++."""
    at_pingxx = {
        "provider": "pingxx",
        "channel": Channel.WX_PUB_QR,
        "merchant_id": simulator.PINGXX_APP_ID,
        "appid": simulator.PINGXX_APP_ID,
    }
    return an_attempt(**at_pingxx | changes)


# A new adapter takes part in every test by one line here.
STAGES: dict[str, Callable[[Path], AbstractAsyncContextManager[Stage]]] = {
    "mock": mock,
    "pingxx": pingxx,
    "wechat": wechat,
}
