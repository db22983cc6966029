"""The provider that is only pretended."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from runtime.groups.house import HouseSettings
from runtime.groups.kinds import Url
from runtime.registry import about


@dataclass(frozen=True, kw_only=True, repr=False)
class MockSettings(HouseSettings):
    """The provider that is only pretended."""

    mock_gateway: Annotated[
        Url | None,
        about("mock", "Base URL of the mock provider, sandbox only; unset: SANDBOX_URL."),
    ] = None
    mock_webhook_autofire: Annotated[
        bool | None,
        about(
            "mock",
            "Whether the mock provider sends its events, sandbox only, read by the simulators;"
            " unset: 1.",
        ),
    ] = None
    mock_webhook_delay_ms: Annotated[
        Annotated[int, Meta(ge=0, le=86_400_000)] | None,
        about(
            "mock",
            "How long after a payment the mock provider tells of it, sandbox only, read by the"
            " simulators; unset: 500.",
        ),
    ] = None

    @property
    def mock_url(self) -> str | None:
        """Where the mock provider is; None where there is none, as in production."""
        return (self.mock_gateway or self.sandbox_url) if self.is_sandbox else None
