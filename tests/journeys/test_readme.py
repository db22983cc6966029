"""The README's purchase, word for word."""

import re
import subprocess
from pathlib import Path

import msgspec
import pytest

from models.engine import Database
from tests.journeys.service import Service

pytestmark = pytest.mark.xdist_group("service")

README = Path(__file__).resolve().parents[2] / "README.md"
ADDRESS = "http://127.0.0.1:8000"


def purchase() -> str:
    """Find the one block of commands that signs in."""
    text = README.read_text(encoding="utf-8")
    blocks: list[str] = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (commands,) = [block for block in blocks if "sandbox-login" in block]
    return commands


class TestTheReadme:
    def test_sells_a_ticket_to_who_copies_it(self, service: Service, books: Database) -> None:
        commands = purchase()
        assert ADDRESS in commands

        done = subprocess.run(  # noqa: S603 - our own README
            ["/bin/bash", "-eu", "-c", commands.replace(ADDRESS, service.url)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert done.returncode == 0, done.stderr
        order, trades, trade, seen = map(msgspec.json.decode, done.stdout.splitlines())
        assert order["payPayload"]["codeUrl"].startswith("weixin://")
        assert order["totalAmount"] == 16900
        assert [each["status"] for each in trades["trades"]] == ["NOTPAY"]
        assert trade == {"status": "SUCCESS"}
        assert (seen["status"], seen["registration"]["status"]) == ("PAID", "APPROVED")
        assert books
