-- What must hold in every snapshot, one statement per promise.
-- Each returns its id, how many rows break it, and one of them.

-- Seats: the one count is the sum of what live orders and free places hold.
SELECT 'seats.count' AS id, count(*) AS violations, min(format('ticket type %s', t.id)) AS detail
FROM ticket_types t
WHERE t.current_quantity <> (SELECT coalesce(sum(o.seats_held), 0) FROM orders o
                             WHERE o.ticket_type_id = t.id)
                          + (SELECT coalesce(sum(g.seats_held), 0) FROM registrations g
                             WHERE g.ticket_type_id = t.id
                               AND g.status IN ('PENDING', 'APPROVED'));

SELECT 'seats.event' AS id, count(*) AS violations, min(format('event %s', c.event_id)) AS detail
FROM event_attendance c
WHERE c.seats_held <> (SELECT coalesce(sum(t.current_quantity), 0) FROM ticket_types t
                       WHERE t.event_id = c.event_id);

-- Seats: taken once and returned once, each with a cause.
SELECT 'seats.ledger' AS id, count(*) AS violations, min(format('ticket type %s', t.id)) AS detail
FROM ticket_types t
WHERE t.current_quantity <> (SELECT coalesce(sum(l.seats), 0) FROM seat_ledger l
                             WHERE l.ticket_type_id = t.id);

SELECT 'seats.holder' AS id, count(*) AS violations, min(format('order %s', o.id)) AS detail
FROM orders o
WHERE o.seats_held <> (SELECT coalesce(sum(l.seats), 0) FROM seat_ledger l
                       WHERE l.holder_kind = 'order' AND l.holder_id = o.id);

-- Seats: never returned while a provider could still take money for them.
SELECT 'seats.returned_too_soon' AS id, count(*) AS violations,
  min(format('attempt %s', a.attempt_no)) AS detail
FROM payment_attempts a JOIN orders o ON o.id = a.order_id
WHERE o.status IN ('EXPIRED', 'CANCELLED') AND a.state IN ('OPENING', 'OPEN', 'UNKNOWN')
  AND NOT a.close_owed;

-- Money: a paid order has its one settlement, for exactly what was asked.
SELECT 'money.settlement' AS id, count(*) AS violations, min(format('order %s', o.id)) AS detail
FROM orders o
WHERE (o.status IN ('PAID', 'REFUNDED'))
   <> ((SELECT count(*) FROM payments p WHERE p.order_id = o.id AND p.honoured) = 1);

SELECT 'money.snapshot' AS id, count(*) AS violations,
  min(format('payment %s', p.id)) AS detail
FROM payments p
LEFT JOIN payment_attempts a ON a.attempt_no = p.attempt_no AND a.order_id = p.order_id
WHERE p.source NOT IN ('manual', 'free')
  AND (a.id IS NULL OR (a.amount_minor, a.currency, a.provider)
       IS DISTINCT FROM (p.amount_minor, p.currency, p.provider));

-- Money: nothing but a coupon makes an order free, and nothing else settles with no money.
SELECT 'money.free' AS id, count(*) AS violations, min(format('order %s', o.id)) AS detail
FROM orders o
WHERE (o.total_minor = 0 AND NOT EXISTS (SELECT 1 FROM coupon_usages u WHERE u.order_id = o.id))
   OR EXISTS (SELECT 1 FROM payments p WHERE p.order_id = o.id AND p.source = 'free'
              AND (p.amount_minor, o.total_minor) <> (0, 0));

-- Money: what is not honoured goes back in full, or a person has been asked.
SELECT 'money.surplus' AS id, count(*) AS violations, min(format('payment %s', p.id)) AS detail
FROM payments p
WHERE NOT p.honoured
  AND p.refund_minor <> p.amount_minor
  AND NOT EXISTS (SELECT 1 FROM cases c JOIN refunds f
                    ON c.subject IN ('refund:' || f.refund_no,
                                     'refused:' || f.refund_no,
                                     'failed_after_success:' || f.refund_no)
                  WHERE f.payment_id = p.id);

