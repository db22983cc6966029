"""What each refusal of WeChat Pay means for the caller's next move.

1. The status comes first: whatever a 5xx says, the call may have taken effect.
2. Only codes decide, never messages. A 4xx that carries no code did not come from the payment
   service, so nothing is known.
3. Codes that only a person can put right (keys, clock, permissions) leave the call to be repeated,
   so that an order stays payable once they are, and are logged as errors.

Source: WeChat Pay v3, error tables of each interface, read 2026-11.
"""

from typing import Final, TypeAlias

import httpx
import msgspec

from providers.provider import OutcomeUnknown, ProviderError, ProviderRefused, ProviderUnreachable
from providers.transport import NEVER_LEFT
from providers.wechat.gateway import NoSlot
from providers.wechat.words import ErrorBody

Verdict: TypeAlias = type[ProviderRefused | ProviderUnreachable | OutcomeUnknown]

OK: Final = "ok"
OTHER: Final = "other"
UNREADABLE: Final = "unreadable"
ANY: Final = "*"

# Older pages and older interfaces spell some codes without the underscore.
_SPELLINGS = {
    "SYSTEMERROR": "SYSTEM_ERROR",
    "ORDERCLOSED": "ORDER_CLOSED",
    "ORDER_PAID": "ORDERPAID",
    "ORDERNOTEXIST": "ORDER_NOT_EXIST",
    "NOTENOUGH": "NOT_ENOUGH",
    "FREQUENCY_LIMIT_EXCEED": "FREQUENCY_LIMITED",
    "RATELIMIT_EXCEEDED": "FREQUENCY_LIMITED",
}

VERDICTS: dict[tuple[str, str], Verdict] = {
    ("SYSTEM_ERROR", ANY): OutcomeUnknown,
    ("BANK_ERROR", ANY): OutcomeUnknown,
    ("http_5xx", ANY): OutcomeUnknown,
    ("http_status", ANY): OutcomeUnknown,
    (UNREADABLE, ANY): OutcomeUnknown,
    ("FREQUENCY_LIMITED", ANY): ProviderUnreachable,
    # A refund that met the limit may be under way all the same.
    ("FREQUENCY_LIMITED", "refund"): OutcomeUnknown,
    ("SIGN_ERROR", ANY): ProviderUnreachable,
    ("NO_AUTH", ANY): ProviderUnreachable,
    # The merchant's balance is short: after a top-up the same number goes through.
    ("NOT_ENOUGH", ANY): ProviderUnreachable,
    ("APPID_MCHID_NOT_MATCH", ANY): ProviderRefused,
    ("MCH_NOT_EXISTS", ANY): ProviderRefused,
    ("PARAM_ERROR", ANY): ProviderRefused,
    ("INVALID_REQUEST", ANY): ProviderRefused,
    # Orders may have to be left alone for their first minutes.
    ("INVALID_REQUEST", "close"): ProviderUnreachable,
    ("OUT_TRADE_NO_USED", ANY): ProviderRefused,
    ("ORDER_CLOSED", ANY): ProviderRefused,
    # The number that was to be opened has been paid: only a query brings the money in.
    ("ORDERPAID", ANY): OutcomeUnknown,
    ("ORDER_NOT_EXIST", ANY): ProviderRefused,
    ("RESOURCE_NOT_EXISTS", ANY): ProviderRefused,
    ("RULE_LIMIT", ANY): ProviderRefused,
    ("TRADE_ERROR", ANY): ProviderRefused,
    ("ACCOUNT_ERROR", ANY): ProviderRefused,
    ("OPENID_MISMATCH", ANY): ProviderRefused,
    ("USER_ACCOUNT_ABNORMAL", ANY): ProviderRefused,
    ("TRADE_OVERDUE", ANY): ProviderRefused,
    ("REFUND_FEE_MISMATCH", ANY): ProviderRefused,
    ("NO_STATEMENT_EXIST", ANY): ProviderRefused,
    ("STATEMENT_CREATING", ANY): ProviderUnreachable,
    (OTHER, ANY): ProviderRefused,
}
CONFIGURATION_FAULTS = frozenset(
    {"SIGN_ERROR", "NO_AUTH", "APPID_MCHID_NOT_MATCH", "MCH_NOT_EXISTS"}
)
_KNOWN_CODES = frozenset(code for code, _ in VERDICTS)
_TOO_MANY_REQUESTS = 429


def code_of(status: int, body: bytes) -> str:
    """Name what an answer says, from the closed set of this file."""
    if status in {200, 204}:
        return OK
    if status // 100 == 5:  # noqa: PLR2004 - a class of HTTP status
        return "http_5xx" if _said(body) != "SYSTEM_ERROR" else "SYSTEM_ERROR"
    if status // 100 != 4:  # noqa: PLR2004 - a class of HTTP status
        return "http_status"
    if status == _TOO_MANY_REQUESTS:
        return "FREQUENCY_LIMITED"
    return _said(body)


def error_of(operation: str, code: str) -> ProviderError:
    """Make the error that tells the caller's next move."""
    verdict = VERDICTS.get((code, operation)) or VERDICTS[code, ANY]
    return verdict("wechat", operation, code)


def error_of_transport(operation: str, error: Exception) -> ProviderError:
    """Make the error for a call that brought no answer we can trust."""
    if isinstance(error, NoSlot):
        return ProviderUnreachable("wechat", operation, "busy")
    if isinstance(error, NEVER_LEFT):
        return ProviderUnreachable("wechat", operation, "connect")
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return OutcomeUnknown("wechat", operation, "timeout")
    if isinstance(error, ValueError):
        return OutcomeUnknown("wechat", operation, UNREADABLE)
    return OutcomeUnknown("wechat", operation, "transport")


def _said(body: bytes) -> str:
    try:
        code = msgspec.json.decode(body, type=ErrorBody).code
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return UNREADABLE
    code = _SPELLINGS.get(code, code)
    return code if code in _KNOWN_CODES and code.isupper() else OTHER
