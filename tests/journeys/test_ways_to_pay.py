"""Paying one order from a desktop, the WeChat browser and the Mini Program, as it was specified.

The tests are named after the scenarios that the specification tells.
"""

import asyncio
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from models.engine import Database
from sandbox.supervisor.keys import Secrets, keys_of
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
    verify_pay_sign,
)
from tests.journeys.service import Person, Service, act, eventually, trade_status

pytestmark = pytest.mark.xdist_group("service")

ORDERS = "/api/events/1/orders"
HOT = 3
_names = count(1)


class Payer(Person):
    """Somebody who says where they are."""

    def __init__(self, service: Service) -> None:
        super().__init__(service, f"payer-{next(_names)}")

    def create(
        self, context: dict[str, Any] | None = None, *, user_agent: str = DESKTOP
    ) -> httpx.Response:
        """Buy one of the hot tickets."""
        wanted: dict[str, Any] = {"ticketTypeId": HOT}
        if context is not None:
            wanted["clientContext"] = context
        return self.service.client.post(ORDERS, json=wanted, headers=self._as(user_agent))

    def prepare(
        self, order: dict[str, Any], context: dict[str, Any] | None, *, user_agent: str = DESKTOP
    ) -> httpx.Response:
        """Ask for a way to pay."""
        body = {"bizType": "EVENT_TICKET", "bizId": order["orderNo"], "clientContext": context}
        return self.service.client.post(PREPARE, json=body, headers=self._as(user_agent))

    def resume(
        self, context: dict[str, Any] | None = None, *, user_agent: str = DESKTOP
    ) -> httpx.Response:
        """Come back to what waits."""
        return self.service.client.get(
            f"{ORDERS}/pending", params=in_query(context or {}), headers=self._as(user_agent)
        )

    def _as(self, user_agent: str) -> dict[str, str]:
        return self.headers | {"User-Agent": user_agent}


@pytest.fixture
def payer(service: Service) -> Payer:
    """Sign somebody new in."""
    return Payer(service)


@pytest.fixture(scope="session")
def merchant_key(service_home: Path, service: Service) -> RSAPublicKey:  # noqa: ARG001
    """Read the key WeChat would check our signatures with."""
    key = load_pem_public_key(keys_of(service_home).merchant_public_key.read_bytes())
    assert isinstance(key, RSAPublicKey)
    return key


@pytest.fixture(scope="session")
def secrets(service_home: Path, service: Service) -> Secrets:  # noqa: ARG001
    """Read whose apps the house pays by."""
    return keys_of(service_home).secrets


def is_paid(payer: Payer, order: dict[str, Any]) -> bool:
    return bool(payer.see(1, order["orderId"])["status"] == "PAID")


def is_refused(answer: httpx.Response) -> bool:
    body = answer.json()
    return (
        answer.status_code == 400
        and answer.headers["content-type"] == "application/problem+json"
        and body["code"] == "MINI_PROGRAM_BRIDGE_REQUIRED"
        and body["requiresUpgrade"] is True
        and body["minBridgeVersion"] == "1.2.0"
        and not {"channel", "payPayload", "codeUrl", "jsapiParams"} & body.keys()
    )


class TestTheOrderResponseIncludesAChannelizedPaymentPayload:
    """Requirement: the order's answer says how the right WeChat payment is started."""

    async def test_mini_program_bridge_channel_is_returned_for_a_supported_shell(
        self, payer: Payer, secrets: Secrets, merchant_key: RSAPublicKey, books: Database
    ) -> None:
        answer = payer.create(BRIDGE, user_agent=SHELL)

        assert answer.status_code == 201
        order = answer.json()
        assert order["channel"] == "MINIPROGRAM_BRIDGE"
        params = order["payPayload"]["requestPaymentParams"]
        assert params.keys() == SIGNED | {"orderNo"}
        assert params["appId"] == secrets.mini_program_app_id
        assert params["orderNo"] == order["orderNo"]
        verify_pay_sign(params, merchant_key)

        act(payer.service, f"{order['orderNo']}01")
        await asyncio.to_thread(eventually, lambda: is_paid(payer, order))
        assert (
            await books.fetchval("SELECT channel FROM orders WHERE id = $1", order["orderId"])
            == "MINIPROGRAM_BRIDGE"
        )


class TestMiniProgramBridgeAvailabilityIsMandatory:
    """Requirement: who cannot pay inside the Mini Program is told so, and offered nothing else."""

    @pytest.mark.parametrize(
        "missing",
        [
            {"miniProgramBridgeSupported": False},
            {"miniProgramBridgeVersion": "1.1.9"},
            {"miniProgramBridgeSupported": None},
            {"miniProgramBridgeVersion": None},
        ],
        ids=["unsupported", "below the floor", "not said", "no version"],
    )
    async def test_bridge_capability_is_missing_in_mini_program_context(
        self, payer: Payer, missing: dict[str, Any], books: Database
    ) -> None:
        context = {name: v for name, v in (BRIDGE | missing).items() if v is not None}

        assert is_refused(payer.create(context, user_agent=SHELL))
        assert payer.resume().status_code == 204

        order = payer.create(ELSEWHERE).json()
        opened = "SELECT count(*) FROM payment_attempts WHERE order_id = $1"
        for answer in (
            payer.create(context, user_agent=SHELL),
            payer.resume(context, user_agent=SHELL),
            payer.prepare(order, context, user_agent=SHELL),
        ):
            assert is_refused(answer)
        assert await books.fetchval(opened, order["orderId"]) == 1
        assert payer.see(1, order["orderId"])["status"] == "PENDING"

    def test_a_shell_cannot_claim_to_be_something_else(self, payer: Payer) -> None:
        for claim in (ELSEWHERE, IN_WECHAT, {}, None):
            assert is_refused(payer.create(claim, user_agent=SHELL))


