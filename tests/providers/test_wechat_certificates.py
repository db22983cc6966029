"""Certificate mode: where keys come from, and that they are never lost."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from providers.provider import (
    NoticeRefused,
    OutcomeUnknown,
)
from providers.wechat.adapter import WeChatPay
from tests.providers.merchant import (
    an_attempt,
    settings_of,
)
from tests.providers.scripted import PLATFORM, Scripted, hang_up, public_key_mode
from tests.providers.signing import (
    Platform,
    certificate_of,
    public_pem,
    seal,
)
from tests.providers.wire_server import Sent, WireServer, an_answer


class TestCertificateMode:
    def certificates(self, *certificates: Any, key: str | None = None) -> dict[str, Any]:  # noqa: ANN401
        pems = [c.public_bytes(Encoding.PEM) for c in certificates]
        return {
            "data": [
                {
                    "serial_no": f"{certificate.serial_number:X}",
                    "effective_time": "2026-01-01T00:00:00+08:00",
                    "expire_time": "2031-01-01T00:00:00+08:00",
                    "encrypt_certificate": seal(
                        pem, label="certificate", **({"key": key} if key else {})
                    ),
                }
                for certificate, pem in zip(certificates, pems, strict=True)
            ]
        }

    def script(self, signer: Platform, content: object) -> Callable[[Sent], Awaitable[bytes]]:
        async def answer(sent: Sent) -> bytes:
            about_keys = sent.target == "/v3/certificates"
            body = json.dumps(content if about_keys else {"code_url": "weixin://x"}).encode()
            return an_answer(200, body, signer.headers(body))

        return answer

    async def test_downloads_the_keys_it_then_believes(self) -> None:
        signer = Platform()
        certificate = certificate_of(signer.key)
        signer.serial = f"{certificate.serial_number:X}"
        content = self.certificates(certificate)
        async with WireServer(self.script(signer, content)) as gateway:
            async with WeChatPay(settings_of(gateway=gateway.url)) as provider:
                assert provider.can_verify
                assert (await provider.open(an_attempt())).code_url == "weixin://x"
                headers = signer.headers(b"{}")
                assert provider.verify(headers, b"{}", datetime.now(UTC)).serial == signer.serial

            targets = [gateway.sent.get_nowait().target for _ in range(2)]
            assert targets == ["/v3/certificates", "/v3/pay/transactions/native"]
            assert gateway.sent.empty()

    async def test_starts_without_keys_and_gets_them_later(self) -> None:
        signer = Platform()
        certificate = certificate_of(signer.key)
        signer.serial = f"{certificate.serial_number:X}"
        async with (
            WireServer(hang_up) as gateway,
            WeChatPay(settings_of(gateway=gateway.url)) as provider,
        ):
            assert not provider.can_verify
            with pytest.raises(NoticeRefused):
                provider.verify(signer.headers(b"{}"), b"{}", datetime.now(UTC))

            gateway.script = self.script(signer, self.certificates(certificate))
            assert await provider.refresh_certificates() == 1

            provider.verify(signer.headers(b"{}"), b"{}", datetime.now(UTC))

    async def test_believes_every_public_key_it_was_given_until_one_is_taken_away(self) -> None:
        newer = Platform("PUB_KEY_ID_0116000000012024000000000000000002")
        both = {one.serial: public_pem(one.key) for one in (newer, PLATFORM)}
        only = {newer.serial: both[newer.serial]}
        now = datetime.now(UTC)
        async with WireServer(hang_up) as gateway:
            during = settings_of(gateway=gateway.url, platform_public_keys_pem=both)
            async with WeChatPay(during) as provider:
                for platform in (newer, PLATFORM):
                    notice = provider.verify(platform.headers(b"{}"), b"{}", now)
                    assert notice.serial == platform.serial
                mislabelled = newer.headers(b"{}") | {"wechatpay-serial": PLATFORM.serial}
                with pytest.raises(NoticeRefused):
                    provider.verify(mislabelled, b"{}", now)

                gateway.script = self.script(newer, {"code_url": "weixin://x"})
                await provider.open(an_attempt())
                assert gateway.sent.get_nowait().headers["wechatpay-serial"] == newer.serial

            after = settings_of(gateway=gateway.url, platform_public_keys_pem=only)
            async with WeChatPay(after) as provider:
                provider.verify(newer.headers(b"{}"), b"{}", now)
                with pytest.raises(NoticeRefused):
                    provider.verify(PLATFORM.headers(b"{}"), b"{}", now)

    async def test_keeps_its_keys_when_a_refresh_fails_and_adds_when_it_succeeds(self) -> None:
        async with (
            WireServer(hang_up) as gateway,
            WeChatPay(public_key_mode(gateway.url)) as provider,
        ):
            await self.fail_then_succeed(provider, gateway)

    async def fail_then_succeed(self, provider: WeChatPay, gateway: WireServer) -> None:
        signer, expired = Platform(), certificate_of(Platform().key, ends_in=timedelta(days=-1))
        certificate = certificate_of(signer.key)
        signer.serial = f"{certificate.serial_number:X}"
        now = datetime.now(UTC)
        by_certificate, by_key = signer.headers(b"{}"), PLATFORM.headers(b"{}")

        bad = self.certificates(certificate, key="another key of thirty-two bytes!")
        for script in (
            hang_up,
            self.script(signer, bad),
            self.script(signer, {"data": "none"}),
            self.script(Platform("ABCDEF"), self.certificates(certificate)),
        ):
            gateway.script = script
            with pytest.raises(OutcomeUnknown):
                await provider.refresh_certificates()
            provider.verify(by_key, b"{}", now)
            with pytest.raises(NoticeRefused):
                provider.verify(by_certificate, b"{}", now)

        gateway.script = self.script(signer, self.certificates(certificate, expired))
        assert await provider.refresh_certificates() == 1

        provider.verify(by_key, b"{}", now)
        provider.verify(by_certificate, b"{}", now)


class TestAStoredNotice:
    def test_is_checked_again_whatever_its_age(self, scripted: Scripted) -> None:
        body, long_ago = b"{}", datetime.now(UTC) - timedelta(days=170)
        headers = PLATFORM.headers(body, now=long_ago)

        scripted.provider.verify_stored(headers, body)

        with pytest.raises(NoticeRefused):
            scripted.provider.verify_stored(headers, b"{ }")
