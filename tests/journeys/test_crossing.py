"""The bridge contract's sequence, walked by a page and a shell that have nothing else in common."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from models.engine import Database
from sandbox.supervisor.keys import keys_of
from tests.api.channels import BRIDGE, verify_pay_sign
from tests.journeys.service import Person, Service, act, eventually

pytestmark = pytest.mark.xdist_group("service")

PAYMENTS = "/api/payments/wechat"
HOT = 3
OPENID, ANOTHER = "o" + "c" * 27, "o" + "d" * 27


class Shell:
    """A Mini Program: it knows who is logged in to WeChat, and holds no token of ours."""

    def __init__(self, service: Service, home: Path) -> None:
        self._service = service
        self._appid = keys_of(home).secrets.mini_program_app_id

    def post(self, door: str, openid: str, **fields: str) -> httpx.Response:
        """Log in as *openid* and post the code."""
        login = {"appid": self._appid, "openid": openid}
        code = self._service.sandbox.post("/control/wechat/login-codes", json=login).json()["code"]
        return self._service.client.post(f"{PAYMENTS}/{door}", json=fields | {"code": code})


class Page(Person):
    """A page in the web-view: it knows the user, and nothing of WeChat."""

    def __init__(self, service: Service, name: str) -> None:
        super().__init__(service, name)
        nobody = {"name": name, "openid": False}
        service.client.post("/api/auth/sandbox-login", json=nobody)

    def post(self, door: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401  # any JSON
        """Post to a door below the payments."""
        answer = self.service.client.post(f"{PAYMENTS}/{door}", json=fields, headers=self.headers)
        body: dict[str, Any] = answer.json() if answer.content else {}
        return body


class TestACrossing:
    async def test_leads_from_a_stranger_to_a_ticket_paid(
        self, service: Service, service_home: Path, books: Database
    ) -> None:
        page, shell = Page(service, "a page in a shell"), Shell(service, service_home)
        refused = page.order(1, HOT, clientContext=BRIDGE).json()
        biz = {"bizType": "EVENT_TICKET", "bizId": refused["orderNo"]}

        bind_token = page.post("mini-bind-token")["bindToken"]
        bound = shell.post("bind-mini-openid-with-token", OPENID, bindToken=bind_token)
        prepared = page.post("prepare", **biz, clientContext=BRIDGE)
        stolen, ticket = (page.post("bridge-ticket", **biz)["ticket"] for _ in range(2))
        thief = shell.post("bridge-redeem", ANOTHER, ticket=stolen)
        redeemed = shell.post("bridge-redeem", OPENID, ticket=ticket)
        params = redeemed.json()["requestPaymentParams"]
        act(service, f"{refused['orderNo']}01")
        page.post("bridge-report", orderNo=refused["orderNo"], ok=True)

        assert refused["code"] == "WECHAT_OPENID_REQUIRED"
        assert bound.json() == {"bound": True}
        assert (thief.status_code, thief.json()["code"]) == (403, "PAYER_MISMATCH")
        assert params["package"] == prepared["payPayload"]["requestPaymentParams"]["package"]
        verify_pay_sign(params, _merchant_key(service_home))
        eventually(lambda: page.see(1, refused["orderId"])["status"] == "PAID")
        spent = await books.fetchval(
            "SELECT count(*) FROM one_time_tokens WHERE used_at IS NOT NULL AND order_id = $1",
            refused["orderId"],
        )
        assert spent == 2


def _merchant_key(home: Path) -> RSAPublicKey:
    key = load_pem_public_key(keys_of(home).merchant_public_key.read_bytes())
    assert isinstance(key, RSAPublicKey)
    return key
