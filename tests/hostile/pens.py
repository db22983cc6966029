"""Honest notices at the doors of Stripe, Ping++ and Alipay, by the pens of the campaign."""

import random
from collections.abc import Callable
from typing import Final

from tests.hostile import entry_alipay, entry_pingxx, entry_stripe
from tests.hostile.notices import Notice, Payment, encoded
from tests.hostile.stand import ALIPAY_NOTICES, PINGXX_EVENTS, STRIPE_EVENTS

_NUMBER: Final = "G00000000000000001"


def a_notice_of_nothing(path: str, salt: int) -> Notice:
    """Sign what a door takes and stores, and what moves nothing: about no order of ours."""
    return PENS[path](random.Random(salt))  # noqa: S311 - replayable on purpose


def _by_stripe(dice: random.Random) -> Notice:
    pen = entry_stripe.Pen(dice)
    told = pen.intent(_payment(dice, pen.txn()))
    kind = dice.choice(["payment_intent.succeeded", "customer.created"])
    return pen.signed(encoded(pen.event(told, kind)))


def _by_pingxx(dice: random.Random) -> Notice:
    pen = entry_pingxx.Pen(dice)
    return pen.genuine(_payment(dice, pen.txn()))


def _by_alipay(dice: random.Random) -> Notice:
    pen = entry_alipay.Pen(dice)
    return pen.genuine(_payment(dice, pen.txn()))


def _payment(dice: random.Random, txn: str) -> Payment:
    return Payment(_NUMBER, dice.randrange(1, 100_000), txn)


PENS: Final[dict[str, Callable[[random.Random], Notice]]] = {
    STRIPE_EVENTS: _by_stripe,
    PINGXX_EVENTS: _by_pingxx,
    ALIPAY_NOTICES: _by_alipay,
}
