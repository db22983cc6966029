from datetime import timedelta

import pytest

from actors.decide_attempt import usable_attempt
from contracts import errors
from contracts.commands import RecordAttempt, RecordOpenFailed, RecordPayment
from contracts.facts import (
    AttemptClosedAtProvider,
    AttemptNotFound,
    PayerAwaited,
    PaymentDeclined,
    PaymentNotPaid,
)
from contracts.money import Money
from contracts.order import Order
from contracts.states import AttemptResult, AttemptState, Channel, ClosingReason, OrderStatus
from tests.rules.builders import (
    NOW,
    ORDER_NO,
    POLICY,
    a_payment,
    after,
    an_attempt,
    an_order,
    kinds,
    opened,
    start,
)

FIRST = f"{ORDER_NO}01"


class TestStartingAnAttempt:
    def test_claims_the_next_number_with_the_words_the_provider_will_see(self) -> None:
        order, events = after(an_order(), start())

        assert kinds(events) == ["AttemptStarted"]
        attempt = order.attempts[0]
        assert attempt.attempt_no == FIRST
        assert attempt.state is AttemptState.OPENING
        assert attempt.request.amount == order.total
        assert attempt.request.payable_until == order.expired_at
        assert order.last_payment_attempt_status is AttemptResult.PROCESSING

    def test_finds_the_open_one_and_changes_nothing(self) -> None:
        assert after(an_order(attempts=(an_attempt(),)), start())[1] == []

    def test_waits_while_another_opener_holds_the_claim(self) -> None:
        claimed = an_attempt(state=AttemptState.OPENING, claim_until=NOW + timedelta(seconds=10))

        with pytest.raises(errors.PrepareInProgress):
            after(an_order(attempts=(claimed,)), start())

    @pytest.mark.parametrize("state", [AttemptState.OPENING, AttemptState.UNKNOWN])
    def test_takes_over_a_number_whose_opener_is_gone(self, state: AttemptState) -> None:
        abandoned = an_attempt(state=state, claim_until=NOW - timedelta(seconds=1))

        order, events = after(an_order(attempts=(abandoned,)), start())

        assert kinds(events) == ["AttemptReclaimed"]
        assert order.attempts[0].request == abandoned.request

    @pytest.mark.parametrize(
        "change",
        [{"channel": Channel.WECHAT_JSAPI}, {"appid": "wx2"}, {"openid": "o1"}],
    )
    def test_replaces_an_open_one_that_was_asked_for_differently(
        self, change: dict[str, object]
    ) -> None:
        order, events = after(an_order(attempts=(an_attempt(),)), start(**change))

        assert kinds(events) == ["AttemptCloseOwed", "AttemptStarted"]
        assert order.attempts[0].close_owed
        assert order.current_attempt == order.attempts[1]

    def test_replaces_one_of_another_amount(self) -> None:
        dearer = an_order(total=Money(amount_minor=1, currency="CNY"), attempts=(an_attempt(),))

        order, events = after(dearer, start())

        assert kinds(events) == ["AttemptCloseOwed", "AttemptStarted"]
        assert order.attempts[1].request.amount == dearer.total

    def test_leaves_one_alone_that_is_owed_a_close_already(self) -> None:
        owed = an_attempt(close_owed=True)

        assert kinds(after(an_order(attempts=(owed,)), start())[1]) == ["AttemptStarted"]

    def test_replaces_one_that_another_channel_is_still_opening(self) -> None:
        claimed = an_attempt(state=AttemptState.OPENING, claim_until=NOW + timedelta(seconds=10))

        order, events = after(
            an_order(attempts=(claimed,)), start(channel=Channel.WECHAT_JSAPI, openid="o1")
        )

        assert kinds(events) == ["AttemptCloseOwed", "AttemptStarted"]
        # When the first opener comes back with a code, nobody is shown it.
        assert after(order, opened())[0].current_attempt == order.attempts[1]

    def test_replaces_one_that_the_payer_can_no_longer_use(self) -> None:
        old = an_attempt(opened_at=NOW - timedelta(hours=2))

        assert kinds(after(an_order(attempts=(old,)), start())[1]) == [
            "AttemptCloseOwed",
            "AttemptStarted",
        ]

    def test_stops_at_ten(self) -> None:
        used = tuple(an_attempt(n, state=AttemptState.REFUSED) for n in range(1, 11))

        with pytest.raises(errors.TooManyAttempts):
            after(an_order(attempts=used), start())

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (OrderStatus.PAID, errors.OrderAlreadyPaid),
            (OrderStatus.REFUNDED, errors.OrderAlreadyPaid),
            (OrderStatus.CANCELLED, errors.OrderCancelled),
            (OrderStatus.EXPIRED, errors.OrderExpired),
            (OrderStatus.CLOSING, errors.OrderExpired),
        ],
    )
    def test_is_refused_when_there_is_nothing_to_pay(
        self, status: OrderStatus, error: type[errors.Refusal]
    ) -> None:
        with pytest.raises(error):
            after(an_order(status=status), start())

    def test_is_refused_in_the_last_second_too(self) -> None:
        order = an_order()

        with pytest.raises(errors.OrderExpired):
            after(order, start(), now=order.expired_at)

    def test_gives_the_provider_the_least_time_it_accepts(self) -> None:
        hasty = an_order(expired_at=NOW + timedelta(seconds=5))

        order, _ = after(hasty, start())

        assert order.attempts[0].request.payable_until >= NOW + timedelta(seconds=60)


