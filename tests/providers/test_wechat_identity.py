"""Whose login code it is: asked of WeChat's identity servers over real HTTP."""

import asyncio
import contextlib
import json
import logging
import socket
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from providers import watch
from providers.identity import Identity
from providers.provider import (
    OutcomeUnknown,
    ProviderError,
    ProviderRefused,
    ProviderUnreachable,
)
from providers.wechat.client import MAX_ANSWER_BYTES
from providers.wechat.exchange import VERDICTS
from providers.wechat.identity import WeChatIdentity
from providers.wechat.settings import App, IdentitySettings
from tests.providers.wire_server import Script, Sent, WireServer, an_answer
from tests.sandbox.simulator import (
    APP_ID,
    APP_SECRET,
    OTHER_APP_ID,
    OTHER_APP_SECRET,
    Simulator,
    running_simulator,
)

OPENID = "oCanaryCanaryCanaryCanary001"
CODE = "0canaryCodeCanaryCodeCanaryCode0"
SESSION_KEY, ACCESS_TOKEN = "canarySessionKey", "canaryAccessToken"
METHODS = ["openid_of_login", "openid_of_consent"]
OPERATIONS = {"openid_of_login": "jscode2session", "openid_of_consent": "access_token"}
APPIDS = {"openid_of_login": OTHER_APP_ID, "openid_of_consent": APP_ID}
PERSON = {"openid": OPENID, "session_key": SESSION_KEY, "access_token": ACCESS_TOKEN}

method = pytest.mark.parametrize("method", METHODS)


def settings_of(base: str, **changes: Any) -> IdentitySettings:  # noqa: ANN401 - any field
    settings: dict[str, Any] = {
        "service_account": App(appid=APP_ID, secret=APP_SECRET),
        "mini_program": App(appid=OTHER_APP_ID, secret=OTHER_APP_SECRET),
        "api_base": base,
        "open_base": base,
    }
    return IdentitySettings(**settings | changes)


def ask(identity: Identity, method: str, code: str = CODE) -> Awaitable[str]:
    call: Callable[[str], Awaitable[str]] = getattr(identity, method)
    return call(code)


def says(content: object, status: int = 200) -> Script:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()

    async def script(_: Sent) -> bytes | None:
        return an_answer(status, body, {"content-type": "text/plain"})

    return script


