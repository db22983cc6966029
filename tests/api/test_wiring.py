"""What a house has, by what it was told."""

import pytest
from structlog.testing import capture_logs

from contracts.evidence import Evidence
from contracts.states import Channel
from providers.identity import Identity
from providers.provider import ProviderUnreachable, unkept
from runtime.settings import read_settings
from runtime.tills import tills_of
from runtime.wiring import open_house
from tests.api.test_settings import ALIPAY, PINGXX, SANDBOX, STRIPE
from tests.sandbox.simulator import (
    APP_ID,
    APP_SECRET,
    OTHER_APP_ID,
    OTHER_APP_SECRET,
    Simulator,
)

OPENID = "oSomebodySomebodySomebody001"
ACCOUNT = {"WECHAT_SERVICE_ACCOUNT_APP_SECRET": APP_SECRET}
PROGRAM = {
    "WECHAT_MINIPROGRAM_APP_ID": OTHER_APP_ID,
    "WECHAT_MINIPROGRAM_APP_SECRET": OTHER_APP_SECRET,
}
OTHERS = {
    **STRIPE,
    "STRIPE_SECRET_KEY": "sk_test_x",
    "STRIPE_API_BASE": "http://127.0.0.1:9/stripe",
    **PINGXX,
    "PINGXX_SECRET_KEY": "sk_test_x",
    "PINGXX_GATEWAY": "http://127.0.0.1:9/pingxx",
    **ALIPAY,
    "ALIPAY_SELLER_ID": "2088000000000001",
    "ALIPAY_GATEWAY": "http://127.0.0.1:9/alipay/gateway.do",
}
# The environment of the tests may hold some of these.
NOTHING = dict.fromkeys([*ACCOUNT, *PROGRAM], "")


async def openids(identity: Identity, simulator: Simulator) -> list[str]:
    found = []
    for call, appid in (
        (identity.openid_of_login, identity.mini_program_appid),
        (identity.openid_of_consent, identity.service_account_appid),
    ):
        try:
            found.append(await call(simulator.log_in(appid, OPENID)))
        except ProviderUnreachable as error:
            found.append(error.code)
    return found


