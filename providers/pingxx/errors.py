"""What each refusal of Ping++ means for the caller's next move.

1. The status comes first: whatever a 5xx says, the call may have taken effect.
2. Only types and codes decide, never messages, which repeat what the channel below said.
3. What the channel below refused of a refund is no definite no: Ping++ does not say whether the
   channel had heard of it before. Asking about the number again is always safe.

Source: Ping++ API, errors, and the exceptions of its own SDKs by status, read 2026-11.
"""

from typing import Annotated, Final, TypeAlias

import msgspec

from providers.provider import OutcomeUnknown, ProviderError, ProviderRefused, ProviderUnreachable

_Verdict: TypeAlias = type[ProviderRefused | ProviderUnreachable | OutcomeUnknown]

PROVIDER: Final = "pingxx"
OK: Final = "ok"
UNREADABLE: Final = "unreadable"
FOREIGN: Final = "foreign_answer"
NOT_FOUND: Final = "not_found"
NOT_SENT: Final = "not_sent"
UNSUPPORTED: Final = "unsupported"
ALREADY_PAID: Final = "already_paid"
NUMBER_USED: Final = "number_used"
TOO_MANY: Final = "too_many_pages"
REFUSED_BY_CHANNEL: Final = "channel_request_error"
# The word for it at every provider, so that one alert counts them all.
RATE_LIMITED: Final = "FREQUENCY_LIMITED"
_AUTHENTICATION: Final = "authentication_error"
_INVALID: Final = "invalid_request_error"
_OTHER: Final = "other"
_ANY: Final = "*"

_VERDICTS: Final[dict[tuple[str, str], _Verdict]] = {
    (_AUTHENTICATION, _ANY): ProviderUnreachable,
    (RATE_LIMITED, _ANY): ProviderUnreachable,
    # A refund that met the limit may be under way all the same.
    (RATE_LIMITED, "refund"): OutcomeUnknown,
    (_INVALID, _ANY): ProviderRefused,
    (NOT_FOUND, _ANY): ProviderRefused,
    ("charge_closed", _ANY): ProviderRefused,
    ("charge_unexpected_status", _ANY): OutcomeUnknown,
    ("refund_refused", _ANY): ProviderRefused,
    ("refund_retry", _ANY): ProviderRefused,
    (REFUSED_BY_CHANNEL, "open"): ProviderRefused,
    (REFUSED_BY_CHANNEL, _ANY): OutcomeUnknown,
    ("channel_connection_error", _ANY): OutcomeUnknown,
    ("channel_parse_error", _ANY): OutcomeUnknown,
    ("channel_sign_error", _ANY): OutcomeUnknown,
    ("channel_error", _ANY): OutcomeUnknown,
    ("http_5xx", _ANY): OutcomeUnknown,
    ("http_status", _ANY): OutcomeUnknown,
    ("timeout", _ANY): OutcomeUnknown,
    (UNREADABLE, _ANY): OutcomeUnknown,
    (FOREIGN, _ANY): OutcomeUnknown,
    (TOO_MANY, _ANY): OutcomeUnknown,
    (_OTHER, _ANY): OutcomeUnknown,
    # The number that was to be opened has been paid: only a query brings the money in.
    (ALREADY_PAID, _ANY): OutcomeUnknown,
    (NUMBER_USED, _ANY): ProviderRefused,
    (NOT_SENT, _ANY): ProviderRefused,
    (UNSUPPORTED, _ANY): ProviderRefused,
}
CONFIGURATION_FAULTS: Final = frozenset({_AUTHENTICATION})
_SAID_BY_CODE: Final = frozenset(
    {
        *("charge_closed", "charge_unexpected_status", "refund_refused", "refund_retry"),
        *(REFUSED_BY_CHANNEL, "channel_connection_error"),
        *("channel_parse_error", "channel_sign_error"),
    }
)
_DONE = frozenset({200, 201})
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY_REQUESTS = 401, 403, 404, 429
_CLIENT_ERRORS, _SERVER_ERRORS = 4, 5

_Word = Annotated[str, msgspec.Meta(max_length=64)]


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    type: _Word
    code: _Word | None = None


class _Refusal(msgspec.Struct, frozen=True, kw_only=True):
    error: _Said


def code_of(status: int, body: bytes) -> str:
    """Name what an answer says, from the closed set of this file."""
    if status in _DONE:
        return OK
    if status // 100 == _SERVER_ERRORS:
        return "http_5xx"
    if status // 100 != _CLIENT_ERRORS:
        return "http_status"
    if status == _UNAUTHORIZED:
        return _AUTHENTICATION
    # Its SDKs take every 403 for the rate limit.
    if status in {_FORBIDDEN, _TOO_MANY_REQUESTS}:
        return RATE_LIMITED
    return _code_said(status, body)


def error_of(operation: str, code: str) -> ProviderError:
    """Make the error that tells the caller's next move."""
    verdict = _VERDICTS.get((code, operation)) or _VERDICTS[code, _ANY]
    return verdict(PROVIDER, operation, code)


def _code_said(status: int, body: bytes) -> str:
    try:
        said = msgspec.json.decode(body, type=_Refusal).error
    except (msgspec.MsgspecError, ValueError, RecursionError):
        # Somebody on the way said it, not Ping++.
        return UNREADABLE
    if said.code in _SAID_BY_CODE:
        return str(said.code)
    if said.type == "channel_error":
        return "channel_error"
    if said.type == "rate_limit_error":
        return RATE_LIMITED
    if said.type != _INVALID:
        return _OTHER
    return NOT_FOUND if status == _NOT_FOUND else _INVALID
