"""Making the PEM files of the sandbox merchant and of the sandbox's platforms."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sandbox.supervisor.keys import Keys, Pair

# WECHATPAY2-SHA256-RSA2048 is the only scheme (WeChat Pay v3, signatures, read 2026-11); Alipay's
# RSA2 and Ping++ want no shorter keys.
_RSA_BITS = 2048
_RSA_EXPONENT = 65537

# Real ones last five years; nobody renews a sandbox.
_CERTIFICATE_LIFETIME = timedelta(days=10 * 365)


def write_pem_files(keys: Keys) -> None:
    """Write every file that *keys* names, with new keys."""
    write_pairs(keys.later_pairs)
    merchant = generate_private_key(_RSA_EXPONENT, _RSA_BITS)
    keys.merchant_private_key.write_bytes(_private_pem(merchant))
    keys.merchant_public_key.write_bytes(_public_pem(merchant.public_key()))
    platform = generate_private_key(_RSA_EXPONENT, _RSA_BITS)
    keys.platform_private_key.write_bytes(_private_pem(platform))
    keys.platform_public_key.write_bytes(_public_pem(platform.public_key()))
    certificate = _self_signed_certificate(platform)
    keys.platform_certificate.write_bytes(certificate.public_bytes(Encoding.PEM))


def write_pairs(pairs: Iterable[Pair]) -> None:
    """Write pairs anew, each half whole or not at all, for their owner only."""
    for pair in pairs:
        key = generate_private_key(_RSA_EXPONENT, _RSA_BITS)
        # The public half comes last: while it is missing the pair counts as not made.
        pair.public.unlink(missing_ok=True)
        _write_whole(pair.private, _private_pem(key))
        _write_whole(pair.public, _public_pem(key.public_key()))


def _write_whole(file: Path, content: bytes) -> None:
    unfinished = file.with_suffix(".unfinished")
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(content)
    unfinished.replace(file)


def _private_pem(key: RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public_pem(key: RSAPublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _self_signed_certificate(key: RSAPrivateKey) -> x509.Certificate:
    common_name = x509.NameAttribute(x509.NameOID.COMMON_NAME, "Guichet sandbox payment platform")
    name = x509.Name([common_name])
    # A minute early, so a clock that steps back a little still finds it valid.
    begins_at = datetime.now(UTC) - timedelta(minutes=1)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins_at)
        .not_valid_after(begins_at + _CERTIFICATE_LIFETIME)
        .sign(key, hashes.SHA256())
    )
