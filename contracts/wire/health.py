"""The doors for whoever watches the service."""

import msgspec


class Health(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """ok, degraded or down, and what each part says."""

    status: str
    checks: dict[str, str]
