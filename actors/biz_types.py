"""What can be paid for, by the word a client uses for it: the next kind is one entry here."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeAlias

from actors.own_orders import OwnOrders
from contracts.errors import BizTypeUnsupported
from models.orders import Seen

# Finds a person's order by its id or its number; raises NotFound.
FindOrder: TypeAlias = Callable[[OwnOrders, int, str], Awaitable[Seen]]


async def _own_order(orders: OwnOrders, user_id: int, reference: str, *, biz_type: str) -> Seen:
    return await orders.find(user_id=user_id, reference=reference, biz_type=biz_type)


BIZ_TYPES: Mapping[str, FindOrder] = {
    "EVENT_TICKET": partial(_own_order, biz_type="EVENT_TICKET"),
}


def finder_of(biz_type: str) -> FindOrder:
    """Say how an order of this kind is found.

    :raises BizTypeUnsupported: there is no such kind; *supported* lists those there are.
    """
    try:
        return BIZ_TYPES[biz_type]
    except KeyError:
        raise BizTypeUnsupported(supported=sorted(BIZ_TYPES)) from None
