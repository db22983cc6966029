"""What an honest organizer sends to the doors of an event."""

from typing import Any, TypeAlias

from tests.api.service import Buyer
from tests.hostile.coupons import coupon_words
from tests.hostile.stand import MARK_PAID, REFUND, Door, Stand

Body: TypeAlias = dict[str, Any]

_EVENT: Body = {
    "title": "An evening",
    "status": "PUBLISHED",
    "startsAt": "2031-01-01T18:00:00Z",
    "endsAt": "2031-01-02T06:00:00+08:00",
    "saleStartsAt": None,
    "saleEndsAt": None,
}
_KIND: Body = {"name": "Standard", "price": 9900, "maxPerOrder": 4, "priceTiers": []}


def plan_for(door: Door) -> Body | None:
    """Say what a door would take, or nothing where it reads nothing."""
    if not door.reads_body:
        return None
    if (words := coupon_words(door)) is not None:
        return words
    if "{order}" in door.path:
        return {"reason": "mine"}
    return _KIND if "ticket-types" in door.path else _EVENT


def manage(case: Any, door: Door, stand: Stand) -> None:  # noqa: ANN401  # a generated call
    """Point a generated call at an event of the caller's own."""
    organizer = Buyer(stand.service, "organizer")
    event = _made(organizer, "/api/events", _EVENT)
    kind = _made(organizer, f"/api/events/{event}/ticket-types", _KIND)
    organizer.http.close()
    case.headers["Authorization"] = f"Bearer {organizer.token}"
    if "{event_id}" in door.path:
        case.path_parameters["event_id"] = str(event)
    if "{ticket_type_id}" in door.path:
        case.path_parameters["ticket_type_id"] = str(kind)
    if case.query and "cursor" in case.query:
        case.query["cursor"] = str(len(str(case.query["cursor"])))
    plan = plan_for(door)
    if plan is not None:
        # To the description 7.0 is an integer; here only 7 is.
        whole = {name: int(said) for name, said in case.body.items() if isinstance(said, float)}
        case.body = case.body | whole | plan


def manage_order(case: Any, door: Door, stand: Stand) -> None:  # noqa: ANN401  # as above
    """Point a generated call at an order that is there to be paid or refunded."""
    case.path_parameters["event_id"] = "1"
    case.path_parameters["order"] = _order(stand, is_paid=door.path == REFUND)
    case.headers["Authorization"] = f"Bearer {stand.admin.token}"
    # Seats that are not there, and more money than there is, are refused.
    body = {name: said for name, said in case.body.items() if not name.endswith("Ids")}
    if body.get("amount"):
        body["amount"] = int(body["amount"]) % 9900 + 1
    case.body = body


def _made(organizer: Buyer, path: str, plan: Body) -> int:
    answer = organizer.http.post(path, json=plan)
    assert answer.status_code == 201, answer.text
    made: int = answer.json()["id"]
    return made


def _order(stand: Stand, *, is_paid: bool) -> str:
    buyer = Buyer(stand.service)
    order_no = str(buyer.order().json()["orderNo"])
    buyer.http.close()
    if is_paid:
        path = MARK_PAID.format(event_id=1, order=order_no)
        paid = stand.admin.http.post(path, json={"reason": "x"})
        assert paid.is_success, paid.text
    return order_no
