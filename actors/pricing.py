"""What a quantity of tickets costs. Pure.

1. Only quantities with a tier of their own are on offer; a base price acts as the tier of one.
2. The total is the tier's price, never a unit price times a quantity.
"""

from contracts.catalogue import Offer
from contracts.errors import QuantityNotOffered


def total_minor(offer: Offer, quantity: int) -> int:
    """Price an order.

    :raises QuantityNotOffered: *offered* lists the quantities that can be had.
    """
    prices = _prices(offer)
    if quantity not in prices:
        raise QuantityNotOffered(offered=sorted(prices))
    return prices[quantity]


def is_offered(offer: Offer, quantity: int) -> bool:
    """Tell whether so many can be ordered at once."""
    return quantity in _prices(offer)


def _prices(offer: Offer) -> dict[int, int]:
    base = {1: offer.price_minor} if offer.price_minor > 0 or offer.is_free else {}
    return {
        quantity: price
        for quantity, price in {**base, **offer.tiers}.items()
        if quantity <= offer.max_per_order
    }
