SELECT nextval('next_to_settle') AS sale_id \gset
BEGIN;
INSERT INTO notice (event_id, kind, payload) VALUES ('event-' || :sale_id::bigint, 'TRANSACTION.SUCCESS', jsonb_build_object('id', 'event-' || :sale_id::bigint, 'sale', :sale_id::bigint, 'amount', 5000)) ON CONFLICT DO NOTHING;
UPDATE sale SET status = 'PAID' WHERE id = :sale_id AND status = 'PENDING' RETURNING id;
UPDATE place SET status = 'APPROVED' WHERE sale_id = :sale_id AND status = 'PENDING';
INSERT INTO paid (sale_id, transaction_no, amount_minor, currency) VALUES (:sale_id, 'transaction-' || :sale_id::bigint, 5000, 'CNY') ON CONFLICT (transaction_no) DO NOTHING;
COMMIT;
