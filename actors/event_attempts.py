"""Which attempt of its intent an event is about.

1. A number names an attempt, ours before the provider's; one that is not this intent's is held.
2. Money without a number went to the one attempt that could take it: of several nobody guesses.
3. What ends or stops an attempt without naming it is believed of an only attempt that is open: one
   whose opening is under way may be another than the event knows of.
4. One attempt is one payment at its provider: however the attempt was found, an event under another
   number than its provider has told us is held.
"""

from actors.event_held import AttemptNotTold, EventHeld
from contracts.normalized import PAYMENT_SUCCEEDED, NormalizedEvent
from contracts.states import LIVE_ATTEMPTS, AttemptState
from models.intents_lookup import NamedAttempt, NamedIntent

_UNDER_WAY = frozenset({AttemptState.OPENING, AttemptState.UNKNOWN})


def attempt_meant(event: NormalizedEvent, intent: NamedIntent) -> NamedAttempt | None:
    """Choose the attempt; None: the event does not say which, and nothing hangs on it.

    :raises AttemptNotTold: ask about every live attempt of the intent.
    :raises EventHeld: the numbers contradict what we know, or nothing here could be paid.
    """
    meant = _by_number(event, intent)
    if meant is None:
        meant = _payable(event, intent) if event.type == PAYMENT_SUCCEEDED else _only_one(intent)
    if meant is not None:
        hold_unless_of(meant, event, intent)
    return meant


def hold_unless_of(attempt: NamedAttempt, event: NormalizedEvent, intent: NamedIntent) -> None:
    """Hold an event one of whose numbers is known not to be this attempt's.

    :raises EventHeld: "attempt" where the number is ours, "txn" where it is the provider's.
    """
    ours, theirs = event.data.attempt_no, event.data.provider_txn_id
    if ours not in {None, attempt.attempt_no}:
        raise EventHeld(event, "attempt")
    if theirs is not None and attempt.txn_id not in {None, theirs}:
        raise EventHeld(event, "txn")
    if _by_theirs(event, intent) not in {None, attempt}:
        raise EventHeld(event, "txn")


def _by_number(event: NormalizedEvent, intent: NamedIntent) -> NamedAttempt | None:
    ours = event.data.attempt_no
    if ours is None:
        return _by_theirs(event, intent)
    if intent.attempt(ours) is None:
        raise EventHeld(event, "attempt")
    return intent.attempt(ours)


def _by_theirs(event: NormalizedEvent, intent: NamedIntent) -> NamedAttempt | None:
    if intent.payment is not None:
        return intent.attempt(intent.payment.attempt_no)
    theirs = event.data.provider_txn_id
    return next((a for a in intent.attempts if theirs is not None and a.txn_id == theirs), None)


def _payable(event: NormalizedEvent, intent: NamedIntent) -> NamedAttempt:
    could = [a for a in intent.attempts if a.state is not AttemptState.REFUSED]
    if not could:
        raise EventHeld(event, "no_attempt")
    if not any(attempt.state is AttemptState.PAID for attempt in could):
        # One that its provider has closed takes no money while another waits for it.
        could = [a for a in could if a.state in LIVE_ATTEMPTS] or could
    if len(could) > 1:
        raise AttemptNotTold(event)
    return could[0]


def _only_one(intent: NamedIntent) -> NamedAttempt | None:
    if len(intent.attempts) != 1 or intent.attempts[0].state in _UNDER_WAY:
        return None
    return intent.attempts[0]
