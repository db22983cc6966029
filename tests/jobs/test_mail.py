"""Duties delivered by mail, to a real mail server."""

import asyncio
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from actors.gift_codes import gift_code
from jobs.batch import Batch
from jobs.effects import Effects, LogDelivery
from jobs.letters.links import Links
from jobs.mail import MailDelivery
from jobs.post import Post, message_id
from models.engine import Database
from models.sweeps import claim_effects
from runtime.failpoints import Deed, Misfortune
from tests.jobs.conftest import Start
from tests.jobs.mail_server import (
    Received,
    Sold,
    a_mail_server,
    a_person,
    a_place,
    a_sold_order,
    a_taken_gift,
    html_of,
    owe,
    text_of,
)
from tests.jobs.rows import ALL_EFFECTS_DONE, until_found

KEY = b"k" * 32
APP_URL = "https://tickets.example.org"
LINKS = Links(app_url=APP_URL, gift_code_key=KEY)
SENDER = "Guichet <tickets@example.org>"


@pytest.fixture
async def received() -> AsyncIterator[Received]:
    async with a_mail_server() as received:
        yield received


class Office:
    """A worker's sweep of duties, on a mail server of the test's own."""

    def __init__(self, database: Database, received: Received, alarm_to: str | None) -> None:
        self._database = database
        delivery = MailDelivery(
            database=database,
            post=Post(received.server, sender=SENDER),
            links=LINKS,
            alarm_to=alarm_to,
            otherwise=LogDelivery(),
        )
        self.effects = Effects(database=database, delivery=delivery)

    async def do_round(self) -> None:
        await Batch(
            job="effects",
            noun="effect",
            size=32,
            claim=partial(claim_effects, self._database),
            handle=self.effects.deliver,
            let_go=self.effects.deliver_later,
        ).do_round()

    async def again(self) -> None:
        """Do everything once more, as after a crash before it was noted."""
        await self._database.execute("UPDATE effects SET due_at = now(), done_at = NULL")
        await self.do_round()


@pytest.fixture
def office(database: Database, received: Received) -> Office:
    return Office(database, received, alarm_to=None)


@pytest.fixture
async def sold(database: Database) -> Sold:
    return await a_sold_order(database)


async def is_done(database: Database) -> bool:
    done: bool = await database.fetchval(ALL_EFFECTS_DONE)
    return done


class TestAPaidOrder:
    async def test_sends_its_ticket_and_its_gift_links(
        self, database: Database, office: Office, received: Received, sold: Sold
    ) -> None:
        await owe(database, "TICKETS", "paid:4200", sold.order_id)

        await office.do_round()

        (mail,) = received.mails
        code = gift_code(KEY, sold.order_no, 1, 1)
        links = (
            f"{APP_URL}/events/{sold.event_id}/tickets/{sold.place_id}",
            f"{APP_URL}/events/{sold.event_id}/register?gift={code}",
        )
        assert all(link in text_of(mail) for link in links)
        assert all(f'href="{link}"' in html_of(mail) for link in links)
        assert (mail["To"], mail["From"]) == (sold.buyer, SENDER)
        assert mail["Subject"] == "Your tickets: Night"
        assert "169.00 CNY" in text_of(mail)
        assert "2026-12-24 20:00 (UTC+8)" in text_of(mail)
        assert mail["Message-ID"] == f"<order.{sold.order_id}.paid.4200.TICKETS@example.org>"
        assert mail["Auto-Submitted"] == "auto-generated"
        assert await is_done(database)

    @pytest.mark.parametrize(
        ("locale", "subject"),
        [(None, "您的门票"), ("zh-CN", "您的门票"), ("en", "Your tickets"), ("fr", "您的门票")],
    )
    async def test_writes_in_the_buyers_language(
        self,
        database: Database,
        office: Office,
        received: Received,
        locale: str | None,
        subject: str,
    ) -> None:
        sold = await a_sold_order(database, locale=locale)
        await owe(database, "TICKETS", "paid:1", sold.order_id)

        await office.do_round()

        assert received.mails[0]["Subject"].startswith(subject)

    async def test_sends_no_link_to_what_was_taken_back_meanwhile(
        self, database: Database, office: Office, received: Received, sold: Sold
    ) -> None:
        await owe(database, "TICKETS", "paid:1", sold.order_id)
        await database.execute("UPDATE registrations SET refund_no = 'R1'")
        await database.execute("UPDATE order_invites SET refund_no = 'R1'")

        await office.do_round()

        assert APP_URL not in text_of(received.mails[0])
        assert "not valid any more" in text_of(received.mails[0])

    async def test_sends_the_code_that_is_good_when_it_is_sent(
        self, database: Database, office: Office, received: Received, sold: Sold
    ) -> None:
        await owe(database, "TICKETS", "paid:1", sold.order_id)
        await database.execute("UPDATE order_invites SET generation = 2")

        await office.do_round()

        text = text_of(received.mails[0])
        assert gift_code(KEY, sold.order_no, 1, 2) in text
        assert gift_code(KEY, sold.order_no, 1, 1) not in text

    async def test_tells_that_it_waits_for_the_organizer(
        self, database: Database, office: Office, received: Received, sold: Sold
    ) -> None:
        await owe(database, "TICKETS", "paid:1", sold.order_id)
        await database.execute("UPDATE registrations SET status = 'PENDING'")

        await office.do_round()

        assert "has to approve" in text_of(received.mails[0])

    async def test_that_was_refunded_meanwhile_says_so(
        self, database: Database, office: Office, received: Received
    ) -> None:
        sold = await a_sold_order(database, status="REFUNDED")
        await owe(database, "TICKETS", "paid:1", sold.order_id)

        await office.do_round()

        assert received.mails[0]["Subject"] == "Your order was refunded: Night"
        assert APP_URL not in text_of(received.mails[0])


