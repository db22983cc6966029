import io
from contextlib import redirect_stdout
from datetime import UTC, datetime

import asyncpg
import pytest
from piccolo.apps.migrations.commands.new import AutoMigrationManager

from actors.transitions import edges
from contracts.states import OrderStatus
from models.engine import Database
from models.piccolo_app import APP_CONFIG
from tests.storage.stage import put_on_sale

ENDED = {"EXPIRED", "CANCELLED", "REFUNDED"}
PAID = {"PAID", "REFUNDED"}


async def insert_order(database: Database, status: OrderStatus) -> int:
    """Write an order that is consistent with its status, whatever it is."""
    sale = await put_on_sale(database)
    order_id: int = await database.fetchval(
        """INSERT INTO orders (order_no, biz_type, event_id, user_id, ticket_type_id, quantity,
             total_minor, currency, status, payment_status, payment_channel, seats_held,
             expired_at, version, closing_for, paid_at)
           VALUES ('GABCDEFGHIJKLMNO', 'EVENT_TICKET', $1, 1, $2, 1, 1, 'CNY', $3, $4, 'wechat',
             $5, now(), 1, $6, $7) RETURNING id""",
        sale.event_id,
        sale.ticket_type_id,
        status,
        {"PAID": "PAID", "REFUNDED": "REFUNDED"}.get(status, "UNPAID"),
        0 if status in ENDED else 1,
        "EXPIRE" if status is OrderStatus.CLOSING else None,
        datetime.now(UTC) if status in PAID else None,
    )
    return order_id


async def move(database: Database, order_id: int, status: OrderStatus) -> None:
    """Move an order and everything its status says."""
    await database.execute(
        """UPDATE orders SET status = $2, payment_status = $3, seats_held = $4, closing_for = $5,
             paid_at = $6 WHERE id = $1""",
        order_id,
        status,
        {"PAID": "PAID", "REFUNDED": "REFUNDED"}.get(status, "UNPAID"),
        0 if status in ENDED else 1,
        "EXPIRE" if status is OrderStatus.CLOSING else None,
        datetime.now(UTC) if status in PAID else None,
    )


async def insert_payment(database: Database, order_id: int, txn: str, *, honoured: bool) -> None:
    """Write money that came for an order."""
    await database.execute(
        """INSERT INTO payments (order_id, attempt_no, provider, provider_txn_id, amount_minor,
             currency, honoured, refund_minor, source, paid_at)
           VALUES ($1, 'GABCDEFGHIJKLMNO01', 'wechat', $2, 9900, 'CNY', $3, 0, 'notice', now())""",
        order_id,
        txn,
        honoured,
    )


