"""A paid order with guests, and members who wait: what honest calls around places need."""

from collections.abc import Callable
from typing import Any

from tests.api.service import FREE, ORDERS, STANDARD, Buyer
from tests.hostile.stand import Door, Stand
from tests.sandbox.simulator import Simulator

_GIFTS = "/api/events/{event_id}/orders/{order}/invites"
_REGISTER = "/api/events/{event_id}/register"
_MEMBERS, _MEMBERS_FREE = "/api/events/2/register", 6


class Party:
    """Somebody with gift seats, a guest who has taken one, and an admin."""

    def __init__(self, stand: Stand, simulator: Simulator) -> None:
        self._stand = stand
        self._owner, self._guest = Buyer(stand.service), Buyer(stand.service)
        self._admin = Buyer(stand.service, "admin")
        order = self._owner.order(STANDARD, quantity=4, prepare=True).json()
        simulator.act(f"{order['orderNo']}01", "pay", drop=True)
        self._owner.http.post(f"{ORDERS}/{order['orderNo']}/query")
        self._order_no = order["orderNo"]
        taken, self._waiting, _ = self._owner.http.get(
            f"{ORDERS}/{order['orderNo']}/invites"
        ).json()["items"]
        self._code = taken["code"]
        assert self._guest.http.post(f"{ORDERS}/invites/{self._code}/redeem").status_code == 201
        self._members = [self._member(), self._member()]
        self._calls: dict[str, Callable[[Any], Buyer]] = {
            f"POST {_GIFTS}/{{invite}}/reissue": self._reissue,
            "POST /api/events/{event_id}/orders/invites/{code}/redeem": self._redeem,
            f"POST {_REGISTER}": self._register,
            f"DELETE {_REGISTER}": self._leave,
            "POST /api/registrations/{registration}/approve": self._approve,
            "POST /api/registrations/{registration}/reject": self._reject,
        }

    def close(self) -> None:
        """Let go of every connection."""
        for one in (self._owner, self._guest, self._admin):
            one.http.close()

    def knows(self, door: Door) -> bool:
        """Tell whether a door is one of these."""
        return str(door) in self._calls

    def mean(self, case: Any, door: Door) -> None:  # noqa: ANN401 - a generated call
        """Point a generated call at what exists, as somebody who may change it."""
        if "{event_id}" in door.path:
            case.path_parameters["event_id"] = "1"
        who = self._calls[str(door)](case)
        case.headers["Authorization"] = f"Bearer {who.token}"

    def _reissue(self, case: Any) -> Buyer:  # noqa: ANN401 - as above
        case.path_parameters |= {"order": self._order_no, "invite": str(self._waiting["id"])}
        return self._owner

    def _redeem(self, case: Any) -> Buyer:  # noqa: ANN401 - as above
        case.path_parameters["code"] = self._code
        return self._guest

    def _register(self, case: Any) -> Buyer:  # noqa: ANN401 - as above
        case.body = case.body | {"ticketTypeId": FREE}
        return self._newcomer()

    def _leave(self, _case: Any) -> Buyer:  # noqa: ANN401 - as above
        newcomer = Buyer(self._stand.service)
        newcomer.http.post("/api/events/1/register", json={"ticketTypeId": FREE})
        newcomer.http.close()
        return newcomer

    def _approve(self, case: Any) -> Buyer:  # noqa: ANN401 - as above
        case.path_parameters["registration"] = str(self._members[0])
        return self._admin

    def _reject(self, case: Any) -> Buyer:  # noqa: ANN401 - as above
        case.path_parameters["registration"] = str(self._members[1])
        return self._admin

    def _newcomer(self) -> Buyer:
        newcomer = Buyer(self._stand.service)
        newcomer.http.close()
        return newcomer

    def _member(self) -> int:
        one = Buyer(self._stand.service)
        answer = one.http.post(_MEMBERS, json={"ticketTypeId": _MEMBERS_FREE})
        one.http.close()
        place: int = answer.json()["registration"]["id"]
        return place
