"""A door for one role, in an application of its own."""

from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx
import pytest
from litestar import Litestar, get

from api.auth import doorkeeper, role
from api.problems import answer_failure
from api.tokens import issue_sandbox_token
from models.engine import Database
from runtime.settings import Settings
from tests.api.test_doors import is_problem

SETTINGS = Settings(database_url="", jwt_secret="s" * 64)


@get("/", opt=role("organizer"))
async def office() -> str:
    return "come in"


@pytest.fixture
async def http(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    app = Litestar([office], guards=[doorkeeper()], exception_handlers={Exception: answer_failure})
    app.state["house"] = SimpleNamespace(settings=SETTINGS, database=database)
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # its own words for ASGI
    async with httpx.AsyncClient(transport=transport, base_url="http://house") as client:
        yield client


async def knock(http: httpx.AsyncClient, *roles: str) -> httpx.Response:
    token = issue_sandbox_token(SETTINGS, subject="ann", roles=roles)
    return await http.get("/", headers={"Authorization": f"Bearer {token}"})


class TestADoorForOneRole:
    async def test_is_open_to_those_who_have_it(self, http: httpx.AsyncClient) -> None:
        answer = await knock(http, "buyer", "organizer")

        assert (answer.status_code, answer.text) == (200, "come in")

    @pytest.mark.parametrize("roles", [(), ("buyer",), ("admin",), ("Organizer",)])
    async def test_is_closed_to_others(
        self, http: httpx.AsyncClient, roles: tuple[str, ...]
    ) -> None:
        assert is_problem(await knock(http, *roles), 403, "FORBIDDEN")
