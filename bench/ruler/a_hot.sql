\set n random(1, 2)
BEGIN;
UPDATE stock SET sold = sold + :n WHERE id = 1 AND sold + :n <= most RETURNING sold;
INSERT INTO sale (stock_id, buyer, amount_minor, currency, status) VALUES (1, 'buyer', 5000 * :n, 'CNY', 'PENDING') RETURNING id AS sale_id \gset
INSERT INTO place (sale_id, stock_id, attendee, status) VALUES (:sale_id, 1, 'Attendee', 'PENDING');
COMMIT;
