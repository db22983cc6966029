"""The counts of seats follow from what orders and registrations hold, once for what was there."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine import engine_finder

ID = "2026-11-21T16:40:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "counts of seats from existing orders and registrations"

_HELD = """
SELECT 'order' AS holder_kind, id AS holder_id, event_id, ticket_type_id, seats_held AS seats
FROM orders WHERE seats_held > 0
UNION ALL
SELECT 'registration', id, event_id, ticket_type_id, seats_held
FROM registrations WHERE seats_held > 0 AND status IN ('PENDING', 'APPROVED')
"""
_LACKING = f"""
SELECT holder_kind, holder_id, event_id, ticket_type_id,
  (coalesce(h.seats, 0) - coalesce(n.seats, 0))::int AS seats
FROM ({_HELD}) h
FULL JOIN (SELECT holder_kind, holder_id, event_id, ticket_type_id, sum(seats) AS seats
           FROM seat_ledger GROUP BY 1, 2, 3, 4) n
  USING (holder_kind, holder_id, event_id, ticket_type_id)
WHERE coalesce(h.seats, 0) <> coalesce(n.seats, 0)
"""
_KINDS = f"""
SELECT t.id, t.event_id, t.current_quantity, t.max_quantity, coalesce(h.seats, 0)::int AS held
FROM ticket_types t
LEFT JOIN (SELECT ticket_type_id, sum(seats) AS seats FROM ({_HELD}) a GROUP BY 1) h
  ON h.ticket_type_id = t.id
"""
_TOTALS = f"""
SELECT e.id AS event_id, a.seats_held, a.max_attendees, coalesce(sum(k.held), 0)::int AS held
FROM events e LEFT JOIN event_attendance a ON a.event_id = e.id
LEFT JOIN ({_KINDS}) k ON k.event_id = e.id GROUP BY 1, 2, 3
"""

# Where everything is right, as it mostly is, nothing is locked. An event that holds more than a
# maximum of its own allows is left as it is: `guichet.py backfill` names it.
BACKFILL = f"""
DO $$
DECLARE fitting bigint[];
BEGIN
  IF NOT EXISTS ({_LACKING})
     AND NOT EXISTS (SELECT FROM ({_KINDS}) k WHERE k.current_quantity <> k.held)
     AND NOT EXISTS (SELECT FROM ({_TOTALS}) s WHERE s.seats_held IS DISTINCT FROM s.held) THEN
    RETURN;
  END IF;
  PERFORM FROM ticket_types ORDER BY id FOR NO KEY UPDATE;
  PERFORM FROM event_attendance ORDER BY event_id FOR NO KEY UPDATE;
  SELECT array_agg(s.event_id) INTO fitting FROM ({_TOTALS}) s
  WHERE (s.max_attendees IS NULL OR s.held <= s.max_attendees)
    AND NOT EXISTS (SELECT FROM ({_KINDS}) k
                    WHERE k.event_id = s.event_id AND k.held > k.max_quantity);
  INSERT INTO seat_ledger (holder_kind, holder_id, cause, event_id, ticket_type_id, seats)
  SELECT l.holder_kind, l.holder_id, 'backfill' || CASE l.n WHEN 1 THEN '' ELSE ':' || l.n END,
    l.event_id, l.ticket_type_id, l.seats
  FROM (SELECT *, row_number() OVER (PARTITION BY holder_kind, holder_id) AS n
        FROM ({_LACKING}) x) l
  WHERE l.event_id = ANY(fitting);
  UPDATE ticket_types t SET current_quantity = k.held FROM ({_KINDS}) k
  WHERE t.id = k.id AND t.current_quantity <> k.held AND t.event_id = ANY(fitting);
  INSERT INTO event_attendance (event_id, seats_held)
  SELECT s.event_id, s.held FROM ({_TOTALS}) s WHERE s.event_id = ANY(fitting)
    AND s.seats_held IS DISTINCT FROM s.held
  ON CONFLICT (event_id) DO UPDATE SET seats_held = excluded.seats_held;
END $$
"""


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="guichet", description=DESCRIPTION)

    async def run() -> None:
        engine = engine_finder()
        assert engine is not None
        await engine.run_ddl(BACKFILL)

    manager.add_raw(run)
    return manager
