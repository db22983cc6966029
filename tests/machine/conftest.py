"""What holds for every test of this folder."""

import pytest


@pytest.fixture(autouse=True)
def patience(patient: None) -> None:
    """Be patient in every test of this folder."""
