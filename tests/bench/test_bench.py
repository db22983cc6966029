"""The bench itself: that each case still runs and says what it found. No figure is judged here."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bench.load import fire
from bench.rows import Row, ratios
from bench.shots import Shot, request

ROOT = Path(__file__).resolve().parents[2]
CASES = (
    "create",
    "statements",
    "prepay",
    "prepare",
    "sold_out",
    "settle",
    "confirm",
    "storm",
    "expiry",
)
FIGURE = r"\d+(?:\.\d+)?(?:e[+-]\d+)?"


def a_trial(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "bench", "--rounds", "1", "--seconds", "0.3", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


class TestABar:
    def test_is_held_against_the_round_in_the_middle(self) -> None:
        kept = Row(what="", unit="", values=[0.1, 0.9, 0.8], at_least=0.8)
        missed = Row(what="", unit="", values=[0.1, 0.9, 0.7], at_least=0.8)

        assert (kept.is_met, missed.is_met) == (True, False)

    def test_says_where_it_ends(self) -> None:
        assert Row(what="", unit="", values=[1], at_most=1).is_met is True
        assert Row(what="", unit="", values=[1], below=1).is_met is False
        assert Row(what="", unit="", values=[1]).is_met is None

    def test_of_a_ratio_compares_round_with_round(self) -> None:
        assert ratios([1, 9], [2, 3]) == [0.5, 3]


@asynccontextmanager
async def a_server(*, deaf_at: int = 0) -> AsyncIterator[int]:
    """Answer each request with its body, in two pieces; hang up on the *deaf_at*-th."""
    served = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        while head := await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b"":
            found = re.search(rb"Content-Length: (\d+)", head)
            assert found is not None
            body = await reader.readexactly(int(found[1]))
            served += 1
            if served == deaf_at:
                break
            writer.write(b"HTTP/1.1 201 Created\r\ncontent-length: %d\r\n\r\n" % len(body))
            await writer.drain()
            writer.write(body)
        writer.close()

    async def forgiving(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(forgiving, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def numbered(count: int) -> list[bytes]:
    return [request("POST", "/", body=str(n).encode()) for n in range(count)]


class TestTheGenerator:
    async def test_sends_each_request_once_and_reads_each_answer(self) -> None:
        answered: list[Shot] = []
        async with a_server() as port:
            volley = await fire(port, iter(numbered(50)), clients=4, on_answer=answered.append)

        assert sorted(int(shot.body) for shot in answered) == list(range(50))
        assert (dict(volley.statuses), volley.lost) == ({201: 50}, 0)
        assert len(volley.latencies_ms) == 50
        assert volley.rate(201) > 0

    async def test_refuses_a_rate_of_answers_nobody_expected(self) -> None:
        async with a_server() as port:
            volley = await fire(port, iter(numbered(3)), clients=1)

        with pytest.raises(AssertionError, match="201: 3"):
            volley.rate(200)

    async def test_repeats_what_a_lost_connection_took_along_if_told_so(self) -> None:
        answered: list[Shot] = []
        async with a_server(deaf_at=7) as port:
            volley = await fire(
                port, iter(numbered(20)), clients=2, on_answer=answered.append, again=True
            )

        assert volley.lost == 1
        assert sorted(int(shot.body) for shot in answered) == list(range(20))

    async def test_ends_with_a_lost_connection_else(self) -> None:
        async with a_server(deaf_at=7) as port:
            with pytest.raises(AssertionError, match="a connection was lost"):
                await fire(port, iter(numbered(20)), clients=2)


@pytest.mark.timeout(400)
class TestTheBench:
    def test_runs_every_case_and_leaves_every_promise_kept(self) -> None:
        page = (ROOT / "docs" / "performance.md").read_bytes()

        trial = a_trial("--scale", "0.01")

        assert trial.returncode == 0, trial.stderr[-3000:]
        assert re.findall(r"case (\w+)", trial.stderr) == list(CASES)
        table = [line for line in trial.stdout.splitlines() if line.startswith("| ")]
        figures = [line for line in table if re.search(rf"( {FIGURE} \|){{3}}", line)]
        assert len(figures) == len(table) - 2 > 40
        assert "Invariants afterwards: all hold." in trial.stdout
        assert (ROOT / "docs" / "performance.md").read_bytes() == page
