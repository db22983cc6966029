"""Binding WeChat accounts, so that who could not pay can."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from models.engine import Database
from tests.api.service import STANDARD, Buyer, Service, running_service
from tests.api.test_bridge import BASE, BRIDGE
from tests.api.test_doors import is_problem
from tests.sandbox.simulator import APP_ID, OTHER_APP_ID, Simulator

WECHAT = {"environmentType": "wechat"}
NEW = "o" + "n" * 27
BOUND = {"bound": True}


@pytest.fixture
def nameless(service: Service) -> Iterator[Buyer]:
    """Somebody of whom WeChat has not told us the name."""
    buyer = Buyer(service)
    buyer.http.post("/api/auth/sandbox-login", json={"name": buyer.name, "openid": False})
    yield buyer
    buyer.http.close()


def post(buyer: Buyer, door: str, **fields: object) -> httpx.Response:
    return buyer.http.post(f"{BASE}/{door}", json=fields)


def prepare(buyer: Buyer, order_id: int, context: dict[str, Any]) -> httpx.Response:
    body = {"bizType": "EVENT_TICKET", "bizId": str(order_id), "clientContext": context}
    return buyer.http.post(f"{BASE}/prepare", json=body)


def come_back(url: str, openid: str) -> dict[str, str]:
    """Follow the browser to the authorization page as *openid*, up to where it sends us."""
    answer = httpx.get(f"{url.partition('#')[0]}&openid={openid}", trust_env=False)
    words = parse_qs(urlsplit(answer.headers["location"]).query)
    return {name: words[name][0] for name in ("code", "state")}


async def openids(database: Database, buyer: Buyer) -> tuple[str | None, str | None]:
    """Read what a buyer is called at the service account and in the Mini Program."""
    row = await database.fetchrow(
        """SELECT openid, (SELECT openid FROM wechat_identities
                           WHERE user_id = users.id AND appid = $2) AS other
           FROM users WHERE id = $1""",
        buyer.user["id"],
        OTHER_APP_ID,
    )
    assert row is not None
    return row["openid"], row["other"]


class TestABuyerWithoutAName:
    def test_can_pay_in_the_mini_program_after_binding_it(
        self, nameless: Buyer, simulator: Simulator
    ) -> None:
        refused = nameless.order(STANDARD, prepare=True, clientContext=BRIDGE)
        bound = post(nameless, "bind-mini-openid", code=simulator.log_in(OTHER_APP_ID, NEW))
        answer = prepare(nameless, refused.json()["orderId"], BRIDGE)

        assert is_problem(refused, 400, "WECHAT_OPENID_REQUIRED")
        assert (bound.status_code, bound.json()) == (200, BOUND)
        params = answer.json()["payPayload"]["requestPaymentParams"]
        assert params["appId"] == OTHER_APP_ID

    def test_can_pay_in_the_browser_after_consenting(self, nameless: Buyer) -> None:
        refused = nameless.order(STANDARD, prepare=True, clientContext=WECHAT)
        begun = post(nameless, "h5-bind-state")
        back = come_back(begun.json()["authorizeUrl"], NEW)
        bound = post(nameless, "bind-openid", **back)
        answer = prepare(nameless, refused.json()["orderId"], WECHAT)

        assert is_problem(refused, 400, "WECHAT_OPENID_REQUIRED")
        assert begun.status_code == 201
        assert back["state"] == begun.json()["state"]
        assert (bound.status_code, bound.json()) == (200, BOUND)
        assert answer.json()["payPayload"]["jsapiParams"]["appId"] == APP_ID

    def test_can_pay_after_the_mini_program_bound_it_by_a_token(
        self, service: Service, nameless: Buyer, simulator: Simulator
    ) -> None:
        refused = nameless.order(STANDARD, prepare=True, clientContext=BRIDGE)
        token = post(nameless, "mini-bind-token")
        with service.client() as shell:
            body = {
                "bindToken": token.json()["bindToken"],
                "code": simulator.log_in(OTHER_APP_ID, NEW),
            }
            bound = shell.post(f"{BASE}/bind-mini-openid-with-token", json=body)
        answer = prepare(nameless, refused.json()["orderId"], BRIDGE)

        assert is_problem(refused, 400, "WECHAT_OPENID_REQUIRED")
        assert (token.status_code, len(token.json()["bindToken"])) == (201, 48)
        assert (bound.status_code, bound.json()) == (200, BOUND)
        assert answer.status_code == 200


class TestABinding:
    async def test_replaces_the_one_before(
        self, buyer: Buyer, simulator: Simulator, database: Database
    ) -> None:
        own, other = await openids(database, buyer)

        post(buyer, "bind-mini-openid", code=simulator.log_in(OTHER_APP_ID, NEW))

        assert other not in (None, NEW)
        assert await openids(database, buyer) == (own, NEW)

    async def test_in_the_browser_leaves_the_mini_programs_alone(
        self, buyer: Buyer, database: Database
    ) -> None:
        _, other = await openids(database, buyer)

        back = come_back(post(buyer, "h5-bind-state").json()["authorizeUrl"], NEW)
        post(buyer, "bind-openid", **back)

        assert await openids(database, buyer) == (NEW, other)

    async def test_by_a_code_that_is_none_changes_nothing(
        self, buyer: Buyer, simulator: Simulator, database: Database
    ) -> None:
        before = await openids(database, buyer)
        used = simulator.log_in(OTHER_APP_ID, NEW)
        assert post(buyer, "bind-mini-openid", code=used).status_code == 200
        post(buyer, "bind-mini-openid", code=simulator.log_in(OTHER_APP_ID, before[1] or ""))

        for code in (used, "x", "x" * 256, "\u2028", simulator.log_in(APP_ID, NEW)):
            answer = post(buyer, "bind-mini-openid", code=code)
            assert is_problem(answer, 400, "WECHAT_CODE_REFUSED")

        assert await openids(database, buyer) == before

    def test_tries_again_when_wechat_is_away(self, buyer: Buyer, simulator: Simulator) -> None:
        simulator.fault("jscode2session", "rate_limited")
        code = simulator.log_in(OTHER_APP_ID, NEW)

        away = post(buyer, "bind-mini-openid", code=code)
        again = post(buyer, "bind-mini-openid", code=code)

        assert is_problem(away, 503, "PROVIDER_UNAVAILABLE")
        assert again.json() == BOUND

    @pytest.mark.parametrize("door", ["bind-mini-openid", "bind-openid"])
    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"code": "", "state": "s"},
            {"code": 1, "state": "s"},
            {"code": "x" * 257, "state": "s"},
            {"code": None, "state": "s"},
            {"code": "x", "state": "s", "openid": NEW},
            {"code": "x", "state": "s", "userId": 1},
        ],
        ids=lambda fields: str(fields)[:40],
    )
    def test_is_of_its_form(self, buyer: Buyer, door: str, fields: dict[str, object]) -> None:
        assert is_problem(post(buyer, door, **fields), 400, "INVALID_REQUEST")


class TestADoorThatIsToldNothing:
    @pytest.mark.parametrize("door", ["mini-bind-token", "h5-bind-state"])
    @pytest.mark.parametrize("body", ["", "{}", " {} "])
    def test_takes_an_empty_body(self, buyer: Buyer, door: str, body: str) -> None:
        assert buyer.http.post(f"{BASE}/{door}", content=body).status_code == 201

    @pytest.mark.parametrize("door", ["mini-bind-token", "h5-bind-state"])
    @pytest.mark.parametrize("body", ['{"x":1}', "garbage", "[]", "null", "1", "{}{}", "\x00"])
    def test_takes_no_words(self, buyer: Buyer, door: str, body: str) -> None:
        answer = buyer.http.post(f"{BASE}/{door}", content=body)

        assert is_problem(answer, 400, "INVALID_REQUEST")


class TestABindToken:
    def test_binds_once_of_fifty_at_once(
        self, service: Service, buyer: Buyer, simulator: Simulator
    ) -> None:
        token = post(buyer, "mini-bind-token").json()["bindToken"]
        codes = [simulator.log_in(OTHER_APP_ID, NEW) for _ in range(50)]

        def bind(code: str) -> httpx.Response:
            with service.client() as shell:
                body = {"bindToken": token, "code": code}
                return shell.post(f"{BASE}/bind-mini-openid-with-token", json=body)

        with ThreadPoolExecutor(50) as crowd:
            answers = list(crowd.map(bind, codes))

        assert sorted(answer.status_code for answer in answers) == [200] + 49 * [401]
        refused = next(answer for answer in answers if answer.status_code == 401)
        assert is_problem(refused, 401, "BIND_TOKEN_INVALID")

    @pytest.mark.parametrize("fault", ["rate_limited", "error_500"])
    def test_is_still_good_when_wechat_did_not_answer(
        self, buyer: Buyer, simulator: Simulator, fault: str
    ) -> None:
        token = post(buyer, "mini-bind-token").json()["bindToken"]
        simulator.fault("jscode2session", fault)

        away, again = (
            post(
                buyer,
                "bind-mini-openid-with-token",
                bindToken=token,
                code=simulator.log_in(OTHER_APP_ID, NEW),
            )
            for _ in range(2)
        )

        assert is_problem(away, 503, "PROVIDER_UNAVAILABLE")
        assert again.json() == BOUND

    @pytest.mark.parametrize("kind", ["ticket", "state", "guess"])
    def test_is_no_other_thing(self, buyer: Buyer, simulator: Simulator, kind: str) -> None:
        order = buyer.order(STANDARD, prepare=True, clientContext=BRIDGE).json()
        biz = {"bizType": "EVENT_TICKET", "bizId": order["orderNo"]}
        secrets = {
            "ticket": post(buyer, "bridge-ticket", **biz).json()["ticket"],
            "state": post(buyer, "h5-bind-state").json()["state"],
            "guess": "0" * 48,
        }
        code = simulator.log_in(OTHER_APP_ID, NEW)

        answer = post(buyer, "bind-mini-openid-with-token", bindToken=secrets[kind], code=code)

        assert is_problem(answer, 401, "BIND_TOKEN_INVALID")

    async def test_is_over_after_five_minutes(
        self, buyer: Buyer, simulator: Simulator, database: Database
    ) -> None:
        token = post(buyer, "mini-bind-token").json()["bindToken"]
        await database.execute(
            """UPDATE one_time_tokens SET created_at = created_at - interval '5 min',
                 expires_at = expires_at - interval '5 min' WHERE user_id = $1""",
            buyer.user["id"],
        )
        code = simulator.log_in(OTHER_APP_ID, NEW)

        answer = post(buyer, "bind-mini-openid-with-token", bindToken=token, code=code)

        assert is_problem(answer, 401, "BIND_TOKEN_INVALID")


class TestAState:
    async def test_is_only_for_who_set_out(
        self, service: Service, buyer: Buyer, database: Database
    ) -> None:
        thief = Buyer(service)
        before = await openids(database, thief)
        back = come_back(post(buyer, "h5-bind-state").json()["authorizeUrl"], NEW)

        stolen = post(thief, "bind-openid", **back)
        own = post(buyer, "bind-openid", **back)

        assert is_problem(stolen, 400, "BIND_STATE_INVALID")
        assert await openids(database, thief) == before
        assert own.json() == BOUND
        thief.http.close()

    def test_is_used_up_by_coming_back(self, buyer: Buyer, simulator: Simulator) -> None:
        back = come_back(post(buyer, "h5-bind-state").json()["authorizeUrl"], NEW)
        assert post(buyer, "bind-openid", **back).json() == BOUND

        again = back | {"code": simulator.log_in(APP_ID, NEW)}

        assert is_problem(post(buyer, "bind-openid", **again), 400, "BIND_STATE_INVALID")

    def test_of_ones_own_making_is_none(self, buyer: Buyer, simulator: Simulator) -> None:
        code = simulator.log_in(APP_ID, NEW)

        for state in ("0" * 32, "x", "\u2028"):
            answer = post(buyer, "bind-openid", code=code, state=state)
            assert is_problem(answer, 400, "BIND_STATE_INVALID")


class TestAPaymentPreparedForAnother:
    def test_is_prepared_anew_after_a_binding(self, buyer: Buyer, simulator: Simulator) -> None:
        order = buyer.order(STANDARD, prepare=True, clientContext=BRIDGE).json()
        post(buyer, "bind-mini-openid", code=simulator.log_in(OTHER_APP_ID, NEW))

        answer = prepare(buyer, order["orderId"], BRIDGE).json()

        before = order["payPayload"]["requestPaymentParams"]["package"]
        after = answer["payPayload"]["requestPaymentParams"]["package"]
        assert after != before


class TestAMiniProgramWithoutAnAppOfItsOwn:
    @pytest.fixture
    def shared(
        self, environ: dict[str, str], api_home: Path, request: pytest.FixtureRequest
    ) -> Iterator[Service]:
        """Run a service whose Mini Program has no app id, or the service account's."""
        changes = {"WECHAT_MINIPROGRAM_APP_ID": request.param, "WECHAT_MINIPROGRAM_APP_SECRET": ""}
        folder = api_home / f"shared {request.param}"
        with running_service(environ, folder, API_WORKERS="1", **changes) as service:
            yield service

    @pytest.mark.parametrize("shared", ["", APP_ID], indirect=True)
    async def test_knows_people_by_their_one_name(
        self, shared: Service, simulator: Simulator, database: Database
    ) -> None:
        buyer = Buyer(shared)
        before = await openids(database, buyer)

        bound = post(buyer, "bind-mini-openid", code=simulator.log_in(APP_ID, NEW))
        order = buyer.order(STANDARD, prepare=True, clientContext=BRIDGE).json()
        ticket = post(buyer, "bridge-ticket", bizType="EVENT_TICKET", bizId=order["orderNo"])
        words = {"ticket": ticket.json()["ticket"], "code": simulator.log_in(APP_ID, NEW)}
        redeemed = post(buyer, "bridge-redeem", **words)

        assert before[1] is None
        assert bound.json() == BOUND
        assert await openids(database, buyer) == (NEW, None)
        assert order["payPayload"]["requestPaymentParams"]["appId"] == APP_ID
        assert redeemed.json()["requestPaymentParams"]["appId"] == APP_ID
        buyer.http.close()


