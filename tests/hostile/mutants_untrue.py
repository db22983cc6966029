"""Genuine notices of something else than an order waits for, signed by the platform's own key."""

import json
import string
from typing import Any

import msgspec

from tests.hostile.mutants import Mutant, Scene, flipped_character, said, sent

_DIGITS = string.digits
_WORDS = string.ascii_uppercase + string.digits
_OTHER_CURRENCIES = ("USD", "HKD", "JPY", "CNH", "TWD", "XXX", "AAA")
_OTHER_EVENTS = (
    *("", "transaction.success", "TRANSACTION.SUCCESS ", "TRANSACTION.FAIL", "TRANSACTION"),
    *("REFUND.PROCESSING", "SECURITY_ECHO.SUCCESS", "PAYSCORE.USER_PAID", "x" * 300, "\u202e"),
)


def merchant(scene: Scene) -> Mutant:
    """Have the money go to another merchant."""
    dice, told = scene.dice, scene.forge.transaction(scene.payment())
    ours = told["mchid"]
    told["mchid"] = dice.choice(
        [
            flipped_character(dice, ours, _DIGITS),
            *(ours[1:], ours + "0", "0" + ours, ours[::-1], "1", ours * 2),
        ]
    )
    return said(scene, told, "merchant", "case:merchant")


def appid(scene: Scene) -> Mutant:
    """Have it paid inside another app."""
    dice, told = scene.dice, scene.forge.transaction(scene.payment())
    ours = told["appid"]
    told["appid"] = dice.choice(
        [
            flipped_character(dice, ours, _WORDS),
            *(ours.upper(), ours[1:], ours + "0", "wx", told["mchid"]),
        ]
    )
    return said(scene, told, "app", "case:appid")


def order(scene: Scene) -> Mutant:
    """Name an order that nobody made."""
    dice, told = scene.dice, scene.forge.transaction(scene.payment())
    ours = told["out_trade_no"]
    other = ours
    while other in scene.attempt_nos:
        other = dice.choice(
            [
                flipped_character(dice, ours, _WORDS),
                *(ours.lower(), ours[:-2], ours[:-2] + "02", ours + "0", ours[1:], "1"),
            ]
        )
    return said(scene, told | {"out_trade_no": other}, "order", "QUARANTINED:unknown_attempt")


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
    return said(scene, scene.forge.transaction(paid), f"{total} for {asked}", "case:amount")


def currency(scene: Scene) -> Mutant:
    """Pay as much, but of something else."""
    told = scene.forge.transaction(scene.payment())
    told["amount"]["currency"] = scene.dice.choice(_OTHER_CURRENCIES)
    return said(scene, told, "currency", "case:currency")


def known(scene: Scene) -> Mutant:
    """Tell again, in a new notice, of money that its order has."""
    dice = scene.dice
    payment, _ = dice.choice(scene.paid)
    told = scene.forge.transaction(payment)
    if dice.random() < 0.5:
        _harmless(scene, told)
    words = scene.forge.envelope(told)
    words["create_time"] = dice.choice(["", "never", None, words["create_time"]])
    words["later"] = {"added": [1, 2.5, "by the provider"]}
    return sent(scene, words, "known payment", "PROCESSED:")


def _harmless(scene: Scene, told: dict[str, Any]) -> None:
    amount: dict[str, Any] = told["amount"]
    match scene.dice.randrange(4):
        case 0:
            del amount["currency"]
        case 1:
            amount["payer_total"] = 0
        case 2:
            told["trade_state"] = "REFUND"
        case _:
            told["bank_type"] = json.loads('"\\ud83d\\ude00"')


def no_money(scene: Scene) -> Mutant:
    """Send the same words under an event that is not a payment."""
    words = scene.forge.envelope(scene.forge.transaction(scene.payment()))
    words["event_type"] = scene.dice.choice(_OTHER_EVENTS)
    return sent(scene, words, "event", "PROCESSED:no_money")


def refund(scene: Scene) -> Mutant:
    """Have more money go back than there was, that nobody sent back."""
    payment, _ = scene.dice.choice(scene.paid)
    words = scene.forge.envelope(scene.forge.refund(payment), event="REFUND.SUCCESS")
    return sent(scene, words, "refund", "case:not_ours")
