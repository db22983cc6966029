"""Other people's orders, and references that mean nothing or something else."""

import json

import pytest

from tests.api.service import ORDERS
from tests.hostile.coupons import coupon_words
from tests.hostile.organizers import plan_for
from tests.hostile.stand import (
    ABSENT,
    INVALID,
    KEY,
    OF_MANAGERS,
    OF_ONE_EVENT,
    OF_ONE_ORDER,
    SIGNED_IN,
    UNKNOWN,
    Door,
    Stand,
    refusal,
)

pytestmark = [pytest.mark.xdist_group("hostile"), pytest.mark.usefixtures("unmoved")]

# As they stand in a path, percent signs and all.
_NO_REFERENCES = (
    *(
        "0",
        "00",
        "-1",
        "-0",
        "+1",
        "1.0",
        "1e0",
        "1e3",
        "0x1",
        "0b1",
        "1_0",
        "1,0",
        "1%201",
        "%201",
    ),
    *(
        "1%20",
        "1%00",
        "%00",
        "%0a1",
        "1%0d%0a",
        "1%0aX-Evil:%201",
        "1%3Bx=1",
        "1;x=1",
        "1%23",
        "1%3F",
    ),
    *(str(2**53), str(2**63 - 1), str(2**63), str(2**64), str(-(2**63)), "9" * 16, "9" * 5000),
    *(
        "null",
        "true",
        "NaN",
        "Infinity",
        "undefined",
        "[object%20Object]",
        "%5B1%5D",
        "*",
        "%25",
        "_",
    ),
    *(
        "%EF%BC%91",
        "%D9%A1",
        "%E0%A5%A7",
        "%C2%B9",
        "%F0%9D%9F%8F",
        "%E2%80%8B1",
        "%C0%AE",
        "%ED%A0%80",
    ),
    *(
        "1'--",
        "1'%20OR%20'1'='1",
        "1%20OR%201=1",
        "1);SELECT%20pg_sleep(9)",
        "1%20UNION%20SELECT%201",
    ),
    *(
        "%27%3B%20DROP%20TABLE%20orders",
        "$1",
        "%24%7B7*7%7D",
        "%7B%7B7*7%7D%7D",
        "1%22%7D",
        "~",
        "G%25",
    ),
)
# The router reads these as other paths; none of them may lead to an order.
_OTHER_PATHS = (
    *("1%2F..%2F1", "..%2f..%2fmetrics", "%2e%2e%2fpending", "..%252f..%252fmetrics", "1%5C..%5C1"),
    *("1/", "//1", "1/.", "%2f", "1/orders/1", "..;/1", "%2e", "pending/", "Pending", "PENDING"),
)


def alike(stand: Stand, door: Door, reference: object) -> None:
    """Assert that an attacker sees the same as where nothing is, byte for byte."""
    for attacker in stand.attackers:
        if attacker is stand.admin and door.shows_admins:
            continue
        absent, foreign = (
            attacker.http.request(door.method, door.to(order=order), json=coupon_words(door))
            for order in (9_007_199_254_740_991, reference)
        )
        assert refusal(foreign) == ABSENT
        assert foreign.content == absent.content
        assert dict(foreign.headers) | {"date": ""} == dict(absent.headers) | {"date": ""}


