"""Mutations of what a genuine notice says: each is signed again by the platform's own key."""

import base64
import json
import string
from typing import Any, Final

import msgspec

from tests.hostile.mutants import (
    Mutant,
    Scene,
    flipped_bit,
    flipped_character,
    one_of,
    pairs,
)
from tests.hostile.notices import Words, encoded

_DIGITS = string.digits
_WORDS = string.ascii_uppercase + string.digits
_NO_TEXTS: Final[tuple[object, ...]] = (None, 7, 1.5, True, [], {}, ["text"], {"text": "text"})
_NO_NUMBERS: Final[tuple[object, ...]] = (
    *(None, "9900", "", 9900.0, 9900.5, True, False, [], [9900], {}, 0, -1, -9900),
    *(2**53, 2**63, 2**64, 10**40),
)
_OUT_OF_ALPHABET = (
    "",
    " ",
    "é",
    "a b",
    "a\nb",
    "a\x00b",
    "x" * 65,
    "\uff11\uff12",
    "a'b",
    "../x",
    "%00",
)
_NO_INSTANTS = (
    "",
    "now",
    "2026-11-21",
    "2026-11-21T20:00:00",
    "2026-13-41T99:00:00Z",
    "1763000000",
)
_NO_CURRENCIES = ("", "cny", "CN", "CNYY", "Cny", "CNY ", "人民币", "CN\uff39")
_OTHER_CURRENCIES = ("USD", "HKD", "JPY", "CNH", "TWD", "XXX", "AAA")
_NO_MONEY_STATES = ("NOTPAY", "CLOSED", "REVOKED", "USERPAYING", "PAYERROR", "success", "", "PAID")
_OTHER_EVENTS = (
    *("", "transaction.success", "TRANSACTION.SUCCESS ", "TRANSACTION.FAIL", "TRANSACTION"),
    *("REFUND.PROCESSING", "SECURITY_ECHO.SUCCESS", "PAYSCORE.USER_PAID", "x" * 300, "\u202e"),
)
_REFUND_EVENTS = ("REFUND.SUCCESS", "REFUND.ABNORMAL", "REFUND.CLOSED")
_HALF_PAIRS = (b'": "\\ud800', b'": "\\udc00 and', b'": "\\ud800\\ud800')
_SPOILED_JSON = (
    *(b"", b"null", b"[]", b"7", b'"text"', b"\xff\xfe", b"<xml/>", b"[" * 20_000),
    b'{"a":' * 5_000,
)


def _sent(scene: Scene, envelope: Words | bytes, what: str, end: str) -> Mutant:
    body = envelope if isinstance(envelope, bytes) else encoded(envelope)
    notice = scene.forge.signed(body)
    return Mutant(what, pairs(notice.headers), body, end)


def _said(scene: Scene, transaction: Words | bytes, what: str, end: str) -> Mutant:
    return _sent(scene, scene.forge.envelope(transaction), what, end)


def _spoiled(scene: Scene, body: bytes) -> bytes:
    """Make JSON that is none, or that can be read two ways."""
    dice = scene.dice
    return one_of(
        dice,
        lambda: dice.choice(_SPOILED_JSON),
        lambda: body[: dice.randrange(len(body) - 1)],
        lambda: body + dice.choice([b"{}", b",", b"\x00", b"x"]),
        lambda: b"\xef\xbb\xbf" + body,
        lambda: body.replace(b'": "', b'": "\xff', 1),
        lambda: body.replace(b'": "', b'": "\xed\xa0\x80', 1),
        lambda: body.replace(b'": "', dice.choice(_HALF_PAIRS), 1),
    )


def envelope(scene: Scene) -> Mutant:
    """Spoil the envelope."""
    dice = scene.dice
    words = scene.forge.envelope(scene.forge.transaction(scene.payment()))
    match dice.randrange(6):
        case 0:
            body = _unlike_others(scene, _spoiled(scene, encoded(words)))
            return _sent(scene, body, "no envelope", "DEAD:envelope")
        case 1:
            words["event_type"] = dice.choice(_NO_TEXTS)
            return _sent(scene, words, "event type", "DEAD:envelope")
        case 2:
            del words["event_type"]
            return _sent(scene, words, "no event type", "DEAD:envelope")
        case 3:
            words["resource_type"] = dice.choice(["", "plain", "ENCRYPT-RESOURCE", "xml"])
            return _sent(scene, words, "resource type", "DEAD:resource_type")
        case 4:
            name = dice.choice(sorted(words))
            twin = encoded({name: words[name]})[1:-1]
            return _sent(scene, b"{" + twin + b"," + encoded(words)[1:], name, "DEAD:duplicate_key")
        case _:
            return _sent(scene, _without_resource(scene, words), "resource", "DEAD:resource")


