"""Paying from wherever the payer is, over real HTTP and real signatures."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.wire import payments as wire
from models.engine import Database
from tests.api.channels import (
    BRIDGE,
    DESKTOP,
    ELSEWHERE,
    IN_WECHAT,
    PREPARE,
    SHELL,
    SIGNED,
    WECHAT,
    in_query,
    lose_openid,
    pending,
    prepare,
    verify_pay_sign,
)
from tests.api.service import FREE, HOT, ORDERS, Buyer, Service, running_service
from tests.api.test_doors import is_problem
from tests.sandbox.simulator import APP_ID, OTHER_APP_ID, Simulator, wait_until

_decode = msgspec.json.Decoder(wire.ChannelOrderToPay).decode
OLD_SHELL = BRIDGE | {"miniProgramBridgeVersion": "1.1.9"}
WRONG_VERSIONS = (
    *("1.2.0-beta", "999999999999999999999", "", "\uff11.\uff12.\uff10", "1.1.999999999", "v9"),
    *("-1.2.0", "1e9", "0x9", " 2", "2\n", "latest", "." * 64, "9" * 64, "1..9"),
)


@pytest.fixture
def other(service: Service) -> Iterator[Buyer]:
    buyer = Buyer(service)
    yield buyer
    buyer.http.close()


@pytest.fixture(scope="module")
def two_apps(environ: dict[str, str], api_home: Path) -> Iterator[Service]:
    """Run a service whose Mini Program has an app of its own."""
    changes = {"WECHAT_MINIPROGRAM_APP_ID": OTHER_APP_ID}
    with running_service(environ, api_home / "two apps", **changes) as service:
        yield service


@pytest.fixture
def shell_user(two_apps: Service) -> Iterator[Buyer]:
    buyer = Buyer(two_apps)
    yield buyer
    buyer.http.close()


async def stored(database: Database, *buyers: Buyer) -> list[int]:
    """Count what a prepare could have stored of some buyers: others' notices come at any time."""
    theirs = "SELECT {} FROM orders WHERE user_id = ANY($1::bigint[])"
    statements = (
        theirs.format("count(*)"),
        *(
            f"SELECT count(*) FROM {table} WHERE order_id IN ({theirs.format('id')})"  # noqa: S608 - ours
            for table in ("payment_attempts", "order_legacy_payment_fields", "order_events")
        ),
    )
    users = [buyer.user["id"] for buyer in buyers]
    return [await database.fetchval(statement, users) for statement in statements]


