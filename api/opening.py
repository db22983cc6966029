"""Opening the payment of an order that was just made, or made before."""

from contracts.errors import Refusal
from contracts.order import Order
from contracts.states import Channel, OrderStatus
from runtime.house import House


def channel_of(house: House, order: Order) -> Channel | None:
    """Choose how the payer gets to the provider; None when the provider has no channels."""
    provider = house.providers.get(order.payment_channel)
    return Channel.WECHAT_NATIVE if provider is not None else None


async def open_payment(
    house: House, order: Order, channel: Channel | None
) -> tuple[Order, str | None]:
    """Open the payment, or find it open; return the order now and why it could not be opened.

    The order stays payable whatever happens here: the client prepares again.
    """
    if channel is None or order.status is not OrderStatus.PENDING:
        return order, None
    try:
        return await house.checkout.prepare(order, channel), None
    except Refusal as refusal:
        return order, refusal.code
