-- What a person should know of before payments are opened further, one statement per question.
-- Each returns its id, how many rows answer it, and which. Nothing is written; psql runs it too.

-- One transaction of a provider, stored twice.
SELECT 'payments.duplicates' AS id, count(*) AS violations,
  min(format('%s, orders %s', d.provider, d.orders)) AS detail
FROM (SELECT p.provider, string_agg(p.order_id::text, ' ' ORDER BY p.id) AS orders
      FROM payments p GROUP BY p.provider, p.provider_txn_id HAVING count(*) > 1) d;

-- Money that was kept for an order which is not paid.
SELECT 'payments.unsettled' AS id, count(*) AS violations, min(format('order %s', o.id)) AS detail
FROM payments p JOIN orders o ON o.id = p.order_id
WHERE p.honoured AND (o.status NOT IN ('PAID', 'REFUNDED') OR o.payment_status = 'UNPAID');

-- Intents that nobody has touched for long, and that were never confirmed, whose provider never
-- said what became of them or needs nobody to go on, or whose attempts are all over.
SELECT 'intents.stuck' AS id, count(*) AS violations, min(format('intent %s', i.id)) AS detail
FROM payment_intents i JOIN orders o ON o.id = i.order_id
CROSS JOIN (SELECT now() - make_interval(secs => 60 * coalesce(
    nullif(current_setting('guichet.intent_idle_min', true), ''), '60')::float8) AS since) idle
CROSS JOIN LATERAL (SELECT count(*) AS number, max(a.created_at) AS newest_at,
    bool_or(a.state IN ('OPENING', 'UNKNOWN')) AS is_unknown,
    (array_agg(a.state = 'OPEN' AND a.opened ->> 'needs_payer' = 'false'
      ORDER BY a.id DESC))[1] AS is_silent,
    bool_and(a.state IN ('CLOSED', 'REFUSED')) AS is_over
  FROM payment_attempts a WHERE a.intent_id = i.id) tried
WHERE i.ended_at IS NULL AND o.status NOT IN ('PAID', 'REFUNDED') AND i.created_at <= idle.since
  AND (tried.number = 0 OR tried.newest_at <= idle.since
    AND (tried.is_unknown OR tried.is_silent OR tried.is_over));

-- Notices that were not understood, by who sent them.
SELECT 'events.failed' AS id, coalesce(sum(f.number), 0)::bigint AS violations,
  string_agg(format('%s %s', f.provider, f.number), ', ' ORDER BY f.provider) AS detail
FROM (SELECT w.provider, count(*) AS number FROM webhook_events w
      WHERE w.status IN ('FAILED', 'DEAD')
         OR w.status = 'RECEIVED' AND w.received_at < now() - interval '10 minutes'
      GROUP BY w.provider) f;

-- Money that has been on its way back for more than a day.
SELECT 'refunds.stuck' AS id, count(*) AS violations, min(format('refund %s', f.refund_no)) AS detail
FROM refunds f
WHERE f.kind = 'ours' AND f.status IN ('requested', 'processing')
  AND f.updated_at < now() - interval '1 day';

-- Attempts that could still be paid, and money on its way back, at providers that are not set up:
-- nobody can be asked what becomes of them.
SELECT 'providers.left' AS id, coalesce(sum(w.number), 0)::bigint AS violations,
  string_agg(format('%s %s', w.provider, w.number), ', ' ORDER BY w.provider) AS detail
FROM (SELECT u.provider, count(*) AS number
      FROM (SELECT a.provider FROM payment_attempts a
            WHERE a.state IN ('OPENING', 'OPEN', 'UNKNOWN')
            UNION ALL
            SELECT p.provider FROM refunds f JOIN payments p ON p.id = f.payment_id
            WHERE f.kind = 'ours' AND f.status IN ('requested', 'processing')) u
      GROUP BY u.provider) w
WHERE w.provider <> ALL(nullif(current_setting('guichet.providers', true), '')::text[]);

-- More on its way back, or back, than was paid.
SELECT 'refunds.too_much' AS id, count(*) AS violations, min(format('payment %s', p.id)) AS detail
FROM payments p
WHERE p.refund_minor > p.amount_minor
   OR (SELECT coalesce(sum(f.amount_minor), 0) FROM refunds f
       WHERE f.payment_id = p.id AND f.status NOT IN ('failed', 'returned')) > p.amount_minor;

-- Seats that are counted otherwise than they are held.
SELECT 'seats.drift' AS id, count(*) AS violations, min(d.what) AS detail
FROM (SELECT format('ticket type %s', t.id) AS what FROM ticket_types t
      WHERE t.current_quantity <> (SELECT coalesce(sum(o.seats_held), 0) FROM orders o
                                   WHERE o.ticket_type_id = t.id)
                                + (SELECT coalesce(sum(g.seats_held), 0) FROM registrations g
                                   WHERE g.ticket_type_id = t.id
                                     AND g.status IN ('PENDING', 'APPROVED'))
      UNION ALL
      SELECT format('event %s', c.event_id) FROM event_attendance c
      WHERE c.seats_held <> (SELECT coalesce(sum(t.current_quantity), 0) FROM ticket_types t
                             WHERE t.event_id = c.event_id)) d;
