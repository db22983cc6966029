"""Genuine notices that cannot be read: changed, then signed by the platform's own key."""

import base64
from typing import Final

from tests.hostile.mutants import (
    Mutant,
    Scene,
    flipped_bit,
    flipped_character,
    one_of,
    said,
    sent,
)
from tests.hostile.notices import Words, encoded

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
_NO_MONEY_STATES = ("NOTPAY", "CLOSED", "REVOKED", "USERPAYING", "PAYERROR", "success", "", "PAID")
_REFUND_EVENTS = ("REFUND.SUCCESS", "REFUND.ABNORMAL", "REFUND.CLOSED")
_HALF_PAIRS = (b'": "\\ud800', b'": "\\udc00 and', b'": "\\ud800\\ud800')
_SPOILED_JSON = (
    *(b"", b"null", b"[]", b"7", b'"text"', b"\xff\xfe", b"<xml/>", b"[" * 20_000),
    b'{"a":' * 5_000,
)


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
            return sent(scene, body, "no envelope", "DEAD:envelope")
        case 1:
            words["event_type"] = dice.choice(_NO_TEXTS)
            return sent(scene, words, "event type", "DEAD:envelope")
        case 2:
            del words["event_type"]
            return sent(scene, words, "no event type", "DEAD:envelope")
        case 3:
            words["resource_type"] = dice.choice(["", "plain", "ENCRYPT-RESOURCE", "xml"])
            return sent(scene, words, "resource type", "DEAD:resource_type")
        case 4:
            name = dice.choice(sorted(words))
            twin = encoded({name: words[name]})[1:-1]
            return sent(scene, b"{" + twin + b"," + encoded(words)[1:], name, "DEAD:duplicate_key")
        case _:
            return sent(scene, _without_resource(scene, words), "resource", "DEAD:resource")


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
    return sent(scene, words, name, end)


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
    told = scene.forge.transaction(scene.payment())
    end = "DEAD:plaintext"
    match dice.randrange(8):
        case 0:
            return said(scene, _spoiled(scene, encoded(told)), "no words", end)
        case 1:
            names = ("mchid", "appid", "out_trade_no", "transaction_id", "success_time")
            name = dice.choice(names)
            told[name] = dice.choice(_NO_TEXTS)
            return said(scene, told, f"type of {name}", end)
        case 2:
            name = dice.choice(["mchid", "appid", "out_trade_no", "transaction_id"])
            told[name] = dice.choice(_OUT_OF_ALPHABET)
            return said(scene, told, f"alphabet of {name}", end)
        case 3:
            name = dice.choice(
                [*("mchid", "appid", "out_trade_no", "transaction_id"), "success_time", "amount"]
            )
            del told[name]
            return said(scene, told, f"without {name}", end)
        case 4:
            return _unreadable_amount(scene, told)
        case 5:
            told["trade_state"] = dice.choice(_NO_MONEY_STATES)
            return said(scene, told, "trade state", "DEAD:trade_state")
        case 6:
            told["success_time"] = dice.choice(_NO_INSTANTS)
            return said(scene, told, "instant", end)
        case _:
            return _two_ways(scene, told)


def _unreadable_amount(scene: Scene, told: Words) -> Mutant:
    dice, amount = scene.dice, dict(told["amount"])
    match dice.randrange(4):
        case 0:
            amount["total"] = dice.choice(_NO_NUMBERS)
        case 1:
            del amount["total"]
        case 2:
            amount["currency"] = dice.choice([*_NO_CURRENCIES, None, 7, [], True])
        case _:
            return said(
                scene,
                told | {"amount": dice.choice([None, 9900, "9900", [], [amount]])},
                "amount is no amount",
                "DEAD:plaintext",
            )
    return said(scene, told | {"amount": amount}, "unreadable amount", "DEAD:plaintext")


def _two_ways(scene: Scene, told: Words) -> Mutant:
    """Give a member twice, or the words of a refund."""
    dice = scene.dice
    if dice.random() < 0.3:
        event = dice.choice(_REFUND_EVENTS)
        words = scene.forge.envelope(told, event=event)
        return sent(scene, words, f"a payment told to be {event}", "DEAD:plaintext")
    name = dice.choice(sorted(told))
    twin = encoded({name: told[name]})[1:-1]
    body = b"{" + twin + b"," + encoded(told)[1:]
    return said(scene, body, f"{name} twice", "DEAD:duplicate_key")
