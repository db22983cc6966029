"""Alipay on the stage of the conformance suite."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from contracts.attempt import AttemptRequest
from contracts.states import Channel
from providers.alipay.adapter import Alipay
from providers.alipay.settings import AlipaySettings
from providers.provider import Provider
from tests.providers.merchant import an_attempt
from tests.providers.signing import private_pem, public_pem
from tests.providers.stage import ANY_TXN, Notice, of_attempt
from tests.sandbox import simulator


class AlipayStage:
    """Alipay's adapter; a payer's arrival has to be played, for before it there is no trade."""

    speaks = True
    signs_answers = True
    signs_in_body = True
    numbers_openings = False
    sticks = False
    fresh_for = timedelta(hours=26)
    openid_channel: Channel | None = None

    def __init__(
        self,
        provider: Alipay,
        impatient: Alipay,
        simulated: simulator.Simulator,
        door: simulator.NoticeDoor,
    ) -> None:
        self.provider: Provider = provider
        self.impatient: Provider = impatient
        self.simulated = simulated
        self.door = door
        key = private_pem(simulated.keyring.merchant).splitlines()
        self.secrets = frozenset({key[1], key[2], "2088102122524333", "138****0000"})

    def an_attempt(self, **changes: Any) -> AttemptRequest:  # noqa: ANN401 - any field
        return an_alipay_attempt(**{"notify_url": self.door.url} | changes)

    async def arrive(self, attempt_no: str) -> None:
        """Scan the code and wait."""
        answer = await asyncio.to_thread(self.simulated.act, attempt_no, "fail")
        assert answer.status_code == 200

    async def txn_of(self, attempt: AttemptRequest) -> str:  # noqa: ARG002 - ours is enough
        return ANY_TXN

    def pay(self, attempt_no: str) -> None:
        assert self.simulated.act(attempt_no, "pay").status_code == 200

    def spoil(
        self, attempt_no: str, operation: str, mode: str, delay_ms: int | None = None
    ) -> None:
        more = of_attempt(attempt_no, operation) | {"delay_ms": delay_ms}
        self.simulated.fault(operation, mode, provider="alipay", **more)

    def settle(self, refund_no: str, outcome: str) -> None:
        reply = self.simulated.control.post(f"/control/refunds/{refund_no}/{outcome}")
        assert reply.status_code == 200

    async def notices(self, attempt_no: str, count: int) -> list[Notice]:
        received = await asyncio.to_thread(self.door.wait_for, attempt_no, count)
        return [
            Notice({n.lower(): v for n, v in one.headers.items()}, one.body) for one in received
        ]


@asynccontextmanager
async def alipay(folder: Path) -> AsyncIterator[AlipayStage]:
    """Start the simulator and an adapter that knows its key."""
    with (
        simulator.NoticeDoor(says=b"success") as door,
        simulator.running_simulator(folder, SANDBOX_TIME_SCALE="60") as simulated,
    ):
        settings = alipay_settings(simulated)
        hasty = alipay_settings(simulated, timeout_seconds=1.0, connect_timeout_seconds=1.0)
        async with Alipay(settings) as provider, Alipay(hasty) as impatient:
            yield AlipayStage(provider, impatient, simulated, door)


def alipay_settings(simulated: simulator.Simulator, **changes: Any) -> AlipaySettings:  # noqa: ANN401
    """Make settings for a simulator."""
    return AlipaySettings(
        **{
            "app_id": simulator.ALIPAY_APP_ID,
            "seller_id": simulator.ALIPAY_SELLER_ID,
            "private_key_pem": private_pem(simulated.keyring.merchant),
            "alipay_public_keys_pem": (public_pem(simulated.keyring.alipay),),
            "gateway": f"{simulated.base_url}/alipay/gateway.do",
        }
        | changes
    )


def an_alipay_attempt(**changes: Any) -> AttemptRequest:  # noqa: ANN401 - any field
    """Make an attempt at Alipay, by a code to scan unless changed."""
    ours = {
        "provider": "alipay",
        "channel": Channel.ALIPAY_QR,
        "merchant_id": simulator.ALIPAY_SELLER_ID,
        "appid": simulator.ALIPAY_APP_ID,
        "return_url": "https://tickets.example/paid?order_id=G1",
        "cancel_url": "https://tickets.example/left?order_id=G1",
    }
    return an_attempt(**ours | changes)
