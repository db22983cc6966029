"""Signatures in the layout of Standard Webhooks, for calls, answers and events alike.

Several secrets may be given, separated by commas: the first signs, each of them is believed.

Source: Standard Webhooks specification 1.0, signature scheme, read 2026-11.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

FRESH_SECONDS = 300
_PREFIX = "whsec_"


class Keys:
    """The secrets that the provider shares with its merchant.

    :raises ValueError: a secret is malformed.
    """

    def __init__(self, secrets: str) -> None:
        parts = [part.strip() for part in secrets.split(",")]
        self._keys = [_key_of(part) for part in parts if part]
        if not self._keys:
            raise ValueError("PAYMENT_WEBHOOK_SECRET is empty")

    def headers(
        self, message_id: str, now_seconds: int, content: bytes, *, is_spoilt: bool = False
    ) -> dict[str, str]:
        """Sign *content*; a spoilt signature is made with a key that nobody knows."""
        key = b"somebody else" if is_spoilt else self._keys[0]
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(now_seconds),
            "webhook-signature": _signature(key, message_id, str(now_seconds), content),
        }

    def accepts(self, headers: Mapping[str, str], content: bytes, now_seconds: float) -> bool:
        """Tell whether *content* was signed with one of the keys, not long ago."""
        message_id = headers.get("webhook-id", "")
        timestamp = headers.get("webhook-timestamp", "")
        if not (message_id and timestamp.isascii() and timestamp.isdecimal()):
            return False
        if len(timestamp) > 12 or abs(now_seconds - int(timestamp)) > FRESH_SECONDS:  # noqa: PLR2004
            return False
        given = headers.get("webhook-signature", "").encode().split(b" ")
        wanted = [_signature(key, message_id, timestamp, content).encode() for key in self._keys]
        return any(hmac.compare_digest(one, other) for one in given for other in wanted)


def _signature(key: bytes, message_id: str, timestamp: str, content: bytes) -> str:
    message = f"{message_id}.{timestamp}.".encode() + content
    digest = hmac.new(key, message, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def _key_of(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("PAYMENT_WEBHOOK_SECRET is not base64") from error
