"""Every setting of the service: the one registry, read once per process.

1. A field's name in capitals is its environment variable; its metadata is its documentation. The
   fields stand by group in runtime/groups; dataclasses, because structs have one base only.
2. A field without a default is required; an empty value counts as not set.
3. ``APP_ENV`` unset means production. Production refuses what belongs to the sandbox, the sandbox
   refuses what is real.
4. ``.env.example`` and ``.env.example.full`` are the registry in other forms:
   ``python scripts/generate_env_examples.py`` writes them.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from runtime.groups.alipay import AlipaySettings
from runtime.groups.frontend import FrontendSettings
from runtime.groups.house import AppEnv, HttpSettings
from runtime.groups.mock import MockSettings
from runtime.groups.notify import NotifySettings
from runtime.groups.payment import PROVIDERS, PaymentSettings
from runtime.groups.people import PeopleSettings
from runtime.groups.pingxx import PingxxSettings
from runtime.groups.sale import SaleSettings
from runtime.groups.stores import StoreSettings
from runtime.groups.stripe import StripeSettings
from runtime.groups.telemetry import TelemetrySettings
from runtime.groups.wechat import WeChatSettings
from runtime.groups.worker import WorkerSettings
from runtime.registry import SettingsError, gather, has_secret, missing

__all__ = ["AppEnv", "Settings", "SettingsError", "read_settings"]


@dataclass(frozen=True, kw_only=True, repr=False)
class Settings(
    HttpSettings,
    StoreSettings,
    PeopleSettings,
    SaleSettings,
    PaymentSettings,
    WeChatSettings,
    StripeSettings,
    PingxxSettings,
    AlipaySettings,
    MockSettings,
    FrontendSettings,
    WorkerSettings,
    NotifySettings,
    TelemetrySettings,
):
    """What the service was told at its start."""

    def __repr__(self) -> str:
        """Say which world, and nothing secret: settings end up in error reports."""
        return f"Settings(app_env={self.app_env.value!r})"

    @property
    def configured_providers(self) -> tuple[str, ...]:
        """The providers that have all they need, enabled or not: old money may still move."""
        return tuple(
            provider
            for provider in PROVIDERS
            if not missing(self, {provider}) and (provider != "mock" or self.mock_url)
        )

    @property
    def stripe_key_for_browsers(self) -> str | None:
        """The key that pages start Stripe's library with; none where they may not offer Stripe."""
        return self._named_for_browsers if self.offers_stripe else None

    @property
    def offers_stripe(self) -> bool:
        """Whether pages may offer Stripe: it was switched on, and would work."""
        return (
            self.next_public_stripe_enabled
            and self._named_for_browsers is not None
            and "stripe" in self.payment_channels_enabled
            and "stripe" in self.configured_providers
        )

    @property
    def without_effect(self) -> tuple[str, ...]:
        """Settings that were set and change nothing, to be told whoever set them."""
        # A currency of the house would charge another amount than the order says.
        return () if self.stripe_default_currency is None else ("STRIPE_DEFAULT_CURRENCY",)

    @property
    def half_told(self) -> tuple[tuple[str, str], ...]:
        """Providers that have a key and cannot be used all the same, with each thing they lack."""
        return tuple(
            (provider, name)
            for provider in PROVIDERS
            if has_secret(self, provider)
            for name in missing(self, {provider})
        )

    @property
    def _named_for_browsers(self) -> str | None:
        return self.next_public_stripe_publishable_key or self.stripe_publishable_key


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment, PEM files included.

    :raises SettingsError: something is missing, malformed or not allowed here; all of it is named.
    """
    # Late, because the rules about environments speak of Settings.
    from runtime.environments import objections  # noqa: PLC0415

    settings = gather(Settings, os.environ if environ is None else environ)
    if problems := objections(settings):
        raise SettingsError(problems)
    if settings.payment_channels_enabled:
        return settings
    # In the sandbox all are there to be tried, and those that lack something say so when asked.
    enabled = PROVIDERS if settings.is_sandbox else settings.configured_providers
    return replace(settings, payment_channels_enabled=enabled)
