"""Attempts, the money they brought, and the money that went back."""

from piccolo.columns import BigSerial
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from contracts.evidence import EvidenceKind
from contracts.facts import FactSource
from contracts.states import AttemptState, Channel, IntentEnd, RefundKind, RefundStatus
from models.tables.columns import (
    big,
    document,
    flag,
    instant,
    number,
    one_of,
    parent,
    prose,
    stamped,
    word,
)
from models.tables.orders import Orders


class PaymentIntents(Table, tablename="payment_intents"):
    """Leave to collect one amount; an order has one that has not ended (a partial index)."""

    id = BigSerial(primary_key=True)
    order_id = parent(Orders)
    provider = word(16)
    amount_minor = big()
    currency = word(3)
    idempotency_key = word(255, null=True)
    metadata = document(null=True)
    ended_at = instant(null=True)
    end_reason = word(32, null=True)
    created_at = stamped()

    payment_intents_order_key_key = Unique([order_id, idempotency_key])
    payment_intents_end_reason_check = one_of("end_reason", IntentEnd, null=True)
    payment_intents_end_check = Check("(ended_at IS NULL) = (end_reason IS NULL)")
    payment_intents_amount_check = Check("amount_minor > 0")


class PaymentKeys(Table, tablename="payment_keys"):
    """What a key of a payment route brought, so that the same key brings it again.

    *scope* names the route and *holder_id* the row within which the key is unique.
    """

    id = BigSerial(primary_key=True)
    scope = word(16)
    holder_id = big()
    idempotency_key = word(255)
    body_hash = word(64)
    target_id = big()
    answer = document(null=True)
    created_at = stamped()

    payment_keys_scope_holder_key = Unique([scope, holder_id, idempotency_key])


class PaymentAttempts(Table, tablename="payment_attempts"):
    """One number at one provider; due_at, looks and asked_at pace questions, turns own the rest.

    An intent's key is one attempt's (a partial index).
    """

    id = BigSerial(primary_key=True)
    order_id = parent(Orders)
    intent_id = big(null=True)
    idempotency_key = word(255, null=True)
    attempt_no = word(20)
    provider = word(16)
    channel = word(32)
    state = word(16)
    merchant_id = word(64)
    appid = word(64)
    amount_minor = big()
    currency = word(3)
    request = document()
    opened = document(null=True)
    opened_at = instant(null=True)
    claim_until = instant(null=True)
    payable_until = instant()
    close_owed = flag()
    due_at = instant(null=True)
    looks = number()
    asked_at = instant(null=True)
    created_at = stamped()

    payment_attempts_attempt_no_key = Unique([attempt_no])
    payment_attempts_state_check = one_of("state", AttemptState)
    payment_attempts_channel_check = one_of("channel", Channel)
    payment_attempts_amount_check = Check("amount_minor > 0")


class ProviderRecords(Table, tablename="provider_records"):
    """What a provider sent about an attempt, scrubbed; append-only, and nothing is decided by it.

    *digest* is of the body: the same words about the same object are kept once.
    """

    id = BigSerial(primary_key=True)
    attempt_no = word(20)
    provider = word(16)
    kind = word(32)
    object_id = word(128)
    source = word(16)
    digest = word(64)
    body = document()
    recorded_at = stamped()

    provider_records_attempt_object_digest_key = Unique([attempt_no, object_id, digest])
    provider_records_kind_check = one_of("kind", EvidenceKind)


class Payments(Table, tablename="payments"):
    """Verified money, each provider transaction once; at most one per order is honoured."""

    id = BigSerial(primary_key=True)
    order_id = parent(Orders)
    attempt_no = word(20)
    provider = word(16)
    provider_txn_id = word(128)
    amount_minor = big()
    currency = word(3)
    honoured = flag()
    refund_minor = big()
    source = word(16)
    paid_at = instant()
    created_at = stamped()

    payments_provider_txn_key = Unique([provider, provider_txn_id])
    payments_source_check = one_of("source", FactSource)
    payments_amount_check = Check("amount_minor > 0 OR (amount_minor = 0 AND source = 'free')")
    payments_refund_check = Check("refund_minor BETWEEN 0 AND amount_minor")


class Refunds(Table, tablename="refunds"):
    """Money on its way back, one row per number shown to the provider."""

    id = BigSerial(primary_key=True)
    order_id = parent(Orders)
    payment_id = parent(Payments)
    refund_no = word(64)
    idempotency_key = word(255)
    amount_minor = big()
    currency = word(3)
    status = word(16)
    kind = word(16)
    reason = word(200)
    provider_refund_id = word(128, null=True)
    seats = document(null=True)
    due_at = instant(null=True)
    looks = number()
    claim_until = instant(null=True)
    made_at = instant(null=True)
    created_at = stamped()
    updated_at = stamped()

    refunds_refund_no_key = Unique([refund_no])
    refunds_order_key_key = Unique([order_id, idempotency_key])
    refunds_status_check = one_of("status", RefundStatus)
    refunds_kind_check = one_of("kind", RefundKind)
    refunds_amount_check = Check("amount_minor > 0")


class OrderLegacyPaymentFields(Table, tablename="order_legacy_payment_fields"):
    """What older clients were told to pay with; nothing decides by it, one day it is dropped."""

    order_id = parent(Orders, primary_key=True)
    code_url = prose()
    prepay_id = word(64, null=True)
    written_at = instant()

    order_legacy_payment_fields_check = Check("code_url IS NOT NULL OR prepay_id IS NOT NULL")
