"""The mailbox in which the sandbox's mail ends."""

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from sandbox.embedded.ports import claim_port
from sandbox.mailbox_store import KEPT, MailboxStore
from tests.sandbox.simulator import Simulator, running_simulator, wait_until


class Sandbox:
    """A simulator that takes mail."""

    def __init__(self, simulator: Simulator, smtp_port: int) -> None:
        self.simulator = simulator
        self.smtp_port = smtp_port

    def send(self, *to: str, subject: str = "Hello", **parts: str) -> None:
        message = EmailMessage()
        message["From"], message["To"] = "tickets@guichet.test", ", ".join(to)
        message["Subject"], message["Message-ID"] = subject, "<1@guichet.test>"
        message.set_content(parts.get("text", "Text"))
        message.add_alternative(parts.get("html", "<p>Text</p>"), subtype="html")
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=10) as server:
            server.send_message(message)

    def items(self, **params: str) -> list[dict[str, Any]]:
        answer = self.simulator.control.get("/mailbox.json", params=params)
        assert answer.status_code == 200
        return list(answer.json()["items"])

    def page(self, path: str = "/mailbox") -> str:
        answer = self.simulator.control.get(path)
        assert answer.headers["content-type"].startswith("text/html")
        return answer.text


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("mailbox")
    with (
        claim_port() as port,
        running_simulator(folder, SANDBOX_SMTP_PORT=str(port.number)) as simulator,
    ):
        yield Sandbox(simulator, port.number)


class TestTheMailbox:
    def test_keeps_a_mail_for_each_of_its_readers(self, sandbox: Sandbox) -> None:
        sandbox.send("ann@x.test", "bob@x.test", subject="您的门票", text="门票", html="<b>票</b>")

        (mail,) = sandbox.items(to="ann@x.test")
        assert mail.pop("id") > 0
        assert mail.pop("receivedAt").endswith("+00:00")
        assert mail.pop("text").strip() == "门票"
        assert mail.pop("html").strip() == "<b>票</b>"
        assert mail == {
            "to": "ann@x.test",
            "subject": "您的门票",
            "messageId": "<1@guichet.test>",
        }
        assert len(sandbox.items(to="bob@x.test")) == 1

    def test_lists_the_newest_first_and_a_repetition_twice(self, sandbox: Sandbox) -> None:
        for subject in ("one", "two", "two"):
            sandbox.send("carl@x.test", subject=subject)

        assert [m["subject"] for m in sandbox.items(to="carl@x.test")] == ["two", "two", "one"]

    def test_knows_nobody_else(self, sandbox: Sandbox) -> None:
        assert sandbox.items(to="' OR 1=1 --") == []

    def test_is_found_from_the_page_of_trades(self, sandbox: Sandbox) -> None:
        assert 'href="/mailbox"' in sandbox.page("/")

    def test_shows_a_mail_with_its_links_and_obeys_nothing_in_it(self, sandbox: Sandbox) -> None:
        evil = "<script>alert(1)</script>"
        text = f'{evil} see https://x.test/a?b=1&c="d" and http://x.test/e.'
        sandbox.send("dora@x.test", subject=f"{evil} hi", text=text)
        (mail,) = sandbox.items(to="dora@x.test")

        listed, shown = sandbox.page(), sandbox.page(f"/mailbox/{mail['id']}")

        assert "&lt;script&gt;alert(1)&lt;/script&gt; hi" in listed
        assert "<script>" not in listed + shown
        assert '<a href="https://x.test/a?b=1&amp;c=">' in shown

    def test_says_that_a_mail_is_gone(self, sandbox: Sandbox) -> None:
        for number in ("999999", "9" * 30):
            assert sandbox.simulator.control.get(f"/mailbox/{number}").status_code == 404

    def test_outlives_the_process(self, sandbox: Sandbox) -> None:
        sandbox.send("emil@x.test")

        sandbox.simulator.kill()
        sandbox.simulator.restart()

        assert len(sandbox.items(to="emil@x.test")) == 1
        wait_until(lambda: _takes_mail(sandbox))

    def test_forgets_the_oldest(self, tmp_path: Path) -> None:
        store = MailboxStore(tmp_path / "state")
        for n in range(KEPT + 20):
            store.add(to="a", subject=str(n), message_id="", text="", html="", received_at_ms=0)

        kept = [mail.subject for mail in store.mails(None)]
        store.close()

        assert kept == [str(n) for n in range(KEPT + 19, 19, -1)]


def _takes_mail(sandbox: Sandbox) -> bool:
    try:
        sandbox.send("fred@x.test")
    except OSError:
        return False
    return True
