"""An event on sale and people who buy, for tests against the real database."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec

from actors.actor import Actor
from actors.limiter import Limiter
from actors.places import Places
from actors.sale import Sale
from contracts.attempt import Opened
from contracts.commands import (
    CreateOrder,
    RecordOpened,
    RecordPayment,
    RecordRefund,
    RedeemInvite,
    RequestRefund,
    StartAttempt,
)
from contracts.errors import Refusal
from contracts.facts import FactSource, PaymentSucceeded, RefundMoved, RefundOutcome
from contracts.numbers import new_order_no
from contracts.order import Order
from contracts.policy import Policy
from contracts.states import Channel
from models.engine import Database

POLICY = Policy(gift_code_key=b"k" * 32)


class OnSale(msgspec.Struct, frozen=True, kw_only=True):
    """One event with one ticket type."""

    event_id: int
    ticket_type_id: int


async def put_on_sale(
    database: Database,
    *,
    price_minor: int = 9900,
    max_quantity: int | None = 100,
    max_attendees: int | None = None,
    tiers: dict[int, int] | None = None,
    status: str = "PUBLISHED",
    require_approval: bool = False,
) -> OnSale:
    """Put one ticket type of one event on sale."""
    event_id = await database.fetchval(
        """INSERT INTO events (organizer_user_id, title, status, starts_at, ends_at,
             require_approval)
           VALUES (1, 'Demo Night', $1, now() + interval '1 day', now() + interval '2 days', $2)
           RETURNING id""",
        status,
        require_approval,
    )
    await database.execute(
        "INSERT INTO event_attendance (event_id, seats_held, max_attendees) VALUES ($1, 0, $2)",
        event_id,
        max_attendees,
    )
    ticket_type_id = await add_type(
        database, event_id, price_minor=price_minor, max_quantity=max_quantity
    )
    for quantity, tier_minor in (tiers or {}).items():
        await database.execute(
            "INSERT INTO price_tiers (ticket_type_id, quantity, price_minor) VALUES ($1, $2, $3)",
            ticket_type_id,
            quantity,
            tier_minor,
        )
    return OnSale(event_id=event_id, ticket_type_id=ticket_type_id)


async def add_type(
    database: Database, event_id: int, *, price_minor: int, max_quantity: int | None
) -> int:
    """Add a ticket type to an event."""
    ticket_type_id: int = await database.fetchval(
        """INSERT INTO ticket_types (event_id, name, price_minor, currency, max_quantity,
             current_quantity, max_per_order, is_active, position, catalog_version)
           VALUES ($1, 'Standard', $2, 'CNY', $3, 0, 10, true, 1, 1) RETURNING id""",
        event_id,
        price_minor,
        max_quantity,
    )
    return ticket_type_id


async def make_coupon(
    database: Database,
    code: str = "HALF",
    *,
    kind: str = "PERCENT",
    value: int = 50,
    max_uses: int | None = None,
    event_id: int | None = None,
) -> int:
    """Make a coupon that is good now."""
    coupon_id: int = await database.fetchval(
        """INSERT INTO coupons (code, kind, value, event_id, max_uses, used_count, is_active,
             created_by)
           VALUES ($1, $2, $3, $4, $5, 0, true, 1) RETURNING id""",
        code,
        kind,
        value,
        event_id,
        max_uses,
    )
    return coupon_id


def wish(sale: OnSale, user_id: int, quantity: int = 1, **changes: Any) -> CreateOrder:  # noqa: ANN401
    """Ask for seats."""
    fields: dict[str, Any] = {
        "order_no": new_order_no(),
        "event_id": sale.event_id,
        "ticket_type_id": sale.ticket_type_id,
        "user_id": user_id,
        "quantity": quantity,
        "payment_channel": "wechat",
    }
    return CreateOrder(**(fields | changes))


async def buy(actor: Actor, sale: OnSale, user_id: int = 1, quantity: int = 1) -> Order:
    """Make an order."""
    made = (await actor.create(wish(sale, user_id, quantity))).order
    assert made is not None
    return made


async def answers(actor: Actor, wishes: list[CreateOrder]) -> list[Sale | Refusal]:
    """Ask for many at once and collect what each is told."""
    told = await asyncio.gather(*map(actor.create, wishes), return_exceptions=True)
    for answer in told:
        assert isinstance(answer, Sale | Refusal), answer
    return told  # type: ignore[return-value]  # asserted above, one by one


def a_start(order: Order, channel: Channel = Channel.WECHAT_NATIVE) -> StartAttempt:
    """Ask for an attempt."""
    return StartAttempt(
        order_id=order.id,
        provider="wechat",
        channel=channel,
        merchant_id="1900000001",
        appid="wx0000000000000001",
        notify_url="http://127.0.0.1/notify",
    )


async def opened(actor: Actor, order: Order, channel: Channel = Channel.WECHAT_NATIVE) -> Order:
    """Open an attempt as a provider would."""
    started = (await actor.take_turn(a_start(order, channel))).order
    attempt = started.current_attempt
    assert attempt is not None
    command = RecordOpened(
        order_id=order.id,
        attempt_no=attempt.attempt_no,
        opened=Opened(code_url="weixin://wxpay/bizpayurl?pr=test"),
    )
    return (await actor.take_turn(command)).order


def payment_of(order: Order, n: int = -1, **changes: Any) -> RecordPayment:  # noqa: ANN401
    """Say that an attempt was paid exactly as asked."""
    attempt = order.attempts[n]
    fields: dict[str, Any] = {
        "provider": "wechat",
        "attempt_no": attempt.attempt_no,
        "provider_txn_id": f"TXN-{attempt.attempt_no}",
        "paid": attempt.request.amount,
        "merchant_id": attempt.request.merchant_id,
        "appid": attempt.request.appid,
        "paid_at": datetime.now(UTC),
        "source": FactSource.NOTICE,
    }
    return RecordPayment(order_id=order.id, fact=PaymentSucceeded(**(fields | changes)))


def refund_of(order: Order, amount_minor: int | None = None, **changes: Any) -> RequestRefund:  # noqa: ANN401
    """Ask for money back; without an amount, all that is left."""
    fields: dict[str, Any] = {"order_id": order.id, "reason": "sick", "by_user_id": 1}
    return RequestRefund(**(fields | {"amount_minor": amount_minor} | changes))


def outcome_of(order: Order, outcome: RefundOutcome, n: int = -1) -> RecordRefund:
    """Say what became of a refund."""
    refund = order.refunds[n]
    fact = RefundMoved(
        provider=refund.provider,
        attempt_no=refund.attempt_no,
        refund_no=refund.refund_no,
        provider_refund_id=f"P{refund.refund_no}",
        refunded=refund.amount,
        outcome=outcome,
        source=FactSource.NOTICE,
    )
    return RecordRefund(order_id=order.id, fact=fact)


def invite_ids(order: Order) -> tuple[int, ...]:
    """List an order's gift seats."""
    return tuple(invite.id for invite in order.invites if invite.id is not None)


