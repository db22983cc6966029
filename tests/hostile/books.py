"""What the database says, as one short word: equal words mean that nothing changed."""

from models.engine import Database

# A held payment leaves a trace in its order's version, attempt and audit; these never move.
_MONEY = """
SELECT md5(concat_ws('|',
  (SELECT string_agg((o.id, o.order_no, o.status, o.payment_status, o.refund_status, o.quantity,
     o.total_minor, o.seats_held, o.paid_at, o.expired_at, o.closing_for)::text, ',' ORDER BY o.id)
   FROM orders o),
  (SELECT string_agg(p::text, ',' ORDER BY p.id) FROM payments p),
  (SELECT string_agg(r::text, ',' ORDER BY r.id) FROM refunds r),
  (SELECT string_agg(g::text, ',' ORDER BY g.id) FROM registrations g),
  (SELECT string_agg(i::text, ',' ORDER BY i.id) FROM order_invites i),
  (SELECT string_agg(t::text, ',' ORDER BY t.id) FROM ticket_types t),
  (SELECT string_agg(e::text, ',' ORDER BY e.event_id) FROM event_attendance e),
  (SELECT string_agg(l::text, ',' ORDER BY l.id) FROM seat_ledger l),
  (SELECT string_agg(f::text, ',' ORDER BY f.id) FROM effects f WHERE f.kind <> 'ALARM')))
"""
_TABLES = """
SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migration'
ORDER BY tablename
"""


async def money(database: Database) -> str:
    """Summarize orders, money, places, seats and duties."""
    word: str = await database.fetchval(_MONEY)
    return word


async def everything(database: Database) -> dict[str, str]:
    """Summarize every table, so that a difference names itself."""
    tables = [row["tablename"] for row in await database.fetch(_TABLES)]
    return {table: await _table(database, table) for table in tables}


async def _table(database: Database, table: str) -> str:
    word: str = await database.fetchval(
        f"SELECT count(*) || ':' || coalesce(md5(string_agg(t::text, ',' ORDER BY t::text)), '')"  # noqa: S608  # names from the catalogue
        f' FROM "{table}" t'
    )
    return word
