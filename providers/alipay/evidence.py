"""What Alipay sent, as it may be kept: fields by name, so that a new one is kept by nobody.

Left out: who the payer is, what a code to scan opens, and every signature.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from contracts.evidence import Evidence, EvidenceKind
from providers.alipay.words import PROVIDER

KEPT: Final = frozenset(
    {
        *("code", "sub_code", "out_trade_no", "trade_no", "trade_status", "out_request_no"),
        *("total_amount", "receipt_amount", "buyer_pay_amount", "invoice_amount", "point_amount"),
        *("discount_amount", "trans_currency", "settle_currency", "settle_amount"),
        *("refund_fee", "refund_amount", "refund_status", "fund_change", "send_back_fee"),
        *("gmt_create", "gmt_payment", "gmt_refund", "gmt_close", "gmt_refund_pay"),
        *("send_pay_date", "out_biz_no", "app_id", "auth_app_id", "seller_id", "charset"),
        *("notify_id", "notify_type", "notify_time", "version"),
    }
)
_LENGTH_MAX = 256


def answered(operation: str, attempt_no: str, kind: EvidenceKind, content: bytes) -> Evidence:
    """Keep what an answer said; *content* was signed and read."""
    try:
        said = msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        said = {}
    return _evidence(operation, attempt_no, kind, said)


def told(attempt_no: str, parameters: Mapping[str, str]) -> Evidence:
    """Keep what a notice said."""
    return _evidence("notice", attempt_no, EvidenceKind.TRADE, parameters)


def _evidence(
    source: str, attempt_no: str, kind: EvidenceKind, said: Mapping[str, Any]
) -> Evidence:
    body = {name: _plain(said[name]) for name in sorted(KEPT & said.keys())}
    named = body.get("out_request_no") if kind is EvidenceKind.REFUND else body.get("trade_no")
    return Evidence(
        provider=PROVIDER,
        attempt_no=attempt_no,
        kind=kind,
        object_id=named or attempt_no,
        source=source,
        body=body,
    )


def _plain(value: object) -> str:
    # A row takes no NUL, and none of what is kept is long.
    return str(value)[:_LENGTH_MAX].replace("\0", "").encode(errors="ignore").decode()
