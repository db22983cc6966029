"""Headers that lie, and requests that are no requests."""

import pytest

from models.engine import Database
from tests.api.service import EVENT, FREE, ORDERS, Buyer
from tests.hostile.stand import DOORS, LOGIN, Stand

pytestmark = pytest.mark.xdist_group("hostile")

_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
_LIES = {
    "X-Forwarded-For": "127.0.0.1, 10.0.0.1",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "javascript",
    "X-Real-IP": "127.0.0.1",
    "Forwarded": "for=127.0.0.1;host=evil.example",
    "Host": "evil.example",
    "Origin": "https://evil.example",
    "Referer": "https://evil.example/\u00e9",
    "traceparent": f"00-{_TRACE}-00f067aa0ba902b7-01",
    "tracestate": "x=" + "y" * 500,
    "baggage": ",".join(f"k{n}={'v' * 100}" for n in range(60)),
    "b3": f"{_TRACE}-00f067aa0ba902b7-1",
    "Accept": "application/xml;q=1, text/html",
    "Accept-Encoding": "gzip;q=99999, *;q=\u00e9",
    "Accept-Language": "../../etc/passwd",
    "User-Agent": "\u202e${jndi:ldap://127.0.0.1/x} MicroMessenger",
    "Cookie": "session=" + "x" * 4000,
    "Range": "bytes=0-0,1-1,2-2",
    "If-None-Match": "*",
    "If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT",
    "Expect": "100-continue",
    "X-Custom-IP-Authorization": "127.0.0.1",
    "Content-Type": "application/json; charset=utf-7",
}
_POST = b"POST %b HTTP/1.1\r\nHost: x\r\n"
_NO_REQUESTS = {
    "nothing": b"\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /health/live\r\n",
    "HTTP/9.9": b"GET /health/live HTTP/9.9\r\nHost: x\r\n\r\n",
    "no method": b" /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method of signs": b"G@T /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
    "two lengths": _POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}}",
    "a negative length": _POST + b"Content-Length: -1\r\n\r\n",
    "a length of words": _POST + b"Content-Length: two\r\n\r\n{}",
    "a huge length": _POST + b"Content-Length: 99999999999999999999\r\n\r\n",
    "a short body": _POST + b"Content-Length: 999\r\n\r\n{}",
    "an unknown coding": _POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a chunk of words": _POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "a huge chunk": _POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 17 + b"\r\n{}\r\n",
    "a header without a name": b"GET /health/live HTTP/1.1\r\nHost: x\r\n: x\r\n\r\n",
    "a header with a blank": b"GET /health/live HTTP/1.1\r\nHost: x\r\nX Y: z\r\n\r\n",
    "a NUL": b"GET /health/live HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
    "a lone CR": b"GET /health/live HTTP/1.1\r\nHost: x\r\nX: a\rSet-Cookie: x\r\n\r\n",
    "a thousand headers": b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
    + b"".join(b"x%d: y\r\n" % n for n in range(1000))
    + b"\r\n",
    "a header of a megabyte": b"GET /health/live HTTP/1.1\r\nHost: x\r\nX: "
    + b"y" * 2**20
    + b"\r\n\r\n",
    "a path of a megabyte": b"GET /" + b"y" * 2**20 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a raw path": b"GET /api/events/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
}


class TestAHeaderThatLies:
    @pytest.mark.usefixtures("unmoved")
    @pytest.mark.parametrize("name", _LIES)
    def test_changes_nothing_at_any_door(self, stand: Stand, name: str) -> None:
        header = [(name.encode(), _LIES[name].encode())]
        for door in DOORS:
            if door.method != "GET" or door.path == "/metrics":
                continue
            if name == "User-Agent" and door.path.endswith("/pending"):
                # It says where the payer is, and that decides how to pay.
                continue
            path = door.to(order=stand.order["orderNo"])
            plain, lying = (stand.victim.http.get(path, headers=more) for more in ([], header))

            assert (lying.status_code, lying.content) == (plain.status_code, plain.content), path
            assert lying.headers.keys() == plain.headers.keys()
            assert "evil" not in str(lying.headers)

    async def test_puts_no_trace_of_a_stranger_on_an_order(
        self, stand: Stand, database: Database
    ) -> None:
        buyer = Buyer(stand.service)
        lies = [
            (name.encode(), value.encode()) for name, value in _LIES.items() if name != "Expect"
        ]
        lies = [pair for pair in lies if pair[0] != b"Host"]
        answer = buyer.http.post(ORDERS, json={"ticketTypeId": 3, "prepare": False}, headers=lies)
        trace_ctx = await database.fetchval(
            "SELECT trace_ctx FROM orders WHERE id = $1", answer.json()["orderId"]
        )
        buyer.http.close()

        assert answer.status_code == 201
        assert _TRACE not in trace_ctx


