"""Duties to the outside, stored with the turn that caused them."""

from enum import StrEnum

import msgspec

# Begins the cause of news that are of a coupon, not of money.
COUPON_TAKEN = "coupon"


class EffectKind(StrEnum):
    """What is owed."""

    TICKETS = "TICKETS"  # tell the buyer: paid, here are the tickets
    FAREWELL = "FAREWELL"  # tell the buyer: the order ended unpaid
    REFUND_NOTICE = "REFUND_NOTICE"  # tell the buyer: money is on its way back
    REDEEMED = "REDEEMED"  # tell the guest: here is the ticket; tell the buyer: a gift was taken
    ADMISSION = "ADMISSION"  # tell a person: the organizer let them in, here is the ticket
    REJECTION = "REJECTION"  # tell a person: the organizer did not let them in
    SALE_NEWS = "SALE_NEWS"  # tell our own people: somebody paid, or took a coupon
    ALARM = "ALARM"  # tell a person: a case was opened


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """One duty; (order, cause, kind) is owed once, however often the cause is seen."""

    kind: EffectKind
    cause: str


class CaseKind(StrEnum):
    """What a person must decide."""

    PAYMENT_MISMATCH = "PAYMENT_MISMATCH"  # verified money that contradicts its attempt
    UNKNOWN_ATTEMPT = "UNKNOWN_ATTEMPT"  # verified money for a number that is not ours
    REFUND_STUCK = "REFUND_STUCK"
    UNREADABLE_NOTICE = "UNREADABLE_NOTICE"
    UNCHECKED_BILL = "UNCHECKED_BILL"  # refunds past us may be there that nobody has noticed
    EVENT_MISMATCH = "EVENT_MISMATCH"  # a verified event that contradicts what it names


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A question for a person; (kind, subject) is opened once."""

    kind: CaseKind
    subject: str
    reason: str
    details: dict[str, str]
