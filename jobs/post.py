"""Handing letters to a mail server: one connection for each, a few at once."""

import asyncio
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from urllib.parse import quote

import aiosmtplib

from jobs.effects import Undeliverable
from jobs.letters.letter import Letter, as_html, as_text
from runtime.mail_server import MailServer

# Mail providers count connections; more than these would only be turned away.
_AT_ONCE = 8
# For each word of the conversation; the whole of it must end before the row's claim does.
_ANSWER_SECONDS = 10.0
_CONVERSATION_SECONDS = 20.0
_PERMANENT = 500


class Post:
    """Sends letters from one address; *sender* is ``name@host`` or ``Some Name <name@host>``."""

    def __init__(self, server: MailServer, *, sender: str) -> None:
        self._server = server
        self._sender = sender
        self._domain = parseaddr(sender)[1].rpartition("@")[2]
        self._gate = asyncio.Semaphore(_AT_ONCE)

    async def send(self, letter: Letter, *, to: str, name: str) -> None:
        """Send a letter; under the same *name* it always has the same Message-ID.

        :raises Undeliverable: the server refuses this letter for good; do not try again.
        :raises Exception: not sent as far as we know; try again later.
        """
        message = compose(
            letter, sender=self._sender, to=to, message_id=message_id(name, self._domain)
        )
        async with self._gate, asyncio.timeout(_CONVERSATION_SECONDS):
            try:
                await self._hand_in(message)
            except (aiosmtplib.SMTPRecipientsRefused, aiosmtplib.SMTPDataError) as error:
                if not _is_final(error):
                    raise
                # Its words repeat the address, so they end here.
                raise Undeliverable from None

    async def _hand_in(self, message: EmailMessage) -> None:
        server = self._server
        await aiosmtplib.send(
            message,
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            use_tls=server.is_tls,
            start_tls=server.starttls,
            # Asking the resolver for our own name can take seconds, for every letter.
            local_hostname=self._domain,
            timeout=_ANSWER_SECONDS,
        )


def compose(letter: Letter, *, sender: str, to: str, message_id: str) -> EmailMessage:
    """Put a letter into an envelope, as text and as HTML."""
    message = EmailMessage(policy=SMTP)
    message["Subject"] = letter.subject
    message["From"] = sender
    message["To"] = to
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = message_id
    # Out-of-office replies to nobody help nobody (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(as_text(letter), cte="base64")
    message.add_alternative(as_html(letter), subtype="html", cte="base64")
    # Earlier it would have moved into the first part.
    message["Content-Language"] = letter.locale.value
    return message


def message_id(name: str, domain: str) -> str:
    """Make the Message-ID of a letter's *name*: another for each name, in letters it may have."""
    # Colons are no part of it (RFC 5322, 3.6.4); dots take their place, so real dots are quoted.
    return f"<{quote(name, safe=':').replace('.', '%2E').replace(':', '.')}@{domain}>"


def _is_final(error: aiosmtplib.SMTPRecipientsRefused | aiosmtplib.SMTPDataError) -> bool:
    if isinstance(error, aiosmtplib.SMTPDataError):
        return error.code >= _PERMANENT
    return all(refused.code >= _PERMANENT for refused in error.recipients)
