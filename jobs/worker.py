"""The worker process: every sweep over the database, and arq beside them.

1. Every duty is a row; whatever happens to this process, the next one finds it.
2. After SIGTERM or SIGINT no round begins, rounds under way have about two seconds, and rows that
   are cut off come back when their claims run out.
"""

import asyncio
import os
import signal
import sys
import threading
from contextlib import AsyncExitStack, suppress
from functools import partial

from actors.bills import Bills
from actors.repairs import Repairs
from contracts.effects import EffectKind
from jobs.attempts import Attempts
from jobs.batch import Batch
from jobs.bills import BillChecks
from jobs.checks import beat, measure
from jobs.cleanup import IdleIntents, empty_fields, purge_ended_tokens
from jobs.effects import ByKind, Delivery, Effects, LogDelivery
from jobs.expire import Expiry
from jobs.feishu import Bot, FeishuDelivery
from jobs.letters.links import Links
from jobs.mail import MailDelivery
from jobs.post import Post
from jobs.purge import Purge
from jobs.refunds import Refunds
from jobs.repair import Repair
from jobs.sweep import Sweep
from jobs.wakeups import Listener
from models import sweeps as rows
from models.bills import DueBill
from runtime.house import House
from runtime.logs import configure_logs
from runtime.memory import begin_serving
from runtime.metrics import bury_dead_processes
from runtime.settings import Settings, SettingsError, read_settings
from runtime.telemetry import start_telemetry, stop_telemetry
from runtime.wiring import open_house

# By the old convention of sysexits.h.
_CONFIGURATION_FAULT = 78
# The supervisor kills what has not ended after two and a half seconds.
_DRAIN_SECONDS = 1.8
_LAST_MOMENT_SECONDS = 2.4
# A commit carries up to 64 orders: while one is in flight the next can gather.
_TURNS = 128
# About as many provider calls as one process can sign and check in a tenth of a second.
_CALLS = 32
# As many letters as a few connections can hand in while their rows are claimed.
_LETTERS = 32
# A bill may be long, and the first start finds a week of them.
_BILLS = 2
_REPAIR_SECONDS = 60
# What has waited half a year may wait an hour.
_PURGE_SECONDS = 3600
# The longest life of a token: what is kept is at most what two such spans made.
_TOKENS_SECONDS = 600


def sweeps_of(house: House, bot: Bot | None = None) -> list[Sweep]:
    """List every sweep with its longest rest in seconds; 0 is off."""
    settings, database = house.settings, house.database
    replay_seconds = 60 * settings.payments_job_replay_interval_min
    reconcile_seconds = 60 * settings.payments_job_reconcile_interval_min
    cleanup_seconds = 60 * settings.payments_job_cleanup_interval_min
    return [
        Sweep("inbox", replay_seconds, _inbox(house).do_round),
        Sweep("expire", settings.expire_interval_seconds, _expire(house).do_round),
        Sweep("close", settings.close_interval_seconds, _close(house).do_round),
        Sweep("reconcile", reconcile_seconds, _reconcile(house).do_round),
        Sweep("refunds", settings.refund_interval_seconds, _refunds(house).do_round),
        Sweep("bills", settings.bills_interval_seconds, _bills(house).do_round),
        Sweep("effects", settings.effects_interval_seconds, _effects(house, bot).do_round),
        Sweep(
            "cleanup",
            cleanup_seconds,
            partial(empty_fields, database, settings.legacy_fields_window_days),
        ),
        Sweep("intents", cleanup_seconds, _intents(house).do_round),
        # No setting turns this off: people make tokens, and no row of theirs is ever needed again.
        Sweep("tokens", _TOKENS_SECONDS, partial(purge_ended_tokens, database)),
        Sweep("purge", _PURGE_SECONDS if settings.retention_days else 0, _purge(house).do_round),
        # There should be nothing to mend, so this may look at its leisure.
        Sweep(
            "repair",
            max(reconcile_seconds, _REPAIR_SECONDS) if reconcile_seconds else 0,
            _repair(house).do_round,
        ),
        Sweep("backlog", 5, partial(measure, database)),
        Sweep("heartbeat", 5, beat),
    ]


def _inbox(house: House) -> Batch[rows.DueNotice]:
    async def process(row: rows.DueNotice) -> None:
        await house.inbox.process(row.id, is_claimed=True)

    return Batch(
        job="inbox",
        noun="notice",
        size=_TURNS,
        claim=partial(rows.claim_notices, house.database),
        handle=process,
        reach=house.reach,
    )


def _expire(house: House) -> Batch[rows.DueOrder]:
    expiry = Expiry(database=house.database, actor=house.actor)
    return Batch(
        job="expire",
        noun="order",
        size=_TURNS,
        claim=expiry.find,
        handle=expiry.expire,
        reach=house.reach,
    )


def _close(house: House) -> Batch[rows.DueAttempt]:
    attempts = _attempts(house)
    return Batch(
        job="close",
        noun="attempt",
        size=_CALLS,
        claim=partial(rows.claim_closes, house.database),
        handle=attempts.close,
        let_go=attempts.close_later,
        reach=house.reach,
    )