class TestAPrepare:
    def test_answers_with_a_code_to_scan_elsewhere(
        self, buyer: Buyer, simulator: Simulator
    ) -> None:
        order = buyer.order(HOT).json()
        answer = prepare(buyer, order, ELSEWHERE)

        assert answer.status_code == 200
        paid_by = _decode(answer.content)
        assert isinstance(paid_by, wire.NativeOrderToPay)
        assert paid_by.pay_payload is not None
        assert paid_by.pay_payload.code_url.startswith("weixin://")
        assert paid_by.code_url == paid_by.pay_payload.code_url
        assert paid_by.is_existing
        assert (paid_by.order_id, paid_by.order_no) == (order["orderId"], order["orderNo"])
        assert simulator.calls(f"{order['orderNo']}01") == {"native": 1}

    def test_answers_with_signed_words_in_the_wechat_browser(
        self, buyer: Buyer, simulator: Simulator
    ) -> None:
        answer = prepare(buyer, buyer.order(HOT).json(), IN_WECHAT)

        paid_by = answer.json()
        assert (paid_by["channel"], paid_by["paymentMethod"]) == ("WECHAT_JSAPI", "WECHAT_JSAPI")
        assert isinstance(_decode(answer.content), wire.JsapiOrderToPay)
        params = paid_by["payPayload"]["jsapiParams"]
        assert params.keys() == SIGNED
        assert params["appId"] == APP_ID
        assert params["package"].startswith("prepay_id=")
        assert paid_by["jsapiParams"] == params
        assert "codeUrl" not in paid_by
        verify_pay_sign(params, simulator.keyring.merchant.public_key())

    def test_answers_with_signed_words_and_the_order_in_the_mini_program(
        self, buyer: Buyer, simulator: Simulator
    ) -> None:
        order = buyer.order(HOT).json()
        answer = prepare(buyer, order, BRIDGE, user_agent=SHELL)

        paid_by = answer.json()
        assert paid_by["channel"] == "MINIPROGRAM_BRIDGE"
        assert paid_by["paymentMethod"] == "WECHAT_JSAPI"
        assert isinstance(_decode(answer.content), wire.BridgeOrderToPay)
        params = paid_by["payPayload"]["requestPaymentParams"]
        assert params.keys() == SIGNED | {"orderNo"}
        assert params["orderNo"] == order["orderNo"]
        assert paid_by["jsapiParams"].keys() == SIGNED
        verify_pay_sign(params, simulator.keyring.merchant.public_key())

    def test_takes_the_number_of_an_order_for_its_id(self, buyer: Buyer) -> None:
        order = buyer.order(HOT).json()
        body = {"bizType": "EVENT_TICKET", "bizId": order["orderNo"]}

        assert buyer.http.post(PREPARE, json=body).json()["orderId"] == order["orderId"]

    @pytest.mark.parametrize("context", [ELSEWHERE, IN_WECHAT, BRIDGE])
    def test_of_the_same_channel_makes_no_second_call(
        self, buyer: Buyer, simulator: Simulator, context: dict[str, Any]
    ) -> None:
        order = buyer.order(HOT).json()
        answers = [prepare(buyer, order, context).json() for _ in range(4)]

        assert sum(simulator.calls(f"{order['orderNo']}01").values()) == 1
        packages = {package_of(answer) for answer in answers}
        assert len(packages) == 1

    def test_signs_anew_each_time(self, buyer: Buyer, simulator: Simulator) -> None:
        order = buyer.order(HOT).json()
        answers = [prepare(buyer, order, IN_WECHAT).json() for _ in range(3)]

        several = [answer["payPayload"]["jsapiParams"] for answer in answers]
        assert len({params["nonceStr"] for params in several}) == 3
        for params in several:
            verify_pay_sign(params, simulator.keyring.merchant.public_key())

    async def test_on_another_channel_closes_what_was_open(
        self, buyer: Buyer, database: Database
    ) -> None:
        order = buyer.order(HOT, prepare=True).json()
        prepare(buyer, order, IN_WECHAT)

        attempts = await database.fetch(
            "SELECT request->>'channel' AS channel, close_owed FROM payment_attempts"
            " WHERE order_id = $1 ORDER BY attempt_no",
            order["orderId"],
        )
        assert [(a["channel"], a["close_owed"]) for a in attempts] == [
            ("WECHAT_NATIVE", True),
            ("WECHAT_JSAPI", False),
        ]

    def test_is_answered_once_by_the_provider_however_many_ask(
        self, buyer: Buyer, simulator: Simulator
    ) -> None:
        order = buyer.order(HOT).json()
        with ThreadPoolExecutor(50) as crowd:
            answers = list(crowd.map(lambda _: prepare(buyer, order, IN_WECHAT), range(50)))

        assert {answer.status_code for answer in answers} == {200}
        assert len({package_of(answer.json()) for answer in answers}) == 1
        assert sum(simulator.calls(f"{order['orderNo']}01").values()) == 1
        assert sum(simulator.calls(f"{order['orderNo']}02").values()) == 0

    def test_says_so_when_the_provider_is_away(self, buyer: Buyer, simulator: Simulator) -> None:
        order = buyer.order(HOT).json()
        simulator.fault("native", "error_500", out_trade_no=f"{order['orderNo']}01")

        answer = prepare(buyer, order, ELSEWHERE)
        assert is_problem(answer, 503, "PROVIDER_UNAVAILABLE")
        assert answer.headers["retry-after"]
        assert prepare(buyer, order, ELSEWHERE).json()["payPayload"]["codeUrl"]

    async def test_is_refused_for_an_order_that_nobody_can_pay(
        self, buyer: Buyer, database: Database
    ) -> None:
        order = buyer.order(HOT).json()
        over = "UPDATE orders SET expired_at = now() - interval '1 s' WHERE id = $1"
        await database.execute(over, order["orderId"])

        assert is_problem(prepare(buyer, order), 409, "ORDER_EXPIRED")

        buyer.http.post(f"{ORDERS}/{order['orderId']}/cancel")
        assert is_problem(prepare(buyer, order), 409, "ORDER_CANCELLED")

    def test_says_so_when_the_provider_is_not_set_up(
        self, environ: dict[str, str], api_home: Path
    ) -> None:
        with running_service(
            environ, api_home / "mocked", PAYMENT_PROVIDER="mock", API_WORKERS="1"
        ) as service:
            buyer = Buyer(service)
            order = buyer.order(HOT, clientContext=OLD_SHELL, prepare=True).json()
            answer = prepare(buyer, order, ELSEWHERE)
            waiting = pending(buyer, in_query(IN_WECHAT)).json()
            buyer.http.close()

        assert is_problem(answer, 503, "PROVIDER_NOT_CONFIGURED")
        for told in (order, waiting):
            assert [told[n] for n in ("channel", "payPayload", "paymentMethod")] == [None] * 3

    def test_shows_no_legacy_fields_when_told_to(
        self, environ: dict[str, str], api_home: Path
    ) -> None:
        with running_service(
            environ, api_home / "modern", LEGACY_PAYMENT_FIELDS="0", API_WORKERS="1"
        ) as service:
            buyer = Buyer(service)
            order = buyer.order(HOT).json()
            for context in (ELSEWHERE, IN_WECHAT, BRIDGE):
                paid_by = prepare(buyer, order, context).json()
                assert paid_by["payPayload"]
                assert not {"codeUrl", "jsapiParams"} & paid_by.keys()
            buyer.http.close()

    async def test_keeps_what_older_clients_read(self, buyer: Buyer, database: Database) -> None:
        order = buyer.order(HOT).json()
        kept = "SELECT code_url, prepay_id FROM order_legacy_payment_fields WHERE order_id = $1"
        paid_by = prepare(buyer, order, ELSEWHERE).json()

        assert dict(await database.fetchrow(kept, order["orderId"]) or {}) == {
            "code_url": paid_by["codeUrl"],
            "prepay_id": None,
        }

        params = prepare(buyer, order, IN_WECHAT).json()["jsapiParams"]
        assert dict(await database.fetchrow(kept, order["orderId"]) or {}) == {
            "code_url": None,
            "prepay_id": params["package"].removeprefix("prepay_id="),
        }


