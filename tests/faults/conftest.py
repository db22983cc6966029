"""One house for all faults of a run."""

from collections.abc import Iterator

import pytest

from tests.faults.house import FaultHouse, running_house


@pytest.fixture(scope="session")
def house() -> Iterator[FaultHouse]:
    """Start the house once."""
    with running_house(claims_are_short=True) as house:
        yield house


@pytest.fixture(autouse=True)
def patience(patient: None) -> None:
    """Be patient in every test of this folder."""
