"""What keeps intents, their confirmations and the refunds of the payments API."""

from scripts.guards.guard import Guard
from scripts.guards.rows.paths import API, RULES, STORAGE

_CREATED, _CONFIRMED = f"{API}intents.py::", f"{API}confirm.py::"
_STORED = f"{STORAGE}confirmations.py::"
_REFUNDED = f"{API}refunds_v2.py::"
_AGAIN = f"{RULES}refund_again.py::TestARefundAskedForAgain::test_"

INTENTS = (
    Guard(
        "intent.owner",
        "an intent is asked for by its order's buyer",
        "models/intents.py",
        "WHERE o.id = $1 AND o.user_id = $2\n",
        "WHERE o.id = $1 AND $2::bigint > 0\n",
        f"{_CREATED}TestAnOrderThatIsNotOnesOwn::test_does_not_exist",
    ),
    Guard(
        "intent.price",
        "an intent collects what its order costs",
        "actors/intents.py",
        "if asked.total != wanted.amount:",
        "if False:",
        f"{_CREATED}TestThePrice::test_is_compared_before_an_active_intent_is_found",
    ),
    Guard(
        "intent.payable",
        "nothing is collected for an order that nobody can pay",
        "actors/intents.py",
        "if not asked.is_payable:",
        "if False:",
        f"{_CREATED}TestAnOrderThatNobodyCanPay::test_is_refused_once_paid",
    ),
    Guard(
        "intent.key",
        "a key with another body is refused",
        "models/payment_keys.py",
        '    if row["body_hash"] != body_hash:\n',
        "    if False:\n",
        f"{_CREATED}TestAKey::test_with_another_body_is_refused[said0]",
    ),
    Guard(
        "intent.remembered",
        "a key brings its first answer again",
        "actors/intents.py",
        "if asked.earlier is not None:",
        "if False:",
        f"{_CREATED}TestAKey::test_brings_it_also_when_nobody_can_pay_any_more",
    ),
    Guard(
        "intent.active",
        "an order has one intent that has not ended",
        "migrations/guichet_2026_11_21t18_01_00_000000.py",
        "CREATE UNIQUE INDEX payment_intents_active_key",
        "CREATE INDEX payment_intents_active_key",
        "tests/storage/test_attempts_of_intents.py::TestAnIntent::test_is_the_orders_only_one",
    ),
    Guard(
        "confirm.owner",
        "an intent is confirmed by its order's buyer",
        "models/intents.py",
        "WHERE i.id = $1 AND ($2::bigint IS NULL OR o.user_id = $2)",
        "WHERE i.id = $1 AND ($2::bigint IS NULL OR o.user_id > 0)",
        f"{_CONFIRMED}TestConfirm::test_is_not_for_strangers",
    ),
    Guard(
        "confirm.price",
        "an intent of another price is not confirmed",
        "actors/confirmations.py",
        "if intent.amount != order.total:",
        "if False:",
        f"{_CONFIRMED}TestAnIntentThatNobodyCanPayBy::test_is_refused_once_the_price_has_changed",
    ),
    Guard(
        "confirm.agreed",
        "nothing is opened for a price that changed in the last moment",
        "actors/decide_attempt.py",
        "if words.agreed not in (None, order.total):",
        "if False:",
        f"{_STORED}TestAConfirmation::test_never_pays_another_price_than_its_intent_says",
    ),
    Guard(
        "confirm.ended",
        "an intent that has ended takes up no turn",
        "actors/confirmations.py",
        "if intent.ended_at is not None:",
        "if False:",
        f"{_STORED}TestAConfirmation::"
        "test_of_an_ended_intent_is_refused_without_a_turn_of_its_order",
    ),
    Guard(
        "confirm.ended_meanwhile",
        "an intent that ends before its confirmation's turn gets no attempt",
        "models/turn_money.py",
        "  OR (r.request #>> '{confirmation,intent_id}')::bigint = own.id\n",
        "  OR true\n",
        "tests/storage/test_attempts_of_intents.py::TestAConfirmedAttempt::"
        "test_is_none_of_an_intent_that_ended_meanwhile[True]",
    ),
    Guard(
        "confirm.ended_alone",
        "a confirmation whose attempt was not written is refused",
        "models/turn_money.py",
        "if new and len(await tx.fetch(_NEW_ATTEMPTS, rows(new))) < len(new):",
        "if new and len(await tx.fetch(_NEW_ATTEMPTS, rows(new))) < 0:",
        "tests/storage/test_attempts_of_intents.py::TestAConfirmedAttempt::"
        "test_is_none_of_an_intent_that_ended_meanwhile[True]",
    ),
    Guard(
        "confirm.key",
        "a key finds what it started, whatever has become of it",
        "actors/decide_attempt.py",
        "if confirmed is not None and not is_stranded(order, confirmed, now):",
        "if False:",
        f"{_STORED}TestAConfirmation"
        "::test_whose_answer_was_lost_before_it_was_remembered_is_found_again",
    ),
    Guard(
        "confirm.words",
        "a key under way cannot mean something else",
        "actors/confirmations.py",
        "            raise errors.IdempotencyMismatch\n",
        "            pass\n",
        f"{_STORED}TestAConfirmation"
        "::test_with_another_wish_under_its_key_is_refused_while_it_is_under_way",
    ),
    Guard(
        "confirm.remembered",
        "a key brings its first answer again, whatever that was",
        "actors/confirmations.py",
        "        first = await self._first(wish, attempt_id, status)\n",
        "        first = Remembered(target_id=attempt_id, status=status.value)\n",
        f"{_STORED}TestAConfirmation"
        "::test_whose_call_was_lost_is_opened_again_and_has_its_first_answer",
    ),
    Guard(
        "confirm.stranded",
        "a repeat opens what nobody knows to be open",
        "actors/confirmations.py",
        "if attempt is None or not is_stranded(order, attempt, datetime.now(UTC)):",
        "if True or attempt is None:",
        f"{_STORED}TestAConfirmation"
        "::test_whose_call_was_lost_is_opened_again_and_has_its_first_answer",
    ),
    Guard(
        "confirm.abandoned",
        "who waited for an opener that is gone opens it",
        "actors/confirming.py",
        "if not _is_abandoned(order, number):",
        "if True:",
        f"{_STORED}TestAConfirmation"
        "::test_whose_opener_never_called_is_opened_by_a_repeat_when_the_claim_is_over[k]",
    ),
    Guard(
        "confirm.patience",
        "a repeat waits as long as a call may take",
        "actors/confirming.py",
        "patience = self._payers.call_seconds(command.provider) + _MARGIN_SECONDS",
        "patience = 3.0",
        f"{_STORED}TestAConfirmation"
        "::test_that_is_repeated_while_its_call_is_under_way_waits_as_long_as_that_may_take",
    ),
    Guard(
        "confirm.told_late",
        "a confirmation does not tell of money that its notice brought meanwhile",
        "actors/confirmations.py",
        "if is_told and _is_own(attempt, wish) else status",
        "if False else status",
        f"{_STORED}TestAConfirmation"
        "::test_that_is_paid_while_it_is_opened_is_processing_for_the_key_that_started_it",
    ),
    Guard(
        "confirm.webhook_only",
        "a confirmation asks nobody whether it is paid",
        "actors/confirmations.py",
        "if self._webhook_only or result_of(attempt)",
        "if result_of(attempt)",
        f"{_STORED}TestAConfirmation::test_is_processing_when_the_provider_goes_on_by_itself",
    ),
    Guard(
        "confirm.over",
        "what is over is not shown as a way to pay",
        "actors/confirmations.py",
        "if answer.status is not AttemptResult.REQUIRES_ACTION or not is_waiting:",
        "if answer.status is not AttemptResult.REQUIRES_ACTION:",
        f"{_CONFIRMED}TestAKeyOfAConfirmation::test_brings_no_way_to_pay_for_what_is_over",
    ),
    Guard(
        "refund_v2.event",
        "money is sent back by who manages the event",
        "models/order_views.py",
        "WHERE o.id = $1 AND ($2::bigint IS NULL OR e.organizer_user_id = $2)",
        "WHERE o.id = $1 AND ($2::bigint IS NULL OR e.organizer_user_id > 0)",
        f"{_REFUNDED}TestRefund::test_is_for_who_manages_the_event",
    ),
    Guard(
        "refund_v2.role",
        "money is sent back by who manages anything",
        "api/payment_refunds.py",
        "house.database, data.order_id, organizer_id=manager_of(request)",
        "house.database, data.order_id, organizer_id=None",
        f"{_REFUNDED}TestRefund::test_is_for_who_manages_the_event",
    ),
    Guard(
        "retry.event",
        "a refund is gone on with by who manages the event",
        "models/refunds.py",
        "WHERE f.id = $1 AND ($2::bigint IS NULL OR e.organizer_user_id = $2)",
        "WHERE f.id = $1 AND ($2::bigint IS NULL OR e.organizer_user_id > 0)",
        f"{_REFUNDED}TestRefundRetry::test_is_for_who_manages_the_event",
    ),
    Guard(
        "retry.failed",
        "only what failed is asked for again",
        "actors/decide_refund_request.py",
        "if refund.status not in REFUNDS_IN_VAIN or",
        "if",
        f"{_AGAIN}must_have_failed",
    ),
    Guard(
        "retry.newest",
        "a retry that failed is retried",
        "actors/refund_desk.py",
        "        found = newest_again(order, found)\n",
        "",
        f"{_REFUNDED}TestRefundRetry::test_of_one_whose_retry_failed_asks_for_that_again",
    ),
    Guard(
        "retry.header",
        "a retry's key may come as a header",
        "api/payment_refunds.py",
        "    in_header = idempotency_key(request)\n",
        "    in_header = None\n",
        f"{_REFUNDED}TestRefundRetry::test_takes_its_key_from_the_header_where_the_body_names_none",
    ),
    Guard(
        "retry.payment",
        "what is asked for again goes back of the same payment",
        "actors/decide_refund_request.py",
        "_settlement(order) if command.again is None else _failed(order, command.again)",
        "_settlement(order)",
        f"{_AGAIN}of_money_the_order_cannot_keep_leaves_the_order_alone",
    ),
    Guard(
        "retry.seats",
        "money the order cannot keep takes no seats with it",
        "actors/decide_refund_request.py",
        "if settlement.honoured and amount_minor",
        "if amount_minor",
        f"{_AGAIN}of_money_the_order_cannot_keep_leaves_the_order_alone",
    ),
    Guard(
        "payments.viewer",
        "payments are seen by buyer, organizer and admins",
        "models/order_payments.py",
        "OR e.organizer_user_id = $4::bigint)",
        "OR $4::bigint > 0)",
        f"{API}order_payments.py::TestWhoMaySeeThem::test_is_nobody_else[organizer]",
    ),
)
