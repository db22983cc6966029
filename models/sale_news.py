"""What news of a sale speak of, read when they are told."""

import msgspec

from contracts.money import Money
from models.engine import Connection


class UsedCoupon(msgspec.Struct, frozen=True, kw_only=True):
    """What lowered the price; *value* is minor units or percent."""

    code: str
    kind: str
    value: int
    discount_minor: int


class Payee(msgspec.Struct, frozen=True, kw_only=True):
    """Where the money came in: *channel* is unknown of outside and of no money."""

    provider: str
    channel: str | None
    amount: Money


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """How many people have paid, have not, and are known at all."""

    paid: int
    registered: int
    everybody: int


class SaleStory(msgspec.Struct, frozen=True, kw_only=True):
    """An order with what news of it may say of it; without *payment* nothing was kept."""

    order_no: str
    buyer: str
    email: str | None
    event: str
    ticket_type: str
    quantity: int
    price: Money
    payment: Payee | None
    coupon: UsedCoupon | None


_STORY = """
SELECT json_build_object('order_no', o.order_no, 'buyer', coalesce(u.name, ''), 'email', u.email,
  'event', e.title, 'ticket_type', t.name, 'quantity', o.quantity,
  'price', json_build_object('currency', o.currency,
    'amount_minor', o.total_minor + coalesce(used.discount_minor, 0)),
  'payment', (SELECT json_build_object('provider', p.provider,
      'channel', (SELECT a.channel FROM payment_attempts a WHERE a.attempt_no = p.attempt_no),
      'amount', json_build_object('amount_minor', p.amount_minor, 'currency', p.currency))
    FROM payments p WHERE p.order_id = o.id AND p.honoured),
  'coupon', CASE WHEN used.order_id IS NOT NULL THEN json_build_object('code', c.code,
      'kind', c.kind, 'value', c.value, 'discount_minor', used.discount_minor) END
  )::text
FROM orders o
JOIN events e ON e.id = o.event_id JOIN ticket_types t ON t.id = o.ticket_type_id
LEFT JOIN users u ON u.id = o.user_id
LEFT JOIN coupon_usages used ON used.order_id = o.id
LEFT JOIN coupons c ON c.id = used.coupon_id
WHERE o.id = $1
"""
_TOTALS = """
SELECT count(*) AS everybody, count(*) FILTER (WHERE state = 'paid') AS paid,
  count(*) FILTER (WHERE state = 'registered') AS registered
FROM users
"""


async def sale_story(db: Connection, order_id: int) -> SaleStory | None:
    """Read what there is to tell of a sale."""
    document = await db.fetchval(_STORY, order_id)
    return None if document is None else msgspec.json.decode(document, type=SaleStory)


async def count_people(db: Connection) -> Totals:
    """Count everybody: it reads all of them, so whoever tells of many sales asks seldom."""
    (row,) = await db.fetch(_TOTALS)
    return Totals(paid=row["paid"], registered=row["registered"], everybody=row["everybody"])
