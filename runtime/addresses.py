"""Which addresses are on this machine, and which the world may know."""

import ipaddress

from providers.gateways import is_loopback_host as is_loopback

__all__ = ["is_loopback", "is_public"]

# Names that no public server has (RFC 2606, RFC 6762, RFC 8375).
_NEVER_PUBLIC = frozenset({"localhost", "local", "internal", "test", "invalid", "example", "arpa"})


def is_public(host: str) -> bool:
    """Tell whether *host* may be known to the world: by its look, nobody is asked."""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        labels = host.rstrip(".").split(".")
        return len(labels) > 1 and all(labels) and labels[-1] not in _NEVER_PUBLIC
