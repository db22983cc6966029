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

from tests.machine.town import PEOPLE, Town

EXAMPLES, STEPS = 20, 40

people = st.sampled_from(PEOPLE)
orders = st.integers(0, 30)
kinds = st.integers(0, 2)
has_orders = precondition(lambda self: self.town.orders)


class Machine(RuleBasedStateMachine):
    """People, organizers, the bank and the clock."""

    town: Town

    @initialize(require_approval=st.booleans())
    def begin(self, *, require_approval: bool) -> None:
        self.town.begin(require_approval=require_approval)

    def teardown(self) -> None:
        self.town.end()

    @invariant()
    def promises_hold(self) -> None:
        if hasattr(self.town, "orders"):
            self.town.check()

    @rule(person=people, kind=kinds, quantity=st.sampled_from((1, 1, 2, 4)))
    def buy(self, person: int, kind: int, quantity: int) -> None:
        self.town.do(self.town.buy(person, kind, quantity))

    @has_orders
    @rule(n=orders)
    def prepare(self, n: int) -> None:
        self.town.do(self.town.prepare(self.town.load(n)))

    @has_orders
    @rule(n=orders)
    def pay(self, n: int) -> None:
        self.town.do(self.town.pay(self.town.load(n)))

    @has_orders
    @rule(n=orders)
    def cancel(self, n: int) -> None:
        self.town.do(self.town.checkout.cancel(self.town.load(n).id))

    @has_orders
    @rule(n=orders)
    def expire(self, n: int) -> None:
        self.town.do(self.town.expire(self.town.load(n)))

    @has_orders
    @rule(n=orders)
    def close(self, n: int) -> None:
        self.town.do(self.town.close_owed(self.town.load(n)))

    @has_orders
    @rule(n=orders)
    def query(self, n: int) -> None:
        self.town.do(self.town.checkout.query(self.town.load(n).id))

    @has_orders
    @rule(n=orders)
    def refund_moves(self, n: int) -> None:
        self.town.do(self.town.pursue(self.town.load(n)))


class TestEverythingInAnyOrder:
    # A campaign of a minute: it has time of its own.
    @pytest.mark.timeout(600)
    def test_keeps_every_promise_after_every_step(self, database_url: str) -> None:
        Machine.town = Town(database_url)
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
