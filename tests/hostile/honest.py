"""What an honest client sends to the doors around the bridge, to tickets and to oneself."""

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from tests.api.service import FREE, STANDARD, Buyer
from tests.hostile.stand import BRIDGE, PAYMENTS, Stand
from tests.sandbox.simulator import APP_ID, OTHER_APP_ID, Simulator

_OPENID = "o" + "h" * 27
_IN_THE_SHELL = {
    "environmentType": "miniprogram",
    "miniProgramBridgeSupported": True,
    "miniProgramBridgeVersion": "9.0",
}

Body: TypeAlias = dict[str, Any]


class Client(msgspec.Struct, frozen=True):
    """Somebody new who is in the Mini Program."""

    buyer: Buyer
    simulator: Simulator

    def post(self, door: str, **fields: object) -> Body:
        """Post to a door below the payments, and mean it."""
        answer = self.buyer.http.post(f"{PAYMENTS}/{door}", json=fields)
        assert answer.is_success, answer.text
        body: Body = answer.json()
        return body

    def code(self, appid: str = OTHER_APP_ID) -> str:
        """Log in to an app."""
        return self.simulator.log_in(appid, _OPENID)

    def order(self) -> str:
        """Bind an account and have an order prepared for it."""
        self.post("bind-mini-openid", code=self.code())
        answer = self.buyer.order(STANDARD, prepare=True, clientContext=_IN_THE_SHELL)
        return str(answer.json()["orderNo"])

    def biz(self) -> Body:
        """Name an order of one's own."""
        return {"bizType": "EVENT_TICKET", "bizId": self.order()}


def _settings(_: Client, body: Body) -> Body:
    # As open as before: other calls cross the bridge at the same time.
    return {"rolloutPercent": 100, "minVersion": f"0.{len(body['minVersion'])}"}


_BODIES: dict[str, Callable[[Client, Body], Body]] = {
    BRIDGE: _settings,
    f"{PAYMENTS}/prepare": lambda client, body: (
        body | {"bizType": "EVENT_TICKET", "bizId": client.order(), "clientContext": _IN_THE_SHELL}
    ),
    f"{PAYMENTS}/bridge-report": lambda client, body: body | {"orderNo": client.order()},
    f"{PAYMENTS}/bridge-ticket": lambda client, _: client.biz(),
    f"{PAYMENTS}/bridge-redeem": lambda client, _: {
        "ticket": client.post("bridge-ticket", **client.biz())["ticket"],
        "code": client.code(),
    },
    f"{PAYMENTS}/bind-mini-openid": lambda client, _: {"code": client.code()},
    f"{PAYMENTS}/bind-mini-openid-with-token": lambda client, _: {
        "bindToken": client.post("mini-bind-token")["bindToken"],
        "code": client.code(),
    },
    f"{PAYMENTS}/bind-openid": lambda client, _: {
        "state": client.post("h5-bind-state")["state"],
        "code": client.code(APP_ID),
    },
}


_ME = "/api/me"
_TICKET = "/api/registrations/{registration_id}/ticket"
_CHECK_IN = "/api/events/{event_id}/check-in"


def aimed(case: Any, path: str, stand: Stand) -> bool:  # noqa: ANN401  # a generated call
    """Point a call at a ticket somebody holds or at oneself; False when *path* is neither's."""
    if path == _ME:
        if isinstance(case.body, dict):
            case.body = _reachable(case.body)
    elif path.startswith(_TICKET):
        place_id, _, token = _held(stand)
        case.path_parameters["registration_id"] = str(place_id)
        case.headers["Authorization"] = f"Bearer {token}"
    elif path == _CHECK_IN:
        _, case.body["ticketCode"], _ = _held(stand)
        admin = next(one for one in stand.attackers if "admin" in one.user["roles"])
        case.headers["Authorization"] = f"Bearer {admin.token}"
    return path in {_ME, _CHECK_IN} or path.startswith(_TICKET)


def _held(stand: Stand) -> tuple[int, str, str]:
    """Take a free ticket as somebody new; return the place, its code and the holder's token."""
    buyer = Buyer(stand.service)
    place_id = buyer.order(FREE).json()["registration"]["id"]
    code = buyer.http.get(_TICKET.format(registration_id=place_id)).json()["ticketCode"]
    buyer.http.close()
    return place_id, code, buyer.token


def _reachable(body: Body) -> Body:
    known = {"locale": body["locale"]} if "locale" in body else {}
    return known | ({"email": "ann@guichet.test"} if body.get("email") else {})


def is_known(path: str) -> bool:
    """Tell whether a door is one of these."""
    return path in _BODIES


def body_for(path: str, body: Body, stand: Stand, simulator: Simulator) -> tuple[Body, str]:
    """Make a body a door would take, and the token it takes it with."""
    role = "admin" if path == BRIDGE else "buyer"
    client = Client(Buyer(stand.service, role), simulator)
    made = _BODIES[path](client, body)
    client.buyer.http.close()
    return made, client.buyer.token
