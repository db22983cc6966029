"""What keeps us from believing the wrong word of Stripe's, or paying twice."""

from scripts.guards.guard import Guard

_NOTICE = "tests/providers/test_stripe_notice.py"
_ADAPTER = "tests/providers/test_stripe_pay.py"
_SIMULATOR = "tests/sandbox/test_stripe.py"

STRIPE = (
    Guard(
        "stripe.signature",
        "an event of Stripe's is believed only when one of the secrets signed it",
        "providers/stripe/signature.py",
        "good = [secret for secret in secrets if _is_by(secret, content, signed.digests)]",
        "good = list(secrets)",
        f"{_NOTICE}::TestASignature::test_is_over_the_raw_bytes",
    ),
    Guard(
        "stripe.freshness",
        "an event of Stripe's is fresh either way",
        "providers/stripe/signature.py",
        "abs(now.timestamp() - int(signed.timestamp)) > TOLERANCE_SECONDS",
        "now.timestamp() - int(signed.timestamp) > TOLERANCE_SECONDS",
        f"{_NOTICE}::TestASignature::test_is_stale_either_way",
    ),
    Guard(
        "stripe.secrets",
        "several secrets of Stripe's are good at once",
        "providers/stripe/signature.py",
        "for secret in secrets if",
        "for secret in secrets[:1] if",
        f"{_NOTICE}::TestASignature::test_of_each_secret_that_is_known_is_good",
    ),
    Guard(
        "stripe.unpaid_session",
        "a completed checkout session is not a paid one",
        "providers/stripe/notice.py",
        'if session.payment_status == "paid" else []',
        "if session.id else []",
        f"{_NOTICE}::TestAPayment::test_that_is_only_promised_is_none",
    ),
    Guard(
        "stripe.amount",
        "a payment at Stripe is of what was taken, not of what was asked for",
        "providers/stripe/words.py",
        "Money(amount_minor=self.amount_received, currency=self.currency.upper()),",
        "Money(amount_minor=9900, currency=self.currency.upper()),",
        f"{_NOTICE}::TestAPayment::test_of_less_than_was_asked_for_is_told_as_it_was",
    ),
    Guard(
        "stripe.merchant",
        "money of the other mode or of another account is somebody else's",
        "providers/stripe/notice.py",
        "merchant=merchant_of(is_live=event.livemode, account=event.account),",
        "merchant=merchant_id,",
        f"{_NOTICE}::TestAPayment::test_of_somebody_else_carries_whose_it_is",
    ),
    Guard(
        "stripe.scrub",
        "what Stripe sent is kept without what pays or tells who paid",
        "providers/stripe/scrub.py",
        "if name not in _DROPPED\n",
        "if name\n",
        f"{_NOTICE}::TestAnEvent::test_is_kept_without_what_pays_or_tells_who_paid",
    ),
    Guard(
        "stripe.idempotency",
        "a payment at Stripe is opened under our own number",
        "providers/stripe/lookup.py",
        '        intent,  # type: ignore[arg-type] # as above\n        {"idempotency_key": key},\n',
        "        intent,  # type: ignore[arg-type] # as above\n",
        f"{_ADAPTER}::TestWhatIsSent::test_goes_under_our_own_numbers",
    ),
    Guard(
        "stripe.too_late",
        "nothing is opened at Stripe once the attempt's time is over",
        "providers/stripe/lookup.py",
        "if datetime.now(UTC) > request.payable_until:",
        "if False:",
        f"{_ADAPTER}::TestALostOpening::test_is_made_by_nobody_once_its_time_is_over",
    ),
    Guard(
        "stripe.search_lag",
        "an attempt at Stripe is not found only when searches have caught up",
        "providers/stripe/lookup.py",
        "if not found and asked_at < request.payable_until + self._lag:",
        "if False:",
        f"{_ADAPTER}::TestALostOpening::test_is_made_by_nobody_once_its_time_is_over",
    ),
    Guard(
        "stripe.answer_of_the_number",
        "an answer of Stripe's is about the attempt that was asked",
        "providers/stripe/answers.py",
        "if thing.attempt_no != request.attempt_no:",
        "if False:",
        f"{_ADAPTER}::TestAnAnswer::test_that_makes_no_sense_says_nothing",
    ),
    Guard(
        "stripe.arrived",
        "a call that may have arrived once is not called unsent by its broken repeat",
        "providers/stripe/errors.py",
        "if never_left(cause) and not arrived:",
        "if never_left(cause):",
        f"{_ADAPTER}::TestAnAnswer::test_that_came_once_is_not_taken_back_by_a_broken_repeat",
    ),
    Guard(
        "stripe.withdrawn",
        "funds that are withdrawn are not lost yet",
        "providers/stripe/notice.py",
        'if dispute.status == "lost":',
        'if dispute.status == "lost" or event_type == "charge.dispute.funds_withdrawn":',
        f"{_NOTICE}::TestADispute::test_is_money_that_goes_back",
    ),
    Guard(
        "stripe.simulated_key",
        "the simulator of Stripe refuses a known key with other words",
        "sandbox/stripe/gateway.py",
        "if kept.fingerprint != fingerprint:",
        "if False:",
        f"{_SIMULATOR}::TestAKey::test_under_which_a_call_was_made_brings_the_same_answer",
    ),
)