async def hang_up(_: Sent) -> bytes | None:
    return None


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with running_simulator(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture(scope="module")
async def identity(sim: Simulator) -> AsyncIterator[WeChatIdentity]:
    async with WeChatIdentity(settings_of(sim.base_url)) as identity:
        yield identity


@pytest.fixture(scope="module")
async def wired() -> AsyncIterator[tuple[WeChatIdentity, WireServer]]:
    async with (
        WireServer(hang_up) as server,
        WeChatIdentity(settings_of(server.url)) as identity,
    ):
        yield identity, server


class TestAnIdentity:
    async def test_tells_whose_login_it_was(self, identity: Identity, sim: Simulator) -> None:
        code = sim.log_in(OTHER_APP_ID, OPENID)

        assert identity.mini_program_appid == OTHER_APP_ID
        assert await identity.openid_of_login(code) == OPENID

    async def test_tells_whose_consent_it_was(self, identity: Identity, sim: Simulator) -> None:
        url = identity.authorize_url(redirect_uri="https://tickets.example/b?a=1&b=2", state="s1")
        consent = sim.control.get(url.partition("#")[0] + f"&openid={OPENID}")
        back = parse_qs(urlsplit(consent.headers["Location"]).query)

        assert (back["a"], back["b"], back["state"]) == (["1"], ["2"], ["s1"])
        assert identity.service_account_appid == APP_ID
        assert await identity.openid_of_consent(back["code"][0]) == OPENID

    @method
    async def test_refuses_a_code_that_was_used(
        self, identity: Identity, sim: Simulator, method: str
    ) -> None:
        code = sim.log_in(APPIDS[method], OPENID)
        await ask(identity, method, code)

        with pytest.raises(ProviderRefused, match="40163"):
            await ask(identity, method, code)

    @method
    async def test_refuses_a_code_of_another_app(
        self, identity: Identity, sim: Simulator, method: str
    ) -> None:
        (other,) = set(APPIDS.values()) - {APPIDS[method]}

        with pytest.raises(ProviderRefused, match="40029"):
            await ask(identity, method, sim.log_in(other, OPENID))

    @method
    @pytest.mark.parametrize("code", ["", " ", "a b", "a\nb", "ä", "x" * 257])
    async def test_sends_no_code_that_cannot_be_one(
        self, wired: tuple[WeChatIdentity, WireServer], method: str, code: str
    ) -> None:
        identity, server = wired

        with pytest.raises(ProviderRefused, match="not_sent"):
            await ask(identity, method, code)
        assert server.sent.empty()

    @method
    async def test_can_be_asked_again_after_a_limit(
        self, identity: Identity, sim: Simulator, method: str
    ) -> None:
        code = sim.log_in(APPIDS[method], OPENID)
        sim.fault(OPERATIONS[method], "rate_limited")

        with pytest.raises(ProviderUnreachable, match="45011"):
            await ask(identity, method, code)
        assert await ask(identity, method, code) == OPENID

    @method
    @pytest.mark.parametrize(
        ("mode", "code"), [("error_500", "http_5xx"), ("malformed", "unreadable")]
    )
    async def test_knows_nothing_after_an_answer_it_cannot_use(
        self, identity: Identity, sim: Simulator, method: str, mode: str, code: str
    ) -> None:
        sim.fault(OPERATIONS[method], mode)

        with pytest.raises(OutcomeUnknown, match=code):
            await ask(identity, method, sim.log_in(APPIDS[method], OPENID))

    @method
    @pytest.mark.parametrize("mode", ["hang_before", "timeout_after"])
    async def test_waits_no_longer_than_a_person_does(
        self, sim: Simulator, method: str, mode: str
    ) -> None:
        sim.fault(OPERATIONS[method], mode, delay_ms=30_000)
        hasty = settings_of(sim.base_url, timeout_seconds=1.0, connect_timeout_seconds=1.0)

        async with WeChatIdentity(hasty) as identity:
            with pytest.raises(OutcomeUnknown, match="timeout"):
                await ask(identity, method, sim.log_in(APPIDS[method], OPENID))

    @method
    async def test_tells_a_wrong_secret_to_a_person(self, sim: Simulator, method: str) -> None:
        wrong = settings_of(
            sim.base_url,
            service_account=App(appid=APP_ID, secret="sandboxWrong"),
            mini_program=App(appid=OTHER_APP_ID, secret="sandboxWrong"),
        )
        async with WeChatIdentity(wrong) as identity:
            with capture_logs() as lines, pytest.raises(ProviderUnreachable, match="40125"):
                await ask(identity, method)

        assert [(line["event"], line["operation"], line["code"]) for line in lines] == [
            ("payments.provider.misconfigured", method, "40125")
        ]

    async def test_of_one_app_tells_nothing_of_the_other(self, sim: Simulator) -> None:
        half = settings_of(sim.base_url, service_account=App(appid=APP_ID))
        async with WeChatIdentity(half) as identity:
            assert await identity.openid_of_login(sim.log_in(OTHER_APP_ID, OPENID)) == OPENID
            with pytest.raises(ProviderUnreachable, match="not_configured"):
                await identity.openid_of_consent(sim.log_in(APP_ID, OPENID))
            with pytest.raises(ProviderUnreachable, match="not_configured"):
                identity.authorize_url(redirect_uri="https://tickets.example/b", state="s1")


class TestTheWayToConsent:
    def test_is_written_as_wechat_wants_it(self, identity: WeChatIdentity, sim: Simulator) -> None:
        url = identity.authorize_url(redirect_uri="https://tickets.example/b?a=1&b=ä", state="Ab1")

        assert url.partition("?")[2] == (
            f"appid={APP_ID}&redirect_uri=https%3A%2F%2Ftickets.example%2Fb%3Fa%3D1%26b%3D%C3%A4"
            "&response_type=code&scope=snsapi_base&state=Ab1#wechat_redirect"
        )
        assert url.startswith(f"{sim.base_url}/connect/oauth2/authorize?")

    @pytest.mark.parametrize("state", ["", "a b", "a&b", "x" * 129, "é"])
    def test_takes_no_state_that_wechat_would_not(
        self, identity: WeChatIdentity, state: str
    ) -> None:
        with pytest.raises(ValueError, match="state"):
            identity.authorize_url(redirect_uri="https://tickets.example/b", state=state)


class TestAnAnswer:
    @method
    @pytest.mark.parametrize("code", [code for code in VERDICTS if not code.isidentifier()])
    async def test_means_what_the_table_says(
        self, wired: tuple[WeChatIdentity, WireServer], method: str, code: str
    ) -> None:
        identity, server = wired
        server.script = says({"errcode": int(code), "errmsg": f"{OPENID}, rid: 1"})

        with pytest.raises(ProviderError) as caught:
            await ask(identity, method)

        assert type(caught.value) is VERDICTS[code]
        assert caught.value.code == code
        assert OPENID not in "".join(traceback.format_exception(caught.value))

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"", "unreadable"),
            (b"{", "unreadable"),
            (b"[]", "unreadable"),
            (b"null", "unreadable"),
            (b"[" * 100_000, "unreadable"),
            ({}, "unreadable"),
            ({"errcode": 0}, "unreadable"),
            ({"openid": ""}, "unreadable"),
            ({"openid": None}, "unreadable"),
            ({"openid": 7}, "unreadable"),
            ({"openid": "o b"}, "unreadable"),
            ({"openid": f"{OPENID}\n"}, "unreadable"),
            ({"openid": "o" * 129}, "unreadable"),
            ({"openid": OPENID, "errcode": None}, "unreadable"),
            ({"openid": OPENID, "errcode": 10**400}, "unreadable"),
            ({"openid": OPENID, "errcode": "x" * 11}, "unreadable"),
        ],
    )
    async def test_that_cannot_be_read_leaves_the_outcome_unknown(
        self, wired: tuple[WeChatIdentity, WireServer], content: object, code: str
    ) -> None:
        identity, server = wired
        server.script = says(content)

        with pytest.raises(OutcomeUnknown, match=code):
            await identity.openid_of_login(CODE)

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            ({"openid": OPENID, "errcode": 40029}, "40029"),
            ({"openid": OPENID, "errcode": "40029"}, "40029"),
            ({"openid": OPENID, "errcode": 99999}, "other"),
            ({"openid": OPENID, "errcode": "not_sent?"}, "other"),
            ({"openid": OPENID, "is_snapshotuser": 1}, "snapshot_user"),
        ],
    )
    async def test_that_says_no_is_a_no_whatever_else_it_says(
        self, wired: tuple[WeChatIdentity, WireServer], content: object, code: str
    ) -> None:
        identity, server = wired
        server.script = says(content)

        with pytest.raises(ProviderRefused, match=code):
            await identity.openid_of_consent(CODE)

    @pytest.mark.parametrize(
        ("status", "verdict"),
        [
            (201, OutcomeUnknown),
            (302, OutcomeUnknown),
            (404, OutcomeUnknown),
            (429, ProviderUnreachable),
            (500, OutcomeUnknown),
            (503, OutcomeUnknown),
        ],
    )
    async def test_with_another_status_is_never_believed(
        self,
        wired: tuple[WeChatIdentity, WireServer],
        status: int,
        verdict: type[ProviderError],
    ) -> None:
        identity, server = wired
        server.script = says(PERSON, status)

        with pytest.raises(verdict):
            await identity.openid_of_login(CODE)

    async def test_may_say_that_all_is_well(self, wired: tuple[WeChatIdentity, WireServer]) -> None:
        identity, server = wired
        server.script = says(PERSON | {"errcode": 0, "errmsg": "ok", "unionid": "u"})

        assert await identity.openid_of_login(CODE) == OPENID

    async def test_that_is_endless_is_given_up(
        self, wired: tuple[WeChatIdentity, WireServer]
    ) -> None:
        identity, server = wired
        server.script = says(b" " * (MAX_ANSWER_BYTES + 1))

        with pytest.raises(OutcomeUnknown, match="transport"):
            await identity.openid_of_login(CODE)


