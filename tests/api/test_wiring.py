"""What a house has, by what it was told."""

import pytest
from structlog.testing import capture_logs

from contracts.states import Channel
from providers.identity import Identity
from providers.provider import ProviderUnreachable
from runtime.settings import read_settings
from runtime.wiring import open_house
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
