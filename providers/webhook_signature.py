"""Signatures of events, as Standard Webhooks lays them out.

1. Nothing of a body is looked at before one of its signatures holds.
2. Several secrets are good at once, so that one can take another's place without a gap.

Source: Standard Webhooks, "Specification", 1.0.0, read 2026-11.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from providers.provider import NoticeRefused, RefusalReason

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
ALIAS: Final = "x-signature"
HEADERS: Final = frozenset({ID, TIMESTAMP, SIGNATURE, ALIAS})
# Either way: a sender's clock may be ahead as well as behind.
TOLERANCE_SECONDS: Final = 300

_PREFIX = "whsec_"
_VERSION = "v1,"
# Of a sender that is between two secrets come two; hundreds come from somebody else.
_SIGNATURES_MAX = 16
_ID = re.compile(r"[\x21-\x7e]{1,255}")
_SECONDS = re.compile(r"[0-9]{1,12}")
_DIGEST_BYTES = 32


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: datetime | None) -> str:
    """Check *body*'s signature, and its age unless *now* is None; return the message's id.

    *headers* has lower-case names. *secret* may be several, separated by commas, each
    ``whsec_`` and base64 or as it is.

    :raises NoticeRefused: whatever is wrong, however malformed the input.
    """
    message_id = _matching(headers.get(ID), _ID)
    timestamp = _matching(headers.get(TIMESTAMP), _SECONDS)
    signatures = _digests(headers.get(SIGNATURE, headers.get(ALIAS)))
    if now is not None and abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        raise NoticeRefused(RefusalReason.STALE)
    signed = f"{message_id}.{timestamp}.".encode() + body
    if not _is_any_good(keys_of(secret), signed, signatures):
        raise NoticeRefused(RefusalReason.BAD_SIGNATURE)
    return message_id


def sign(secret: str, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """Make the headers that :func:`verify` accepts, by the first of the secrets."""
    timestamp = str(int(at.astimezone(UTC).timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.digest(keys_of(secret)[0], signed, sha256)
    signature = _VERSION + base64.b64encode(digest).decode()
    return {ID: message_id, TIMESTAMP: timestamp, SIGNATURE: signature}


def keys_of(secret: str) -> list[bytes]:
    """List the keys that a secret stands for.

    :raises ValueError: one of them is empty or no base64; its words show nothing of it.
    """
    return [_key(one.strip()) for one in secret.split(",")]


def _key(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        key = secret.encode()
    else:
        try:
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            raise ValueError("A webhook secret is no base64.") from None
    if not key:
        raise ValueError("A webhook secret is empty.")
    return key


def _matching(value: str | None, pattern: re.Pattern[str]) -> str:
    if value is None or pattern.fullmatch(value) is None:
        raise NoticeRefused(RefusalReason.MALFORMED)
    return value


def _digests(header: str | None) -> list[bytes]:
    """Read the signatures of the version we know; others are for other readers."""
    parts = (header or "").split(" ")
    if len(parts) > _SIGNATURES_MAX:
        raise NoticeRefused(RefusalReason.MALFORMED)
    found = [_digest(part.removeprefix(_VERSION)) for part in parts if part.startswith(_VERSION)]
    digests = [digest for digest in found if digest is not None]
    if not digests:
        raise NoticeRefused(RefusalReason.MALFORMED)
    return digests


def _digest(text: str) -> bytes | None:
    try:
        digest = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    # A decoder passes over bits that stand for nothing; one signature has one spelling.
    is_canonical = base64.b64encode(digest).decode() == text
    return digest if is_canonical and len(digest) == _DIGEST_BYTES else None


def _is_any_good(keys: Sequence[bytes], signed: bytes, signatures: Sequence[bytes]) -> bool:
    good = False
    for key in keys:
        expected = hmac.digest(key, signed, sha256)
        for signature in signatures:
            # Never cut short: how long it takes must not tell how far it got.
            good = hmac.compare_digest(expected, signature) or good
    return good
