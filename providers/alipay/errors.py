"""What each refusal of Alipay means for the caller's next move.

1. The status comes first: whatever a 5xx says, the call may have taken effect.
2. Only codes decide, never messages. Without a signature a code is believed only where it says
   that a person must mend our keys or permissions: such a call took no effect, and is repeated.
3. Those codes are logged as errors; the order stays payable once they are mended.

Source: Alipay Open Platform, public error codes and those of each interface, read 2026-11.
"""

from typing import Final, TypeAlias

import msgspec

from providers.alipay.words import PROVIDER, Head
from providers.provider import OutcomeUnknown, ProviderError, ProviderRefused, ProviderUnreachable

_Verdict: TypeAlias = type[ProviderRefused | ProviderUnreachable | OutcomeUnknown]

OK: Final = "ok"
OTHER: Final = "other"
UNREADABLE: Final = "unreadable"
UNTRUSTED: Final = "untrusted"
FOREIGN: Final = "foreign_answer"
LIMITED: Final = "FREQUENCY_LIMITED"
NOT_EXIST: Final = "TRADE_NOT_EXIST"
# The trade is not waiting for its payer: paid, or closed, and only a query tells which.
NOT_WAITING: Final = frozenset(
    {"TRADE_STATUS_ERROR", "REASON_TRADE_STATUS_INVALID", "REASON_ILLEGAL_STATUS"}
)
_ANY: Final = "*"

_VERDICTS: Final[dict[tuple[str, str], _Verdict]] = {
    ("SYSTEM_ERROR", _ANY): OutcomeUnknown,
    ("http_5xx", _ANY): OutcomeUnknown,
    ("http_status", _ANY): OutcomeUnknown,
    (UNREADABLE, _ANY): OutcomeUnknown,
    (UNTRUSTED, _ANY): OutcomeUnknown,
    (FOREIGN, _ANY): OutcomeUnknown,
    ("trade_status", _ANY): OutcomeUnknown,
    ("refund_status", _ANY): OutcomeUnknown,
    ("unknown_code", _ANY): OutcomeUnknown,
    (LIMITED, _ANY): ProviderUnreachable,
    # A refund that met the limit may be under way all the same.
    (LIMITED, "refund"): OutcomeUnknown,
    ("SIGN_ERROR", _ANY): ProviderUnreachable,
    ("APP_ERROR", _ANY): ProviderUnreachable,
    ("NO_AUTH", _ANY): ProviderUnreachable,
    # The merchant's balance is short: after a top-up the same number goes through.
    ("SELLER_BALANCE_NOT_ENOUGH", _ANY): ProviderUnreachable,
    ("INVALID_PARAMETER", _ANY): ProviderRefused,
    ("CONDITIONS", _ANY): ProviderRefused,
    (NOT_EXIST, _ANY): ProviderRefused,
    # The number that was to be opened has been paid: only a query brings the money in.
    ("TRADE_HAS_SUCCESS", _ANY): OutcomeUnknown,
    ("TRADE_HAS_FINISHED", _ANY): ProviderRefused,
    ("TRADE_HAS_FINISHED", "open"): OutcomeUnknown,
    ("TRADE_HAS_CLOSE", _ANY): ProviderRefused,
    ("CONTEXT_INCONSISTENT", _ANY): ProviderRefused,
    ("TOTAL_FEE_EXCEED", _ANY): ProviderRefused,
    ("EXIST_FORBIDDEN_WORD", _ANY): ProviderRefused,
    ("TRADE_NOT_ALLOW_REFUND", _ANY): ProviderRefused,
    ("NOT_ALLOW_PARTIAL_REFUND", _ANY): ProviderRefused,
    ("REFUND_AMT_NOT_EQUAL_TOTAL", _ANY): ProviderRefused,
    ("REASON_TRADE_REFUND_FEE_ERR", _ANY): ProviderRefused,
    ("REASON_TRADE_BEEN_FREEZEN", _ANY): ProviderRefused,
    ("DISCORDANT_REPEAT_REQUEST", _ANY): ProviderRefused,
    ("BUYER_ERROR", _ANY): ProviderRefused,
    **{(code, _ANY): ProviderRefused for code in sorted(NOT_WAITING)},
    (OTHER, _ANY): ProviderRefused,
}
CONFIGURATION_FAULTS: Final = frozenset({"SIGN_ERROR", "APP_ERROR", "NO_AUTH"})
_KNOWN: Final = frozenset(code for code, _ in _VERDICTS if code.isupper())
_GATEWAY_CODES: Final = {
    "10000": OK,
    "20000": "SYSTEM_ERROR",
    "20001": "NO_AUTH",
    "40001": "INVALID_PARAMETER",
    "40002": "INVALID_PARAMETER",
    "40003": "CONDITIONS",
    "40005": LIMITED,
    "40006": "NO_AUTH",
}
_GATEWAY_SUB_CODES: Final = {
    "isv.invalid-signature": "SIGN_ERROR",
    "isv.invalid-signature-type": "SIGN_ERROR",
    "isv.missing-signature": "SIGN_ERROR",
    "isv.missing-signature-key": "SIGN_ERROR",
    "isv.missing-signature-config": "SIGN_ERROR",
    "isv.invalid-app-id": "APP_ERROR",
    "isv.missing-app-id": "APP_ERROR",
    "isv.app-call-limited": LIMITED,
    "isv.method-call-limited": LIMITED,
}
_BUSINESS: Final = "40004"
_BUSINESS_SPELLINGS: Final = {"ACCESS_FORBIDDEN": "NO_AUTH", "PARTNER_ERROR": "APP_ERROR"}
_HTTP_OK, _HTTP_LIMITED, _SERVER_ERRORS = 200, 429, 5


def code_of_status(status: int) -> str:
    """Name what a status alone says; ``ok`` leaves it to the body."""
    if status == _HTTP_OK:
        return OK
    if status == _HTTP_LIMITED:
        return LIMITED
    return "http_5xx" if status // 100 == _SERVER_ERRORS else "http_status"


def code_in(content: bytes) -> str:
    """Name what the signed half of an answer says, from the closed set of this file."""
    try:
        head = msgspec.json.decode(content, type=Head)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return UNREADABLE
    if head.sub_code in _GATEWAY_SUB_CODES:
        return _GATEWAY_SUB_CODES[head.sub_code]
    if head.sub_code.endswith("ACQ.SYSTEM_ERROR"):
        return "SYSTEM_ERROR"
    if head.code == _BUSINESS:
        code = head.sub_code.removeprefix("ACQ.")
        code = _BUSINESS_SPELLINGS.get(code, code)
        return code if code in _KNOWN else OTHER
    return _GATEWAY_CODES.get(head.code, "unknown_code")


def code_unsigned(content: bytes) -> str:
    """Name what an answer that nobody signed is good for: our own faults, nothing else."""
    code = code_in(content)
    return code if code in CONFIGURATION_FAULTS else UNTRUSTED


def error_of(operation: str, code: str) -> ProviderError:
    """Make the error that tells the caller's next move."""
    verdict = _VERDICTS.get((code, operation)) or _VERDICTS[code, _ANY]
    return verdict(PROVIDER, operation, code)
