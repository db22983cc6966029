"""Keys by which clients say that two requests are one."""

import hashlib

import msgspec

from api.bodies import invalid
from api.rooms import Visitor

_KEY_MAX = 255
_encode = msgspec.json.Encoder(order="deterministic").encode


def idempotency_key(request: Visitor) -> str | None:
    """Read the key under which a client repeats itself, if it sent one.

    :raises InvalidRequest: it is none, or there are two.
    """
    keys = request.headers.getall("idempotency-key", [])
    if not keys:
        return None
    # Two keys would name two requests; joined they are no key of ours.
    key = "\n".join(keys)
    if not 1 <= len(key) <= _KEY_MAX or not (key.isascii() and key.isprintable()):
        raise invalid("Idempotency-Key", "1 to 255 printable ASCII characters are needed.")
    return key


def body_hash(data: msgspec.Struct) -> str:
    """Sum up what a request said, as it was understood: blanks and the order mean nothing."""
    return hashlib.sha256(_encode(data)).hexdigest()