def package_of(answer: dict[str, Any]) -> str:
    """Name what was opened."""
    payload = answer["payPayload"]
    params = payload.get("jsapiParams") or payload.get("requestPaymentParams")
    return str(params["package"] if params else payload["codeUrl"])


class TestAPrepareThatIsNone:
    async def test_stores_nothing(self, buyer: Buyer, other: Buyer, database: Database) -> None:
        order = other.order(HOT).json()
        before = await stored(database, buyer, other)
        honest = {"bizType": "EVENT_TICKET", "bizId": str(order["orderId"])}
        contexts: tuple[dict[str, Any], ...] = (
            {"miniProgramBridgeSupported": "true"},
            {"miniProgramBridgeSupported": 1},
            {"miniProgramBridgeVersion": 1.2},
            {"miniProgramBridgeVersion": "1" * 65},
            {"environmentType": 1},
            {"environmentType": "x" * 65},
            {"shellVersion": {}},
            {"openid": "o1"},
        )
        bodies: tuple[Any, ...] = (
            *({}, {"bizType": "EVENT_TICKET"}, {"bizId": "1"}, [], None, "x", 1),
            *({**honest, "bizId": order["orderId"]}, {**honest, "bizId": ""}),
            *({**honest, "bizId": "x" * 65}, {**honest, "bizId": None}, {**honest, "bizId": ["1"]}),
            *({**honest, "bizType": 1}, {**honest, "bizType": None}, {**honest, "amount": 1}),
            *({**honest, "clientContext": 1}, {**honest, "clientContext": []}),
            *({**honest, "clientContext": context} for context in contexts),
        )
        for body in bodies:
            answer = buyer.http.post(PREPARE, json=body)
            assert is_problem(answer, 400, "INVALID_REQUEST"), body
        assert await stored(database, buyer, other) == before

    @pytest.mark.parametrize(
        "biz_type",
        ["COURSE", "event_ticket", "EVENT_TICKET ", "", "__class__", "\u0415VENT_TICKET"],
    )
    def test_names_what_can_be_paid_for(self, buyer: Buyer, biz_type: str) -> None:
        answer = buyer.http.post(PREPARE, json={"bizType": biz_type, "bizId": "1"})

        assert is_problem(answer, 400, "BIZ_TYPE_UNSUPPORTED")
        assert answer.json()["supported"] == ["EVENT_TICKET"]

    async def test_finds_only_your_own_orders(
        self, buyer: Buyer, other: Buyer, database: Database
    ) -> None:
        order = other.order(HOT).json()
        before = await stored(database, buyer, other)
        for biz_id in (
            *(str(order["orderId"]), order["orderNo"], "0", "9" * 16, "9" * 17, "-1", "1.0", "1e3"),
            *("G" + "0" * 15, order["orderNo"].lower(), f" {order['orderNo']}", "' OR 1=1 --"),
            *("\uff11", "1\n", "../1", "null"),
        ):
            answer = buyer.http.post(PREPARE, json={"bizType": "EVENT_TICKET", "bizId": biz_id})
            assert is_problem(answer, 404, "NOT_FOUND"), biz_id
        assert await stored(database, buyer, other) == before


