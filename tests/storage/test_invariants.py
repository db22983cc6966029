"""Every invariant sees a row that breaks it, in a house where all of them held."""

from collections.abc import AsyncIterator

import pytest

from actors.actor import Actor
from contracts.money import Money
from models.engine import Database
from models.invariants import check_invariants
from tests.storage.stage import (
    POLICY,
    buy,
    invite_ids,
    make_coupon,
    opened,
    payment_of,
    put_on_sale,
    redeemed,
    refund_of,
    wish,
)

BREAKS = {
    "seats.count": "UPDATE ticket_types SET current_quantity = current_quantity + 1",
    "seats.event": "UPDATE event_attendance SET seats_held = seats_held + 1",
    "seats.ledger": "DELETE FROM seat_ledger",
    "seats.holder": "UPDATE seat_ledger SET holder_id = holder_id + 1000",
    "seats.returned_too_soon": "UPDATE orders SET status = 'CANCELLED', seats_held = 0"
    " WHERE status = 'PENDING'",
    "money.settlement": "UPDATE payments SET honoured = false",
    "money.snapshot": "UPDATE payments SET amount_minor = amount_minor + 1",
    "money.surplus": "UPDATE payments SET refund_minor = 0",
    "money.refunds": "UPDATE refunds SET amount_minor = amount_minor - 1",
    "money.rejected": "UPDATE registrations SET status = 'REJECTED' WHERE invite_id IS NULL",
    "state.audit": "DELETE FROM order_events",
    "state.attempt_paid": "UPDATE payment_attempts SET state = 'PAID'",
    "places.owner": "UPDATE registrations SET status = 'CANCELLED'",
    "places.waiting": "UPDATE registrations SET status = 'PENDING_PAYMENT'",
    "places.gifts": "UPDATE order_invites SET status = 'INVALID' WHERE status = 'PENDING'",
    "places.redeemed": "UPDATE registrations SET invite_id = NULL",
    "places.seats": "UPDATE registrations SET status = 'REJECTED' WHERE invite_id IS NOT NULL",
    "places.refund": "UPDATE refunds SET status = 'failed' WHERE reason = 'sick'",
    "delivery.tickets": "DELETE FROM effects WHERE kind = 'TICKETS'",
    "money.free": "UPDATE orders SET total_minor = 0",
    "coupons.uses": "UPDATE coupons SET used_count = used_count + 1",
    "coupons.released": "UPDATE coupon_usages SET released_at = now()",
    "delivery.alarm": "DELETE FROM effects WHERE kind = 'ALARM'",
}


@pytest.fixture
async def lived_in(emptied: Database) -> AsyncIterator[Database]:
    """Fill the house: an order paid twice with a guest, one paid wrongly, one that waits.

    A part of the first is on its way back, and a gift seat with it; another cost nothing.
    """
    actor = Actor(database=emptied, redis=None, policy=POLICY)
    sale = await put_on_sale(emptied, tiers={4: 32000})
    paid, wrong, _ = [
        await opened(actor, await buy(actor, sale, user, quantity=4)) for user in (1, 2, 3)
    ]
    await actor.take_turn(payment_of(paid))
    await actor.take_turn(payment_of(paid, provider_txn_id="TXN-2"))
    freed = invite_ids(await actor.load(paid.id))[-1:]
    await actor.take_turn(refund_of(paid, 100, invite_ids=freed))
    await actor.take_turn(payment_of(wrong, paid=Money(amount_minor=1, currency="CNY")))
    await redeemed(actor, paid, user_id=9)
    await make_coupon(emptied, "ALL", value=100)
    await actor.create(wish(sale, 4, coupon_code="ALL"))
    yield emptied
    await actor.close()


async def broken(database: Database) -> set[str]:
    return {finding.id for finding in await check_invariants(database) if finding.violations}


class TestAnInvariant:
    @pytest.mark.parametrize("name", BREAKS)
    async def test_sees_a_row_that_breaks_it(self, lived_in: Database, name: str) -> None:
        assert await broken(lived_in) == set()

        await lived_in.execute(BREAKS[name])

        assert name in await broken(lived_in)

    async def test_is_broken_here_whichever_it_is(self, lived_in: Database) -> None:
        assert {finding.id for finding in await check_invariants(lived_in)} == BREAKS.keys()
