"""One notice with one thing changed, and the check that must stop it."""

import random
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import msgspec

from tests.hostile.notices import Forge, Headers, Notice, Payment, Words, encoded

Pairs: TypeAlias = list[tuple[bytes, bytes]]
_T = TypeVar("_T")


class Mutant(msgspec.Struct, frozen=True):
    """What is sent, and where it must end.

    *end* is ``door:<reason>`` for what is not stored, else ``<status>:<reason>`` of the stored
    notice, or ``case:<reason>`` where a person is asked about an order.
    """

    what: str
    headers: Pairs
    body: bytes
    end: str

    @property
    def is_refused(self) -> bool:
        """Tell whether it must prove nothing."""
        return self.end.startswith("door:") and self.end != "door:duplicate"


class Pen(Protocol):
    """What writes one provider's notices, with a dice that can be thrown again."""

    @property
    def dice(self) -> random.Random:
        """The one dice."""

    def txn(self) -> str:
        """Throw the provider's number of a payment."""

    def genuine(self, payment: Payment) -> Notice:
        """Make the notice that the provider would send."""


_P = TypeVar("_P", bound=Pen)


class Stage(msgspec.Struct, Generic[_P], frozen=True):
    """Orders that wait for money, and orders that have it with the notice that brought it."""

    forge: _P
    waiting: tuple[Payment, ...]
    paid: tuple[tuple[Payment, Notice], ...]
    attempt_nos: frozenset[str]

    @property
    def dice(self) -> random.Random:
        """The one dice."""
        return self.forge.dice

    def payment(self) -> Payment:
        """Choose an order and pay it for the first time, as far as the platform knows."""
        chosen = self.dice.choice(self.waiting)
        return msgspec.structs.replace(chosen, txn=self.forge.txn())

    def notice(self) -> Notice:
        """Make a genuine notice of such a payment: unchanged, it would make an order PAID."""
        return self.forge.genuine(self.payment())


Scene: TypeAlias = Stage[Forge]
Family: TypeAlias = Callable[[Any], Mutant]


def pairs(headers: Mapping[str, str]) -> Pairs:
    """Write headers as they travel."""
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def changed(notice: Notice, what: str, end: str, **headers: str) -> Mutant:
    """Replace header values; their names are those of the constants."""
    return Mutant(what, pairs(notice.headers | headers), notice.body, end)


def with_headers(notice: Notice, headers: Headers, what: str, end: str) -> Mutant:
    """Replace the headers."""
    return Mutant(what, pairs(headers), notice.body, end)


def flipped_character(dice: random.Random, text: str, alphabet: str) -> str:
    """Change one character to another of *alphabet*, not only in case."""
    at = dice.randrange(len(text))
    others = [one for one in alphabet if one.upper() != text[at].upper()]
    return text[:at] + dice.choice(others) + text[at + 1 :]


def flipped_bit(dice: random.Random, content: bytes) -> bytes:
    """Change one bit."""
    at = dice.randrange(len(content))
    return content[:at] + bytes([content[at] ^ (1 << dice.randrange(8))]) + content[at + 1 :]


def inserted(dice: random.Random, text: str, what: str) -> str:
    """Put *what* somewhere into *text*."""
    at = dice.randrange(len(text) + 1)
    return text[:at] + what + text[at:]


def one_of(dice: random.Random, *makers: Callable[[], _T]) -> _T:
    """Make one of several things."""
    return dice.choice(makers)()


def sent(scene: Scene, envelope: Words | bytes, what: str, end: str) -> Mutant:
    """Sign an envelope, whatever it is."""
    body = envelope if isinstance(envelope, bytes) else encoded(envelope)
    notice = scene.forge.signed(body)
    return Mutant(what, pairs(notice.headers), body, end)


def said(scene: Scene, transaction: Words | bytes, what: str, end: str) -> Mutant:
    """Seal and sign words, whatever they are."""
    return sent(scene, scene.forge.envelope(transaction), what, end)
