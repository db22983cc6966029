"""Both signatures: ours under every call, and Ping++'s under every notice.

1. A call is signed over its body, its path with the query, and its time, one behind the other.
2. A notice is signed over its raw bytes alone, so a signature says nothing about its age.
3. Several of Ping++'s keys may be active at once: while one replaces another, both sign.

Source: Ping++, RSA signature of requests, and Webhooks, verifying the signature, read 2026-11.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from providers.provider import NoticeRefused, RefusalReason

HEADER = "x-pingplusplus-signature"
_MIN_KEY_BITS = 2048
# 344 characters for the usual key size; room for a key twice as long.
_SHAPE = re.compile(r"[0-9A-Za-z+/]{1,1020}={0,2}")
_SERIAL_LENGTH = 16


class CallSigner:
    """Signs calls with the key whose public half the merchant left in Ping++'s console.

    :raises ValueError: the key is none.
    """

    def __init__(self, private_key_pem: str) -> None:
        try:
            key = load_pem_private_key(private_key_pem.encode(), password=None)
        except (ValueError, TypeError):
            raise ValueError("Ping++ setting is malformed: private_key") from None
        if not isinstance(key, RSAPrivateKey):
            raise ValueError("Ping++ setting is malformed: private_key")  # noqa: TRY004
        self._key = key

    def headers(self, body: bytes, target: bytes, at_seconds: int) -> dict[str, str]:
        """Sign a call; *target* is its path with the query, as it goes over the wire."""
        message = body + target + str(at_seconds).encode()
        signature = self._key.sign(message, PKCS1v15(), SHA256())
        return {
            "Pingplusplus-Request-Timestamp": str(at_seconds),
            "Pingplusplus-Signature": base64.b64encode(signature).decode(),
        }


class NoticeKeys:
    """The keys of Ping++ that are believed, each known by the beginning of its hash.

    :raises ValueError: one of them is no key, or too short to trust.
    """

    def __init__(self, public_keys_pem: Sequence[str]) -> None:
        keys = [_loaded(pem) for pem in public_keys_pem]
        self._keys = {_serial(key): key for key in keys}

    def check(self, headers: Mapping[str, object], body: bytes) -> str:
        """Check that Ping++ signed *body*, and name the key it used.

        *headers* has lower-case names.

        :raises NoticeRefused: whatever is wrong, however malformed the input.
        """
        given = headers.get(HEADER)
        if not isinstance(given, str) or _SHAPE.fullmatch(given) is None:
            raise NoticeRefused(RefusalReason.MALFORMED)
        try:
            signature = base64.b64decode(given, validate=True)
        except binascii.Error:
            raise NoticeRefused(RefusalReason.MALFORMED) from None
        for serial, key in self._keys.items():
            if _holds(key, signature, body):
                return serial
        raise NoticeRefused(RefusalReason.BAD_SIGNATURE)


def _loaded(pem: str) -> RSAPublicKey:
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError:
        raise ValueError("Ping++ setting is malformed: webhook_public_key") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < _MIN_KEY_BITS:
        raise ValueError("Ping++ webhook_public_key is no RSA key of 2048 bits or more")
    return key


def _serial(key: RSAPublicKey) -> str:
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()[:_SERIAL_LENGTH]


def _holds(key: RSAPublicKey, signature: bytes, body: bytes) -> bool:
    try:
        key.verify(signature, body, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True
