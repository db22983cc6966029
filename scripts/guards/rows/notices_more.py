"""What keeps notices of many providers apart, and disputes from moving money of ours."""

from scripts.guards.guard import Guard
from scripts.guards.rows.paths import API, RULES, STORAGE

_DOOR = f"{API}provider_notices.py::"
_RULE = f"{RULES}decide_dispute.py::"
_BOOKS = f"{STORAGE}disputes.py::"

NOTICES_MORE = (
    Guard(
        "notice.resumed",
        "a notice that comes again is finished",
        "api/notices.py",
        "        house.inbox.resume_soon(verified)\n",
        "",
        f"{_DOOR}TestAGenuineNotice::test_that_comes_again_is_finished[/api/order/stripe/webhook]",
    ),
    Guard(
        "notice.small_everywhere",
        "no provider's notice is larger than another's",
        "api/frontdesk.py",
        '*("/api/callback/", "/api/order/stripe/webhook"),',
        "*(),",
        f"{_DOOR}TestANoticeThatProvesNothing::test_is_compressed_or_too_large[/api/callback/alipay-notify]",
    ),
    Guard(
        "notice.set_up",
        "nobody's notices are taken where nobody can verify them",
        "api/notices.py",
        "    if adapter is None:\n        raise ProviderNotConfigured\n",
        "    assert adapter is not None\n",
        f"{_DOOR}TestADoorOfAProviderThatIsNotSetUp::test_sends_notices_away_for_a_while[/api/order/stripe/webhook]",
    ),
    Guard(
        "dispute.waits",
        "a dispute waits for the payment that it overtook",
        "actors/inbox.py",
        "        raise PaymentNotKnown\n",
        "        return fact\n",
        f"{_BOOKS}TestADisputeThatNamesOnlyAPayment::test_waits_for_the_payment_that_it_overtook",
    ),
    Guard(
        "dispute.foreign",
        "a dispute of something that others sold asks no person",
        "actors/inbox.py",
        "            raise NotOurs\n",
        "            raise PaymentNotKnown\n",
        f"{_BOOKS}TestADisputeThatNamesOnlyAPayment::test_of_what_others_sold_is_set_aside",
    ),
    Guard(
        "dispute.ours",
        "a dispute is set aside only when its provider says that we sold nothing there",
        "actors/inbox.py",
        "and await self._is_foreign(fact):",
        "and fact.refund_no:",
        f"{_BOOKS}TestADisputeThatNamesOnlyAPayment::test_of_a_payment_that_never_comes_goes_to_a_person",
    ),
    Guard(
        "dispute.room",
        "a dispute takes no more than is left",
        "actors/refunds_past_us.py",
        "if takes_minor <= order.left_minor(one)), None)",
        "if True), None)",
        f"{_RULE}TestADispute::test_of_more_than_is_left_is_only_a_case",
    ),
    Guard(
        "dispute.heard_at_once",
        "a person hears of a dispute while it can be answered",
        "actors/decide_dispute.py",
        "        if status is RefundStatus.SUCCEEDED:\n            raise\n",
        "        raise\n",
        f"{_RULE}TestADispute::test_of_more_than_is_left_is_only_a_case",
    ),
    Guard(
        "refund.past_us_waits",
        "money that went back past us is not forgotten because of a refund of ours",
        "actors/refunds_past_us.py",
        "        raise errors.RefundUnderWay\n",
        "        return None\n",
        f"{_BOOKS}TestARefundAtTheConsole"
        "::test_that_met_one_of_ours_is_recorded_when_ours_is_refused",
    ),
    Guard(
        "refund.past_us_named",
        "money goes back of the payment that is named, not of another of its number",
        "actors/refunds_past_us.py",
        "            or payment.provider_txn_id == fact.provider_txn_id\n",
        "            or payment.provider\n",
        f"{RULES}refunds_past_us.py::TestARefundPastUs::test_is_of_the_payment_that_it_names",
    ),
    Guard(
        "dispute.over",
        "what is said late of a dispute that is over moves nothing",
        "actors/decide_dispute.py",
        "if _COURSE.index(status) <= _COURSE.index(known.status):",
        "if False:",
        f"{_RULE}TestWordsOfADispute::test_mean_the_same_in_any_order",
    ),
    Guard(
        "dispute.amount",
        "a dispute of another amount than before moves nothing",
        "actors/decide_dispute.py",
        "if known.amount != fact.refunded:",
        "if False:",
        f"{_RULE}TestADispute::test_of_another_amount_than_before_moves_nothing",
    ),
    Guard(
        "dispute.won",
        "a person hears of money that came back",
        "actors/decide_dispute.py",
        "_asked(order, fact.refund_no, DISPUTE_WON) if _came_back(known.status, status) else []",
        "_asked(order, fact.refund_no, DISPUTE_WON) if _COURSE == () else []",
        f"{_RULE}TestADispute::test_that_was_won_after_money_was_taken_asks_a_person_again",
    ),
    Guard(
        "dispute.never_asked_for",
        "nobody asks a provider to send disputed money back once more",
        "actors/refund_calls.py",
        "if refund.kind is not RefundKind.OURS:",
        "if False:",
        f"{_BOOKS}TestADisputeUnderReview::test_is_never_asked_for_as_if_it_were_a_refund",
    ),
    Guard(
        "dispute.never_due",
        "a dispute is nothing for the worker to pursue",
        "models/turn_money.py",
        " or refund.kind is not RefundKind.OURS:",
        ":",
        f"{_BOOKS}TestADisputeUnderReview::test_is_never_asked_for_as_if_it_were_a_refund",
    ),
)