class TestAnOrderThatEnded:
    @pytest.mark.parametrize(("status", "word"), [("EXPIRED", "expired"), ("CANCELLED", "cancel")])
    async def test_says_farewell(
        self, database: Database, office: Office, received: Received, status: str, word: str
    ) -> None:
        sold = await a_sold_order(database, status=status)
        await owe(database, "FAREWELL", status.lower(), sold.order_id)

        await office.do_round()

        assert word in received.mails[0]["Subject"]

    async def test_says_nothing_when_it_was_paid_after_all(
        self, database: Database, office: Office, received: Received, sold: Sold
    ) -> None:
        await owe(database, "FAREWELL", "expired", sold.order_id)

        with capture_logs() as lines:
            await office.do_round()

        assert received.mails == []
        assert [(line["event"], line.get("reason")) for line in lines] == [
            ("mail.skipped", "outdated")
        ]
        assert await is_done(database)


async def refund(database: Database, sold: Sold, *, honoured: bool = True) -> None:
    """Send part of the money back and owe the word of it."""
    payment_id = await database.fetchval(
        """INSERT INTO payments (order_id, attempt_no, provider, provider_txn_id, amount_minor,
             currency, honoured, refund_minor, source, paid_at)
           VALUES ($1, 'x', 'wechat', 't', 16900, 'CNY', $2, 0, 'notice', now())
           RETURNING id""",
        sold.order_id,
        honoured,
    )
    await database.execute(
        """INSERT INTO refunds (order_id, payment_id, refund_no, idempotency_key,
             amount_minor, currency, status, kind, reason, looks, updated_at)
           VALUES ($1, $2, 'R7', 'k', 1234, 'CNY', 'succeeded', 'ours', 'r', 0, now())""",
        sold.order_id,
        payment_id,
    )
    await owe(database, "REFUND_NOTICE", "refund:R7", sold.order_id)


