"""Notices over real HTTP that prove nothing, or prove something else than an order needs."""

import base64
import json
import secrets
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from models.engine import Database
from tests.api.service import ORDERS, Buyer
from tests.api.test_webhooks import REFUSED, STRANGER, a_notice, signed
from tests.hostile import books
from tests.hostile.stand import WEBHOOK, Stand
from tests.journeys.service import eventually
from tests.sandbox.simulator import API_V3_KEY, PUBLIC_KEY_ID, Simulator, open_sealed

pytestmark = pytest.mark.xdist_group("hostile")


@pytest.fixture
def key(simulator: Simulator) -> RSAPrivateKey:
    return simulator.keyring.platform


@pytest.fixture
def processed(database: Database) -> Callable[[], Any]:
    """Wait until everything that was stored is processed."""

    async def wait() -> None:
        async def waits() -> int:
            return int(
                await database.fetchval(
                    "SELECT count(*) FROM webhook_events WHERE status = 'RECEIVED'"
                )
            )

        while await waits():
            pass

    return wait


def attempt_of(stand: Stand) -> str:
    return f"{stand.unpaid['orderNo']}01"


def body_for(stand: Stand, **changes: object) -> bytes:
    """Make the notice that would pay an order, with other words in it."""
    notice = json.loads(a_notice(attempt_of(stand), amount=stand.unpaid["totalAmount"]))
    said = json.loads(open_sealed(notice["resource"])) | changes
    nonce = secrets.token_hex(6)
    sealed = AESGCM(API_V3_KEY.encode()).encrypt(
        nonce.encode(), json.dumps(said).encode(), b"transaction"
    )
    notice["resource"] |= {"nonce": nonce, "ciphertext": base64.b64encode(sealed).decode()}
    return json.dumps(notice).encode()


def deliver(stand: Stand, body: bytes, headers: dict[str, str]) -> httpx.Response:
    return stand.http.post(WEBHOOK, content=body, headers=headers)


