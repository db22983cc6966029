"""One process of the service inside the test: the parts as they are wired, and every sweep."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import count
from typing import TypeVar

from redis.asyncio import Redis

from actors.actor import Actor
from actors.bindings import Bindings
from actors.bridge import Gatekeeper
from actors.cashier import Cashier
from actors.checkout import Checkout
from actors.confirmations import Answer, Confirm, Confirmations
from actors.entrance import Entrance
from actors.failpoints import Reach
from actors.hints import Hints
from actors.inbox import Inbox
from actors.intents import Intents
from actors.limiter import Limiter
from actors.manual import ask_for_refund, mark_paid
from actors.own_orders import OwnOrders
from actors.payers import Merchant, Payers
from actors.places import Places
from actors.refund_desk import RefundDesk
from actors.tickets import Tickets
from contracts.bridge import BridgeGate
from contracts.channels import Payer
from contracts.commands import (
    DecidePlace,
    MarkPaid,
    RedeemInvite,
    ReissueInvite,
    RequestRefund,
)
from contracts.order import Order
from contracts.states import Channel, OrderStatus
from jobs.sweep import Sweep
from jobs.worker import sweeps_of
from models.engine import Database
from models.intents import Wanted
from models.payment_keys import Key, Scope
from runtime.house import House
from runtime.settings import AppEnv, Settings
from tests.faults.bank import NAME, Bank
from tests.storage.stage import POLICY, OnSale, make_coupon, wish

_Result = TypeVar("_Result")
_keys = count(1)
# Once for the crash, once for what it left locked, and a few to spare.
_TRIES = 30
_AGAIN_SECONDS = 0.1
_MERCHANT = Merchant(provider=NAME, merchant_id="1", appid="wx1", notify_url="http://127.0.0.1/n")
_SETTINGS = Settings(
    app_env=AppEnv.SANDBOX,
    database_url="-",
    jwt_secret="s" * 32,
    attempt_grace_seconds=0,
    payments_job_replay_interval_min=0.0005,
    payments_job_reconcile_interval_min=0.0005,
    expire_interval_seconds=0.03,
    close_interval_seconds=0.03,
    refund_interval_seconds=0.03,
    bills_interval_seconds=0.03,
    effects_interval_seconds=0.03,
)


class Office:
    """The service, as far as one buyer can tell."""

    def __init__(
        self, *, database: Database, redis: Redis, bank: Bank, sale: OnSale, reach: Reach
    ) -> None:
        self.database = database
        self.bank = bank
        self.sale = sale
        self.actor = Actor(database=database, redis=redis, policy=POLICY, reach=reach)
        providers, merchants = {NAME: bank}, {NAME: _MERCHANT}
        self.checkout = Checkout(
            actor=self.actor,
            database=database,
            providers=providers,
            merchants=merchants,
            reach=reach,
        )
        self.inbox = Inbox(actor=self.actor, database=database, providers=providers, reach=reach)
        payers = Payers(database=database, providers=providers, merchants=merchants)
        self.intents = Intents(database=database, actor=self.actor, reach=reach)
        self.confirmations = Confirmations(
            database=database,
            actor=self.actor,
            attempts=self.checkout.attempts,
            payers=payers,
            reach=reach,
        )
        gatekeeper = Gatekeeper(database=database, default=BridgeGate())
        house = House(
            settings=_SETTINGS,
            database=database,
            redis=redis,
            providers=providers,
            actor=self.actor,
            checkout=self.checkout,
            payers=payers,
            cashier=Cashier(
                database=database, actor=self.actor, checkout=self.checkout, payers=payers
            ),
            own_orders=OwnOrders(database),
            inbox=self.inbox,
            gatekeeper=gatekeeper,
            tickets=Tickets(database=database, gatekeeper=gatekeeper, payers=payers, identity=None),
            bindings=Bindings(database=database, identity=None, redirect_uri=""),
            entrance=Entrance(database=database, key=b"t" * 32),
            hints=Hints(checkout=self.checkout),
            places=Places(
                database=database,
                actor=self.actor,
                wrong_codes=Limiter(None, name="gift", limit=10, window_seconds=60),
                gift_code_key=POLICY.gift_code_key,
            ),
            intents=self.intents,
            confirmations=self.confirmations,
            refund_desk=RefundDesk(
                database=database, actor=self.actor, refunds=self.checkout.refunds
            ),
            migrations=frozenset(),
            key_checks={},
            reach=reach,
        )
        self._sweeps: list[Sweep] = sweeps_of(house)
        self._loops = [asyncio.create_task(sweep.run()) for sweep in self._sweeps]

    async def close(self) -> None:
        """End it in order."""
        for sweep in self._sweeps:
            sweep.stop()
        await asyncio.gather(*self._loops)
        await self.inbox.close()
        await self.checkout.close()
        await self.actor.close()

    async def order(
        self, user_id: int, quantity: int = 2, *, coupon_code: str | None = None
    ) -> Order:
        """Buy as a client does: the same key until there is an answer."""
        key = f"key {next(_keys)}"

        async def once() -> Order:
            command = wish(
                self.sale,
                user_id,
                quantity,
                idempotency_key=key,
                body_hash="0" * 64,
                coupon_code=coupon_code,
            )
            sale = await self.checkout.buy(command)
            assert sale.order_id is not None
            return await self.actor.load(sale.order_id)

        return await insistently(once)

    async def prepare(self, order: Order) -> Order:
        """Get a way to pay, however often it takes."""

        async def once() -> Order:
            # The claim of a process that died would have run out by now.
            await self.database.execute(
                "UPDATE payment_attempts SET claim_until = now() WHERE order_id = $1", order.id
            )
            current = await self.actor.load(order.id)
            return await self.checkout.prepare(current, Channel.WECHAT_NATIVE, Payer(appid="wx1"))

        return await insistently(once)

    async def confirm(self, order: Order) -> Answer:
        """Ask for an intent and confirm it under one key each, however often it takes."""
        held = Key(scope=Scope.INTENT, holder_id=order.id, key="intent", body_hash="0")
        wanted = Wanted(user_id=order.user_id, amount=order.total, key=held)
        made = await insistently(lambda: self.intents.create(wanted))
        key = Key(scope=Scope.CONFIRM, holder_id=made.intent_id, key="confirm", body_hash="0")

        async def once() -> Answer:
            await self.database.execute(
                "UPDATE payment_attempts SET claim_until = now() WHERE order_id = $1", order.id
            )
            return await self.confirmations.confirm(Confirm(user_id=order.user_id, key=key))

        return await insistently(once)

    async def notify(self, body: bytes) -> None:
        """Send a notice until it is accepted, as a provider does."""

        async def once() -> None:
            verified = self.bank.verify({}, body, datetime.now(UTC))
            stored = await self.inbox.store(verified, {}, body, None)
            if stored is not None:
                self.inbox.process_soon(stored)

        await insistently(once)

    async def cancel(self, order: Order) -> Order:
        """Leave, however often it takes."""

        async def once() -> Order:
            return await self.checkout.cancel(order.id)

        return await insistently(once)

    async def give_away(self, order: Order, user_id: int) -> None:
        """Give the gift seat a new code, have it redeemed, and let the guest in."""
        (gift,) = order.invites
        assert gift.id is not None
        reissue = ReissueInvite(order_id=order.id, invite_id=gift.id)
        await insistently(lambda: self.actor.take_turn(reissue))
        (gift,) = (await self.actor.load(order.id)).invites
        assert gift.id is not None
        redeem = RedeemInvite(
            order_id=order.id, invite_id=gift.id, generation=gift.generation, user_id=user_id
        )
        await insistently(lambda: self.actor.take_turn(redeem))
        _, guest = (await self.actor.load(order.id)).registrations
        assert guest.id is not None
        decide = DecidePlace(
            order_id=order.id, registration_id=guest.id, approve=True, by_user_id=user_id
        )
        await insistently(lambda: self.actor.take_turn(decide))

    async def send_back(self, order: Order) -> None:
        """Send all of an order's money back, however often it takes."""
        command = RequestRefund(
            order_id=order.id, reason="as agreed", by_user_id=1, idempotency_key=f"all {order.id}"
        )
        await insistently(lambda: ask_for_refund(self.actor, command))

    async def take_cash(self, order: Order) -> None:
        """Say that the money came past every provider, however often it takes."""
        command = MarkPaid(order_id=order.id, reason="cash", by_user_id=1)
        await insistently(lambda: mark_paid(self.actor, self.checkout.attempts, command))

    async def keep_unsettled(self, order: Order, provider_txn_id: str) -> None:
        """Write down an attempt's money past every turn."""
        await self.database.execute(
            """INSERT INTO payments (order_id, attempt_no, provider, provider_txn_id,
                 amount_minor, currency, honoured, refund_minor, source, paid_at)
               SELECT order_id, attempt_no, provider, $2, amount_minor, currency, true, 0,
                 'notice', now() FROM payment_attempts WHERE attempt_no = $1""",
            order.attempts[-1].attempt_no,
            provider_txn_id,
        )

    async def mend(self, order: Order) -> None:
        """Have the repair sweep settle what kept money, however often it takes."""
        (repair,) = [sweep for sweep in self._sweeps if sweep.name == "repair"]
        async with asyncio.timeout(60):
            while (await self.actor.load(order.id)).status is not OrderStatus.PAID:
                repair.wake()
                await asyncio.sleep(0.03)

    async def coupon(self, percent: int) -> str:
        """Make a coupon for one use and return its code."""
        code = f"COUPON-{next(_keys)}"
        await make_coupon(self.database, code, value=percent, max_uses=1)
        return code

    async def apply_coupon(self, order: Order, code: str) -> Order:
        """Use a coupon, however often it takes."""
        return await insistently(lambda: self.checkout.apply_coupon(order.id, code))

    async def end_time(self, order: Order) -> None:
        """Let an order's time be up."""
        await self.database.execute(
            "UPDATE orders SET expired_at = now() - interval '1 s' WHERE id = $1", order.id
        )

    async def wait_for(self, order: Order, status: OrderStatus) -> None:
        """Wait until the order has *status*, while claims run out."""
        async with asyncio.timeout(60):
            while (await self.actor.load(order.id)).status is not status:
                await self.time_passes()
                await asyncio.sleep(0.03)

    async def bills_are_ready(self) -> None:
        """Have every day's bill checked anew."""
        await self.database.execute("UPDATE bill_checks SET due_at = now(), done_at = NULL")

    async def time_passes(self) -> None:
        """Let the claims of the dead run out."""
        for table in ("webhook_events", "payment_attempts", "refunds", "effects", "bill_checks"):
            await self.database.execute(
                f"UPDATE {table} SET due_at = now() WHERE due_at > now()"  # noqa: S608 - our own
            )


async def insistently(call: Callable[[], Awaitable[_Result]]) -> _Result:
    """Ask again after whatever went wrong on the other side."""
    last: Exception | None = None
    for _ in range(_TRIES):
        try:
            return await call()
        except Exception as failure:  # noqa: BLE001 - the next try is the answer
            last = failure
            await asyncio.sleep(_AGAIN_SECONDS)
    raise AssertionError("nobody was ever served") from last
