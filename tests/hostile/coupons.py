"""What an honest client sends to the doors around coupons."""

import secrets
from typing import Any

import httpx

from tests.api.service import HOT, Buyer
from tests.hostile.stand import COUPON, COUPONS, COUPONS_FOR_ALL, Door, Stand

_WORDS: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", COUPON): {"couponCode": "NONE"},
    ("POST", COUPONS): {"code": "A", "kind": "fixed", "value": 1},
    ("PUT", f"{COUPONS}/{{coupon_id}}"): {"isActive": True},
    ("POST", COUPONS_FOR_ALL): {"code": "A", "kind": "fixed", "value": 1},
    ("PUT", f"{COUPONS_FOR_ALL}/{{coupon_id}}"): {"isActive": True},
}
_TIMES = ("startsAt", "endsAt")


def coupon_words(door: Door) -> dict[str, Any] | None:
    """Say what a door around coupons would understand; None when it reads nothing."""
    return _WORDS.get((door.method, door.path))


def is_of_coupons(door: Door) -> bool:
    """Tell whether a door is one of these."""
    return door.path == COUPON or door.path.startswith((COUPONS, COUPONS_FOR_ALL))


def aim_at_coupons(case: Any, door: Door, stand: Stand) -> None:  # noqa: ANN401 - a generated call
    """Point a generated call at what exists, as somebody who may do it."""
    admin = stand.attackers[-1]
    case.headers["Authorization"] = f"Bearer {admin.token}"
    if "{event_id}" in door.path:
        case.path_parameters["event_id"] = "1"
    if case.query and "cursor" in case.query:
        case.query["cursor"] = str(len(str(case.query["cursor"])))
    if door.path == COUPON:
        _aim_at_an_order(case, stand, admin.http)
    elif door.method == "POST":
        case.body = _possible(case.body | {"code": _code()})
    elif door.method == "PUT":
        path = door.path.removesuffix("/{coupon_id}").format(event_id=1)
        case.path_parameters["coupon_id"] = str(_made(admin.http, path)["id"])
        case.body = _possible(case.body)


def made_for_all(admin: httpx.Client) -> str:
    """Make a coupon that is good everywhere, and say its code."""
    code: str = _made(admin, COUPONS_FOR_ALL)["code"]
    return code


def _aim_at_an_order(case: Any, stand: Stand, admin: httpx.Client) -> None:  # noqa: ANN401
    buyer = Buyer(stand.service)
    case.path_parameters["order"] = buyer.order(HOT).json()["orderNo"]
    buyer.http.close()
    case.headers["Authorization"] = f"Bearer {buyer.token}"
    case.body = {"couponCode": made_for_all(admin)}


def _made(admin: httpx.Client, path: str) -> dict[str, Any]:
    words = {"code": _code(), "kind": "percent", "value": 10}
    coupon: dict[str, Any] = admin.post(path, json=words).json()
    return coupon


def _possible(body: dict[str, Any]) -> dict[str, Any]:
    # What no description can say: a percentage ends at a hundred, a window after it begins, and
    # 3.0 is no integer here.
    kept = {name: _exact(value) for name, value in body.items() if name not in _TIMES}
    return kept | ({"value": kept["value"] % 100 + 1} if "value" in kept else {})


def _exact(value: Any) -> Any:  # noqa: ANN401 - any word
    return int(value) if isinstance(value, float) else value


def _code() -> str:
    return f"S-{secrets.token_hex(8)}"