class TestARefund:
    @pytest.mark.parametrize(
        ("status", "says"),
        [
            ("PAID", "This is a part of it"),
            ("REFUNDED", "whole order is refunded"),
            ("EXPIRED", "could not be used for the order"),
        ],
    )
    async def test_names_its_amount_and_what_it_means(
        self,
        database: Database,
        office: Office,
        received: Received,
        status: str,
        says: str,
    ) -> None:
        sold = await a_sold_order(database, status=status)
        await refund(database, sold, honoured=status != "EXPIRED")

        await office.do_round()

        assert received.mails[0]["Subject"] == "Refund of 12.34 CNY: Night"
        assert says in text_of(received.mails[0])

    @pytest.mark.parametrize(
        ("status", "freed_by", "is_told"),
        [("PAID", "R7", True), ("REFUNDED", None, True), ("PAID", None, False)],
    )
    async def test_is_told_to_the_guests_whose_places_went_with_it(
        self,
        database: Database,
        office: Office,
        received: Received,
        status: str,
        freed_by: str | None,
        *,
        is_told: bool,
    ) -> None:
        sold = await a_sold_order(database, status=status)
        place_id = await a_taken_gift(database, sold, "CANCELLED")
        await database.execute(
            "UPDATE registrations SET refund_no = $2 WHERE id = $1", place_id, freed_by
        )
        await refund(database, sold)

        await office.do_round()

        told = ["您的名额已取消：Night" in mail["Subject"] for mail in received.to(sold.guest)]
        assert told == ([True] if is_told else [])
        assert len(received.to(sold.buyer)) == 1

    async def test_is_not_told_to_the_guests_of_an_order_that_had_ended_before(
        self, database: Database, office: Office, received: Received
    ) -> None:
        sold = await a_sold_order(database, status="REFUNDED")
        await a_taken_gift(database, sold, "CANCELLED")
        await database.execute(
            "INSERT INTO order_events (order_id, version, kind, data)"
            " VALUES ($1, 3, 'order_refund_returned', '{}')",
            sold.order_id,
        )
        await refund(database, sold)

        await office.do_round()

        assert received.to(sold.guest) == []
        assert len(received.to(sold.buyer)) == 1


class TestAGift:
    async def test_is_told_of_to_guest_and_buyer_under_two_names(
        self, database: Database, office: Office, received: Received, sold: Sold
    ) -> None:
        place_id = await a_taken_gift(database, sold)
        await owe(database, "REDEEMED", "invite:1:1", sold.order_id)

        await office.do_round()

        (to_guest,), (to_buyer,) = received.to(sold.guest), received.to(sold.buyer)
        assert f"/events/{sold.event_id}/tickets/{place_id}" in text_of(to_guest)
        assert "您领取了一张赠票" in to_guest["Subject"]
        assert APP_URL not in text_of(to_buyer)
        assert "0 can still be taken" in text_of(to_buyer)
        name = f"order.{sold.order_id}.invite.1.1.REDEEMED"
        assert to_guest["Message-ID"] == f"<{name}.guest@example.org>"
        assert to_buyer["Message-ID"] == f"<{name}.buyer@example.org>"

    async def test_is_not_told_of_to_whom_it_does_not_belong_any_more(
        self, database: Database, office: Office, received: Received, sold: Sold
    ) -> None:
        await a_taken_gift(database, sold, "REJECTED")
        await database.execute(
            "UPDATE order_invites SET generation = 2, status = 'PENDING', redeemed_by = NULL"
        )
        await owe(database, "REDEEMED", "invite:1:1", sold.order_id)

        await office.do_round()

        assert received.mails == []
        assert await is_done(database)

    async def test_reaches_the_buyer_when_the_guest_cannot_be_reached(
        self, database: Database, office: Office, received: Received, sold: Sold
    ) -> None:
        await a_taken_gift(database, sold)
        received.answers[sold.guest] = "550 5.1.1 no such person"
        await owe(database, "REDEEMED", "invite:1:1", sold.order_id)

        await office.do_round()

        assert len(received.to(sold.buyer)) == 1

    async def test_is_told_of_once_to_whom_it_reached_while_the_other_waits(
        self, database: Database, office: Office, received: Received, sold: Sold
    ) -> None:
        await a_taken_gift(database, sold)
        received.answers[sold.guest] = "451 later"
        await owe(database, "REDEEMED", "invite:1:1", sold.order_id)
        await office.do_round()
        assert not await is_done(database)
        received.answers.clear()

        await office.again()

        assert len(received.to(sold.guest)) == 1
        assert len(received.to(sold.buyer)) == 1
        assert await is_done(database)
        await office.again()
        assert len(received.to(sold.buyer)) == 2


