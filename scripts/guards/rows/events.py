"""What keeps events of strangers, and of other things, from moving money."""

from scripts.guards.guard import Guard
from scripts.guards.rows.paths import API, RULES, STORAGE

_SIGNATURE = "tests/providers/test_webhook_signature.py::"
_DOOR = f"{API}payment_webhook.py::"
_STORED = f"{STORAGE}stored_events.py::"
_HELD = f"{_STORED}TestAnEventThatContradicts::"
_BACK = f"{_STORED}TestAnEventOfARefund::"

EVENTS = (
    Guard(
        "event.signature",
        "an event without a good signature is refused",
        "providers/webhook_signature.py",
        "if not _is_any_good(keys_of(secret), signed, signatures):",
        "if False:",
        f"{_SIGNATURE}TestASignature::test_covers_the_body",
    ),
    Guard(
        "event.fresh",
        "an event that is not of now is refused",
        "providers/webhook_signature.py",
        "abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS",
        "False",
        f"{_SIGNATURE}TestASignature::test_is_good_for_five_minutes_either_way",
    ),
    Guard(
        "event.header_twice",
        "a signature that could be read two ways is refused",
        "api/payment_events.py",
        "if lowered.decode() in found:",
        "if False:",
        f"{_DOOR}TestAnEventThatProvesNothing::test_is_refused_when_a_header_comes_twice",
    ),
    Guard(
        "event.large",
        "a body beyond 64 KiB is no event",
        "api/frontdesk.py",
        '("/api/webhooks/", "/payments/webhook")',
        '("/api/webhooks/",)',
        f"{_DOOR}TestAnEventThatProvesNothing::test_is_refused_when_it_is_too_large",
    ),
    Guard(
        "event.belongs",
        "an intent of another order is not meant",
        "actors/normalized.py",
        "if intent is None or intent.order_id != data.order_id:",
        "if intent is None:",
        f"{_HELD}test_is_never_taken_for_another_orders_intent",
    ),
    Guard(
        "event.amount",
        "another amount or currency settles nothing",
        "actors/normalized.py",
        "if _money(event) != intent.amount:",
        "if False:",
        f"{_HELD}test_is_held_for_a_person_and_moves_nothing",
    ),
    Guard(
        "event.provider",
        "a provider that is not set up moves nothing",
        "actors/normalized.py",
        "if event.provider not in self._providers:",
        "if False:",
        f"{_BACK}test_of_a_provider_that_is_not_set_up_any_more_is_held",
    ),
    Guard(
        "event.status",
        "an event that contradicts itself moves nothing",
        "actors/normalized.py",
        'if data.status in _STATUSES and data.status != event.type.partition(".")[2]:',
        "if False:",
        f"{_HELD}test_is_held_for_a_person_and_moves_nothing",
    ),
    Guard(
        "event.refund_belongs",
        "a refund of another order is not meant",
        "actors/normalized.py",
        "if not _belongs(event, refund):",
        "if False:",
        f"{_BACK}test_of_another_order_is_held",
    ),
    Guard(
        "event.refund_amount",
        "a refund of another amount is held",
        "actors/normalized.py",
        "if _money(event) != refund.amount:",
        "if False:",
        f"{_BACK}test_that_contradicts_is_held",
    ),
    Guard(
        "event.refund_waits",
        "a refund event ahead of its payment is not given up",
        "actors/normalized.py",
        "            raise PaymentNotKnown\n",
        "            pass\n",
        f"{_BACK}test_before_its_payment_waits_for_it",
    ),
    Guard(
        "event.checked_again",
        "a stored event is believed for its signature only",
        "actors/notice_readers.py",
        "self._of_events().verify_stored(notice.headers, notice.body)",
        "pass",
        f"{_STORED}TestAnEventThatComesAgain::test_is_checked_against_its_signature_again",
    ),
    Guard(
        "event.once_at_a_time",
        "an event is not processed twice at once",
        "actors/inbox.py",
        "if notice.id in self._under_way:",
        "if False:",
        f"{_STORED}TestAnEventThatComesAgain::test_is_never_processed_twice_at_once",
    ),
    Guard(
        "event.repeats_bury_nothing",
        "how often an event is repeated uses up no try",
        "actors/inbox.py",
        "        if not is_try:\n            return\n",
        "",
        f"{_STORED}TestAnEventThatComesAgain::test_buries_nothing_by_coming_often",
    ),
    Guard(
        "event.nameless",
        "a payment told with and without its number is one",
        "actors/decide_payment.py",
        "is_nameless(payment.provider_txn_id) or is_nameless(fact.provider_txn_id)",
        "False",
        f"{RULES}event_orders.py::TestOnePayment::test_told_with_and_without_its_number_is_one",
    ),
    Guard(
        "event.refund_thinks_better",
        "the seats of a refund that failed go when it succeeds after all",
        "actors/evolve.py",
        "return free(mark_again(order, event.refund_no), event.refund_no)",
        "return free(order, event.refund_no)",
        f"{RULES}event_orders.py::TestTheSameEvents::"
        "test_end_in_one_state_in_whatever_order_they_come[of four seats-a part back]",
    ),
)
