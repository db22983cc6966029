"""What the preflight says of settings, before a provider is enabled."""

import pytest

from models.invariants import Finding
from runtime.preflight import about_settings, notify_problems
from runtime.settings import read_settings
from runtime.tills import provider_problems
from tests.api.test_settings import NEEDED, PRODUCTION, SANDBOX

PUBLIC = {"APP_URL": "https://tickets.example.com"}


def found(environ: dict[str, str], provider: str | None = None) -> dict[str, str | None]:
    _, findings = about_settings(environ, provider_problems, provider=provider)
    return {finding.id: finding.detail for finding in findings if finding.violations}


class TestTheSettings:
    def test_are_fit_for_a_provider_that_can_reach_us(self) -> None:
        settings, findings = about_settings(PRODUCTION | PUBLIC, provider_problems)

        assert settings is not None
        assert findings == [
            Finding(id=f"settings.{name}", violations=0, detail=None)
            for name in ("start", "keys", "notify_url")
        ]

    def test_are_all_named_where_they_allow_no_start(self) -> None:
        told = found({"DATABASE_URL": "-", "JWT_SECRET": "x" * 32})

        assert "WECHAT_PAY_MCH_ID is missing" in (told["settings.start"] or "")

    def test_may_name_a_provider_nobody_knows(self) -> None:
        told = found(SANDBOX, "pigeon")

        known = "wechat, alipay, stripe, pingxx, mock"
        assert told == {"settings.start": f"PAYMENT_PROVIDER 'pigeon' is not known; known: {known}"}

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"WECHAT_PAY_API_V3_KEY": "short"}, "api_v3_key: 32 bytes wanted"),
            (
                {"WECHAT_PAY_PRIVATE_KEY": "-----BEGIN PRIVATE KEY-----\nAA\n-----END"},
                "merchant_private_key",
            ),
            (
                {
                    "WECHAT_PAY_PLATFORM_PUBLIC_KEY": "-----BEGIN PUBLIC KEY-----\nAA\n-----END",
                    "WECHAT_PAY_PLATFORM_PUBLIC_KEY_ID": "PUB_KEY_ID_1",
                },
                "platform_public_key",
            ),
            ({"WECHAT_PAY_PLATFORM_PUBLIC_KEY_ID": "PUB_KEY_ID_1"}, "come together"),
        ],
    )
    def test_may_hold_a_key_nobody_can_read(self, wrong: dict[str, str], said: str) -> None:
        told = found(PRODUCTION | PUBLIC | wrong)

        assert [*told] == ["settings.keys"]
        assert said in (told["settings.keys"] or "")
        assert "AA" not in (told["settings.keys"] or "")

    def test_may_forget_something_of_a_provider_that_nobody_enabled(self) -> None:
        told = found(PRODUCTION | PUBLIC | {"STRIPE_SECRET_KEY": "sk_live_x"})

        assert told == {"settings.keys": "STRIPE_WEBHOOK_SECRET is missing, so stripe is left out"}

    def test_may_name_a_key_file_nobody_can_read(self) -> None:
        told = found(PRODUCTION | PUBLIC | {"WECHAT_PAY_PRIVATE_KEY": "/nowhere/key.pem"})

        assert told == {"settings.start": "WECHAT_PAY_PRIVATE_KEY: neither PEM nor a readable file"}


class TestAnAddressForNotices:
    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("https://tickets.example.com/hook", []),
            ("https://8.8.8.8/hook", []),
            ("http://tickets.example.com/hook", ["is not https"]),
            ("https://tickets.example.com/hook?a=b", ["has parameters"]),
            ("https://127.0.0.1/hook", ["cannot be reached from outside"]),
            ("https://10.0.0.7/hook", ["cannot be reached from outside"]),
            ("https://[::1]/hook", ["cannot be reached from outside"]),
            ("https://localhost/hook", ["cannot be reached from outside"]),
            ("https://printer.local/hook", ["cannot be reached from outside"]),
            ("https://api/hook", ["cannot be reached from outside"]),
            ("http://api", ["is not https", "cannot be reached from outside"]),
        ],
    )
    def test_is_public_and_secret_in_production(self, url: str, said: list[str]) -> None:
        settings = read_settings(PRODUCTION | {"WECHAT_PAY_NOTIFY_URL": url})

        assert notify_problems(settings) == [f"WECHAT_PAY_NOTIFY_URL {words}" for words in said]

    def test_is_the_services_own_where_none_is_named(self) -> None:
        assert notify_problems(read_settings(PRODUCTION)) == [
            "APP_URL is not https",
            "APP_URL cannot be reached from outside",
        ]

    def test_may_be_on_this_machine_in_the_sandbox(self) -> None:
        assert notify_problems(read_settings(SANDBOX)) == []
        far = read_settings(SANDBOX | {"APP_URL": "http://tickets.example.com"})
        assert notify_problems(far) == ["APP_URL is not https"]

    @pytest.mark.parametrize("provider", ["alipay", "stripe", "pingxx"])
    def test_is_the_services_own_for_the_others_too(self, provider: str) -> None:
        told = PRODUCTION | NEEDED[provider] | {"PAYMENT_PROVIDER": provider}

        assert notify_problems(read_settings(told | PUBLIC)) == []
        assert notify_problems(read_settings(told)) == [
            "APP_URL is not https",
            "APP_URL cannot be reached from outside",
        ]

    def test_may_be_another_for_alipay(self) -> None:
        told = PRODUCTION | PUBLIC | NEEDED["alipay"] | {"PAYMENT_PROVIDER": "alipay"}
        settings = read_settings(told | {"ALIPAY_NOTIFY_URL": "http://api"})

        assert notify_problems(settings)[0] == "ALIPAY_NOTIFY_URL is not https"

    def test_is_the_webhook_of_everybody_for_another_provider(self) -> None:
        told = PRODUCTION | PUBLIC | {"WECHAT_PAY_NOTIFY_URL": "http://api"}
        settings = read_settings(
            SANDBOX
            | told
            | {
                "APP_ENV": "sandbox",
                "PAYMENT_PROVIDER": "mock",
                "PAYMENT_WEBHOOK_SECRET": "sandbox-" + "x" * 40,
                "SANDBOX_URL": "http://127.0.0.1:1",
                "WECHAT_PAY_GATEWAY": "http://127.0.0.1:1",
            }
        )

        assert notify_problems(settings) == []
