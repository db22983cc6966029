"""What is on offer."""

from collections.abc import Iterable

import msgspec

from contracts.catalogue import Offer
from models.engine import Connection

_OFFERS = """
SELECT json_build_object('ticket_type_id', t.id, 'event_id', t.event_id, 'event_title', e.title,
  'require_approval', e.require_approval, 'price_minor', t.price_minor, 'currency', t.currency,
  'max_per_order', t.max_per_order, 'catalog_version', t.catalog_version,
  'tiers', (SELECT coalesce(json_object_agg(p.quantity, p.price_minor), '{}')
            FROM price_tiers p WHERE p.ticket_type_id = t.id))::text AS document
FROM ticket_types t JOIN events e ON e.id = t.event_id
WHERE t.id = ANY($1::bigint[])
"""

_decoder = msgspec.json.Decoder(Offer)


async def load_offers(connection: Connection, ticket_type_ids: Iterable[int]) -> dict[int, Offer]:
    """Read the offers of ticket types, by id."""
    found = await connection.fetch(_OFFERS, list(ticket_type_ids))
    offers = [_decoder.decode(row["document"]) for row in found]
    return {offer.ticket_type_id: offer for offer in offers}