def _unlike_others(scene: Scene, body: bytes) -> bytes:
    # Without an id it is known by its hash: blanks must tell it from others.
    return body + bytes(scene.dice.choices(b" \t\n\r", k=24))


def _without_resource(scene: Scene, words: Words) -> Words:
    dice, resource = scene.dice, dict(words["resource"])
    if dice.random() < 0.3:
        return words | {"resource": dice.choice([None, [], "text", 7, True, [resource]])}
    name = dice.choice(["algorithm", "ciphertext", "nonce", "associated_data"])
    if name == "associated_data" or dice.random() < 0.5:
        resource[name] = dice.choice([value for value in _NO_TEXTS if value is not None])
    else:
        del resource[name]
    return words | {"resource": resource}


def seal(scene: Scene) -> Mutant:
    """Change what the seal is made of."""
    dice = scene.dice
    words = scene.forge.envelope(scene.forge.transaction(scene.payment()))
    resource = words["resource"]
    name = dice.choice(["algorithm", "nonce", "associated_data", "ciphertext", "key"])
    end = "DEAD:seal"
    if name == "algorithm":
        resource[name] = dice.choice(["", "AES", "AEAD_AES_256_GCM ", "aead_aes_256_gcm", "none"])
        end = "DEAD:algorithm"
    elif name == "nonce" and dice.random() < 0.5:
        resource[name] = dice.choice(["", "x", resource[name] + "0", resource[name][1:], "é" * 12])
        end = "DEAD:nonce"
    elif name == "nonce":
        resource[name] = flipped_character(dice, resource[name], "0123456789abcdef")
    elif name == "associated_data":
        resource[name] = dice.choice(["", None, "refund", "Transaction", "transaction ", "\x00"])
    elif name == "key":
        plaintext = encoded(scene.forge.transaction(scene.payment()))
        words["resource"] = scene.forge.seal(plaintext, key=scene.forge.hex(32))
    else:
        resource[name] = _spoiled_ciphertext(scene, resource[name])
    return _sent(scene, words, name, end)


def _spoiled_ciphertext(scene: Scene, text: str) -> str:
    dice, raw = scene.dice, base64.b64decode(text)
    return one_of(
        dice,
        lambda: base64.b64encode(flipped_bit(dice, raw)).decode(),
        lambda: base64.b64encode(raw[: dice.randrange(len(raw))]).decode(),
        lambda: base64.b64encode(raw + b"\x00").decode(),
        lambda: text[1:],
        lambda: "",
        lambda: text + "!",
        lambda: "é" + text,
    )


def plaintext(scene: Scene) -> Mutant:  # noqa: PLR0911 - one per kind of change
    """Seal what is no payment."""
    dice = scene.dice
    said = scene.forge.transaction(scene.payment())
    end = "DEAD:plaintext"
    match dice.randrange(8):
        case 0:
            return _said(scene, _spoiled(scene, encoded(said)), "no words", end)
        case 1:
            names = ("mchid", "appid", "out_trade_no", "transaction_id", "success_time")
            name = dice.choice(names)
            said[name] = dice.choice(_NO_TEXTS)
            return _said(scene, said, f"type of {name}", end)
        case 2:
            name = dice.choice(["mchid", "appid", "out_trade_no", "transaction_id"])
            said[name] = dice.choice(_OUT_OF_ALPHABET)
            return _said(scene, said, f"alphabet of {name}", end)
        case 3:
            name = dice.choice(
                [*("mchid", "appid", "out_trade_no", "transaction_id"), "success_time", "amount"]
            )
            del said[name]
            return _said(scene, said, f"without {name}", end)
        case 4:
            return _unreadable_amount(scene, said)
        case 5:
            said["trade_state"] = dice.choice(_NO_MONEY_STATES)
            return _said(scene, said, "trade state", "DEAD:trade_state")
        case 6:
            said["success_time"] = dice.choice(_NO_INSTANTS)
            return _said(scene, said, "instant", end)
        case _:
            return _two_ways(scene, said)


def _unreadable_amount(scene: Scene, said: Words) -> Mutant:
    dice, amount = scene.dice, dict(said["amount"])
    match dice.randrange(4):
        case 0:
            amount["total"] = dice.choice(_NO_NUMBERS)
        case 1:
            del amount["total"]
        case 2:
            amount["currency"] = dice.choice([*_NO_CURRENCIES, None, 7, [], True])
        case _:
            return _said(
                scene,
                said | {"amount": dice.choice([None, 9900, "9900", [], [amount]])},
                "amount is no amount",
                "DEAD:plaintext",
            )
    return _said(scene, said | {"amount": amount}, "unreadable amount", "DEAD:plaintext")


