"""What providers sent is kept for audits, and nobody waits for it or fails by it."""

import asyncio
from typing import Any

import pytest
from prometheus_client import REGISTRY

from actors import evidence as trails
from actors.actor import Actor
from actors.checkout import Checkout
from actors.evidence import EvidenceTrail
from contracts.attempt import AttemptRequest, Opened
from contracts.evidence import Evidence, EvidenceKind
from contracts.facts import QueryFact
from models.engine import Database
from models.evidence import keep_all, latest_evidence
from tests.storage.stage import buy, put_on_sale
from tests.storage.test_checkout import MERCHANT, NATIVE, SCANNER, Counter

NO = "E00000000000000101"


def an_evidence(body: dict[str, Any] | None = None, **changes: Any) -> Evidence:  # noqa: ANN401
    fields: dict[str, Any] = {
        "provider": "pingxx",
        "attempt_no": NO,
        "kind": EvidenceKind.CHARGE,
        "object_id": "ch_1",
        "source": "open",
        "body": {"id": "ch_1", "paid": False} if body is None else body,
    }
    return Evidence(**(fields | changes))


async def count(database: Database) -> int:
    found: int = await database.fetchval("SELECT count(*) FROM provider_records")
    return found


def counted(outcome: str) -> float:
    labels = {"provider": "pingxx", "outcome": outcome}
    return REGISTRY.get_sample_value("guichet_evidence_total", labels) or 0


@pytest.fixture
def trail(database: Database) -> EvidenceTrail:
    return EvidenceTrail(database)


class TestEvidence:
    async def test_is_kept_once_however_often_it_is_told(self, database: Database) -> None:
        again = an_evidence({"paid": False, "id": "ch_1"}, source="query")

        await keep_all(database, [an_evidence(), an_evidence(), again])
        await keep_all(database, [an_evidence()])

        assert await count(database) == 1

    async def test_is_read_as_it_was_told_last_of_each_kind(self, database: Database) -> None:
        refund = an_evidence({"id": "re_1"}, kind=EvidenceKind.REFUND, object_id="re_1")
        paid = an_evidence({"id": "ch_1", "paid": True}, source="notice")
        other = an_evidence({"id": "ch_2"}, attempt_no="E00000000000000102")
        await keep_all(database, [an_evidence(), refund, paid, other])

        found = await latest_evidence(database, [NO])

        assert [(one.kind, one.object_id, one.body) for one in found] == [
            (EvidenceKind.CHARGE, "ch_1", {"id": "ch_1", "paid": True}),
            (EvidenceKind.REFUND, "re_1", {"id": "re_1"}),
        ]
        assert await latest_evidence(database, []) == []

    @pytest.mark.parametrize("at_once", [True, False])
    async def test_that_is_told_again_is_the_newest(
        self, database: Database, *, at_once: bool
    ) -> None:
        waits, paid = an_evidence(), an_evidence({"id": "ch_1", "paid": True})
        again = an_evidence(source="notice")
        told = [waits, paid, again]
        for group in [told] if at_once else [[one] for one in told]:
            await keep_all(database, group)

        (latest,) = await latest_evidence(database, [NO])

        assert latest.body == waits.body
        assert await count(database) == 2
        source = "SELECT source FROM provider_records ORDER BY id DESC LIMIT 1"
        assert await database.fetchval(source) == "notice"

    async def test_of_another_object_hides_none(self, database: Database) -> None:
        other = an_evidence({"id": "ch_2"}, object_id="ch_2")
        await keep_all(database, [an_evidence(), other])

        found = await latest_evidence(database, [NO])

        assert [one.object_id for one in found] == ["ch_2", "ch_1"]

    async def test_told_in_two_orders_at_once_is_kept_by_both(self, database: Database) -> None:
        told = [an_evidence({"n": n}) for n in range(20)]

        await asyncio.gather(
            *(keep_all(database, told if n % 2 else told[::-1]) for n in range(40))
        )

        assert await count(database) == 20


