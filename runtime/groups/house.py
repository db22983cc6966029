"""Which world the house stands in, and its doors."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from contracts.bridge import BRIDGE_VERSION_PATTERN
from runtime.groups.kinds import Percent, Port, Url
from runtime.registry import about


class AppEnv(StrEnum):
    """Which world the house stands in."""

    PRODUCTION = "production"
    SANDBOX = "sandbox"


@dataclass(frozen=True, kw_only=True, repr=False)
class HouseSettings:
    """What all the other groups stand on."""

    app_env: Annotated[AppEnv, about("house", "production or sandbox.")] = AppEnv.PRODUCTION
    app_url: Annotated[Url, about("house", "The service as its users see it.")] = (
        "http://127.0.0.1:8000"
    )
    sandbox_url: Annotated[Url | None, about("house", "The simulators; sandbox only.")] = None
    guichet_failpoints: Annotated[
        str | None,
        about("house", "Folder in which tests say where a process dies; sandbox only."),
    ] = None
    log_level: Annotated[str, about("house", "DEBUG, INFO, WARNING or ERROR.")] = "INFO"

    @property
    def is_sandbox(self) -> bool:
        """Whether people, money and providers are pretended."""
        return self.app_env is AppEnv.SANDBOX


@dataclass(frozen=True, kw_only=True, repr=False)
class HttpSettings(HouseSettings):
    """Where the API listens, and what it tells older clients."""

    host: Annotated[str, about("http", "Address to listen on.")] = "127.0.0.1"
    port: Annotated[Port, about("http", "Port to listen on.")] = 8000
    api_workers: Annotated[
        int, Meta(ge=1, le=64), about("http", "API processes on the one port.")
    ] = 1
    cors_allow_origins: Annotated[
        tuple[str, ...], about("http", "Web origins that may call, comma separated; unset: none.")
    ] = ()
    legacy_payment_fields: Annotated[
        bool, about("http", "Repeat codeUrl and jsapiParams beside payPayload.")
    ] = True
    miniprogram_bridge_min_version: Annotated[
        str,
        Meta(pattern=BRIDGE_VERSION_PATTERN),
        about(
            "http",
            "The oldest Mini Program bridge that may pay, until an admin says otherwise.",
            aliases=("MIN_BRIDGE_VERSION",),
        ),
    ] = "1.2.0"
    miniprogram_bridge_rollout_percent: Annotated[
        Percent | None,
        about(
            "http",
            "Percent of users who may use it until an admin says otherwise; unset: 0, sandbox 100.",
        ),
    ] = None
    wechat_oauth_redirect_url: Annotated[
        Url | None,
        about("http", "Page to which WeChat sends back who binds an account; unset: APP_URL."),
    ] = None

    @property
    def bridge_rollout_percent(self) -> int:
        """How many users may use the bridge while no admin has said so; live, it is opened."""
        if self.miniprogram_bridge_rollout_percent is None:
            return 100 if self.is_sandbox else 0
        return self.miniprogram_bridge_rollout_percent
