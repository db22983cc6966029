"""The keys Ping++ holds: its own to sign with, the merchant's to check.

After a rotation the new key signs; the old one is kept for notices that are to be crafted with it.
Both outlive a restart, beside the state.

Source: Ping++, RSA signature of requests, and Webhooks, verifying the signature, read 2026-11.
"""

import base64
import binascii
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from sandbox.pingxx.refusal import stranger
from sandbox.settings import PingxxSettings

_SKEW_MAX_SECONDS = 300
_TIMESTAMP_LENGTH_MAX = 12


class Keys:
    """Signs as Ping++ and verifies the merchant; *rotated* is where the key after the first is."""

    def __init__(self, settings: PingxxSettings, rotated: Path) -> None:
        private = load_pem_private_key(settings.private_key.read_bytes(), password=None)
        public = load_pem_public_key(settings.merchant_public_key.read_bytes())
        if not isinstance(private, RSAPrivateKey) or not isinstance(public, RSAPublicKey):
            raise TypeError("Ping++ uses RSA keys only")
        self._secret_key = settings.secret_key
        self._merchant, self._rotated = public, rotated
        self._old = self._new = private
        if rotated.exists():
            newer = load_pem_private_key(rotated.read_bytes(), password=None)
            assert isinstance(newer, RSAPrivateKey), "we wrote it"
            self._new = newer

    @cached_property
    def _foreign(self) -> RSAPrivateKey:
        return generate_private_key(public_exponent=65537, key_size=2048)

    def rotate(self) -> str:
        """Sign with a new key from now on, and return its public half as PEM."""
        self._old, self._new = self._new, generate_private_key(public_exponent=65537, key_size=2048)
        pem = self._new.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._rotated.touch(mode=0o600)
        self._rotated.write_bytes(pem)
        public = self._new.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, message: bytes, *, is_foreign: bool = False, is_old: bool = False) -> str:
        """Sign with the present key, the one before it, or one that nobody trusts."""
        key = self._foreign if is_foreign else self._old if is_old else self._new
        return base64.b64encode(key.sign(message, PKCS1v15(), SHA256())).decode()

    def admit(self, headers: Mapping[str, str], body: bytes, target: bytes) -> None:
        """Let a call of our merchant pass; *target* is its path with the query, as it came.

        :raises Refusal: 401, whatever is wrong.
        """
        if headers.get("Authorization") != f"Bearer {self._secret_key}":
            raise stranger("Invalid API Key provided")
        timestamp = headers.get("Pingplusplus-Request-Timestamp", "")
        is_number = timestamp.isascii() and timestamp.isdecimal()
        if not is_number or len(timestamp) > _TIMESTAMP_LENGTH_MAX:
            raise stranger("Pingplusplus-Request-Timestamp is missing")
        if abs(time.time() - int(timestamp)) > _SKEW_MAX_SECONDS:
            raise stranger("Pingplusplus-Request-Timestamp is not of now")
        message = body + target + timestamp.encode()
        if not self._is_merchants(message, headers.get("Pingplusplus-Signature", "")):
            raise stranger("Pingplusplus-Signature does not match")

    def _is_merchants(self, message: bytes, signature: str) -> bool:
        try:
            raw = base64.b64decode(signature, validate=True)
            self._merchant.verify(raw, message, PKCS1v15(), SHA256())
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True
