"""What is on offer, as prices are decided from it."""

import msgspec


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One ticket type's prices at one *catalog_version*; *tiers* maps quantity to total."""

    ticket_type_id: int
    event_id: int
    event_title: str
    require_approval: bool
    price_minor: int
    currency: str
    max_per_order: int
    catalog_version: int
    tiers: dict[int, int]

    @property
    def is_free(self) -> bool:
        """Tell whether nobody ever pays for it."""
        return self.price_minor == 0 and not self.tiers