class TestAUsableAttempt:
    OPEN = an_order(attempts=(an_attempt(),))

    def test_is_the_open_one_that_was_asked_for_in_the_same_words(self) -> None:
        assert usable_attempt(self.OPEN, start(), NOW) == self.OPEN.attempts[0]

    @pytest.mark.parametrize(
        "change",
        [
            {"channel": Channel.WECHAT_JSAPI},
            {"appid": "wx2"},
            {"openid": "o1"},
            {"merchant_id": "2"},
        ],
    )
    def test_is_none_of_other_words(self, change: dict[str, object]) -> None:
        assert usable_attempt(self.OPEN, start(**change), NOW) is None

    def test_lives_two_hours_less_the_way_to_the_payer(self) -> None:
        order = an_order(attempts=(an_attempt(),), expired_at=NOW + timedelta(days=1))

        assert usable_attempt(order, start(), NOW + timedelta(minutes=114)) is not None
        assert usable_attempt(order, start(), NOW + timedelta(minutes=115)) is None

    def test_never_outlives_its_order(self) -> None:
        assert usable_attempt(self.OPEN, start(), self.OPEN.expired_at) is None

    @pytest.mark.parametrize(
        "order",
        [
            an_order(),
            an_order(attempts=(an_attempt(close_owed=True),)),
            an_order(attempts=(an_attempt(state=AttemptState.OPENING),)),
            an_order(attempts=(an_attempt(state=AttemptState.UNKNOWN),)),
            an_order(attempts=(an_attempt(),), status=OrderStatus.CLOSING),
            an_order(attempts=(an_attempt(),), status=OrderStatus.PAID),
        ],
    )
    def test_is_none_that_nobody_could_pay(self, order: Order) -> None:
        assert usable_attempt(order, start(), NOW) is None


class TestAnOpenedAttempt:
    def test_lets_the_payer_pay(self) -> None:
        order, _ = after(an_order(attempts=(an_attempt(state=AttemptState.OPENING),)), opened())

        assert order.attempts[0].state is AttemptState.OPEN
        assert order.last_payment_attempt_status is AttemptResult.REQUIRES_ACTION

    @pytest.mark.parametrize(
        "status", [OrderStatus.EXPIRED, OrderStatus.CANCELLED, OrderStatus.PAID]
    )
    def test_is_owed_a_close_when_the_order_went_elsewhere(self, status: OrderStatus) -> None:
        gone = an_order(status=status, attempts=(an_attempt(state=AttemptState.OPENING),))

        order, events = after(gone, opened())

        assert kinds(events) == ["AttemptOpened", "AttemptCloseOwed"]
        assert order.attempts[0].close_owed

    def test_is_owed_a_close_when_its_number_was_given_up(self) -> None:
        refused = an_order(attempts=(an_attempt(state=AttemptState.REFUSED),))

        order, events = after(refused, opened())

        assert kinds(events) == ["AttemptOpened", "AttemptCloseOwed"]
        assert order.current_attempt is None

    def test_stays_closed_when_nobody_can_pay_it_any_more(self) -> None:
        closed = an_order(attempts=(an_attempt(state=AttemptState.CLOSED),))

        assert after(closed, opened())[1] == []

    def test_is_noted_once(self) -> None:
        assert after(an_order(attempts=(an_attempt(),)), opened())[1] == []


class TestAFailedOpening:
    def test_burns_the_number_when_the_provider_refused_it(self) -> None:
        order, _ = after(
            an_order(attempts=(an_attempt(state=AttemptState.OPENING),)),
            RecordOpenFailed(order_id=1, attempt_no=FIRST, burnt=True),
        )

        assert order.attempts[0].state is AttemptState.REFUSED
        assert order.last_payment_attempt_status is AttemptResult.FAILED

    def test_keeps_the_number_when_nobody_knows(self) -> None:
        order, _ = after(
            an_order(attempts=(an_attempt(state=AttemptState.OPENING),)),
            RecordOpenFailed(order_id=1, attempt_no=FIRST, burnt=False),
        )

        assert order.attempts[0].state is AttemptState.UNKNOWN
        assert order.attempts[0].is_live


