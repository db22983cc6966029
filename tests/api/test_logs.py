"""What gets into the log, and what never does."""

import json
import subprocess
import sys
from pathlib import Path

from runtime.logs import describe

_PRELUDE = """
import logging, structlog
from opentelemetry.sdk.trace import TracerProvider
from runtime.logs import configure_logs
configure_logs("INFO")
log, library = structlog.get_logger("payments"), logging.getLogger("elsewhere")
"""


def lines(script: str) -> list[dict[str, object]]:
    """Return what a process of its own writes: logging is set up once per process."""
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", _PRELUDE + script],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


class TestALogLine:
    def test_is_one_json_object(self) -> None:
        (line,) = lines("log.info('payments.webhook.stored', notice_id=7)")

        assert (line["event"], line["level"], line["notice_id"]) == (
            "payments.webhook.stored",
            "info",
            7,
        )

    def test_loses_what_is_not_on_the_list(self) -> None:
        (line,) = lines("log.info('x', openid='o-secret', code_url='weixin://secret')")

        assert line["lost_keys"] == ["code_url", "openid"]
        assert "secret" not in json.dumps(line)

    def test_is_not_written_below_its_level_nor_for_an_http_client(self) -> None:
        assert lines("log.debug('x'); logging.getLogger('httpx').info('GET https://x')") == []

    def test_of_a_library_looks_the_same(self) -> None:
        (line,) = lines("library.warning('it %s', 'rains')")

        assert (line["event"], line["level"], line["logger"]) == (
            "it rains",
            "warning",
            "elsewhere",
        )

    def test_names_its_span(self) -> None:
        script = """
with TracerProvider().get_tracer("tests").start_as_current_span("a span") as span:
    log.info("inside", subject=format(span.get_span_context().trace_id, "032x"))
log.info("outside")
"""
        inside, outside = lines(script)

        assert inside["trace_id"] == inside["subject"]
        assert inside["span_id"]
        assert "trace_id" not in outside

    def test_tells_an_exception_without_its_message(self) -> None:
        script = """
for each in (log, library):
    try:
        int("a secret")
    except ValueError:
        each.exception("it failed")
"""
        ours, theirs = lines(script)

        assert ours["exception"] == theirs["exception"]
        assert "builtins.ValueError" in json.dumps(ours)
        assert "secret" not in json.dumps([ours, theirs])


def described(*, hide: bool) -> list[str]:
    try:
        try:
            int("x")
        except ValueError as error:
            raise KeyError from (None if hide else error)
    except KeyError as error:
        return [one["type"] for one in describe(error)]
    return []


class TestADescribedException:
    def test_tells_its_causes_too(self) -> None:
        assert described(hide=False) == ["builtins.KeyError", "builtins.ValueError"]

    def test_ends_where_a_cause_was_hidden(self) -> None:
        assert described(hide=True) == ["builtins.KeyError"]
