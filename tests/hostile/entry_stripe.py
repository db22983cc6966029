"""Stripe in the campaign: events written from its pages, signed by code of the tests' own.

Source: Stripe API, "Event", "PaymentIntent"; "Webhooks", signatures, read 2026-11.
"""

import hashlib
import hmac
import random
import secrets
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from contracts.states import Channel
from tests.hostile.entry import (
    Entry,
    another_amount,
    another_currency,
    another_number,
    of,
    packed,
    resent,
    sent,
    told_again,
)
from tests.hostile.mutants import Family, Mutant, Stage, flipped_bit, flipped_character
from tests.hostile.notices import Notice, Payment, Words, encoded

HEADER = "stripe-signature"
SECRET = f"whsec_{secrets.token_hex(16)}"
_HEX = "0123456789abcdef"
_OF_NO_MONEY = ("customer.created", "payment_intent.created", "payout.paid", "", "x" * 200)
_NO_STATUS = ("processing", "requires_capture", "canceled", "", "SUCCEEDED", "paid")
_NO_JSON = (b"", b"\xff", b"null", b"[]", b"7", b"{", b"[" * 20_000)


class Pen:
    """Stripe's pen."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice

    def hex(self, length: int) -> str:
        """Throw digits."""
        return "".join(self.dice.choices(_HEX, k=length))

    def txn(self) -> str:
        """See mutants.Pen.txn."""
        return f"pi_{self.hex(24)}"

    def intent(self, payment: Payment) -> Words:
        """Say that it was paid."""
        return {
            "id": payment.txn,
            "object": "payment_intent",
            "amount": payment.total_minor,
            "amount_received": payment.total_minor,
            "currency": "cny",
            "status": "succeeded",
            "livemode": False,
            "created": int(time.time()),
            "latest_charge": f"ch_{self.hex(24)}",
            "metadata": {"attempt_no": payment.attempt_no},
        }

    def event(self, told: object, kind: str = "payment_intent.succeeded") -> Words:
        """Put it in an event."""
        return {
            "id": f"evt_{self.hex(24)}",
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": int(time.time()),
            "livemode": False,
            "type": kind,
            "data": {"object": told},
        }

    def signed(self, body: bytes, *, at: int | None = None, secret: str = SECRET) -> Notice:
        """Sign *body*."""
        at = int(time.time()) if at is None else at
        mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        return Notice({HEADER: f"t={at},v1={mac}"}, body)

    def genuine(self, payment: Payment) -> Notice:
        """See mutants.Pen.genuine."""
        return self.signed(encoded(self.event(self.intent(payment))))


Scene: TypeAlias = Stage[Pen]


def _header(scene: Scene) -> Mutant:
    notice, dice = scene.notice(), scene.dice
    t, v1 = notice.headers[HEADER].split(",")
    wrong: str = dice.choice(
        [
            *("", t, v1, f"{t},{t},{v1}", f"t=,{v1}", f"t=-1,{v1}", f"t=1e9,{v1}", f"{t};{v1}"),
            *(f"t=soon,{v1}", f"{t},v0={v1[3:]}", "x" * 5000, ",".join([t, *[v1] * 20])),
        ]
    )
    headers = {} if dice.random() < 0.1 else {HEADER: wrong}
    return of(Notice(headers, notice.body), f"header {wrong[:40]}", "door:malformed")


def _stale(scene: Scene) -> Mutant:
    dice = scene.dice
    off = dice.choice([-400, -3600, -86_400, 400, 3600, 86_400]) + dice.randrange(60)
    notice = scene.forge.signed(scene.notice().body, at=int(time.time()) + off)
    return of(notice, f"{off} s off", "door:stale")


def _signature(scene: Scene) -> Mutant:
    dice, notice = scene.dice, scene.notice()
    t, _, mac = notice.headers[HEADER].partition(",v1=")
    spoil: list[Callable[[], Notice]] = [
        lambda: Notice({HEADER: f"{t},v1={flipped_character(dice, mac, _HEX)}"}, notice.body),
        lambda: Notice({HEADER: f"{t},v1={mac.upper()}x"}, notice.body),
        lambda: Notice({HEADER: f"{t},v1={mac[:32]}"}, notice.body),
        lambda: scene.forge.signed(notice.body, secret=dice.choice(["", "whsec_x", SECRET + "0"])),
        lambda: Notice(notice.headers, flipped_bit(dice, notice.body)),
        lambda: Notice(notice.headers, notice.body + b" "),
        lambda: Notice(notice.headers, scene.notice().body),
        lambda: Notice({HEADER: f"t={int(time.time()) - 7},v1={mac}"}, notice.body),
    ]
    return of(dice.choice(spoil)(), "signature", "door:bad_signature")


def _envelope(scene: Scene) -> Mutant:
    pen, dice = scene.forge, scene.dice
    words = pen.event(pen.intent(scene.payment()))
    body = encoded(words)
    twin = encoded({"type": words["type"]})[1:-1]
    # Without an id it is known by its hash: blanks must tell it from others.
    blanks = bytes(dice.choices(b" \t\n\r", k=24))
    wrong: bytes = dice.choice(
        [
            dice.choice(_NO_JSON),
            body[: dice.randrange(len(body) - 1)],
            b"{" + twin + b"," + body[1:],
            encoded({**words, "type": dice.choice([None, 7, [], {}])}),
            encoded({**words, "livemode": dice.choice(["false", None, 1, []])}),
            encoded({**words, "data": dice.choice([None, 7, [], "x"])}),
        ]
    )
    return of(pen.signed(wrong + blanks), "envelope", "DEAD:envelope")


def _object(scene: Scene) -> Mutant:
    pen, dice = scene.forge, scene.dice
    told = pen.intent(scene.payment())
    wrongs: list[tuple[str, object]] = [
        ("id", dice.choice([None, 7, "", "a b", "pi_\x00", "x" * 300])),
        ("amount_received", dice.choice([None, "9900", 9900.5, -1, 2**63, [], {}])),
        ("currency", dice.choice([None, "", "CNY", "cn", "c\u0144y", 7])),
        ("livemode", dice.choice([None, "no", 0])),
        ("status", dice.choice([None, 7, []])),
        ("created", dice.choice([None, "now", -1, 10**18])),
    ]
    name, wrong = dice.choice(wrongs)
    return sent(scene, told | {name: wrong}, f"{name}: {wrong!r:.40}", "DEAD:object")


def _status(scene: Scene) -> Mutant:
    told = scene.forge.intent(scene.payment())
    told |= scene.dice.choice(
        [{"status": scene.dice.choice(_NO_STATUS)}, {"amount_received": 0}],
    )
    return sent(scene, told, "status", "DEAD:status")


def _merchant(scene: Scene) -> Mutant:
    pen = scene.forge
    words = pen.event(pen.intent(scene.payment()))
    words |= scene.dice.choice(
        [{"livemode": True}, {"account": f"acct_{pen.hex(16)}"}, {"account": "acct_1"}]
    )
    return of(pen.signed(encoded(words)), "merchant", "case:merchant")


def _order(scene: Scene) -> Mutant:
    told = scene.forge.intent(scene.payment())
    other = another_number(scene, told["metadata"]["attempt_no"])
    told["metadata"] = {"attempt_no": other}
    return sent(scene, told, other, "QUARANTINED:unknown_attempt")


def _amount(scene: Scene) -> Mutant:
    payment = scene.payment()
    wrong = another_amount(scene, payment.total_minor)
    told = scene.forge.intent(payment) | {"amount": wrong, "amount_received": wrong}
    return sent(scene, told, f"{wrong} for {payment.total_minor}", "case:amount")


def _currency(scene: Scene) -> Mutant:
    told = scene.forge.intent(scene.payment())
    told["currency"] = another_currency(scene.dice).lower()
    return sent(scene, told, told["currency"], "case:currency")


def _no_money(scene: Scene) -> Mutant:
    pen, dice = scene.forge, scene.dice
    told = pen.intent(scene.payment())
    if dice.random() < 0.5:
        told["metadata"] = dice.choice([{}, None, {"order": "another shop's"}])
        return sent(scene, told, "of another system", "PROCESSED:no_money")
    words = pen.event(told, dice.choice(_OF_NO_MONEY))
    return of(pen.signed(encoded(words)), "no money", "PROCESSED:no_money")


FAMILIES: dict[str, Family] = {
    "header": _header,
    "staleness": _stale,
    "signature": _signature,
    "store": resent,
    "envelope": _envelope,
    "object": _object,
    "status": _status,
    "merchant": _merchant,
    "order": _order,
    "amount": _amount,
    "currency": _currency,
    "encoding": packed,
    "not money": _no_money,
    "known payment": told_again,
}


def stripe() -> Entry:
    """Set Stripe up with a secret of its own."""
    environ: dict[str, Any] = {
        "STRIPE_SECRET_KEY": "sk_test_campaign",
        "STRIPE_PUBLISHABLE_KEY": "pk_test_campaign",
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "STRIPE_API_BASE": "http://127.0.0.1:1",
    }
    return Entry(
        provider="stripe",
        path="/api/order/stripe/webhook",
        channel=Channel.STRIPE,
        merchant=("stripe:test", "stripe:test"),
        families=FAMILIES,
        seldom=frozenset({"encoding", "not money", "known payment"}),
        taken=frozenset({200, 202}),
        refused=400,
        pen=Pen,
        environ=environ,
    )
