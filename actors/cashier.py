"""The course shop's order flow: one charge at a time, where the client says or where it was last.

What is open elsewhere is owed a close by the turn that opens the next. Whoever says that something
was paid has the provider asked, and nothing else.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

import msgspec
import structlog

from actors.actor import Actor
from actors.calls import POLL_SECONDS, WAIT_SECONDS
from actors.checkout import Checkout
from actors.decide_attempt import refuse_unless_payable
from actors.pay_channels import STRIPE, Way, choose_way
from actors.payers import Payers, known_payer
from contracts import errors
from contracts.attempt import PayerParameters
from contracts.channels import Payer
from contracts.order import Attempt, Order
from contracts.states import AttemptState, OrderStatus
from models.attempts import may_ask
from models.engine import Database
from models.orders import Seen

log: structlog.stdlib.BoundLogger = structlog.get_logger("payments")

# What a redirect brings back where Stripe has not put the session's id in its place.
PLACEHOLDER = "{CHECKOUT_SESSION_ID}"
# A page that comes back from Stripe asks once; one that does not stop is held up, not let through.
_ASK_EVERY_SECONDS = 1.0


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """An order, the attempt it is or was paid by, and what pays it.

    Without *parameters* nothing is left to pay, and without an *attempt* nothing ever was: then
    *way* is how the client would have paid.
    """

    order: Order
    attempt: Attempt | None
    parameters: PayerParameters | None = None
    way: Way | None = None


class Cashier:
    """Opens charges and asks about them, for one process."""

    def __init__(
        self, *, database: Database, actor: Actor, checkout: Checkout, payers: Payers
    ) -> None:
        self._database = database
        self._actor = actor
        self._checkout = checkout
        self._payers = payers

    async def charge(
        self, seen: Seen, *, payment_channel: str | None, channel: str | None
    ) -> Charge:
        """Open what an order is paid with, or find it open; the same words find the same charge.

        :raises contracts.errors.PayChannelNotSupported: extra lists what is.
        :raises contracts.errors.WechatOpenidRequired: nobody knows the payer; extra names the
            order.
        :raises contracts.errors.Conflict: the order cannot be paid any more, or another request
            opens it.
        :raises contracts.errors.Busy: the provider is away; the order stays payable.
        :raises contracts.errors.ChargeRefused: the provider will not take it, by this way.
        """
        order, choose = seen.order, partial(self._choose, seen.order, payment_channel, channel)
        if order.status is OrderStatus.PAID:
            return _settled(order, choose)
        refuse_unless_payable(order, seen.now)
        way = choose()
        payer = self._payers.among(way.provider, way.channel, seen.openids)
        charge = await self._open(order, way, known_payer(payer, order, way.channel), seen.now)
        log.info("payments.charge", order_id=order.id, provider=way.provider, channel=way.name)
        return charge

    async def sync(self, order: Order, session_id: str | None) -> Order:
        """Ask Stripe what became of an order and settle on its word alone.

        :raises contracts.errors.NotFound: the session is none of this order's.
        """
        for attempt in _to_ask(order, session_id):
            await self._ask(order.id, attempt.attempt_no)
        return await self._actor.load(order.id)

    def _choose(self, order: Order, payment_channel: str | None, channel: str | None) -> Way:
        return choose_way(
            payment_channel, channel, stored=order.payment_channel, offers=self._payers.offers
        )

    async def _open(self, order: Order, way: Way, payer: Payer, now: datetime) -> Charge:
        found = self._found(order, way, payer, now)
        if found is not None:
            return found
        order = await self._checkout.prepare(order, way.channel, payer, provider=way.provider)
        if order.status is OrderStatus.PAID:
            return _settled(order, lambda: way)
        now = datetime.now(UTC)
        refuse_unless_payable(order, now)
        found = self._found(order, way, payer, now)
        if found is None:
            # The same payer asked for another way meanwhile, and this one is being closed again.
            raise errors.PrepareInProgress
        return found

    def _found(self, order: Order, way: Way, payer: Payer, now: datetime) -> Charge | None:
        parameters = self._payers.parameters(order, way.channel, payer, now, provider=way.provider)
        if parameters is None:
            return None
        return Charge(order=order, attempt=order.current_attempt, parameters=parameters)

    async def _ask(self, order_id: int, attempt_no: str) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WAIT_SECONDS
        while loop.time() < deadline:
            if await may_ask(self._database, attempt_no, _ASK_EVERY_SECONDS):
                await self._checkout.attempts.look_briefly(order_id, attempt_no)
                return
            await asyncio.sleep(POLL_SECONDS)


def attempt_to_show(order: Order) -> Attempt | None:
    """Choose the attempt that tells most of an order: the one that paid it, else the newest."""
    settlement = order.settlement
    paid = None if settlement is None else order.attempt(settlement.attempt_no)
    return paid or (order.attempts[-1] if order.attempts else None)


def _settled(order: Order, choose: Callable[[], Way]) -> Charge:
    attempt, way = attempt_to_show(order), None
    if attempt is None:
        # Of what costs nothing no way is wrong.
        with suppress(errors.PayChannelNotSupported):
            way = choose()
    return Charge(order=order, attempt=attempt, way=way)


def _to_ask(order: Order, session_id: str | None) -> list[Attempt]:
    of_stripe = [one for one in order.attempts if one.request.provider == STRIPE]
    if session_id is None or session_id == PLACEHOLDER:
        asked = [one for one in of_stripe if one.is_live] or of_stripe[-1:]
    else:
        asked = [one for one in of_stripe if one.opened and one.opened.reference == session_id]
        if not asked:
            raise errors.NotFound
    return [one for one in asked if one.state is not AttemptState.PAID]
