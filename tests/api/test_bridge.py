"""The doors around the Mini Program bridge, over real HTTP against the simulator."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from models.engine import Database
from tests.api.service import STANDARD, Buyer, Service
from tests.api.test_doors import is_problem
from tests.jobs.rows import until_found
from tests.sandbox.simulator import APP_ID, OTHER_APP_ID, Simulator, wait_until

BASE = "/api/payments/wechat"
ADMIN = "/api/admin/bridge"
BRIDGE = {
    "environmentType": "miniprogram",
    "miniProgramBridgeSupported": True,
    "miniProgramBridgeVersion": "1.2.0",
    "shellVersion": "3.1.4",
}
STRANGER = "o" + "x" * 27


@pytest.fixture
async def admin(service: Service, database: Database) -> AsyncIterator[Buyer]:
    """Lend the gate to a test; other tests find it as the settings say."""
    admin = Buyer(service, "admin")
    yield admin
    admin.http.close()
    await database.execute("DELETE FROM bridge_gate")
    await asyncio.to_thread(wait_for_floor, service, "1.2.0")


def wait_for_floor(service: Service, version: str) -> None:
    """Wait until every process knows the floor: a run of answers is from both."""

    def is_known() -> bool:
        with service.client() as http:
            floor: str = http.get("/api/config").json()["minBridgeVersion"]
            return floor == version

    wait_until(lambda: all(is_known() for _ in range(32)))


@pytest.fixture
def other(service: Service) -> Iterator[Buyer]:
    other = Buyer(service)
    yield other
    other.http.close()


@pytest.fixture
async def openid(database: Database, buyer: Buyer) -> str:
    """Tell what the buyer is called in the Mini Program."""
    return await openid_in_mini_program(database, buyer)


async def openid_in_mini_program(database: Database, buyer: Buyer) -> str:
    return str(
        await database.fetchval(
            "SELECT openid FROM wechat_identities WHERE user_id = $1 AND appid = $2",
            buyer.user["id"],
            OTHER_APP_ID,
        )
    )


def an_order(buyer: Buyer) -> dict[str, Any]:
    """Buy in the Mini Program."""
    answer = buyer.order(STANDARD, prepare=True, clientContext=BRIDGE)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def ticket_of(buyer: Buyer, order: dict[str, Any]) -> httpx.Response:
    body = {"bizType": "EVENT_TICKET", "bizId": str(order["orderId"])}
    return buyer.http.post(f"{BASE}/bridge-ticket", json=body)


def redeem(service: Service, ticket: str, code: str) -> httpx.Response:
    with service.client() as anybody:
        return anybody.post(f"{BASE}/bridge-redeem", json={"ticket": ticket, "code": code})


def reports_in(metrics: str, channel: str, code: str) -> float:
    line = f'guichet_bridge_reports_total{{channel="{channel}",code="{code}"}} '
    found = [row for row in metrics.splitlines() if row.startswith(line)]
    return float(found[0].removeprefix(line)) if found else 0.0


def status_of(buyer: Buyer, order: dict[str, Any]) -> str:
    return str(buyer.http.get(f"/api/events/1/orders/{order['orderNo']}").json()["status"])


class TestTheGate:
    def test_is_shown_to_an_admin(self, admin: Buyer) -> None:
        assert admin.http.get(ADMIN).json() == {"rolloutPercent": 100, "minVersion": "1.2.0"}

    @pytest.mark.parametrize("role", ["buyer", "organizer"])
    def test_is_nobody_elses(self, service: Service, role: str) -> None:
        buyer = Buyer(service, role)
        body = {"rolloutPercent": 0, "minVersion": "9.9.9"}

        assert is_problem(buyer.http.get(ADMIN), 403, "FORBIDDEN")
        assert is_problem(buyer.http.put(ADMIN, json=body), 403, "FORBIDDEN")
        buyer.http.close()

    def test_changes_for_every_process_within_seconds(
        self, service: Service, admin: Buyer, buyer: Buyer
    ) -> None:
        changed = {"rolloutPercent": 0, "minVersion": "1.3"}
        assert admin.http.put(ADMIN, json=changed).json() == changed

        wait_for_floor(service, "1.3")
        refused = buyer.order(STANDARD, prepare=True, clientContext=BRIDGE)

        assert is_problem(refused, 400, "MINI_PROGRAM_BRIDGE_REQUIRED")
        assert refused.json()["minBridgeVersion"] == "1.3"

    async def test_remembers_who_changed_it(self, admin: Buyer, database: Database) -> None:
        admin.http.put(ADMIN, json={"rolloutPercent": 100, "minVersion": "1.2.1"})

        changes = "SELECT min_version FROM bridge_gate WHERE changed_by = $1"
        (row,) = await database.fetch(changes, admin.user["id"])
        assert row["min_version"] == "1.2.1"

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"rolloutPercent": 50},
            {"minVersion": "1.2.0"},
            *({"rolloutPercent": p, "minVersion": "1.2.0"} for p in (-1, 101, 1.0, "50", None)),
            *(
                {"rolloutPercent": 50, "minVersion": version}
                for version in ("", "v1", "1.2.0-beta", "1.2.0\n", "\uff11.2", "1" * 10, 1, None)
            ),
            {"rolloutPercent": 50, "minVersion": "1.2.0", "changedBy": 1},
        ],
        ids=str,
    )
    async def test_refuses_nonsense(
        self, admin: Buyer, database: Database, body: dict[str, object]
    ) -> None:
        assert is_problem(admin.http.put(ADMIN, json=body), 400, "INVALID_REQUEST")

        changes = "SELECT count(*) FROM bridge_gate WHERE changed_by = $1"
        assert await database.fetchval(changes, admin.user["id"]) == 0


class TestARequestThatIsRepeatedAfterTheGateWasClosed:
    @pytest.fixture
    def close(self, service: Service, admin: Buyer) -> Callable[[], None]:
        def close() -> None:
            admin.http.put(ADMIN, json={"rolloutPercent": 0, "minVersion": "1.3"})
            wait_for_floor(service, "1.3")

        return close

    @pytest.mark.parametrize("opens", [True, False])
    def test_gets_the_first_answer_again(
        self, buyer: Buyer, close: Callable[[], None], simulator: Simulator, *, opens: bool
    ) -> None:
        first = buyer.order(STANDARD, key="k", prepare=opens, clientContext=BRIDGE)
        close()
        again = buyer.order(STANDARD, key="k", prepare=opens, clientContext=BRIDGE)

        assert (first.status_code, again.status_code) == (201, 201)
        told, retold = first.json(), again.json()
        if opens:
            for answer in (told, retold):
                params = answer["payPayload"]["requestPaymentParams"]
                answer |= {"payPayload": params["package"], "jsapiParams": None}
        assert retold == told
        assert sum(simulator.calls(f"{told['orderNo']}01").values()) == opens

    def test_opens_nothing_that_is_not_open(
        self, buyer: Buyer, close: Callable[[], None], simulator: Simulator
    ) -> None:
        simulator.fault("jsapi", "error_500")
        order = buyer.order(STANDARD, key="k", prepare=True, clientContext=BRIDGE).json()
        close()
        again = buyer.order(STANDARD, key="k", prepare=True, clientContext=BRIDGE).json()

        assert order["prepareError"] == {"code": "PROVIDER_UNAVAILABLE"}
        assert (again["orderId"], again["payPayload"]) == (order["orderId"], None)
        assert again["prepareError"] == {"code": "MINI_PROGRAM_BRIDGE_REQUIRED"}
        assert sum(simulator.calls(f"{order['orderNo']}01").values()) == 1

    async def test_sells_nothing_to_a_key_that_is_new(
        self, buyer: Buyer, close: Callable[[], None], database: Database
    ) -> None:
        close()

        answer = buyer.order(STANDARD, key="k", prepare=True, clientContext=BRIDGE)

        assert is_problem(answer, 400, "MINI_PROGRAM_BRIDGE_REQUIRED")
        sold = "SELECT count(*) FROM orders WHERE user_id = $1"
        assert await database.fetchval(sold, buyer.user["id"]) == 0

    def test_is_not_mistaken_for_another_of_the_same_key(
        self, buyer: Buyer, close: Callable[[], None]
    ) -> None:
        buyer.order(STANDARD, key="k", clientContext=BRIDGE)
        close()
        other = buyer.order(STANDARD, key="k", quantity=2, clientContext=BRIDGE)

        assert is_problem(other, 422, "IDEMPOTENCY_MISMATCH")


class TestAReport:
    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"ok": True}, "OK"),
            ({"ok": True, "errCode": "PAY_FAILED"}, "OK"),
            ({"ok": False, "errCode": "PAY_CANCELLED", "errMsg": "cancel"}, "PAY_CANCELLED"),
            ({"ok": False, "errCode": "BRIDGE_TIMEOUT", "shellVersion": "1"}, "BRIDGE_TIMEOUT"),
            ({"ok": False, "errCode": "a word of my own"}, "OTHER"),
            ({"ok": False}, "OTHER"),
        ],
        ids=str,
    )
    def test_is_counted_by_channel_and_code(
        self, buyer: Buyer, fields: dict[str, object], code: str
    ) -> None:
        order = an_order(buyer)
        before = reports_in(buyer.http.get("/metrics").text, "MINIPROGRAM_BRIDGE", code)

        answer = buyer.http.post(
            f"{BASE}/bridge-report", json={"orderNo": order["orderNo"]} | fields
        )

        after = reports_in(buyer.http.get("/metrics").text, "MINIPROGRAM_BRIDGE", code)
        assert (answer.status_code, answer.content) == (204, b"")
        assert after == before + 1

    async def test_of_success_changes_no_order(self, buyer: Buyer, database: Database) -> None:
        order = an_order(buyer)
        before = await database.fetchrow("SELECT * FROM orders WHERE id = $1", order["orderId"])

        for _ in range(5):
            body = {"orderNo": order["orderNo"], "ok": True}
            buyer.http.post(f"{BASE}/bridge-report", json=body)
        # The look it may have started is over when the provider has been asked.
        asked = "SELECT asked_at IS NOT NULL FROM payment_attempts WHERE order_id = {}"
        await until_found(database, asked.format(order["orderId"]))
        buyer.http.post(f"/api/events/1/orders/{order['orderNo']}/query")

        after = await database.fetchrow("SELECT * FROM orders WHERE id = $1", order["orderId"])
        assert after == before

    def test_of_success_lets_the_provider_be_asked(
        self, buyer: Buyer, simulator: Simulator
    ) -> None:
        order = an_order(buyer)
        trades = simulator.control.get("/control/trades", params={"order_no": order["orderNo"]})
        (trade,) = trades.json()["trades"]
        simulator.act(trade["out_trade_no"], "pay", drop=True)

        body = {"orderNo": order["orderNo"], "ok": True}
        buyer.http.post(f"{BASE}/bridge-report", json=body)

        wait_until(lambda: status_of(buyer, order) == "PAID")

    def test_of_somebody_elses_order_is_not_found(self, buyer: Buyer, other: Buyer) -> None:
        order = an_order(buyer)
        for number in (order["orderNo"], str(order["orderId"]), "G000000000000000", ""):
            answer = other.http.post(f"{BASE}/bridge-report", json={"orderNo": number, "ok": True})

            assert is_problem(answer, 404, "NOT_FOUND")

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"orderNo": "G000000000000000"},
            {"orderNo": 1, "ok": True},
            {"orderNo": "G000000000000000", "ok": "true"},
            {"orderNo": "G000000000000000", "ok": True, "status": "PAID"},
            {"orderNo": "G000000000000000", "ok": False, "errCode": "x" * 65},
            {"orderNo": "G000000000000000", "ok": False, "errMsg": "x" * 1025},
        ],
        ids=lambda body: str(body)[:60],
    )
    def test_is_of_its_form(self, buyer: Buyer, body: dict[str, object]) -> None:
        assert is_problem(
            buyer.http.post(f"{BASE}/bridge-report", json=body), 400, "INVALID_REQUEST"
        )


class TestATicket:
    def test_is_redeemed_for_parameters_that_the_merchant_signed(
        self, service: Service, buyer: Buyer, simulator: Simulator, openid: str
    ) -> None:
        order = an_order(buyer)
        minted = ticket_of(buyer, order)
        code = simulator.log_in(OTHER_APP_ID, openid)

        answer = redeem(service, minted.json()["ticket"], code)

        params = answer.json()["requestPaymentParams"]
        text = "".join(
            f"{params[name]}\n" for name in ("appId", "timeStamp", "nonceStr", "package")
        )
        assert (minted.status_code, answer.status_code) == (201, 200)
        assert params["appId"] == OTHER_APP_ID
        assert params["orderNo"] == order["orderNo"]
        assert params["package"] == order["payPayload"]["requestPaymentParams"]["package"]
        assert params["nonceStr"] != order["payPayload"]["requestPaymentParams"]["nonceStr"]
        merchant = simulator.keyring.merchant.public_key()
        merchant.verify(base64.b64decode(params["paySign"]), text.encode(), PKCS1v15(), SHA256())

    def test_is_redeemed_once_by_fifty_at_once(
        self, service: Service, buyer: Buyer, simulator: Simulator, openid: str
    ) -> None:
        ticket = ticket_of(buyer, an_order(buyer)).json()["ticket"]
        codes = [simulator.log_in(OTHER_APP_ID, openid) for _ in range(50)]

        with ThreadPoolExecutor(50) as crowd:
            answers = list(crowd.map(lambda code: redeem(service, ticket, code), codes))

        assert sorted(answer.status_code for answer in answers) == [200] + 49 * [401]
        refused = next(answer for answer in answers if answer.status_code == 401)
        assert is_problem(refused, 401, "BRIDGE_TICKET_INVALID")

    def test_is_used_up_by_another_account(
        self, service: Service, buyer: Buyer, simulator: Simulator, openid: str
    ) -> None:
        ticket = ticket_of(buyer, an_order(buyer)).json()["ticket"]

        stolen = redeem(service, ticket, simulator.log_in(OTHER_APP_ID, STRANGER))
        own = redeem(service, ticket, simulator.log_in(OTHER_APP_ID, openid))

        assert is_problem(stolen, 403, "PAYER_MISMATCH")
        assert is_problem(own, 401, "BRIDGE_TICKET_INVALID")

    def test_is_used_up_by_a_code_that_is_none(
        self, service: Service, buyer: Buyer, simulator: Simulator, openid: str
    ) -> None:
        ticket = ticket_of(buyer, an_order(buyer)).json()["ticket"]

        wrong = redeem(service, ticket, "no code of anybody's")
        right = redeem(service, ticket, simulator.log_in(OTHER_APP_ID, openid))

        assert is_problem(wrong, 400, "WECHAT_CODE_REFUSED")
        assert is_problem(right, 401, "BRIDGE_TICKET_INVALID")

    @pytest.mark.parametrize("fault", ["rate_limited", "error_500"])
    def test_is_still_good_when_wechat_did_not_answer(
        self, service: Service, buyer: Buyer, simulator: Simulator, openid: str, fault: str
    ) -> None:
        ticket = ticket_of(buyer, an_order(buyer)).json()["ticket"]
        simulator.fault("jscode2session", fault)

        away = redeem(service, ticket, simulator.log_in(OTHER_APP_ID, openid))
        again = redeem(service, ticket, simulator.log_in(OTHER_APP_ID, openid))

        assert is_problem(away, 503, "PROVIDER_UNAVAILABLE")
        assert again.status_code == 200

    @pytest.mark.parametrize("ticket", ["0" * 32, "x", "\u2028" * 100])
    def test_that_nobody_made_opens_nothing(self, service: Service, ticket: str) -> None:
        assert is_problem(redeem(service, ticket, "code"), 401, "BRIDGE_TICKET_INVALID")

    async def test_opens_nothing_after_a_minute(
        self,
        service: Service,
        buyer: Buyer,
        simulator: Simulator,
        openid: str,
        database: Database,
    ) -> None:
        ticket = ticket_of(buyer, an_order(buyer)).json()["ticket"]
        await database.execute(
            """UPDATE one_time_tokens SET created_at = created_at - interval '1 min',
                 expires_at = expires_at - interval '1 min' WHERE user_id = $1""",
            buyer.user["id"],
        )

        answer = redeem(service, ticket, simulator.log_in(OTHER_APP_ID, openid))

        assert is_problem(answer, 401, "BRIDGE_TICKET_INVALID")

    def test_of_an_order_that_was_left_opens_nothing(
        self, service: Service, buyer: Buyer, simulator: Simulator, openid: str
    ) -> None:
        order = an_order(buyer)
        ticket = ticket_of(buyer, order).json()["ticket"]
        buyer.http.post(f"/api/events/1/orders/{order['orderNo']}/cancel")

        answer = redeem(service, ticket, simulator.log_in(OTHER_APP_ID, openid))

        assert is_problem(answer, 409, "ORDER_CANCELLED")

    def test_of_a_payment_that_moved_elsewhere_opens_nothing(
        self, service: Service, buyer: Buyer, simulator: Simulator, openid: str
    ) -> None:
        order = an_order(buyer)
        ticket = ticket_of(buyer, order).json()["ticket"]
        body = {"bizType": "EVENT_TICKET", "bizId": order["orderNo"]}
        assert buyer.http.post(f"{BASE}/prepare", json=body).json()["channel"] == "WECHAT_NATIVE"

        answer = redeem(service, ticket, simulator.log_in(OTHER_APP_ID, openid))

        assert is_problem(answer, 409, "INVALID_STATE")
        assert is_problem(ticket_of(buyer, order), 409, "INVALID_STATE")

    def test_is_not_made_while_the_bridge_is_switched_off(
        self, service: Service, admin: Buyer, buyer: Buyer
    ) -> None:
        order = an_order(buyer)
        admin.http.put(ADMIN, json={"rolloutPercent": 0, "minVersion": "1.3"})
        wait_for_floor(service, "1.3")

        refused = ticket_of(buyer, order)

        assert is_problem(refused, 400, "MINI_PROGRAM_BRIDGE_REQUIRED")
        assert refused.json()["requiresUpgrade"] is True
        assert refused.json()["minBridgeVersion"] == "1.3"

    def test_needs_a_payment_that_is_prepared_for_the_bridge(self, buyer: Buyer) -> None:
        order = buyer.order(STANDARD).json()

        assert is_problem(ticket_of(buyer, order), 409, "INVALID_STATE")

    def test_is_made_for_orders_of_ones_own(self, buyer: Buyer, other: Buyer) -> None:
        order = an_order(buyer)

        assert is_problem(ticket_of(other, order), 404, "NOT_FOUND")

    def test_is_made_for_known_kinds_of_business(self, buyer: Buyer) -> None:
        body = {"bizType": "COURSE", "bizId": "1"}
        answer = buyer.http.post(f"{BASE}/bridge-ticket", json=body)

        assert is_problem(answer, 400, "BIZ_TYPE_UNSUPPORTED")

    async def test_leaves_nothing_behind_that_could_be_used(
        self, service: Service, buyer: Buyer, openid: str, simulator: Simulator, database: Database
    ) -> None:
        ticket = ticket_of(buyer, an_order(buyer)).json()["ticket"]
        code = simulator.log_in(OTHER_APP_ID, openid)
        assert redeem(service, ticket, code).status_code == 200

        rows = await database.fetch("SELECT one_time_tokens::text AS row FROM one_time_tokens")
        log = service.log.read_text()
        assert not any(ticket in row["row"] for row in rows)
        assert all(secret not in log for secret in (ticket, code, openid))


class TestASignIn:
    async def test_gives_an_openid_at_each_app(self, buyer: Buyer, database: Database) -> None:
        own = await database.fetchval("SELECT openid FROM users WHERE id = $1", buyer.user["id"])
        other = await openid_in_mini_program(database, buyer)

        assert own[0] == other[0] == "o"
        assert own != other
        assert APP_ID != OTHER_APP_ID

    async def test_without_an_openid_has_none_anywhere(
        self, service: Service, buyer: Buyer, database: Database
    ) -> None:
        with service.client() as http:
            http.post("/api/auth/sandbox-login", json={"name": buyer.name, "openid": False})

        row = await database.fetchrow(
            """SELECT openid, (SELECT count(*) FROM wechat_identities WHERE user_id = users.id)
               FROM users WHERE id = $1""",
            buyer.user["id"],
        )
        assert row is not None
        assert tuple(row) == (None, 0)
