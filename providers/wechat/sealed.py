"""Opens what the platform sealed with the merchant's APIv3 key: notices and certificates."""

import base64
import binascii
from functools import lru_cache

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ALGORITHM = "AEAD_AES_256_GCM"
_NONCE_BYTES = 12


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed value as it travels in JSON."""

    algorithm: str
    ciphertext: str
    nonce: str
    associated_data: str | None = None


class SealBroken(Exception):
    """It was not sealed with our key, or was altered since; *reason* is fit for logs."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def open_sealed(sealed: Sealed, api_v3_key: str) -> bytes:
    """Decrypt and authenticate a sealed value.

    :raises SealBroken: wrong algorithm, nonce, encoding or key.
    """
    if sealed.algorithm != ALGORITHM:
        raise SealBroken("algorithm")
    nonce = sealed.nonce.encode()
    if len(nonce) != _NONCE_BYTES:
        raise SealBroken("nonce")
    try:
        ciphertext = base64.b64decode(sealed.ciphertext, validate=True)
        return _cipher(api_v3_key).decrypt(
            nonce, ciphertext, (sealed.associated_data or "").encode()
        )
    except (InvalidTag, binascii.Error, ValueError):
        raise SealBroken("seal") from None


# Setting a key up takes longer than opening a notice with it.
@lru_cache(maxsize=4)
def _cipher(api_v3_key: str) -> AESGCM:
    return AESGCM(api_v3_key.encode())
