"""The door for WeChat Pay's notices, over real HTTP with real signatures."""

import asyncio
import base64
import json
import secrets
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from models.engine import Database
from tests.api.service import ORDERS, Buyer, Service
from tests.api.test_doors import is_problem
from tests.sandbox.simulator import (
    API_V3_KEY,
    APP_ID,
    MCH_ID,
    PUBLIC_KEY_ID,
    Simulator,
    wait_until,
)

DOOR = "/api/webhooks/wechatpay"
STRANGER = generate_private_key(public_exponent=65537, key_size=2048)
REFUSED = {"code": "FAIL", "message": "The notice could not be verified."}


@pytest.fixture
async def http(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=service.base_url, trust_env=False) as client:
        yield client


@pytest.fixture
def key(simulator: Simulator) -> RSAPrivateKey:
    return simulator.keyring.platform


def a_notice(attempt_no: str, *, notice_id: str | None = None, amount: int = 9900) -> bytes:
    transaction = {
        "mchid": MCH_ID,
        "appid": APP_ID,
        "out_trade_no": attempt_no,
        "transaction_id": secrets.token_hex(14),
        "trade_type": "NATIVE",
        "trade_state": "SUCCESS",
        "trade_state_desc": "paid",
        "bank_type": "OTHERS",
        "attach": "",
        "success_time": datetime.now(UTC).isoformat(timespec="seconds"),
        "payer": {"openid": "o" + "x" * 27},
        "amount": {
            "total": amount,
            "payer_total": amount,
            "currency": "CNY",
            "payer_currency": "CNY",
        },
    }
    nonce = secrets.token_hex(6)
    sealed = AESGCM(API_V3_KEY.encode()).encrypt(
        nonce.encode(), json.dumps(transaction).encode(), b"transaction"
    )
    return json.dumps(
        {
            "id": notice_id or secrets.token_hex(16),
            "create_time": datetime.now(UTC).isoformat(timespec="seconds"),
            "event_type": "TRANSACTION.SUCCESS",
            "resource_type": "encrypt-resource",
            "summary": "paid",
            "resource": {
                "algorithm": "AEAD_AES_256_GCM",
                "original_type": "transaction",
                "ciphertext": base64.b64encode(sealed).decode(),
                "associated_data": "transaction",
                "nonce": nonce,
            },
        }
    ).encode()


def signed(
    body: bytes,
    key: RSAPrivateKey,
    changes: dict[str, str] | None = None,
    *,
    age_seconds: int = 0,
) -> dict[str, str]:
    timestamp, nonce = str(int(time.time()) - age_seconds), secrets.token_hex(16)
    message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
    signature = base64.b64encode(key.sign(message, PKCS1v15(), SHA256())).decode()
    return {
        "Content-Type": "application/json",
        "Wechatpay-Serial": PUBLIC_KEY_ID,
        "Wechatpay-Signature": signature,
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
    } | (changes or {})


def status_of(buyer: Buyer, order: dict[str, Any]) -> str:
    return str(buyer.http.get(f"{ORDERS}/{order['orderId']}").json()["status"])


async def stored(database: Database, body: bytes) -> int:
    """Count the rows of one body: notices of other tests may come at any time."""
    mine = "SELECT count(*) FROM webhook_events WHERE provider = 'wechat' AND body = $1"
    return int(await database.fetchval(mine, body))


