"""What a letter speaks of, read when it is written: one statement for each letter."""

from datetime import datetime
from typing import TypeVar

import msgspec

from contracts.money import Money
from contracts.states import InviteStatus, OrderStatus, RegistrationStatus
from models.engine import Connection


class Addressee(msgspec.Struct, frozen=True, kw_only=True):
    """Who is written to; without an address nobody is."""

    email: str | None = None
    locale: str | None = None


class Occasion(msgspec.Struct, frozen=True, kw_only=True):
    """What a ticket is for."""

    event_id: int
    title: str
    starts_at: datetime
    ticket_type: str


class SeatOfLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One place; *gift_position* names the gift it came from.

    *refund_no* names the refund that frees it, under way or done.
    """

    registration_id: int
    status: RegistrationStatus
    refund_no: str | None
    gift_position: int | None
    holder: Addressee

    @property
    def is_marked(self) -> bool:
        """Tell whether nobody uses it any more, for a refund's sake."""
        return self.refund_no is not None


class GiftOfLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One gift seat as it is now."""

    position: int
    generation: int
    status: InviteStatus
    is_marked: bool


class RefundOfLetter(msgspec.Struct, frozen=True, kw_only=True):
    """Money that went back; *is_surplus* of a payment that was never kept."""

    amount: Money
    is_surplus: bool


class OrderStory(msgspec.Struct, frozen=True, kw_only=True):
    """An order with everything a letter about it may say; places come newest first.

    *has_ended_before* when it was refunded once and the money came back.
    """

    order_no: str
    status: OrderStatus
    quantity: int
    total: Money
    occasion: Occasion
    buyer: Addressee
    places: tuple[SeatOfLetter, ...]
    gifts: tuple[GiftOfLetter, ...]
    refund: RefundOfLetter | None
    has_ended_before: bool = False


class PlaceStory(msgspec.Struct, frozen=True, kw_only=True):
    """One place with what a letter about it may say."""

    occasion: Occasion
    place: SeatOfLetter


class CaseStory(msgspec.Struct, frozen=True, kw_only=True):
    """A question for a person that nobody has closed."""

    id: int
    kind: str
    subject: str
    reason: str
    order_no: str | None


_OCCASION = """json_build_object('event_id', e.id, 'title', e.title, 'starts_at', e.starts_at,
    'ticket_type', t.name)"""
_PLACE = """json_build_object('registration_id', g.id, 'status', g.status,
    'refund_no', g.refund_no, 'gift_position', i.position,
    'holder', json_build_object('email', u.email, 'locale', u.locale))"""
_ORDER = f"""
SELECT json_build_object('order_no', o.order_no, 'status', o.status, 'quantity', o.quantity,
  'total', json_build_object('amount_minor', o.total_minor, 'currency', o.currency),
  'occasion', {_OCCASION},
  'buyer', (SELECT json_build_object('email', u.email, 'locale', u.locale)
            FROM (SELECT) AS nobody LEFT JOIN users u ON u.id = o.user_id),
  'places', (SELECT coalesce(json_agg({_PLACE} ORDER BY g.id DESC), '[]')
             FROM registrations g LEFT JOIN order_invites i ON i.id = g.invite_id
             LEFT JOIN users u ON u.id = g.user_id WHERE g.order_id = o.id),
  'gifts', (SELECT coalesce(json_agg(json_build_object('position', i.position,
                'generation', i.generation, 'status', i.status,
                'is_marked', i.refund_no IS NOT NULL) ORDER BY i.position), '[]')
            FROM order_invites i WHERE i.order_id = o.id),
  'refund', (SELECT json_build_object('is_surplus', NOT p.honoured, 'amount',
                 json_build_object('amount_minor', r.amount_minor, 'currency', r.currency))
             FROM refunds r JOIN payments p ON p.id = r.payment_id
             WHERE r.order_id = o.id AND r.refund_no = $2 AND r.status = 'succeeded'),
  'has_ended_before', EXISTS (SELECT FROM order_events v
    WHERE v.order_id = o.id AND v.kind = 'order_refund_returned')
  )::text
FROM orders o JOIN events e ON e.id = o.event_id JOIN ticket_types t ON t.id = o.ticket_type_id
WHERE o.id = $1
"""  # noqa: S608  # our own pieces
_ONE_PLACE = f"""
SELECT json_build_object('occasion', {_OCCASION}, 'place', {_PLACE})::text
FROM registrations g
JOIN events e ON e.id = g.event_id JOIN ticket_types t ON t.id = g.ticket_type_id
LEFT JOIN order_invites i ON i.id = g.invite_id LEFT JOIN users u ON u.id = g.user_id
WHERE g.id = $1
"""  # noqa: S608  # our own pieces
_CASE = """
SELECT json_build_object('id', c.id, 'kind', c.kind, 'subject', c.subject, 'reason', c.reason,
  'order_no', o.order_no)::text
FROM cases c LEFT JOIN orders o ON o.id = c.order_id
WHERE c.closed_at IS NULL AND c.subject = $1
ORDER BY c.id DESC LIMIT 1
"""

_Story = TypeVar("_Story", bound=msgspec.Struct)


async def order_story(
    db: Connection, order_id: int, *, refund_no: str | None = None
) -> OrderStory | None:
    """Read what there is to tell of an order, and of one refund that succeeded."""
    return _told(OrderStory, await db.fetchval(_ORDER, order_id, refund_no))


async def place_story(db: Connection, registration_id: int) -> PlaceStory | None:
    """Read what there is to tell of a place."""
    return _told(PlaceStory, await db.fetchval(_ONE_PLACE, registration_id))


async def case_story(db: Connection, subject: str) -> CaseStory | None:
    """Read the open question about *subject*."""
    return _told(CaseStory, await db.fetchval(_CASE, subject))


def _told(kind: type[_Story], document: str | None) -> _Story | None:
    return None if document is None else msgspec.json.decode(document, type=kind)
