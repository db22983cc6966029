"""Who sent an event: ``Stripe-Signature: t=<seconds>,v1=<hex>``, HMAC-SHA256 over ``t.body``.

1. The raw bytes are signed, so nothing is decoded before a signature holds.
2. While a secret is rolled, Stripe signs with both, and we believe each that we were told of.

The SDK's own check is not used: it takes events of any future, and decodes first.
Source: Stripe, "Resolve webhook signature verification errors" and "Webhooks", read 2026-11.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

import msgspec

from providers.provider import NoticeRefused, RefusalReason

HEADER: Final = "stripe-signature"
# Either way: a sender's clock may be ahead as well as behind.
TOLERANCE_SECONDS: Final = 300
_HEADER_LENGTH: Final = 4096
# Of an endpoint whose secret is rolled come two; hundreds come from somebody else.
_SIGNATURES_MAX: Final = 16
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}")


class _Signed(msgspec.Struct, frozen=True):
    timestamp: str
    digests: list[str]


def check_signature(
    secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime | None
) -> str:
    """Check *body*'s signature, and its age unless *now* is None; return the key's fingerprint.

    :raises NoticeRefused: whatever is wrong, however malformed the input.
    """
    signed = _read(headers.get(HEADER))
    if now is not None and abs(now.timestamp() - int(signed.timestamp)) > TOLERANCE_SECONDS:
        raise NoticeRefused(RefusalReason.STALE)
    if not secrets:
        raise NoticeRefused(RefusalReason.UNKNOWN_SERIAL)
    content = f"{signed.timestamp}.".encode() + body
    good = [secret for secret in secrets if _is_by(secret, content, signed.digests)]
    if not good:
        raise NoticeRefused(RefusalReason.BAD_SIGNATURE)
    return fingerprint_of(good[0])


def fingerprint_of(secret: str) -> str:
    """Name a secret without telling it."""
    return f"whsec:{sha256(secret.encode()).hexdigest()[:16]}"


def _read(header: object) -> _Signed:
    if not isinstance(header, str) or len(header) > _HEADER_LENGTH:
        raise NoticeRefused(RefusalReason.MALFORMED)
    pairs = [part.strip().partition("=") for part in header.split(",")]
    stamps = [value for name, _, value in pairs if name == "t"]
    digests = [value for name, _, value in pairs if name == "v1"]
    # Two readers may take different ones of two times, so there is no telling what was meant.
    if len(stamps) != 1 or _SECONDS.fullmatch(stamps[0]) is None:
        raise NoticeRefused(RefusalReason.MALFORMED)
    if not 0 < len(digests) <= _SIGNATURES_MAX:
        raise NoticeRefused(RefusalReason.MALFORMED)
    return _Signed(stamps[0], [one for one in digests if _DIGEST.fullmatch(one)])


def _is_by(secret: str, content: bytes, digests: Sequence[str]) -> bool:
    expected = hmac.new(secret.encode(), content, sha256).hexdigest()
    good = False
    for digest in digests:
        # Never cut short: how long it takes must not tell how far it got.
        good = hmac.compare_digest(expected, digest) or good
    return good
