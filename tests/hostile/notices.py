"""Genuine notices and everything needed to change one of them and sign it again.

Written from the provider's pages, with the platform's private key: none of our own code signs,
seals or verifies here.
"""

import base64
import json
import random
import time
from typing import Any, TypeAlias

import msgspec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from tests.providers.signing import (
    API_V3_KEY,
    PUBLIC_KEY_ID,
    SIGNATURE_TYPE,
    a_refund,
    a_transaction,
)

Headers: TypeAlias = dict[str, str]
Words: TypeAlias = dict[str, Any]

TIMESTAMP, NONCE, SIGNATURE, SERIAL, KIND = (
    "wechatpay-timestamp",
    "wechatpay-nonce",
    "wechatpay-signature",
    "wechatpay-serial",
    "wechatpay-signature-type",
)
_HEX = "0123456789abcdef"


class Payment(msgspec.Struct, frozen=True):
    """What a payer did at the platform."""

    attempt_no: str
    total_minor: int
    txn: str


class Notice(msgspec.Struct, frozen=True):
    """One notice as it travels."""

    headers: Headers
    body: bytes


class Forge:
    """The platform's pen: its key, its seal, and a dice that can be thrown again."""

    def __init__(self, key: RSAPrivateKey, dice: random.Random) -> None:
        self.key = key
        self.dice = dice

    def hex(self, length: int) -> str:
        """Throw *length* hexadecimal digits."""
        return "".join(self.dice.choices(_HEX, k=length))

    def txn(self) -> str:
        """Throw the platform's number of a payment."""
        return f"42000000{self.hex(20)}"

    def transaction(self, payment: Payment, **changes: object) -> Words:
        """Say that it was paid."""
        return a_transaction(
            out_trade_no=payment.attempt_no,
            transaction_id=payment.txn,
            amount={
                "total": payment.total_minor,
                "payer_total": payment.total_minor,
                "currency": "CNY",
                "payer_currency": "CNY",
            },
            **changes,
        )

    def refund(self, payment: Payment) -> Words:
        """Say that more than all went back, under a number that nobody asked for."""
        number = f"{payment.attempt_no}R{self.hex(12)}"
        total = payment.total_minor
        amount = {"total": total, "refund": total + 1, "currency": "CNY"}
        return a_refund(out_trade_no=payment.attempt_no, out_refund_no=number, amount=amount)

    def seal(self, plaintext: bytes, *, key: str = API_V3_KEY) -> Words:
        """Seal with the merchant's key."""
        nonce = self.hex(12)
        sealed = AESGCM(key.encode()).encrypt(nonce.encode(), plaintext, b"transaction")
        return {
            "original_type": "transaction",
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": base64.b64encode(sealed).decode(),
            "associated_data": "transaction",
            "nonce": nonce,
        }

    def envelope(self, content: Words | bytes, *, event: str = "TRANSACTION.SUCCESS") -> Words:
        """Put it in the envelope of a notice."""
        plaintext = content if isinstance(content, bytes) else encoded(content)
        return {
            "id": self.hex(32),
            "create_time": "2026-11-21T20:00:01+08:00",
            "resource_type": "encrypt-resource",
            "event_type": event,
            "summary": "支付成功",
            "resource": self.seal(plaintext),
        }

    def signed(
        self, body: bytes, *, shift_seconds: int = 0, key: RSAPrivateKey | None = None
    ) -> Notice:
        """Sign *body* as of *shift_seconds* from now."""
        timestamp, nonce = str(int(time.time()) + shift_seconds), self.hex(32)
        message = signed_message(timestamp, nonce, body)
        signature = (key or self.key).sign(message, PKCS1v15(), SHA256())
        headers = {
            TIMESTAMP: timestamp,
            NONCE: nonce,
            SIGNATURE: base64.b64encode(signature).decode(),
            SERIAL: PUBLIC_KEY_ID,
            KIND: SIGNATURE_TYPE,
        }
        return Notice(headers, body)

    def genuine(self, payment: Payment) -> Notice:
        """Make the notice that the platform would send."""
        return self.signed(encoded(self.envelope(self.transaction(payment))))


def signed_message(timestamp: str, nonce: str, body: bytes) -> bytes:
    """Build what is signed."""
    return f"{timestamp}\n{nonce}\n".encode() + body + b"\n"


def encoded(words: object) -> bytes:
    """Write JSON."""
    return json.dumps(words, ensure_ascii=False).encode()
