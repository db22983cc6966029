"""What each refusal of the mock provider means for the caller's next move.

1. Whatever a 5xx says, the call may have taken effect.
2. Only codes decide, never messages.
"""

from typing import Final, TypeAlias

import msgspec

from providers.mock.words import PROVIDER, ErrorBody
from providers.provider import OutcomeUnknown, ProviderError, ProviderRefused, ProviderUnreachable

_Verdict: TypeAlias = type[ProviderRefused | ProviderUnreachable | OutcomeUnknown]

OK: Final = "ok"
UNREADABLE: Final = "unreadable"
BAD_SIGNATURE: Final = "BAD_SIGNATURE"
FREQUENCY_LIMITED: Final = "FREQUENCY_LIMITED"
_OTHER: Final = "other"
_ANY: Final = "*"

# Statuses whose answers say no more than the status does, and so need no signature.
UNSIGNED: Final = {401: BAD_SIGNATURE, 429: FREQUENCY_LIMITED}
CONFIGURATION_FAULTS: Final = frozenset({BAD_SIGNATURE})

_VERDICTS: Final[dict[tuple[str, str], _Verdict]] = {
    (BAD_SIGNATURE, _ANY): ProviderUnreachable,
    (FREQUENCY_LIMITED, _ANY): ProviderUnreachable,
    # A refund that met the limit may be under way all the same.
    (FREQUENCY_LIMITED, "refund"): OutcomeUnknown,
    ("http_status", _ANY): OutcomeUnknown,
    (UNREADABLE, _ANY): OutcomeUnknown,
    ("untrusted", _ANY): OutcomeUnknown,
    ("foreign_answer", _ANY): OutcomeUnknown,
    ("INVALID_REQUEST", _ANY): ProviderRefused,
    ("MOCK_DECLINED", _ANY): ProviderRefused,
    ("NUMBER_USED", _ANY): ProviderRefused,
    ("PAYMENT_CLOSED", _ANY): ProviderRefused,
    ("ALREADY_PAID", _ANY): ProviderRefused,
    ("NOT_FOUND", _ANY): ProviderRefused,
    ("NOT_PAID", _ANY): ProviderRefused,
    ("EXCEEDS_PAID", _ANY): ProviderRefused,
    ("not_sent", _ANY): ProviderRefused,
    (_OTHER, _ANY): ProviderRefused,
}
_KNOWN_CODES = frozenset(code for code, _ in _VERDICTS if code.isupper())


def code_in(body: bytes) -> str:
    """Name what a signed refusal says, from the closed set of this file."""
    try:
        code = msgspec.json.decode(body, type=ErrorBody).code
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return UNREADABLE
    return code if code in _KNOWN_CODES else _OTHER


def error_of(operation: str, code: str) -> ProviderError:
    """Make the error that tells the caller's next move."""
    verdict = _VERDICTS.get((code, operation)) or _VERDICTS[code, _ANY]
    return verdict(PROVIDER, operation, code)
