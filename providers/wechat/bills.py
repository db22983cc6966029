"""A day's refund bill: where it lies, that it came whole, and which refunds it names.

1. The file carries no signature. What vouches for it is its hash in the offer, which is signed.
2. Its address must be the gateway's own: whoever is asked for the file gets our Authorization.
3. One row that cannot be read makes the bill unreadable: a refund must never be skipped in silence.
4. Amounts and states are not read here: the refund query tells them, signed.

A bill is CSV of a kind: a line of names, a line per refund, a line of names and one of totals. In
lines of values each value has a backtick in front.

Source: WeChat Pay v3, trade bill, application and download, read 2026-11.
"""

import hashlib
import re
from typing import Annotated, Final, Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

from contracts.attempt import BilledRefund
from providers.wechat import errors
from providers.wechat.answers import Answer
from providers.wechat.words import Number

_ATTEMPT_NO: Final = "商户订单号"
_REFUND_NO: Final = "商户退款单号"
_DEFAULT_PORTS = {"https": 443, "http": 80}
# Of the last two lines: names of totals, of which the first is the number of rows.
_TOTALS_LINES = 2
_ROW_COUNT: Final = "总交易单数"


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """Where a bill lies for some minutes, and the hash of its bytes."""

    hash_type: Literal["SHA1"]
    hash_value: Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Fa-f]{40}\Z")]
    download_url: Annotated[str, msgspec.Meta(pattern=r"\A[!-~]{1,2048}\Z")]


def offered(answer: Answer, gateway: str) -> Offer | None:
    """Read where a bill lies; None when there is none, for nothing happened that day."""
    if answer.code == "NO_STATEMENT_EXIST":
        return None
    offer = answer.read(Offer)
    if not _is_at(gateway, offer.download_url):
        raise answer.useless("foreign_answer")
    return offer


def path_of(offer: Offer) -> str:
    """Return what to ask the gateway for: the address without scheme and host."""
    parts = urlsplit(offer.download_url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def billed(answer: Answer, offer: Offer) -> list[BilledRefund]:
    """Read which refunds a bill names, each once."""
    answer.require_success()
    # The vendor's choice of hash; the offer that names it is signed by a better one.
    if hashlib.sha1(answer.body, usedforsecurity=False).hexdigest() != offer.hash_value.lower():
        raise answer.useless("hash")
    try:
        return _refunds(answer.body.decode("utf-8-sig"))
    except (ValueError, msgspec.ValidationError):
        raise answer.useless(errors.UNREADABLE) from None


def _is_at(gateway: str, url: str) -> bool:
    try:
        ours, theirs = urlsplit(gateway), urlsplit(url)
        has_user = theirs.username is not None or theirs.password is not None
        return _origin(ours) == _origin(theirs) and not has_user and theirs.path.startswith("/")
    except ValueError:  # a port that is no number, a bracket left open
        return False


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or _DEFAULT_PORTS.get(url.scheme)


def _refunds(text: str) -> list[BilledRefund]:
    # Not splitlines(), which would break a line within a value at the stranger separators, too.
    lines = re.split(r"\r?\n", text.rstrip("\r\n"))
    names, rows, totals = lines[0].split(","), lines[1:-_TOTALS_LINES], lines[-_TOTALS_LINES:]
    attempt_at, refund_at = names.index(_ATTEMPT_NO), names.index(_REFUND_NO)
    _require_whole(len(rows), totals)
    refunds: dict[BilledRefund, None] = {}
    for row in rows:
        values = _values(row, at_least=len(names))
        numbers = msgspec.convert([values[attempt_at], values[refund_at]], tuple[Number, Number])
        refunds[BilledRefund(attempt_no=numbers[0], refund_no=numbers[1])] = None
    return list(refunds)


def _require_whole(rows: int, totals: list[str]) -> None:
    if totals[0].split(",")[0] != _ROW_COUNT or float(_values(totals[-1], at_least=1)[0]) != rows:
        raise ValueError("the totals are not those of the rows")


def _values(line: str, *, at_least: int) -> list[str]:
    # What a ware is called comes after the numbers, so even a separator in it moves neither.
    values = line.removeprefix("`").split(",`")
    if not line.startswith("`") or len(values) < at_least:
        raise ValueError("not a line of values")
    return values
