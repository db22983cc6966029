"""What an honest client sends to the doors of the course shop."""

from typing import Any

from tests.api.service import HOT, Buyer
from tests.hostile.coupons import made_for_all
from tests.hostile.stand import COURSE, Door, Stand


def is_of_course(door: Door) -> bool:
    """Tell whether a door is one of these."""
    return door.path.startswith(COURSE)


def aim_at_course(case: Any, door: Door, stand: Stand) -> None:  # noqa: ANN401 - a generated call
    """Point a generated call at an order of one's own."""
    buyer = Buyer(stand.service)
    case.headers["Authorization"] = f"Bearer {buyer.token}"
    order = buyer.http.post(f"{COURSE}/init-order", json={"course_id": HOT}).json()
    buyer.http.close()
    said: dict[str, Any] = {"order_id": order["order_id"]}
    if door.path.endswith("init-order"):
        said = {"course_id": str(HOT) if isinstance(case.body["course_id"], str) else HOT}
    elif door.path.endswith("to-pay"):
        said |= {"payment_channel": "wechat", "channel": "wx_pub_qr"}
    elif door.path.endswith("apply-discount"):
        said |= {"discount_code": made_for_all(stand.attackers[-1].http)}
    case.body = said
