"""One call at Stripe's doors, and its answer."""

from typing import Any

import msgspec


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation decides on; *number* is the one in the path, *words* come from the form.

    A *public* caller has the publishable key: a payer's browser, that must show the secret of
    what it touches.
    """

    number: str
    words: dict[str, Any]
    now_ms: int
    base_url: str
    is_public: bool = False
    is_held: bool = False

    @property
    def whole(self) -> bool:
        """Whether nested objects are wanted instead of their ids."""
        return bool(self.words.get("expand"))


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer."""

    status: int = 200
    body: dict[str, Any]
