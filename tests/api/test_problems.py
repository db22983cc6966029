"""How failures of every kind are answered."""

from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from litestar import Litestar, get
from litestar.params import FromPath
from litestar.testing import TestClient

from api.frontdesk import FrontDesk
from api.problems import answer_failure
from contracts import errors
from tests.api.test_doors import is_problem

FAILURES: dict[str, Exception] = {
    "refusal": errors.PendingOrderExists(orderId=7, orderNo="G1"),
    "busy": errors.Overloaded(),
    "bug": RuntimeError("a secret"),
    "no database": asyncpg.CannotConnectNowError("a secret"),
    "no connection": ConnectionRefusedError("a secret"),
    "no pool": TimeoutError(),
    "slow lock": asyncpg.LockNotAvailableError("a secret"),
    "constraint": asyncpg.CheckViolationError("a secret"),
}


@get("/fail/{kind:str}")
async def fail(kind: FromPath[str]) -> None:
    raise FAILURES[kind]


@pytest.fixture(scope="module")
def http() -> Iterator[TestClient[Any]]:
    app = Litestar([fail], exception_handlers={Exception: answer_failure}, logging_config=None)
    with TestClient(FrontDesk(app)) as client:
        yield client


class TestAFailure:
    def test_that_we_explain_carries_what_the_client_needs(self, http: TestClient[Any]) -> None:
        answer = http.get("/fail/refusal")

        assert is_problem(answer, 409, "PENDING_ORDER_EXISTS")
        assert (answer.json()["orderId"], answer.json()["orderNo"]) == (7, "G1")

    def test_that_passes_says_when(self, http: TestClient[Any]) -> None:
        answer = http.get("/fail/busy")

        assert is_problem(answer, 503, "OVERLOADED")
        assert answer.headers["retry-after"] == "2"

    @pytest.mark.parametrize("kind", ["no database", "no connection", "no pool", "slow lock"])
    def test_of_the_database_passes(self, http: TestClient[Any], kind: str) -> None:
        answer = http.get(f"/fail/{kind}")

        assert is_problem(answer, 503, "OVERLOADED")
        assert "secret" not in answer.text

    @pytest.mark.parametrize("kind", ["bug", "constraint"])
    def test_that_nobody_foresaw_is_told_to_the_log_only(
        self, http: TestClient[Any], kind: str
    ) -> None:
        answer = http.get(f"/fail/{kind}")

        assert is_problem(answer, 500, "INTERNAL")
        assert "secret" not in answer.text
