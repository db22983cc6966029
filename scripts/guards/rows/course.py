"""What keeps the course shop's order flow."""

from scripts.guards.guard import Guard
from scripts.guards.rows.paths import API, RULES, STORAGE

_WAYS = f"{RULES}pay_channels.py::TestTheWay::test_"
_SHOP = f"{STORAGE}two_providers.py::"
_DOORS = f"{API}course_orders.py::"

COURSE = (
    Guard(
        "course.owner",
        "a course order is its buyer's alone",
        "models/orders.py",
        "JOIN orders o ON o.{column} = w.key AND o.user_id = w.user_id AND o.biz_type",
        "JOIN orders o ON o.{column} = w.key AND o.biz_type",
        f"{_DOORS}TestSomeoneElses::test_order_is_not_there",
    ),
    Guard(
        "course.enabled",
        "who is switched off is chosen by nobody",
        "actors/payers.py",
        "if name in self._merchants and (self._enabled is None or name in self._enabled)",
        "if name in self._merchants",
        f"{_SHOP}TestACharge::test_of_who_is_switched_off_is_refused",
    ),
    Guard(
        "course.offered",
        "what a provider cannot open is not chosen",
        "actors/pay_channels.py",
        "    return channel if channel in offered else None\n",
        "    return channel\n",
        f"{_WAYS}is_only_one_that_is_offered",
    ),
    Guard(
        "course.guess",
        "an empty word for a channel is no word for the usual one",
        "actors/pay_channels.py",
        "    return rest if separator else None\n",
        "    return rest or None\n",
        f"{_WAYS}is_never_guessed",
    ),
    Guard(
        "course.named",
        "a provider's channel is not chosen for another one that is named",
        "actors/pay_channels.py",
        "word = channel if named is None or named != provider else _rest_of(channel)",
        "word = channel if named is None else _rest_of(channel)",
        f"{_WAYS}is_never_guessed",
    ),
    Guard(
        "course.session",
        "a session of another order settles nothing",
        "actors/cashier.py",
        "        if not asked:\n            raise errors.NotFound\n",
        "        asked = asked or of_stripe\n",
        f"{_SHOP}TestASync::test_by_a_session_of_another_order_settles_nothing",
    ),
    Guard(
        "course.second",
        "a second charge has the first closed at its own provider",
        "actors/decide_attempt.py",
        "superseded = [AttemptCloseOwed(attempt_no=current.attempt_no)] if current else []",
        "superseded: list[OrderEvent] = []",
        f"{_SHOP}TestASecondCharge::test_closes_the_first_at_its_own_provider",
    ),
    Guard(
        "course.words",
        "a charge is opened with the words of the provider that is named",
        "actors/checkout.py",
        "merchant = self._calls.merchants.get(provider or order.payment_channel)",
        "merchant = self._calls.merchants.get(order.payment_channel)",
        f"{_SHOP}TestACharge::test_is_opened_where_the_client_says_and_the_order_follows",
    ),
    Guard(
        "course.refunds_of",
        "money back is counted against the payment of its own provider",
        "contracts/order.py",
        "return name == (payment.provider, payment.provider_txn_id)",
        "return self.provider_txn_id == payment.provider_txn_id",
        f"{_SHOP}TestTwoSuccesses::test_under_one_number_of_two_providers_are_told_apart",
    ),
    Guard(
        "course.wechat_door",
        "a charge elsewhere does not shut the doors of WeChat",
        "actors/payers.py",
        "return order.payment_channel if self.serves(order.payment_channel) else usual",
        "return order.payment_channel",
        f"{_DOORS}TestTheDoorsOfWechat::test_go_on_when_the_last_charge_went_elsewhere",
    ),
)