class TestSomebodyElsesOrder:
    @pytest.mark.parametrize("door", OF_ONE_ORDER, ids=str)
    def test_does_not_exist(self, stand: Stand, door: Door) -> None:
        alike(stand, door, stand.order["orderId"])
        alike(stand, door, stand.order["orderNo"])

    @pytest.mark.parametrize("door", OF_ONE_ORDER, ids=str)
    def test_does_not_exist_for_strangers_either(self, stand: Stand, door: Door) -> None:
        answers = [
            stand.http.request(door.method, door.to(order=order))
            for order in (stand.order["orderId"], 999_999)
        ]

        assert [refusal(answer) for answer in answers] == [UNKNOWN] * 2
        assert answers[0].content == answers[1].content

    def test_is_in_no_list(self, stand: Stand) -> None:
        for attacker in stand.attackers:
            listed = attacker.http.get(f"{ORDERS}?limit=100&userId={stand.victim.user['id']}")
            assert listed.json() == {"items": [], "nextCursor": None}
            pending = attacker.http.get(f"{ORDERS}/pending?user_id={stand.victim.user['id']}")
            assert (pending.status_code, pending.content) == (204, b"")

    def test_is_not_found_by_walking_ids(self, stand: Stand) -> None:
        for reference in range(1, 30):
            answer = stand.attacker.http.get(f"{ORDERS}/{reference}")
            assert refusal(answer) == ABSENT

    @pytest.mark.parametrize("door", [d for d in OF_ONE_ORDER if d in OF_ONE_EVENT], ids=str)
    def test_is_not_given_away_by_another_event(self, stand: Stand, door: Door) -> None:
        for event in (2, 99):
            path = door.to(event=event, order=stand.order["orderNo"])
            answer = stand.victim.http.request(door.method, path, json=coupon_words(door))
            assert refusal(answer) == ABSENT

    def test_is_not_given_away_by_a_method(self, stand: Stand) -> None:
        path = f"{ORDERS}/{stand.order['orderNo']}"
        for method in ("PUT", "PATCH", "DELETE", "POST"):
            answers = [
                stand.attacker.http.request(method, target)
                for target in (path, f"{ORDERS}/G000000000000000")
            ]
            assert {refusal(answer) for answer in answers} == {(405, "METHOD_NOT_ALLOWED")}

    def test_is_not_moved_by_an_override(self, stand: Stand) -> None:
        path = f"{ORDERS}/{stand.order['orderNo']}"
        for name in ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"):
            answer = stand.victim.http.get(path, headers={name: "DELETE"})
            assert answer.json()["status"] == "PENDING"
        for name in ("X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Path"):
            answer = stand.victim.http.get(path, headers={name: f"{path}/cancel"})
            assert answer.json()["status"] == "PENDING"


class TestSomebodyElsesEvent:
    @pytest.mark.parametrize("door", OF_MANAGERS, ids=str)
    def test_is_not_theirs_who_manage_none(self, stand: Stand, door: Door) -> None:
        answer = stand.victim.http.request(door.method, door.to(), json=plan_for(door))

        assert refusal(answer) == (403, "FORBIDDEN")

    @pytest.mark.parametrize(
        "door", [door for door in OF_MANAGERS if door in OF_ONE_EVENT], ids=str
    )
    def test_is_not_there_for_another_organizer(self, stand: Stand, door: Door) -> None:
        theirs, absent = (
            stand.organizer.http.request(door.method, door.to(event=event), json=plan_for(door))
            for event in (1, 9_007_199_254_740_991)
        )

        assert refusal(theirs) == ABSENT
        assert theirs.content == absent.content

    @pytest.mark.parametrize(
        "kind", ["0", "-1", "+1", "1.0", "x", "%00", "7", str(2**64), "%EF%BC%91"]
    )
    def test_has_no_other_ticket_types(self, stand: Stand, kind: str) -> None:
        for door in OF_MANAGERS:
            if "{ticket_type_id}" in door.path:
                path = door.to(kind=kind)
                answer = stand.admin.http.request(door.method, path, json=plan_for(door))
                assert refusal(answer) == ABSENT, path


