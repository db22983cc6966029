"""Everything a process works with, known by interface only."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

import msgspec
from redis.asyncio import Redis

from actors.actor import Actor
from actors.bindings import Bindings
from actors.bridge import Gatekeeper
from actors.cashier import Cashier
from actors.checkout import Checkout
from actors.confirmations import Confirmations
from actors.entrance import Entrance
from actors.failpoints import Reach, nowhere
from actors.hints import Hints
from actors.inbox import Inbox
from actors.intents import Intents
from actors.own_orders import OwnOrders
from actors.payers import Payers
from actors.places import Places
from actors.refund_desk import RefundDesk
from actors.tickets import Tickets
from models.engine import Database
from providers.identity import Identity
from providers.provider import Provider
from runtime.settings import Settings


class House(msgspec.Struct, frozen=True, kw_only=True):
    """The parts, wired together.

    *key_checks* say per provider whether notices can be verified. *identity* is None where nobody
    can tell a payer's openid, for want of settings. *downloads* says whose turn it is to read the
    next page of a long download.
    """

    settings: Settings
    database: Database
    redis: Redis | None
    providers: Mapping[str, Provider]
    actor: Actor
    checkout: Checkout
    payers: Payers
    cashier: Cashier
    own_orders: OwnOrders
    inbox: Inbox
    gatekeeper: Gatekeeper
    tickets: Tickets
    bindings: Bindings
    entrance: Entrance
    hints: Hints
    places: Places
    intents: Intents
    confirmations: Confirmations
    refund_desk: RefundDesk
    migrations: frozenset[str]
    key_checks: Mapping[str, Callable[[], bool]]
    identity: Identity | None = None
    downloads: asyncio.Semaphore = msgspec.field(default_factory=partial(asyncio.Semaphore, 1))
    reach: Reach = nowhere
