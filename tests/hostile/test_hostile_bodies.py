"""Bodies that are too large, too deep, compressed, ambiguous or say more than they may."""

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.service import ORDERS
from tests.hostile.stand import (
    ENCODED,
    INVALID,
    LOGIN,
    NOTICES,
    TOO_LARGE,
    UNKNOWN,
    WEBHOOK,
    WITH_BODY,
    Door,
    Stand,
    refusal,
)

pytestmark = [pytest.mark.xdist_group("hostile"), pytest.mark.usefixtures("unmoved")]

KIB = 1024
_HONEST = b'{"ticketTypeId":3,"prepare":false}'
# As they stand in JSON; none is an integer from 1 to 100.
_NO_QUANTITIES = (
    *("0", "-0", "-1", "101", "1.0", "1.5", "1e0", "1e3", "1E2", "0.1e1", "1e400", "-1e-400"),
    *('"1"', '""', '" 1"', '"\uff11"', "true", "false", "null", "[]", "[1]", "{}", '{"$gt":0}'),
    *(str(2**31), str(2**63 - 1), str(2**63), str(2**64), str(-(2**63) - 1), "9" * 5000),
    *("NaN", "Infinity", "-Infinity", "nan", "0x1", "01", "+1", "1_0", "\uff11", "1,0", "--1", ""),
)
_POSSIBLE_IDS = {"101", str(2**31)}
_NO_IDS = (*(value for value in _NO_QUANTITIES if value not in _POSSIBLE_IDS), str(2**53))
_FORBIDDEN = (
    *("status", "totalAmount", "total_amount", "price", "amount", "currency", "discount", "paidAt"),
    *("userId", "user_id", "currentQuantity", "orderNo", "orderId", "paymentStatus", "expiredAt"),
    *("isExisting", "roles", "role", "paymentChannel", "merchantId", "notifyUrl", "__proto__"),
    *(
        "constructor",
        "ticket_type_id",
        "TicketTypeId",
        "ticketTypeId ",
        "",
        "$where",
        "quantity\u200b",
    ),
)
_DEEP = {
    "arrays": b'{"ticketTypeId":' + b"[" * 100_000,
    "closed arrays": b'{"answers":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "objects": b'{"answers":' * 20_000 + b"1" + b"}" * 20_000,
    "unknown": b'{"ticketTypeId":3,"x":' + b"[" * 900 + b"]" * 900 + b"}",
    "many members": b"{" + b",".join(b'"x%d":1' % n for n in range(20_000)) + b"}",
}
_MALFORMED = {
    "empty": b"",
    "blank": b" \n ",
    "two": _HONEST * 2,
    "trailing comma": b'{"ticketTypeId":3,}',
    "comment": b'{"ticketTypeId":3/**/}',
    "single quotes": b"{'ticketTypeId':3}",
    "byte order mark": b"\xef\xbb\xbf" + _HONEST,
    "UTF-16": _HONEST.decode().encode("utf-16"),
    "UTF-32": _HONEST.decode().encode("utf-32-be"),
    "UTF-7": b"+AHs-" + _HONEST,
    "bad UTF-8": b'{"ticketTypeId":3,"couponCode":"\xc0\xaf"}',
    "raw surrogate": b'{"ticketTypeId":3,"couponCode":"\xed\xa0\x80"}',
    "half a pair": b'{"ticketTypeId":3,"couponCode":"\\ud800"}',
    "the other half": b'{"ticketTypeId":3,"couponCode":"\\udc00 and more"}',
    "NUL": b'{"ticketTypeId":3,"couponCode":"a\\u0000b"}',
    "raw NUL": b'{"ticketTypeId":3,"couponCode":"a\x00b"}',
    "NUL behind": _HONEST + b"\x00",
    "raw line feed": b'{"ticketTypeId":3,"couponCode":"a\nb"}',
    "twins": b'{"ticketTypeId":3,"ticketTypeId":1}',
    "escaped twins": b'{"ticketTypeId":3,"quantity":1,"\\u0071uantity":2}',
    "inner twins": b'{"ticketTypeId":3,"answers":{"a":"1","a":"2"}}',
    "array": b'[{"ticketTypeId":3}]',
    "text": b'"ticketTypeId"',
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    "form": b"ticketTypeId=3&prepare=false",
    "YAML": b"ticketTypeId: 3",
    "pickle": b"\x80\x04\x95\x00",
    "gzip": gzip.compress(_HONEST),
}
_TOO_LONG: tuple[dict[str, Any], ...] = (
    {"couponCode": "x" * 65},
    {"clientContext": {"shellVersion": "x" * 65}},
    {"answers": {str(n): "x" for n in range(51)}},
    {"answers": {"x" * 65: "x"}},
    {"answers": {"x": "x" * 1001}},
    {"answers": {"x": ["y"]}},
    {"answers": ["x"]},
    {"clientContext": {"status": "PAID"}},
    {"clientContext": []},
    {"couponCode": 1},
    {"prepare": "false"},
    {"prepare": 0},
)


def order_with(name: str, value: str) -> bytes:
    members = {"ticketTypeId": "3", "prepare": "false", name: value}
    return ("{" + ",".join(f"{json.dumps(n)}:{v}" for n, v in members.items()) + "}").encode()


class TestABodyThatIsNoOrder:
    @pytest.mark.parametrize("body", _MALFORMED.values(), ids=_MALFORMED.keys())
    def test_is_refused_at_every_door_that_reads_one(self, stand: Stand, body: bytes) -> None:
        for path in (ORDERS, LOGIN):
            for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
                answer = stand.attacker.http.post(
                    path, content=body, headers={"Content-Type": kind}
                )

                assert refusal(answer) == INVALID

    @pytest.mark.parametrize(
        "kind",
        ["multipart/form-data; boundary=x", "application/xml", "application/msgpack", "x", ""],
    )
    def test_is_no_other_thing_for_its_content_type(self, stand: Stand, kind: str) -> None:
        body = b'--x\r\nContent-Disposition: form-data; name="ticketTypeId"\r\n\r\n3\r\n--x--\r\n'

        for content in (body, b"\x81\xacticketTypeId\x03", b"<a/>"):
            answer = stand.post_order(content, **{"Content-Type": kind})
            assert refusal(answer) == INVALID

    @pytest.mark.parametrize("body", _DEEP.values(), ids=_DEEP.keys())
    def test_may_be_as_deep_as_it_likes(self, stand: Stand, body: bytes) -> None:
        for path in (ORDERS, LOGIN):
            answer = stand.attacker.http.post(path, content=body[: 250 * KIB])

            assert refusal(answer) == INVALID


class TestANumber:
    @pytest.mark.parametrize("value", _NO_QUANTITIES, ids=lambda text: text[:20])
    def test_of_tickets_is_a_small_integer(self, stand: Stand, value: str) -> None:
        answer = stand.post_order(order_with("quantity", value))

        assert refusal(answer) == INVALID

    @pytest.mark.parametrize("value", _NO_IDS, ids=lambda text: text[:20])
    def test_of_a_ticket_type_is_an_integer(self, stand: Stand, value: str) -> None:
        assert refusal(stand.post_order(order_with("ticketTypeId", value))) == INVALID

    def test_of_a_ticket_type_that_does_not_exist_is_not_found(self, stand: Stand) -> None:
        for value in (2**31, 2**53 - 1):
            answer = stand.post_order(order_with("ticketTypeId", str(value)))
            assert refusal(answer) == (404, "NOT_FOUND")


class TestAMember:
    @pytest.mark.parametrize("name", _FORBIDDEN)
    @pytest.mark.parametrize("value", ['"PAID"', "1", "null", "{}"])
    def test_that_nobody_asked_for_is_refused(self, stand: Stand, name: str, value: str) -> None:
        answer = stand.post_order(order_with(name, value))

        assert refusal(answer) == INVALID
        assert answer.json()["errors"][0]["field"] == name

    @pytest.mark.parametrize("fields", _TOO_LONG, ids=lambda fields: str(fields)[:40])
    def test_is_of_its_type_and_length(self, stand: Stand, fields: dict[str, object]) -> None:
        body = json.dumps({"ticketTypeId": 3, "prepare": False} | fields).encode()

        assert refusal(stand.post_order(body)) == INVALID

    @pytest.mark.parametrize(
        "fields",
        [
            *({"roles": ["admin"]}, {"id": 1}, {"userId": 1}, {"user": {"id": 1}}, {"sub": "a"}),
            *({"role": "root"}, {"role": ["admin"]}, {"role": "admin "}, {"role": "ADMIN"}),
            *({"role": None}, {"role": 1}, {"openid": "o"}, {"openid": 1}, {"openid": None}),
            *({"name": ""}, {"name": "x" * 65}, {"name": "a\x07"}, {"name": "a\r\nb"}),
            *({"name": "a\u202eb"}, {"name": "a\u2028b"}, {"name": "\u200b"}, {"name": "\ufeff"}),
            *({"name": 1}, {"name": None}, {"name": ["organizer"]}, {"name": {"$ne": ""}}),
        ],
        ids=str,
    )
    def test_of_a_sign_in_makes_nobody_else(self, stand: Stand, fields: dict[str, object]) -> None:
        answer = stand.http.post(LOGIN, json={"name": stand.attacker.name} | fields)

        assert refusal(answer) == INVALID


def chunks(size: int) -> Iterator[bytes]:
    for _ in range(size // KIB):
        yield b" " * KIB


@pytest.mark.parametrize("door", WITH_BODY, ids=str)
class TestAHugeBody:
    def test_is_refused_whether_it_declares_its_length_or_not(
        self, stand: Stand, door: Door
    ) -> None:
        path = door.to(order=stand.order["orderNo"])
        limit = (64 if path in NOTICES else 256) * KIB
        for size in (limit + KIB, 900 * KIB):
            for content in (b" " * size, chunks(size)):
                answer = stand.attacker.http.request(door.method, path, content=content)

                assert refusal(answer) == TOO_LARGE


class TestACompressedBody:
    @pytest.mark.parametrize(
        "encoding", ["gzip", "deflate", "br", "identity", "x-gzip", "gzip, gzip"]
    )
    def test_is_refused_unread(self, stand: Stand, encoding: str) -> None:
        bomb = zlib.compress(b" " * 10_000_000, 9)
        for path in (ORDERS, LOGIN, WEBHOOK):
            for content in (_HONEST, gzip.compress(_HONEST), bomb, gzip.compress(bomb)):
                answer = stand.attacker.http.post(
                    path, content=content, headers={"Content-Encoding": encoding}
                )
                assert refusal(answer) == ENCODED

    def test_that_does_not_say_so_is_nonsense(self, stand: Stand) -> None:
        answer = stand.http.post(WEBHOOK, content=gzip.compress(b"{}"))

        assert (answer.status_code, answer.json()["code"]) == (UNKNOWN[0], "FAIL")
