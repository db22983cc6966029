"""Views of attempts that show what their providers sent of their own money, and no other's."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine import engine_finder

ID = "2026-11-22T01:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "views order_stripe_orders and order_pingxx_orders without objects of others"

# 0 pending, 1 paid, 2 refunded in full, 3 closed, 4 failed. An attempt whose payer was declined
# stays payable, so what its provider said last is looked at, too.
_STATUS = """CASE
    WHEN back.minor >= money.amount_minor THEN 2
    WHEN money.id IS NOT NULL OR a.state = 'PAID' THEN 1
    WHEN a.state = 'CLOSED' THEN 3
    WHEN a.state = 'REFUSED' OR {declined} THEN 4
    ELSE 0 END"""
_FROM = """FROM payment_attempts a
JOIN orders o ON o.id = a.order_id
LEFT JOIN LATERAL (SELECT * FROM payments p WHERE p.order_id = a.order_id
  AND p.attempt_no = a.attempt_no ORDER BY p.id LIMIT 1) money ON true
LEFT JOIN LATERAL (SELECT coalesce(sum(r.amount_minor), 0) AS minor, max(r.updated_at) AS at,
    (array_agg(r.provider_refund_id ORDER BY r.id DESC))[1] AS refund_id
  FROM refunds r WHERE r.order_id = a.order_id AND r.payment_id = money.id
    AND r.status = 'succeeded') back ON true