class TestAMiniProgram:
    @pytest.mark.parametrize("version", WRONG_VERSIONS)
    def test_of_an_absurd_version_cannot_pay(self, buyer: Buyer, version: str) -> None:
        order = buyer.order(HOT).json()

        answer = prepare(buyer, order, BRIDGE | {"miniProgramBridgeVersion": version})
        assert is_upgrade(answer)

    @pytest.mark.parametrize("version", ["1.2.0", "1.2", "1.10", "2", "1.2.0.1"])
    def test_of_a_version_that_is_high_enough_can_pay(self, buyer: Buyer, version: str) -> None:
        context = BRIDGE | {"miniProgramBridgeVersion": version}
        paid_by = prepare(buyer, buyer.order(HOT).json(), context)

        assert paid_by.json()["channel"] == "MINIPROGRAM_BRIDGE"

    @pytest.mark.parametrize(
        "context",
        [
            None,
            {},
            ELSEWHERE,
            IN_WECHAT,
            {"environmentType": "desktop"},
            {"environmentType": "none", "miniProgramBridgeSupported": True},
            {"miniProgramBridgeVersion": "9.9.9"},
        ],
    )
    @pytest.mark.parametrize(
        "user_agent",
        [
            SHELL,
            SHELL.upper(),
            SHELL.lower(),
            f"{'x' * 300} {SHELL}",
            f"{SHELL}{' MicroMessenger' * 20}",
            f"miniProgram {'y' * 300} MicroMessenger",
            "micromessengerminiprogram",
        ],
        ids=["plain", "upper", "lower", "late", "often", "apart", "together"],
    )
    def test_is_known_by_its_user_agent_whatever_the_client_claims(
        self, buyer: Buyer, context: dict[str, Any] | None, user_agent: str
    ) -> None:
        answer = prepare(buyer, {"orderId": self.order(buyer)}, context, user_agent=user_agent)

        assert is_upgrade(answer)

    def test_does_not_hide_behind_a_second_user_agent(self, buyer: Buyer) -> None:
        body = {"bizType": "EVENT_TICKET", "bizId": str(self.order(buyer))}
        for agents in ((DESKTOP, SHELL), (SHELL, DESKTOP)):
            request = buyer.http.build_request("POST", PREPARE, json=body)
            del request.headers["User-Agent"]
            headers = [*request.headers.multi_items(), *(("User-Agent", agent) for agent in agents)]
            request.headers = type(request.headers)(headers)

            assert is_upgrade(buyer.http.send(request))

    async def test_without_a_bridge_takes_no_seat(self, buyer: Buyer, database: Database) -> None:
        before = await stored(database, buyer)
        for opens in (True, False):
            assert is_upgrade(buyer.order(HOT, clientContext=OLD_SHELL, prepare=opens))

        assert await stored(database, buyer) == before
        assert buyer.http.get(f"{ORDERS}/pending").status_code == 204

    def test_without_a_bridge_still_gets_a_free_ticket(self, buyer: Buyer) -> None:
        answer = buyer.order(FREE, clientContext=OLD_SHELL)

        assert answer.status_code == 201
        assert answer.json()["registration"]["status"] == "APPROVED"

    def test_may_not_cross_while_the_bridge_is_switched_off(
        self, environ: dict[str, str], api_home: Path
    ) -> None:
        with running_service(
            environ, api_home / "off", MINIPROGRAM_BRIDGE_ROLLOUT_PERCENT="0", API_WORKERS="1"
        ) as service:
            buyer = Buyer(service)
            assert is_upgrade(buyer.order(HOT, clientContext=BRIDGE))
            assert buyer.order(HOT, clientContext=IN_WECHAT).status_code == 201
            buyer.http.close()

    def test_is_told_the_floor_that_is_set(self, environ: dict[str, str], api_home: Path) -> None:
        with running_service(
            environ, api_home / "floor", MINIPROGRAM_BRIDGE_MIN_VERSION="2.5", API_WORKERS="1"
        ) as service:
            buyer = Buyer(service)
            answer = buyer.order(HOT, clientContext=BRIDGE)
            config = buyer.http.get("/api/config").json()
            buyer.http.close()

        assert answer.json()["minBridgeVersion"] == config["minBridgeVersion"] == "2.5"

    @staticmethod
    def order(buyer: Buyer) -> int:
        """Make an order, or find the one that waits."""
        return int(buyer.order(HOT).json()["orderId"])