class TestAPlace:
    async def test_is_given_with_its_ticket(
        self, database: Database, office: Office, received: Received, sold: Sold
    ) -> None:
        place_id = await a_place(database, sold.order_id, sold.guest_id)
        await owe(database, "ADMISSION", f"place:{place_id}", place_id, "registration")

        await office.do_round()

        (mail,) = received.mails
        assert mail["To"] == sold.guest
        assert mail["Subject"] == "报名成功：Night"
        assert f"{APP_URL}/events/{sold.event_id}/tickets/{place_id}" in text_of(mail)

    async def test_that_is_refused_has_no_ticket(
        self, database: Database, office: Office, received: Received, sold: Sold
    ) -> None:
        place_id = await a_place(database, sold.order_id, sold.guest_id, "REJECTED")
        await owe(database, "REJECTION", f"place:{place_id}", sold.order_id)

        await office.do_round()

        assert received.mails[0]["Subject"] == "报名未通过：Night"
        assert APP_URL not in text_of(received.mails[0])

    @pytest.mark.parametrize(
        "told",
        [("ADMISSION", "CANCELLED"), ("ADMISSION", "REJECTED"), ("REJECTION", "APPROVED")],
    )
    async def test_that_changed_meanwhile_is_not_told_of(
        self,
        database: Database,
        office: Office,
        received: Received,
        sold: Sold,
        told: tuple[str, str],
    ) -> None:
        kind, status = told
        place_id = await a_place(database, sold.order_id, sold.guest_id, status)
        await owe(database, kind, f"place:{place_id}", place_id, "registration")

        await office.do_round()

        assert received.mails == []
        assert await is_done(database)


class TestAnAlarm:
    async def _case(self, database: Database, sold: Sold) -> None:
        await database.execute(
            """INSERT INTO cases (kind, subject, order_id, reason, details)
               VALUES ('REFUND_STUCK', 'refund:R1', $1, 'abnormal', '{}')""",
            sold.order_id,
        )
        await owe(database, "ALARM", "refund:R1", sold.order_id)

    async def test_reaches_whoever_runs_the_service(
        self, database: Database, received: Received, sold: Sold
    ) -> None:
        await self._case(database, sold)

        await Office(database, received, alarm_to="ops@example.org").do_round()

        (mail,) = received.mails
        assert mail["To"] == "ops@example.org"
        assert "REFUND_STUCK" in mail["Subject"]
        assert sold.order_no in text_of(mail)

    async def test_is_an_error_in_the_log_where_nobody_is_named(
        self, database: Database, office: Office, received: Received, sold: Sold
    ) -> None:
        await self._case(database, sold)

        with capture_logs() as lines:
            await office.do_round()

        assert received.mails == []
        assert [(line["event"], line["log_level"]) for line in lines] == [
            ("effects.delivered", "error")
        ]


