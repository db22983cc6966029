"""From an order to something its payer can pay with: create, resume and prepare alike.

The steps are the same everywhere and none is taken by a door: the channel is chosen, the payer is
found, an attempt is claimed and opened unless one is open already, and what the payer's client
needs is signed anew.
"""

from datetime import UTC, datetime

import msgspec

from actors.channels import choose_channel
from actors.decide_attempt import refuse_unless_payable
from actors.payers import known_payer
from actors.sale import Sale
from actors.sales import answer_to_key
from api import answers
from api.metrics import LEGACY_READS
from api.preparing import tell
from api.tracing import mark_order
from contracts.attempt import PayerParameters
from contracts.channels import Payer, Visit
from contracts.commands import AttemptWords, CreateOrder
from contracts.errors import (
    ChargeRefused,
    MiniProgramBridgeRequired,
    PrepareInProgress,
    ProviderNotConfigured,
    ProviderUnavailable,
    Refusal,
    WechatOpenidRequired,
)
from contracts.order import Order
from contracts.states import Channel, OrderStatus
from contracts.wire.payments import OrderToPay
from models.catalogue import load_offers
from models.orders import Seen
from runtime.house import House


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How an order that is about to be made would be paid; *words* None: not at once.

    With *repeat* nothing may be made: it is what the request was answered with before.
    """

    channel: Channel | None
    words: AttemptWords | None = None
    repeat: Sale | None = None


async def plan(house: House, visit: Visit, request: CreateOrder, *, is_eager: bool) -> Plan:
    """Choose the channel before a seat is taken, and with *is_eager* the first attempt.

    :raises MiniProgramBridgeRequired: nothing may be sold to who cannot pay for it.
    :raises IdempotencyMismatch: the same, and the request's key was used with another body.
    """
    provider, user_id = request.payment_channel, request.user_id
    try:
        channel = await _choose(house, visit, provider=provider, user_id=user_id)
    except MiniProgramBridgeRequired as refused:
        offers = await load_offers(house.database, [request.ticket_type_id])
        if any(offer.is_free for offer in offers.values()):
            return Plan(channel=None)
        repeat = await answer_to_key(house.database, request)
        if repeat is not None:
            return Plan(channel=Channel.MINIPROGRAM_BRIDGE, repeat=repeat)
        tell(visit, Channel.MINIPROGRAM_BRIDGE, refused.code)
        raise
    if channel is None or not is_eager:
        return Plan(channel=channel)
    payer = await house.payers.find(provider, channel, user_id)
    words = None if payer is None else house.payers.words(provider, channel, payer)
    return Plan(channel=channel, words=words)


async def begin(
    house: House,
    order: Order,
    channel: Channel | None,
    visit: Visit,
    *,
    is_existing: bool,
    is_claimed: bool,
) -> OrderToPay:
    """Open the payment of an order that was just made or found again.

    With *is_claimed* the order came with the right to open its attempt. Whatever the provider
    does, the order is answered, and says why it cannot be paid yet.

    :raises WechatOpenidRequired: the order is kept; extra names it.
    """
    mark_order(order)
    if channel is None or order.status is not OrderStatus.PENDING:
        return _answer(house, order, channel, visit, is_existing=is_existing)
    parameters, failure = None, None
    try:
        payer = await _payer(house, order, channel)
        order, parameters = await _open(
            house, order, channel, payer, datetime.now(UTC), is_claimed=is_claimed
        )
    except WechatOpenidRequired as refused:
        tell(visit, channel, refused.code, order)
        raise
    except Refusal as refused:
        failure = refused.code
    tell(visit, channel, failure, order)
    return _answer(
        house,
        order,
        channel,
        visit,
        is_existing=is_existing,
        parameters=parameters,
        prepare_error=failure,
    )


async def recall(
    house: House, order: Order, channel: Channel | None, visit: Visit, *, is_existing: bool
) -> OrderToPay:
    """Answer a request again whose channel was closed since.

    What is open is signed anew, and nothing else is opened.

    :raises WechatOpenidRequired: the order is kept; extra names it.
    """
    mark_order(order)
    if channel is None or order.status is not OrderStatus.PENDING:
        return _answer(house, order, channel, visit, is_existing=is_existing)
    payer = await _payer(house, order, channel)
    parameters = _open_already(house, order, channel, payer, datetime.now(UTC))
    failure = MiniProgramBridgeRequired.code if parameters is None else None
    tell(visit, channel, failure, order)
    return _answer(
        house,
        order,
        channel,
        visit,
        is_existing=is_existing,
        parameters=parameters,
        prepare_error=failure,
    )


def leave(
    house: House, order: Order, channel: Channel | None, visit: Visit, *, is_existing: bool
) -> OrderToPay:
    """Answer an order without opening anything: its client prepares later."""
    mark_order(order)
    return _answer(house, order, channel, visit, is_existing=is_existing)


async def resume(house: House, order: Order, visit: Visit) -> OrderToPay:
    """Say how a waiting order is paid here, opening nothing and counting no wish to pay.

    :raises PayerNotReady: it cannot be paid from here; the order stays payable.
    """
    mark_order(order)
    channel = await _choose(house, visit, provider=_provider(house, order), user_id=order.user_id)
    parameters = None
    if channel is not None:
        payer = await _payer(house, order, channel)
        parameters = _open_already(house, order, channel, payer, datetime.now(UTC))
    return _answer(house, order, channel, visit, is_existing=True, parameters=parameters)


async def prepare(house: House, seen: Seen, visit: Visit) -> OrderToPay:
    """Open the payment of an order here, or find it open.

    :raises Conflict: the order cannot be paid any more, or another request opens it.
    :raises PayerNotReady: it cannot be paid from here; the order stays payable.
    :raises Busy: the provider is away or not set up; the order stays payable.
    """
    order, now = seen.order, seen.now
    mark_order(order)
    channel: Channel | None = None
    try:
        refuse_unless_payable(order, now)
        provider = _provider(house, order)
        channel = await _choose(house, visit, provider=provider, user_id=order.user_id)
        if channel is None:
            raise ProviderNotConfigured
        payer = house.payers.among(provider, channel, seen.openids)
        payer = known_payer(payer, order, channel)
        order, parameters = await _open(house, order, channel, payer, now)
    except MiniProgramBridgeRequired as refused:
        tell(visit, Channel.MINIPROGRAM_BRIDGE, refused.code, order)
        raise
    except Refusal as refused:
        tell(visit, channel, refused.code, order)
        raise
    tell(visit, channel, None, order)
    return _answer(house, order, channel, visit, is_existing=True, parameters=parameters)


async def _choose(house: House, visit: Visit, *, provider: str, user_id: int) -> Channel | None:
    if not house.payers.serves(provider):
        return None
    return choose_channel(visit, await house.gatekeeper.current(), user_id)


def _provider(house: House, order: Order) -> str:
    return house.payers.by_wechat(order, house.settings.payment_provider)


def _open_already(
    house: House, order: Order, channel: Channel, payer: Payer, now: datetime
) -> PayerParameters | None:
    provider = _provider(house, order)
    return house.payers.parameters(order, channel, payer, now, provider=provider)


async def _payer(house: House, order: Order, channel: Channel) -> Payer:
    payer = await house.payers.find(_provider(house, order), channel, order.user_id)
    return known_payer(payer, order, channel)


async def _open(
    house: House,
    order: Order,
    channel: Channel,
    payer: Payer,
    now: datetime,
    *,
    is_claimed: bool = False,
) -> tuple[Order, PayerParameters]:
    found = _open_already(house, order, channel, payer, now)
    if found is not None:
        # Neither a turn nor a call: what is open is only signed anew.
        return order, found
    try:
        order = await house.checkout.prepare(
            order, channel, payer, provider=_provider(house, order), is_claimed=is_claimed
        )
    except ChargeRefused as refused:
        # These doors have one word for a payment that was not opened, and clients wait for it.
        raise ProviderUnavailable from refused
    now = datetime.now(UTC)
    refuse_unless_payable(order, now)
    found = _open_already(house, order, channel, payer, now)
    if found is None:
        # The same payer asked elsewhere meanwhile, and this one is being closed again.
        raise PrepareInProgress
    return order, found


def _answer(
    house: House,
    order: Order,
    channel: Channel | None,
    visit: Visit,
    *,
    is_existing: bool,
    parameters: PayerParameters | None = None,
    prepare_error: str | None = None,
) -> OrderToPay:
    legacy = house.settings.legacy_payment_fields
    if channel is not None and legacy and parameters is not None and not visit.is_told:
        LEGACY_READS.labels(channel=channel.value).inc()
    return answers.order_to_pay(
        order,
        channel,
        parameters,
        is_existing=is_existing,
        legacy=legacy,
        prepare_error=prepare_error,
    )