def is_upgrade(answer: Any) -> bool:  # noqa: ANN401 - a response
    """Tell whether a Mini Program is told to get a bridge, and what kind of one."""
    body = answer.json()
    return (
        is_problem(answer, 400, "MINI_PROGRAM_BRIDGE_REQUIRED")
        and body["requiresUpgrade"] is True
        and body["minBridgeVersion"] == "1.2.0"
        and not {"payPayload", "codeUrl", "jsapiParams"} & body.keys()
    )


class TestAnApp:
    def test_of_its_own_pays_the_mini_programs_orders(
        self, shell_user: Buyer, simulator: Simulator, database: Database
    ) -> None:
        assert database
        order = shell_user.order(HOT).json()
        inside = prepare(shell_user, order, BRIDGE).json()["payPayload"]["requestPaymentParams"]
        outside = prepare(shell_user, order, IN_WECHAT).json()["payPayload"]["jsapiParams"]

        assert (inside["appId"], outside["appId"]) == (OTHER_APP_ID, APP_ID)
        verify_pay_sign(inside, simulator.keyring.merchant.public_key())

    async def test_knows_its_payers_by_its_own_names(
        self, shell_user: Buyer, database: Database
    ) -> None:
        order = shell_user.order(HOT).json()
        for context in (BRIDGE, IN_WECHAT):
            prepare(shell_user, order, context)

        attempts = await database.fetch(
            "SELECT request->>'appid' AS appid, request->>'openid' AS openid"
            " FROM payment_attempts WHERE order_id = $1 ORDER BY attempt_no",
            order["orderId"],
        )
        bound = await database.fetchval(
            "SELECT openid FROM wechat_identities WHERE user_id = $1 AND appid = $2",
            shell_user.user["id"],
            OTHER_APP_ID,
        )
        own = await database.fetchval(
            "SELECT openid FROM users WHERE id = $1", shell_user.user["id"]
        )
        assert [(a["appid"], a["openid"]) for a in attempts] == [
            (OTHER_APP_ID, bound),
            (APP_ID, own),
        ]
        assert bound != own

    async def test_that_does_not_know_the_payer_says_so(
        self, shell_user: Buyer, database: Database
    ) -> None:
        order = shell_user.order(HOT).json()
        await database.execute(
            "DELETE FROM wechat_identities WHERE user_id = $1", shell_user.user["id"]
        )

        assert is_unbound(prepare(shell_user, order, BRIDGE), order, "MINIPROGRAM_BRIDGE")
        assert prepare(shell_user, order, IN_WECHAT).status_code == 200


