"""What Ping++ sent, kept without what pays anything or says who paid.

Only what is named here is kept: Ping++ adds fields, and none of them may be a secret by accident.
"""

from collections.abc import Mapping
from typing import Any, Final

from contracts.evidence import Evidence, EvidenceKind
from providers.pingxx.errors import PROVIDER
from providers.provider import Keep

_CHARGE: Final = frozenset(
    {
        *("id", "object", "created", "livemode", "paid", "refunded", "reversed", "channel"),
        *("order_no", "client_ip", "amount", "amount_settle", "currency", "subject", "body"),
        *("time_paid", "time_expire", "time_settle", "transaction_no", "amount_refunded"),
        *("failure_code", "failure_msg", "description"),
    }
)
_REFUND: Final = frozenset(
    {
        *("id", "object", "order_no", "amount", "created", "succeed", "status", "time_succeed"),
        *("description", "failure_code", "failure_msg", "charge", "charge_order_no"),
        *("transaction_no", "funding_source"),
    }
)
_EXTRA: Final = frozenset({"product_id", "limit_pay", "bank_type", "fee_type"})
_METADATA: Final = frozenset({"attempt_no", "refund_no"})
_TEXT_LENGTH = 512


class Keeper:
    """Hands what Ping++ sent to whoever keeps it."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep

    def charge(self, attempt_no: str, source: str, told: Mapping[str, Any]) -> None:
        """Keep a charge."""
        app = told.get("app")
        nested = {
            "app": app.get("id") if isinstance(app, dict) else app,
            "extra": _among(told.get("extra"), _EXTRA),
            "metadata": _among(told.get("metadata"), _METADATA),
        }
        body = _among(told, _CHARGE) | nested
        self._leave(attempt_no, EvidenceKind.CHARGE, source, body)

    def refund(self, attempt_no: str, source: str, told: Mapping[str, Any]) -> None:
        """Keep a refund."""
        body = _among(told, _REFUND) | {"metadata": _among(told.get("metadata"), _METADATA)}
        self._leave(attempt_no, EvidenceKind.REFUND, source, body)

    def _leave(
        self, attempt_no: str, kind: EvidenceKind, source: str, body: dict[str, Any]
    ) -> None:
        evidence = Evidence(
            provider=PROVIDER,
            attempt_no=attempt_no,
            kind=kind,
            object_id=str(body["id"]),
            source=source,
            body=body,
        )
        self._keep(evidence)


def _among(told: object, names: frozenset[str]) -> dict[str, Any]:
    given = told if isinstance(told, Mapping) else {}
    return {name: _plain(value) for name, value in given.items() if name in names}


def _plain(value: object) -> object:
    if isinstance(value, str):
        # The database keeps no zero bytes in its JSON.
        return value[:_TEXT_LENGTH].replace("\x00", "")
    return value if isinstance(value, bool | int | float) else None
