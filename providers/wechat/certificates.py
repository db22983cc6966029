"""Platform certificates as the platform hands them out: sealed with the merchant's key.

1. The seal is what makes a certificate trustworthy; then the answer that carried it must be signed
   by one of them, or by a key we knew before.
2. Expired and not yet valid ones are left out.

Source: WeChat Pay v3, "Download platform certificates", read 2026-11.
"""

from datetime import datetime

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import Certificate, load_pem_x509_certificate

from providers.wechat.sealed import SealBroken, Sealed, open_sealed


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    encrypt_certificate: Sealed


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    data: list[_Entry]


def read_certificates(body: bytes, api_v3_key: str, now: datetime) -> dict[str, RSAPublicKey]:
    """Read the public keys out of a certificate answer, by serial number in hex.

    :raises ValueError: the answer is malformed, or sealed with another key.
    """
    try:
        answer = msgspec.json.decode(body, type=_Answer)
        sealed = [open_sealed(entry.encrypt_certificate, api_v3_key) for entry in answer.data]
    except (msgspec.MsgspecError, SealBroken, RecursionError):
        raise ValueError("certificate answer cannot be read") from None
    certificates = [load_pem_x509_certificate(pem) for pem in sealed]
    return {f"{c.serial_number:X}": _key(c) for c in certificates if _is_valid(c, now)}


def _is_valid(certificate: Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _key(certificate: Certificate) -> RSAPublicKey:
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey):
        raise ValueError("platform certificate holds no RSA key")  # noqa: TRY004 - outside data
    return key