class TestAGenuineNotice:
    # The side door, and the framework's own handler behind it.
    @pytest.mark.parametrize("door", [DOOR, f"{DOOR}/"])
    async def test_settles_its_order(
        self, door: str, buyer: Buyer, http: httpx.AsyncClient, key: RSAPrivateKey
    ) -> None:
        order = (await asyncio.to_thread(buyer.order, prepare=True)).json()
        body = a_notice(f"{order['orderNo']}01")
        answer = await http.post(door, content=body, headers=signed(body, key))

        assert (answer.status_code, answer.content) == (204, b"")
        await asyncio.to_thread(wait_until, lambda: status_of(buyer, order) == "PAID")

    def test_comes_from_the_simulator_when_a_buyer_pays(
        self, buyer: Buyer, simulator: Simulator
    ) -> None:
        order = buyer.order(prepare=True).json()
        simulator.act(f"{order['orderNo']}01", "pay", duplicate=3)

        wait_until(lambda: status_of(buyer, order) == "PAID")
        registration = buyer.http.get(f"{ORDERS}/{order['orderId']}").json()["registration"]
        assert registration["status"] == "APPROVED"

    async def test_is_stored_once_however_often_it_comes(
        self, http: httpx.AsyncClient, key: RSAPrivateKey, database: Database
    ) -> None:
        body = a_notice("G00000000000000001")
        for _ in range(3):
            answer = await http.post(DOOR, content=body, headers=signed(body, key))
            assert answer.status_code == 204

        assert await stored(database, body) == 1

    @pytest.mark.parametrize(
        "body", [b"", b"no JSON", b'{"id":"1","id":"2"}', b"\xff\xfe", b'{"resource":null}']
    )
    async def test_is_stored_even_when_nobody_can_read_it(
        self, body: bytes, http: httpx.AsyncClient, key: RSAPrivateKey, database: Database
    ) -> None:
        answer = await http.post(DOOR, content=body, headers=signed(body, key))

        assert answer.status_code == 204
        assert await stored(database, body) == 1

    async def test_keeps_the_trace_of_its_arrival(
        self, http: httpx.AsyncClient, key: RSAPrivateKey, database: Database
    ) -> None:
        body = a_notice("G00000000000000001", notice_id=secrets.token_hex(16))
        await http.post(DOOR, content=body, headers=signed(body, key))
        found = await database.fetchrow(
            "SELECT trace_ctx, headers FROM webhook_events WHERE body = $1", body
        )

        assert found is not None
        assert found["trace_ctx"].startswith("00-")
        assert all(name.startswith("wechatpay-") for name in json.loads(found["headers"]))


class TestADoubtfulNotice:
    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param({"Wechatpay-Signature": "WECHATPAY/SIGNTEST/x"}, id="probe"),
            pytest.param({"Wechatpay-Signature": ""}, id="unsigned"),
            pytest.param({"Wechatpay-Signature": "AAAA"}, id="nonsense"),
            pytest.param({"Wechatpay-Serial": "PUB_KEY_ID_0000"}, id="unknown key"),
            pytest.param({"Wechatpay-Nonce": "another"}, id="another nonce"),
            pytest.param({"Wechatpay-Timestamp": "soon"}, id="no time"),
        ],
    )
    async def test_is_refused_without_a_word_about_why(
        self,
        changes: dict[str, str],
        http: httpx.AsyncClient,
        key: RSAPrivateKey,
        database: Database,
    ) -> None:
        body = a_notice("G00000000000000001")
        answer = await http.post(DOOR, content=body, headers=signed(body, key, changes))

        assert (answer.status_code, answer.json()) == (401, REFUSED)
        assert await stored(database, body) == 0

    @pytest.mark.parametrize("age_seconds", [600, -600])
    async def test_is_refused_when_it_is_not_of_now(
        self, age_seconds: int, http: httpx.AsyncClient, key: RSAPrivateKey
    ) -> None:
        body = a_notice("G00000000000000001")
        answer = await http.post(
            DOOR, content=body, headers=signed(body, key, age_seconds=age_seconds)
        )

        assert (answer.status_code, answer.json()) == (401, REFUSED)

    async def test_is_refused_when_a_stranger_signed_it(self, http: httpx.AsyncClient) -> None:
        body = a_notice("G00000000000000001")
        answer = await http.post(DOOR, content=body, headers=signed(body, STRANGER))

        assert (answer.status_code, answer.json()) == (401, REFUSED)

    async def test_is_refused_when_its_body_was_altered(
        self, http: httpx.AsyncClient, key: RSAPrivateKey
    ) -> None:
        body = a_notice("G00000000000000001")
        answer = await http.post(DOOR, content=body + b" ", headers=signed(body, key))

        assert (answer.status_code, answer.json()) == (401, REFUSED)

    @pytest.mark.parametrize("name", ["Wechatpay-Signature", "WECHATPAY-NONCE"])
    async def test_is_refused_when_a_header_comes_twice(
        self, name: str, http: httpx.AsyncClient, key: RSAPrivateKey
    ) -> None:
        body = a_notice("G00000000000000001")
        honest = signed(body, key)
        twice = [*honest.items(), (name, {k.lower(): v for k, v in honest.items()}[name.lower()])]

        answer = await http.post(DOOR, content=body, headers=twice)
        assert answer.status_code == 401

    async def test_is_refused_when_it_is_compressed(
        self, http: httpx.AsyncClient, key: RSAPrivateKey
    ) -> None:
        body = a_notice("G00000000000000001")
        headers = signed(body, key) | {"Content-Encoding": "gzip"}

        answer = await http.post(DOOR, content=body, headers=headers)
        assert is_problem(answer, 415, "UNSUPPORTED_MEDIA_TYPE")
