"""Codes of tickets: recomputed from a key, never stored. Pure.

A code is a letter, then a registration's id and its proof in base32: capitals and digits, which a
QR code holds in the least space.
"""

import base64
import binascii
import hashlib
import hmac

PROOF_BYTES = 16  # 128 bits: guessing is hopeless whatever the rate
_ID_BYTES = 8
_MARK = "T"
_PADDING = "="
_CODE_LENGTH = len(_MARK) + -(-8 * (_ID_BYTES + PROOF_BYTES) // 5)


def ticket_code(key: bytes, event_id: int, registration_id: int) -> str:
    """Compute the code that opens one event to one registration."""
    ticket = f"{event_id}:{registration_id}".encode()
    proof = hmac.new(key, ticket, hashlib.sha256).digest()[:PROOF_BYTES]
    content = registration_id.to_bytes(_ID_BYTES) + proof
    return _MARK + base64.b32encode(content).decode().rstrip(_PADDING)


def read_ticket_code(key: bytes, event_id: int, text: str) -> int | None:
    """Return whose ticket a code of this event is; None when it is no code of this event."""
    registration_id = _named_in(text)
    if registration_id is None:
        return None
    # The whole text is compared, because several texts of base32 may mean the same bytes.
    genuine = ticket_code(key, event_id, registration_id).encode()
    return registration_id if hmac.compare_digest(genuine, text.encode()) else None


def _named_in(text: str) -> int | None:
    if len(text) != _CODE_LENGTH or not text.isascii() or not text.startswith(_MARK):
        return None
    encoded = text.removeprefix(_MARK)
    try:
        content = base64.b32decode(encoded + _PADDING * (-len(encoded) % 8))
    except binascii.Error:
        return None
    return int.from_bytes(content[:_ID_BYTES])
