"""What the payer's WeChat is handed: signed by the merchant, for the app of the attempt."""

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from contracts.attempt import CodeToScan, Opened, SignedCall
from contracts.states import Channel
from providers.provider import ProviderRefused
from providers.wechat.adapter import WeChatPay
from providers.wechat.pay_sign import pay_sign
from tests.providers.merchant import APP_ID, MERCHANT_KEY, OPENID, an_attempt, settings_of
from tests.providers.signing import NOW

VECTOR: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "wechatpay.json").read_text()
)["pay_sign"]
OTHER_APP = "wx0000000000000002"
PREPARED = Opened(prepay_id="wx201410272009395522657a690389285100")
BY_PREPAY_ID = [Channel.WECHAT_JSAPI, Channel.MINIPROGRAM_BRIDGE]


@pytest.fixture
def provider() -> WeChatPay:
    return WeChatPay(settings_of(app_ids=(APP_ID, OTHER_APP)))


def verify(signature: str, message: str) -> None:
    """Check as WeChat does, with the merchant's public key."""
    MERCHANT_KEY.public_key().verify(
        base64.b64decode(signature, validate=True), message.encode(), PKCS1v15(), SHA256()
    )


def signed(provider: WeChatPay, **changes: Any) -> SignedCall:  # noqa: ANN401 - any field
    request = an_attempt(**{"channel": Channel.WECHAT_JSAPI, "openid": OPENID} | changes)
    call = provider.payer_parameters(request, PREPARED, NOW)
    assert isinstance(call, SignedCall)
    return call


class TestThePaySign:
    def test_covers_the_lines_that_the_manual_shows(self) -> None:
        package = f"prepay_id={VECTOR['prepay_id']}"
        lines = (VECTOR["app_id"], VECTOR["time_stamp"], VECTOR["nonce_str"], package)

        assert package == VECTOR["package"]
        verify(pay_sign(MERCHANT_KEY, *lines), VECTOR["message"])

    @pytest.mark.parametrize("channel", BY_PREPAY_ID)
    @pytest.mark.parametrize("appid", [APP_ID, OTHER_APP])
    def test_verifies_for_the_app_of_the_attempt(
        self, provider: WeChatPay, channel: Channel, appid: str
    ) -> None:
        call = signed(provider, channel=channel, appid=appid)

        verify(call.pay_sign, f"{appid}\n{call.time_stamp}\n{call.nonce_str}\n{call.package}\n")
        assert call.app_id == appid
        assert call.package == f"prepay_id={PREPARED.prepay_id}"
        assert call.sign_type == VECTOR["sign_type"]
        assert call.time_stamp == str(int(NOW.timestamp()))
        assert len(call.nonce_str) == 32

    @pytest.mark.parametrize("field", ["app_id", "time_stamp", "nonce_str", "package"])
    def test_fails_when_a_signed_field_is_changed(self, provider: WeChatPay, field: str) -> None:
        call = signed(provider)
        names = ("app_id", "time_stamp", "nonce_str", "package")
        lines = [getattr(call, name) + ("x" if name == field else "") for name in names]

        with pytest.raises(InvalidSignature):
            verify(call.pay_sign, "".join(f"{line}\n" for line in lines))

    def test_is_made_anew_each_time(self, provider: WeChatPay) -> None:
        request = an_attempt(channel=Channel.WECHAT_JSAPI, openid=OPENID)
        first = provider.payer_parameters(request, PREPARED, NOW)
        second = provider.payer_parameters(request, PREPARED, NOW + timedelta(seconds=1))

        assert isinstance(first, SignedCall)
        assert isinstance(second, SignedCall)
        assert first.nonce_str != second.nonce_str
        assert int(second.time_stamp) == int(first.time_stamp) + 1
        assert second.package == first.package


class TestThePayersParameters:
    def test_of_native_are_the_code_to_scan(self, provider: WeChatPay) -> None:
        opened = Opened(code_url="weixin://wxpay/bizpayurl?pr=abc")

        assert provider.payer_parameters(an_attempt(), opened, NOW) == CodeToScan(
            code_url="weixin://wxpay/bizpayurl?pr=abc"
        )

    @pytest.mark.parametrize(
        ("channel", "opened"),
        [
            (Channel.WECHAT_NATIVE, PREPARED),
            (Channel.WECHAT_JSAPI, Opened(code_url="weixin://x")),
            (Channel.MINIPROGRAM_BRIDGE, Opened()),
        ],
    )
    def test_are_refused_of_what_another_channel_opened(
        self, provider: WeChatPay, channel: Channel, opened: Opened
    ) -> None:
        with pytest.raises(ProviderRefused):
            provider.payer_parameters(an_attempt(channel=channel), opened, NOW)
