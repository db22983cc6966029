"""RSA2: our signature under what we send, Alipay's under what it answers and tells.

1. RSA2 is RSASSA-PKCS1-v1_5 with SHA-256. No other kind is made or believed, whatever a message
   says of itself.
2. Alipay names no key in its signatures, so each key that we know is tried; several are good at
   once, and none is ever looked up.

Source: Alipay Open Platform, "Signing" and "Verifying signatures", read 2026-11.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

RSA2 = "RSA2"
_MIN_KEY_BITS = 2048
# 344 characters for the usual key size; room for a key twice as long.
_SIGNATURE_LENGTH_MAX = 1024
_NAME_LENGTH = 16


class KeyRing:
    """Alipay's public keys, each known by a name made of its fingerprint."""

    def __init__(self, pems: Sequence[str]) -> None:
        self._keys = {_name_of(key): key for key in map(public_key, pems)}

    def signer_of(self, message: bytes, signature: str) -> str | None:
        """Name the key that signed *message*, however malformed the signature."""
        raw = _decoded(signature)
        if raw is None:
            return None
        for name, key in self._keys.items():
            try:
                key.verify(raw, message, PKCS1v15(), SHA256())
            except InvalidSignature:
                continue
            return name
        return None


def sign(key: RSAPrivateKey, parameters: Mapping[str, str]) -> str:
    """Sign the parameters of a call: all that say something, by name, not encoded."""
    text = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()) if value)
    return base64.b64encode(key.sign(text.encode(), PKCS1v15(), SHA256())).decode()


def public_key(text: str) -> RSAPublicKey:
    """Load a key of Alipay's.

    :raises ValueError: not an RSA public key, or one too short to trust.
    """
    try:
        if "-----" in text:
            key = load_pem_public_key(text.encode())
        else:
            key = load_der_public_key(_bare(text))
    except ValueError:
        raise ValueError("alipay_public_key is neither PEM nor bare base64") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < _MIN_KEY_BITS:
        raise ValueError("alipay_public_key is not an RSA key of 2048 bits or more")
    return key


def private_key(text: str) -> RSAPrivateKey:
    """Load the merchant's key.

    :raises ValueError: not an unencrypted RSA private key.
    """
    try:
        if "-----" in text:
            key = load_pem_private_key(text.encode(), password=None)
        else:
            key = load_der_private_key(_bare(text), password=None)
    except (ValueError, TypeError):
        raise ValueError("alipay private_key is neither PEM nor bare base64") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("alipay private_key is not an RSA key")  # noqa: TRY004 - outside data
    return key


def _bare(text: str) -> bytes:
    return base64.b64decode("".join(text.split()), validate=True)


def _decoded(signature: str) -> bytes | None:
    if len(signature) > _SIGNATURE_LENGTH_MAX:
        return None
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return None
    # A decoder passes over bits that stand for nothing; one signature has one spelling.
    return raw if base64.b64encode(raw).decode() == signature else None


def _name_of(key: RSAPublicKey) -> str:
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()[:_NAME_LENGTH]
