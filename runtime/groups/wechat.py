"""WeChat: the merchant's keys, the platform's, and the apps."""

from dataclasses import dataclass
from typing import Annotated

from runtime.groups.house import HouseSettings
from runtime.groups.kinds import Seconds, Url
from runtime.registry import about

PRODUCTION_GATEWAY = "https://api.mch.weixin.qq.com"
PRODUCTION_API = "https://api.weixin.qq.com"
PRODUCTION_OPEN = "https://open.weixin.qq.com"


@dataclass(frozen=True, kw_only=True, repr=False)
class WeChatSettings(HouseSettings):
    """WeChat Pay v3, and who its payers are."""

    wechat_pay_gateway: Annotated[Url, about("wechat", "Base URL of WeChat Pay v3.")] = (
        PRODUCTION_GATEWAY
    )
    wechat_pay_mch_id: Annotated[
        str | None, about("wechat", "Merchant number.", needed_by="wechat")
    ] = None
    wechat_service_account_app_id: Annotated[
        str | None,
        about(
            "wechat",
            "App id of Native and JSAPI payments.",
            aliases=("WECHAT_PAY_APP_ID",),
            needed_by="wechat",
        ),
    ] = None
    wechat_miniprogram_app_id: Annotated[
        str | None, about("wechat", "App id of Mini Program payments.")
    ] = None
    wechat_service_account_app_secret: Annotated[
        str | None,
        about("wechat", "The service account's secret; unset: nobody is bound.", secret=True),
    ] = None
    wechat_miniprogram_app_secret: Annotated[
        str | None,
        about("wechat", "The Mini Program's secret; unset: nobody is bound there.", secret=True),
    ] = None
    wechat_api_base: Annotated[Url, about("wechat", "Where codes are exchanged for openids.")] = (
        PRODUCTION_API
    )
    wechat_open_base: Annotated[
        Url, about("wechat", "Where people in the WeChat browser are sent for a code.")
    ] = PRODUCTION_OPEN
    wechat_pay_private_key: Annotated[
        str | None,
        about("wechat", "The merchant's private key.", pem=True, secret=True, needed_by="wechat"),
    ] = None
    wechat_pay_serial_no: Annotated[
        str | None,
        about(
            "wechat",
            "Serial number of the merchant's certificate, hexadecimal.",
            aliases=("WECHAT_PAY_CERT_SERIAL_NO", "WECHAT_PAY_CERT_SERIAL"),
            needed_by="wechat",
        ),
    ] = None
    wechat_pay_api_v3_key: Annotated[
        str | None,
        about(
            "wechat",
            "Key that opens notices, 32 bytes.",
            aliases=("WECHAT_PAY_API_KEY_V3", "WECHAT_API_V3_KEY"),
            secret=True,
            needed_by="wechat",
        ),
    ] = None
    wechat_pay_platform_public_key: Annotated[
        tuple[str, ...],
        about(
            "wechat",
            "The platform's public keys, the newest first; unset: certificates are loaded.",
            pem=True,
        ),
    ] = ()
    wechat_pay_platform_public_key_id: Annotated[
        tuple[str, ...],
        about("wechat", "Numbers of those keys, PUB_KEY_ID_..., in their order, comma separated."),
    ] = ()
    wechat_pay_notify_url: Annotated[
        Url | None, about("wechat", "Where notices go; unset: APP_URL/api/webhooks/wechatpay.")
    ] = None
    wechat_close_min_age_seconds: Annotated[
        Seconds, about("wechat", "Age below which WeChat Pay refuses to close an order.")
    ] = 0

    @property
    def other_mini_program_app_id(self) -> str | None:
        """The Mini Program's app id, if payers are called differently there."""
        other = self.wechat_miniprogram_app_id
        return None if other == self.wechat_service_account_app_id else other

    @property
    def notify_url(self) -> str:
        """Where WeChat Pay sends its notices."""
        return self.wechat_pay_notify_url or f"{self.app_url}/api/webhooks/wechatpay"
