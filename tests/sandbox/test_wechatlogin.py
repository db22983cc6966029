"""WeChat's identity servers, asked over HTTP as an app's server and a browser ask them."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.sandbox.simulator import (
    APP_ID,
    APP_SECRET,
    OTHER_APP_ID,
    OTHER_APP_SECRET,
    Simulator,
    running_simulator,
)

OPENID = "oSomebodySomebodySomebody001"
SESSION, ACCESS, AUTHORIZE = (
    "/sns/jscode2session",
    "/sns/oauth2/access_token",
    "/connect/oauth2/authorize",
)
BACK = "https://tickets.example/bound?from=menu"


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with running_simulator(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


def ask(sim: Simulator, path: str, code: str, **changes: str) -> httpx.Response:
    words = {
        "appid": OTHER_APP_ID,
        "secret": OTHER_APP_SECRET,
        "js_code" if path == SESSION else "code": code,
        "grant_type": "authorization_code",
    } | changes
    return sim.control.get(path, params={name: value for name, value in words.items() if value})


def answer(reply: httpx.Response) -> dict[str, Any]:
    assert reply.status_code == 200
    assert reply.headers["Content-Type"].startswith("text/plain")
    return dict(json.loads(reply.text))


def authorize(sim: Simulator, **changes: str) -> httpx.Response:
    words = {
        "appid": APP_ID,
        "redirect_uri": BACK,
        "response_type": "code",
        "scope": "snsapi_base",
        "state": "s1",
    } | changes
    return sim.control.get(AUTHORIZE, params=words)


class TestACode:
    def test_of_a_login_is_worth_a_session(self, sim: Simulator) -> None:
        said = answer(ask(sim, SESSION, sim.log_in(OTHER_APP_ID, OPENID)))

        assert said["openid"] == OPENID
        assert set(said) == {"openid", "session_key"}

    def test_of_a_consent_is_worth_access(self, sim: Simulator) -> None:
        code = sim.log_in(APP_ID, OPENID)
        said = answer(ask(sim, ACCESS, code, appid=APP_ID, secret=APP_SECRET))

        assert said["openid"] == OPENID
        assert said["scope"] == "snsapi_base"
        assert set(said) == {"access_token", "expires_in", "refresh_token", "openid", "scope"}

    @pytest.mark.parametrize("path", [SESSION, ACCESS])
    def test_is_used_up_by_one_exchange(self, sim: Simulator, path: str) -> None:
        code = sim.log_in(OTHER_APP_ID, OPENID)
        ask(sim, path, code)

        assert answer(ask(sim, path, code))["errcode"] == 40163

    @pytest.mark.parametrize("path", [SESSION, ACCESS])
    def test_that_nobody_was_given_is_refused(self, sim: Simulator, path: str) -> None:
        said = answer(ask(sim, path, "0" * 32))

        assert said["errcode"] == 40029
        assert said["errmsg"].startswith("invalid code")

    def test_of_another_app_is_refused_and_stays_good(self, sim: Simulator) -> None:
        code = sim.log_in(OTHER_APP_ID, OPENID)

        other = answer(ask(sim, SESSION, code, appid=APP_ID, secret=APP_SECRET))

        assert other["errcode"] == 40029
        assert answer(ask(sim, SESSION, code))["openid"] == OPENID

    def test_is_refused_when_its_time_is_up(self, tmp_path: Path) -> None:
        with running_simulator(tmp_path, SANDBOX_WECHAT_LOGIN_CODE_SECONDS="0") as sim:
            code = sim.log_in(OTHER_APP_ID, OPENID)

            assert answer(ask(sim, SESSION, code))["errcode"] == 40029


class TestAnExchange:
    @pytest.mark.parametrize("path", [SESSION, ACCESS])
    @pytest.mark.parametrize(
        ("changes", "errcode"),
        [
            ({"appid": "wx0000000000000000"}, 40013),
            ({"appid": ""}, 40013),
            ({"secret": APP_SECRET}, 40125),
            ({"secret": ""}, 40125),
            ({"grant_type": "client_credential"}, 40002),
        ],
    )
    def test_is_refused_to_others_and_leaves_the_code_good(
        self, sim: Simulator, path: str, changes: dict[str, str], errcode: int
    ) -> None:
        code = sim.log_in(OTHER_APP_ID, OPENID)

        assert answer(ask(sim, path, code, **changes))["errcode"] == errcode
        assert answer(ask(sim, path, code))["openid"] == OPENID

    def test_without_a_code_is_refused(self, sim: Simulator) -> None:
        assert answer(ask(sim, SESSION, ""))["errcode"] == 41008

    def test_is_refused_to_everybody_where_no_secret_is_known(self, tmp_path: Path) -> None:
        with running_simulator(tmp_path, SANDBOX_WECHAT_APP_SECRETS="") as sim:
            code = sim.log_in(OTHER_APP_ID, OPENID)

            assert answer(ask(sim, SESSION, code, secret=""))["errcode"] == 40125


class TestAFaultyExchange:
    @pytest.mark.parametrize(
        ("operation", "path"), [("jscode2session", SESSION), ("access_token", ACCESS)]
    )
    def test_fails_once_and_leaves_the_code_good(
        self, sim: Simulator, operation: str, path: str
    ) -> None:
        code = sim.log_in(OTHER_APP_ID, OPENID)
        for mode in ("error_500", "rate_limited", "malformed"):
            sim.fault(operation, mode)

        assert ask(sim, path, code).status_code == 500
        assert answer(ask(sim, path, code))["errcode"] == 45011
        assert ask(sim, path, code).text.startswith("<html>")
        assert answer(ask(sim, path, code))["openid"] == OPENID

    def test_may_be_silent_before_it_is_done(self, sim: Simulator) -> None:
        code = sim.log_in(OTHER_APP_ID, OPENID)
        sim.fault("jscode2session", "hang_before", delay_ms=300)
        started = time.monotonic()

        assert answer(ask(sim, SESSION, code))["openid"] == OPENID
        assert time.monotonic() - started >= 0.3

    def test_may_be_silent_after_it_is_done(self, sim: Simulator) -> None:
        code = sim.log_in(OTHER_APP_ID, OPENID)
        sim.fault("jscode2session", "timeout_after", delay_ms=30_000)

        with pytest.raises(httpx.ReadTimeout):
            sim.control.get(
                SESSION,
                params={
                    "appid": OTHER_APP_ID,
                    "secret": OTHER_APP_SECRET,
                    "js_code": code,
                    "grant_type": "authorization_code",
                },
                timeout=2,
            )

        assert answer(ask(sim, SESSION, code))["errcode"] == 40163


class TestConsent:
    def test_sends_the_person_back_with_a_code_and_the_state(self, sim: Simulator) -> None:
        reply = authorize(sim, openid=OPENID)

        assert reply.status_code == 302
        back = urlsplit(reply.headers["Location"])
        words = parse_qs(back.query)
        assert back._replace(query="").geturl() == "https://tickets.example/bound"
        assert (words["from"], words["state"]) == (["menu"], ["s1"])
        said = answer(ask(sim, ACCESS, words["code"][0], appid=APP_ID, secret=APP_SECRET))
        assert said["openid"] == OPENID

    def test_takes_everybody_for_one_person_unless_told(self, sim: Simulator) -> None:
        openids = set()
        for _ in range(2):
            (code,) = parse_qs(urlsplit(authorize(sim).headers["Location"]).query)["code"]
            said = answer(ask(sim, ACCESS, code, appid=APP_ID, secret=APP_SECRET))
            openids.add(said["openid"])

        assert [len(openid) for openid in openids] == [28]

    @pytest.mark.parametrize(
        "changes",
        [
            {"appid": "wx0000000000000000"},
            {"redirect_uri": "/bound"},
            {"redirect_uri": "javascript:alert(1)"},
            {"response_type": "token"},
            {"scope": "everything"},
            {"state": "not/letters"},
            {"state": "s" * 129},
            {"openid": "o b"},
        ],
    )
    def test_is_refused_in_other_words(self, sim: Simulator, changes: dict[str, str]) -> None:
        assert authorize(sim, **changes).status_code == 400


class TestTheControl:
    @pytest.mark.parametrize(
        "body",
        [
            {"appid": "wx0000000000000000", "openid": OPENID},
            {"appid": OTHER_APP_ID},
            {"appid": OTHER_APP_ID, "openid": ""},
            {"appid": OTHER_APP_ID, "openid": "o b"},
            {"appid": OTHER_APP_ID, "openid": OPENID, "more": 1},
        ],
    )
    def test_opens_no_app_in_other_words(self, sim: Simulator, body: dict[str, Any]) -> None:
        reply = sim.control.post("/control/wechat/login-codes", json=body)

        assert reply.status_code == 400
        assert reply.json()["code"] == "INVALID_REQUEST"
