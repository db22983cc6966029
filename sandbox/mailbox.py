"""The mailbox in which the sandbox's mail ends: a mail server on loopback that delivers nowhere."""

import asyncio
import time
from collections.abc import Sequence
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox.mailbox_store import Mail, MailboxStore

_NAME = "mail.guichet.test"


class Mailbox:
    """Takes every mail and keeps the newest."""

    def __init__(self, store: MailboxStore, *, port: int) -> None:
        self._store = store
        self._port = port
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen; without a port nobody is listened to."""
        if self._port:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: SMTP(self, hostname=_NAME, enable_SMTPUTF8=True, loop=loop),
                "127.0.0.1",
                self._port,
            )

    async def close(self) -> None:
        """Listen no more, and give the file back."""
        if self._server is not None:
            self._server.close()
        self._store.close()

    def mails(self, to: str | None = None) -> Sequence[Mail]:
        """List the mails to an address, or all of them, newest first."""
        return self._store.mails(to)

    def mail(self, number: int) -> Mail | None:
        """Find one mail."""
        return self._store.mail(number)

    async def handle_DATA(  # noqa: N802  # the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep one mail, once for each of those it is for."""
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode()
        message = message_from_bytes(raw, policy=default)
        for to in envelope.rcpt_tos:
            self._store.add(
                to=to,
                subject=str(message["Subject"] or ""),
                message_id=str(message["Message-ID"] or ""),
                text=_part(message, "plain"),
                html=_part(message, "html"),
                received_at_ms=round(time.time() * 1000),
            )
        return "250 OK"


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return "" if part is None else str(part.get_content())
