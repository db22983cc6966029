"""As whom somebody pays, and what their client needs for it: asked beside the turns, never in one.

An openid and a prepay_id are bound to an app. What is paid inside the Mini Program is paid as its
app wherever it has one of its own; everything else is paid as the service account.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from actors.channels import CHOICES
from actors.decide import usable_attempt
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
    # Where payers are called differently than at *appid*; None where they are not.
    mini_program_appid: str | None = None
    # Some contracts refuse to close an order that is younger; 0 where none do.
    close_min_age_seconds: int = 0
    # Where a payer's browser comes back to, where the provider sends it away at all.
    return_url: str | None = None
    cancel_url: str | None = None
    # The longest that a call to the provider may take.
    call_seconds: float = 10.0


# What is bound to an openid; everything else is for whoever has it before them.
_OF_AN_OPENID = frozenset({Channel.WECHAT_JSAPI, Channel.MINIPROGRAM_BRIDGE})


class Payers:
    """Knows every provider's payers; changes nothing."""

    def __init__(
        self,
        *,
        database: Database,
        providers: Mapping[str, Provider],
        merchants: Mapping[str, Merchant],
    ) -> None:
        self._database = database
        self._providers = providers
        self._merchants = merchants

    def serves(self, provider: str) -> bool:
        """Tell whether a provider is reached by the channels of WeChat, and is set up."""
        known = self._providers.get(provider)
        return known is not None and provider in self._merchants and known.channels >= CHOICES

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
        appid, openid = appid_of(merchant, channel), None
        if channel not in _OF_AN_OPENID:
            # A code to scan is for whoever scans it, so nobody is looked up.
            pass
        elif appid == merchant.appid:
            openid = await own_openid_of(self._database, user_id)
        else:
            openid = await openid_of(self._database, user_id=user_id, appid=appid)
        return payer_at(appid, channel, openid)

    def among(self, provider: str, channel: Channel, openids: Openids) -> Payer | None:
        """Say as whom somebody pays who is called *openids*; None as :meth:`find` says it.

        :raises contracts.errors.ProviderNotConfigured: nobody can open this channel.
        """
        merchant = self._merchant(provider)
        appid = appid_of(merchant, channel)
        openid = openids.own if appid == merchant.appid else openids.elsewhere.get(appid)
        return payer_at(appid, channel, openid)

    def words(self, provider: str, channel: Channel, payer: Payer) -> AttemptWords:
        """Word the attempt by which a payer would pay.

        :raises contracts.errors.ProviderNotConfigured: nobody can open this channel.
        """
        return attempt_words(self._merchant(provider), channel, payer)

    def parameters(
        self, order: Order, channel: Channel, payer: Payer, now: datetime
    ) -> PayerParameters | None:
        """Say what the payer's client needs, signed anew; None when nothing is open for it.

        :raises contracts.errors.ProviderNotConfigured: nobody can open this channel.
        """
        attempt = usable_attempt(order, self.words(order.payment_channel, channel, payer), now)
        if attempt is None or attempt.opened is None:
            return None
        provider = self._providers[attempt.request.provider]
        return provider.payer_parameters(attempt.request, attempt.opened, now)

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
