"""Whose word about people counts, and what tickets and gifts are made with."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from runtime.registry import about


@dataclass(frozen=True, kw_only=True, repr=False)
class PeopleSettings:
    """Whose word about people counts, and what they are shown is made with."""

    jwt_secret: Annotated[
        str,
        Meta(min_length=32),
        about("people", "HS256 key of bearer tokens, 32 characters or more.", secret=True),
    ]
    jwt_issuer: Annotated[str, about("people", "The issuer tokens must name.")] = "guichet"
    jwt_audience: Annotated[str, about("people", "The audience tokens must name.")] = "guichet"
    gift_code_key: Annotated[
        str | None,
        about(
            "people",
            "Key of gift codes, 32 characters or more; changing it voids codes already given.",
            secret=True,
            needed_by="production",
        ),
    ] = None
    ticket_code_key: Annotated[
        str | None,
        about(
            "people",
            "Key of ticket codes, 32 characters or more; changing it voids tickets already shown.",
            secret=True,
            needed_by="production",
        ),
    ] = None

    @property
    def gift_key(self) -> bytes:
        """The key of gift codes; the sandbox makes do with one derived from the token key."""
        return (self.gift_code_key or f"gift codes of {self.jwt_secret}").encode()

    @property
    def ticket_key(self) -> bytes:
        """The key of ticket codes; the sandbox makes do with one derived from the token key."""
        return (self.ticket_code_key or f"ticket codes of {self.jwt_secret}").encode()

    @property
    def client_secret_key(self) -> bytes:
        """The key of intents' client secrets, derived: they open nothing and may change with it."""
        return f"client secrets of {self.jwt_secret}".encode()
