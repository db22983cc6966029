"""What the mock provider answered, as it is kept: nothing it says is secret or personal."""

from typing import Any

import msgspec

from contracts.evidence import Evidence, EvidenceKind
from providers.mock.client import Answer
from providers.mock.words import PROVIDER


def of_payment(answer: Answer, attempt_no: str) -> Evidence:
    """Keep what an answer said of an attempt."""
    return _evidence(answer, attempt_no, EvidenceKind.TRADE, "txn_id", attempt_no)


def of_refund(answer: Answer, attempt_no: str, refund_no: str) -> Evidence:
    """Keep what an answer said of a refund."""
    return _evidence(answer, attempt_no, EvidenceKind.REFUND, "refund_no", refund_no)


def _evidence(
    answer: Answer, attempt_no: str, kind: EvidenceKind, name: str, number: str
) -> Evidence:
    said = msgspec.json.decode(answer.body, type=dict[str, Any])
    return Evidence(
        provider=PROVIDER,
        attempt_no=attempt_no,
        kind=kind,
        object_id=str(said.get(name) or number),
        source=answer.operation,
        body=said,
    )
