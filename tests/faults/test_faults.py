"""Real processes on their own PostgreSQL and Redis, hurt one way at a time."""

import pytest

from tests.faults.chaos import suffer
from tests.faults.faults import SINGLE, Fault, kill_at
from tests.faults.house import FaultHouse

pytestmark = pytest.mark.xdist_group("faults")

# The rest of the steps is left to `make chaos`: each costs a process its start.
KILLS = [
    ("create", "create.inserted"),
    ("create", "create.committed"),
    ("prepare", "start_attempt.committed"),
    ("prepare", "open.called"),
    ("prepare", "record_opened.seen"),
    ("prepare", "record_opened.committed"),
    ("settle", "notice.stored"),
    ("settle", "record_payment.written"),
    ("settle", "record_payment.committed"),
    ("settle", "effect.delivered"),
    ("expire", "expire.committed"),
    ("expire", "close.called"),
    ("expire", "record_attempt.written"),
    ("close", "cancel.committed"),
    ("refund", "refund.calling"),
    ("refund", "refund.called"),
    ("refund", "record_refund.written"),
]
# Long, or much like another one and left to `make chaos` too; two have tests of their own.
LEFT_OUT = {
    "freeze lease holder",
    "deadlock",
    "freeze before the turn",
    "freeze order holder",
    "reply to COMMIT lost after record_refund.written",
    "query: 429",
    "close: 429",
    "query: done, then silence",
    "close: done, then silence",
    "open: silence, then done",
    "refund: signature probe",
    "notices late",
    "notices probes",
}
CHOSEN = [fault for fault in SINGLE if fault.name not in LEFT_OUT]


def is_well_again_after(house: FaultHouse, fault: Fault) -> None:
    assert suffer(house, fault).violations == []


class TestTheHouse:
    @pytest.mark.parametrize("fault", CHOSEN, ids=lambda fault: fault.name)
    def test_comes_right_again_after(self, house: FaultHouse, fault: Fault) -> None:
        is_well_again_after(house, fault)

    @pytest.mark.parametrize(("flow", "point"), KILLS)
    def test_comes_right_again_after_kill_9(self, house: FaultHouse, flow: str, point: str) -> None:
        is_well_again_after(house, kill_at(flow, point))

    def test_refuses_and_counts_the_write_of_a_frozen_holder(self, house: FaultHouse) -> None:
        refused = house.counted("guichet_fence_rejected_total")

        # Where the overtaking takes five seconds, the server has ended the frozen transaction.
        for _ in range(4):
            is_well_again_after(house, named("freeze lease holder"))
            if house.counted("guichet_fence_rejected_total") > refused:
                break

        assert house.counted("guichet_fence_rejected_total") > refused

    def test_repeats_a_commit_that_was_the_victim_of_a_deadlock(self, house: FaultHouse) -> None:
        repeated = house.counted("guichet_db_tx_retries_total")

        is_well_again_after(house, named("deadlock"))

        assert house.counted("guichet_db_tx_retries_total") > repeated


def named(name: str) -> Fault:
    return next(fault for fault in SINGLE if fault.name == name)


class TestTheChoice:
    def test_is_at_least_thirty_of_what_may_go_wrong(self) -> None:
        assert {fault.name for fault in SINGLE} >= LEFT_OUT
        assert len(CHOSEN) + len(KILLS) >= 30
