"""A provider whose notices are facts as they are, under a shared secret: for doors and inbox."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

import msgspec

from contracts.attempt import BilledRefund, RefundRequest
from contracts.facts import Fact, RefundMoved
from providers.provider import (
    NoticeRefused,
    NoticeUnreadable,
    OutcomeUnknown,
    RefusalReason,
    VerifiedNotice,
)


class Told(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """One notice."""

    id: str
    kind: str
    facts: list[Fact]


class Messenger:
    """Brings notices whose signature is in *header*, and says what it is asked of refunds."""

    tells_by_events = False

    def __init__(self, name: str, header: str | None = None) -> None:
        self.name = name
        self.moved: RefundMoved | None = None
        self.is_away = False
        self.sold: dict[str, str] = {}
        self.asked: list[BilledRefund | RefundRequest] = []
        self._header = header

    def signed(self, body: bytes) -> dict[str, str]:
        """Sign a notice; without a header its last line is the signature."""
        return {} if self._header is None else {self._header: _mac(self.name, body)}

    def verify(self, headers: Mapping[str, str], body: bytes, _now: datetime) -> VerifiedNotice:
        """See Provider.verify."""
        self.verify_stored(headers, body)
        digest = hashlib.sha256(body).hexdigest()
        return VerifiedNotice(provider=self.name, event_id=f"sha256:{digest}", serial="1")

    def verify_stored(self, headers: Mapping[str, str], body: bytes) -> None:
        """See Provider.verify_stored."""
        if self._header is None:
            told, _, signature = body.rpartition(b"\n")
            is_good = signature.decode("latin-1") == _mac(self.name, told)
        else:
            if set(headers) != {self._header}:
                raise NoticeRefused(RefusalReason.MALFORMED)
            is_good = headers[self._header] == _mac(self.name, body)
        if not is_good:
            raise NoticeRefused(RefusalReason.BAD_SIGNATURE)

    def read(self, body: bytes) -> list[Fact]:
        """See Provider.read."""
        told = body if self._header else body.rpartition(b"\n")[0]
        try:
            return msgspec.json.decode(told, type=Told).facts
        except msgspec.MsgspecError:
            raise NoticeUnreadable("notice") from None

    async def query_refund(self, refund: RefundRequest | BilledRefund) -> RefundMoved | None:
        """See Provider.query_refund."""
        self.asked.append(refund)
        if self.is_away:
            raise OutcomeUnknown(self.name, "query_refund", "timeout")
        return self.moved

    async def attempt_no_of(self, provider_txn_id: str) -> str:
        """See NamesPayments.attempt_no_of."""
        if self.is_away:
            raise OutcomeUnknown(self.name, "query", "timeout")
        return self.sold.get(provider_txn_id, "")


def a_notice(kind: str, *facts: Fact, notice_id: str = "evt_1") -> bytes:
    """Tell facts."""
    return msgspec.json.encode(Told(id=notice_id, kind=kind, facts=list(facts)))


def closed_by(name: str, told: bytes) -> bytes:
    """Put the signature under a notice that has no header for it."""
    return told + b"\n" + _mac(name, told).encode()


def _mac(name: str, body: bytes) -> str:
    return hmac.new(f"secret of {name}".encode(), body, hashlib.sha256).hexdigest()
