"""How people are reached: an address that mail servers take, a language we write."""

import re
from enum import StrEnum

# The plain form of RFC 5321: atoms, one @, a domain with a dot. No quotes, no folding, no second
# recipient. The last part keeps Python's $ from passing by a line end.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
EMAIL_PATTERN = rf"^{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+$(?!\n)"
EMAIL_MAX = 254
_EMAIL = re.compile(EMAIL_PATTERN)


class Locale(StrEnum):
    """What we write letters in."""

    CHINESE = "zh-CN"
    ENGLISH = "en"


def is_email(text: str) -> bool:
    """Tell whether *text* has the shape of one address."""
    return len(text) <= EMAIL_MAX and _EMAIL.search(text) is not None


def locale_of(tag: str) -> Locale | None:
    """Return the language a tag means, by its first part; None when we do not write it."""
    language = tag.replace("_", "-").partition("-")[0].lower()
    return next((known for known in Locale if known.value.partition("-")[0] == language), None)