class TestATrail:
    async def test_keeps_in_groups_behind_everybodys_back(
        self, database: Database, trail: EvidenceTrail
    ) -> None:
        for n in range(100):
            trail.keep(an_evidence({"n": n}))
        assert not trail.is_settled(NO)
        assert trail.is_settled("another")

        await trail.settled(NO)

        assert await count(database) == 100
        assert trail.is_settled()

    async def test_keeps_no_secret_whoever_forgot_it(
        self, database: Database, trail: EvidenceTrail
    ) -> None:
        trail.keep(an_evidence({"id": "ch_1", "credential": {"wx_pub_qr": "weixin://hush"}}))

        await trail.settled()

        rows = await database.fetch("SELECT * FROM provider_records")
        assert len(rows) == 1
        assert "hush" not in str([dict(row) for row in rows])

    async def test_loses_what_cannot_be_kept_and_nothing_beside_it(
        self, database: Database, trail: EvidenceTrail
    ) -> None:
        lost_before = counted("failed")
        trail.keep(an_evidence({"n": 1}))
        trail.keep(an_evidence({"n": 2}, attempt_no="E" * 30))
        trail.keep(an_evidence({"n": object()}))
        trail.keep(an_evidence({"n": "a\0b\ud800"}))

        await trail.settled()

        assert await count(database) == 2
        assert counted("failed") == lost_before + 2

    async def test_takes_no_more_than_it_can_hold(
        self, database: Database, trail: EvidenceTrail, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(trails, "WAITING_MAX", 3)
        full_before = counted("full")

        for n in range(5):
            trail.keep(an_evidence({"n": n}))
        await trail.close()

        assert await count(database) == 3
        assert counted("full") == full_before + 2

    async def test_cuts_what_is_too_long(self, database: Database, trail: EvidenceTrail) -> None:
        trail.keep(an_evidence({"id": "ch_1", "log": "x" * 100_000}))

        await trail.settled()

        (kept,) = await latest_evidence(database, [NO])
        assert kept.body["id"] == "ch_1"
        assert kept.body["_cut"]["fields"] == ["log"]

    def test_fails_nobody_where_no_loop_runs(self, trail: EvidenceTrail) -> None:
        lost_before = counted("failed")

        trail.keep(an_evidence())

        assert counted("failed") == lost_before + 1


class Telling(Counter):
    """Says what it did, as adapters do."""

    def __init__(self, trail: EvidenceTrail | None) -> None:
        super().__init__()
        self._trail = trail

    async def open(self, request: AttemptRequest) -> Opened:
        """Open an attempt."""
        if self._trail is not None:
            self._trail.keep(an_evidence({"now": "open"}, attempt_no=request.attempt_no))
        return await super().open(request)

    async def query(self, request: AttemptRequest, _opened: Opened | None = None) -> QueryFact:
        """Say whether somebody paid."""
        if self._trail is not None:
            self._trail.keep(an_evidence({"now": "query"}, attempt_no=request.attempt_no))
        return await super().query(request)


class Waited(EvidenceTrail):
    """Counts who waited."""

    waits = 0

    async def settled(self, attempt_no: str | None = None) -> None:
        """Wait."""
        self.waits += 1
        await super().settled(attempt_no)


def checkout(database: Database, actor: Actor, provider: Counter, trail: EvidenceTrail) -> Checkout:
    return Checkout(
        actor=actor,
        database=database,
        providers={"wechat": provider},  # type: ignore[dict-item]  # as much as opening needs
        merchants={"wechat": MERCHANT},
        trail=trail,
    )


class TestACheckout:
    async def test_shows_what_it_has_just_been_told(self, database: Database, actor: Actor) -> None:
        trail = EvidenceTrail(database)
        desk = checkout(database, actor, Telling(trail), trail)
        order = await buy(actor, await put_on_sale(database))

        opened = await desk.prepare(order, NATIVE, SCANNER)
        attempt_no = opened.attempts[0].attempt_no
        (after_open,) = await latest_evidence(database, [attempt_no])
        await desk.attempts.look(order.id, attempt_no)
        (after_query, *_) = await latest_evidence(database, [attempt_no])

        assert (after_open.body, after_query.body) == ({"now": "open"}, {"now": "query"})

    async def test_waits_for_nothing_where_nothing_was_told(
        self, database: Database, actor: Actor
    ) -> None:
        trail = Waited(database)
        desk = checkout(database, actor, Telling(None), trail)
        order = await buy(actor, await put_on_sale(database))
        trail.keep(an_evidence())

        await desk.prepare(order, NATIVE, SCANNER)
        waits = trail.waits
        await trail.close()

        # What is told of others is no reason to wait.
        assert waits == 0

    async def test_waits_a_moment_at_most(
        self, database: Database, actor: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("actors.attempt_calls.WAIT_SECONDS", 0.05)
        trail = EvidenceTrail(database)
        desk = checkout(database, actor, Telling(trail), trail)
        order = await buy(actor, await put_on_sale(database))
        async with database.transaction() as tx:
            await tx.execute("LOCK TABLE provider_records IN EXCLUSIVE MODE")
            opened = await asyncio.wait_for(desk.prepare(order, NATIVE, SCANNER), 4)

        assert opened.attempts[0].opened is not None
        await trail.close()
