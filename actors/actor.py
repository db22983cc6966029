"""The only way an order comes to be or changes: one queue per order, one commit per group."""

import asyncio
from contextlib import suppress

from redis.asyncio import Redis

from actors.duties import sweeps_after
from actors.failpoints import Reach, nowhere
from actors.lane import Lane
from actors.lease import Leases
from actors.mailbox import Mailboxes
from actors.metrics import CREATED, REFUSED, TURNS
from actors.openings import LookAgain, OpeningsCommit
from actors.sale import Sale
from actors.sales import SalesCommit
from actors.tally import count, count_settled
from actors.tracing import describe_order, link, work_span
from actors.turn import Turn
from actors.turns import NeedsSeats, TurnsCommit
from actors.wakeups import Wakeups
from contracts.commands import (
    ApplyCoupon,
    Cancel,
    CreateOrder,
    DecidePlace,
    Expire,
    OrderCommand,
    RecordAttempt,
    RecordOpened,
    RecordOpenFailed,
    RecordRefund,
    RecordRefundRefused,
    RequestRefund,
)
from contracts.errors import NotFound, Refusal
from contracts.order import Order
from contracts.policy import Policy
from models.engine import Database
from models.orders import load

# More writers only queue for the same rows; one to spare, for an event whose rows are held up.
SALES_WRITERS = 3
# Of busy turns; most of them are payments, for which nobody waits at a door.
LINGER_SECONDS = 0.01
# These may give seats back and so wait for a ticket type's lock; a payment must not wait for them.
_ENDINGS = (
    Cancel,
    Expire,
    RecordAttempt,
    RecordOpenFailed,
    RecordRefund,
    RecordRefundRefused,
    RequestRefund,
    DecidePlace,
)


class Actor:
    """Every order's actor, as far as this process is concerned."""

    def __init__(
        self,
        *,
        database: Database,
        redis: Redis | None,
        policy: Policy,
        wakeups: Wakeups | None = None,
        reach: Reach = nowhere,
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._mailboxes = Mailboxes()
        leases = Leases(redis)
        self._turns: Lane[OrderCommand, Turn] = Lane(
            "turns",
            TurnsCommit(database, leases, policy, may_wait=False, reach=reach),
            linger_seconds=LINGER_SECONDS,
        )
        self._endings: Lane[OrderCommand, Turn] = Lane(
            "endings", TurnsCommit(database, leases, policy, reach=reach)
        )
        self._openings: Lane[RecordOpened, Turn] = Lane(
            "openings", OpeningsCommit(database, policy, reach=reach)
        )
        # Apart from the endings: these hold coupons, and wait for no ticket type meanwhile.
        self._discounts: Lane[OrderCommand, Turn] = Lane(
            "discounts", TurnsCommit(database, leases, policy, reach=reach)
        )
        self._slots = asyncio.Semaphore(SALES_WRITERS)
        self._sales_commit = SalesCommit(database, policy, reach=reach)
        self._sales: dict[int, Lane[CreateOrder, Sale]] = {}

    async def create(self, command: CreateOrder) -> Sale:
        """Sell seats, or find what the same buyer made before.

        :raises contracts.errors.Refusal: nothing was made; the class says what to do next.
        """
        lane = self._sales_lane(command.event_id)
        try:
            sale = await lane.submit(command)
        except Refusal as refusal:
            REFUSED.labels(code=refusal.code).inc()
            raise
        finally:
            if lane.is_idle and self._sales.get(command.event_id) is lane:
                del self._sales[command.event_id]
        if sale.order is not None:
            CREATED.labels(payment_channel=command.payment_channel).inc()
            if sale.order.settlement is not None:
                count_settled(sale.order, sale.order.settlement)
                self._wake("effects")
        elif sale.registration is not None:
            self._wake("effects")
        return sale

    async def take_turn(self, command: OrderCommand) -> Turn:
        """Ask something of an order and wait until the answer is committed.

        :raises contracts.errors.Conflict: the order's state does not allow it.
        :raises contracts.errors.Busy: nothing was done; come back later.
        :raises contracts.errors.NotFound: there is no such order.
        """
        name = type(command).__name__
        about: dict[str, str | int] = {
            "guichet.command": name,
            "guichet.order.id": command.order_id,
        }
        with work_span("order.turn", attributes=about) as span:
            try:
                async with self._mailboxes.turn_at(command.order_id):
                    turn = await self._submit(command)
            except Refusal as refusal:
                TURNS.labels(command=name, outcome=refusal.code).inc()
                raise
            describe_order(span, turn.order)
            link(span, turn.order.trace_ctx)
        TURNS.labels(command=name, outcome="done" if turn.events else "nothing").inc()
        count(turn)
        self._wake(*sorted(sweeps_after(turn.events)))
        return turn

    async def load(self, order_id: int) -> Order:
        """Read an order without a turn: it may change the next moment.

        :raises contracts.errors.NotFound: there is no such order.
        """
        orders, _ = await load(self._database, [order_id])
        if order_id not in orders:
            raise NotFound
        return orders[order_id]

    async def close(self) -> None:
        """Wait for every commit that is queued or in flight."""
        for lane in list(self._sales.values()):
            await lane.close()
        await self._openings.close()
        await self._turns.close()
        await self._endings.close()
        await self._discounts.close()

    def _wake(self, *sweeps: str) -> None:
        if self._wakeups is not None:
            self._wakeups.wake(*sweeps)

    async def _submit(self, command: OrderCommand) -> Turn:
        if isinstance(command, _ENDINGS):
            return await self._endings.submit(command)
        if isinstance(command, RecordOpened):
            with suppress(LookAgain):
                return await self._openings.submit(command)
        if isinstance(command, ApplyCoupon):
            return await self._discounts.submit(command)
        try:
            return await self._turns.submit(command)
        except NeedsSeats:
            return await self._endings.submit(command)

    def _sales_lane(self, event_id: int) -> Lane[CreateOrder, Sale]:
        if event_id not in self._sales:
            self._sales[event_id] = Lane("sales", self._sales_commit, slots=self._slots)
        return self._sales[event_id]