class TestAPayerWithoutAnOpenid:
    def test_keeps_the_order_and_is_told_which(self, buyer: Buyer) -> None:
        lose_openid(buyer)
        answer = buyer.order(HOT, prepare=True, clientContext=IN_WECHAT)
        order = pending(buyer, in_query(ELSEWHERE)).json()

        assert is_unbound(answer, order, "WECHAT_JSAPI")
        assert is_unbound(prepare(buyer, order, BRIDGE), order, "MINIPROGRAM_BRIDGE")
        assert is_unbound(pending(buyer, in_query(IN_WECHAT)), order, "WECHAT_JSAPI")
        # The order is still there to be paid, and a code to scan needs no openid.
        assert prepare(buyer, order, ELSEWHERE).json()["payPayload"]["codeUrl"]

    def test_pays_once_it_is_known(self, buyer: Buyer) -> None:
        lose_openid(buyer)
        buyer.order(HOT, prepare=True, clientContext=IN_WECHAT)
        order = pending(buyer, in_query(ELSEWHERE)).json()
        buyer.http.post("/api/auth/sandbox-login", json={"name": buyer.name})

        assert prepare(buyer, order, IN_WECHAT).status_code == 200

    def test_is_not_asked_for_one_while_nothing_is_prepared(self, buyer: Buyer) -> None:
        lose_openid(buyer)

        assert buyer.order(HOT, clientContext=IN_WECHAT).status_code == 201


def is_unbound(answer: Any, order: dict[str, Any], channel: str) -> bool:  # noqa: ANN401
    """Tell whether a payer is told to bind an account, and for which order."""
    body = answer.json()
    kept = ("orderId", "orderNo", "totalAmount", "expiredAt", "quantity")
    return (
        is_problem(answer, 400, "WECHAT_OPENID_REQUIRED")
        and {name: body[name] for name in kept} == {name: order[name] for name in kept}
        and body["channel"] == channel
    )


class TestWhatWaitsToBePaid:
    async def test_is_shown_without_opening_anything(
        self, buyer: Buyer, database: Database
    ) -> None:
        buyer.order(HOT)
        before = await stored(database, buyer)
        for context in (ELSEWHERE, IN_WECHAT, BRIDGE):
            answer = pending(buyer, in_query(context))
            assert (answer.status_code, answer.json()["payPayload"]) == (200, None)

        assert await stored(database, buyer) == before

    def test_is_signed_anew_where_it_is_open(self, buyer: Buyer, simulator: Simulator) -> None:
        order = buyer.order(HOT).json()
        prepared = prepare(buyer, order, BRIDGE).json()["payPayload"]["requestPaymentParams"]
        shown = pending(buyer, in_query(BRIDGE)).json()["payPayload"]["requestPaymentParams"]

        assert shown["package"] == prepared["package"]
        assert shown["nonceStr"] != prepared["nonceStr"]
        verify_pay_sign(shown, simulator.keyring.merchant.public_key())
        elsewhere = pending(buyer, in_query(IN_WECHAT)).json()
        assert (elsewhere["channel"], elsewhere["payPayload"]) == ("WECHAT_JSAPI", None)

    def test_goes_by_the_user_agent_when_the_query_says_nothing_it_knows(
        self, buyer: Buyer
    ) -> None:
        buyer.order(HOT)
        unknown = {"environmentType": "smart fridge"}

        assert pending(buyer, user_agent=WECHAT).json()["channel"] == "WECHAT_JSAPI"
        assert pending(buyer, unknown, user_agent=WECHAT).json()["channel"] == "WECHAT_JSAPI"
        assert pending(buyer, in_query(ELSEWHERE), user_agent=WECHAT).json()["channel"] == (
            "WECHAT_NATIVE"
        )
        assert is_upgrade(pending(buyer, user_agent=SHELL))
        assert is_upgrade(pending(buyer, in_query(OLD_SHELL)))

    @pytest.mark.parametrize("word", ["", "True", "1", "yes", "0", "on"])
    def test_takes_true_and_false_for_booleans(self, buyer: Buyer, word: str) -> None:
        answer = pending(buyer, {"miniProgramBridgeSupported": word})

        assert is_problem(answer, 400, "INVALID_REQUEST")

    @pytest.mark.parametrize("name", in_query(BRIDGE))
    def test_takes_no_words_without_end_and_names_them(self, buyer: Buyer, name: str) -> None:
        answer = pending(buyer, {name: "x" * 65})

        assert is_problem(answer, 400, "INVALID_REQUEST")
        assert [error["field"] for error in answer.json()["errors"]] == [name]


