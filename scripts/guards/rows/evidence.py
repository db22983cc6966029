"""What keeps the trail of evidence, the purge, and the news of sales."""

from scripts.guards.guard import Guard
from scripts.guards.rows.paths import JOBS, RULES, STORAGE

_BODY = f"{RULES}scrubbing.py::TestAScrubbedBody::test_"
_TRAIL = f"{STORAGE}evidence.py::TestATrail::test_"
_CHECKOUT = f"{STORAGE}evidence.py::TestACheckout::test_"
_WECHAT = "tests/providers/test_wechat_evidence.py::TestWhatIsKept::test_"
_PURGE = f"{JOBS}purge.py::TestThePurge::test_"
_BOT = f"{JOBS}feishu.py::TestWhatTheBotDoesNotTake::test_"

EVIDENCE = (
    Guard(
        "evidence.depth",
        "no secret of a provider's words is kept, however deep it stands",
        "contracts/scrubbing.py",
        "for k, v in value.items() if not _is_out(k)}",
        "for k, v in value.items()}",
        f"{_BODY}has_no_secret_at_any_depth",
    ),
    Guard(
        "evidence.net",
        "what an adapter forgot to leave out is left out",
        "actors/evidence.py",
        "fitted(scrubbed(evidence.body))",
        "fitted(evidence.body)",
        f"{_TRAIL}keeps_no_secret_whoever_forgot_it",
    ),
    Guard(
        "evidence.once",
        "the same words about the same object are kept once",
        "models/evidence.py",
        "return hashlib.sha256(_deterministic.encode(evidence.body)).hexdigest()",
        "return hashlib.sha256(rows([evidence]).encode()).hexdigest()",
        f"{STORAGE}evidence.py::TestEvidence::test_is_kept_once_however_often_it_is_told",
    ),
    Guard(
        "evidence.newest",
        "what a provider says again is what it said last",
        "models/evidence.py",
        "SET id = EXCLUDED.id, source",
        "SET source",
        f"{STORAGE}evidence.py::TestEvidence::test_that_is_told_again_is_the_newest",
    ),
    Guard(
        "evidence.foreign",
        "what is told of another's money is not shown as an attempt's",
        "api/course_details.py",
        "if one.kind is kind and is_own(one))",
        "if one.kind is kind)",
        "tests/api/test_course_answers.py::TestADetail::test_shows_no_object_of_anothers_money",
    ),
    Guard(
        "evidence.wechat",
        "nothing that WeChat says of a payer is kept",
        "providers/wechat/evidence.py",
        "kept = _among(said, _KEPT) |",
        "kept = said |",
        f"{_WECHAT}of_a_query_names_the_payment_and_no_payer",
    ),
    Guard(
        "evidence.bound",
        "evidence takes no more memory than it may",
        "actors/evidence.py",
        "if len(self._waiting) >= WAITING_MAX:",
        "if False:",
        f"{_TRAIL}takes_no_more_than_it_can_hold",
    ),
    Guard(
        "evidence.idle",
        "who was told nothing waits for no evidence",
        "actors/attempt_calls.py",
        "if self._trail is None or self._trail.is_settled(attempt_no):",
        "if self._trail is None:",
        f"{_CHECKOUT}waits_for_nothing_where_nothing_was_told",
    ),
    Guard(
        "evidence.patience",
        "no payer waits long for evidence",
        "actors/attempt_calls.py",
        "            async with asyncio.timeout(WAIT_SECONDS):\n"
        "                await self._trail.settled(attempt_no)\n",
        "            await self._trail.settled(attempt_no)\n",
        f"{_CHECKOUT}waits_a_moment_at_most",
    ),
    Guard(
        "purge.unfinished",
        "what is not processed keeps its body",
        "models/notice_bodies.py",
        "AND notice.status IN ('PROCESSED', 'QUARANTINED') AND",
        "AND",
        f"{_PURGE}leaves_what_a_person_must_still_read",
    ),
    Guard(
        "purge.young",
        "evidence is kept as long as it was said to be",
        "models/evidence.py",
        "WHERE kept.id = first.id AND kept.recorded_at < now() - $2::interval",
        "WHERE kept.id = first.id AND $2::interval IS NOT NULL",
        f"{_PURGE}leaves_what_is_younger",
    ),
    Guard(
        "payers.letter",
        "who paid has paid, whether or not a letter arrives",
        "jobs/effects.py",
        "await note_payers(self._database, paid)",
        "pass",
        f"{JOBS}payers.py::TestAPayer::test_is_one_even_where_no_letter_arrives",
    ),
    Guard(
        "news.silence",
        "no news are owed where nobody listens",
        "actors/duties.py",
        "return [*owed, *_news_of(event)] if tells_sales else owed",
        "return [*owed, *_news_of(event)]",
        f"{STORAGE}sale_news.py::TestNews::test_are_not_owed_where_nobody_listens",
    ),
    Guard(
        "news.count",
        "not every message counts everybody",
        "jobs/feishu.py",
        "if self._totals is None or now >= self._count_at:",
        "if True:",
        f"{JOBS}feishu.py::TestASale::test_counts_people_once_in_a_while",
    ),
    Guard(
        "news.code",
        "a message is told only when the bot says so",
        "jobs/feishu.py",
        "return None if code == 0 else str(code)",
        "return None",
        f"{_BOT}is_told_again_under_the_same_id",
    ),
    Guard(
        "news.away",
        "letters do not wait for every message of a bot that is away",
        "jobs/feishu.py",
        "if loop.time() < self._away_until:",
        "if False:",
        f"{_BOT}keeps_letters_waiting_once_and_not_for_every_message",
    ),
)
