"""What keeps the worker's upkeep of payments: repairs, replays, idle intents, the preflight."""

from scripts.guards.guard import Guard
from scripts.guards.rows.paths import JOBS, RULES, STORAGE

_REPAIR = f"{RULES}decide_repair.py::TestARepair::test_"
_REPLAY = f"{STORAGE}inbox.py::TestAReplay::test_"
_INTENT = f"{STORAGE}intent_expiry.py::TestAnIntent::test_"
_DYING = f"{_REPLAY}is_given_up_when_its_workers_die_over_it"

UPKEEP = (
    Guard(
        "repair.refunded",
        "a repair never touches what is paid, on its way back, or back",
        "actors/decide_repair.py",
        "    if payment is None or order.payment_status is not PaymentStatus.UNPAID:\n"
        "        return []\n",
        "    if payment is None:\n        return []\n",
        f"{_REPAIR}never_touches_what_is_paid_or_goes_back",
    ),
    Guard(
        "repair.money_back",
        "no order is paid by money that went back",
        "actors/decide_repair.py",
        "    if order.left_minor(payment) != payment.paid.amount_minor:\n",
        "    if False:\n",
        f"{_REPAIR}is_a_persons_where_money_went_back",
    ),
    Guard(
        "repair.seats",
        "a repair takes no seats that went back",
        "actors/decide_repair.py",
        "    if order.status not in OPEN_ORDERS:\n",
        "    if False:\n",
        f"{_REPAIR}is_a_persons_where_the_seats_went_back",
    ),
    Guard(
        "repair.amount",
        "an order is repaired by exactly what was asked for",
        "actors/decide_repair.py",
        "    return payment.paid == order.total\n",
        "    return True\n",
        f"{_REPAIR}is_a_persons_where_the_money_is_not_what_was_asked",
    ),
    Guard(
        "repair.case",
        "what no repair may mend is put before a person",
        "actors/repairs.py",
        "        if obstacle is not None:\n",
        "        if False:\n",
        f"{STORAGE}repairs.py::TestARepair::test_leaves_an_ended_order_to_a_person",
    ),
    Guard(
        "replay.counted",
        "a try counts though nobody lived to say how it ended",
        "models/sweeps.py",
        "SET retry_count = notice.retry_count + 1,\n",
        "SET retry_count = notice.retry_count,\n",
        _DYING,
    ),
    Guard(
        "replay.ends",
        "a notice over which workers die goes to a person",
        "actors/inbox.py",
        "        if notice.retry_count > self._max_retries:\n",
        "        if False:\n",
        _DYING,
    ),
    Guard(
        "replay.rarer",
        "a notice over which workers die is tried more and more rarely",
        "models/sweeps.py",
        "least(greatest(notice.retry_count - 2, 0), 7)",
        "0",
        f"{_REPLAY}is_rarer_where_workers_die_over_it",
    ),
    Guard(
        "replay.anew",
        "a person's replay is a first try again",
        "models/replays.py",
        "retry_count = 0,",
        "retry_count = retry_count,",
        f"{_REPLAY}by_a_person_counts_its_tries_anew",
    ),
    Guard(
        "intent.live",
        "an intent is kept by a live attempt",
        "models/intent_expiry.py",
        "(a.state IN ('OPENING', 'OPEN', 'UNKNOWN') OR a.created_at",
        "(a.created_at",
        f"{_INTENT}is_kept_by_a_live_attempt",
    ),
    Guard(
        "intent.young_attempt",
        "an intent is kept while its newest attempt is young",
        "models/intent_expiry.py",
        " OR a.created_at > now() - $2::interval))",
        "))",
        f"{_INTENT}is_kept_while_its_newest_attempt_is_young",
    ),
    Guard(
        "intent.paid",
        "an intent is kept by the money it brought",
        "models/intent_expiry.py",
        "  AND o.status NOT IN ('PAID', 'REFUNDED')\n",
        "",
        f"{_INTENT}is_kept_by_the_money_it_brought",
    ),
    Guard(
        "intent.at_work",
        "the clean-up waits for nobody and nobody long for it",
        "models/intent_expiry.py",
        "FOR NO KEY UPDATE OF o, i SKIP LOCKED",
        "",
        f"{_INTENT}is_left_to_who_is_at_work_on_its_order",
    ),
    Guard(
        "jobs.repair_off",
        "an interval of nothing switches the repair off",
        "jobs/worker.py",
        "max(reconcile_seconds, _REPAIR_SECONDS) if reconcile_seconds else 0",
        "max(reconcile_seconds, _REPAIR_SECONDS)",
        f"{JOBS}intervals.py::TestAnInterval::test_of_nothing_switches_its_jobs_off_and_no_other[RECONCILE]",
    ),
    Guard(
        "preflight.reads",
        "a preflight writes nothing",
        "models/preflight.py",
        "REPEATABLE READ, READ ONLY",
        "REPEATABLE READ",
        f"{STORAGE}preflight.py::TestThePreflight::test_writes_nothing",
    ),
)
