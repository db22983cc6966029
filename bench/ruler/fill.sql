-- Fill with :n unpaid sales, and let the planner know: an empty table's plans are the wrong ones.
TRUNCATE paid, place, notice, sale RESTART IDENTITY CASCADE;
ALTER SEQUENCE next_to_settle RESTART;
INSERT INTO sale (stock_id, buyer, amount_minor, currency, status)
  SELECT 1 + g % 1000, 'buyer-' || g, 5000, 'CNY', 'PENDING' FROM generate_series(1, :n) g;
INSERT INTO place (sale_id, stock_id, attendee, status)
  SELECT g, 1 + g % 1000, 'Attendee ' || g, 'PENDING' FROM generate_series(1, :n) g;
VACUUM ANALYZE;
CHECKPOINT;
