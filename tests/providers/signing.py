"""A platform that signs and seals, written from the vendor's pages and not from our own code."""

import base64
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

API_V3_KEY = "0123456789abcdefghijklmnopqrstuv"
PUBLIC_KEY_ID = "PUB_KEY_ID_0116000000012024000000000000000001"
SIGNATURE_TYPE = "WECHATPAY2-SHA256-RSA2048"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def new_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def private_pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def public_pem(key: rsa.RSAPrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def certificate_of(
    key: rsa.RSAPrivateKey, *, serial: int | None = None, ends_in: timedelta = timedelta(days=1)
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test platform")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + ends_in)
        .sign(key, SHA256())
    )


class Platform:
    """One platform key and the name it signs under."""

    def __init__(self, serial: str = PUBLIC_KEY_ID) -> None:
        self.key = new_key()
        self.serial = serial

    def headers(
        self, body: bytes, *, now: datetime | None = None, timestamp: str | None = None
    ) -> dict[str, str]:
        at = timestamp or str(int((now or datetime.now(UTC)).timestamp()))
        nonce = secrets.token_hex(16)
        message = f"{at}\n{nonce}\n".encode() + body + b"\n"
        signature = self.key.sign(message, padding.PKCS1v15(), SHA256())
        return {
            "wechatpay-timestamp": at,
            "wechatpay-nonce": nonce,
            "wechatpay-signature": base64.b64encode(signature).decode(),
            "wechatpay-serial": self.serial,
            "wechatpay-signature-type": SIGNATURE_TYPE,
        }


def seal(plaintext: bytes, *, label: str = "transaction", key: str = API_V3_KEY) -> dict[str, Any]:
    nonce = secrets.token_hex(6)
    sealed = AESGCM(key.encode()).encrypt(nonce.encode(), plaintext, label.encode())
    return {
        "original_type": label,
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(sealed).decode(),
        "associated_data": label,
        "nonce": nonce,
    }


def a_transaction(**changes: object) -> dict[str, Any]:
    return {
        "mchid": "1900000001",
        "appid": "wx0000000000000001",
        "out_trade_no": "G0123456789ABCDE01",
        "transaction_id": "4200000000202611210000000001",
        "trade_type": "NATIVE",
        "trade_state": "SUCCESS",
        "success_time": "2026-11-21T20:00:00+08:00",
        "payer": {"openid": "oCanaryOpenid"},
        "amount": {"total": 9900, "payer_total": 9900, "currency": "CNY"},
    } | changes


def a_refund(**changes: object) -> dict[str, Any]:
    return {
        "mchid": "1900000001",
        "out_trade_no": "G0123456789ABCDE01",
        "transaction_id": "4200000000202611210000000001",
        "out_refund_no": "G0123456789ABCDE01R01",
        "refund_id": "50000000382019052709732678859",
        "refund_status": "SUCCESS",
        "success_time": "2026-11-21T20:10:00+08:00",
        "user_received_account": "card of a payer",
        "amount": {"total": 9900, "refund": 9900, "payer_total": 9900, "payer_refund": 9900},
    } | changes


def an_envelope(
    content: dict[str, Any] | bytes, *, event: str = "TRANSACTION.SUCCESS", **changes: object
) -> bytes:
    plaintext = content if isinstance(content, bytes) else json.dumps(content).encode()
    envelope = {
        "id": "3119dfba-e649-5eec-ab1e-3412bc4d2e17",
        "create_time": "2026-11-21T20:00:01+08:00",
        "resource_type": "encrypt-resource",
        "event_type": event,
        "summary": "支付成功",
        "resource": seal(plaintext),
    } | changes
    return json.dumps(envelope, ensure_ascii=False).encode()
