"""Doors beside the framework's: what they take, and who tells what they could not."""

from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar, Request, post
from litestar.testing import TestClient
from litestar.types import HTTPScope

from api.frontdesk import FrontDesk
from api.problems import answer_failure
from api.side_doors import raise_failure
from contracts import errors
from tests.api.test_doors import is_problem

PATH = "/busy"


class Books:
    """Who was asked for what."""

    def __init__(self) -> None:
        self.aside: list[bytes] = []
        self.framework: list[bytes] = []


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
def http(books: Books) -> Iterator[TestClient[Any]]:
    @post(PATH, status_code=204)
    async def handler(request: Request[Any, Any, Any]) -> None:
        raise_failure(request.scope)
        books.framework.append(await request.body())

    async def door(_scope: HTTPScope, body: bytes) -> None:
        books.aside.append(body)
        if body == b"too much":
            raise errors.Overloaded
        if body == b"a bug":
            raise ZeroDivisionError

    app = Litestar([handler], exception_handlers={Exception: answer_failure}, logging_config=None)
    with TestClient(FrontDesk(app, {PATH: door})) as client:
        yield client


class TestASideDoor:
    def test_takes_what_was_posted_past_the_framework(
        self, http: TestClient[Any], books: Books
    ) -> None:
        answer = http.post(PATH, content=b"all is well")

        assert (answer.status_code, answer.content) == (204, b"")
        assert (books.aside, books.framework) == ([b"all is well"], [])

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [(b"too much", 503, "OVERLOADED"), (b"a bug", 500, "INTERNAL")],
    )
    def test_leaves_it_to_the_framework_to_tell_what_went_wrong(
        self, http: TestClient[Any], books: Books, body: bytes, status: int, code: str
    ) -> None:
        answer = http.post(PATH, content=body)

        assert is_problem(answer, status, code)
        # Told, and not tried again.
        assert (books.aside, books.framework) == ([body], [])

    def test_is_asked_for_nothing_but_a_post_to_its_path(
        self, http: TestClient[Any], books: Books
    ) -> None:
        assert http.get(PATH).status_code == 405
        assert http.put(PATH, content=b"x").status_code == 405
        assert http.post(f"{PATH}/", content=b"another way to write it").status_code == 204

        assert (books.aside, books.framework) == ([], [b"another way to write it"])
