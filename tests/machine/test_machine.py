"""Everything people can do to orders, in any order: every promise holds after every step."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from contracts.facts import RefundOutcome
from tests.machine import money, people
from tests.machine.town import CODES, PEOPLE, Town

EXAMPLES, STEPS = 100, 40

persons = st.sampled_from(PEOPLE)
numbers = st.integers(0, 12)
amounts = st.one_of(st.none(), st.sampled_from((1, 100, 2500, 5000, 8450, 9900, 16900)))
has_orders = precondition(lambda self: self.town.orders)


class Machine(RuleBasedStateMachine):
    """People, organizers, the bank and the clock."""

    town: Town
    require_approval: bool

    @initialize()
    def begin(self) -> None:
        self.town.begin(require_approval=self.require_approval)

    def teardown(self) -> None:
        self.town.end()

    @invariant()
    def promises_hold(self) -> None:
        self.town.check()

    @rule(
        person=persons,
        kind=st.integers(0, 2),
        quantity=st.sampled_from((1, 2, 4)),
        code=st.one_of(st.none(), st.sampled_from(CODES)),
    )
    def buy(self, person: int, kind: int, quantity: int, code: str | None) -> None:
        self.town.do(self.town.buy(person, kind, 1 if kind else quantity, code))

    @rule(person=persons, quantity=st.sampled_from((2, 4)))
    def buy_and_pay(self, person: int, quantity: int) -> None:
        self.town.do(self.town.buy(person, 0, quantity, None))
        if self.town.orders:
            newest = len(self.town.orders) - 1
            self.town.do(money.prepare(self.town, self.town.load(newest)))
            self.town.do(money.pay(self.town, self.town.load(newest)))

    @rule(person=persons)
    def leave(self, person: int) -> None:
        event_id = self.town.kinds[0].event_id
        self.town.do(self.town.places.leave(event_id=event_id, user_id=person))

    @rule(n=numbers, approve=st.booleans())
    def decide_free(self, n: int, *, approve: bool) -> None:
        self.town.do(people.decide_free(self.town, n, approve=approve))

    @has_orders
    @rule(n=numbers)
    def prepare(self, n: int) -> None:
        self.town.do(money.prepare(self.town, self.town.load(n)))

    @has_orders
    @rule(n=numbers)
    def pay(self, n: int) -> None:
        self.town.do(money.pay(self.town, self.town.load(n)))

    @has_orders
    @rule(n=numbers, code=st.sampled_from(CODES))
    def use_coupon(self, n: int, code: str) -> None:
        self.town.do(self.town.checkout.apply_coupon(self.town.load(n).id, code))

    @has_orders
    @rule(n=numbers)
    def cancel(self, n: int) -> None:
        self.town.do(self.town.checkout.cancel(self.town.load(n).id))

    @has_orders
    @rule(n=numbers)
    def expire(self, n: int) -> None:
        self.town.do(money.expire(self.town, self.town.load(n)))

    @has_orders
    @rule(n=numbers)
    def close(self, n: int) -> None:
        self.town.do(money.close_owed(self.town, self.town.load(n)))

    @has_orders
    @rule(n=numbers)
    def query(self, n: int) -> None:
        self.town.do(self.town.checkout.query(self.town.load(n).id))

    @has_orders
    @rule(n=numbers)
    def take_cash(self, n: int) -> None:
        self.town.do(people.take_cash(self.town, self.town.load(n)))

    @has_orders
    @rule(n=numbers, gift=numbers, person=persons, is_stale=st.booleans())
    def redeem(self, n: int, gift: int, person: int, *, is_stale: bool) -> None:
        order = self.town.load_paid(n)
        self.town.do(people.redeem(self.town, order, gift, person, is_stale=is_stale))

    @has_orders
    @rule(n=numbers, gift=numbers)
    def reissue(self, n: int, gift: int) -> None:
        self.town.do(people.reissue(self.town, self.town.load_paid(n), gift))

    @has_orders
    @rule(n=numbers, place=numbers, approve=st.booleans())
    def decide(self, n: int, place: int, *, approve: bool) -> None:
        self.town.do(people.decide(self.town, self.town.load_paid(n), place, approve=approve))

    @has_orders
    @rule(n=numbers, place=numbers)
    def come_in(self, n: int, place: int) -> None:
        self.town.do(people.come_in(self.town, self.town.load_paid(n), place))

    @has_orders
    @rule(n=numbers, amount=amounts, named=st.sampled_from((0, 0, 1, 2, 3, 4, 8)))
    def refund(self, n: int, amount: int | None, named: int) -> None:
        self.town.do(people.refund(self.town, self.town.load_paid(n), amount, named))

    @has_orders
    @rule(n=numbers)
    def pursue_refunds(self, n: int) -> None:
        self.town.do(money.pursue_refunds(self.town, self.town.load_paid(n)))

    @rule()
    def bank_refuses_a_refund(self) -> None:
        self.town.bank.refused_refunds = 1

    @has_orders
    @rule(n=numbers, outcome=st.sampled_from(RefundOutcome))
    def refund_ends(self, n: int, outcome: RefundOutcome) -> None:
        self.town.do(money.end_refund(self.town, self.town.load_paid(n), outcome))

    @has_orders
    @rule(n=numbers)
    def bank_sends_a_refund_back(self, n: int) -> None:
        self.town.do(money.send_back_a_refund(self.town, self.town.load(n)))

    @has_orders
    @rule(n=numbers, amount=st.sampled_from((100, 2500, 9900)))
    def refund_past_us(self, n: int, amount: int) -> None:
        self.town.do(money.refund_past_us(self.town, self.town.load_paid(n), amount))


class TestEverythingInAnyOrder:
    # A campaign of a minute or two: it has time of its own.
    @pytest.mark.timeout(900)
    @pytest.mark.parametrize("require_approval", [False, True], ids=["open", "by approval"])
    def test_keeps_every_promise_after_every_step(
        self, database_url: str, *, require_approval: bool
    ) -> None:
        Machine.town, Machine.require_approval = Town(database_url), require_approval
        try:
            run_state_machine_as_test(
                Machine,
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=STEPS,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            Machine.town.close()
