"""How the Mini Program's own page gets what it pays with, without a word of it in an address.

1. The page in the web-view knows the person; it makes a ticket for one open attempt.
2. The native page knows who is logged in to WeChat; it redeems the ticket with a login's code.
3. Only the account whose payment was prepared is handed anything, once, signed a moment ago.
"""

import hmac
from datetime import datetime

import msgspec

from actors.bridge import Gatekeeper
from actors.channels import refuse_unless_rolled_out
from actors.decide_attempt import refuse_unless_payable
from actors.logins import openid_against, who_knows_logins
from actors.payers import Payers
from contracts import errors
from contracts.attempt import SignedCall
from contracts.channels import Payer
from contracts.order import Attempt, Order
from contracts.states import AttemptState, Channel
from contracts.tokens import MintedToken, RedeemedToken, TokenKind
from models.engine import Database
from models.one_time_tokens import mint_token, redeem_token
from models.orders import load
from providers.identity import Identity

_NOT_PREPARED = "The payment is not prepared for the Mini Program; prepare it first."


class Crossing(msgspec.Struct, frozen=True, kw_only=True):
    """What the native page is handed."""

    order: Order
    call: SignedCall


class Tickets:
    """Makes tickets and redeems them; no order is changed by either."""

    def __init__(
        self,
        *,
        database: Database,
        gatekeeper: Gatekeeper,
        payers: Payers,
        identity: Identity | None,
    ) -> None:
        self._database = database
        self._gatekeeper = gatekeeper
        self._payers = payers
        self._identity = identity

    async def mint(self, order: Order, now: datetime) -> MintedToken:
        """Make a ticket for what is open for the bridge; it lives a minute.

        :raises contracts.errors.Conflict: the order cannot be paid any more, or is not prepared.
        :raises contracts.errors.MiniProgramBridgeRequired: the bridge is switched off for the user.
        :raises contracts.errors.ProviderNotConfigured: nobody could redeem it.
        """
        who_knows_logins(self._identity)
        refuse_unless_payable(order, now)
        # What was prepared before the gate was closed goes no further: a broken shell is why.
        refuse_unless_rolled_out(await self._gatekeeper.current(), order.user_id)
        attempt = _open_attempt(order)
        return await mint_token(
            self._database,
            TokenKind.BRIDGE_PAY,
            user_id=order.user_id,
            order_id=order.id,
            attempt_no=attempt.attempt_no,
        )

    async def redeem(self, secret: str, code: str) -> Crossing:
        """Use a ticket up and sign what it was made for.

        :raises contracts.errors.BridgeTicketInvalid: the page makes another.
        :raises contracts.errors.WechatCodeRefused: the ticket is used up too.
        :raises contracts.errors.PayerMismatch: another account is logged in.
        :raises contracts.errors.Conflict: the order cannot be paid any more, or not by this.
        :raises contracts.errors.Busy: WeChat is away, or not set up.
        """
        identity = who_knows_logins(self._identity)
        ticket = await redeem_token(self._database, TokenKind.BRIDGE_PAY, secret)
        if ticket is None or ticket.order_id is None:
            raise errors.BridgeTicketInvalid
        openid = await openid_against(self._database, ticket, identity.openid_of_login(code))
        payer = Payer(appid=identity.mini_program_appid, openid=openid)
        orders, now = await load(self._database, [ticket.order_id])
        assert now is not None
        return self._sign(orders[ticket.order_id], ticket, payer, now)

    def _sign(self, order: Order, ticket: RedeemedToken, payer: Payer, now: datetime) -> Crossing:
        attempt = order.attempt(ticket.attempt_no or "")
        if attempt is None or not _is_whose(attempt, payer):
            raise errors.PayerMismatch
        refuse_unless_payable(order, now)
        if _open_attempt(order).attempt_no != ticket.attempt_no:
            raise errors.InvalidState(_NOT_PREPARED)
        call = self._payers.parameters(order, Channel.MINIPROGRAM_BRIDGE, payer, now)
        if not isinstance(call, SignedCall):
            raise errors.InvalidState(_NOT_PREPARED)
        return Crossing(order=order, call=call)


def _open_attempt(order: Order) -> Attempt:
    attempt = order.current_attempt
    if (
        attempt is None
        or attempt.state is not AttemptState.OPEN
        or attempt.request.channel is not Channel.MINIPROGRAM_BRIDGE
    ):
        raise errors.InvalidState(_NOT_PREPARED)
    return attempt


def _is_whose(attempt: Attempt, payer: Payer) -> bool:
    asked, came = attempt.request, payer
    if asked.openid is None or came.openid is None or asked.appid != came.appid:
        return False
    return hmac.compare_digest(asked.openid.encode(), came.openid.encode())
