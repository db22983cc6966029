"""How often the worker looks, and how long it goes on."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from runtime.groups.kinds import Interval
from runtime.registry import about


@dataclass(frozen=True, kw_only=True, repr=False)
class WorkerSettings:
    """The pace of the sweeps."""

    payments_job_replay_interval_min: Annotated[
        Interval, about("worker", "Minutes between sweeps of stored notices; 0 = off.")
    ] = 0.02
    webhook_max_retries: Annotated[
        int,
        Meta(ge=0, le=1000),
        about("worker", "How often a stored notice is tried again before a person must look."),
    ] = 8
    payments_job_reconcile_interval_min: Annotated[
        Interval, about("worker", "Minutes between sweeps of open attempts; 0 = off.")
    ] = 0.02
    expire_interval_seconds: Annotated[
        Interval, about("worker", "Between sweeps for orders whose time is up; 0 = off.")
    ] = 1
    close_interval_seconds: Annotated[
        Interval, about("worker", "Between sweeps for attempts owed a close; 0 = off.")
    ] = 1
    refund_interval_seconds: Annotated[
        Interval, about("worker", "Between sweeps for refunds under way; 0 = off.")
    ] = 1
    bills_interval_seconds: Annotated[
        Interval,
        about("worker", "Between looks for bills to check for refunds made past us; 0 = off."),
    ] = 600
    effects_interval_seconds: Annotated[
        Interval, about("worker", "Between sweeps for duties owed; 0 = off.")
    ] = 1
    payments_job_cleanup_interval_min: Annotated[
        Interval,
        about(
            "worker",
            "Minutes between sweeps of idle intents and what older clients paid with; 0 = off.",
        ),
    ] = 10
    payments_intent_expire_min: Annotated[
        float,
        Meta(gt=0),
        about("worker", "Minutes after which an intent that nobody does anything with is ended."),
    ] = 60
    legacy_fields_window_days: Annotated[
        float,
        Meta(ge=0),
        about("worker", "Age of an order at which what older clients pay with is removed, days."),
    ] = 30
    retention_days: Annotated[
        float,
        Meta(ge=0),
        about(
            "worker",
            "Age at which raw notices are emptied and what providers sent is removed, days;"
            " 0 = off.",
        ),
    ] = 180
