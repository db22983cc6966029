from datetime import UTC, datetime

from actors.wishes import Wish, grant
from contracts.catalogue import Offer
from contracts.commands import CreateOrder
from models.seats import Stock

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def a_stock(ticket_type_id: int, *, remaining: int | None, event_remaining: int | None) -> Stock:
    return Stock(
        ticket_type_id=ticket_type_id,
        event_id=1,
        remaining=remaining,
        event_remaining=event_remaining,
        on_sale=True,
        catalog_version=1,
        now=NOW,
    )


def a_wish(ticket_type_id: int, user_id: int) -> Wish:
    return Wish(
        command=CreateOrder(
            order_no=f"G{user_id:015}",
            event_id=1,
            ticket_type_id=ticket_type_id,
            user_id=user_id,
            quantity=1,
            payment_channel="wechat",
        ),
        offer=Offer(
            ticket_type_id=ticket_type_id,
            event_id=1,
            event_title="Demo Night",
            require_approval=False,
            price_minor=9900,
            currency="CNY",
            max_per_order=10,
            catalog_version=1,
            tiers={},
        ),
        total_minor=9900,
    )


class TestGranting:
    def test_keeps_to_each_types_own_limit(self) -> None:
        stocks = {
            1: a_stock(1, remaining=1, event_remaining=None),
            2: a_stock(2, remaining=None, event_remaining=None),
        }
        wishes = [a_wish(1, 1), a_wish(1, 2), a_wish(2, 3), a_wish(2, 4)]

        assert [wish.command.user_id for wish in grant(wishes, stocks)] == [1, 3, 4]

    def test_keeps_to_the_events_limit_over_all_types(self) -> None:
        stocks = {n: a_stock(n, remaining=9, event_remaining=1) for n in (1, 2)}

        assert len(grant([a_wish(1, 1), a_wish(2, 2)], stocks)) == 1
