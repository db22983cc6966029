"""Alipay."""

from dataclasses import dataclass
from typing import Annotated

from runtime.groups.house import HouseSettings
from runtime.groups.kinds import Url
from runtime.registry import about

PRODUCTION_GATEWAY = "https://openapi.alipay.com/gateway.do"


@dataclass(frozen=True, kw_only=True, repr=False)
class AlipaySettings(HouseSettings):
    """Keys and pages of Alipay."""

    alipay_app_id: Annotated[
        str | None, about("alipay", "The app that is paid.", needed_by="alipay")
    ] = None
    alipay_seller_id: Annotated[
        str | None,
        about("alipay", "The account that is paid, 2088...; unset: notices are matched by app."),
    ] = None
    alipay_private_key: Annotated[
        str | None,
        about(
            "alipay",
            "The app's private key; signs our calls.",
            pem=True,
            secret=True,
            needed_by="alipay",
        ),
    ] = None
    alipay_public_key: Annotated[
        tuple[str, ...],
        about(
            "alipay",
            "Alipay's public keys for the app, that answers and notices are checked with; each"
            " counts until it is removed.",
            pem=True,
            needed_by="alipay",
        ),
    ] = ()
    alipay_gateway: Annotated[Url, about("alipay", "Where calls and pages go.")] = (
        PRODUCTION_GATEWAY
    )
    alipay_notify_url: Annotated[
        Url | None, about("alipay", "Where notices go; unset: APP_URL/api/callback/alipay-notify.")
    ] = None
    alipay_return_url: Annotated[
        Url | None,
        about("alipay", "Page to which payers come back; unset: APP_URL/payment/result."),
    ] = None

    @property
    def alipay_notices_url(self) -> str:
        """Where Alipay sends its notices."""
        return self.alipay_notify_url or f"{self.app_url}/api/callback/alipay-notify"

    @property
    def alipay_result_url(self) -> str:
        """Where Alipay sends payers back."""
        return self.alipay_return_url or f"{self.app_url}/payment/result"
