"""The keys Alipay holds: its own to sign with, the merchant's to check calls.

A rotation lasts until the sandbox is started again. The key before it is remembered, because both
are in use while merchants change over.

Source: Alipay Open Platform, "Signing" and "Changing keys", read 2026-11.
"""

import base64
import binascii
from collections.abc import Mapping
from functools import cached_property
from typing import Literal

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
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from sandbox.settings import AlipaySettings

Which = Literal["new", "old", "foreign"]


class Keys:
    """Signs as Alipay and verifies the merchant."""

    def __init__(self, settings: AlipaySettings) -> None:
        private = load_pem_private_key(settings.private_key.read_bytes(), password=None)
        public = load_pem_public_key(settings.merchant_public_key.read_bytes())
        if not isinstance(private, RSAPrivateKey) or not isinstance(public, RSAPublicKey):
            raise TypeError("Alipay's RSA2 needs RSA keys")
        self._private = self._old = private
        self._merchant = public

    @cached_property
    def _foreign(self) -> RSAPrivateKey:
        return _new_key()

    def rotate(self) -> dict[str, str]:
        """Sign with a new key from now on, and hand out its public half."""
        self._old, self._private = self._private, _new_key()
        pem = self._private.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        return {"public_key": pem.decode()}

    def sign(self, message: bytes, which: Which = "new") -> str:
        """Sign with Alipay's key, the one before, or one that nobody trusts."""
        if which == "foreign":
            key = self._foreign
        else:
            key = self._private if which == "new" else self._old
        return base64.b64encode(key.sign(message, PKCS1v15(), SHA256())).decode()

    def is_merchants(self, parameters: Mapping[str, str]) -> bool:
        """Tell whether the merchant signed these parameters of a call."""
        text = joined({name: value for name, value in parameters.items() if value})
        try:
            raw = base64.b64decode(parameters.get("sign", ""), validate=True)
            self._merchant.verify(raw, text.encode(), PKCS1v15(), SHA256())
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def joined(parameters: Mapping[str, str], *, but: frozenset[str] = frozenset({"sign"})) -> str:
    """Write parameters as they are signed: by name, not encoded."""
    names = sorted(name for name in parameters if name not in but)
    return "&".join(f"{name}={parameters[name]}" for name in names)


def _new_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)
