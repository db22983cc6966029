"""Signatures of events: ``t=<seconds>,v1=<hex>``, one v1 for each secret that is good now.

Source: Stripe, "Webhooks", "Verify webhook signatures" and "Roll endpoint signing secrets",
read 2026-11.
"""

import hashlib
import hmac
import secrets
from typing import Literal

Which = Literal["all", "new", "old"]


class Keys:
    """The secrets of one endpoint. What is rolled is forgotten at a restart."""

    def __init__(self, secret: str) -> None:
        self._good = [secret]
        self._known = [secret]

    def rotate(self, *, overlap: bool) -> str:
        """Make a new secret; with *overlap* the old one goes on signing beside it."""
        secret = f"whsec_{secrets.token_hex(24)}"
        self._good = [secret, *self._good[:1]] if overlap else [secret]
        self._known = [secret, *self._known]
        return secret

    def header(
        self, body: bytes, at_seconds: int, *, is_spoilt: bool = False, which: Which = "all"
    ) -> str:
        """Sign *body*; a spoilt signature is made with a key that nobody knows."""
        keys = ["somebody else"] if is_spoilt else self._chosen(which)
        content = f"{at_seconds}.".encode() + body
        signed = [hmac.new(key.encode(), content, hashlib.sha256).hexdigest() for key in keys]
        return ",".join([f"t={at_seconds}", *(f"v1={one}" for one in signed)])

    def _chosen(self, which: Which) -> list[str]:
        if which == "all":
            return self._good
        # Before the first rotation the old secret is the present one.
        return self._known[:1] if which == "new" else self._known[1:2] or self._known[:1]
