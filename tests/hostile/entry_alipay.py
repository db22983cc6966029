"""Alipay in the campaign: forms written from its pages, signed by code of the tests' own.

Source: Alipay Open Platform, "Asynchronous notices" and "Verifying them", read 2026-11.
"""

import base64
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import TypeAlias
from urllib.parse import urlencode

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
    spoiled_base64,
    told_again,
)
from tests.hostile.mutants import Family, Mutant, Stage, flipped_character
from tests.hostile.notices import Notice, Payment
from tests.providers.signing import new_key, private_pem, public_pem

APP, SELLER = "2021000000000001", "2088000000000001"
_KEY, _STRANGER = new_key(), new_key()
_CHINA = timezone(timedelta(hours=8))
_DIGITS = "0123456789"
Form: TypeAlias = dict[str, str]


class Pen:
    """Alipay's pen."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice

    def digits(self, length: int) -> str:
        """Throw digits."""
        return "".join(self.dice.choices(_DIGITS, k=length))

    def txn(self) -> str:
        """See mutants.Pen.txn."""
        return f"20261121{self.digits(20)}"

    def trade(self, payment: Payment) -> Form:
        """Say that it was paid."""
        yuan = f"{payment.total_minor // 100}.{payment.total_minor % 100:02d}"
        return {
            "notify_time": china(0),
            "notify_type": "trade_status_sync",
            "notify_id": f"2026112100222{self.digits(20)}",
            "charset": "utf-8",
            "version": "1.0",
            "app_id": APP,
            "auth_app_id": APP,
            "seller_id": SELLER,
            "trade_no": payment.txn,
            "out_trade_no": payment.attempt_no,
            "trade_status": "TRADE_SUCCESS",
            "total_amount": yuan,
            "receipt_amount": yuan,
            "buyer_pay_amount": yuan,
            "gmt_create": china(-9),
            "gmt_payment": china(-2),
            "subject": "Demo Night 夜",
        }

    def signed(self, form: Form, key: RSAPrivateKey = _KEY) -> Form:
        """Sign a form: neither ``sign`` nor ``sign_type`` is signed."""
        text = "&".join(f"{name}={value}" for name, value in sorted(form.items()))
        signature = key.sign(text.encode(), PKCS1v15(), SHA256())
        return form | {"sign_type": "RSA2", "sign": base64.b64encode(signature).decode()}

    def genuine(self, payment: Payment) -> Notice:
        """See mutants.Pen.genuine."""
        return posted(self.signed(self.trade(payment)))


Scene: TypeAlias = Stage[Pen]


def china(seconds: int) -> str:
    """Write an instant as a clock in China shows it."""
    return (datetime.now(UTC).astimezone(_CHINA) + timedelta(seconds=seconds)).strftime(
        "%Y-%m-%d %H:%M:%S"
    )


def posted(form: Form) -> Notice:
    """Send a form."""
    kind = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    return Notice(kind, urlencode(form).encode())


def _form(scene: Scene) -> Mutant:
    dice, pen = scene.dice, scene.forge
    form = pen.signed(pen.trade(scene.payment()))
    name = dice.choice(["sign", "trade_status", "total_amount", "out_trade_no"])
    body = urlencode(form).encode()
    without = {key: value for key, value in form.items() if key != "sign"}
    wrong: list[Callable[[], bytes]] = [
        lambda: body + urlencode({"": "&", name: form[name]}).encode(),
        lambda: body + b"&" + urlencode({name: form[name]}).encode(),
        lambda: body + b"&" + b"&".join(b"a%d=1" % n for n in range(300)),
        lambda: urlencode(form | {"sign_type": dice.choice(["RSA", "MD5", "", "rsa2"])}).encode(),
        lambda: urlencode(without).encode(),
        lambda: urlencode(form | {"subject": "x&total_amount=0.01"}).encode(),
        lambda: urlencode(pen.signed(pen.trade(scene.payment()) | {"notify_time": ""})).encode(),
        lambda: dice.choice([b"", b"\xff\xfe", b"{}", b"<xml/>", b"=" * 500]),
    ]
    notice = posted(form)
    return of(Notice(notice.headers, dice.choice(wrong)()), "form", "door:malformed")


def _stale(scene: Scene) -> Mutant:
    pen, dice = scene.forge, scene.dice
    off = dice.choice([-27 * 3600, -86_400 * 9, 600, 86_400]) + dice.randrange(60)
    form = pen.signed(pen.trade(scene.payment()) | {"notify_time": china(off)})
    return of(posted(form), f"{off} s off", "door:stale")


def _signature(scene: Scene) -> Mutant:
    pen, dice = scene.forge, scene.dice
    trade = pen.trade(scene.payment())
    form = pen.signed(trade)
    wrong: list[Callable[[], Form]] = [
        lambda: form | {"sign": spoiled_base64(dice, form["sign"])},
        lambda: form | {"sign": dice.choice(["*" * 344, "x", form["sign"] + "=", "é" * 9])},
        lambda: pen.signed(trade, _STRANGER),
        lambda: form | {"total_amount": "0.01"},
        lambda: form | {"out_trade_no": scene.payment().attempt_no + "9"},
        lambda: form | {"added": "x"},
        lambda: {key: value for key, value in form.items() if key != "seller_id"},
        lambda: pen.signed(pen.trade(scene.payment())) | {"sign": form["sign"]},
    ]
    return of(posted(dice.choice(wrong)()), "signature", "door:bad_signature")


def _numbers(scene: Scene) -> Mutant:
    dice = scene.dice
    name = dice.choice(["out_trade_no", "trade_no"])
    wrong = dice.choice(["", " ", "a b", "x" * 65, "é", "a'b", "../x"])
    return _told(scene, {name: wrong}, f"{name} {wrong[:9]}", f"DEAD:{name}")


def _status(scene: Scene) -> Mutant:
    status = scene.dice.choice(["trade_success", "SUCCESS", "PAID", "TRADE_PENDING", "TRADE"])
    return _told(scene, {"trade_status": status}, status, "DEAD:trade_status")


def _payment(scene: Scene) -> Mutant:
    dice = scene.dice
    name, wrong = dice.choice(
        [
            (
                "total_amount",
                dice.choice(
                    ["", "0", "0.00", "-99.00", "99,00", "1e4", "NaN", "99.001", "\uff19\uff19"]
                ),
            ),
            ("gmt_payment", dice.choice(["now", "2026-13-41 99:00:00", "2026-11-21", "0"])),
        ]
    )
    return _told(scene, {name: wrong}, f"{name} {wrong}", "DEAD:payment")


def _charset(scene: Scene) -> Mutant:
    charset = scene.dice.choice(["utf-16", "latin-1", "x", "rot13", "idna", "utf-7"])
    return _told(scene, {"charset": charset}, charset, "DEAD:charset")


def _seller(scene: Scene) -> Mutant:
    dice = scene.dice
    other = dice.choice([flipped_character(dice, SELLER, _DIGITS), SELLER + "0", "2088", APP])
    return _told(scene, {"seller_id": other}, "seller", "case:merchant")


def _app(scene: Scene) -> Mutant:
    dice = scene.dice
    other = dice.choice([flipped_character(dice, APP, _DIGITS), APP + "0", SELLER, "1"])
    return _told(scene, {"app_id": other}, "app", "case:appid")


def _order(scene: Scene) -> Mutant:
    other = another_number(scene, scene.payment().attempt_no)
    return _told(scene, {"out_trade_no": other}, other, "QUARANTINED:unknown_attempt")


def _amount(scene: Scene) -> Mutant:
    payment = scene.payment()
    wrong = another_amount(scene, payment.total_minor)
    form = scene.forge.trade(payment) | {"total_amount": f"{wrong // 100}.{wrong % 100:02d}"}
    return of(posted(scene.forge.signed(form)), "amount", "case:amount")


def _currency(scene: Scene) -> Mutant:
    other = another_currency(scene.dice)
    return _told(scene, {"trans_currency": other}, other, "case:currency")


def _no_money(scene: Scene) -> Mutant:
    changes = scene.dice.choice(
        [{"trade_status": "WAIT_BUYER_PAY"}, {"notify_type": "dut_user_sign"}]
    )
    return _told(scene, changes, "no money", "PROCESSED:no_money")


def _told(scene: Scene, changes: Form, what: str, end: str) -> Mutant:
    pen = scene.forge
    return of(posted(pen.signed(pen.trade(scene.payment()) | changes)), what, end)


FAMILIES: dict[str, Family] = {
    "form": _form,
    "staleness": _stale,
    "signature": _signature,
    "store": resent,
    "numbers": _numbers,
    "status": _status,
    "payment": _payment,
    "charset": _charset,
    "seller": _seller,
    "app": _app,
    "order": _order,
    "amount": _amount,
    "currency": _currency,
    "encoding": packed,
    "not money": _no_money,
    "known payment": told_again,
}


def alipay() -> Entry:
    """Set Alipay up with keys of its own."""
    return Entry(
        provider="alipay",
        path="/api/callback/alipay-notify",
        channel=Channel.ALIPAY_QR,
        merchant=(SELLER, APP),
        families=FAMILIES,
        seldom=frozenset({"encoding", "not money", "known payment"}),
        taken=frozenset({200}),
        refused=401,
        pen=Pen,
        environ={
            "ALIPAY_APP_ID": APP,
            "ALIPAY_SELLER_ID": SELLER,
            "ALIPAY_PRIVATE_KEY": private_pem(new_key()),
            "ALIPAY_PUBLIC_KEY": public_pem(_KEY),
            "ALIPAY_GATEWAY": "http://127.0.0.1:1/gateway.do",
        },
    )
