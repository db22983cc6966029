"""Ping++ in the campaign: events written from its pages, signed by code of the tests' own.

Source: Ping++, "Event", "Charge"; Webhooks, verifying the signature, read 2026-11.
"""

import base64
import random
import time
from collections.abc import Callable
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

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
    spoiled_base64,
    told_again,
)
from tests.hostile.mutants import Family, Mutant, Stage, flipped_bit, flipped_character
from tests.hostile.notices import Notice, Payment, Words, encoded
from tests.providers.signing import new_key, private_pem, public_pem

HEADER = "x-pingplusplus-signature"
APP = "app_campaign0000001"
_KEY, _STRANGER = new_key(), new_key()
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_OF_NO_MONEY = ("summary.daily.available", "transfer.succeeded", "", "CHARGE.SUCCEEDED")
_NO_JSON = (b"", b"\xff", b"null", b"[]", b"7", b"{", b"[" * 20_000)


class Pen:
    """Ping++'s pen."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice

    def thrown(self, length: int) -> str:
        """Throw letters and digits."""
        return "".join(self.dice.choices(_ALPHABET, k=length))

    def txn(self) -> str:
        """See mutants.Pen.txn."""
        return f"ch_{self.thrown(24)}"

    def charge(self, payment: Payment) -> Words:
        """Say that it was paid."""
        return {
            "id": payment.txn,
            "object": "charge",
            "created": int(time.time()),
            "livemode": False,
            "paid": True,
            "refunded": False,
            "reversed": False,
            "app": APP,
            "channel": "alipay_qr",
            "order_no": payment.attempt_no,
            "client_ip": "127.0.0.1",
            "amount": payment.total_minor,
            "currency": "cny",
            "time_paid": int(time.time()),
            "transaction_no": self.thrown(20),
            "credential": {},
        }

    def event(self, told: object, kind: str = "charge.succeeded") -> Words:
        """Put it in an event."""
        return {
            "id": f"evt_{self.thrown(24)}",
            "object": "event",
            "created": int(time.time()),
            "livemode": False,
            "type": kind,
            "data": {"object": told},
            "pending_webhooks": 0,
        }

    def signed(self, body: bytes, key: RSAPrivateKey = _KEY) -> Notice:
        """Sign *body*."""
        signature = key.sign(body, PKCS1v15(), SHA256())
        return Notice({HEADER: base64.b64encode(signature).decode()}, body)

    def genuine(self, payment: Payment) -> Notice:
        """See mutants.Pen.genuine."""
        return self.signed(encoded(self.event(self.charge(payment))))


Scene: TypeAlias = Stage[Pen]


def _header(scene: Scene) -> Mutant:
    notice, dice = scene.notice(), scene.dice
    honest = notice.headers[HEADER]
    wrong: str = dice.choice(
        ["", "*" * 344, honest + "===", f"{honest[:9]} {honest[9:]}", honest * 9]
    )
    headers = {} if dice.random() < 0.2 else {HEADER: wrong}
    return of(Notice(headers, notice.body), "header", "door:malformed")


def _stale(scene: Scene) -> Mutant:
    pen, dice = scene.forge, scene.dice
    off = dice.choice([-27 * 3600, -86_400 * 9, -(10**9), 400, 86_400]) + dice.randrange(60)
    words = pen.event(pen.charge(scene.payment())) | {"created": int(time.time()) + off}
    return of(pen.signed(encoded(words)), f"{off} s off", "door:stale")


def _signature(scene: Scene) -> Mutant:
    dice, notice = scene.dice, scene.notice()
    honest = notice.headers[HEADER]
    spoil: list[Callable[[], Notice]] = [
        lambda: Notice({HEADER: spoiled_base64(dice, honest)}, notice.body),
        lambda: scene.forge.signed(notice.body, _STRANGER),
        lambda: Notice(notice.headers, flipped_bit(dice, notice.body)),
        lambda: Notice(notice.headers, notice.body + b"\n"),
        lambda: Notice(notice.headers, scene.notice().body),
        lambda: Notice(notice.headers, notice.body.replace(b"CNY", b"cny") + b" "),
    ]
    return of(dice.choice(spoil)(), "signature", "door:bad_signature")


def _envelope(scene: Scene) -> Mutant:
    pen, dice = scene.forge, scene.dice
    words = pen.event(pen.charge(scene.payment()))
    body = encoded(words)
    # Without an id it is known by its hash: blanks must tell it from others.
    blanks = bytes(dice.choices(b" \t\n\r", k=24))
    wrong: bytes = dice.choice(
        [
            dice.choice(_NO_JSON),
            body[: dice.randrange(len(body) - 1)],
            encoded({**words, "type": dice.choice([None, 7, [], {}])}),
            encoded({**words, "livemode": dice.choice(["false", None, 1, []])}),
            encoded({**words, "data": dice.choice([None, 7, [], "x", {}])}),
            encoded({**words, "created": dice.choice([None, "now", -1, 10**18])}),
        ]
    )
    return of(pen.signed(wrong + blanks), "envelope", "DEAD:envelope")


def _twice(scene: Scene) -> Mutant:
    pen = scene.forge
    words = pen.event(pen.charge(scene.payment()))
    name = scene.dice.choice(sorted(words))
    twin = encoded({name: words[name]})[1:-1]
    body = b"{" + twin + b"," + encoded(words)[1:]
    return of(pen.signed(body), f"{name} twice", "DEAD:duplicate_key")


def _charge(scene: Scene) -> Mutant:
    dice, told = scene.dice, scene.forge.charge(scene.payment())
    wrongs: list[tuple[str, object]] = [
        ("id", dice.choice([None, 7, "", "ch_", "re_1", "ch_a b", "ch_" + "x" * 99])),
        ("amount", dice.choice([None, "9900", 9900.5, 0, -1, 2**63, []])),
        ("currency", dice.choice([None, "", "CNY", "cn", 7])),
        ("order_no", dice.choice([None, 7, "", "a b", "x" * 65, "a\x00b"])),
        ("app", dice.choice([None, 7, "", [], "a b"])),
        ("paid", dice.choice([None, "true", 1])),
        ("object", dice.choice([None, "refund", ""])),
    ]
    name, wrong = dice.choice(wrongs)
    return sent(scene, told | {name: wrong}, f"{name}: {wrong!r:.40}", "DEAD:charge")


def _unpaid(scene: Scene) -> Mutant:
    told = scene.forge.charge(scene.payment())
    told |= scene.dice.choice([{"paid": False}, {"reversed": True}])
    return sent(scene, told, "not paid", "DEAD:not_paid")


def _play_money(scene: Scene) -> Mutant:
    pen = scene.forge
    told = pen.charge(scene.payment()) | {"livemode": True}
    words = pen.event(told) | {"livemode": True}
    return of(pen.signed(encoded(words)), "livemode", "case:merchant")


def _app(scene: Scene) -> Mutant:
    told = scene.forge.charge(scene.payment())
    other = "app_" + flipped_character(scene.dice, APP.removeprefix("app_"), _ALPHABET)
    told["app"] = scene.dice.choice([other, {"id": other, "object": "app"}, APP + "0", "app_1"])
    return sent(scene, told, "app", "case:merchant")


def _order(scene: Scene) -> Mutant:
    told = scene.forge.charge(scene.payment())
    told["order_no"] = another_number(scene, told["order_no"])
    return sent(scene, told, told["order_no"], "QUARANTINED:unknown_attempt")


def _amount(scene: Scene) -> Mutant:
    payment = scene.payment()
    told = scene.forge.charge(payment)
    told["amount"] = another_amount(scene, payment.total_minor)
    return sent(scene, told, "amount", "case:amount")


def _currency(scene: Scene) -> Mutant:
    told = scene.forge.charge(scene.payment())
    told["currency"] = another_currency(scene.dice).lower()
    return sent(scene, told, told["currency"], "case:currency")


def _no_money(scene: Scene) -> Mutant:
    pen = scene.forge
    words = pen.event(pen.charge(scene.payment()), scene.dice.choice(_OF_NO_MONEY))
    return of(pen.signed(encoded(words)), "no money", "PROCESSED:no_money")


FAMILIES: dict[str, Family] = {
    "header": _header,
    "staleness": _stale,
    "signature": _signature,
    "store": resent,
    "envelope": _envelope,
    "twins": _twice,
    "charge": _charge,
    "not paid": _unpaid,
    "play money": _play_money,
    "app": _app,
    "order": _order,
    "amount": _amount,
    "currency": _currency,
    "encoding": packed,
    "not money": _no_money,
    "known payment": told_again,
}


def pingxx() -> Entry:
    """Set Ping++ up with keys of its own."""
    return Entry(
        provider="pingxx",
        path="/api/callback/pingxx-callback",
        channel=Channel.ALIPAY_QR,
        merchant=(APP, APP),
        families=FAMILIES,
        seldom=frozenset({"encoding", "not money", "known payment"}),
        taken=frozenset({200}),
        refused=401,
        pen=Pen,
        environ={
            "PINGXX_SECRET_KEY": "sk_test_campaign",
            "PINGXX_APP_ID": APP,
            "PINGXX_PRIVATE_KEY_PATH": private_pem(new_key()),
            "PINGXX_WEBHOOK_PUBLIC_KEY": public_pem(_KEY),
            "PINGXX_GATEWAY": "http://127.0.0.1:1",
        },
    )