class TestTheEventTicketFlowUsesTheSharedPreparation:
    """Requirement: create, resume and prepare shape a payment in one place."""

    @pytest.mark.parametrize(
        ("context", "user_agent", "channel"),
        [
            (BRIDGE, SHELL, "MINIPROGRAM_BRIDGE"),
            (None, WECHAT, "WECHAT_JSAPI"),
            (None, DESKTOP, "WECHAT_NATIVE"),
        ],
        ids=["bridge at exactly its floor", "WeChat on an iPhone", "Chrome on a desktop"],
    )
    def test_event_ticket_prepare_delegates_to_shared_payment_orchestration(
        self, payer: Payer, context: dict[str, Any] | None, user_agent: str, channel: str
    ) -> None:
        made = payer.create(context, user_agent=user_agent).json()
        again = payer.create(context, user_agent=user_agent).json()
        resumed = payer.resume(context, user_agent=user_agent).json()
        prepared = payer.prepare(made, context, user_agent=user_agent).json()

        assert made["channel"] == channel
        for answer in (again, resumed, prepared):
            assert same(answer) == same(made) | {"isExisting": True}


def same(answer: dict[str, Any]) -> dict[str, Any]:
    """Leave out what every signature has of its own."""
    fresh = {"nonceStr", "timeStamp", "paySign"}
    return {
        name: same(member) if isinstance(member, dict) else member
        for name, member in answer.items()
        if name not in fresh
    }


class TestABridgeCallbackDoesNotBypassSettlement:
    """Requirement: money's word is the provider's; what a page says is none."""

    async def test_bridge_invocation_succeeds_but_final_status_is_pending(
        self, payer: Payer, books: Database
    ) -> None:
        order = payer.create(BRIDGE, user_agent=SHELL).json()
        report = {"orderNo": order["orderNo"], "ok": True, "bridgeVersion": "1.2.0"}
        answer = payer.service.client.post(
            "/api/payments/wechat/bridge-report", json=report, headers=payer.headers
        )

        assert answer.status_code == 204
        assert payer.see(1, order["orderId"])["status"] == "PENDING"

        act(payer.service, f"{order['orderNo']}01")
        await asyncio.to_thread(eventually, lambda: is_paid(payer, order))
        source = "SELECT source FROM payments WHERE order_id = $1"
        assert await books.fetchval(source, order["orderId"]) in ("notice", "query")


class TestAChangeOfPlace:
    """The same order, started at the desk and finished on the phone."""

    async def test_closes_what_was_open_and_pays_what_is_shown(
        self, payer: Payer, service: Service, merchant_key: RSAPublicKey, books: Database
    ) -> None:
        order = payer.create(ELSEWHERE).json()
        moved = payer.prepare(order, IN_WECHAT, user_agent=WECHAT).json()

        params = moved["payPayload"]["jsapiParams"]
        verify_pay_sign(params, merchant_key)
        closed = f"{order['orderNo']}01"
        await asyncio.to_thread(eventually, lambda: trade_status(service, closed) == "CLOSED")

        act(service, f"{order['orderNo']}02")
        await asyncio.to_thread(eventually, lambda: is_paid(payer, order))
        kept = "SELECT attempt_no FROM payments WHERE order_id = $1 AND honoured"
        assert await books.fetchval(kept, order["orderId"]) == f"{order['orderNo']}02"

    async def test_inside_and_outside_the_mini_program_uses_each_apps_own_name_of_the_payer(
        self, payer: Payer, secrets: Secrets, books: Database
    ) -> None:
        order = payer.create(BRIDGE, user_agent=SHELL).json()
        payer.prepare(order, IN_WECHAT)

        told = await books.fetch(
            "SELECT request->>'appid' AS appid, request->>'openid' AS openid FROM payment_attempts"
            " WHERE order_id = $1 ORDER BY attempt_no",
            order["orderId"],
        )
        assert [one["appid"] for one in told] == [
            secrets.mini_program_app_id,
            secrets.service_account_app_id,
        ]
        assert len({one["openid"] for one in told}) == 2


class TestAPayerNobodyKnows:
    def test_is_told_to_bind_and_can_pay_afterwards(self, payer: Payer, service: Service) -> None:
        name = f"nobody-{next(_names)}"
        nobody = {"name": name, "openid": False}
        answer = service.client.post("/api/auth/sandbox-login", json=nobody).json()
        payer.headers = {"Authorization": f"Bearer {answer['token']}"}

        refused = payer.create(IN_WECHAT)
        assert (refused.status_code, refused.json()["code"]) == (400, "WECHAT_OPENID_REQUIRED")
        order = payer.resume(ELSEWHERE).json()
        told = {n: refused.json()[n] for n in ("orderId", "orderNo", "totalAmount", "expiredAt")}
        assert told == {n: order[n] for n in told}

        service.client.post("/api/auth/sandbox-login", json={"name": name})
        assert payer.create(IN_WECHAT).json()["payPayload"]["jsapiParams"]
