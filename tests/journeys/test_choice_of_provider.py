"""One setting says where intents are paid: at Alipay or at Ping++ instead of at WeChat."""

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.engine import Database
from tests.api.channels import IN_WECHAT, SIGNED
from tests.journeys.beside import api_beside, environ_of
from tests.journeys.payer import COURSE as HOT
from tests.journeys.payer import EVENT, PRICE, at_provider
from tests.journeys.service import Service, act, eventually

pytestmark = pytest.mark.xdist_group("service")


@pytest.fixture(scope="module", params=["alipay", "pingxx"])
def chosen(
    request: pytest.FixtureRequest,
    service: Service,
    service_home: Path,
    service_database_url: str,
    service_redis_url: str,
) -> Iterator[tuple[str, httpx.Client]]:
    """Start an api process that was told where to have intents paid."""
    provider: str = request.param
    environ = environ_of(
        service, service_home, database_url=service_database_url, redis_url=service_redis_url
    )
    with api_beside(environ, PAYMENT_PROVIDER=provider) as client:
        yield provider, client


class Buyer:
    """Somebody who pays by intents."""

    def __init__(self, client: httpx.Client) -> None:
        told = {"name": f"chooser-{secrets.token_hex(6)}"}
        token = client.post("/api/auth/sandbox-login", json=told).json()["token"]
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}"}
        self.made = self.post(
            f"/api/events/{EVENT}/orders", ticketTypeId=HOT, clientContext=IN_WECHAT
        )
        self.attempt_no = f"{self.made['orderNo']}01"

    def post(self, path: str, **body: Any) -> dict[str, Any]:  # noqa: ANN401
        """Ask, and insist on success."""
        answer = self._client.post(path, json=body, headers=self._headers)
        assert answer.is_success, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def confirm(self, method: str | None) -> dict[str, Any]:
        """Ask for an intent and confirm it."""
        order_id = self.made["orderId"]
        said = {"orderId": order_id, "amount": PRICE, "currency": "CNY", "idempotencyKey": "i"}
        intent_id = self.post("/payments/create_intent", **said)["intentId"]
        named = {} if method is None else {"method": method}
        return self.post("/payments/confirm", intentId=intent_id, idempotencyKey="c", **named)

    def is_paid(self) -> bool:
        """Look at the order."""
        path = f"/api/events/{EVENT}/orders/{self.made['orderId']}"
        seen = self._client.get(path, headers=self._headers).json()
        return bool(seen["status"] == "PAID")

    def attempt(self) -> dict[str, Any]:
        """Look at the one attempt there is."""
        path = f"/orders/{self.made['orderId']}/payments"
        (found,) = self._client.get(path, headers=self._headers).json()["attempts"]
        told: dict[str, Any] = found
        return told


class TestTheProviderOfIntents:
    async def test_is_not_one_that_an_order_opens_by_itself(
        self, chosen: tuple[str, httpx.Client], books: Database
    ) -> None:
        buyer = Buyer(chosen[1])

        assert (buyer.made["channel"], buyer.made["payPayload"]) == (None, None)
        assert books

    @pytest.mark.parametrize("method", [None, "alipay_qr"])
    async def test_is_opened_by_a_confirmation_and_paid(
        self,
        *,
        chosen: tuple[str, httpx.Client],
        service: Service,
        books: Database,
        method: str | None,
    ) -> None:
        provider, client = chosen
        buyer = Buyer(client)

        told = buyer.confirm(method)

        assert told["status"] == "requires_action"
        assert told["actionData"]["codeUrl"].startswith("http://127.0.0.1")
        assert buyer.attempt()["provider"] == provider
        act(service, buyer.attempt_no)
        await asyncio.to_thread(eventually, buyer.is_paid)
        assert at_provider(service, buyer.attempt_no) in {"TRADE_SUCCESS", "paid"}
        assert books

    async def test_hands_out_what_each_channel_needs(
        self, chosen: tuple[str, httpx.Client], books: Database
    ) -> None:
        provider, client = chosen
        method = {"alipay": "alipay_wap", "pingxx": "wx_pub"}[provider]

        action = Buyer(client).confirm(method)["actionData"]

        if provider == "alipay":
            assert "alipay.trade.wap.pay" in action["redirectUrl"]
        else:
            assert set(action["jsapiParams"]) == SIGNED
        assert books
