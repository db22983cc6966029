"""Client secrets of intents: recomputed from a key, never stored. Pure."""

import base64
import hashlib
import hmac

_PROOF_BYTES = 18  # no padding in base64, and more bits than anybody guesses


def client_secret(key: bytes, intent_id: int) -> str:
    """Compute what the intent's buyer may show to prove that they were given it."""
    proof = hmac.new(key, b"intent:%d" % intent_id, hashlib.sha256).digest()[:_PROOF_BYTES]
    return f"cs_{intent_id}_{base64.urlsafe_b64encode(proof).decode()}"