class TestTheDatabase:
    @pytest.mark.parametrize("start", OrderStatus)
    @pytest.mark.parametrize("end", OrderStatus)
    async def test_makes_exactly_the_moves_of_the_table(
        self, emptied: Database, start: OrderStatus, end: OrderStatus
    ) -> None:
        order_id = await insert_order(emptied, start)

        if start is end or (start, end) in edges():
            await move(emptied, order_id, end)
        else:
            with pytest.raises(asyncpg.CheckViolationError):
                await move(emptied, order_id, end)

    @pytest.mark.parametrize(
        "lie",
        [
            "status = 'zzz'",
            "status = 'CLOSING'",
            "status = 'PAID'",
            "seats_held = 0",
            "seats_held = 2",
            "seats_held = -1",
            "quantity = 0",
            "payment_status = 'PAID'",
            "paid_at = now()",
            "closing_for = 'EXPIRE'",
            "total_minor = -1",
            "order_no = 'gabcdefghijklmno'",
            "currency = NULL",
        ],
    )
    async def test_refuses_an_order_that_contradicts_itself(
        self, emptied: Database, lie: str
    ) -> None:
        order_id = await insert_order(emptied, OrderStatus.PENDING)

        with pytest.raises((asyncpg.CheckViolationError, asyncpg.NotNullViolationError)):
            await emptied.execute(f"UPDATE orders SET {lie} WHERE id = $1", order_id)  # noqa: S608

    @pytest.mark.parametrize("change", ["current_quantity = -1", "current_quantity = 101"])
    async def test_refuses_a_count_of_seats_that_cannot_be(
        self, emptied: Database, change: str
    ) -> None:
        await put_on_sale(emptied, max_quantity=100)

        with pytest.raises(asyncpg.CheckViolationError):
            await emptied.execute(f"UPDATE ticket_types SET {change}")  # noqa: S608

    @pytest.mark.parametrize(
        "lie",
        [
            "UPDATE ticket_types SET price_minor = -1",
            "UPDATE ticket_types SET max_per_order = 0",
            "UPDATE ticket_types SET max_per_order = 101",
            "UPDATE ticket_types SET max_quantity = 0",
            "UPDATE events SET status = 'OPEN'",
            "UPDATE events SET ends_at = starts_at - interval '1 second'",
            "UPDATE event_attendance SET seats_held = -1",
            "UPDATE price_tiers SET quantity = 0",
            "UPDATE price_tiers SET price_minor = 0",
            "UPDATE price_tiers SET quantity = 2",
            "UPDATE orders SET quantity = 101, seats_held = 101",
            "INSERT INTO event_attendance (event_id, seats_held) SELECT id, 0 FROM events",
        ],
    )
    async def test_refuses_a_catalogue_that_cannot_be(self, emptied: Database, lie: str) -> None:
        order_id = await insert_order(emptied, OrderStatus.PENDING)
        await emptied.execute(
            """INSERT INTO price_tiers (ticket_type_id, quantity, price_minor)
               SELECT ticket_type_id, q, 1 FROM orders, generate_series(2, 3) AS q WHERE id = $1""",
            order_id,
        )
        await emptied.execute("UPDATE ticket_types SET current_quantity = 1")

        with pytest.raises((asyncpg.CheckViolationError, asyncpg.UniqueViolationError)):
            await emptied.execute(lie)

    @pytest.mark.parametrize("lie", ["seats_held = 2", "seats_held = -1", "order_id = $1"])
    async def test_refuses_a_place_that_holds_more_than_its_own_seat(
        self, emptied: Database, lie: str
    ) -> None:
        order_id = await insert_order(emptied, OrderStatus.PENDING)
        await emptied.execute(
            """INSERT INTO registrations (event_id, user_id, ticket_type_id, status, seats_held)
               SELECT event_id, 2, ticket_type_id, 'APPROVED', 1 FROM orders"""
        )
        change = f"UPDATE registrations SET {lie} WHERE $1::bigint > 0"  # noqa: S608

        with pytest.raises(asyncpg.CheckViolationError, match="registrations_seats_check"):
            await emptied.execute(change, order_id)

    async def test_refuses_a_second_open_order_of_a_person_at_an_event(
        self, emptied: Database
    ) -> None:
        order_id = await insert_order(emptied, OrderStatus.PENDING)

        with pytest.raises(asyncpg.UniqueViolationError, match="orders_one_open_key"):
            await emptied.execute(
                """INSERT INTO orders (order_no, biz_type, event_id, user_id, ticket_type_id,
                     quantity, total_minor, currency, status, payment_status, payment_channel,
                     seats_held, expired_at, version)
                   SELECT 'GAAAAAAAAAAAAAAA', biz_type, event_id, user_id, ticket_type_id,
                     quantity, total_minor, currency, status, payment_status, payment_channel,
                     seats_held, expired_at, version FROM orders WHERE id = $1""",
                order_id,
            )

    async def test_refuses_more_people_than_the_event_holds(self, emptied: Database) -> None:
        await put_on_sale(emptied, max_attendees=30)

        with pytest.raises(asyncpg.CheckViolationError):
            await emptied.execute("UPDATE event_attendance SET seats_held = 31")

    @pytest.mark.parametrize(("status", "seats"), [(OrderStatus.EXPIRED, 1), (OrderStatus.PAID, 2)])
    async def test_refuses_seats_that_an_order_cannot_hold(
        self, emptied: Database, status: OrderStatus, seats: int
    ) -> None:
        order_id = await insert_order(emptied, status)

        with pytest.raises(asyncpg.CheckViolationError):
            await emptied.execute(
                "UPDATE orders SET seats_held = $2 WHERE id = $1", order_id, seats
            )

    async def test_moves_seats_once_for_a_cause(self, emptied: Database) -> None:
        move = """INSERT INTO seat_ledger (holder_kind, holder_id, cause, event_id, ticket_type_id,
                    seats) VALUES ('order', 7, 'expired', 1, 1, -1)"""
        await emptied.execute(move)

        with pytest.raises(asyncpg.UniqueViolationError, match="seat_ledger_holder_cause_key"):
            await emptied.execute(move)

    async def test_refuses_a_second_live_place_of_a_person_at_an_event(
        self, emptied: Database
    ) -> None:
        sale = await put_on_sale(emptied)
        place = """INSERT INTO registrations (event_id, user_id, ticket_type_id, status, seats_held)
                   VALUES ($1, 1, $2, $3, 1)"""
        for status in ("CANCELLED", "CANCELLED", "PENDING"):
            await emptied.execute(place, sale.event_id, sale.ticket_type_id, status)

        with pytest.raises(asyncpg.UniqueViolationError, match="registrations_one_live_key"):
            await emptied.execute(place, sale.event_id, sale.ticket_type_id, "APPROVED")

    async def test_refuses_a_key_twice(self, emptied: Database) -> None:
        keep = """INSERT INTO api_idempotency (user_id, key, body_hash, found)
                  VALUES ($1, 'k', 'h', false)"""
        await emptied.execute(keep, 1)
        await emptied.execute(keep, 2)

        with pytest.raises(asyncpg.UniqueViolationError, match="api_idempotency_user_key_key"):
            await emptied.execute(keep, 1)

    async def test_refuses_a_second_settlement_of_an_order(self, emptied: Database) -> None:
        order_id = await insert_order(emptied, OrderStatus.PAID)
        await insert_payment(emptied, order_id, "T1", honoured=True)
        await insert_payment(emptied, order_id, "T2", honoured=False)

        with pytest.raises(asyncpg.UniqueViolationError, match="payments_one_honoured_key"):
            await insert_payment(emptied, order_id, "T3", honoured=True)

    async def test_refuses_the_same_money_twice(self, emptied: Database) -> None:
        order_id = await insert_order(emptied, OrderStatus.EXPIRED)
        await insert_payment(emptied, order_id, "T1", honoured=False)

        with pytest.raises(asyncpg.UniqueViolationError, match="payments_provider_txn_key"):
            await insert_payment(emptied, order_id, "T1", honoured=False)

    async def test_refuses_more_money_back_than_came(self, emptied: Database) -> None:
        order_id = await insert_order(emptied, OrderStatus.EXPIRED)
        await insert_payment(emptied, order_id, "T1", honoured=False)
        await emptied.execute("UPDATE payments SET refund_minor = 9900")

        with pytest.raises(asyncpg.CheckViolationError, match="payments_refund_check"):
            await emptied.execute("UPDATE payments SET refund_minor = 9901")

    async def test_keeps_a_parent_that_has_children(self, emptied: Database) -> None:
        await insert_order(emptied, OrderStatus.PENDING)

        with pytest.raises(asyncpg.RestrictViolationError):
            await emptied.execute("DELETE FROM events")


