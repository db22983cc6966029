"""What keeps out what Ping++ did not say, and keeps it from doing things twice."""

from scripts.guards.guard import Guard

_NOTICE = "tests/providers/test_pingxx_notice.py::"
_CALLS = "tests/providers/test_pingxx_calls.py::"
_SIMULATOR = "tests/sandbox/test_pingxx.py::"

PINGXX = (
    Guard(
        "pingxx.signature",
        "a notice is of Ping++",
        "providers/pingxx/signature.py",
        "key.verify(signature, body, PKCS1v15(), SHA256())",
        "key.public_numbers()",
        f"{_NOTICE}TestANoticeThatProvesNothing::test_is_signed_by_somebody_else",
    ),
    Guard(
        "pingxx.keys",
        "each of Ping++'s active keys is believed",
        "providers/pingxx/signature.py",
        "for serial, key in self._keys.items():",
        "for serial, key in list(self._keys.items())[:1]:",
        f"{_NOTICE}TestAGenuineNotice::test_is_known_by_its_event_and_by_the_key_that_signed_it",
    ),
    Guard(
        "pingxx.not_old",
        "a notice of Ping++ is one that it may still send",
        "providers/pingxx/notice.py",
        "if not -EARLY_SECONDS <= age_seconds <= OLD_SECONDS:",
        "if not -EARLY_SECONDS <= age_seconds:",
        f"{_NOTICE}TestANoticeThatProvesNothing::test_is_not_of_now_though_validly_signed[93601]",
    ),
    Guard(
        "pingxx.not_early",
        "a notice of Ping++ is not prepared",
        "providers/pingxx/notice.py",
        "if not -EARLY_SECONDS <= age_seconds <= OLD_SECONDS:",
        "if not age_seconds <= OLD_SECONDS:",
        f"{_NOTICE}TestANoticeThatProvesNothing::test_is_not_of_now_though_validly_signed[-301]",
    ),
    Guard(
        "pingxx.paid",
        "a notice of a payment says that it was paid",
        "providers/pingxx/notice.py",
        "if not charge.paid or charge.reversed:",
        "if False:",
        f"{_NOTICE}TestAPayment::test_that_makes_no_sense_is_kept_for_a_person[changes0-not_paid]",
    ),
    Guard(
        "pingxx.livemode",
        "play money beside a live key is somebody else's",
        "providers/pingxx/words.py",
        "if self.livemode == is_live:",
        "if True:",
        f"{_NOTICE}TestAPayment::test_of_play_money_beside_a_live_key_is_somebody_elses",
    ),
    Guard(
        "pingxx.scrub",
        "what is kept of Ping++ names nobody and pays nothing",
        "providers/pingxx/evidence.py",
        "for name, value in given.items() if name in names}",
        "for name, value in given.items()}",
        f"{_NOTICE}TestWhatIsKept::test_tells_all_but_who_paid_and_what_pays",
    ),
    Guard(
        "pingxx.merchant",
        "another app's word gives no seats back",
        "providers/pingxx/charges.py",
        "if charge.paid or charge.merchant_id(is_live=self._is_live) != request.merchant_id:",
        "if False:",
        f"{_CALLS}TestAskingAboutANumber::test_believes_nobody_else_that_it_was_not_paid",
    ),
    Guard(
        "pingxx.handed_out",
        "what is handed out collects the amount that was asked for",
        "providers/pingxx/charges.py",
        "if told != (request.amount, request.channel.value, request.merchant_id):",
        "if False:",
        f"{_CALLS}TestOpening::test_that_brings_something_else_leaves_the_outcome_open",
    ),
    Guard(
        "pingxx.siblings",
        "money is found whichever charge of a number took it",
        "providers/pingxx/charges.py",
        "if charge is None or not charge.paid:",
        "if charge is None:",
        f"{_CALLS}TestAskingAboutANumber::test_by_a_charge_that_is_not_paid_finds_the_one_that_is",
    ),
    Guard(
        "pingxx.paid_before",
        "a number that was paid is not taken for refused",
        "providers/pingxx/charges.py",
        '            raise errors.error_of("open", errors.ALREADY_PAID)\n        if charge.money',
        "            raise refused\n        if charge.money",
        f"{_CALLS}TestAnOpeningThatTheChannelRefused::test_because_it_was_paid_is_never_a_refusal",
    ),
    Guard(
        "pingxx.refund_once",
        "a refund whose number is known is not made again",
        "providers/pingxx/refunds.py",
        'await self._find("refund", request) or await self._make(request, wanted)',
        "await self._make(request, wanted)",
        f"{_CALLS}TestARefund::test_of_a_number_that_is_known_is_not_made_again",
    ),
    Guard(
        "pingxx.refund_failed",
        "a refund gets a new number only if nothing moved",
        "providers/pingxx/words.py",
        "moved_nothing = self.failure_code in _NOTHING_MOVED",
        "moved_nothing = True",
        f"{_CALLS}TestARefund::test_that_failed_frees_its_number_only_if_nothing_moved",
    ),
    Guard(
        "pingxx.call",
        "the simulated Ping++ takes no call that is not signed",
        "sandbox/pingxx/keys.py",
        'if not self._is_merchants(message, headers.get("Pingplusplus-Signature", "")):',
        "if False:",
        f"{_SIMULATOR}TestACall::test_that_proves_nothing_is_refused",
    ),
)
