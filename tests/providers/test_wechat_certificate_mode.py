"""Certificate mode against the simulator: a merchant before and during its move to the key."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.facts import PaymentSucceeded
from contracts.states import Channel
from providers.provider import ProviderUnreachable
from providers.wechat.adapter import WeChatPay
from tests.providers.merchant import OPENID, an_attempt
from tests.providers.stages import wechat_settings
from tests.sandbox import simulator


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[simulator.Simulator]:
    folder: Path = tmp_path_factory.mktemp("certificates")
    with simulator.running_simulator(folder, SANDBOX_WECHAT_NOTICE_KEY="certificate") as running:
        yield running


def before_the_move(simulated: simulator.Simulator) -> WeChatPay:
    return WeChatPay(wechat_settings(simulated, platform_public_keys_pem={}))


class TestAMerchantWithCertificates:
    async def test_opens_and_settles(self, simulated: simulator.Simulator) -> None:
        with simulator.NoticeDoor() as door:
            attempt = an_attempt(
                appid=simulator.APP_ID,
                notify_url=door.url,
                channel=Channel.MINIPROGRAM_BRIDGE,
                openid=OPENID,
            )
            async with before_the_move(simulated) as provider:
                assert (await provider.open(attempt)).prepay_id
                simulated.act(attempt.attempt_no, "pay")
                (notice,) = door.wait_for(attempt.attempt_no)
                headers = {name.lower(): value for name, value in notice.headers.items()}

                verified = provider.verify(headers, notice.body, datetime.now(UTC))

                assert verified.serial == simulated.keyring.certificate_serial
                assert isinstance(await provider.query(attempt), PaymentSucceeded)

    async def test_on_the_move_believes_both_signatures(
        self, simulated: simulator.Simulator
    ) -> None:
        with simulator.NoticeDoor() as door:
            attempt = an_attempt(appid=simulator.APP_ID, notify_url=door.url)
            async with WeChatPay(wechat_settings(simulated)) as provider:
                await provider.refresh_certificates()
                await provider.open(attempt)  # answered under the public key
                simulated.act(attempt.attempt_no, "pay")
                (notice,) = door.wait_for(attempt.attempt_no)  # told under the certificate
                headers = {name.lower(): value for name, value in notice.headers.items()}

                verified = provider.verify(headers, notice.body, datetime.now(UTC))

                assert verified.serial == simulated.keyring.certificate_serial

    async def test_starts_while_the_platform_is_busy(self, simulated: simulator.Simulator) -> None:
        simulated.fault("certificates", "rate_limited", count=2)

        async with before_the_move(simulated) as provider:
            assert not provider.can_verify
            with pytest.raises(ProviderUnreachable):
                await provider.refresh_certificates()
            assert await provider.refresh_certificates() == 1
            assert provider.can_verify
