"""Which days' bills of which providers were checked."""

from piccolo.columns import BigSerial
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from models.tables.columns import instant, number, on_day, stamped, word


class BillChecks(Table, tablename="bill_checks"):
    """One day's bill; due_at is null when it was checked, or given up (then done_at is null)."""

    id = BigSerial(primary_key=True)
    provider = word(16)
    day = on_day()
    due_at = instant(null=True)
    tries = number()
    found = number()
    unknown = number()
    done_at = instant(null=True)
    created_at = stamped()

    bill_checks_provider_day_key = Unique([provider, day])
    bill_checks_done_check = Check("done_at IS NULL OR due_at IS NULL")