class TestWhatIsTold:
    def test_counts_every_wish_by_channel_and_code(self, buyer: Buyer, service: Service) -> None:
        def counted(channel: str, code: str) -> float:
            return metric(service, "guichet_prepares_total", channel=channel, code=code)

        words = (
            ("WECHAT_NATIVE", "OK"),
            ("MINIPROGRAM_BRIDGE", "MINI_PROGRAM_BRIDGE_REQUIRED"),
            ("WECHAT_JSAPI", "WECHAT_OPENID_REQUIRED"),
        )
        before = [counted(*pair) for pair in words]
        lose_openid(buyer)
        order = buyer.order(HOT).json()
        for context in (ELSEWHERE, OLD_SHELL, IN_WECHAT):
            prepare(buyer, order, context)

        assert [counted(*pair) for pair in words] == [count + 1 for count in before]

    def test_is_nothing_of_a_look_at_what_waits(self, buyer: Buyer, service: Service) -> None:
        def counted() -> list[str]:
            with service.client() as http:
                lines = http.get("/metrics").text.splitlines()
            return [line for line in lines if line.startswith("guichet_prepares_total")]

        lose_openid(buyer)
        order, before = buyer.order(HOT).json(), counted()
        for context in (ELSEWHERE, OLD_SHELL, IN_WECHAT):
            pending(buyer, in_query(context))

        assert counted() == before
        assert not any(
            order["orderNo"] in line and "payments.prepare" in line
            for line in service.log.read_text().splitlines()
        )

    def test_is_one_line_of_clean_words(self, buyer: Buyer, service: Service) -> None:
        order = buyer.order(HOT).json()
        dirty = {
            "shellVersion": 'x"\n\u2028{"event":"forged"}',
            "miniProgramBridgeVersion": "1" * 64,
        }
        prepare(buyer, order, BRIDGE | dirty)

        def told() -> list[dict[str, Any]]:
            return [
                entry
                for text in service.log.read_text().splitlines()
                if order["orderNo"] in text
                and (entry := msgspec.json.decode(text))["event"] == "payments.prepare"
            ]

        # An answer may be ahead of its line by a turn of the loop.
        wait_until(lambda: bool(told()))
        (line,) = told()
        assert line["orderId"] == order["orderId"]
        assert line["channel"] == "MINIPROGRAM_BRIDGE"
        assert line["code"] == "MINI_PROGRAM_BRIDGE_REQUIRED"
        assert line["environmentType"] == "miniprogram"
        assert line["shellVersion"] == "x?????event???forged??"
        assert line["bridgeVersion"] == "1" * 32
        assert line["bridgeSupported"] is True
        assert "lost_keys" not in line

    async def test_is_nothing_that_could_be_paid_with(
        self, buyer: Buyer, service: Service, database: Database
    ) -> None:
        openid = await database.fetchval("SELECT openid FROM users WHERE id = $1", buyer.user["id"])
        params = prepare(buyer, buyer.order(HOT).json(), IN_WECHAT).json()["jsapiParams"]

        log = service.log.read_text()
        secrets = (openid, params["package"].partition("=")[2], params["paySign"])
        assert not any(secret in log for secret in (*secrets, params["nonceStr"]))

    def test_counts_who_still_reads_the_legacy_fields(self, buyer: Buyer, service: Service) -> None:
        def counted() -> float:
            return metric(service, "guichet_legacy_fields_read_total", channel="WECHAT_NATIVE")

        order, before = buyer.order(HOT).json(), counted()
        prepare(buyer, order, ELSEWHERE)
        assert counted() == before

        prepare(buyer, order)
        assert counted() == before + 1


def metric(service: Service, name: str, **labels: str) -> float:
    """Read one number off the metrics page."""
    with service.client() as client:
        page = client.get("/metrics").text
    for line in page.splitlines():
        if line.startswith(f"{name}{{") and all(f'{k}="{v}"' in line for k, v in labels.items()):
            return float(line.rpartition(" ")[2])
    return 0.0