def _reconcile(house: House) -> Batch[rows.DueAttempt]:
    attempts = _attempts(house)
    return Batch(
        job="reconcile",
        noun="attempt",
        size=_CALLS,
        claim=partial(rows.claim_looks, house.database),
        handle=attempts.look,
        let_go=attempts.look_later,
        reach=house.reach,
    )


def _attempts(house: House) -> Attempts:
    return Attempts(
        database=house.database,
        attempts=house.checkout.attempts,
        grace_seconds=house.settings.attempt_grace_seconds,
    )


def _refunds(house: House) -> Batch[rows.DueRefund]:
    refunds = Refunds(database=house.database, refunds=house.checkout.refunds)
    return Batch(
        job="refunds",
        noun="refund",
        size=_CALLS,
        claim=partial(rows.claim_refunds, house.database),
        handle=refunds.pursue,
        let_go=refunds.pursue_later,
        reach=house.reach,
    )


def _bills(house: House) -> Batch[DueBill]:
    bills = Bills(actor=house.actor, database=house.database, providers=house.providers)
    checks = BillChecks(database=house.database, bills=bills)
    return Batch(
        job="bills",
        noun="bill",
        size=_BILLS,
        claim=checks.claim,
        handle=checks.check,
        let_go=checks.check_later,
        reach=house.reach,
    )


def _intents(house: House) -> IdleIntents:
    return IdleIntents(
        database=house.database, idle_minutes=house.settings.payments_intent_expire_min
    )


def _repair(house: House) -> Repair:
    repairs = Repairs(actor=house.actor, database=house.database)
    return Repair(database=house.database, repairs=repairs, reach=house.reach)


def _purge(house: House) -> Purge:
    return Purge(database=house.database, retention_days=house.settings.retention_days)


def _effects(house: House, bot: Bot | None) -> Batch[rows.DueEffect]:
    letters = _letters(house)
    news = LogDelivery() if bot is None else FeishuDelivery(database=house.database, bot=bot)
    delivery = ByKind({EffectKind.SALE_NEWS: news}, otherwise=letters)
    effects = Effects(database=house.database, delivery=delivery, reach=house.reach)
    is_quick = isinstance(letters, LogDelivery) and bot is None
    return Batch(
        job="effects",
        noun="effect",
        size=_TURNS if is_quick else _LETTERS,
        claim=effects.claim,
        handle=effects.deliver,
        let_go=effects.deliver_later,
        reach=house.reach,
    )


def _letters(house: House) -> Delivery:
    settings, server = house.settings, house.settings.mail_server
    if server is None or settings.mail_from is None:
        return LogDelivery()
    return MailDelivery(
        database=house.database,
        post=Post(server, sender=settings.mail_from),
        links=Links(app_url=settings.app_url, gift_code_key=settings.gift_key),
        alarm_to=settings.alarm_mail_to,
        otherwise=LogDelivery(),
    )


async def work(settings: Settings) -> None:
    """Do every duty until SIGTERM or SIGINT."""
    ending = _Ending()
    with suppress(asyncio.CancelledError):
        async with open_house(settings) as house, AsyncExitStack() as stack:
            begin_serving()
            sweeps = sweeps_of(house, await _bot(settings, stack))
            ending.sweeps = sweeps
            listener = Listener(settings.redis_url, {sweep.name: sweep for sweep in sweeps})
            listening = asyncio.create_task(listener.run())
            try:
                async with asyncio.TaskGroup() as group:
                    for sweep in sweeps:
                        group.create_task(sweep.run())
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)


async def _bot(settings: Settings, stack: AsyncExitStack) -> Bot | None:
    if settings.feishu_notify_url is None:
        return None
    return await stack.enter_async_context(Bot(settings.feishu_notify_url))


class _Ending:
    """What a signal sets off: sweeps stop, then whatever still runs is cut off."""

    def __init__(self) -> None:
        self.sweeps: list[Sweep] = []
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._begin)

    def _begin(self) -> None:
        assert self._task is not None
        for sweep in self.sweeps:
            sweep.stop()
        # Before the sweeps began there is nothing to finish.
        self._loop.call_later(_DRAIN_SECONDS if self.sweeps else 0, self._task.cancel)
        _end_at_the_last_moment()


def _end_at_the_last_moment() -> None:
    """End the process even if a thread or a blocking call would not let it."""
    timer = threading.Timer(_LAST_MOMENT_SECONDS, os._exit, args=(0,))
    timer.daemon = True
    timer.start()


def main() -> int:
    """Run the worker with the settings of the environment."""
    try:
        settings = read_settings()
    except SettingsError as error:
        sys.stderr.write(f"Cannot start: {error}\n")
        return _CONFIGURATION_FAULT
    configure_logs(settings.log_level)
    bury_dead_processes(settings.prometheus_multiproc_dir)
    start_telemetry("worker", settings.otel_exporter_otlp_endpoint)
    asyncio.run(work(settings))
    stop_telemetry()
    return 0


if __name__ == "__main__":
    sys.exit(main())
