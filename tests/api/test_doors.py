"""What holds at every door, over real HTTP."""

import re
import socket
from collections.abc import Iterator

import httpx
import pytest

from api.app import SIGNED_IN_ROUTES
from tests.api.service import EVENT, ORDERS, Buyer, Service

KIB = 1024


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    body = answer.json()
    return (
        answer.status_code == status
        and answer.headers["content-type"] == "application/problem+json"
        and (body["status"], body["code"]) == (status, code)
        and {"type", "title", "detail"} <= body.keys()
    )


class TestEveryDoor:
    def test_is_closed_without_a_token_unless_it_is_public(self, http: httpx.Client) -> None:
        schema = http.get("/schema/openapi.json").json()
        knocked = 0
        for path, item in schema["paths"].items():
            for method, operation in item.items():
                if "security" in operation:
                    answer = http.request(method, re.sub(r"{\w+}", "1", path), json={})
                    assert is_problem(answer, 401, "UNAUTHENTICATED"), path
                    knocked += 1
        assert knocked == sum(len(route.paths) for route in SIGNED_IN_ROUTES)

    @pytest.mark.parametrize(
        "header", ["", "Bearer", "Basic YTpi", "Bearer a.b.c", "bearer x", "Bearer é"]
    )
    def test_asks_for_a_token_that_is_one(self, http: httpx.Client, header: str) -> None:
        answer = http.get(ORDERS, headers={b"Authorization": header.encode()})

        assert is_problem(answer, 401, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"] == "Bearer"

    @pytest.mark.parametrize("path", ["/nope", "/api/events/1/nope", "/api/events/x%00y", "/%ff"])
    def test_that_does_not_exist_is_not_found(self, http: httpx.Client, path: str) -> None:
        assert is_problem(http.get(path), 404, "NOT_FOUND")

    def test_names_the_methods_it_opens_to(self, http: httpx.Client) -> None:
        answer = http.patch("/api/events/1")

        assert is_problem(answer, 405, "METHOD_NOT_ALLOWED")
        assert {"GET", "PUT"} <= set(answer.headers["allow"].split(", "))

    def test_is_closed_to_other_origins_by_default(self, http: httpx.Client) -> None:
        answer = http.get(EVENT, headers={"Origin": "https://elsewhere.example"})

        assert "access-control-allow-origin" not in answer.headers

    @pytest.mark.parametrize(
        "body", [b"", b"[]", b"{", b"\xff", b'{"ticketTypeId":1,"ticketTypeId":1}', b"[" * 100_000]
    )
    def test_answers_any_nonsense_with_400(self, buyer: Buyer, body: bytes) -> None:
        answer = buyer.http.post(ORDERS, content=body)

        assert is_problem(answer, 400, "INVALID_REQUEST")
        assert answer.json()["errors"]

    def test_takes_no_text_for_a_number(self, buyer: Buyer) -> None:
        answer = buyer.http.post(ORDERS, content=b'{"ticketTypeId":"1","prepare":false}')

        assert is_problem(answer, 400, "INVALID_REQUEST")
        assert answer.json()["errors"][0]["field"] == "ticketTypeId"

    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor=\uff11"]
    )
    def test_answers_nonsense_in_a_query_with_400(self, http: httpx.Client, query: str) -> None:
        answer = http.get(f"/api/events?{query}")

        assert is_problem(answer, 400, "INVALID_REQUEST")
        assert answer.json()["errors"][0]["field"] in {"limit", "cursor"}


class TestABodyThatIsTooLarge:
    @pytest.mark.parametrize(
        ("path", "limit"), [(ORDERS, 256 * KIB), ("/api/webhooks/wechatpay", 64 * KIB)]
    )
    def test_is_refused_only_beyond_the_limit(self, buyer: Buyer, path: str, limit: int) -> None:
        within = buyer.http.post(path, content=b"x" * limit)
        beyond = buyer.http.post(path, content=b"x" * (limit + 1))

        assert within.status_code in {400, 401}
        assert is_problem(beyond, 413, "BODY_TOO_LARGE")

    def test_is_read_to_its_end_so_that_the_answer_arrives(self, buyer: Buyer) -> None:
        assert is_problem(buyer.http.post(ORDERS, content=b"x" * KIB * KIB), 413, "BODY_TOO_LARGE")

    def test_is_found_out_without_a_declared_length(self, buyer: Buyer) -> None:
        answer = buyer.http.post(ORDERS, content=(b"x" * KIB for _ in range(300)))

        assert is_problem(answer, 413, "BODY_TOO_LARGE")

    def test_is_not_read_for_ever(self, service: Service) -> None:
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as line:
            line.sendall(
                f"POST {ORDERS} HTTP/1.1\r\nHost: x\r\nContent-Length: 99000000\r\n\r\n".encode()
            )
            sent = 0
            try:
                while sent < 20 * KIB * KIB:
                    sent += line.send(b"x" * 64 * KIB)
            except OSError:
                pass
            assert sent < 20 * KIB * KIB