SELECT 'money.refunds' AS id, count(*) AS violations, min(format('payment %s', p.id)) AS detail
FROM payments p
WHERE p.refund_minor <> (SELECT coalesce(sum(f.amount_minor), 0) FROM refunds f
                         WHERE f.payment_id = p.id AND f.status NOT IN ('failed', 'returned'));

-- Money: a buyer who was not let in is owed all of it, or a person has been asked.
SELECT 'money.rejected' AS id, count(*) AS violations, min(format('order %s', o.id)) AS detail
FROM orders o
JOIN registrations g ON g.order_id = o.id AND g.invite_id IS NULL AND g.status = 'REJECTED'
JOIN payments p ON p.order_id = o.id AND p.honoured
WHERE o.status = 'PAID' AND p.refund_minor < p.amount_minor
  AND NOT EXISTS (SELECT 1 FROM cases c JOIN refunds f
                    ON c.subject IN ('refund:' || f.refund_no,
                                     'refused:' || f.refund_no,
                                     'failed_after_success:' || f.refund_no)
                  WHERE f.payment_id = p.id);

-- State: every version of an order has its place in the audit.
SELECT 'state.audit' AS id, count(*) AS violations, min(format('order %s', o.id)) AS detail
FROM orders o
WHERE o.version <> (SELECT count(DISTINCT v.version) FROM order_events v WHERE v.order_id = o.id);

-- State: an attempt that was paid belongs to a payment, and the other way round.
SELECT 'state.attempt_paid' AS id, count(*) AS violations,
  min(format('attempt %s', a.attempt_no)) AS detail
FROM payment_attempts a
WHERE (a.state = 'PAID') <> EXISTS (SELECT 1 FROM payments p WHERE p.attempt_no = a.attempt_no);

-- Places: the buyer has one while the order lives, or a refund freed it; nobody has one when the
-- order has ended, or when it had and its money came back.
SELECT 'places.owner' AS id, count(*) AS violations, min(format('order %s', o.id)) AS detail
FROM orders o
WHERE CASE WHEN o.status IN ('PENDING', 'CLOSING', 'PAID') AND NOT EXISTS (
    SELECT 1 FROM order_events e WHERE e.order_id = o.id AND e.kind = 'order_refund_returned') THEN
    (SELECT count(*) FROM registrations g
     WHERE g.order_id = o.id AND g.user_id = o.user_id AND g.invite_id IS NULL
       AND (g.status <> 'CANCELLED' OR g.refund_no IS NOT NULL)) <> 1
  ELSE EXISTS (SELECT 1 FROM registrations g WHERE g.order_id = o.id
               AND g.status IN ('PENDING_PAYMENT', 'PENDING', 'APPROVED')) END;

SELECT 'places.waiting' AS id, count(*) AS violations, min(format('registration %s', g.id)) AS detail
FROM registrations g LEFT JOIN orders o ON o.id = g.order_id
WHERE g.status = 'PENDING_PAYMENT' AND coalesce(o.status, '') NOT IN ('PENDING', 'CLOSING');

-- Places: every other seat of an order is one gift seat, whether it waits, is taken or was freed;
-- that of a rejected guest waits again under another invite.
SELECT 'places.gifts' AS id, count(*) AS violations, min(format('order %s', o.id)) AS detail
FROM orders o
WHERE CASE WHEN o.status IN ('PENDING', 'CLOSING', 'PAID') AND NOT EXISTS (
    SELECT 1 FROM order_events e WHERE e.order_id = o.id AND e.kind = 'order_refund_returned') THEN
    (SELECT count(*) FROM order_invites i
     LEFT JOIN registrations g ON g.order_id = i.order_id AND g.invite_id = i.id
     WHERE i.order_id = o.id
       AND CASE i.status WHEN 'PENDING' THEN true
             WHEN 'REDEEMED' THEN g.status IS DISTINCT FROM 'REJECTED'
             ELSE i.refund_no IS NOT NULL END) <> o.quantity - 1
  ELSE EXISTS (SELECT 1 FROM order_invites i WHERE i.order_id = o.id AND i.status = 'PENDING') END;

