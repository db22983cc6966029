"""As whom somebody pays, and what their client needs for it: asked beside the turns, never in one.

An openid and a prepay_id are bound to an app. What is paid inside the Mini Program is paid as its
app wherever it has one of its own; everything else is paid as the service account.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

import msgspec

from actors.channels import CHOICES
from actors.decide_attempt import usable_attempt
from contracts import errors
from contracts.attempt import PayerParameters
from contracts.channels import Openids, Payer
from contracts.commands import AttemptWords
from contracts.order import Attempt, Order
from contracts.states import Channel
from models.engine import Database
from models.wechat_identities import openid_of, own_openid_of
from providers.provider import Provider, ProviderRefused


class Merchant(msgspec.Struct, frozen=True, kw_only=True):
    """Who we are to a provider, and where its notices go."""

    provider: str
    merchant_id: str
    appid: str
    notify_url: str
    # The Mini Program, where payers are called differently than at the service account; None where
    # they are not.
    mini_program_appid: str | None = None
    # Some contracts refuse to close an order that is younger; 0 where none do.
    close_min_age_seconds: int = 0
    # Where a payer's browser comes back to, where the provider sends it away at all.
    return_url: str | None = None
    cancel_url: str | None = None
    # The longest that a call to the provider may take.
    call_seconds: float = 10.0
    # How long a refund is only asked about once its provider was told to make it, where a repeat
    # would make it twice; 0 where none does.
    refund_pause_seconds: float = 0.0


# What is bound to an openid; everything else is for whoever has it before them.
_OF_AN_OPENID = frozenset(
    {Channel.WECHAT_JSAPI, Channel.MINIPROGRAM_BRIDGE, Channel.WX_PUB, Channel.WX_LITE}
)
# What is paid inside the Mini Program, by what its payers are called there.
_OF_THE_MINI_PROGRAM = frozenset({Channel.MINIPROGRAM_BRIDGE, Channel.WX_LITE})


class Payers:
    """Knows every provider's payers; changes nothing.

    *enabled* names the providers whom clients may choose; None lets them choose any.
    """

    def __init__(
        self,
        *,
        database: Database,
        providers: Mapping[str, Provider],
        merchants: Mapping[str, Merchant],
        enabled: Collection[str] | None = None,
    ) -> None:
        self._database = database
        self._providers = providers
        self._merchants = merchants
        self._enabled = enabled

    @property
    def offers(self) -> Mapping[str, frozenset[Channel]]:
        """The ways to pay that a client may choose, by their providers."""
        return {
            name: provider.channels
            for name, provider in self._providers.items()
            if name in self._merchants and (self._enabled is None or name in self._enabled)
        }

    def serves(self, provider: str) -> bool:
        """Tell whether a provider is reached by the channels of WeChat, and is set up."""
        known = self._providers.get(provider)
        return known is not None and provider in self._merchants and known.channels >= CHOICES

    def by_wechat(self, order: Order, usual: str) -> str:
        """Say at whom an order is paid by WeChat's channels: at *usual* if not where it was last.

        Who was paid by another way first is not shut out of WeChat by it.
        """
        return order.payment_channel if self.serves(order.payment_channel) else usual

    def channels_of(self, provider: str) -> frozenset[Channel]:
        """List the ways to a provider.

        :raises contracts.errors.ProviderNotConfigured: nobody can open any.
        """
        known = self._providers.get(provider)
        if known is None:
            raise errors.ProviderNotConfigured
        return known.channels

    def call_seconds(self, provider: str) -> float:
        """Say how long a call to a provider may take.

        :raises contracts.errors.ProviderNotConfigured: nobody can call it.
        """
        return self._merchant(provider).call_seconds

    async def find(self, provider: str, channel: Channel, user_id: int) -> Payer | None:
        """Find out as whom a user pays; None while nobody knows what they are called there.

        :raises contracts.errors.ProviderNotConfigured: nobody can open this channel.
        """
        merchant = self._merchant(provider)
        elsewhere, openid = _elsewhere(merchant, channel), None
        if channel not in _OF_AN_OPENID:
            # A code to scan is for whoever scans it, so nobody is looked up.
            pass
        elif elsewhere is None:
            openid = await own_openid_of(self._database, user_id)
        else:
            openid = await openid_of(self._database, user_id=user_id, appid=elsewhere)
        return payer_at(appid_of(merchant, channel), channel, openid)

    def among(self, provider: str, channel: Channel, openids: Openids) -> Payer | None:
        """Say as whom somebody pays who is called *openids*; None as :meth:`find` says it.

        :raises contracts.errors.ProviderNotConfigured: nobody can open this channel.
        """
        merchant = self._merchant(provider)
        elsewhere = _elsewhere(merchant, channel)
        openid = openids.own if elsewhere is None else openids.elsewhere.get(elsewhere)
        return payer_at(appid_of(merchant, channel), channel, openid)

    def words(self, provider: str, channel: Channel, payer: Payer) -> AttemptWords:
        """Word the attempt by which a payer would pay.

        :raises contracts.errors.ProviderNotConfigured: nobody can open this channel.
        """
        return attempt_words(self._merchant(provider), channel, payer)

    def parameters(
        self,
        order: Order,
        channel: Channel,
        payer: Payer,
        now: datetime,
        *,
        provider: str | None = None,
    ) -> PayerParameters | None:
        """Say what the payer's client needs, signed anew; None when nothing is open for it.

        It is paid at *provider*, unsaid where the order was last.

        :raises contracts.errors.ProviderNotConfigured: nobody can open this channel.
        """
        words = self.words(provider or order.payment_channel, channel, payer)
        attempt = usable_attempt(order, words, now)
        if attempt is None or attempt.opened is None:
            return None
        adapter = self._providers[attempt.request.provider]
        return adapter.payer_parameters(attempt.request, attempt.opened, now)

    def parameters_of(self, attempt: Attempt, now: datetime) -> PayerParameters | None:
        """Say what one attempt is paid with, signed anew; None where its payer needs nothing."""
        provider = self._providers.get(attempt.request.provider)
        if provider is None or attempt.opened is None:
            return None
        try:
            return provider.payer_parameters(attempt.request, attempt.opened, now)
        except ProviderRefused:
            return None

    def _merchant(self, provider: str) -> Merchant:
        try:
            return self._merchants[provider]
        except KeyError:
            raise errors.ProviderNotConfigured from None


def appid_of(merchant: Merchant, channel: Channel) -> str:
    """Name the app that is paid at: the prepay, the signature and the notice all carry it."""
    if channel is Channel.MINIPROGRAM_BRIDGE:
        return merchant.mini_program_appid or merchant.appid
    return merchant.appid


def _elsewhere(merchant: Merchant, channel: Channel) -> str | None:
    """Name the app whose word a payer's openid is; None where that is the service account."""
    is_inside = channel in _OF_THE_MINI_PROGRAM
    return merchant.mini_program_appid if is_inside else None


def payer_at(appid: str, channel: Channel, openid: str | None) -> Payer | None:
    """Say as whom somebody pays; None when the channel needs an openid and none is known."""
    if channel not in _OF_AN_OPENID:
        return Payer(appid=appid)
    return None if openid is None else Payer(appid=appid, openid=openid)


def known_payer(payer: Payer | None, order: Order, channel: Channel) -> Payer:
    """Insist that somebody is known who pays.

    :raises contracts.errors.WechatOpenidRequired: nobody is; extra names the order.
    """
    if payer is None:
        raise errors.WechatOpenidRequired(
            orderId=order.id,
            orderNo=order.order_no,
            totalAmount=order.total.amount_minor,
            expiredAt=order.expired_at,
            quantity=order.quantity,
            channel=channel.value,
        )
    return payer


def attempt_words(merchant: Merchant, channel: Channel, payer: Payer) -> AttemptWords:
    """Word the wish for an attempt: the same words find the same attempt again."""
    return AttemptWords(
        provider=merchant.provider,
        channel=channel,
        merchant_id=merchant.merchant_id,
        appid=payer.appid,
        notify_url=merchant.notify_url,
        openid=payer.openid,
        return_url=merchant.return_url,
        cancel_url=merchant.cancel_url,
    )
