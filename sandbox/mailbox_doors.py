"""The mailbox to look at: pages for people, JSON for tests.

- ``GET /mailbox`` lists the newest mails, ``GET /mailbox/{id}`` shows one with its links.
- ``GET /mailbox.json?to=`` tells the same of one address, or of all, newest first.
"""

import re
from collections.abc import Sequence
from html import escape
from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from sandbox.mailbox import Mailbox
from sandbox.mailbox_store import Mail

_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Mailbox</title>
<style>body{font:16px/1.5 system-ui;margin:2rem}td,th{padding:.3rem .8rem;text-align:left}
pre{font:inherit;white-space:pre-wrap;max-width:50rem}</style><h1>Mailbox</h1>
<p>Mail of the sandbox ends here. <a href="/mailbox">All mails</a> <a href="/">Trades</a></p>
"""
_NUMBER_MAX = 2**63 - 1
_LINK = re.compile(r"https?://[^\s<>\"']+")


def routes(mailbox: Mailbox) -> Sequence[HTTPRouteHandler]:
    """Answer at /mailbox."""

    @get("/mailbox", media_type="text/html")
    async def list_mails() -> str:
        rows = "".join(_row(mail) for mail in mailbox.mails())
        return f"{_HEAD}<table><tr><th>When<th>To<th>Subject</tr>\n{rows}</table></html>"

    @get("/mailbox/{number:int}", media_type="text/html")
    async def show_mail(number: int) -> Response[str]:
        # SQLite knows no larger numbers, and no mail has one.
        mail = mailbox.mail(number) if number <= _NUMBER_MAX else None
        if mail is None:
            return Response(f"{_HEAD}<p>It is gone.</html>", status_code=404)
        return Response(f"{_HEAD}{_shown(mail)}</html>")

    @get("/mailbox.json")
    async def tell_mails(to: str | None = None) -> dict[str, Any]:
        return {"items": [_told(mail) for mail in mailbox.mails(to)]}

    return [list_mails, show_mail, tell_mails]


def _row(mail: Mail) -> str:
    link = f'<a href="/mailbox/{mail.id}">{escape(mail.subject or "(no subject)")}</a>'
    return f"<tr><td>{mail.received_at}<td>{escape(mail.to)}<td>{link}</tr>\n"


def _shown(mail: Mail) -> str:
    return (
        f"<h2>{escape(mail.subject)}</h2>\n<p>To {escape(mail.to)}, {mail.received_at}<br>"
        f"{escape(mail.message_id)}</p>\n<pre>{_linked(mail.text)}</pre>\n"
    )


def _linked(text: str) -> str:
    # Escaped piece by piece: an address is cut out of the text before its signs are replaced.
    pieces, end = [], 0
    for found in _LINK.finditer(text):
        url = escape(found.group())
        pieces += [escape(text[end : found.start()]), f'<a href="{url}">{url}</a>']
        end = found.end()
    return "".join([*pieces, escape(text[end:])])


def _told(mail: Mail) -> dict[str, Any]:
    return {
        "id": mail.id,
        "to": mail.to,
        "subject": mail.subject,
        "messageId": mail.message_id,
        "text": mail.text,
        "html": mail.html,
        "receivedAt": mail.received_at,
    }
