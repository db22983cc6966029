"""A letter as plain text and as HTML: the same lines, so that both say the same."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from html import escape
from typing import TypeAlias

import msgspec

from contracts.money import Money
from contracts.people import Locale, locale_of

# Events are sold in yuan; the offset is written beside, so that nobody misreads it.
_CHINA = timezone(timedelta(hours=8))
_SUBJECT_MAX = 150

Say: TypeAlias = Callable[[str, str], str]


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Somewhere to go, and what to call it."""

    label: str
    url: str


Line: TypeAlias = str | Link


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody is told; the subject is one line."""

    locale: Locale
    subject: str
    lines: tuple[Line, ...]


def language_of(locale: str | None) -> Locale:
    """Choose what to write in; who never said is written to in Chinese."""
    return locale_of(locale or "") or Locale.CHINESE


def tongue(locale: Locale) -> Say:
    """Return what picks of a sentence in Chinese and the same in English the one to write."""
    return lambda chinese, english: english if locale is Locale.ENGLISH else chinese


def letter(locale: Locale, subject: str, *lines: Line | None) -> Letter:
    """Put a letter together, between the usual first and last words."""
    say = tongue(locale)
    return Letter(
        locale=locale,
        subject=one_line(subject)[:_SUBJECT_MAX],
        lines=(
            say("您好，", "Hello,"),
            *(line for line in lines if line is not None),
            say(
                "此邮件由系统自动发送，请勿直接回复。",
                "This mail was sent automatically; please do not reply.",
            ),
        ),
    )


def one_line(text: str) -> str:
    """Take out line ends and whatever else cannot be seen."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))


def amount(money: Money) -> str:
    """Write an amount with its currency, in major units of two decimals."""
    major, minor = divmod(money.amount_minor, 100)
    return f"{major}.{minor:02} {money.currency}"


def moment(at: datetime) -> str:
    """Write an instant as clocks in China show it."""
    return f"{at.astimezone(_CHINA):%Y-%m-%d %H:%M} (UTC+8)"


def as_text(told: Letter) -> str:
    """Write a letter as plain text."""
    return "\n\n".join(
        f"{one_line(line.label)}\n{line.url}" if isinstance(line, Link) else one_line(line)
        for line in told.lines
    )


def as_html(told: Letter) -> str:
    """Write a letter as HTML; whatever people may have written is shown, never obeyed."""
    body = "\n".join(f"<p>{_as_html(line)}</p>" for line in told.lines)
    return (
        f'<!doctype html>\n<html lang="{told.locale.value}"><head><meta charset="utf-8">'
        f"<title>{escape(told.subject)}</title></head>\n<body>\n{body}\n</body></html>\n"
    )


def _as_html(line: Line) -> str:
    if isinstance(line, Link):
        return f'<a href="{escape(line.url)}">{escape(one_line(line.label))}</a>'
    return escape(one_line(line))