class TestAWorldThatFails:
    @method
    async def test_before_a_connection_leaves_the_code_good(self, method: str) -> None:
        with socket.socket() as unheard:
            unheard.bind(("127.0.0.1", 0))  # never listens: connections are refused
            url = f"http://127.0.0.1:{unheard.getsockname()[1]}"
            async with WeChatIdentity(settings_of(url)) as identity:
                with pytest.raises(ProviderUnreachable, match="connect"):
                    await ask(identity, method)

    @method
    async def test_after_a_connection_leaves_the_outcome_unknown(
        self, wired: tuple[WeChatIdentity, WireServer], method: str
    ) -> None:
        identity, server = wired
        server.script = hang_up

        with pytest.raises(OutcomeUnknown, match="transport"):
            await ask(identity, method)

    async def test_by_dripping_leaves_the_outcome_unknown_in_time(self) -> None:
        async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                while not writer.is_closing():
                    await asyncio.sleep(0.05)
                    writer.write(b" ")
                    await writer.drain()

        async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            hasty = settings_of(url, timeout_seconds=1.0, connect_timeout_seconds=1.0)
            async with WeChatIdentity(hasty) as identity, asyncio.timeout(30):
                with pytest.raises(OutcomeUnknown, match="timeout"):
                    await identity.openid_of_login(CODE)

    async def test_on_loopback_is_not_a_proxy(
        self, monkeypatch: pytest.MonkeyPatch, sim: Simulator
    ) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        async with WeChatIdentity(settings_of(sim.base_url)) as identity:
            assert await identity.openid_of_login(sim.log_in(OTHER_APP_ID, OPENID)) == OPENID


