"""Ping++ on the stage of the conformance suite."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from contracts.attempt import AttemptRequest
from contracts.states import Channel
from providers.pingxx.adapter import PingxxPay
from providers.pingxx.settings import PingxxSettings
from providers.provider import Provider
from tests.providers.merchant import OPENID, an_attempt
from tests.providers.signing import private_pem, public_pem
from tests.providers.stage import Notice, of_attempt
from tests.sandbox import simulator


class PingxxStage:
    """Ping++'s adapter; a code to scan unless a test asks for another channel."""

    speaks = True
    signs_answers = False
    signs_in_body = False
    numbers_openings = True
    sticks = True
    fresh_for = timedelta(hours=26)
    openid_channel: Channel | None = Channel.WX_PUB

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

    def spoil(
        self, attempt_no: str, operation: str, mode: str, delay_ms: int | None = None
    ) -> None:
        more = of_attempt(attempt_no, operation) | {"delay_ms": delay_ms}
        self.simulated.fault(operation, mode, provider="pingxx", **more)

    def settle(self, refund_no: str, outcome: str) -> None:
        reply = self.simulated.control.post(f"/control/refunds/{refund_no}/{outcome}")
        assert reply.status_code == 200

    async def arrive(self, attempt_no: str) -> None:
        """Know the number from its opening on."""

    async def txn_of(self, attempt: AttemptRequest) -> str:
        return self.simulated.txn_of(attempt.attempt_no)

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
        hasty = pingxx_settings(simulated, timeout_seconds=1.0, connect_timeout_seconds=1.0)
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