async def paid(actor: Actor, sale: OnSale, user_id: int = 1, quantity: int = 1) -> Order:
    """Make an order and have it paid."""
    order = await opened(actor, await buy(actor, sale, user_id, quantity))
    await actor.take_turn(payment_of(order))
    return await actor.load(order.id)


def redeem_of(order: Order, user_id: int, n: int = 0) -> RedeemInvite:
    """Ask for an order's n-th gift seat."""
    gift = order.invites[n]
    assert gift.id is not None
    return RedeemInvite(
        order_id=order.id, invite_id=gift.id, generation=gift.generation, user_id=user_id
    )


async def redeemed(actor: Actor, order: Order, user_id: int, n: int = 0) -> Order:
    """Have a guest take an order's n-th gift seat."""
    current = await actor.load(order.id)
    await actor.take_turn(redeem_of(current, user_id, n))
    return await actor.load(order.id)


def places_of(database: Database, actor: Actor) -> Places:
    """Keep places as one process does."""
    return Places(
        database=database,
        actor=actor,
        wrong_codes=Limiter(None, name="gift", limit=10, window_seconds=60),
        gift_code_key=POLICY.gift_code_key,
    )


async def seats_taken(database: Database, sale: OnSale) -> int:
    """Read the one count."""
    taken: int = await database.fetchval(
        "SELECT current_quantity FROM ticket_types WHERE id = $1", sale.ticket_type_id
    )
    return taken


async def keep_legacy_fields(
    database: Database, order_id: int, code_url: str | None = "weixin://1"
) -> None:
    """Keep what an older client pays an order with."""
    await database.execute(
        """INSERT INTO order_legacy_payment_fields (order_id, code_url, written_at)
           VALUES ($1, $2, now())""",
        order_id,
        code_url,
    )


async def time_is_up(database: Database, order: Order, minutes: int = 1) -> None:
    """Move an order's end into the past."""
    await database.execute(
        "UPDATE orders SET expired_at = now() - make_interval(mins => $2) WHERE id = $1",
        order.id,
        minutes,
    )
