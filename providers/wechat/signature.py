"""Whose signature counts: the platform's keys by serial number, and the check of one message.

1. Notices and answers are held to the same rules, cheapest first, and none of them needs the
   network: an unknown serial number is refused, never looked up.
2. A message is at most five minutes old, and at most five minutes early.
3. Keys are added and never taken away: while a merchant moves from platform certificates to the
   platform public key, both sign for about a week, and so do two public keys while one follows
   the other.

Source: WeChat Pay v3, "Verify signatures" and "Switch to the public key", read 2026-11.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime
from typing import NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from providers.provider import NoticeRefused, RefusalReason

FRESH_SECONDS = 300
SIGNATURE_TYPE = "WECHATPAY2-SHA256-RSA2048"
# WeChat Pay sends these on purpose, to see that we refuse them.
PROBE_PREFIX = "WECHATPAY/SIGNTEST/"
_MIN_KEY_BITS = 2048

_SHAPES = {
    "wechatpay-timestamp": re.compile(r"[0-9]{1,12}"),
    "wechatpay-nonce": re.compile(r"[!-~]{1,128}"),
    # 344 characters for the usual key size; room for a key twice as long.
    "wechatpay-signature": re.compile(r"[!-~]{1,1024}"),
    "wechatpay-serial": re.compile(r"[0-9A-Za-z_]{1,64}"),
}


class KeyRing:
    """The platform's public keys by serial number or public key id."""

    def __init__(self, keys: Mapping[str, RSAPublicKey] | None = None) -> None:
        self._keys: dict[str, RSAPublicKey] = {}
        self.add(keys or {})

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, keys: Mapping[str, RSAPublicKey]) -> None:
        """Trust *keys* too, from the next message on.

        :raises ValueError: a key is too short to trust.
        """
        if any(key.key_size < _MIN_KEY_BITS for key in keys.values()):
            raise ValueError("WeChat Pay platform key is shorter than 2048 bits")
        # One assignment, so that a check under way sees the old keys or the new, never a half.
        self._keys = self._keys | {_canonical(serial): key for serial, key in keys.items()}

    def find(self, serial: str) -> RSAPublicKey | None:
        """Find the key that signs under *serial*."""
        return self._keys.get(_canonical(serial))

    def joined(self, keys: Mapping[str, RSAPublicKey]) -> "KeyRing":
        """Make a ring that trusts *keys* besides these."""
        ring = KeyRing(self._keys)
        ring.add(keys)
        return ring


def check_signature(
    ring: KeyRing, headers: Mapping[str, object], body: bytes, now: datetime | None
) -> str:
    """Check that the platform signed *body*, and return the serial number of the key it used.

    *headers* has lower-case names. *now* None skips the age, for a message checked before.

    :raises NoticeRefused: whatever is wrong, however malformed the input.
    """
    timestamp, nonce, signature, serial = (_shaped(headers, name) for name in _SHAPES)
    if signature.startswith(PROBE_PREFIX):
        _refuse(RefusalReason.SIGNTEST)
    # The vendor's Go library takes a missing type for the only one there is; so do we.
    if headers.get("wechatpay-signature-type", SIGNATURE_TYPE) != SIGNATURE_TYPE:
        _refuse(RefusalReason.MALFORMED)
    if now is not None and abs(now.timestamp() - int(timestamp)) > FRESH_SECONDS:
        _refuse(RefusalReason.STALE)
    key = ring.find(serial)
    if key is None:
        _refuse(RefusalReason.UNKNOWN_SERIAL)
    _verify(key, signature, b"%b\n%b\n%b\n" % (timestamp.encode(), nonce.encode(), body))
    return serial


def _shaped(headers: Mapping[str, object], name: str) -> str:
    value = headers.get(name)
    if not isinstance(value, str) or _SHAPES[name].fullmatch(value) is None:
        _refuse(RefusalReason.MALFORMED)
    return value


def _verify(key: RSAPublicKey, signature: str, message: bytes) -> None:
    try:
        key.verify(base64.b64decode(signature, validate=True), message, PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error):
        _refuse(RefusalReason.BAD_SIGNATURE)


def _canonical(serial: str) -> str:
    # Certificate serial numbers are written with and without leading zeros, in either case.
    return serial.upper().lstrip("0")


def _refuse(reason: RefusalReason) -> NoReturn:
    raise NoticeRefused(reason) from None
