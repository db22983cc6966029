"""When the worker tries again."""

from datetime import UTC, datetime, timedelta

import pytest

from jobs.pace import doubling, next_look_at

OPENED_AT = datetime(2026, 11, 2, 20, tzinfo=UTC)
PAYABLE_UNTIL = OPENED_AT + timedelta(hours=2)


def _next_age(age_seconds: float, **changes: datetime) -> float:
    at = next_look_at(
        opened_at=OPENED_AT,
        now=OPENED_AT + timedelta(seconds=age_seconds),
        payable_until=changes.get("payable_until", PAYABLE_UNTIL),
        grace_seconds=60,
    )
    return (at - OPENED_AT).total_seconds()


class TestTheNextLook:
    @pytest.mark.parametrize(
        ("age", "next_age"),
        [
            (0, 5),
            (4.9, 5),
            (5, 30),
            (5.2, 30),
            (31, 60),
            (60, 180),
            (181, 300),
            (301, 600),
            (601, 1800),
            (1801, 3601),
            (3601, 5401),
        ],
    )
    def test_follows_the_attempts_age(self, age: float, next_age: float) -> None:
        assert _next_age(age) == next_age

    def test_comes_as_soon_as_not_paid_is_final(self) -> None:
        assert _next_age(5500) == 7200 + 60 + 1
        assert _next_age(61, payable_until=OPENED_AT + timedelta(seconds=30)) == 30 + 60 + 1

    def test_repeats_each_minute_while_the_final_answer_is_missing(self) -> None:
        assert _next_age(7261) == 7261 + 60


class TestDoubling:
    @pytest.mark.parametrize(
        ("tries", "seconds"), [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60)]
    )
    def test_starts_at_a_second_and_ends_at_the_limit(self, tries: int, seconds: int) -> None:
        assert doubling(tries, most_seconds=60) == timedelta(seconds=seconds)

    def test_survives_any_number_of_tries(self) -> None:
        assert doubling(2**31, most_seconds=3600) == timedelta(hours=1)
