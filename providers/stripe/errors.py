"""What each refusal of Stripe means for the caller's next move.

1. The status comes first: whatever a 5xx says, the call may have taken effect. One that Stripe
   keeps answering under its key never brought anybody a secret, and never will.
2. Only codes decide, never messages; a 4xx without an error object did not come from Stripe.
3. What only a person can put right (keys, permissions) leaves the call to be repeated.

Source: Stripe API, "Errors" and "Error codes", read 2026-11.
"""

from typing import Final, TypeAlias

import httpx
import stripe

from providers.provider import (
    NumberBurnt,
    OutcomeUnknown,
    ProviderError,
    ProviderRefused,
    ProviderUnreachable,
)
from providers.transport import NEVER_LEFT

_Verdict: TypeAlias = type[ProviderRefused | ProviderUnreachable | OutcomeUnknown]

PROVIDER: Final = "stripe"
OK: Final = "ok"
UNREADABLE: Final = "unreadable"
NOT_SENT: Final = "not_sent"
MISSING: Final = "resource_missing"
STATE: Final = "unexpected_state"
KEPT_FAILURE: Final = "kept_failure"
REPLAYED: Final = "idempotent-replayed"
_OTHER: Final = "other"
_ANY: Final = "*"

_VERDICTS: Final[dict[tuple[str, str], _Verdict]] = {
    ("api_error", _ANY): OutcomeUnknown,
    # Money may have moved, so that only a look tells; what would be opened, nobody could pay.
    (KEPT_FAILURE, _ANY): OutcomeUnknown,
    (KEPT_FAILURE, "open"): NumberBurnt,
    ("http_status", _ANY): OutcomeUnknown,
    (UNREADABLE, _ANY): OutcomeUnknown,
    ("foreign_answer", _ANY): OutcomeUnknown,
    ("FREQUENCY_LIMITED", _ANY): ProviderUnreachable,
    # A refund that met the limit may be under way all the same.
    ("FREQUENCY_LIMITED", "refund"): OutcomeUnknown,
    # The same number is being worked on by another call: what comes of it, nobody knows yet.
    ("idempotency_key_in_use", _ANY): OutcomeUnknown,
    ("lock_timeout", _ANY): ProviderUnreachable,
    ("lock_timeout", "refund"): OutcomeUnknown,
    ("authentication", _ANY): ProviderUnreachable,
    ("permission", _ANY): ProviderUnreachable,
    # The number was used with other words.
    ("idempotency_error", _ANY): ProviderRefused,
    ("amount_too_small", _ANY): ProviderRefused,
    ("amount_too_large", _ANY): ProviderRefused,
    ("charge_already_refunded", _ANY): ProviderRefused,
    ("charge_disputed", _ANY): ProviderRefused,
    ("balance_insufficient", _ANY): ProviderRefused,
    ("parameter_invalid_integer", _ANY): ProviderRefused,
    ("parameter_missing", _ANY): ProviderRefused,
    ("parameter_unknown", _ANY): ProviderRefused,
    ("url_invalid", _ANY): ProviderRefused,
    ("card_error", _ANY): ProviderRefused,
    (STATE, _ANY): ProviderRefused,
    (MISSING, _ANY): ProviderRefused,
    # We name what Stripe named to us: unknown there, our key is of another account.
    (MISSING, "query"): OutcomeUnknown,
    (MISSING, "close"): ProviderUnreachable,
    (MISSING, "query_refund"): OutcomeUnknown,
    ("canceled", _ANY): ProviderRefused,
    ("succeeded", _ANY): OutcomeUnknown,
    ("in_progress", _ANY): ProviderUnreachable,
    ("too_late", _ANY): OutcomeUnknown,
    ("not_searchable_yet", _ANY): OutcomeUnknown,
    ("too_many", _ANY): OutcomeUnknown,
    (NOT_SENT, _ANY): ProviderRefused,
    (_OTHER, _ANY): ProviderRefused,
}
CONFIGURATION_FAULTS: Final = frozenset({"authentication", "permission"})
_KNOWN_CODES = frozenset(code for code, _ in _VERDICTS)
_SPELLINGS = {
    "payment_intent_unexpected_state": STATE,
    "rate_limit": "FREQUENCY_LIMITED",
    "parameter_invalid_empty": "parameter_missing",
}
_TOO_MANY_REQUESTS, _CONFLICT = 429, 409


def error_of(operation: str, code: str) -> ProviderError:
    """Make the error that tells the caller's next move."""
    verdict = _VERDICTS.get((code, operation)) or _VERDICTS[code, _ANY]
    return verdict(PROVIDER, operation, code)


def error_of_failure(operation: str, error: Exception, *, arrived: bool) -> ProviderError:
    """Make the error for a call that brought no success; *arrived*: some try of it may have."""
    if isinstance(error, stripe.APIConnectionError):
        return _of_transport(operation, error.__cause__, arrived=arrived)
    if isinstance(error, TimeoutError):
        return OutcomeUnknown(PROVIDER, operation, "timeout")
    if isinstance(error, stripe.StripeError):
        return error_of(operation, code_of(error))
    # Whatever broke while an answer was read, the call had arrived.
    return OutcomeUnknown(PROVIDER, operation, UNREADABLE)


def never_left(error: BaseException | None) -> bool:
    """Tell whether a try failed before anything was sent."""
    return isinstance(error, NEVER_LEFT)


def code_of(error: stripe.StripeError) -> str:
    """Name what Stripe says, from the closed set of this file."""
    status = error.http_status if isinstance(error.http_status, int) else 0
    if status // 100 == 5:  # noqa: PLR2004 - a class of HTTP status
        return KEPT_FAILURE if _is_replayed(error) else "api_error"
    if status // 100 != 4:  # noqa: PLR2004 - a class of HTTP status
        return UNREADABLE if status // 100 == 2 else "http_status"  # noqa: PLR2004 - as above
    if status == _TOO_MANY_REQUESTS:
        return "FREQUENCY_LIMITED"
    if isinstance(error, stripe.AuthenticationError):
        return "authentication"
    if isinstance(error, stripe.PermissionError):
        return "permission"
    return _said(error, status)


def _is_replayed(error: stripe.StripeError) -> bool:
    return (error.headers or {}).get(REPLAYED) == "true"


def _said(error: stripe.StripeError, status: int) -> str:
    told = error.json_body
    body = told.get("error") if isinstance(told, dict) else None
    if not isinstance(body, dict):
        return UNREADABLE
    if isinstance(error, stripe.CardError):
        return "card_error"
    code, kind = body.get("code"), body.get("type")
    if kind == "idempotency_error":
        return "idempotency_key_in_use" if status == _CONFLICT else "idempotency_error"
    if not isinstance(code, str):
        return _OTHER
    code = _SPELLINGS.get(code, code)
    return code if code in _KNOWN_CODES else _OTHER


def _of_transport(operation: str, cause: BaseException | None, *, arrived: bool) -> ProviderError:
    if never_left(cause) and not arrived:
        return ProviderUnreachable(PROVIDER, operation, "connect")
    if isinstance(cause, httpx.TimeoutException) and not never_left(cause):
        return OutcomeUnknown(PROVIDER, operation, "timeout")
    return OutcomeUnknown(PROVIDER, operation, "transport")
