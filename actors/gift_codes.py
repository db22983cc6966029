"""Codes for gift seats: recomputed from a key, never stored."""

import base64
import hashlib
import hmac
import re

CODE_BYTES = 16  # 128 bits: guessing is hopeless whatever the rate

_CODE = re.compile(r"[A-Za-z0-9_-]{22}")


def gift_code(key: bytes, order_no: str, position: int, generation: int) -> str:
    """Compute the code of one invite; raising *generation* makes the old code worthless."""
    invite = f"{order_no}:{position}:{generation}".encode()
    digest = hmac.new(key, invite, hashlib.sha256).digest()[:CODE_BYTES]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def is_gift_code(text: str) -> bool:
    """Tell whether a text could be a code at all."""
    return _CODE.fullmatch(text) is not None


def gift_code_hash(code: str) -> str:
    """Hash a code as it is stored and looked up."""
    return hashlib.sha256(code.encode()).hexdigest()
