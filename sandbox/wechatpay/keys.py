"""The keys WeChat Pay holds: its own to sign with, the merchant's to check, the shared secret.

Source: WeChat Pay v3, signature generation and verification, AEAD_AES_256_GCM, read 2026-11.
"""

import base64
import binascii
import secrets
import time
from functools import cached_property

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from sandbox.settings import WechatSettings

SIGNATURE_TYPE = "WECHATPAY2-SHA256-RSA2048"
# WeChat Pay mixes these into real traffic to see who really verifies.
PROBE_PREFIX = "WECHATPAY/SIGNTEST/"
_API_V3_KEY_BYTES = 32


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """A text only the holder of the APIv3 key can read."""

    algorithm: str = "AEAD_AES_256_GCM"
    ciphertext: str
    associated_data: str
    nonce: str


class Keys:
    """Signs as the platform, verifies the merchant, seals for the merchant."""

    def __init__(self, settings: WechatSettings) -> None:
        private = load_pem_private_key(settings.platform_private_key.read_bytes(), password=None)
        public = load_pem_public_key(settings.merchant_public_key.read_bytes())
        if not isinstance(private, RSAPrivateKey) or not isinstance(public, RSAPublicKey):
            raise TypeError("WeChat Pay uses RSA keys only")
        secret = settings.api_v3_key.encode()
        if len(secret) != _API_V3_KEY_BYTES:
            raise ValueError("the APIv3 key must have 32 bytes")
        self.certificate_pem = settings.platform_certificate.read_text()
        self.certificate = x509.load_pem_x509_certificate(self.certificate_pem.encode())
        self.certificate_serial = f"{self.certificate.serial_number:X}"
        self.public_key_id = settings.platform_public_key_id
        self._merchant, self._aead = public, AESGCM(secret)
        # By the name under which they sign; whoever asks for an old name is still served.
        self._keys = {self.public_key_id: private, self.certificate_serial: private}
        self.old_public_key_id = self.public_key_id

    @cached_property
    def _foreign(self) -> RSAPrivateKey:
        return generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def names(self) -> frozenset[str]:
        """The serials and ids under which it signs, old ones included."""
        return frozenset(self._keys)

    def rotate(self) -> dict[str, str]:
        """Sign with a new key under a new id; the certificate keeps its own."""
        key = generate_private_key(public_exponent=65537, key_size=2048)
        self.old_public_key_id = self.public_key_id
        self.public_key_id = f"PUB_KEY_ID_0{secrets.randbelow(10**27):027d}"
        self._keys[self.public_key_id] = key
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return {"public_key_id": self.public_key_id, "public_key": pem.decode()}

    def verify_merchant(self, message: bytes, signature: str) -> bool:
        """Tell whether the merchant signed exactly these bytes."""
        try:
            raw = base64.b64decode(signature, validate=True)
            self._merchant.verify(raw, message, PKCS1v15(), SHA256())
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True

    def sign(self, message: bytes, *, serial: str = "", foreign: bool = False) -> str:
        """Sign with the platform's key of that name, or with one that nobody trusts."""
        key = self._keys.get(serial, self._keys[self.public_key_id])
        if foreign:
            key = self._foreign
        return base64.b64encode(key.sign(message, PKCS1v15(), SHA256())).decode()

    def seal(self, plaintext: bytes, associated_data: str) -> Sealed:
        """Encrypt under the APIv3 key with a fresh nonce."""
        nonce = secrets.token_hex(6)
        sealed = self._aead.encrypt(nonce.encode(), plaintext, associated_data.encode())
        return Sealed(
            ciphertext=base64.b64encode(sealed).decode(),
            associated_data=associated_data,
            nonce=nonce,
        )

    def signed_headers(
        self,
        body: bytes,
        *,
        serial: str,
        flaw: str | None = None,
        timestamp_offset_seconds: int = 0,
    ) -> dict[str, str]:
        """Sign a body as it leaves; *flaw* ``bad_signature`` or ``signtest`` spoils it."""
        timestamp = str(int(time.time()) + timestamp_offset_seconds)
        nonce = secrets.token_hex(16)
        message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
        signature = self.sign(message, serial=serial, foreign=flaw == "bad_signature")
        return {
            "Wechatpay-Timestamp": timestamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": PROBE_PREFIX + signature if flaw == "signtest" else signature,
            "Wechatpay-Serial": serial,
            "Wechatpay-Signature-Type": SIGNATURE_TYPE,
        }