@pytest.mark.usefixtures("unmoved")
class TestARequestThatIsNone:
    @pytest.mark.parametrize("sent", _NO_REQUESTS.values(), ids=_NO_REQUESTS.keys())
    def test_is_turned_away_and_harms_nobody(self, stand: Stand, sent: bytes) -> None:
        # What waits for the rest of a request is not answered; half a second shows that.
        received = stand.raw(sent.replace(b"%b", ORDERS.encode(), 1), patience_seconds=0.5)
        status = received.split(b" ", 2)[1] if received else b"400"

        assert status[:1] in (b"2", b"4"), received[:200]
        with stand.service.client() as http:
            assert http.get("/health/ready").status_code == 200

    def test_does_not_smuggle_another(self, stand: Stand) -> None:
        inner = (
            f"POST {ORDERS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stand.victim.token}\r\n"
        )
        inner += 'Content-Length: 35\r\n\r\n{"ticketTypeId":3,"prepare": false}'
        for coding in ("chunked", "Chunked", "chunked, identity", "identity", "\x0bchunked"):
            outer = (
                f"POST {LOGIN} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(inner) + 5}\r\n"
                f"Transfer-Encoding: {coding}\r\n\r\n0\r\n\r\n"
            )
            received = stand.raw((outer + inner).encode(), patience_seconds=0.5)
            # An order of the victim's would be refused too; what counts is that nobody asked.
            assert b"orderId" not in received
            assert b"PENDING_ORDER_EXISTS" not in received

    def test_writes_no_headers_of_its_own(self, stand: Stand) -> None:
        for path in (
            f"{EVENT}%0d%0aSet-Cookie:%20x=y",
            "/%0d%0aX-Evil:%20y",
            "/api/events/%0aX-Evil: y",
        ):
            received = stand.raw(
                f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
            )
            head = received.partition(b"\r\n\r\n")[0].lower()
            assert b"set-cookie" not in head
            assert b"x-evil" not in head


class TestAName:
    def test_that_looks_like_another_is_somebody_else(self, stand: Stand) -> None:
        names = (
            "organizer",
            "\u043erganizer",
            "organizer\u0301",
            "Organizer",
            "organizer ",
            "\uff4frganizer",
        )
        answers = [
            stand.http.post(LOGIN, json={"name": name, "role": "organizer"}) for name in names
        ]

        ids = [answer.json()["user"]["id"] for answer in answers if answer.is_success]
        assert len(ids) == len(set(ids)) >= 5

    @pytest.mark.parametrize(
        "name",
        [
            *("'; DROP TABLE users; --", '" OR ""="', "%", "_", "\\", "$1", "{{7*7}}", "${7*7}"),
            *("<script>alert(1)</script>", "../../etc/passwd", "😀" * 64, "é" * 64, "NULL", "true"),
        ],
    )
    async def test_is_a_name_and_no_statement(
        self, stand: Stand, database: Database, name: str
    ) -> None:
        first, second = (stand.http.post(LOGIN, json={"name": name}).json() for _ in range(2))
        found = await database.fetchval("SELECT name FROM users WHERE id = $1", first["user"]["id"])

        assert (first["user"]["name"], found) == (name, name)
        assert first["user"] == second["user"]

    def test_of_a_coupon_is_no_statement(self, stand: Stand) -> None:
        for code in ("' OR '1'='1", "%", "_", "\\'; --", "x' || pg_sleep(9) || '", "é" * 64):
            body = {"ticketTypeId": FREE, "couponCode": code}
            answer = stand.attacker.http.post(ORDERS, json=body)
            assert (answer.status_code, answer.json()["code"]) == (422, "COUPON_INVALID")
