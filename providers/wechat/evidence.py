"""What WeChat Pay answered, as it may be kept: fields by name, so that a new one is kept by nobody.

Left out: who the payer is, the account that money goes back to, and what an opening brings, of
which nothing but secrets would be left.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from contracts.evidence import Evidence, EvidenceKind
from providers.wechat.answers import Answer
from providers.wechat.words import PROVIDER

_KEPT: Final = frozenset(
    {
        *("appid", "mchid", "out_trade_no", "transaction_id", "trade_type", "trade_state"),
        *("bank_type", "success_time", "refund_id", "out_refund_no", "channel", "status"),
        *("create_time", "funds_account"),
    }
)
_AMOUNTS: Final = frozenset(
    {
        *("total", "payer_total", "currency", "payer_currency", "refund", "payer_refund"),
        *("settlement_refund", "settlement_total", "discount_refund", "refund_fee"),
    }
)
_LENGTH_MAX: Final = 256


def of_trade(answer: Answer, attempt_no: str) -> Evidence:
    """Keep what an answer said of an attempt."""
    body = {"out_trade_no": attempt_no} | _body(answer)
    named = str(body.get("transaction_id") or attempt_no)
    return _evidence(answer, attempt_no, EvidenceKind.TRADE, named, body)


def of_refund(answer: Answer, attempt_no: str, refund_no: str) -> Evidence:
    """Keep what an answer said of a refund."""
    body = {"out_refund_no": refund_no} | _body(answer)
    return _evidence(answer, attempt_no, EvidenceKind.REFUND, refund_no, body)


def _evidence(
    answer: Answer, attempt_no: str, kind: EvidenceKind, object_id: str, body: dict[str, Any]
) -> Evidence:
    return Evidence(
        provider=PROVIDER,
        attempt_no=attempt_no,
        kind=kind,
        object_id=object_id,
        source=answer.operation,
        body=body,
    )


def _body(answer: Answer) -> dict[str, Any]:
    """Read what may be kept; of a refusal, and of a close, that is the code alone."""
    try:
        said = msgspec.json.decode(answer.body, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        said = {}
    kept = _among(said, _KEPT) | {"code": answer.code}
    amount = said.get("amount")
    return kept | ({"amount": _among(amount, _AMOUNTS)} if isinstance(amount, dict) else {})


def _among(told: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: _plain(told[name]) for name in sorted(names & told.keys())}


def _plain(value: object) -> object:
    if isinstance(value, bool | int | float):
        return value
    return value[:_LENGTH_MAX] if isinstance(value, str) else None