class TestALetter:
    async def test_shows_what_people_wrote_and_obeys_none_of_it(
        self, database: Database, office: Office, received: Received
    ) -> None:
        title = 'A<script>alert(1)</script>"&\r\nBcc: eve@example.org\r\n\r\nBody'
        sold = await a_sold_order(database, title=title)
        await owe(database, "TICKETS", "paid:1", sold.order_id)

        await office.do_round()

        (mail,) = received.mails
        assert mail["Bcc"] is None
        assert "\n" not in mail["Subject"]
        assert "<script>" not in html_of(mail)
        assert "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&amp;" in html_of(mail)

    async def test_has_the_same_message_id_when_it_is_sent_again(
        self, database: Database, office: Office, received: Received, sold: Sold
    ) -> None:
        await owe(database, "TICKETS", "paid:1", sold.order_id)
        await office.do_round()

        await office.again()

        first, second = received.mails
        assert first["Message-ID"] == second["Message-ID"]

    async def test_of_another_duty_has_another_message_id(self) -> None:
        names = ["order:1:a.b:TICKETS", "order:1:a:b:TICKETS", "order:1:a%2Eb:TICKETS", "ä <>@\r\n"]

        ids = {message_id(name, "example.org") for name in names}

        assert len(ids) == len(names)
        assert all(one.isascii() and one.isprintable() and " " not in one for one in ids)

    async def test_keeps_a_long_message_id_whole(
        self, database: Database, office: Office, received: Received, sold: Sold
    ) -> None:
        cause = f"paid:{'x' * 190}"
        await owe(database, "TICKETS", cause, sold.order_id)

        await office.do_round()

        name = cause.replace(":", ".")
        wanted = f"<order.{sold.order_id}.{name}.TICKETS@example.org>"
        assert received.mails[0]["Message-ID"] == wanted

    async def test_is_not_written_to_who_has_no_address(
        self, database: Database, office: Office, received: Received
    ) -> None:
        sold = await a_sold_order(database, email=None)
        await owe(database, "TICKETS", "paid:1", sold.order_id)

        with capture_logs() as lines:
            await office.do_round()

        assert received.mails == []
        assert [(line["event"], line.get("reason")) for line in lines] == [
            ("mail.skipped", "no_address")
        ]
        assert await is_done(database)

    @pytest.mark.parametrize("answer", ["550 5.1.1 no such person", "553 no"])
    async def test_refused_for_good_is_given_up_at_once_and_visibly(
        self, database: Database, office: Office, received: Received, sold: Sold, answer: str
    ) -> None:
        received.answers[sold.buyer] = answer
        await owe(database, "TICKETS", "paid:1", sold.order_id)

        with capture_logs() as lines:
            await office.do_round()
            await office.do_round()

        row = await database.fetchrow("SELECT due_at, done_at, tries FROM effects")
        assert row is not None
        assert tuple(row) == (None, None, 1)
        assert sorted(line["event"] for line in lines) == ["effects.dead", "jobs.row.failed"]
        assert sold.buyer not in str(lines)

    @pytest.mark.parametrize("answer", ["451 4.7.1 greylisted", "421 busy"])
    async def test_put_off_is_sent_later(
        self, database: Database, office: Office, received: Received, sold: Sold, answer: str
    ) -> None:
        received.answers[sold.buyer] = answer
        await owe(database, "TICKETS", "paid:1", sold.order_id)

        with capture_logs():
            await office.do_round()

        assert received.mails == []
        assert await database.fetchval("SELECT due_at > now() FROM effects")
        received.answers.clear()
        await office.again()
        assert len(received.mails) == 1

    async def test_waits_for_a_server_that_is_down(self, database: Database, sold: Sold) -> None:
        async with a_mail_server() as gone:
            office = Office(database, gone, alarm_to=None)
        await owe(database, "TICKETS", "paid:1", sold.order_id)

        with capture_logs():
            await office.do_round()

        row = await database.fetchrow("SELECT due_at > now(), done_at FROM effects")
        assert row is not None
        assert tuple(row) == (True, None)

    async def test_does_not_wait_for_the_others(
        self, database: Database, office: Office, received: Received
    ) -> None:
        people = [f"buyer{n}@example.org" for n in range(40)]
        for email in people:
            sold = await a_sold_order(database, email=email)
            await owe(database, "TICKETS", "paid:1", sold.order_id)

        async with asyncio.timeout(60):
            await office.do_round()
            await office.do_round()

        assert sorted(mail["To"] for mail in received.mails) == sorted(people)


class TestAWorkerWithAMailServer:
    async def test_sends_mail(
        self, database: Database, start: Start, received: Received, sold: Sold
    ) -> None:
        await owe(database, "TICKETS", "paid:1", sold.order_id)
        assert await a_person(database, None)
        port = received.server.port

        start(SMTP_URL=f"smtp://127.0.0.1:{port}", MAIL_FROM="tickets@guichet.test")

        await until_found(database, ALL_EFFECTS_DONE)
        assert received.mails[0]["From"] == "tickets@guichet.test"

    async def test_that_is_killed_before_it_noted_a_mail_sends_it_again_under_its_name(
        self, database: Database, start: Start, received: Received, sold: Sold, tmp_path: Path
    ) -> None:
        await owe(database, "TICKETS", "paid:1", sold.order_id)
        failpoints = tmp_path / "failpoints"
        failpoints.mkdir()
        kill = msgspec.json.encode(Misfortune(deed=Deed.KILL))
        (failpoints / "effect.delivered").write_bytes(kill)
        told = {
            "SMTP_URL": f"smtp://127.0.0.1:{received.server.port}",
            "MAIL_FROM": "tickets@guichet.test",
            "GUICHET_FAILPOINTS": str(failpoints),
        }

        killed = start(**told)
        await asyncio.to_thread(killed.wait, 90)
        assert not await is_done(database)
        # As when its claim runs out.
        await database.execute("UPDATE effects SET due_at = now()")
        start(**told)

        await until_found(database, ALL_EFFECTS_DONE)
        assert killed.returncode == -signal.SIGKILL
        names = [mail["Message-ID"] for mail in received.mails]
        assert names == [f"<order.{sold.order_id}.paid.1.TICKETS@guichet.test>"] * 2