_ALTERED: dict[str, Callable[[bytes], bytes]] = {
    "another notice": lambda _: a_notice("G00000000000000001"),
    "re-encoded": lambda body: json.dumps(json.loads(body), separators=(",", ":")).encode(),
    "with CR LF": lambda body: body.replace(b", ", b",\r\n"),
    "one blank more": lambda body: body + b" ",
    "one line more": lambda body: body + b"\n",
    "one byte less": lambda body: body[:-1],
    "a byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "escaped": lambda body: body.replace(b"TRANSACTION", b"\\u0054RANSACTION"),
    "nothing": lambda _: b"",
    "XML": lambda _: b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml>&e;</xml>',
    "a billion laughs": lambda _: b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><x>&b;</x>',
    "deep": lambda _: b"[" * 60_000,
}
_HEADERS: dict[str, dict[str, str]] = {
    "probe": {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/" + "A" * 344},
    "empty signature": {"Wechatpay-Signature": ""},
    "null signature": {"Wechatpay-Signature": base64.b64encode(bytes(256)).decode()},
    "no base64": {"Wechatpay-Signature": "*" * 344},
    "no serial": {"Wechatpay-Serial": ""},
    "another serial": {"Wechatpay-Serial": "7" * 40},
    "a path for a serial": {"Wechatpay-Serial": "../../keys/platform"},
    "another key's serial": {"Wechatpay-Serial": PUBLIC_KEY_ID[:-1] + "9"},
    "no time": {"Wechatpay-Timestamp": "NaN"},
    "time zero": {"Wechatpay-Timestamp": "0"},
    "negative time": {"Wechatpay-Timestamp": "-1"},
    "time of the far end": {"Wechatpay-Timestamp": "9" * 12},
    "time too long": {"Wechatpay-Timestamp": "9" * 400},
    "another nonce": {"Wechatpay-Nonce": "another"},
    "a blank in the nonce": {"Wechatpay-Nonce": "a b"},
    "another algorithm": {"Wechatpay-Signature-Type": "WECHATPAY2-SM2-WITH-SM3"},
    "no algorithm": {"Wechatpay-Signature-Type": "none"},
}


@pytest.mark.usefixtures("unmoved")
class TestANoticeThatProvesNothing:
    @pytest.mark.parametrize("alter", _ALTERED.values(), ids=_ALTERED.keys())
    def test_has_another_body(
        self, stand: Stand, key: RSAPrivateKey, alter: Callable[[bytes], bytes]
    ) -> None:
        body = body_for(stand)
        answer = deliver(stand, alter(body), signed(body, key))

        assert (answer.status_code, answer.json()) == (401, REFUSED)

    @pytest.mark.parametrize("changes", _HEADERS.values(), ids=_HEADERS.keys())
    def test_has_another_header(
        self, stand: Stand, key: RSAPrivateKey, changes: dict[str, str]
    ) -> None:
        body = body_for(stand)
        answer = deliver(stand, body, signed(body, key, changes))

        assert (answer.status_code, answer.json()) == (401, REFUSED)

    @pytest.mark.parametrize("name", ["Serial", "Signature", "Timestamp", "Nonce"])
    def test_lacks_a_header_or_has_it_twice(
        self, stand: Stand, key: RSAPrivateKey, name: str
    ) -> None:
        body, name = body_for(stand), f"Wechatpay-{name}"
        honest = signed(body, key)
        lacking = {one: value for one, value in honest.items() if one != name}
        twice = [*honest.items(), (name.upper(), honest[name])]
        for headers in (list(lacking.items()), twice):
            answer = stand.http.post(WEBHOOK, content=body, headers=headers)
            assert (answer.status_code, answer.json()) == (401, REFUSED)

    @pytest.mark.parametrize("age_seconds", [310, 86_400, -310, -86_400])
    def test_is_not_of_now(self, stand: Stand, key: RSAPrivateKey, age_seconds: int) -> None:
        body = body_for(stand)
        answer = deliver(stand, body, signed(body, key, age_seconds=age_seconds))

        assert (answer.status_code, answer.json()) == (401, REFUSED)

    def test_is_signed_by_a_stranger_or_by_us(self, stand: Stand, simulator: Simulator) -> None:
        body = body_for(stand)
        for signer in (STRANGER, simulator.keyring.merchant):
            answer = deliver(stand, body, signed(body, signer))
            assert (answer.status_code, answer.json()) == (401, REFUSED)

    def test_has_a_token_instead(self, stand: Stand) -> None:
        for attacker in stand.attackers:
            answer = attacker.http.post(WEBHOOK, content=body_for(stand))
            assert (answer.status_code, answer.json()) == (401, REFUSED)

    def test_has_no_words_for_a_browser(self, stand: Stand) -> None:
        """Where a payer is sent back to, or what the page says, pays nothing."""
        path = f"{ORDERS}/{stand.unpaid['orderNo']}"
        seen = stand.payer.http.get(f"{path}?trade_state=SUCCESS&paid=true&status=PAID")
        assert seen.json()["status"] == "PENDING"


class TestAGenuineNoticeOfSomethingElse:
    @pytest.mark.parametrize(
        "changes",
        [
            {"amount": {"total": 1, "currency": "CNY"}},
            {"amount": {"total": 16899, "currency": "CNY"}},
            {"amount": {"total": 16901, "currency": "CNY"}},
            {"amount": {"total": 16900, "currency": "USD"}},
            {"amount": {"total": "16900", "currency": "CNY"}},
            {"amount": {"total": 16900.0, "currency": "CNY"}},
            {"amount": {"total": -16900, "currency": "CNY"}},
            {"amount": {"total": True, "currency": "CNY"}},
            {"amount": {"total": 10**30, "currency": "CNY"}},
            {"amount": None},
            {"mchid": "1900000002"},
            {"mchid": None},
            {"appid": "wx0000000000000009"},
            {"out_trade_no": "G00000000000000001"},
            {"out_trade_no": "G' OR '1'='1"},
            {"out_trade_no": "%"},
            {"trade_state": "NOTPAY"},
            {"trade_state": "success"},
            {"success_time": "9999-12-31T23:59:59-12:00"},
            {"success_time": "yesterday"},
            {"transaction_id": ""},
            {"transaction_id": "x" * 65},
            {"transaction_id": "a\x00b"},
        ],
        ids=str,
    )
    async def test_is_kept_and_pays_nothing(
        self,
        stand: Stand,
        key: RSAPrivateKey,
        database: Database,
        processed: Callable[[], Any],
        changes: dict[str, object],
    ) -> None:
        before = await books.money(database)
        body = body_for(stand, **changes)
        answer = deliver(stand, body, signed(body, key))
        await processed()
        row = await database.fetchrow(
            "SELECT status, reason FROM webhook_events WHERE body = $1", body
        )

        assert (answer.status_code, answer.content) == (204, b"")
        assert row is not None
        assert row["status"] in {"QUARANTINED", "DEAD"}
        assert await books.money(database) == before
        asked = "SELECT count(*) FROM effects WHERE kind = 'ALARM' AND done_at IS NULL"
        assert await database.fetchval(asked) >= 1

    async def test_is_not_paid_by_the_notice_of_a_cheaper_order(
        self, stand: Stand, key: RSAPrivateKey, database: Database, processed: Callable[[], Any]
    ) -> None:
        before = await books.money(database)
        body = body_for(stand, amount={"total": 9900, "currency": "CNY"})
        assert deliver(stand, body, signed(body, key)).status_code == 204
        await processed()

        assert await books.money(database) == before


class TestAReplay:
    async def test_changes_nothing_however_it_comes(
        self, stand: Stand, key: RSAPrivateKey, database: Database, processed: Callable[[], Any]
    ) -> None:
        buyer = Buyer(stand.service)
        order = buyer.order(prepare=True).json()
        body = a_notice(f"{order['orderNo']}01")
        first = signed(body, key)
        assert deliver(stand, body, first).status_code == 204
        eventually(lambda: _status(buyer, order) == "PAID")
        await processed()
        before = await books.everything(database)
        for headers in (first, signed(body, key), first | {"X-Forwarded-For": "127.0.0.1"}):
            assert deliver(stand, body, headers).status_code == 204
        await processed()

        assert await books.everything(database) == before
        again = json.loads(body) | {"id": secrets.token_hex(16)}
        renamed = json.dumps(again).encode()
        money = await books.money(database)
        assert deliver(stand, renamed, signed(renamed, key)).status_code == 204
        await processed()
        assert await books.money(database) == money
        buyer.http.close()


def _status(buyer: Buyer, order: dict[str, Any]) -> str:
    return str(buyer.http.get(f"{ORDERS}/{order['orderId']}").json()["status"])
