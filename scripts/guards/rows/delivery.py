"""What keeps duties and notices."""

from scripts.guards.guard import Guard
from scripts.guards.rows.paths import JOBS, STORAGE

_CLAIM = f"{JOBS}claims.py::TestEveryClaim::test_"

DELIVERY = (
    Guard(
        "notice.once",
        "a notice that another process stored is stored once",
        "models/inbox.py",
        "ON CONFLICT (provider, event_id) DO NOTHING\n",
        "",
        f"{STORAGE}inbox.py::TestAStoredNotice::test_is_stored_once_by_two_processes",
    ),
    Guard(
        "notice.claim",
        "a stored notice is left to who stored it for a while",
        "models/inbox.py",
        "clock_timestamp() + interval '15 seconds'",
        "clock_timestamp()",
        f"{STORAGE}inbox.py::TestAStoredNotice::test_is_left_to_who_stored_it_for_a_while",
    ),
    Guard(
        "notice.checked_again",
        "a stored notice is believed for its signature only",
        "actors/notice_readers.py",
        "self._providers[notice.provider].verify_stored(notice.headers, notice.body)",
        "pass",
        f"{STORAGE}inbox.py::TestAStoredNotice::test_that_nobody_can_verify_now_waits_for_its_key",
    ),
    Guard(
        "notice.tries",
        "a notice that always fails goes to a person",
        "actors/notice_ends.py",
        "if notice.retry_count >= self._max_retries:",
        "if False:",
        f"{STORAGE}inbox.py::TestAStoredNotice::test_that_always_fails_goes_to_a_person",
    ),
    Guard(
        "claim.skip_notices",
        "two workers never wait for one notice",
        "models/sweeps.py",
        "FOR NO KEY UPDATE SKIP LOCKED\n)\nUPDATE webhook_events",
        "FOR NO KEY UPDATE\n)\nUPDATE webhook_events",
        f"{_CLAIM}skips_a_row_somebody_holds[notices]",
    ),
    Guard(
        "claim.skip_attempts",
        "two workers never wait for one attempt",
        "models/sweeps.py",
        "FOR NO KEY UPDATE SKIP LOCKED\n)\nUPDATE payment_attempts",
        "FOR NO KEY UPDATE\n)\nUPDATE payment_attempts",
        f"{_CLAIM}skips_a_row_somebody_holds[closes]",
    ),
    Guard(
        "claim.skip_refunds",
        "two workers never wait for one refund",
        "models/sweeps.py",
        "FOR NO KEY UPDATE SKIP LOCKED\n)\nUPDATE refunds",
        "FOR NO KEY UPDATE\n)\nUPDATE refunds",
        f"{_CLAIM}skips_a_row_somebody_holds[refunds]",
    ),
    Guard(
        "claim.skip_effects",
        "two workers never wait for one duty",
        "models/sweeps.py",
        "FOR NO KEY UPDATE SKIP LOCKED\n)\nUPDATE effects",
        "FOR NO KEY UPDATE\n)\nUPDATE effects",
        f"{_CLAIM}skips_a_row_somebody_holds[effects]",
    ),
    Guard(
        "claim.notices",
        "a claimed notice is nobody else's for 30 s",
        "models/sweeps.py",
        "due_at = now() + $2::interval * power(",
        "due_at = now() + $2::interval * 0 * power(",
        f"{_CLAIM}ends_by_itself_after_its_time[notices]",
    ),
    Guard(
        "claim.effects",
        "a claimed duty is nobody else's for 30 s",
        "models/sweeps.py",
        "UPDATE effects AS effect SET due_at = now() + $2::interval",
        "UPDATE effects AS effect SET due_at = now() + $2::interval * 0",
        f"{_CLAIM}ends_by_itself_after_its_time[effects]",
    ),
    Guard(
        "claim.let_go",
        "a claim ends without undoing a turn",
        "models/sweeps.py",
        """UPDATE payment_attempts
        SET due_at = greatest($3::timestamptz, now() + interval '1 s')
        WHERE id = $1 AND due_at = $2""",
        """UPDATE payment_attempts
        SET due_at = greatest($3::timestamptz, now() + interval '1 s')
        WHERE id = $1 AND $2::timestamptz IS NOT NULL""",
        f"{JOBS}claims.py::TestLettingGo::test_respects_a_turn_that_moved_the_row_meanwhile[NULL]",
    ),
    Guard(
        "sweep.alone",
        "a bad row does not stop its neighbours",
        "jobs/batch.py",
        "        return error\n    return None",
        "        raise error\n    return None",
        f"{JOBS}batch.py::TestARound::test_lets_a_bad_row_fail_alone",
    ),
    Guard(
        "sweep.row_time",
        "a row is let go before its claim runs out",
        "jobs/batch.py",
        "async with asyncio.timeout(_ROW_SECONDS):",
        "async with asyncio.timeout(None):",
        f"{JOBS}batch.py::TestARound::test_cuts_off_a_row_before_its_claim_runs_out",
    ),
    Guard(
        "effect.tries",
        "a duty nobody takes is given up visibly",
        "jobs/effects.py",
        "row.tries < MAX_TRIES and",
        "True and",
        f"{JOBS}effects.py::TestADuty::test_is_given_up_visibly_after_its_last_try",
    ),
)
