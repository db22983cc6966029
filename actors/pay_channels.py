"""Which provider's which channel a client of the course shop means. Pure, and no guess is made.

1. The provider is the one that is named, else the one that the channel's own word begins with,
   else the one of the order's last payment if it has such a channel, else Ping++.
2. A channel that is not said is the provider's usual one; one that is said and unknown is refused.
3. Only what is offered can be chosen: the provider is set up, and nobody has switched it off.
4. The mock provider is not among them: it is paid by confirming an intent.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import msgspec

from contracts.errors import PayChannelNotSupported
from contracts.states import Channel

# What can be opened, by the providers that open it.
Offers: TypeAlias = Mapping[str, frozenset[Channel]]

# Who is paid where nothing says otherwise, as it was when there was nobody else.
FALLBACK: Final = "pingxx"
STRIPE: Final = "stripe"

# Each provider's channels as clients call them, its usual one first.
_NAMES: Final[Mapping[str, Mapping[str, Channel]]] = MappingProxyType(
    {
        "wechat": {
            "wx_pub_qr": Channel.WECHAT_NATIVE,
            "wx_pub": Channel.WECHAT_JSAPI,
            "wx_lite": Channel.MINIPROGRAM_BRIDGE,
        },
        "pingxx": {
            "wx_pub_qr": Channel.WX_PUB_QR,
            "wx_pub": Channel.WX_PUB,
            "wx_lite": Channel.WX_LITE,
            "alipay_qr": Channel.ALIPAY_QR,
        },
        "alipay": {
            "alipay_qr": Channel.ALIPAY_QR,
            "alipay_wap": Channel.ALIPAY_WAP,
            "alipay_pc_direct": Channel.ALIPAY_PC_DIRECT,
        },
        STRIPE: {
            "payment_intent": Channel.STRIPE,
            "intent": Channel.STRIPE,
            "checkout_session": Channel.STRIPE_CHECKOUT,
            "checkout": Channel.STRIPE_CHECKOUT,
        },
    }
)


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One channel of one provider."""

    provider: str
    channel: Channel

    @property
    def name(self) -> str:
        """What clients call the channel."""
        return name_of(self.provider, self.channel)


def choose_way(
    payment_channel: str | None, channel: str | None, *, stored: str, offers: Offers
) -> Way:
    """Choose how an order is paid whose last payment went to *stored*.

    :raises contracts.errors.PayChannelNotSupported: extra lists what is.
    """
    named = None if channel is None else provider_in(channel)
    provider = payment_channel or named
    # A channel that names another provider than the one that is named is none of that one's.
    word = channel if named is None or named != provider else _rest_of(channel)
    if provider is None:
        provider = _without_a_name(word, stored, offers)
    found = _found(provider, word, offers)
    if found is None:
        raise PayChannelNotSupported(supported=supported(offers))
    return Way(provider=provider, channel=found)


def provider_in(channel: str) -> str | None:
    """Tell which provider a channel's own word begins with, if any."""
    first = channel.partition(":")[0]
    return first if first in _NAMES else None


def name_of(provider: str, channel: Channel) -> str:
    """Say what clients call a provider's channel."""
    if provider == STRIPE:
        return channel.value
    names = _NAMES.get(provider, {})
    return next((name for name, one in names.items() if one is channel), channel.value)


def supported(offers: Offers) -> list[str]:
    """List what can be chosen, in words that choose it."""
    found = (
        channel.value if provider == STRIPE else f"{provider}:{name}"
        for provider, names in _NAMES.items()
        for name, channel in names.items()
        if channel in offers.get(provider, ())
    )
    return list(dict.fromkeys(found))


def _rest_of(channel: str | None) -> str | None:
    """Read the channel behind the provider's word; None where that word stands alone."""
    _, separator, rest = (channel or "").partition(":")
    return rest if separator else None


def _without_a_name(word: str | None, stored: str, offers: Offers) -> str:
    return stored if _found(stored, word, offers) is not None else FALLBACK


def _found(provider: str, word: str | None, offers: Offers) -> Channel | None:
    names, offered = _NAMES.get(provider, {}), offers.get(provider, frozenset())
    if word is None:
        return next((channel for channel in names.values() if channel in offered), None)
    channel = names.get(word)
    return channel if channel in offered else None