def declined(number: int = 1) -> RecordAttempt:
    return RecordAttempt(
        order_id=1,
        fact=PaymentDeclined(
            provider="wechat", attempt_no=f"{ORDER_NO}0{number}", code="card_declined"
        ),
    )


class TestADeclinedPayer:
    OPEN = an_order(attempts=(an_attempt(),))

    def test_is_told_so_and_may_try_again(self) -> None:
        order, events = after(self.OPEN, declined())

        assert kinds(events) == ["AttemptDeclined"]
        assert order.last_payment_attempt_status is AttemptResult.FAILED
        assert order.attempts[0].is_live
        assert usable_attempt(order, start(), NOW) == order.attempts[0]
        assert after(order, start())[1] == []

    def test_is_told_once(self) -> None:
        order, _ = after(self.OPEN, declined())

        assert after(order, declined())[1] == []
        awaited = RecordAttempt(order_id=1, fact=PayerAwaited(provider="wechat", attempt_no=FIRST))
        assert after(order, awaited)[1] == []

    def test_who_pays_in_the_end_has_succeeded(self) -> None:
        order, _ = after(
            after(self.OPEN, declined())[0], RecordPayment(order_id=1, fact=a_payment())
        )

        assert order.last_payment_attempt_status is AttemptResult.SUCCEEDED
        assert after(order, declined())[1] == []

    def test_who_goes_another_way_is_not_told_of_the_first(self) -> None:
        order, _ = after(after(self.OPEN, declined())[0], start(openid="o1"))

        assert order.last_payment_attempt_status is AttemptResult.PROCESSING

    @pytest.mark.parametrize(
        "state", [s for s in AttemptState if s is not AttemptState.OPEN], ids=str
    )
    def test_is_nobody_of_an_attempt_that_is_not_open(self, state: AttemptState) -> None:
        assert after(an_order(attempts=(an_attempt(state=state),)), declined())[1] == []


class TestAClosingOrder:
    CLOSING = an_order(
        status=OrderStatus.CLOSING,
        closing_for=ClosingReason.EXPIRE,
        attempts=(an_attempt(close_owed=True),),
    )

    def test_ends_when_its_last_attempt_is_closed(self) -> None:
        fact = AttemptClosedAtProvider(provider="wechat", attempt_no=FIRST)

        order, events = after(self.CLOSING, RecordAttempt(order_id=1, fact=fact))

        assert kinds(events) == ["AttemptClosed", "OrderExpired"]
        assert order.seats_held == 0

    @pytest.mark.parametrize("kind", [PaymentNotPaid, AttemptNotFound])
    def test_waits_while_the_provider_could_still_take_money(
        self, kind: type[PaymentNotPaid | AttemptNotFound]
    ) -> None:
        fact = kind(provider="wechat", attempt_no=FIRST, asked_at=NOW + timedelta(minutes=30))

        assert after(self.CLOSING, RecordAttempt(order_id=1, fact=fact))[1] == []

    def test_waits_for_the_grace_too(self) -> None:
        last_pay_time = self.CLOSING.attempts[0].request.payable_until
        asked_at = last_pay_time + timedelta(seconds=POLICY.attempt_grace_seconds)
        fact = PaymentNotPaid(provider="wechat", attempt_no=FIRST, asked_at=asked_at)

        assert after(self.CLOSING, RecordAttempt(order_id=1, fact=fact), now=asked_at)[1] == []

    @pytest.mark.parametrize("kind", [PaymentNotPaid, AttemptNotFound])
    def test_ends_when_the_provider_can_no_longer_take_money(
        self, kind: type[PaymentNotPaid | AttemptNotFound]
    ) -> None:
        fact = kind(provider="wechat", attempt_no=FIRST, asked_at=NOW + timedelta(minutes=32))

        order, _ = after(self.CLOSING, RecordAttempt(order_id=1, fact=fact), now=fact.asked_at)

        assert order.status is OrderStatus.EXPIRED

    def test_does_not_believe_a_clock_that_is_ahead(self) -> None:
        fact = PaymentNotPaid(
            provider="wechat", attempt_no=FIRST, asked_at=NOW + timedelta(minutes=32)
        )

        assert after(self.CLOSING, RecordAttempt(order_id=1, fact=fact), now=NOW)[1] == []
