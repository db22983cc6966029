"""Numbers that others see: made before the insert, never used twice.

1. ``order_no`` is one capital letter and fifteen digits or capital letters.
2. ``attempt_no`` is the order's number and up to four more of the same characters: at most 20,
   which every provider accepts as a merchant order number.
3. ``refund_no`` is a function of the attempt and a counter, so a repeated request carries the
   same number and a provider refunds once.
"""

import secrets

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ORDER_NO_LENGTH = 16
ORDER_NO_PATTERN = r"^[A-Z][0-9A-Z]{15}$"
# Ten attempts fit two characters; the width is fixed so that numbers sort as they were made.
ATTEMPT_SUFFIX_WIDTH = 2


def new_order_no() -> str:
    """Make a random order number, about 78 bits."""
    left, digits = secrets.randbelow(len(ALPHABET) ** (ORDER_NO_LENGTH - 1)), []
    for _ in range(ORDER_NO_LENGTH - 1):
        left, digit = divmod(left, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "G" + "".join(digits)


def attempt_no(order_no: str, n: int) -> str:
    """Name the order's n-th attempt, counted from 1."""
    return f"{order_no}{n:0{ATTEMPT_SUFFIX_WIDTH}d}"


def refund_no(attempt_no: str, n: int) -> str:
    """Name the n-th refund of the payment made by *attempt_no*, counted from 1."""
    return f"{attempt_no}R{n:02d}"