OF_THE_PROGRAM: dict[str, dict[str, object]] = {
    "mini-bind-token": {},
    "bind-mini-openid": {"code": "x"},
    "bind-mini-openid-with-token": {"code": "x", "bindToken": "y"},
    "bridge-redeem": {"code": "x", "ticket": "y"},
}
OF_THE_ACCOUNT: dict[str, dict[str, object]] = {
    "h5-bind-state": {},
    "bind-openid": {"code": "x", "state": "y"},
}
PROGRAM, ACCOUNT = "WECHAT_MINIPROGRAM_APP_SECRET", "WECHAT_SERVICE_ACCOUNT_APP_SECRET"


class TestAServiceThatCannotAskWechat:
    @pytest.mark.parametrize(
        ("missing", "bodies"),
        [
            ([PROGRAM, ACCOUNT], OF_THE_PROGRAM | OF_THE_ACCOUNT),
            ([PROGRAM], OF_THE_PROGRAM),
            ([ACCOUNT], OF_THE_ACCOUNT),
        ],
        ids=["anything", "about the program", "about the account"],
    )
    def test_says_so(
        self,
        environ: dict[str, str],
        api_home: Path,
        missing: list[str],
        bodies: dict[str, dict[str, object]],
    ) -> None:
        changes = dict.fromkeys(missing, "") | {"API_WORKERS": "1"}
        with running_service(environ, api_home / "mute", **changes) as service:
            buyer = Buyer(service)
            answers = [post(buyer, door, **fields) for door, fields in bodies.items()]
            order = buyer.order(STANDARD, prepare=True, clientContext=BRIDGE).json()
            ticket = post(buyer, "bridge-ticket", bizType="EVENT_TICKET", bizId=order["orderNo"])
            buyer.http.close()

        assert ticket.status_code == (503 if PROGRAM in missing else 201)
        for answer in [*answers, *([ticket] if PROGRAM in missing else [])]:
            assert is_problem(answer, 503, "PROVIDER_NOT_CONFIGURED")
            assert answer.headers["retry-after"]
