"""What every call to a provider stands on: whom it trusts, and what it means that none answered."""

import ssl
from functools import cache

import httpx

from providers.provider import OutcomeUnknown, ProviderError, ProviderUnreachable

# Failures before a byte of the request left.
NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


@cache
def trusted() -> ssl.SSLContext:
    """Trust those whom the machine trusts; made once, for each is most of a megabyte."""
    return httpx.create_ssl_context()


def error_without_answer(provider: str, operation: str, error: Exception) -> ProviderError:
    """Make the error for a call that ended in *error*."""
    if isinstance(error, NEVER_LEFT):
        return ProviderUnreachable(provider, operation, "connect")
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return OutcomeUnknown(provider, operation, "timeout")
    return OutcomeUnknown(provider, operation, "transport")
