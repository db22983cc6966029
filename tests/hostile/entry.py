"""What a provider brings to the campaign: its pen, its door, and its checks, each to be reached."""

import base64
import random
import string
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from contracts.commands import StartAttempt
from contracts.states import Channel
from tests.hostile.mutants import Family, Mutant, Pen, Stage, flipped_bit, pairs
from tests.hostile.notices import Notice, Words, encoded

_WORDS = string.ascii_uppercase + string.digits
_OTHER_CURRENCIES = ("USD", "HKD", "JPY", "TWD", "EUR")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One provider in the campaign.

    *seldom* families have half the share of the others. *taken* and *refused* are its door's
    answers, *environ* sets it up; *merchant* names whom its orders pay, and by which app.
    """

    provider: str
    path: str
    channel: Channel
    merchant: tuple[str, str]
    families: Mapping[str, Family]
    seldom: frozenset[str]
    taken: frozenset[int]
    refused: int
    pen: Callable[[random.Random], Pen]
    environ: Mapping[str, str]

    def deck(self, dice: random.Random, size: int) -> list[str]:
        """Deal families by their shares."""
        names = [name for name in self.families for _ in range(1 if name in self.seldom else 2)]
        deck = [names[n % len(names)] for n in range(size)]
        dice.shuffle(deck)
        return deck

    def is_answer_to(self, mutant: Mutant, status: int) -> bool:
        """Tell whether a door may answer so."""
        if mutant.end == "door:encoded":
            return status == 415
        return status == self.refused if mutant.is_refused else status in self.taken

    def start(self, order_id: int) -> StartAttempt:
        """Ask for an attempt that this provider's notices are about."""
        merchant_id, appid = self.merchant
        return StartAttempt(
            order_id=order_id,
            provider=self.provider,
            channel=self.channel,
            merchant_id=merchant_id,
            appid=appid,
            notify_url="http://127.0.0.1/notify",
        )


def resent(scene: Stage[Any]) -> Mutant:
    """Send again what came before, under headers that prove nothing either way."""
    _, notice = scene.dice.choice(scene.paid)
    headers = notice.headers | {"x-forwarded-for": "127.0.0.1", "user-agent": "x"}
    return of(Notice(headers, notice.body), "seen before", "door:duplicate")


def told_again(scene: Stage[Any]) -> Mutant:
    """Tell of a payment that is known, in a notice of its own."""
    payment, _ = scene.dice.choice(scene.paid)
    return of(scene.forge.genuine(payment), "known payment", "PROCESSED:")


def packed(scene: Stage[Any]) -> Mutant:
    """Say that it is compressed, though no notice ever is."""
    notice = scene.notice()
    encoding = scene.dice.choice(["gzip", "deflate", "br", "identity", ""])
    headers = notice.headers | {"content-encoding": encoding}
    return of(Notice(headers, notice.body), "content-encoding", "door:encoded")


def sent(scene: Stage[Any], told: Words, what: str, end: str) -> Mutant:
    """Send an object in an event of its own, both genuine."""
    return of(scene.forge.signed(encoded(scene.forge.event(told))), what, end)


def of(notice: Notice, what: str, end: str) -> Mutant:
    """Send a notice as it is."""
    return Mutant(what, pairs(notice.headers), notice.body, end)


def another_number(scene: Stage[Any], ours: str) -> str:
    """Name an attempt that nobody made."""
    dice, other = scene.dice, ours
    while other in scene.attempt_nos:
        other = dice.choice([*(ours[:-2] + "02", ours + "0", ours[1:], "1"), _thrown(dice)])
    return other


def another_amount(scene: Stage[Any], asked: int) -> int:
    """Name more or less than was asked, or the price of another order."""
    others = [one.total_minor for one in scene.waiting if one.total_minor != asked]
    wrong = (asked - 1, asked + 1, asked * 100, asked // 100, 1, scene.dice.choice(others))
    return max(scene.dice.choice(wrong), 1)


def another_currency(dice: random.Random) -> str:
    """Name what the order does not cost."""
    return dice.choice(_OTHER_CURRENCIES)


def spoiled_base64(dice: random.Random, honest: str) -> str:
    """Change a signature so that it is still base64."""
    raw = base64.b64decode(honest)
    return base64.b64encode(
        dice.choice([flipped_bit(dice, raw), raw[::-1], bytes(len(raw)), dice.randbytes(len(raw))])
    ).decode()


def _thrown(dice: random.Random) -> str:
    return "G" + "".join(dice.choices(_WORDS, k=17))
