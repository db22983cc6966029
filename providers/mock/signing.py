r"""How calls are signed and answers believed: HMAC in the layout of Standard Webhooks.

1. A call is signed over ``{METHOD} {path}\n{body}``, an answer over ``{status}\n{body}`` under the
   call's own id: neither can stand for another, nor for an event.
2. Of several secrets, separated by commas, the first signs and each is believed.

Source: Standard Webhooks specification 1.0, signature scheme, read 2026-11.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

FRESH_SECONDS = 300
_PREFIX = "whsec_"
_TIMESTAMP_LENGTH_MAX = 12


class Keys:
    """The secrets shared with the provider.

    :raises ValueError: a secret is malformed; never shows it.
    """

    def __init__(self, secrets: str) -> None:
        self._keys = [_key_of(part.strip()) for part in secrets.split(",") if part.strip()]
        if not self._keys:
            raise ValueError("PAYMENT_WEBHOOK_SECRET is empty")

    def sign(self, call_id: str, now: datetime, content: bytes) -> dict[str, str]:
        """Return the headers of a call."""
        timestamp = str(int(now.timestamp()))
        return {
            "webhook-id": call_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": _signature(self._keys[0], call_id, timestamp, content),
        }

    def believes(
        self, call_id: str, headers: Mapping[str, str], content: bytes, now: datetime
    ) -> bool:
        """Tell whether an answer is the provider's, to this very call, and fresh at *now*."""
        timestamp = headers.get("webhook-timestamp", "")
        if not (timestamp.isascii() and timestamp.isdecimal()):
            return False
        is_long = len(timestamp) > _TIMESTAMP_LENGTH_MAX
        if is_long or abs(now.timestamp() - int(timestamp)) > FRESH_SECONDS:
            return False
        given = headers.get("webhook-signature", "").encode().split(b" ")
        wanted = [_signature(key, call_id, timestamp, content).encode() for key in self._keys]
        return any(hmac.compare_digest(one, other) for one in given for other in wanted)


def _signature(key: bytes, call_id: str, timestamp: str, content: bytes) -> str:
    message = f"{call_id}.{timestamp}.".encode() + content
    return "v1," + base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


def _key_of(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("PAYMENT_WEBHOOK_SECRET is malformed") from None