class TestAReference:
    @pytest.mark.parametrize("reference", _NO_REFERENCES, ids=lambda text: text[:24])
    def test_that_is_none_leads_nowhere(self, stand: Stand, reference: str) -> None:
        for door in OF_ONE_ORDER:
            path = door.to(order=reference)
            answer = stand.victim.http.request(door.method, path, json=coupon_words(door))
            assert refusal(answer) == ABSENT, path
        for door in OF_ONE_EVENT:
            path = door.to(event=reference, order=stand.order["orderNo"])
            if door.is_managed:
                answer = stand.organizer.http.request(door.method, path, json=plan_for(door))
            else:
                words = door.words if door.reads_body else None
                answer = stand.victim.http.request(door.method, path, content=words)
            assert refusal(answer) == ABSENT, path

    @pytest.mark.parametrize("reference", _OTHER_PATHS)
    def test_with_path_tricks_leads_nowhere(self, stand: Stand, reference: str) -> None:
        for door in OF_ONE_ORDER:
            words = json.dumps(coupon_words(door)) if door.reads_body else ""
            sent = (
                f"{door.method} {door.to(order=reference)} HTTP/1.1\r\nHost: x\r\n"
                f"Authorization: Bearer {stand.attacker.token}\r\n"
                f"Content-Length: {len(words)}\r\nConnection: close\r\n\r\n{words}"
            )
            received = stand.raw(sent.encode())
            status = received.split(b" ", 2)[1]
            # A slash too many may lead to one's own list, and that is empty.
            nothing = status == b"204" or received.endswith(b'{"items":[],"nextCursor":null}')
            assert status in {b"404", b"405"} or nothing, sent

    def test_is_a_number_in_capitals(self, stand: Stand) -> None:
        number = stand.order["orderNo"]
        others = (
            *(number.lower(), number[:-1], f"{number}0", f"{number}01", f"%20{number}"),
            *(
                number.replace("G", "\uff27", 1),
                f"{number}%00",
                f"{number[:-1]}_",
                f"{number[:-1]}%25",
            ),
        )
        for door in OF_ONE_ORDER:
            for other in others:
                words = coupon_words(door)
                answer = stand.victim.http.request(door.method, door.to(order=other), json=words)
                assert refusal(answer) == ABSENT, other

    @pytest.mark.parametrize(
        "query",
        [
            *("limit=0", "limit=-1", "limit=101", "limit=1.5", "limit=", "limit=null"),
            *("limit=9" + "9" * 30, "limit=%EF%BC%91", "limit=1_0", "limit=0x1"),
            *("cursor=", "cursor=-1", "cursor=1.0", "cursor=x", "cursor=%EF%BC%91", "cursor=1_0"),
            *(
                "cursor=%00",
                "cursor=1%27",
                "cursor=" + "9" * 30,
                "cursor=1%20OR%201=1",
                "cursor=%ED%A0%80",
            ),
        ],
    )
    def test_into_a_list_is_exact(self, stand: Stand, query: str) -> None:
        for path in (ORDERS, "/api/events"):
            answer = stand.victim.http.get(f"{path}?{query}")
            assert refusal(answer) == INVALID, path

    @pytest.mark.parametrize(
        "query",
        ["limit[]=1", "limit=1&limit=2", "cursor=1&cursor=2", "status=PAID", "%00=%00", "&=&"],
    )
    def test_into_a_list_that_says_too_much_shows_no_more(self, stand: Stand, query: str) -> None:
        answer = stand.attacker.http.get(f"{ORDERS}?{query}")

        assert answer.json() == {"items": [], "nextCursor": None}


class TestAnIdempotencyKey:
    @pytest.mark.parametrize(
        "key", [b"", b"x" * 256, b"\xc3\xa9", b"a\tb", "\u202e".encode(), b"x" * 6000]
    )
    def test_that_is_none_is_refused(self, stand: Stand, key: bytes) -> None:
        answer = stand.attacker.http.post(
            ORDERS, json={"ticketTypeId": 3}, headers=[(b"Idempotency-Key", key)]
        )

        assert refusal(answer) == INVALID

    def test_cannot_be_two(self, stand: Stand) -> None:
        for keys in ((b"a", b"b"), (b"a", b"a")):
            headers = [(b"Idempotency-Key", key) for key in keys]
            answer = stand.attacker.http.post(ORDERS, json={"ticketTypeId": 3}, headers=headers)
            assert refusal(answer) == INVALID

    def test_cannot_say_two_things(self, stand: Stand) -> None:
        others: list[dict[str, object]] = [{"quantity": 1}, {"quantity": 4}, {"prepare": False}]
        for fields in others:
            body = {"ticketTypeId": 1, "quantity": 2, "prepare": True} | fields
            answer = stand.victim.http.post(ORDERS, json=body, headers={"Idempotency-Key": KEY})
            assert refusal(answer) == (422, "IDEMPOTENCY_MISMATCH")

    def test_is_worth_nothing_to_others(self, stand: Stand) -> None:
        for attacker in stand.attackers:
            body = {"ticketTypeId": 1, "quantity": 3, "prepare": True}
            answer = attacker.http.post(ORDERS, json=body, headers={"Idempotency-Key": KEY})

            assert refusal(answer) == (422, "QUANTITY_NOT_OFFERED")
            assert stand.order["orderNo"] not in answer.text

    def test_says_the_same_again(self, stand: Stand) -> None:
        body = {"ticketTypeId": 1, "quantity": 2, "prepare": True}
        answer = stand.victim.http.post(ORDERS, json=body, headers={"Idempotency-Key": KEY})

        assert (answer.status_code, answer.json()["orderNo"]) == (201, stand.order["orderNo"])


def test_every_signed_in_door_was_tried() -> None:
    assert len(SIGNED_IN) > len(OF_ONE_ORDER) > 0
