"""What a call that brought no answer means for the caller's next move."""

import httpx

from providers.provider import OutcomeUnknown, ProviderError, ProviderUnreachable

# Failures before a byte of the request left.
NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


def error_without_answer(provider: str, operation: str, error: Exception) -> ProviderError:
    """Make the error for a call that ended in *error*."""
    if isinstance(error, NEVER_LEFT):
        return ProviderUnreachable(provider, operation, "connect")
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return OutcomeUnknown(provider, operation, "timeout")
    return OutcomeUnknown(provider, operation, "transport")