class TestSigningIn:
    def test_makes_the_same_name_the_same_user(self, http: httpx.Client) -> None:
        first, second = (
            http.post("/api/auth/sandbox-login", json={"name": "same"}).json() for _ in range(2)
        )

        assert first["user"] == second["user"]
        assert first["user"]["roles"] == ["buyer"]

    @pytest.mark.parametrize("name", ["", "x" * 65, "a\x07b", "a\nb", 7, None])
    def test_needs_a_printable_name(self, http: httpx.Client, name: object) -> None:
        answer = http.post("/api/auth/sandbox-login", json={"name": name})

        assert is_problem(answer, 400, "INVALID_REQUEST")
        assert answer.json()["errors"][0]["field"] == "name"

    def test_knows_three_roles(self, http: httpx.Client) -> None:
        answer = http.post("/api/auth/sandbox-login", json={"name": "a", "role": "emperor"})

        assert is_problem(answer, 400, "INVALID_REQUEST")

    def test_makes_the_organizer_who_owns_the_demo_events(self, http: httpx.Client) -> None:
        body = {"name": "organizer", "role": "organizer"}
        user = http.post("/api/auth/sandbox-login", json=body).json()["user"]

        assert user["id"] == 1


class TestTheConfig:
    def test_tells_clients_where_they_are(self, http: httpx.Client, service: Service) -> None:
        assert http.get("/api/config").json() == {
            "appEnv": "sandbox",
            "sandboxUrl": service.environ["SANDBOX_URL"],
            "stripeEnabled": False,
            "stripePublishableKey": None,
            "minBridgeVersion": "1.2.0",
        }


class TestTheEvents:
    def test_are_the_demo_events(self, http: httpx.Client) -> None:
        answer = http.get("/api/events?limit=2").json()

        assert [event["title"] for event in answer["items"]] == [
            "Guichet Demo Night",
            "Guichet Members' Evening",
        ]
        assert answer["nextCursor"] == "2"

    def test_end_where_there_are_no_more(self, http: httpx.Client) -> None:
        answer = http.get("/api/events?cursor=999999")

        assert answer.json() == {"items": [], "nextCursor": None}

    def test_come_in_pages(self, http: httpx.Client) -> None:
        first = http.get("/api/events?limit=1").json()
        second = http.get(f"/api/events?limit=1&cursor={first['nextCursor']}").json()

        assert [page["items"][0]["id"] for page in (first, second)] == [1, 2]

    def test_show_their_prices_in_minor_units(self, http: httpx.Client) -> None:
        event = http.get(EVENT).json()
        standard = event["ticketTypes"][0]

        assert (event["requireApproval"], event["maxAttendees"]) == (False, None)
        assert (standard["name"], standard["price"], standard["currency"]) == (
            "Standard",
            9900,
            "CNY",
        )
        assert standard["priceTiers"] == [
            {"quantity": 2, "price": 16900},
            {"quantity": 4, "price": 32000},
        ]

    @pytest.mark.parametrize("event_id", ["0", "999999", "x", "1.0", "-1", "\uff11", "9" * 30])
    def test_are_not_found_by_any_other_id(self, http: httpx.Client, event_id: str) -> None:
        assert is_problem(http.get(f"/api/events/{event_id}"), 404, "NOT_FOUND")


class TestTheSchema:
    def test_can_be_read_without_anything_from_elsewhere(self, http: httpx.Client) -> None:
        page = http.get("/schema")

        assert page.headers["content-type"].startswith("text/html")
        assert "POST /api/events/{event_id}/orders" in page.text
        assert not re.search(r"https?://|<script", page.text)

    def test_declares_refusals_in_their_shape(self, http: httpx.Client) -> None:
        paths = http.get("/schema/openapi.json").json()["paths"]
        answers = paths["/api/events/{event_id}/orders"]["post"]["responses"]

        assert {"200", "201", "400", "401", "404", "409", "422", "503"} <= answers.keys()
        assert list(answers["409"]["content"]) == ["application/problem+json"]