-- Places: a redeemed gift seat is one guest's place, and no other gift seat is.
SELECT 'places.redeemed' AS id, count(*) AS violations, min(format('invite %s', i.id)) AS detail
FROM order_invites i
WHERE (SELECT count(*) FROM registrations g WHERE g.order_id = i.order_id AND g.invite_id = i.id)
   <> CASE WHEN i.redeemed_by IS NOT NULL THEN 1 ELSE 0 END;

-- Places: an order holds the seats that somebody sits in or waits for, and no other. A buyer who
-- was not let in keeps the seat until the money is back.
SELECT 'places.seats' AS id, count(*) AS violations, min(format('order %s', o.id)) AS detail
FROM orders o
WHERE o.seats_held <> (SELECT count(*) FROM order_invites i
                       WHERE i.order_id = o.id AND i.status = 'PENDING')
                    + (SELECT count(*) FROM registrations g
                       WHERE g.order_id = o.id
                         AND (g.status IN ('PENDING_PAYMENT', 'PENDING', 'APPROVED')
                              OR g.status = 'REJECTED' AND g.invite_id IS NULL
                                AND o.status = 'PAID' AND NOT EXISTS (
                                  SELECT 1 FROM order_events e WHERE e.order_id = o.id
                                    AND e.kind = 'order_refund_returned') AND NOT EXISTS (
                                  SELECT 1 FROM refunds f
                                  WHERE f.refund_no = g.refund_no
                                    AND f.status IN ('succeeded', 'returned'))));

-- Places: a seat in a refund is free when that refund succeeded, and only then; it stays so when
-- the money comes back.
SELECT 'places.refund' AS id, count(*) AS violations, min(format('refund %s', p.refund_no)) AS detail
FROM (SELECT i.order_id, i.refund_no, i.status = 'INVALID' AS is_free FROM order_invites i
      WHERE i.refund_no IS NOT NULL
      UNION ALL
      SELECT g.order_id, g.refund_no, g.status = 'CANCELLED' FROM registrations g
      WHERE g.refund_no IS NOT NULL AND g.status <> 'REJECTED') p
JOIN orders o ON o.id = p.order_id AND o.status = 'PAID'
LEFT JOIN refunds f ON f.refund_no = p.refund_no AND f.order_id = p.order_id
WHERE CASE WHEN p.is_free THEN f.status IS NULL OR f.status NOT IN ('succeeded', 'returned')
           ELSE f.status IS NULL OR f.status NOT IN ('requested', 'processing') END;

-- Delivery: a paid order owes its buyer the tickets; a case owes a person an alarm.
SELECT 'delivery.tickets' AS id, count(*) AS violations, min(format('order %s', o.id)) AS detail
FROM orders o
WHERE o.status = 'PAID' AND NOT EXISTS (
  SELECT 1 FROM effects f
  WHERE f.holder_kind = 'order' AND f.holder_id = o.id AND f.kind = 'TICKETS');

SELECT 'delivery.alarm' AS id, count(*) AS violations, min(format('case %s', c.id)) AS detail
FROM cases c
WHERE NOT EXISTS (SELECT 1 FROM effects f WHERE f.kind = 'ALARM' AND f.cause = c.subject);

-- Coupons: the one count is the uses that orders have, and only who ended unpaid gives one back.
SELECT 'coupons.uses' AS id, count(*) AS violations, min(format('coupon %s', c.id)) AS detail
FROM coupons c
WHERE c.used_count <> (SELECT count(*) FROM coupon_usages u
                       WHERE u.coupon_id = c.id AND u.released_at IS NULL);

SELECT 'coupons.released' AS id, count(*) AS violations, min(format('order %s', o.id)) AS detail
FROM coupon_usages u JOIN orders o ON o.id = u.order_id
WHERE (u.released_at IS NOT NULL) <> (o.status IN ('EXPIRED', 'CANCELLED'));
