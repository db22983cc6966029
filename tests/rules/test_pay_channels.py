"""Which provider and channel a client of the course shop gets, over everything it may say."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.channels import channel_of
from actors.pay_channels import Way, choose_way, name_of, provider_in, supported
from contracts.errors import InvalidRequest, PayChannelNotSupported
from contracts.states import Channel

WECHAT = frozenset({Channel.WECHAT_NATIVE, Channel.WECHAT_JSAPI, Channel.MINIPROGRAM_BRIDGE})
PINGXX = frozenset({Channel.WX_PUB, Channel.WX_PUB_QR, Channel.WX_LITE, Channel.ALIPAY_QR})
ALIPAY = frozenset({Channel.ALIPAY_QR, Channel.ALIPAY_WAP, Channel.ALIPAY_PC_DIRECT})
STRIPE = frozenset({Channel.STRIPE, Channel.STRIPE_CHECKOUT})
EVERYBODY: dict[str, frozenset[Channel]] = {
    "wechat": WECHAT,
    "pingxx": PINGXX,
    "alipay": ALIPAY,
    "stripe": STRIPE,
    "mock": frozenset({Channel.MOCK}),
}
# The table of the document, a second time: what each provider calls each of its channels.
TABLE: Mapping[tuple[str, str], Channel] = {
    ("wechat", "wx_pub"): Channel.WECHAT_JSAPI,
    ("wechat", "wx_pub_qr"): Channel.WECHAT_NATIVE,
    ("wechat", "wx_lite"): Channel.MINIPROGRAM_BRIDGE,
    ("pingxx", "wx_pub"): Channel.WX_PUB,
    ("pingxx", "wx_pub_qr"): Channel.WX_PUB_QR,
    ("pingxx", "wx_lite"): Channel.WX_LITE,
    ("pingxx", "alipay_qr"): Channel.ALIPAY_QR,
    ("alipay", "alipay_qr"): Channel.ALIPAY_QR,
    ("alipay", "alipay_wap"): Channel.ALIPAY_WAP,
    ("alipay", "alipay_pc_direct"): Channel.ALIPAY_PC_DIRECT,
    ("stripe", "checkout"): Channel.STRIPE_CHECKOUT,
    ("stripe", "checkout_session"): Channel.STRIPE_CHECKOUT,
    ("stripe", "intent"): Channel.STRIPE,
    ("stripe", "payment_intent"): Channel.STRIPE,
}
USUAL: Mapping[str, Channel] = {
    "wechat": Channel.WECHAT_NATIVE,
    "pingxx": Channel.WX_PUB_QR,
    "alipay": Channel.ALIPAY_QR,
    "stripe": Channel.STRIPE,
}
_PROVIDERS = [*USUAL, "mock", "paypal", "free"]
_WORDS = sorted({word for _, word in TABLE} | {"", "card", "WX_PUB", "wx_pub ", "stripe:intent"})
_CHANNELS = st.one_of(
    st.none(),
    st.sampled_from(_WORDS),
    st.sampled_from(_PROVIDERS),
    st.builds("{}:{}".format, st.sampled_from(_PROVIDERS), st.sampled_from(_WORDS)),
    st.text(max_size=20),
)


def expected(
    payment_channel: str | None, channel: str | None, stored: str, offered: frozenset[str]
) -> tuple[str, Channel] | None:
    """Say it in other words: list who may be meant, then whether the word is one of theirs."""
    first, colon, rest = (channel or "").partition(":")
    prefix = first if first in USUAL else None
    if payment_channel is None and prefix is None:
        words = [channel]
        candidates = [stored, "pingxx"]
    else:
        chosen = payment_channel or prefix or ""
        words = [(rest if colon else None) if chosen == prefix else channel]
        candidates = [chosen]
    for provider in candidates:
        if provider not in offered or provider not in USUAL:
            continue
        found = USUAL[provider] if words[0] is None else TABLE.get((provider, words[0]))
        if found is not None:
            return provider, found
    return None


class TestTheWay:
    @given(
        payment_channel=st.one_of(st.none(), st.sampled_from(_PROVIDERS)),
        channel=_CHANNELS,
        stored=st.sampled_from(_PROVIDERS),
        offered=st.frozensets(st.sampled_from(sorted(EVERYBODY))),
    )
    def test_follows_the_table_whatever_is_said(
        self, payment_channel: str | None, channel: str | None, stored: str, offered: frozenset[str]
    ) -> None:
        offers = {name: EVERYBODY[name] for name in offered}
        wanted = expected(payment_channel, channel, stored, offered)

        if wanted is None:
            with pytest.raises(PayChannelNotSupported) as refused:
                choose_way(payment_channel, channel, stored=stored, offers=offers)
            assert refused.value.extra == {"supported": supported(offers)}
        else:
            way = choose_way(payment_channel, channel, stored=stored, offers=offers)
            assert (way.provider, way.channel) == wanted

    @pytest.mark.parametrize(
        ("said", "provider", "channel"),
        [
            (("pingxx", "wx_pub"), "pingxx", Channel.WX_PUB),
            (("stripe", "stripe:checkout_session"), "stripe", Channel.STRIPE_CHECKOUT),
            (("stripe", None), "stripe", Channel.STRIPE),
            ((None, "stripe"), "stripe", Channel.STRIPE),
            ((None, "stripe:payment_intent"), "stripe", Channel.STRIPE),
            ((None, "alipay_wap"), "alipay", Channel.ALIPAY_WAP),
            ((None, "alipay:alipay_qr"), "alipay", Channel.ALIPAY_QR),
            ((None, "wx_pub_qr"), "pingxx", Channel.WX_PUB_QR),
            ((None, "wechat:wx_lite"), "wechat", Channel.MINIPROGRAM_BRIDGE),
        ],
        ids=str,
    )
    def test_is_the_one_of_the_examples(
        self, said: tuple[str | None, str | None], provider: str, channel: Channel
    ) -> None:
        way = choose_way(*said, stored="alipay", offers=EVERYBODY)

        assert way == Way(provider=provider, channel=channel)

    @pytest.mark.parametrize(
        "said",
        [
            ("stripe", "stripe:"),
            (None, "stripe:"),
            (None, "stripe:card"),
            ("pingxx", "stripe"),
            ("stripe", "wx_pub"),
            ("paypal", None),
            (None, "alipay_wap "),
        ],
        ids=str,
    )
    def test_is_never_guessed(self, said: tuple[str | None, str | None]) -> None:
        with pytest.raises(PayChannelNotSupported):
            choose_way(*said, stored="wechat", offers=EVERYBODY)

    @pytest.mark.parametrize("channel", [None, "stripe", "stripe:intent"])
    def test_is_only_one_that_is_offered(self, channel: str | None) -> None:
        with pytest.raises(PayChannelNotSupported) as refused:
            choose_way("stripe", channel, stored="wechat", offers={"wechat": WECHAT})

        assert refused.value.extra["supported"] == [
            "wechat:wx_pub_qr",
            "wechat:wx_pub",
            "wechat:wx_lite",
        ]

    def test_has_a_name_that_chooses_it_again(self) -> None:
        for provider in USUAL:
            for channel in EVERYBODY[provider]:
                name = name_of(provider, channel)
                again = choose_way(provider, name, stored="free", offers=EVERYBODY)
                assert again == Way(provider=provider, channel=channel)
        for word in supported(EVERYBODY):
            assert (
                provider_in(word)
                == choose_way(None, word, stored="free", offers=EVERYBODY).provider
            )


class TestAMethod:
    def test_says_nothing_to_a_provider_with_one_channel(self) -> None:
        assert channel_of("alipay_wap", EVERYBODY["mock"]) is Channel.MOCK

    @pytest.mark.parametrize("provider", sorted(USUAL))
    def test_unsaid_is_the_usual_one(self, provider: str) -> None:
        assert channel_of(None, EVERYBODY[provider]) is USUAL[provider]

    @pytest.mark.parametrize("provider", sorted(USUAL))
    def test_is_a_channels_own_word(self, provider: str) -> None:
        for channel in EVERYBODY[provider]:
            assert channel_of(channel.value, EVERYBODY[provider]) is channel

    def test_is_the_shops_word_for_wechats_own_too(self) -> None:
        assert channel_of("wx_pub", WECHAT) is Channel.WECHAT_JSAPI
        assert channel_of("wx_pub", PINGXX) is Channel.WX_PUB

    def test_of_another_provider_is_refused_with_what_there_is(self) -> None:
        with pytest.raises(InvalidRequest) as refused:
            channel_of("alipay_wap", STRIPE)

        assert refused.value.extra["errors"] == [
            {"field": "method", "message": "One of stripe, stripe:checkout_session."}
        ]
