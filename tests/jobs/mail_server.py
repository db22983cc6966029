"""A mail server in this process, and stories to write letters about."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import msgspec
from aiosmtpd.smtp import SMTP, Envelope, Session

from models.engine import Database
from runtime.mail_server import MailServer


class Received:
    """What came in; *answers* says what becomes of mail to an address, 250 unless it is there."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.answers: dict[str, str] = {}
        self.server: MailServer

    async def handle_RCPT(  # noqa: N802  # the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, to: str, _options: list[str]
    ) -> str:
        answer = self.answers.get(to, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(to)
        return answer

    async def handle_DATA(  # noqa: N802  # the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=default)
        assert envelope.rcpt_tos == [mail["To"]]
        self.mails.append(mail)
        return "250 OK"

    def to(self, address: str) -> list[EmailMessage]:
        """List what came for somebody."""
        return [mail for mail in self.mails if mail["To"] == address]


@contextlib.asynccontextmanager
async def a_mail_server(
    *,
    tls: ssl.SSLContext | None = None,
    **options: Any,  # noqa: ANN401  # the library's
) -> AsyncIterator[Received]:
    """Serve on a free port until the end, encrypted from the first byte with *tls*."""
    received = Received()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(received, hostname="mail.test", loop=loop, **options),
        "127.0.0.1",
        0,
        ssl=tls,
    )
    port = server.sockets[0].getsockname()[1]
    received.server = MailServer(
        host="127.0.0.1", port=port, username=None, password=None, is_tls=False, starttls=None
    )
    try:
        yield received
    finally:
        server.close()
        await server.wait_closed()


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def html_of(mail: EmailMessage) -> str:
    part = mail.get_body(("html",))
    assert part is not None
    return str(part.get_content())


class Sold(msgspec.Struct, frozen=True, kw_only=True):
    """An order with one gift, its buyer's place, and two people with addresses."""

    event_id: int
    order_id: int
    order_no: str
    place_id: int
    invite_id: int
    guest_id: int
    buyer: str = "buyer@example.org"
    guest: str = "guest@example.org"


async def a_person(database: Database, email: str | None, locale: str | None = None) -> int:
    user_id: int = await database.fetchval(
        """INSERT INTO users (issuer, subject, name, email, locale)
           VALUES ('t', gen_random_uuid()::text, 'Somebody', $1, $2) RETURNING id""",
        email,
        locale,
    )
    return user_id


async def a_sold_order(
    database: Database,
    *,
    status: str = "PAID",
    title: str = "Night",
    locale: str | None = "en",
    email: str | None = "buyer@example.org",
) -> Sold:
    """Write down an order of two seats, paid unless *status* says otherwise."""
    buyer = await a_person(database, email, locale)
    guest = await a_person(database, "guest@example.org", "zh-CN")
    event_id = await database.fetchval(
        """INSERT INTO events (organizer_user_id, title, status, starts_at, ends_at,
             require_approval) VALUES (1, $1, 'PUBLISHED', '2026-12-24 12:00Z',
             '2026-12-24 15:00Z', false) RETURNING id""",
        title,
    )
    type_id = await database.fetchval(
        """INSERT INTO ticket_types (event_id, name, price_minor, currency, current_quantity,
             max_per_order, is_active, position, catalog_version)
           VALUES ($1, 'Standard', 9900, 'CNY', 0, 10, true, 1, 1) RETURNING id""",
        event_id,
    )
    is_paid = status in {"PAID", "REFUNDED"}
    payment_status = {"PAID": "PAID", "REFUNDED": "REFUNDED"}.get(status, "UNPAID")
    order_no = f"E{event_id:015}"
    order_id = await database.fetchval(
        """INSERT INTO orders (order_no, biz_type, event_id, user_id, ticket_type_id, quantity,
             total_minor, currency, status, payment_status, payment_channel, seats_held,
             expired_at, paid_at, version)
           VALUES ($1, 'event_ticket', $2, $3, $4, 2, 16900, 'CNY', $5, $6, 'wechat', $7, now(),
             $8, 1) RETURNING id""",
        order_no,
        event_id,
        buyer,
        type_id,
        status,
        payment_status,
        2 if is_paid else 0,
        await database.fetchval("SELECT now()") if is_paid else None,
    )
    place_id = await a_place(
        database, order_id, buyer, "APPROVED" if status == "PAID" else "CANCELLED"
    )
    invite_id = await database.fetchval(
        """INSERT INTO order_invites (order_id, position, generation, status, code_hash)
           VALUES ($1, 1, 1, $2, $3) RETURNING id""",
        order_id,
        "PENDING" if status == "PAID" else "INVALID",
        f"{order_id}",
    )
    return Sold(
        event_id=event_id,
        order_id=order_id,
        order_no=order_no,
        place_id=place_id,
        invite_id=invite_id,
        guest_id=guest,
    )


async def a_place(
    database: Database,
    order_id: int,
    user_id: int,
    status: str = "APPROVED",
    *,
    invite_id: int | None = None,
) -> int:
    """Seat somebody in an order."""
    place_id: int = await database.fetchval(
        """INSERT INTO registrations (event_id, user_id, ticket_type_id, order_id, invite_id,
             status, seats_held)
           SELECT event_id, $2, ticket_type_id, id, $4, $3, 0 FROM orders WHERE id = $1
           RETURNING id""",
        order_id,
        user_id,
        status,
        invite_id,
    )
    return place_id


async def a_taken_gift(database: Database, sold: Sold, status: str = "APPROVED") -> int:
    """Have the guest take the gift; return the guest's place."""
    await database.execute(
        "UPDATE order_invites SET status = 'REDEEMED', redeemed_by = $2, redeemed_at = now()"
        " WHERE id = $1",
        sold.invite_id,
        sold.guest_id,
    )
    return await a_place(database, sold.order_id, sold.guest_id, status, invite_id=sold.invite_id)


async def owe(
    database: Database, kind: str, cause: str, holder_id: int, holder_kind: str = "order"
) -> None:
    """Owe a duty."""
    await database.execute(
        """INSERT INTO effects (holder_kind, holder_id, cause, kind, due_at, tries)
           VALUES ($1, $2, $3, $4, now(), 0)""",
        holder_kind,
        holder_id,
        cause,
        kind,
    )
