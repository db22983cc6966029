"""Which addresses an adapter may call with what it must keep to itself."""

import ipaddress
from urllib.parse import urlsplit


def may_be_called(url: str) -> bool:
    """Tell whether secrets may be sent to an address: encrypted, or not leaving this machine."""
    parts = urlsplit(url)
    if parts.query or parts.fragment or not parts.hostname:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url))


def is_loopback(url: str) -> bool:
    """Tell whether a simulator on this machine is called."""
    return is_loopback_host(urlsplit(url).hostname or "")


def is_loopback_host(host: str) -> bool:
    """Tell whether *host* can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