class TestAHouse:
    async def test_without_a_secret_can_ask_nobody_who_somebody_is(
        self, environ: dict[str, str]
    ) -> None:
        async with open_house(read_settings(environ | NOTHING)) as house:
            assert house.identity is None

    async def test_of_the_sandbox_has_both_providers(self, environ: dict[str, str]) -> None:
        async with open_house(read_settings(environ)) as house:
            assert sorted(house.providers) == ["mock", "wechat"]
            assert house.providers["mock"].channels == {Channel.MOCK}

    async def test_says_what_it_was_told_in_vain(self, environ: dict[str, str]) -> None:
        told = environ | {"STRIPE_DEFAULT_CURRENCY": "usd"}
        with capture_logs() as lines:
            async with open_house(read_settings(told)):
                pass

        said = [line for line in lines if line["event"] == "settings.without_effect"]
        assert [line["setting"] for line in said] == ["STRIPE_DEFAULT_CURRENCY"]

    async def test_says_which_provider_it_leaves_out_and_what_that_one_lacks(
        self, environ: dict[str, str]
    ) -> None:
        told = environ | OTHERS | {"STRIPE_WEBHOOK_SECRET": ""}
        with capture_logs() as lines:
            async with open_house(read_settings(told)):
                pass

        said = [line for line in lines if line["event"] == "settings.provider_left_out"]
        assert [(line["provider"], line["setting"]) for line in said] == [
            ("stripe", "STRIPE_WEBHOOK_SECRET")
        ]
        assert "sk_test_x" not in repr(lines)

    async def test_has_every_provider_that_has_all_it_needs(self, environ: dict[str, str]) -> None:
        settings = read_settings(environ | OTHERS)

        async with open_house(settings) as house:
            assert tuple(house.providers) == settings.configured_providers
            assert [name for name, p in house.providers.items() if p.name != name] == []
            assert list(house.key_checks) == ["wechat"]

    @pytest.mark.parametrize(
        ("lost", "provider"),
        [
            ("STRIPE_WEBHOOK_SECRET", "stripe"),
            ("PINGXX_WEBHOOK_PUBLIC_KEY", "pingxx"),
            ("ALIPAY_PUBLIC_KEY", "alipay"),
        ],
    )
    async def test_has_no_provider_whose_notices_it_could_not_check(
        self, environ: dict[str, str], lost: str, provider: str
    ) -> None:
        async with open_house(read_settings(environ | OTHERS | {lost: ""})) as house:
            left = {"wechat", "alipay", "stripe", "pingxx", "mock"} - {provider}
            assert house.providers.keys() == left

    async def test_keeps_what_every_provider_sends(self, environ: dict[str, str]) -> None:
        kept: list[Evidence] = []

        tills = tills_of(read_settings(environ | OTHERS), kept.append)

        # Ping++'s has somebody between.
        keeping = {till.provider.name for till in tills if hasattr(till.provider, "_keep")}
        assert keeping == {"wechat", "alipay", "stripe", "mock"}
        for till in tills:
            keep = getattr(till.provider, "_keep", kept.append)
            assert keep == kept.append

    async def test_has_no_mock_provider_without_its_secret(self, environ: dict[str, str]) -> None:
        told = environ | {"PAYMENT_WEBHOOK_SECRET": ""}
        async with open_house(read_settings(told)) as house:
            assert sorted(house.providers) == ["wechat"]

    @pytest.mark.parametrize(
        ("told", "appids", "answers"),
        [
            (ACCOUNT | PROGRAM, [OTHER_APP_ID, APP_ID], [OPENID, OPENID]),
            (PROGRAM, [OTHER_APP_ID, APP_ID], [OPENID, "not_configured"]),
            (
                ACCOUNT | {"WECHAT_MINIPROGRAM_APP_ID": OTHER_APP_ID},
                [OTHER_APP_ID, APP_ID],
                ["not_configured", OPENID],
            ),
            (ACCOUNT, [APP_ID, APP_ID], [OPENID, OPENID]),
            (
                {"WECHAT_MINIPROGRAM_APP_ID": APP_ID, "WECHAT_MINIPROGRAM_APP_SECRET": APP_SECRET},
                [APP_ID, APP_ID],
                [OPENID, OPENID],
            ),
        ],
        ids=["two apps", "the program", "the account", "one app", "one app by its other name"],
    )
    async def test_can_ask_of_the_apps_whose_secrets_it_has(
        self,
        environ: dict[str, str],
        simulator: Simulator,
        told: dict[str, str],
        appids: list[str],
        answers: list[str],
    ) -> None:
        async with open_house(read_settings(environ | NOTHING | told)) as house:
            identity = house.identity
            assert identity is not None
            assert [identity.mini_program_appid, identity.service_account_appid] == appids
            assert await openids(identity, simulator) == answers
            knows = [answer == OPENID for answer in answers]
            assert [identity.knows_logins, identity.knows_consents] == knows


class TestAMerchant:
    def test_is_who_the_provider_pays_and_has_pages_to_come_back_to(self) -> None:
        settings = read_settings(SANDBOX | OTHERS | {"APP_URL": "http://127.0.0.1:8000"})
        of = {till.provider.name: till.merchant for till in tills_of(settings, unkept)}

        assert (of["stripe"].merchant_id, of["stripe"].appid) == ("stripe:test", "stripe:test")
        assert of["pingxx"].appid == "app_x"
        assert of["alipay"].merchant_id == OTHERS["ALIPAY_SELLER_ID"]
        assert of["alipay"].appid == OTHERS["ALIPAY_APP_ID"]
        result = "http://127.0.0.1:8000/payment/stripe/result?session_id={CHECKOUT_SESSION_ID}"
        assert (of["stripe"].return_url, of["stripe"].cancel_url) == (result, result)
        assert of["alipay"].return_url == "http://127.0.0.1:8000/payment/result"
        assert of["alipay"].notify_url == "http://127.0.0.1:8000/api/callback/alipay-notify"
