"""What came in, what is owed to the outside, and what a person must decide."""

from piccolo.columns import BigSerial
from piccolo.constraints import Unique
from piccolo.table import Table

from contracts.effects import CaseKind, EffectKind
from contracts.states import NoticeStatus
from models.tables.columns import (
    Check,
    big,
    document,
    instant,
    number,
    octets,
    one_of,
    stamped,
    word,
)


class WebhookEvents(Table, tablename="webhook_events"):
    """A notice as received, stored before it is answered."""

    id = BigSerial(primary_key=True)
    provider = word(16)
    event_id = word(128)
    headers = document()
    body = octets()
    status = word(16)
    retry_count = number()
    due_at = instant(null=True)
    reason = word(64, null=True)
    order_id = big(null=True)
    trace_ctx = word(128, null=True)
    received_at = stamped()
    processed_at = instant(null=True)

    webhook_events_provider_event_key = Unique([provider, event_id])
    webhook_events_status_check = one_of("status", NoticeStatus)


class Effects(Table, tablename="effects"):
    """A duty, owed once per holder, cause and kind, delivered at least once."""

    id = BigSerial(primary_key=True)
    holder_kind = word(16)
    holder_id = big()
    cause = word(200)
    kind = word(32)
    due_at = instant(null=True)
    tries = number()
    done_at = instant(null=True)
    trace_ctx = word(128, null=True)
    created_at = stamped()

    effects_holder_cause_kind_key = Unique([holder_kind, holder_id, cause, kind])
    effects_kind_check = one_of("kind", EffectKind)
    effects_holder_check = Check("holder_kind IN ('order', 'registration', 'case')")


class Cases(Table, tablename="cases"):
    """A question only a person can answer, opened once per kind and subject."""

    id = BigSerial(primary_key=True)
    kind = word(32)
    subject = word(200)
    order_id = big(null=True)
    reason = word(64)
    details = document()
    closed_at = instant(null=True)
    created_at = stamped()

    cases_kind_subject_key = Unique([kind, subject])
    cases_kind_check = one_of("kind", CaseKind)
