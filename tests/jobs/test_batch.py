"""One round over claimed rows."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

import jobs.batch
from contracts.errors import OrderBusy
from jobs.batch import Batch
from models.engine import Database
from models.sweeps import DueEffect, claim_effects
from tests.jobs.rows import TRACE_ID, an_effect


async def _nothing(_row: DueEffect) -> None:
    return None


def _batch(
    database: Database,
    handle: Callable[[DueEffect], Awaitable[None]] = _nothing,
    *,
    let_go: Callable[[DueEffect], Awaitable[None]] | None = None,
    size: int = 10,
) -> Batch[DueEffect]:
    async def claim(limit: int) -> list[DueEffect]:
        return await claim_effects(database, limit)

    return Batch(job="test", noun="effect", size=size, claim=claim, handle=handle, let_go=let_go)


def _count(outcome: str) -> float:
    labels = {"job": "test", "outcome": outcome}
    return REGISTRY.get_sample_value("guichet_jobs_total", labels) or 0


class TestARound:
    async def test_says_whether_more_may_wait(self, database: Database) -> None:
        for _ in range(3):
            await an_effect(database)
        batch = _batch(database, size=2)

        assert [await batch.do_round() for _ in range(3)] == [True, False, False]

    async def test_begins_every_row_at_once(self, database: Database) -> None:
        for _ in range(5):
            await an_effect(database)
        together = asyncio.Barrier(5)

        async def meet(_row: DueEffect) -> None:
            await together.wait()

        done = _count("done")
        async with asyncio.timeout(30):
            await _batch(database, meet).do_round()

        assert _count("done") - done == 5

    async def test_lets_a_bad_row_fail_alone(self, database: Database) -> None:
        for _ in range(5):
            await an_effect(database)
        handled: list[int] = []
        let_go: list[int] = []

        async def fail_on_the_third(row: DueEffect) -> None:
            if row.id == 3:
                raise ValueError("openid o6_bmjrPTlm6_2sgVt7hMZOPfL2M")
            handled.append(row.id)

        async def note(row: DueEffect) -> None:
            let_go.append(row.id)

        done, failed = _count("done"), _count("failed")
        with capture_logs() as lines:
            await _batch(database, fail_on_the_third, let_go=note).do_round()

        assert sorted(handled) == [1, 2, 4, 5]
        assert sorted(let_go) == [1, 2, 3, 4, 5]
        assert (_count("done") - done, _count("failed") - failed) == (4, 1)
        (line,) = lines
        assert (line["event"], line["error"]) == ("jobs.row.failed", "ValueError")
        assert line["effect_id"].startswith("order:7:paid:")

    async def test_names_a_refusal_by_its_code(self, database: Database) -> None:
        await an_effect(database)

        async def refuse(_row: DueEffect) -> None:
            raise OrderBusy

        with capture_logs() as lines:
            await _batch(database, refuse).do_round()

        assert [(x["event"], x["error"]) for x in lines] == [("jobs.row.refused", "ORDER_BUSY")]

    async def test_cuts_off_a_row_before_its_claim_runs_out(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jobs.batch, "_ROW_SECONDS", 0.05)
        await an_effect(database)

        async def hang(_row: DueEffect) -> None:
            await asyncio.Event().wait()

        failed = _count("failed")
        with capture_logs():
            async with asyncio.timeout(30):
                await _batch(database, hang).do_round()

        assert _count("failed") - failed == 1


class TestItsTrace:
    @pytest.fixture
    def spans(self, monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
        exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        monkeypatch.setattr(jobs.batch, "tracer", provider.get_tracer("test"))
        return exporter

    async def test_is_a_root_over_rows_that_link_to_their_cause(
        self, database: Database, spans: InMemorySpanExporter
    ) -> None:
        await an_effect(database)

        other = TracerProvider(shutdown_on_exit=False).get_tracer("test")
        with other.start_as_current_span("whatever else is going on"):
            await _batch(database).do_round()

        found: dict[str, ReadableSpan] = {span.name: span for span in spans.get_finished_spans()}
        root, row = found["test.sweep"], found["test.effect"]
        assert root.parent is None
        assert row.parent is not None
        assert root.context is not None
        assert row.parent.span_id == root.context.span_id
        assert [f"{link.context.trace_id:032x}" for link in row.links] == [TRACE_ID]
        assert row.attributes is not None
        assert row.attributes["guichet.order.id"] == 7

    async def test_is_not_there_when_nothing_was_found(
        self, database: Database, spans: InMemorySpanExporter
    ) -> None:
        await _batch(database).do_round()

        assert spans.get_finished_spans() == ()

    async def test_says_which_row_failed(
        self, database: Database, spans: InMemorySpanExporter
    ) -> None:
        await an_effect(database)

        async def fail(_row: DueEffect) -> None:
            raise LookupError

        with capture_logs():
            await _batch(database, fail).do_round()

        found = {span.name: span for span in spans.get_finished_spans()}
        assert found["test.effect"].status.status_code is StatusCode.ERROR
        assert found["test.sweep"].status.status_code is StatusCode.UNSET