LEFT JOIN LATERAL (SELECT max(e.created_at) AS at FROM order_events e
  WHERE e.order_id = a.order_id AND e.kind = 'attempt_closed'
    AND e.data ->> 'attempt_no' = a.attempt_no) closed ON true"""
_RECORD = """LEFT JOIN LATERAL (SELECT k.object_id, k.body, k.recorded_at FROM provider_records k
  WHERE k.attempt_no = a.attempt_no AND k.kind = '{kind}' AND ({own}) ORDER BY k.id DESC LIMIT 1)
  {name} ON true"""
# A payment whose provider told no number of its own for it is called by ours.
_MONEY = "CASE WHEN money.provider_txn_id NOT LIKE 'attempt:%' THEN money.provider_txn_id END"
_REFERENCE = "a.opened ->> 'reference'"
_INTENT_IN = """CASE jsonb_typeof({body} -> 'payment_intent')
    WHEN 'object' THEN {body} -> 'payment_intent' ->> 'id'
    ELSE {body} ->> 'payment_intent' END"""
_PAID_BY = f"""coalesce({_MONEY}, {_INTENT_IN.format(body="session.body")}, {_REFERENCE})"""
_OWN_SESSION = f"""k.object_id = {_REFERENCE} OR {_INTENT_IN.format(body="k.body")} = {_MONEY}"""
_OWN_CHARGE = f"""{_INTENT_IN.format(body="k.body")} = {_PAID_BY}
  OR k.object_id = CASE jsonb_typeof(intent.body -> 'latest_charge')
    WHEN 'object' THEN intent.body -> 'latest_charge' ->> 'id'
    ELSE intent.body ->> 'latest_charge' END"""

_STRIPE = f"""CREATE OR REPLACE VIEW order_stripe_orders AS
SELECT a.id, a.attempt_no AS stripe_order_bid, o.user_id::text AS user_bid,
  o.ticket_type_id::text AS shifu_bid, o.order_no AS order_bid,
  coalesce(intent.object_id, money.provider_txn_id,
    CASE WHEN a.channel = 'stripe' THEN a.opened ->> 'reference' END,
    CASE jsonb_typeof(session.body -> 'payment_intent')
      WHEN 'object' THEN session.body -> 'payment_intent' ->> 'id'
      ELSE session.body ->> 'payment_intent' END, '') AS payment_intent_id,
  coalesce(session.object_id,
    CASE WHEN a.channel = 'stripe:checkout_session' THEN a.opened ->> 'reference' END, '')
    AS checkout_session_id,
  coalesce(CASE jsonb_typeof(intent.body -> 'latest_charge')
      WHEN 'object' THEN intent.body -> 'latest_charge' ->> 'id'
      ELSE intent.body ->> 'latest_charge' END, charge.object_id, '') AS latest_charge_id,
  a.amount_minor AS amount, lower(a.currency) AS currency,
  {_STATUS.format(declined="jsonb_typeof(intent.body -> 'last_payment_error') = 'object'")}
    AS status,
  coalesce(charge.body ->> 'receipt_url',
    CASE WHEN jsonb_typeof(intent.body -> 'latest_charge') = 'object'
      THEN intent.body -> 'latest_charge' ->> 'receipt_url' END, '') AS receipt_url,
  coalesce(CASE jsonb_typeof(intent.body -> 'payment_method')
      WHEN 'object' THEN intent.body -> 'payment_method' ->> 'id'
      ELSE intent.body ->> 'payment_method' END, charge.body ->> 'payment_method', '')
    AS payment_method,
  coalesce(intent.body -> 'last_payment_error' ->> 'code', charge.body ->> 'failure_code', '')
    AS failure_code,
  coalesce(intent.body -> 'last_payment_error' ->> 'message',
    charge.body ->> 'failure_message', '') AS failure_message,
  coalesce(intent.body -> 'metadata', session.body -> 'metadata', '{{}}') AS metadata_json,
  coalesce(intent.body, '{{}}') AS payment_intent_object,
  coalesce(session.body, '{{}}') AS checkout_session_object,
  0 AS deleted, a.created_at,
  greatest(a.created_at, a.opened_at, money.created_at, back.at, closed.at, intent.recorded_at,
    session.recorded_at, charge.recorded_at) AS updated_at
{_FROM}
{_RECORD.format(kind="checkout_session", name="session", own=_OWN_SESSION)}
{_RECORD.format(kind="payment_intent", name="intent", own=f"k.object_id = {_PAID_BY}")}
{_RECORD.format(kind="charge", name="charge", own=_OWN_CHARGE)}
WHERE a.provider = 'stripe'"""

_PINGXX = f"""CREATE OR REPLACE VIEW order_pingxx_orders AS
SELECT a.id, a.attempt_no AS pingxx_order_bid, o.user_id::text AS user_bid,
  o.ticket_type_id::text AS shifu_bid, o.order_no AS order_bid,
  coalesce(charge.body ->> 'transaction_no', '') AS transaction_no,
  a.appid AS app_id, a.channel, a.amount_minor AS amount, lower(a.currency) AS currency,
  coalesce(charge.body ->> 'subject', a.request ->> 'description', '') AS subject,
  coalesce(charge.body ->> 'body', a.request ->> 'description', '') AS body,
  coalesce(charge.body ->> 'client_ip', '') AS client_ip,
  coalesce(charge.body -> 'extra', '{{}}') AS extra,
  {_STATUS.format(declined="coalesce(charge.body ->> 'failure_code', '') <> ''")} AS status,
  coalesce(charge.object_id, money.provider_txn_id, a.opened ->> 'reference', '') AS charge_id,
  money.paid_at, CASE WHEN back.minor >= money.amount_minor THEN back.at END AS refunded_at,
  closed.at AS closed_at,
  CASE WHEN money.id IS NULL AND coalesce(charge.body ->> 'failure_code', '') <> ''
    THEN charge.recorded_at END AS failed_at,
  coalesce(back.refund_id, '') AS refund_id,
  coalesce(charge.body ->> 'failure_code', '') AS failure_code,
  coalesce(charge.body ->> 'failure_msg', '') AS failure_msg,
  coalesce(charge.body, '{{}}') AS charge_object,
  0 AS deleted, a.created_at,
  greatest(a.created_at, a.opened_at, money.created_at, back.at, closed.at, charge.recorded_at)
    AS updated_at
{_FROM}
{_RECORD.format(kind="charge", name="charge", own=f"k.object_id = coalesce({_MONEY}, {_REFERENCE})")}
WHERE a.provider = 'pingxx'"""

FORWARDS = [_STRIPE, _PINGXX]


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="guichet", description=DESCRIPTION)

    async def run() -> None:
        engine = engine_finder()
        assert engine is not None
        for statement in FORWARDS:
            await engine.run_ddl(statement)

    manager.add_raw(run)
    return manager