class TestTheMigrations:
    async def test_say_everything_the_tables_say(self) -> None:
        said = io.StringIO()
        manager = AutoMigrationManager()

        with redirect_stdout(said):
            statements = await manager.get_alter_statements(APP_CONFIG)

        assert [s for group in statements for s in group.statements] == []

    async def test_give_no_column_a_default_by_accident(self, pool: Database) -> None:
        rows = await pool.fetch(
            """SELECT table_name || '.' || column_name AS name FROM information_schema.columns
               WHERE table_schema = 'public' AND table_name <> 'migration'
                 AND column_default NOT LIKE 'nextval(%' AND column_default NOT LIKE 'NULL%'
                 AND column_default <> 'CURRENT_TIMESTAMP'"""
        )

        # What is said of a person before they paid, and whom the course shop's orders were paid at.
        assert {row["name"] for row in rows} == {"orders.payment_channel", "users.state"}

    async def test_let_no_parent_take_its_children_along(self, pool: Database) -> None:
        rows = await pool.fetch(
            """SELECT conname FROM pg_constraint WHERE contype = 'f'
               AND (confdeltype <> 'r' OR confupdtype <> 'r')"""
        )

        assert [row["conname"] for row in rows] == []

    async def test_index_nothing_that_changes_all_the_time(self, pool: Database) -> None:
        rows = await pool.fetch(
            """SELECT indexname FROM pg_indexes WHERE schemaname = 'public'
               AND indexdef ~ '(current_quantity|[( ]version|updated_at)'"""
        )

        assert [row["indexname"] for row in rows] == []
