"""What an honest client sends to the doors of intents and of their refunds."""

from collections.abc import Callable
from typing import Any

from tests.api.service import HOT, Buyer
from tests.hostile.stand import INTENTS, MARK_PAID, Door, Stand

Body = dict[str, Any]
_METHODS = ("WECHAT_NATIVE", "wx_pub_qr", "WECHAT_JSAPI", "wx_pub", "wx_lite", None)


def is_of_intents(door: Door) -> bool:
    """Tell whether a door is one of these."""
    return door.path in _BODIES


def aim_at_intents(case: Any, door: Door, stand: Stand) -> None:  # noqa: ANN401 - a generated call
    """Point a generated call at what exists, as somebody who may do it."""
    buyer = Buyer(stand.service)
    case.body = _BODIES[door.path](case.body, buyer, stand)
    who = stand.admin if "refund" in door.path else buyer
    case.headers["Authorization"] = f"Bearer {who.token}"
    buyer.http.close()


def _create(body: Body, buyer: Buyer, _: Stand) -> Body:
    order = buyer.order(HOT).json()
    return body | {
        "orderId": order["orderId"],
        "amount": order["totalAmount"],
        "currency": order["currency"],
    }


def _confirm(body: Body, buyer: Buyer, stand: Stand) -> Body:
    words = _create({"idempotencyKey": "k"}, buyer, stand)
    made = buyer.http.post(f"{INTENTS}/create_intent", json=words).json()
    method = _METHODS[len(body.get("method") or "") % len(_METHODS)]
    return body | {"intentId": made["intentId"], "method": method}


def _refund(body: Body, buyer: Buyer, stand: Stand) -> Body:
    order = buyer.order(HOT).json()
    path = MARK_PAID.format(event_id=1, order=order["orderNo"])
    assert stand.admin.http.post(path, json={"reason": "x"}).is_success
    amount = body.get("amount") and int(body["amount"]) % order["totalAmount"] + 1
    return body | {"orderId": order["orderId"], "amount": amount}


def _retry(body: Body, buyer: Buyer, stand: Stand) -> Body:
    words = _refund({"idempotencyKey": "k"}, buyer, stand)
    made = stand.admin.http.post(f"{INTENTS}/refund", json=words).json()
    return body | {"refundId": made["refundId"]}


_BODIES: dict[str, Callable[[Body, Buyer, Stand], Body]] = {
    f"{INTENTS}/create_intent": _create,
    f"{INTENTS}/confirm": _confirm,
    f"{INTENTS}/refund": _refund,
    f"{INTENTS}/refund/retry": _retry,
}
