"""Mutations of what proves a notice: headers, signature and the bytes that were signed."""

import base64
import json
import string
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA512

from tests.hostile.mutants import (
    Mutant,
    Scene,
    flipped_bit,
    flipped_character,
    inserted,
    one_of,
    pairs,
    with_headers,
)
from tests.hostile.notices import (
    KIND,
    NONCE,
    SERIAL,
    SIGNATURE,
    TIMESTAMP,
    Notice,
    signed_message,
)

STRANGER = generate_private_key(public_exponent=65537, key_size=2048)
_WORDS = string.ascii_uppercase + string.digits
_NEEDED = (TIMESTAMP, NONCE, SIGNATURE, SERIAL)
_NEVER_INSIDE = (" ", "\t", "\r\n", "\n", "\x00", "\x7f", "\xe9", "\u2028", "\uff11")
_NO_TIMES = (
    "",
    "-1",
    "+17",
    "17.5",
    "1e9",
    "0x6919",
    "\uff11\uff17",
    "soon",
    "1763000000000",
    "NaN",
)
_OTHER_KINDS = ("", "WECHATPAY2-SM2-WITH-SM3", "wechatpay2-sha256-rsa2048", "none", "RSA2048")
_ENCODINGS = ("gzip", "deflate", "br", "identity", "", "gzip, gzip", "x")
# Early enough that the moments between making and sending do not bring it back into the window.
_OUT_OF_DATE = (302, 400, 3_600, 86_400, 31_536_000, 1_700_000_000)
_TOO_EARLY = (400, 3_600, 86_400, 31_536_000, 900_000_000_000)


def shape(scene: Scene) -> Mutant:  # noqa: PLR0911 - one per kind of change
    """Leave a header out, double it or break its alphabet."""
    dice, notice = scene.dice, scene.notice()
    headers, name = dict(notice.headers), dice.choice(_NEEDED)
    match dice.randrange(7):
        case 0:
            del headers[name]
            return with_headers(notice, headers, f"without {name}", "door:malformed")
        case 1:
            return _doubled(scene, notice)
        case 2:
            headers[TIMESTAMP] = dice.choice(_NO_TIMES)
            return with_headers(notice, headers, "no time", "door:malformed")
        case 3:
            headers[KIND] = dice.choice(_OTHER_KINDS)
            return with_headers(notice, headers, "another signature type", "door:malformed")
        case 4:
            headers[name] = ""
            return with_headers(notice, headers, f"empty {name}", "door:malformed")
        case 5:
            headers[name] *= 2000 // len(headers[name])
            return with_headers(notice, headers, f"long {name}", "door:malformed")
        case _:
            headers[name] = inserted(dice, headers[name], dice.choice(_NEVER_INSIDE))
            return with_headers(notice, headers, f"spoiled {name}", "door:malformed")


def _doubled(scene: Scene, notice: Notice) -> Mutant:
    name = scene.dice.choice([*_NEEDED, KIND])
    value = scene.dice.choice([notice.headers[name], "", "1", "WECHATPAY/SIGNTEST/"])
    cased = scene.dice.choice([name, name.upper(), name.title()])
    headers = pairs(notice.headers)
    headers.insert(scene.dice.randrange(len(headers) + 1), (cased.encode(), value.encode()))
    return Mutant(f"doubled {name}", headers, notice.body, "door:malformed")


def probe(scene: Scene) -> Mutant:
    """Sign as the platform does when it tests us."""
    notice = scene.notice()
    rest = scene.dice.choice([notice.headers[SIGNATURE], "", "x", scene.forge.hex(344)])
    headers = notice.headers | {SIGNATURE: f"WECHATPAY/SIGNTEST/{rest}"}
    return with_headers(notice, headers, "probe", "door:signtest")


def stale(scene: Scene) -> Mutant:
    """Take another time, signed as of then or only said to be."""
    dice, notice = scene.dice, scene.notice()
    now = int(notice.headers[TIMESTAMP])
    past, span = dice.choice([(True, _OUT_OF_DATE), (False, _TOO_EARLY)])
    seconds = dice.choice(span) + dice.randrange(60)
    shift = -min(seconds, now) if past else seconds
    if dice.random() < 0.5:
        signed = scene.forge.signed(notice.body, shift_seconds=shift)
        return with_headers(signed, signed.headers, f"signed {shift} s off", "door:stale")
    headers = notice.headers | {TIMESTAMP: str(now + shift)}
    return with_headers(notice, headers, f"said to be {shift} s off", "door:stale")


def serial(scene: Scene) -> Mutant:
    """Sign under a name that nobody knows."""
    dice, notice = scene.dice, scene.notice()
    ours = notice.headers[SERIAL]
    other = dice.choice(
        [
            flipped_character(dice, ours, _WORDS),
            ours[: dice.randrange(1, len(ours))],
            ours[: 64 - 1] + "0",
            scene.forge.hex(40).upper(),
            "0",
            ours[1:],
        ]
    )
    return with_headers(notice, notice.headers | {SERIAL: other}, "serial", "door:unknown_key")


