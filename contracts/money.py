"""Money as integer minor units of one currency."""

import msgspec


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """An amount in the currency's minor unit (fen, cents)."""

    amount_minor: int
    currency: str
