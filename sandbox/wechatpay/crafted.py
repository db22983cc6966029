"""One payment notice with chosen faults: what an attacker, a misrouter or a bad day would send."""

import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from sandbox.provider import Envelope
from sandbox.wechatpay import notices


class Overrides(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What differs from an honest notice. Everything is signed as it stands unless said."""

    id: str | None = None
    event_type: str = notices.PAID
    # Fields of the sealed half.
    mchid: str | None = None
    appid: str | None = None
    out_trade_no: str | None = None
    transaction_id: str | None = None
    trade_state: str | None = None
    amount: int | None = None
    currency: str | None = None
    # The sealed half or the whole body word for word, for what does not parse.
    plaintext: str | None = None
    body: str | None = None
    # Blanks behind the JSON, under the signature: still valid, only long.
    padding_bytes: Annotated[int, msgspec.Meta(ge=0, le=4_000_000)] = 0
    # The headers.
    timestamp_offset_seconds: int = 0
    serial: str | None = None
    key: Literal["new", "old"] = "new"
    forged: bool = False
    omit_headers: tuple[str, ...] = ()
    # After signing, so the signature no longer holds.
    signature_prefix: str = ""
    bytes_appended: Annotated[int, msgspec.Meta(ge=0, le=4_000_000)] = 0


def craft(
    maker: notices.Notices, honest: Mapping[str, Any], wanted: Overrides
) -> tuple[str, Envelope]:
    """Return the notice's id and the copy to post; *honest* is the true plaintext."""
    notice_id = wanted.id or str(uuid.uuid4())
    plaintext = msgspec.json.encode(_plaintext(honest, wanted))
    if wanted.plaintext is not None:
        plaintext = wanted.plaintext.encode()
    body = maker.message(notice_id=notice_id, event_type=wanted.event_type, plaintext=plaintext)
    if wanted.body is not None:
        body = wanted.body.encode()
    envelope = maker.envelope(
        body + b" " * wanted.padding_bytes,
        serial=wanted.serial or (maker.old_serial if wanted.key == "old" else maker.serial),
        flaw="bad_signature" if wanted.forged else None,
        timestamp_offset_seconds=wanted.timestamp_offset_seconds,
    )
    return notice_id, _after_signing(envelope, wanted)


def _plaintext(honest: Mapping[str, Any], wanted: Overrides) -> dict[str, Any]:
    names = ("mchid", "appid", "out_trade_no", "transaction_id", "trade_state")
    given = {name: getattr(wanted, name) for name in names}
    changed = {name: value for name, value in given.items() if value is not None}
    amount = dict(honest["amount"])
    if wanted.amount is not None:
        amount |= {"total": wanted.amount, "payer_total": wanted.amount}
    if wanted.currency is not None:
        amount |= {"currency": wanted.currency, "payer_currency": wanted.currency}
    return {**honest, **changed, "amount": amount}


def _after_signing(envelope: Envelope, wanted: Overrides) -> Envelope:
    headers = dict(envelope.headers)
    headers["Wechatpay-Signature"] = wanted.signature_prefix + headers["Wechatpay-Signature"]
    omitted = {name.lower() for name in wanted.omit_headers}
    return Envelope(
        headers={name: value for name, value in headers.items() if name.lower() not in omitted},
        body=envelope.body + b" " * wanted.bytes_appended,
    )