def signature(scene: Scene) -> Mutant:
    """Sign something else, or let somebody else sign."""
    dice = scene.dice
    spoil = dice.choice([_spoiled_signature, _foreign_signature, _changed_words, _changed_body])
    return spoil(scene, scene.notice())


def _spoiled_signature(scene: Scene, notice: Notice) -> Mutant:
    dice, honest = scene.dice, notice.headers[SIGNATURE]
    raw = base64.b64decode(honest)
    spoiled = dice.choice(
        [
            base64.b64encode(flipped_bit(dice, raw)).decode(),
            base64.b64encode(raw[: dice.randrange(1, len(raw))]).decode(),
            base64.b64encode(raw + b"\x00").decode(),
            base64.b64encode(b"\x00" + raw).decode(),
            base64.b64encode(raw[::-1]).decode(),
            base64.b64encode(bytes(256)).decode(),
            honest.rstrip("="),
            inserted(dice, honest, dice.choice("!~-_.%")),
            "A" * 344,
            raw.hex(),
        ]
    )
    headers = notice.headers | {SIGNATURE: spoiled}
    return with_headers(notice, headers, "spoiled signature", "door:bad_signature")


def _foreign_signature(scene: Scene, notice: Notice) -> Mutant:
    dice, forge, honest = scene.dice, scene.forge, notice.headers
    message = signed_message(honest[TIMESTAMP], honest[NONCE], notice.body)
    made = one_of(
        dice,
        lambda: STRANGER.sign(message, PKCS1v15(), SHA256()),
        lambda: forge.key.sign(message, PKCS1v15(), SHA1()),  # noqa: S303 - must be refused
        lambda: forge.key.sign(message, PKCS1v15(), SHA512()),
        lambda: forge.key.sign(message, PSS(MGF1(SHA256()), PSS.MAX_LENGTH), SHA256()),
        lambda: forge.key.sign(message[:-1], PKCS1v15(), SHA256()),
        lambda: forge.key.sign(notice.body, PKCS1v15(), SHA256()),
        lambda: sha256(message).digest() * 8,
    )
    headers = honest | {SIGNATURE: base64.b64encode(made).decode()}
    return with_headers(notice, headers, "foreign signature", "door:bad_signature")


def _changed_words(scene: Scene, notice: Notice) -> Mutant:
    dice, headers = scene.dice, dict(notice.headers)
    if dice.random() < 0.5:
        headers[NONCE] = dice.choice(
            [flipped_character(dice, headers[NONCE], "0123456789abcdef"), headers[NONCE][1:], "x"]
        )
        return with_headers(notice, headers, "another nonce", "door:bad_signature")
    shift = dice.choice([-1, 1]) * dice.randrange(1, 200)
    headers[TIMESTAMP] = str(int(headers[TIMESTAMP]) + shift)
    return with_headers(notice, headers, "another time within the window", "door:bad_signature")


def _changed_body(scene: Scene, notice: Notice) -> Mutant:
    dice, body = scene.dice, notice.body
    changed = one_of(
        dice,
        lambda: flipped_bit(dice, body),
        lambda: body[: dice.randrange(len(body))],
        lambda: body + dice.choice([b" ", b"\n", b"\x00", b"\r\n", b"{}"]),
        lambda: b"\xef\xbb\xbf" + body,
        lambda: json.dumps(json.loads(body), separators=(",", ":")).encode(),
        lambda: body.replace(b", ", b",\r\n", 1),
        lambda: scene.notice().body,
        lambda: body.replace(b'"id"', b'"\\u0069d"', 1),
    )
    return Mutant("another body", pairs(notice.headers), changed, "door:bad_signature")


def encoding(scene: Scene) -> Mutant:
    """Say that it is compressed, though no notice ever is."""
    notice = scene.notice()
    headers = notice.headers | {"content-encoding": scene.dice.choice(_ENCODINGS)}
    return with_headers(notice, headers, "content-encoding", "door:encoded")


def stored(scene: Scene) -> Mutant:
    """Send again what came before, with nothing different that was signed."""
    dice = scene.dice
    _, notice = dice.choice(scene.paid)
    headers = dict(notice.headers)
    match dice.randrange(5):
        case 0:
            headers = {dice.choice([n.upper(), n.title(), n]): v for n, v in headers.items()}
        case 1:
            headers[SERIAL] = dice.choice(["0", "", "00"]) + headers[SERIAL].lower()
        case 2:
            del headers[KIND]
        case 3:
            headers |= {"x-forwarded-for": "127.0.0.1", "content-type": "text/xml"}
        case _:
            headers = scene.forge.signed(notice.body).headers
    return with_headers(notice, headers, "seen before", "door:duplicate")
