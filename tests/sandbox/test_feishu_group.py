"""The Feishu group in which the sandbox's news end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.feishu_store import KEPT, FeishuStore
from tests.sandbox.simulator import Simulator, running_simulator


def message(title: str, *lines: str) -> dict[str, Any]:
    content = [[{"tag": "text", "text": line}] for line in lines]
    return {
        "msg_type": "post",
        "content": {"post": {"zh_cn": {"title": title, "content": content}}},
    }


class Group:
    """A simulator with its bot."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    def post(self, body: object) -> httpx.Response:
        return self.simulator.control.post("/feishu/hook", json=body)

    def fault(self, mode: str, **more: object) -> None:
        wish = {"provider": "feishu", "operation": "hook", "mode": mode, **more}
        assert self.simulator.control.post("/control/faults", json=wish).status_code < 300

    def items(self) -> list[dict[str, Any]]:
        return list(self.simulator.control.get("/control/feishu").json()["items"])


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    with running_simulator(tmp_path_factory.mktemp("feishu")) as simulator:
        yield Group(simulator)


class TestTheBot:
    def test_takes_a_message_and_shows_the_newest_first(self, group: Group) -> None:
        for title in ("一", "二"):
            answer = group.post(message(title, "买家：Ann", "实付：99.00 CNY"))
            assert (answer.status_code, answer.json()["code"]) == (200, 0)

        newest, older, *_ = group.items()
        assert newest["lines"] == ["买家：Ann", "实付：99.00 CNY"]
        assert (newest["title"], older["title"]) == ("二", "一")
        assert newest["receivedAt"].endswith("+00:00")

    @pytest.mark.parametrize(
        "body",
        [{}, [], {"msg_type": "text", "content": {"text": "x"}}, {"msg_type": "post"}],
    )
    def test_says_no_with_two_hundred_to_what_it_does_not_understand(
        self, group: Group, body: object
    ) -> None:
        before = len(group.items())

        answer = group.post(body)

        assert (answer.status_code, answer.json()["code"]) == (200, 9499)
        assert len(group.items()) == before

    @pytest.mark.parametrize(
        ("mode", "status", "code"), [("error_500", 500, 1), ("rate_limited", 200, 11232)]
    )
    def test_refuses_on_a_bad_day(self, group: Group, mode: str, status: int, code: int) -> None:
        before = len(group.items())
        group.fault(mode)

        answer = group.post(message("x"))

        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert len(group.items()) == before
        assert group.post(message("x")).json()["code"] == 0

    def test_answers_with_a_page_for_people(self, group: Group) -> None:
        group.fault("malformed")

        assert group.post(message("x")).headers["content-type"].startswith("text/html")

    def test_takes_a_message_and_says_so_too_late(self, group: Group) -> None:
        group.fault("timeout_after", delay_ms=100)

        assert group.post(message("late")).json()["code"] == 0
        assert group.items()[0]["title"] == "late"

    def test_is_spoilt_only_by_what_it_knows(self, group: Group) -> None:
        wish = {"provider": "feishu", "operation": "pay", "mode": "error_500"}

        assert group.simulator.control.post("/control/faults", json=wish).status_code == 400


class TestThePage:
    def test_shows_messages_and_obeys_nothing_in_them(self, group: Group) -> None:
        group.post(message("<script>a</script>", "<b>bold</b>"))

        page = group.simulator.control.get("/feishu")

        assert page.headers["content-type"].startswith("text/html")
        assert "&lt;script&gt;a" in page.text
        assert "&lt;b&gt;bold" in page.text
        assert "<script>" not in page.text

    def test_is_found_from_the_page_of_trades(self, group: Group) -> None:
        assert 'href="/feishu"' in group.simulator.control.get("/").text

    def test_outlives_the_process(self, group: Group) -> None:
        group.post(message("kept"))

        group.simulator.kill()
        group.simulator.restart()

        assert group.items()[0]["title"] == "kept"

    def test_forgets_the_oldest(self, tmp_path: Path) -> None:
        store = FeishuStore(tmp_path / "state")
        for n in range(KEPT + 20):
            store.add(title=str(n), lines=[], received_at_ms=0)

        kept = [post.title for post in store.posts()]
        store.close()

        assert kept == [str(n) for n in range(KEPT + 19, 19, -1)]