def _two_ways(scene: Scene, said: Words) -> Mutant:
    """Give a member twice, or the words of a refund."""
    dice = scene.dice
    if dice.random() < 0.3:
        event = dice.choice(_REFUND_EVENTS)
        words = scene.forge.envelope(said, event=event)
        return _sent(scene, words, f"a payment said to be {event}", "DEAD:plaintext")
    name = dice.choice(sorted(said))
    twin = encoded({name: said[name]})[1:-1]
    body = b"{" + twin + b"," + encoded(said)[1:]
    return _said(scene, body, f"{name} twice", "DEAD:duplicate_key")


def merchant(scene: Scene) -> Mutant:
    """Have the money go to another merchant."""
    dice, said = scene.dice, scene.forge.transaction(scene.payment())
    ours = said["mchid"]
    said["mchid"] = dice.choice(
        [
            flipped_character(dice, ours, _DIGITS),
            *(ours[1:], ours + "0", "0" + ours, ours[::-1], "1", ours * 2),
        ]
    )
    return _said(scene, said, "merchant", "case:merchant")


def appid(scene: Scene) -> Mutant:
    """Have it paid inside another app."""
    dice, said = scene.dice, scene.forge.transaction(scene.payment())
    ours = said["appid"]
    said["appid"] = dice.choice(
        [
            flipped_character(dice, ours, _WORDS),
            *(ours.upper(), ours[1:], ours + "0", "wx", said["mchid"]),
        ]
    )
    return _said(scene, said, "app", "case:appid")


def order(scene: Scene) -> Mutant:
    """Name an order that nobody made."""
    dice, said = scene.dice, scene.forge.transaction(scene.payment())
    ours = said["out_trade_no"]
    other = ours
    while other in scene.attempt_nos:
        other = dice.choice(
            [
                flipped_character(dice, ours, _WORDS),
                *(ours.lower(), ours[:-2], ours[:-2] + "02", ours + "0", ours[1:], "1"),
            ]
        )
    return _said(scene, said | {"out_trade_no": other}, "order", "QUARANTINED:unknown_attempt")


def amount(scene: Scene) -> Mutant:
    """Pay more or less than was asked, or the price of another order."""
    dice, payment = scene.dice, scene.payment()
    asked = payment.total_minor
    others = [one.total_minor for one in scene.waiting if one.total_minor != asked]
    total = dice.choice(
        [
            *(asked - 1, asked + 1, asked * 100, asked // 100, 1, 2**31, 2**53 - 1),
            dice.choice(others),
            asked ^ (1 << dice.randrange(12)),
        ]
    )
    paid = msgspec.structs.replace(payment, total_minor=max(total, 1))
    return _said(scene, scene.forge.transaction(paid), f"{total} for {asked}", "case:amount")


def currency(scene: Scene) -> Mutant:
    """Pay as much, but of something else."""
    said = scene.forge.transaction(scene.payment())
    said["amount"]["currency"] = scene.dice.choice(_OTHER_CURRENCIES)
    return _said(scene, said, "currency", "case:currency")


def known(scene: Scene) -> Mutant:
    """Tell again, in a new notice, of money that its order has."""
    dice = scene.dice
    payment, _ = dice.choice(scene.paid)
    said = scene.forge.transaction(payment)
    if dice.random() < 0.5:
        _harmless(scene, said)
    words = scene.forge.envelope(said)
    words["create_time"] = dice.choice(["", "never", None, words["create_time"]])
    words["later"] = {"added": [1, 2.5, "by the provider"]}
    return _sent(scene, words, "known payment", "PROCESSED:")


def _harmless(scene: Scene, said: dict[str, Any]) -> None:
    amount: dict[str, Any] = said["amount"]
    match scene.dice.randrange(4):
        case 0:
            del amount["currency"]
        case 1:
            amount["payer_total"] = 0
        case 2:
            said["trade_state"] = "REFUND"
        case _:
            said["bank_type"] = json.loads('"\\ud83d\\ude00"')


def no_money(scene: Scene) -> Mutant:
    """Send the same words under an event that is not a payment."""
    words = scene.forge.envelope(scene.forge.transaction(scene.payment()))
    words["event_type"] = scene.dice.choice(_OTHER_EVENTS)
    return _sent(scene, words, "event", "PROCESSED:no_money")


def refund(scene: Scene) -> Mutant:
    """Have money go back that nobody sent back."""
    payment, _ = scene.dice.choice(scene.paid)
    words = scene.forge.envelope(scene.forge.refund(payment), event="REFUND.SUCCESS")
    return _sent(scene, words, "refund", "case:not_ours")
