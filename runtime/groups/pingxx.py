"""Ping++, which collects for several channels."""

from dataclasses import dataclass
from typing import Annotated

from runtime.groups.house import HouseSettings
from runtime.groups.kinds import Url
from runtime.registry import about

PRODUCTION_GATEWAY = "https://api.pingxx.com"


@dataclass(frozen=True, kw_only=True, repr=False)
class PingxxSettings(HouseSettings):
    """Keys of Ping++."""

    pingxx_secret_key: Annotated[
        str | None,
        about("pingxx", "Key of our calls, sk_.", secret=True, needed_by="pingxx"),
    ] = None
    pingxx_app_id: Annotated[
        str | None, about("pingxx", "The app that is paid, app_.", needed_by="pingxx")
    ] = None
    pingxx_private_key: Annotated[
        str | None,
        about(
            "pingxx",
            "Our private key; signs our calls.",
            aliases=("PINGXX_PRIVATE_KEY_PATH",),
            pem=True,
            secret=True,
            needed_by="pingxx",
        ),
    ] = None
    pingxx_webhook_public_key: Annotated[
        tuple[str, ...],
        about(
            "pingxx",
            "Public keys of Ping++ that its notices are checked with; each counts until it is"
            " removed.",
            pem=True,
            needed_by="pingxx",
        ),
    ] = ()
    pingxx_gateway: Annotated[Url, about("pingxx", "Base URL of the API.")] = PRODUCTION_GATEWAY

    @property
    def pingxx_notices_url(self) -> str:
        """Where Ping++ was told to send its events."""
        return f"{self.app_url}/api/callback/pingxx-callback"
