"""What the adapter must be told about the simulator."""

import msgspec

CALL_SECONDS = 3.0


class MockSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the simulator listens, and the secret it shares with us."""

    gateway: str
    secret: str
    timeout_seconds: float = CALL_SECONDS
    connect_timeout_seconds: float = 2.0
    max_connections: int = 64

    def __repr__(self) -> str:
        """Say where, and nothing secret: settings end up in error reports."""
        return f"MockSettings(gateway={self.gateway!r})"