class TestACall:
    @pytest.mark.parametrize(
        ("method", "target"),
        [
            (
                "openid_of_login",
                f"/sns/jscode2session?appid={OTHER_APP_ID}&secret={OTHER_APP_SECRET}&js_code=",
            ),
            (
                "openid_of_consent",
                f"/sns/oauth2/access_token?appid={APP_ID}&secret={APP_SECRET}&code=",
            ),
        ],
    )
    async def test_is_written_as_wechat_wants_it(
        self, wired: tuple[WeChatIdentity, WireServer], method: str, target: str
    ) -> None:
        identity, server = wired
        server.script = says(PERSON)
        while not server.sent.empty():
            server.sent.get_nowait()

        await ask(identity, method, "a+b&c")

        sent = server.sent.get_nowait()
        assert sent.method == "GET"
        assert sent.target == f"{target}a%2Bb%26c&grant_type=authorization_code"
        assert server.sent.empty(), "one method is one call"

    @method
    async def test_is_counted_by_how_it_ended(
        self, identity: Identity, sim: Simulator, method: str
    ) -> None:
        def count(code: str) -> float:
            labels = {"provider": "wechat", "operation": method, "code": code}
            return REGISTRY.get_sample_value("guichet_provider_requests_total", labels) or 0.0

        well, refused = count("ok"), count("40029")

        await ask(identity, method, sim.log_in(APPIDS[method], OPENID))
        with pytest.raises(ProviderRefused):
            await ask(identity, method)

        assert (count("ok"), count("40029")) == (well + 1, refused + 1)


class TestEverySecret:
    @method
    async def test_stays_between_wechat_and_the_caller(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, method: str
    ) -> None:
        """Look at logs of every level, spans, exceptions, representations and labels."""
        told: list[str] = []
        spans = InMemorySpanExporter()
        tracing = TracerProvider()
        tracing.add_span_processor(SimpleSpanProcessor(spans))
        monkeypatch.setattr(watch, "_tracer", tracing.get_tracer("tests"))
        async with (
            WireServer(hang_up) as server,
            WeChatIdentity(settings_of(server.url)) as identity,
        ):
            with caplog.at_level(logging.DEBUG), capture_logs() as lines:
                for script in (
                    says({"errcode": 40125, "errmsg": f"{APP_SECRET} {CODE}"}),
                    says(PERSON | {"openid": f"{OPENID} "}),
                    says(PERSON, 500),
                    says(PERSON, 302),
                    says(b" " * (MAX_ANSWER_BYTES + 1)),
                    hang_up,
                ):
                    server.script = script
                    with pytest.raises(ProviderError) as caught:
                        await ask(identity, method)
                    told += [repr(caught.value), *traceback.format_exception(caught.value)]
                    assert caught.value.__cause__ is None
                server.script = says(PERSON)
                assert await ask(identity, method) == OPENID
            told += [repr(identity), repr(vars(identity)), repr(settings_of(server.url))]
        told += [caplog.text, repr(lines), repr([vars(record) for record in caplog.records])]
        told += [repr(list(metric.samples)) for metric in REGISTRY.collect()]
        told += [span.to_json() for span in spans.get_finished_spans()]

        said = "".join(told)
        assert "HTTP Request: GET" in said, "no log was captured"
        assert f"wechat.{method}" in said, "no span was captured"
        for secret in (APP_SECRET, OTHER_APP_SECRET, CODE, OPENID, SESSION_KEY, ACCESS_TOKEN):
            assert secret not in said


class TestSettings:
    @pytest.mark.parametrize(
        "changes",
        [
            {"api_base": "http://api.weixin.qq.com"},
            {"open_base": "ftp://open.weixin.qq.com"},
            {"timeout_seconds": 0.0},
            {"connect_timeout_seconds": 60.0},
        ],
    )
    def test_are_refused_when_they_are_malformed(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=next(iter(changes)).removeprefix("connect_")):
            settings_of("https://api.weixin.qq.com", **changes)

    @pytest.mark.parametrize(("appid", "secret"), [("", "s"), ("wx 1", "s"), ("wx1", "hush hush")])
    def test_name_what_is_wrong_and_never_show_it(self, appid: str, secret: str) -> None:
        with pytest.raises(ValueError, match="malformed") as caught:
            App(appid=appid, secret=secret)

        assert "hush" not in str(caught.value)

    def test_ask_the_real_servers_by_default(self) -> None:
        app = App(appid="wx1", secret="s")
        settings = IdentitySettings(service_account=app, mini_program=app)

        assert settings.api_base == "https://api.weixin.qq.com"
        assert settings.open_base == "https://open.weixin.qq.com"
        assert not settings.is_loopback
