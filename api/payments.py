"""The door to paying by WeChat."""

from litestar import post
from litestar.params import JSONBody

from actors.biz_types import finder_of
from api import opening
from api.preparing import visit_in
from api.problems import documented
from api.rooms import Visitor, house_of
from contracts.wire.payments import OrderToPay, PrepareRequest


@post(
    "/api/payments/wechat/prepare",
    status_code=200,
    responses=documented(401, 404, 409, 413, 415),
)
async def prepare_wechat_payment(request: Visitor, data: JSONBody[PrepareRequest]) -> OrderToPay:
    """Open the payment of an order of your own where you are, or find it open.

    Repeat it as often as you like: the same channel brings the same payment, signed anew.
    """
    house = house_of(request)
    find = finder_of(data.biz_type)
    seen = await find(house.own_orders, request.user.user_id, data.biz_id)
    visit = visit_in(request, data.client_context)
    return await opening.prepare(house, seen, visit)
