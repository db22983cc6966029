"""What organizers put on sale, over real HTTP."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.engine import Database
from tests.api.service import Buyer, Service
from tests.api.test_doors import is_problem

DAY = timedelta(days=1)
NOW = datetime.now(UTC).replace(microsecond=0)
PLAN: dict[str, Any] = {
    "title": "An evening",
    "status": "PUBLISHED",
    "startsAt": (NOW + DAY).isoformat(),
    "endsAt": (NOW + 2 * DAY).isoformat(),
}
KIND: dict[str, Any] = {"name": "Standard", "price": 9900}
ABSENT = 9_007_199_254_740_991
ZERO: object = 0
NO_NUMBERS: tuple[object, ...] = (-1, ZERO, 2**53, 10**400, 1.0, 1.5, "1", True, [], {})


@pytest.fixture
def organizer(service: Service) -> Iterator[Buyer]:
    organizer = Buyer(service, "organizer")
    yield organizer
    organizer.http.close()


@pytest.fixture
def admin(service: Service) -> Iterator[Buyer]:
    admin = Buyer(service, "admin")
    yield admin
    admin.http.close()


@pytest.fixture
def rival(service: Service) -> Iterator[Buyer]:
    rival = Buyer(service, "organizer")
    yield rival
    rival.http.close()


def make_event(organizer: Buyer, **fields: object) -> dict[str, Any]:
    answer = organizer.http.post("/api/events", json=PLAN | fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def make_type(organizer: Buyer, event: dict[str, Any], **fields: object) -> dict[str, Any]:
    answer = organizer.http.post(f"/api/events/{event['id']}/ticket-types", json=KIND | fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def path_of(event: dict[str, Any], kind: dict[str, Any] | None = None) -> str:
    own = f"/api/events/{event['id']}"
    return own if kind is None else f"{own}/ticket-types/{kind['id']}"


def take(buyer: Buyer, event: dict[str, Any], kind: dict[str, Any], quantity: int = 1) -> Any:  # noqa: ANN401
    return buyer.http.post(
        f"{path_of(event)}/orders",
        json={"ticketTypeId": kind["id"], "quantity": quantity, "prepare": False},
    )


def seen(buyer: Buyer, event: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = buyer.http.get(path_of(event)).json()
    return found


class TestAnEvent:
    def test_is_as_it_was_planned(self, organizer: Buyer, buyer: Buyer) -> None:
        window = {
            "saleStartsAt": (NOW - DAY).isoformat(),
            "saleEndsAt": (NOW + DAY).isoformat(),
            "maxAttendees": 30,
            "requireApproval": True,
        }
        made = make_event(organizer, **window)

        assert made == seen(buyer, made)
        assert made["ticketTypes"] == []
        assert {name: made[name] for name in ("title", "status")} == {
            "title": "An evening",
            "status": "PUBLISHED",
        }
        assert datetime.fromisoformat(made["saleStartsAt"]) == NOW - DAY
        assert datetime.fromisoformat(made["saleEndsAt"]) == NOW + DAY
        assert (made["maxAttendees"], made["requireApproval"]) == (30, True)

    def test_has_defaults(self, organizer: Buyer) -> None:
        plan = {name: PLAN[name] for name in ("title", "startsAt", "endsAt")}
        made = organizer.http.post("/api/events", json=plan).json()

        assert made["status"] == "DRAFT"
        assert [made[name] for name in ("saleStartsAt", "saleEndsAt", "maxAttendees")] == [None] * 3
        assert made["requireApproval"] is False

    def test_is_replaced_whole(self, organizer: Buyer, buyer: Buyer) -> None:
        made = make_event(organizer, maxAttendees=30, requireApproval=True)
        answer = organizer.http.put(path_of(made), json=PLAN | {"title": "Another"})

        assert answer.status_code == 200
        assert answer.json() == seen(buyer, made)
        assert answer.json()["title"] == "Another"
        assert (answer.json()["maxAttendees"], answer.json()["requireApproval"]) == (None, False)

    def test_that_is_a_draft_is_seen_by_its_organizer_and_admins(
        self, organizer: Buyer, rival: Buyer, admin: Buyer, buyer: Buyer
    ) -> None:
        made = make_event(organizer, status="DRAFT")
        around = f"/api/organizer/events?cursor={made['id'] - 1}&limit=1"

        assert is_problem(organizer.http.get(path_of(made)), 404, "NOT_FOUND")
        listed = organizer.http.get(f"/api/events?cursor={made['id'] - 1}&limit=1").json()
        assert made["id"] not in [event["id"] for event in listed["items"]]
        assert organizer.http.get("/api/organizer/events").json() == {
            "items": [made],
            "nextCursor": None,
        }
        assert admin.http.get(around).json() == {
            "items": [made],
            "nextCursor": str(made["id"]),
        }
        assert rival.http.get("/api/organizer/events").json()["items"] == []
        assert is_problem(buyer.http.get("/api/organizer/events"), 403, "FORBIDDEN")

    @pytest.mark.parametrize(
        ("before", "after", "is_allowed"),
        [
            ("DRAFT", "DRAFT", True),
            ("DRAFT", "PUBLISHED", True),
            ("DRAFT", "CLOSED", False),
            ("PUBLISHED", "DRAFT", False),
            ("PUBLISHED", "PUBLISHED", True),
            ("PUBLISHED", "CLOSED", True),
            ("CLOSED", "DRAFT", False),
            ("CLOSED", "PUBLISHED", True),
            ("CLOSED", "CLOSED", True),
        ],
    )
    def test_moves_by_its_table(
        self, organizer: Buyer, before: str, after: str, *, is_allowed: bool
    ) -> None:
        made = make_event(organizer, status="PUBLISHED" if before == "CLOSED" else before)
        if before == "CLOSED":
            organizer.http.put(path_of(made), json=PLAN | {"status": "CLOSED"})
        answer = organizer.http.put(path_of(made), json=PLAN | {"status": after})

        if is_allowed:
            assert (answer.status_code, answer.json()["status"]) == (200, after)
        else:
            assert is_problem(answer, 409, "INVALID_STATE")
            assert answer.json()["eventStatus"] == before

    def test_does_not_begin_closed(self, organizer: Buyer) -> None:
        answer = organizer.http.post("/api/events", json=PLAN | {"status": "CLOSED"})

        assert is_problem(answer, 409, "INVALID_STATE")

    @pytest.mark.parametrize(
        "fields", [{"status": "DRAFT"}, {"saleStartsAt": (NOW + DAY).isoformat()}]
    )
    def test_sells_only_while_it_is_on_sale(
        self, organizer: Buyer, buyer: Buyer, fields: dict[str, str]
    ) -> None:
        made = make_event(organizer, **fields)
        kind = make_type(organizer, made)

        assert is_problem(take(buyer, made, kind), 422, "NOT_ON_SALE")

        assert organizer.http.put(path_of(made), json=PLAN).status_code == 200
        assert take(buyer, made, kind).status_code == 201

    def test_that_closes_sells_no_more(self, organizer: Buyer, buyer: Buyer) -> None:
        made = make_event(organizer)
        kind = make_type(organizer, made)
        organizer.http.put(path_of(made), json=PLAN | {"status": "CLOSED"})

        assert is_problem(take(buyer, made, kind), 422, "NOT_ON_SALE")

    def test_holds_no_more_than_it_may(self, organizer: Buyer, buyer: Buyer) -> None:
        made = make_event(organizer, maxAttendees=3)
        tiers = [{"quantity": 2, "price": 15000}, {"quantity": 4, "price": 20000}]
        first, second = (make_type(organizer, made, priceTiers=tiers) for _ in range(2))

        assert is_problem(take(buyer, made, first, 4), 409, "SOLD_OUT")
        assert take(buyer, made, second, 2).status_code == 201

    def test_keeps_room_for_everybody_who_has_a_seat(self, organizer: Buyer, buyer: Buyer) -> None:
        made = make_event(organizer, maxAttendees=10)
        kind = make_type(organizer, made, priceTiers=[{"quantity": 2, "price": 1}])
        take(buyer, made, kind, 2)
        too_few = organizer.http.put(path_of(made), json=PLAN | {"maxAttendees": 1, "title": "x"})

        assert is_problem(too_few, 409, "MAX_BELOW_SOLD")
        assert too_few.json()["currentQuantity"] == 2
        assert (seen(buyer, made)["maxAttendees"], seen(buyer, made)["title"]) == (10, "An evening")
        enough = organizer.http.put(path_of(made), json=PLAN | {"maxAttendees": 2})
        assert enough.status_code == 200

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            *((({"maxAttendees": bad}, "maxAttendees")) for bad in NO_NUMBERS),
            *(({"requireApproval": bad}, "requireApproval") for bad in (1, "true", None)),
            *(({"title": bad}, "title") for bad in ("", " ", "x" * 201, "a\x07", 1, None)),
            *(({"status": bad}, "status") for bad in ("draft", "OPEN", 1, None)),
            *(
                ({name: bad}, name)
                for name in ("startsAt", "endsAt", "saleStartsAt", "saleEndsAt")
                for bad in (
                    *("2030-01-01", "2030-01-01T00:00:00", "tomorrow", "", 0, 1e9),
                    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"),
                )
            ),
            ({"startsAt": None}, "startsAt"),
            ({"endsAt": NOW.isoformat()}, "endsAt"),
            ({"saleStartsAt": NOW.isoformat(), "saleEndsAt": NOW.isoformat()}, "saleEndsAt"),
            *(
                ({name: 1}, name)
                for name in ("id", "ticketTypes", "organizerUserId", "max_attendees")
            ),
        ],
    )
    def test_that_makes_no_sense_is_refused(
        self, organizer: Buyer, buyer: Buyer, fields: dict[str, Any], field: str
    ) -> None:
        made = make_event(organizer)
        for answer in (
            organizer.http.post("/api/events", content=json_of(PLAN | fields)),
            organizer.http.put(path_of(made), content=json_of(PLAN | fields)),
        ):
            assert is_problem(answer, 400, "INVALID_REQUEST"), answer.text
            assert answer.json()["errors"][0]["field"] == field
        assert seen(buyer, made) == made
        assert organizer.http.get("/api/organizer/events").json()["items"] == [made]

    def test_says_its_status_when_it_is_replaced(self, organizer: Buyer) -> None:
        made = make_event(organizer)
        plan = {name: value for name, value in PLAN.items() if name != "status"}
        answer = organizer.http.put(path_of(made), json=plan)

        assert is_problem(answer, 400, "INVALID_REQUEST")
        assert answer.json()["errors"][0]["field"] == "status"


class TestATicketType:
    def test_is_as_it_was_planned(self, organizer: Buyer, buyer: Buyer) -> None:
        made = make_event(organizer)
        kind = make_type(
            organizer,
            made,
            maxQuantity=20,
            maxPerOrder=4,
            position=2,
            priceTiers=[{"quantity": 4, "price": 30000}, {"quantity": 2, "price": 16900}],
        )

        assert kind == {
            "id": kind["id"],
            "name": "Standard",
            "price": 9900,
            "currency": "CNY",
            "maxQuantity": 20,
            "currentQuantity": 0,
            "maxPerOrder": 4,
            "isActive": True,
            "position": 2,
            "priceTiers": [{"quantity": 2, "price": 16900}, {"quantity": 4, "price": 30000}],
        }
        assert seen(buyer, made)["ticketTypes"] == [kind]

    def test_has_defaults(self, organizer: Buyer) -> None:
        kind = make_type(organizer, make_event(organizer))

        names = ("maxQuantity", "maxPerOrder", "isActive", "position", "priceTiers", "currency")
        assert [kind[name] for name in names] == [None, 10, True, 0, [], "CNY"]

    def test_is_replaced_whole(self, organizer: Buyer, buyer: Buyer) -> None:
        made = make_event(organizer)
        kind = make_type(
            organizer, made, maxQuantity=9, priceTiers=[{"quantity": 2, "price": 1}], position=3
        )
        answer = organizer.http.put(
            path_of(made, kind),
            json=KIND | {"priceTiers": [{"quantity": 3, "price": 5}], "isActive": False},
        )

        assert answer.status_code == 200
        assert seen(buyer, made)["ticketTypes"] == [answer.json()]
        assert answer.json()["priceTiers"] == [{"quantity": 3, "price": 5}]
        names = ("isActive", "maxQuantity", "position")
        assert [answer.json()[name] for name in names] == [False, None, 0]
        assert is_problem(take(buyer, made, kind, 3), 422, "NOT_ON_SALE")

    async def test_with_another_price_costs_that_at_once_and_changes_no_order(
        self, organizer: Buyer, service: Service, database: Database
    ) -> None:
        made = make_event(organizer)
        kind = make_type(organizer, made, priceTiers=[{"quantity": 2, "price": 16900}])
        for tier, others in ((16900, {2}), (500, {2}), (700, {2}), (800, {3})):
            (quantity,) = others
            plan = KIND | {"priceTiers": [{"quantity": quantity, "price": tier}]}
            changed = await asyncio.to_thread(organizer.http.put, path_of(made, kind), json=plan)
            assert changed.status_code == 200
            # Both processes know the catalogue by heart: each is asked.
            for _ in range(6):
                buyer = Buyer(service)
                order = await asyncio.to_thread(take, buyer, made, kind, quantity)
                stale = await asyncio.to_thread(take, buyer, made, kind, 5 - quantity)
                buyer.http.close()
                assert order.json()["totalAmount"] == tier
                assert stale.json()["code"] in {"PENDING_ORDER_EXISTS", "QUANTITY_NOT_OFFERED"}

        totals = await database.fetch(
            "SELECT total_minor, count(*) FROM orders WHERE event_id = $1 GROUP BY 1 ORDER BY 1",
            made["id"],
        )
        assert [tuple(row) for row in totals] == [(500, 6), (700, 6), (800, 6), (16900, 6)]

    def test_names_the_quantities_it_is_sold_in(self, organizer: Buyer, buyer: Buyer) -> None:
        made = make_event(organizer)
        kind = make_type(organizer, made, priceTiers=[{"quantity": 4, "price": 1}])
        answer = take(buyer, made, kind, 2)

        assert is_problem(answer, 422, "QUANTITY_NOT_OFFERED")
        assert answer.json()["offered"] == [1, 4]

    def test_keeps_room_for_what_is_sold(self, organizer: Buyer, buyer: Buyer) -> None:
        made = make_event(organizer)
        kind = make_type(organizer, made, priceTiers=[{"quantity": 2, "price": 1}])
        take(buyer, made, kind, 2)
        answer = organizer.http.put(path_of(made, kind), json=KIND | {"maxQuantity": 1, "price": 7})

        assert is_problem(answer, 409, "MAX_BELOW_SOLD")
        assert answer.json()["currentQuantity"] == 2
        assert seen(buyer, made)["ticketTypes"][0]["price"] == 9900
        enough = organizer.http.put(path_of(made, kind), json=KIND | {"maxQuantity": 2})
        assert enough.status_code == 200

    def test_is_removed_while_nobody_ever_had_it(self, organizer: Buyer, buyer: Buyer) -> None:
        made = make_event(organizer)
        kind = make_type(organizer, made, priceTiers=[{"quantity": 2, "price": 1}])
        answer = organizer.http.delete(path_of(made, kind))

        assert (answer.status_code, answer.content) == (204, b"")
        assert seen(buyer, made)["ticketTypes"] == []
        assert is_problem(organizer.http.delete(path_of(made, kind)), 404, "NOT_FOUND")
        assert is_problem(take(buyer, made, kind), 404, "NOT_FOUND")

    @pytest.mark.parametrize("price", [0, 9900])
    def test_that_somebody_had_is_not_removed(
        self, organizer: Buyer, buyer: Buyer, price: int
    ) -> None:
        made = make_event(organizer)
        kind = make_type(organizer, made, price=price)
        order = take(buyer, made, kind).json()
        if order["orderId"] is not None:
            cancel = f"{path_of(made)}/orders/{order['orderId']}/cancel"
            assert buyer.http.post(cancel).json() == {"status": "CANCELLED"}
        answer = organizer.http.delete(path_of(made, kind))

        assert is_problem(answer, 409, "INVALID_STATE")
        assert len(seen(buyer, made)["ticketTypes"]) == 1

    def test_without_a_price_is_free(self, organizer: Buyer, buyer: Buyer) -> None:
        made = make_event(organizer)
        kind = make_type(organizer, made, price=0)
        answer = take(buyer, made, kind)

        assert (answer.status_code, answer.json()["orderId"]) == (201, None)

    def test_belongs_to_its_event(self, organizer: Buyer) -> None:
        first, second = make_event(organizer), make_event(organizer)
        kind = make_type(organizer, first)
        for reference in (kind["id"], ABSENT, 2**63, "x", "-1", "0"):
            path = f"{path_of(second)}/ticket-types/{reference}"
            assert is_problem(organizer.http.put(path, json=KIND), 404, "NOT_FOUND")
            assert is_problem(organizer.http.delete(path), 404, "NOT_FOUND")

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            *(({"price": bad}, "price") for bad in NO_NUMBERS if bad is not ZERO),
            ({"price": 10_000_000_001}, "price"),
            *(({"maxQuantity": bad}, "maxQuantity") for bad in (*NO_NUMBERS, 1_000_000_001)),
            *(({"maxPerOrder": bad}, "maxPerOrder") for bad in (*NO_NUMBERS, 101)),
            *(({"isActive": bad}, "isActive") for bad in (1, "true", None)),
            *(({"position": bad}, "position") for bad in (-1, 10_001, 1.0, "1", None)),
            *(({"name": bad}, "name") for bad in ("", "\t", "x" * 101, 1, None)),
            *(
                ({"currency": bad}, "currency")
                for bad in ("cny", "", "CNYX", "CNY\n", "JPY", 1, None)
            ),
            *(
                ({"priceTiers": [{"quantity": bad, "price": 1}]}, "priceTiers[0].quantity")
                for bad in (*NO_NUMBERS, 101)
            ),
            *(
                ({"priceTiers": [{"quantity": 2, "price": bad}]}, "priceTiers[0].price")
                for bad in (*NO_NUMBERS, 10_000_000_001)
            ),
            ({"priceTiers": [{"quantity": 2}]}, "priceTiers[0].price"),
            ({"priceTiers": [{"quantity": 2, "price": 1, "x": 1}]}, "priceTiers[0].x"),
            ({"priceTiers": [{"quantity": n % 5 + 2, "price": 1} for n in range(6)]}, "priceTiers"),
            ({"priceTiers": [{"quantity": 1, "price": 1}]}, "priceTiers"),
            ({"priceTiers": [{"quantity": 5, "price": 1}], "maxPerOrder": 4}, "priceTiers"),
            ({"priceTiers": {}}, "priceTiers"),
            ({"priceTiers": None}, "priceTiers"),
            *(
                ({name: 1}, name)
                for name in ("id", "currentQuantity", "catalogVersion", "max_quantity")
            ),
        ],
    )
    def test_that_makes_no_sense_is_refused(
        self, organizer: Buyer, buyer: Buyer, fields: dict[str, Any], field: str
    ) -> None:
        made = make_event(organizer)
        kind = make_type(organizer, made)
        for answer in (
            organizer.http.post(f"{path_of(made)}/ticket-types", content=json_of(KIND | fields)),
            organizer.http.put(path_of(made, kind), content=json_of(KIND | fields)),
        ):
            assert is_problem(answer, 400, "INVALID_REQUEST"), answer.text
            assert answer.json()["errors"][0]["field"] == field
        assert seen(buyer, made)["ticketTypes"] == [kind]


class TestAnEventsDoors:
    def test_are_closed_to_all_but_its_organizer_and_admins(
        self, organizer: Buyer, rival: Buyer, admin: Buyer, buyer: Buyer
    ) -> None:
        made = make_event(organizer)
        kind = make_type(organizer, made)
        doors: tuple[tuple[str, str, Any], ...] = (
            ("PUT", path_of(made), PLAN),
            ("POST", f"{path_of(made)}/ticket-types", KIND),
            ("PUT", path_of(made, kind), KIND),
            ("GET", f"{path_of(made)}/registrations", None),
            ("DELETE", path_of(made, kind), None),
        )
        for method, path, body in doors:
            others = buyer.http.request(method, path, json=body)
            assert is_problem(others, 403, "FORBIDDEN"), path
            others = rival.http.request(method, path, json=body)
            assert is_problem(others, 404, "NOT_FOUND"), path
            absent = path.replace(f"/{made['id']}", f"/{ABSENT}", 1)
            for who in (organizer, admin):
                answer = who.http.request(method, absent, json=body)
                assert is_problem(answer, 404, "NOT_FOUND"), absent
        assert seen(buyer, made)["ticketTypes"] == [kind]
        for method, path, body in doors:
            assert admin.http.request(method, path, json=body).is_success, path

    def test_make_events_for_organizers_only(self, buyer: Buyer) -> None:
        assert is_problem(buyer.http.post("/api/events", json=PLAN), 403, "FORBIDDEN")


class TestTheGuestList:
    def test_names_who_comes_and_by_which_order(
        self, organizer: Buyer, service: Service, buyer: Buyer
    ) -> None:
        made = make_event(organizer, requireApproval=True)
        free, paid = make_type(organizer, made, price=0), make_type(organizer, made)
        order = take(buyer, made, paid).json()
        guest = Buyer(service)
        take(guest, made, free)
        guest.http.close()
        path = f"{path_of(made)}/registrations"

        items = organizer.http.get(path).json()["items"]
        assert [item["status"] for item in items] == ["PENDING_PAYMENT", "PENDING"]
        assert [item["name"] for item in items] == [buyer.name, guest.name]
        assert [item["userId"] for item in items] == [buyer.user["id"], guest.user["id"]]
        assert [item["ticketTypeId"] for item in items] == [paid["id"], free["id"]]
        assert items[0].keys() == {
            *("id", "status", "userId", "name", "ticketTypeId", "ticketTypeName", "orderId"),
            *("orderNo", "orderStatus", "inviteId", "answers", "checkedInAt", "createdAt"),
        }
        assert (items[0]["orderId"], items[0]["orderNo"]) == (order["orderId"], order["orderNo"])
        assert items[0]["orderStatus"] == "PENDING"
        assert (items[1]["orderId"], items[1]["orderNo"], items[1]["orderStatus"]) == (None,) * 3
        first = organizer.http.get(f"{path}?limit=1").json()
        rest = organizer.http.get(f"{path}?limit=1&cursor={first['nextCursor']}").json()
        assert first["items"] + rest["items"] == items
        waiting = organizer.http.get(f"{path}?status=PENDING").json()
        assert waiting == {"items": items[1:], "nextCursor": None}

    @pytest.mark.parametrize(
        "query", ["status=pending", "status=", "status=NONE", "limit=0", "limit=101", "cursor=x"]
    )
    def test_is_asked_for_exactly(self, organizer: Buyer, query: str) -> None:
        made = make_event(organizer)
        answer = organizer.http.get(f"{path_of(made)}/registrations?{query}")

        assert is_problem(answer, 400, "INVALID_REQUEST")
        assert answer.json()["errors"][0]["field"] == query.partition("=")[0]


def json_of(plan: dict[str, Any]) -> bytes:
    return json.dumps(plan).encode()
