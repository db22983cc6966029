"""What keeps money on its way back."""

from scripts.guards.guard import Guard
from scripts.guards.rows.paths import API, JOBS, RULES, STORAGE

_ASKED = f"{RULES}decide_refund_request.py::"
_MANAGED = f"{API}order_refunds.py::"
_BILLS = f"{JOBS}bills.py::"

REFUNDS = (
    Guard(
        "refund.left",
        "no more is sent back than is left",
        "actors/decide_refund_request.py",
        "if not 0 < amount <= left:",
        "if not 0 < amount:",
        f"{_ASKED}TestARequest::test_of_more_than_is_left_is_refused[9901]",
    ),
    Guard(
        "refund.under_way",
        "what is on its way back is not left",
        "contracts/order.py",
        "if r.status is not RefundStatus.FAILED)",
        "if r.status is RefundStatus.SUCCEEDED)",
        f"{STORAGE}refunds.py::TestAHundredRequests::test_never_send_back_more_than_was_paid",
    ),
    Guard(
        "refund.parts",
        "a payment goes back in no more parts than its provider takes",
        "actors/decide_refund_request.py",
        "if len(order.refunds_of(settlement)) >= MAX_PARTS:",
        "if False:",
        f"{_ASKED}TestARequest::test_beyond_fifty_parts_is_refused",
    ),
    Guard(
        "refund.free_number",
        "a refund takes no number that was used past us",
        "actors/refund_numbers.py",
        "while order.refund(refund_no(attempt_no, n)) is not None:",
        "while False:",
        f"{_ASKED}TestARequest::test_never_takes_a_number_that_somebody_used_past_us",
    ),
    Guard(
        "refund.key",
        "a key makes one refund",
        "actors/decide_refund_request.py",
        "if earlier_refund(order, command) is not None:",
        "if False:",
        f"{STORAGE}refunds.py::TestAHundredRequests::test_under_one_key_make_one_refund",
    ),
    Guard(
        "refund.content",
        "a key with another content is refused",
        "actors/decide_refund_request.py",
        "if content != _content(command):",
        "if False:",
        f"{_ASKED}TestAKey::test_with_another_content_is_refused",
    ),
    Guard(
        "refund.own_seats",
        "a refund names seats of its order only",
        "actors/decide_refund_request.py",
        """    if not (
        invite_ids <= {invite.id for invite in order.invites}
        and registration_ids <= {place.id for place in order.registrations}
    ):""",
        "    if False:",
        f"{_ASKED}TestANamedSeat::test_must_be_the_orders",
    ),
    Guard(
        "refund.marked_once",
        "a seat is in one refund at most",
        "actors/refund_marks.py",
        "        and invite.refund_no is None\n",
        "",
        f"{_ASKED}TestANamedSeat::test_is_in_one_refund_at_most",
    ),
    Guard(
        "refund.frees_named",
        "a refund frees the seats it names",
        "actors/evolve.py",
        "return free(mark_again(order, event.refund_no), event.refund_no)",
        "return order",
        f"{STORAGE}refunds.py::TestANamedSeat::test_goes_back_once_when_the_money_has_gone",
    ),
    Guard(
        "refund.unmarks",
        "a refund that failed lets its seats be used again",
        "actors/evolve.py",
        "return unmark(order, event.refund_no)",
        "return order",
        f"{STORAGE}refunds.py::TestANamedSeat::test_is_the_guests_again_when_the_refund_was_closed",
    ),
    Guard(
        "refund.external_room",
        "a refund made past us is believed as far as there is money",
        "actors/decide_refund.py",
        "and fact.refunded.amount_minor <= order.left_minor(payment)",
        "and True",
        f"{_ASKED}TestARefundNobodyAskedFor::test_of_more_than_is_left_is_only_a_case",
    ),
    Guard(
        "bill.known",
        "a bill's refunds that the books know are not asked about",
        "actors/bills.py",
        "if refund.refund_no not in kinds]",
        "if True]",
        f"{_BILLS}TestARefundOfOurOwn::test_is_not_asked_about",
    ),
    Guard(
        "bill.others",
        "refunds of another service are only counted",
        "actors/bills.py",
        "if refund.attempt_no in orders]",
        "if True]",
        f"{_BILLS}TestARefundOfAnotherService::test_is_only_counted",
    ),
    Guard(
        "bill.under_way",
        "a bill is looked at again until its refunds are over",
        "jobs/bills.py",
        "again_at=None if bill.is_over else row.claimed_at + _BETWEEN_LOOKS",
        "again_at=None",
        f"{_BILLS}TestABillThatIsDue::test_is_looked_at_again_until_its_refunds_are_over"
        "[PROCESSING]",
    ),
    Guard(
        "bill.not_recorded",
        "a bill comes back until all it names is recorded",
        "jobs/bills.py",
        "if bill.failure is not None:",
        "if False:",
        f"{_BILLS}TestABillThatIsDue::test_comes_back_when_one_of_its_refunds_was_not_recorded",
    ),
    Guard(
        "bill.claimed_once",
        "a bill is checked by one worker at a time",
        "models/bills.py",
        "SET due_at = now() + $2::interval, tries",
        "SET due_at = now() + 0 * $2::interval, tries",
        f"{_BILLS}TestAWeekOfBills::test_is_shared_by_two_workers",
    ),
    Guard(
        "refund.whose_number",
        "a number of another order's refund moves nothing there",
        "models/turn_money.py",
        "  order_id = CASE WHEN f.order_id = excluded.order_id THEN f.order_id END,\n",
        "",
        f"{STORAGE}refunds.py::TestARefundNobodyAskedFor::test_under_another_orders_number_is_refused",
    ),
    Guard(
        "refund.role",
        "only who manages the event touches an order's money",
        "api/organizers.py",
        "    raise Forbidden\n",
        "    return None\n",
        f"{_MANAGED}TestAStranger::test_without_a_role_is_refused",
    ),
    Guard(
        "refund.whose_event",
        "an order is managed in its own event",
        "models/order_views.py",
        "WHERE {column} = $2 AND event_id = $1",
        "WHERE {column} = $2 AND $1::bigint > 0",
        f"{_MANAGED}TestAStranger::test_at_another_event_is_not_found",
    ),
    Guard(
        "manual.unresolved",
        "nothing is paid by hand while a provider could take money",
        "actors/decide_manual.py",
        "if order.live_attempts:",
        "if False:",
        f"{_MANAGED}TestMarkingAsPaid::test_waits_for_a_provider_that_does_not_answer",
    ),
    Guard(
        "manual.closed_first",
        "what is open is closed before money by hand is recorded",
        "actors/manual.py",
        "await _close_all(checkout, order)",
        "await actor.load(order.id)",
        f"{_MANAGED}TestMarkingAsPaid::test_closes_what_is_open_at_the_provider",
    ),
)
