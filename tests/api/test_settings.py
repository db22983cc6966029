"""What the service may be told, and what it refuses to start with."""

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from runtime.registry import variables
from runtime.settings import AppEnv, Settings, SettingsError, read_settings

KEY = generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key: RSAPrivateKey) -> str:
    encoded = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return encoded.decode()


PUBLIC_PEM = public_pem(KEY)
WECHAT = {
    "WECHAT_PAY_MCH_ID": "1900000001",
    "WECHAT_SERVICE_ACCOUNT_APP_ID": "wx1",
    "WECHAT_PAY_PRIVATE_KEY": PEM,
    "WECHAT_PAY_SERIAL_NO": "AB01",
    "WECHAT_PAY_API_V3_KEY": "0123456789abcdef0123456789abcdef",
}
STRIPE = {"STRIPE_SECRET_KEY": "sk_live_x", "STRIPE_WEBHOOK_SECRET": "whsec_x"}
PINGXX = {
    "PINGXX_SECRET_KEY": "sk_live_x",
    "PINGXX_APP_ID": "app_x",
    "PINGXX_PRIVATE_KEY": PEM,
    "PINGXX_WEBHOOK_PUBLIC_KEY": PUBLIC_PEM,
}
ALIPAY = {
    "ALIPAY_APP_ID": "2021000000000001",
    "ALIPAY_PRIVATE_KEY": PEM,
    "ALIPAY_PUBLIC_KEY": PUBLIC_PEM,
}
NEEDED = {"wechat": WECHAT, "alipay": ALIPAY, "stripe": STRIPE, "pingxx": PINGXX}
PRODUCTION = {
    "DATABASE_URL": "postgresql://db/guichet",
    "JWT_SECRET": "r" * 40,
    "GIFT_CODE_KEY": "g" * 40,
    "TICKET_CODE_KEY": "t" * 40,
    **WECHAT,
}
SANDBOX = {
    **PRODUCTION,
    "APP_ENV": "sandbox",
    "WECHAT_PAY_GATEWAY": "http://127.0.0.1:9000",
}


def complaint(environ: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings(environ)
    return str(caught.value)


class TestSettings:
    def test_mean_production_unless_they_say_otherwise(self) -> None:
        assert read_settings(PRODUCTION).app_env is AppEnv.PRODUCTION

    def test_are_all_named_when_they_are_missing(self) -> None:
        said = complaint({})
        assert "DATABASE_URL is missing" in said
        assert "JWT_SECRET is missing" in said

        said = complaint({name: PRODUCTION[name] for name in ("DATABASE_URL", "JWT_SECRET")})
        for name in (*WECHAT, "GIFT_CODE_KEY", "TICKET_CODE_KEY"):
            assert f"{name} is missing" in said

    def test_count_as_missing_when_they_are_empty(self) -> None:
        assert "DATABASE_URL is missing" in complaint(PRODUCTION | {"DATABASE_URL": ""})
        assert read_settings(PRODUCTION | {"PORT": ""}).port == 8000

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("WECHAT_PAY_CERT_SERIAL_NO", "WECHAT_PAY_SERIAL_NO"),
            ("WECHAT_PAY_CERT_SERIAL", "WECHAT_PAY_SERIAL_NO"),
            ("WECHAT_PAY_API_KEY_V3", "WECHAT_PAY_API_V3_KEY"),
            ("WECHAT_API_V3_KEY", "WECHAT_PAY_API_V3_KEY"),
            ("WECHAT_PAY_APP_ID", "WECHAT_SERVICE_ACCOUNT_APP_ID"),
            ("PINGXX_PRIVATE_KEY_PATH", "PINGXX_PRIVATE_KEY"),
        ],
    )
    def test_are_read_under_their_old_names_too(self, old: str, new: str) -> None:
        told = PRODUCTION | PINGXX
        renamed = {old if name == new else name: value for name, value in told.items()}

        assert getattr(read_settings(renamed), new.lower()) == told[new]

    def test_prefer_the_new_name(self) -> None:
        settings = read_settings(PRODUCTION | {"WECHAT_PAY_CERT_SERIAL": "FF"})

        assert settings.wechat_pay_serial_no == "AB01"

    def test_take_a_key_in_any_of_its_forms(self, tmp_path: Path) -> None:
        bare = "".join(PEM.splitlines()[1:-1])
        files = tmp_path / "key.pem", tmp_path / "key.txt"
        for file, content in zip(files, (PEM, bare), strict=True):
            file.write_text(content)
        for form in (PEM, PEM.replace("\n", "\\n"), bare, *map(str, files)):
            settings = read_settings(PRODUCTION | {"WECHAT_PAY_PRIVATE_KEY": form})
            assert settings.wechat_pay_private_key == PEM

    def test_take_a_key_of_the_older_kind_without_its_armour(self) -> None:
        bare = base64.b64encode(
            KEY.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        ).decode()

        settings = read_settings(PRODUCTION | {"WECHAT_PAY_PRIVATE_KEY": bare})

        assert settings.wechat_pay_private_key == PEM

    def test_take_several_keys_in_every_form(self, tmp_path: Path) -> None:
        one, two = (public_pem(generate_private_key(65537, 2048)) for _ in range(2))
        files = tmp_path / "1.pem", tmp_path / "2.pem", tmp_path / "both.pem"
        for file, content in zip(files, (one, two, one + two), strict=True):
            file.write_text(content)
        bare = ",".join("".join(pem.splitlines()[1:-1]) for pem in (one, two))
        escaped = (one + two).replace("\n", "\\n")
        for form in (one + two, escaped, f"{one},{two}", f"{files[0]}, {files[1]}", bare):
            told = PRODUCTION | {"ALIPAY_PUBLIC_KEY": form}
            assert read_settings(told).alipay_public_key == (one, two)
        told = PRODUCTION | {"ALIPAY_PUBLIC_KEY": str(files[2])}
        assert read_settings(told).alipay_public_key == (one, two)

    @pytest.mark.parametrize(
        "form", ["not a key", "/nowhere/key.pem", "/etc/hostname", "A" * 400, "A" * 401]
    )
    def test_refuse_a_key_in_no_form_without_showing_it(self, form: str) -> None:
        said = complaint(PRODUCTION | {"WECHAT_PAY_PRIVATE_KEY": form})

        assert said.startswith("WECHAT_PAY_PRIVATE_KEY")
        assert form not in said

    def test_never_show_a_secret_that_is_malformed(self) -> None:
        assert complaint(PRODUCTION | {"JWT_SECRET": "hush"}) == "JWT_SECRET: malformed"

    def test_never_show_anything_in_a_report(self) -> None:
        assert repr(read_settings(PRODUCTION)) == "Settings(app_env='production')"

    @pytest.mark.parametrize(
        ("name", "text"), [("PORT", "http"), ("PORT", "65536"), ("API_WORKERS", "0")]
    )
    def test_are_refused_when_they_are_out_of_bounds(self, name: str, text: str) -> None:
        assert complaint(PRODUCTION | {name: text}).startswith(name)

    @pytest.mark.parametrize(
        "text",
        ["tickets.example.com", "ftp://a", "https://", "http://[a", "http://a:99999", "http://a b"],
    )
    @pytest.mark.parametrize("name", ["APP_URL", "PINGXX_GATEWAY", "STRIPE_SUCCESS_URL"])
    def test_are_refused_when_they_are_no_addresses(self, name: str, text: str) -> None:
        said = complaint(PRODUCTION | {name: text})

        assert said == f"{name}: malformed, http or https address wanted"

    def test_may_be_lists_and_decimals_and_switches(self) -> None:
        settings = read_settings(
            PRODUCTION
            | {
                "CORS_ALLOW_ORIGINS": "https://a.example, https://b.example",
                "PAYMENTS_JOB_REPLAY_INTERVAL_MIN": "0.5",
                "LEGACY_PAYMENT_FIELDS": "0",
            }
        )

        assert settings.cors_allow_origins == ("https://a.example", "https://b.example")
        assert settings.payments_job_replay_interval_min == 0.5
        assert settings.legacy_payment_fields is False

    def test_have_no_default_for_anything_secret(self) -> None:
        assert all(v.default in (None, ()) for v in variables(Settings) if v.secret)


class TestTheBridgesGate:
    def test_is_closed_in_production_until_somebody_opens_it(self) -> None:
        assert read_settings(PRODUCTION).bridge_rollout_percent == 0
        half = PRODUCTION | {"MINIPROGRAM_BRIDGE_ROLLOUT_PERCENT": "50"}
        assert read_settings(half).bridge_rollout_percent == 50

    def test_is_open_in_the_sandbox_until_somebody_closes_it(self) -> None:
        assert read_settings(SANDBOX).bridge_rollout_percent == 100
        closed = SANDBOX | {"MINIPROGRAM_BRIDGE_ROLLOUT_PERCENT": "0"}
        assert read_settings(closed).bridge_rollout_percent == 0

    @pytest.mark.parametrize("text", ["-1", "101", "50.5", "all"])
    def test_opens_by_whole_percents(self, text: str) -> None:
        name = "MINIPROGRAM_BRIDGE_ROLLOUT_PERCENT"

        assert name in complaint(SANDBOX | {name: text})


class TestProduction:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("JWT_SECRET", "sandbox-" + "x" * 40),
            ("GIFT_CODE_KEY", "short"),
            ("TICKET_CODE_KEY", "short"),
            ("PAYMENT_PROVIDER", "mock"),
            ("PAYMENT_WEBHOOK_SECRET", "sandbox-" + "x" * 40),
            ("MOCK_GATEWAY", "http://127.0.0.1:9000"),
            ("MOCK_WEBHOOK_AUTOFIRE", "1"),
            ("MOCK_WEBHOOK_DELAY_MS", "500"),
            ("GUICHET_FAILPOINTS", "failpoints"),
            ("SANDBOX_URL", "http://127.0.0.1:9000"),
            ("WECHAT_PAY_GATEWAY", "http://127.0.0.1:9000"),
            ("WECHAT_PAY_GATEWAY", "https://localhost"),
            ("WECHAT_API_BASE", "http://api.weixin.qq.com"),
            ("WECHAT_API_BASE", "https://127.0.0.1:9000"),
            ("WECHAT_OPEN_BASE", "http://127.0.0.1:9000"),
            ("WECHAT_MINIPROGRAM_APP_SECRET", "sandbox0123456789"),
            ("WECHAT_SERVICE_ACCOUNT_APP_SECRET", "sandbox0123456789"),
            ("PAYMENT_CHANNELS_ENABLED", "wechat,mock"),
            ("STRIPE_SECRET_KEY", "sk_test_x"),
            ("STRIPE_SECRET_KEY", "rk_test_x"),
            ("STRIPE_SECRET_KEY", "sk_test_sandbox0123456789"),
            ("STRIPE_PUBLISHABLE_KEY", "pk_test_x"),
            ("NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY", "pk_test_x"),
            ("STRIPE_WEBHOOK_SECRET", "whsec_real,whsec_sandbox0123456789"),
            ("STRIPE_API_BASE", "http://127.0.0.1:9000/stripe"),
            ("STRIPE_API_BASE", "http://api.stripe.com"),
            ("PINGXX_SECRET_KEY", "sk_test_x"),
            ("PINGXX_GATEWAY", "https://127.0.0.1:9000/pingxx"),
            ("ALIPAY_GATEWAY", "https://localhost/alipay/gateway.do"),
            ("ALIPAY_GATEWAY", "https://openapi-sandbox.dl.alipaydev.com/gateway.do"),
        ],
    )
    def test_refuses_what_belongs_to_the_sandbox(self, name: str, text: str) -> None:
        assert complaint(PRODUCTION | {name: text}).startswith(name)


class TestTheSandbox:
    def test_needs_no_key_for_gift_codes(self) -> None:
        without = {name: text for name, text in SANDBOX.items() if name != "GIFT_CODE_KEY"}

        assert read_settings(without).gift_key

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("WECHAT_PAY_GATEWAY", "https://api.mch.weixin.qq.com"),
            ("HOST", "0.0.0.0"),  # noqa: S104 - it is to be refused
            ("HOST", "example.com"),
            ("PAYMENT_PROVIDER", "paypal"),
            ("STRIPE_SECRET_KEY", "sk_live_x"),
            ("STRIPE_SECRET_KEY", "rk_live_x"),
            ("STRIPE_PUBLISHABLE_KEY", "pk_live_x"),
            ("NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY", "pk_live_x"),
            ("STRIPE_API_BASE", "https://api.stripe.com"),
            ("PINGXX_SECRET_KEY", "sk_live_x"),
            ("PINGXX_GATEWAY", "https://api.pingxx.com"),
            ("ALIPAY_GATEWAY", "https://openapi.alipay.com/gateway.do"),
        ],
    )
    def test_refuses_what_is_real(self, name: str, text: str) -> None:
        assert name in complaint(SANDBOX | {name: text} | self.called(name))

    @staticmethod
    def called(name: str) -> dict[str, str]:
        """Make an address of a provider one that is called."""
        keys = {
            "STRIPE_API_BASE": {"STRIPE_SECRET_KEY": "sk_test_x"},
            "PINGXX_GATEWAY": {"PINGXX_SECRET_KEY": "sk_test_x"},
            "ALIPAY_GATEWAY": {"ALIPAY_APP_ID": "2021000000000001"},
        }
        return keys.get(name, {})

    @pytest.mark.parametrize("name", ["STRIPE_API_BASE", "PINGXX_GATEWAY", "ALIPAY_GATEWAY"])
    def test_refuses_the_real_address_of_every_provider_by_default(self, name: str) -> None:
        said = f"{name} is not on this machine, but APP_ENV is sandbox"

        assert said in complaint(SANDBOX | self.called(name))

    def test_refuses_the_real_gateway_by_default(self) -> None:
        without = {name: text for name, text in SANDBOX.items() if name != "WECHAT_PAY_GATEWAY"}

        assert "WECHAT_PAY_GATEWAY" in complaint(without)

    @pytest.mark.parametrize(
        "secret", ["WECHAT_MINIPROGRAM_APP_SECRET", "WECHAT_SERVICE_ACCOUNT_APP_SECRET"]
    )
    def test_refuses_to_ask_real_servers_who_somebody_is(self, secret: str) -> None:
        said = complaint(SANDBOX | {secret: "sandbox0123456789"})

        assert "WECHAT_API_BASE" in said
        assert "WECHAT_OPEN_BASE" in said

    def test_leaves_servers_alone_that_it_never_asks(self) -> None:
        assert read_settings(SANDBOX).wechat_api_base == "https://api.weixin.qq.com"


class TestAProvider:
    @pytest.mark.parametrize("provider", NEEDED)
    @pytest.mark.parametrize("name", ["PAYMENT_PROVIDER", "PAYMENT_CHANNELS_ENABLED"])
    def test_that_is_enabled_has_all_it_needs_or_all_it_lacks_is_named(
        self, name: str, provider: str
    ) -> None:
        bare = {n: text for n, text in PRODUCTION.items() if n not in WECHAT}
        told = bare | {"PAYMENT_PROVIDER": provider, name: provider}

        assert sorted(complaint(told).split("; ")) == sorted(
            f"{needed} is missing" for needed in NEEDED[provider]
        )
        read_settings(told | NEEDED[provider])

    def test_that_is_one_of_several_is_asked_for_its_own_too(self) -> None:
        told = PRODUCTION | {"PAYMENT_CHANNELS_ENABLED": "wechat, stripe"}

        assert complaint(told | {"STRIPE_SECRET_KEY": "sk_live_x"}) == (
            "STRIPE_WEBHOOK_SECRET is missing"
        )

    @pytest.mark.parametrize(
        ("world", "known"),
        [
            (PRODUCTION, "wechat, alipay, stripe, pingxx"),
            (SANDBOX, "wechat, alipay, stripe, pingxx, mock"),
        ],
        ids=["production", "sandbox"],
    )
    def test_that_nobody_knows_is_refused_with_those_that_are_known(
        self, world: dict[str, str], known: str
    ) -> None:
        said = complaint(world | {"PAYMENT_CHANNELS_ENABLED": "wechat,paypal"})

        assert said == f"PAYMENT_CHANNELS_ENABLED 'paypal' is not known; known: {known}"

    def test_is_enabled_unless_told_otherwise_where_it_has_all_it_needs(self) -> None:
        assert read_settings(PRODUCTION).payment_channels_enabled == ("wechat",)
        told = PRODUCTION | STRIPE | PINGXX | ALIPAY
        everybody = ("wechat", "alipay", "stripe", "pingxx")
        assert read_settings(told).payment_channels_enabled == everybody
        told |= {"PAYMENT_CHANNELS_ENABLED": "stripe"}
        assert read_settings(told).payment_channels_enabled == ("stripe",)
        assert read_settings(told).configured_providers == everybody

    def test_is_enabled_in_the_sandbox_unless_told_otherwise(self) -> None:
        settings = read_settings(SANDBOX)

        everybody = ("wechat", "alipay", "stripe", "pingxx", "mock")
        assert settings.payment_channels_enabled == everybody
        assert settings.configured_providers == ("wechat",)

    def test_may_have_several_secrets_for_its_notices(self) -> None:
        told = PRODUCTION | STRIPE | {"STRIPE_WEBHOOK_SECRET": "whsec_new, whsec_old"}

        assert read_settings(told).stripe_webhook_secret == ("whsec_new", "whsec_old")

    def test_sends_payers_back_to_our_pages_unless_told_otherwise(self) -> None:
        told = PRODUCTION | {"APP_URL": "https://tickets.example.com"}
        page = "https://tickets.example.com/payment/stripe/result?session_id={CHECKOUT_SESSION_ID}"

        settings = read_settings(told)
        assert (settings.stripe_return_url, settings.stripe_way_out_url) == (page, page)
        assert settings.alipay_result_url == "https://tickets.example.com/payment/result"
        notices = "https://tickets.example.com/api/callback/alipay-notify"
        assert settings.alipay_notices_url == notices
        shop = {"STRIPE_CANCEL_URL": "https://shop.example.com/?s={CHECKOUT_SESSION_ID}"}
        elsewhere = read_settings(told | shop)
        assert elsewhere.stripe_way_out_url == shop["STRIPE_CANCEL_URL"]

    def test_is_given_no_page_with_a_variable_that_nobody_replaced(self) -> None:
        told = PRODUCTION | {"STRIPE_SUCCESS_URL": "${APP_URL}/payment/stripe/result"}

        assert complaint(told).startswith("STRIPE_SUCCESS_URL")

    def test_takes_no_currency_of_the_house(self) -> None:
        assert read_settings(PRODUCTION).without_effect == ()
        assert read_settings(PRODUCTION).half_told == ()
        told = PRODUCTION | {"STRIPE_DEFAULT_CURRENCY": "usd"}
        assert read_settings(told).without_effect == ("STRIPE_DEFAULT_CURRENCY",)


class TestStripeOnPages:
    OFFERED = (
        PRODUCTION
        | STRIPE
        | {"STRIPE_PUBLISHABLE_KEY": "pk_live_x", "NEXT_PUBLIC_STRIPE_ENABLED": "true"}
    )

    def test_is_offered_when_it_is_switched_on_and_works(self) -> None:
        settings = read_settings(self.OFFERED)

        assert settings.offers_stripe
        assert settings.stripe_key_for_browsers == "pk_live_x"

    @pytest.mark.parametrize(
        "changes",
        [
            {"NEXT_PUBLIC_STRIPE_ENABLED": ""},
            {"NEXT_PUBLIC_STRIPE_ENABLED": "false"},
            {"STRIPE_PUBLISHABLE_KEY": ""},
            {"STRIPE_SECRET_KEY": ""},
            {"STRIPE_WEBHOOK_SECRET": ""},
            {"PAYMENT_CHANNELS_ENABLED": "wechat"},
        ],
    )
    def test_is_not_offered_otherwise(self, changes: dict[str, str]) -> None:
        settings = read_settings(self.OFFERED | changes)

        assert not settings.offers_stripe
        assert settings.stripe_key_for_browsers is None

    def test_has_a_key_of_its_own_where_one_is_named(self) -> None:
        told = {"NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY": "pk_live_y"}

        assert read_settings(self.OFFERED | told).stripe_key_for_browsers == "pk_live_y"


class TestTheMockProvider:
    MOCKED = SANDBOX | {
        "PAYMENT_PROVIDER": "mock",
        "SANDBOX_URL": "http://127.0.0.1:9000",
        "PAYMENT_WEBHOOK_SECRET": "sandbox-" + "x" * 40,
    }

    def test_is_where_the_simulators_are_unless_told_otherwise(self) -> None:
        assert read_settings(self.MOCKED).mock_url == "http://127.0.0.1:9000"
        elsewhere = {"MOCK_GATEWAY": "http://127.0.0.1:9001"}
        assert read_settings(self.MOCKED | elsewhere).mock_url == "http://127.0.0.1:9001"

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"PAYMENT_WEBHOOK_SECRET": ""}, "PAYMENT_WEBHOOK_SECRET is missing"),
            ({"SANDBOX_URL": ""}, "MOCK_GATEWAY is missing"),
            ({"MOCK_GATEWAY": "https://mock.example"}, "MOCK_GATEWAY is not on this machine"),
            ({"PAYMENT_WEBHOOK_SECRET": "whsec_?"}, "PAYMENT_WEBHOOK_SECRET is malformed"),
            ({"PAYMENT_WEBHOOK_SECRET": "whsec_"}, "PAYMENT_WEBHOOK_SECRET is malformed"),
            ({"MOCK_WEBHOOK_AUTOFIRE": "perhaps"}, "MOCK_WEBHOOK_AUTOFIRE"),
            ({"MOCK_WEBHOOK_DELAY_MS": "-1"}, "MOCK_WEBHOOK_DELAY_MS"),
        ],
    )
    def test_names_what_is_wrong_with_it(self, changes: dict[str, str], said: str) -> None:
        assert complaint(self.MOCKED | changes).startswith(said)

    def test_needs_nothing_of_wechat(self) -> None:
        alone = {name: text for name, text in self.MOCKED.items() if "WECHAT" not in name}

        assert read_settings(alone).payment_provider == "mock"

    def test_is_not_there_in_production_whatever_it_is_told(self) -> None:
        real = PRODUCTION | {"PAYMENT_WEBHOOK_SECRET": "r" * 40}

        assert read_settings(real).mock_url is None


class TestMail:
    @pytest.mark.parametrize(
        ("url", "host", "port", "is_tls", "starttls"),
        [
            ("smtp://mail.example.org", "mail.example.org", 587, False, True),
            ("smtp://mail.example.org:25", "mail.example.org", 25, False, True),
            ("smtps://u:p%40ss@mail.example.org", "mail.example.org", 465, True, False),
        ],
    )
    def test_goes_where_its_url_says(
        self, url: str, host: str, port: int, *, is_tls: bool, starttls: bool
    ) -> None:
        settings = read_settings(PRODUCTION | {"SMTP_URL": url, "MAIL_FROM": "a@example.org"})

        server = settings.mail_server
        assert server is not None
        assert (server.host, server.port) == (host, port)
        assert (server.is_tls, server.starttls) == (is_tls, starttls)
        assert server.password in {None, "p@ss"}
        assert "p@ss" not in repr(server)

    def test_is_encrypted_in_the_sandbox_only_where_that_is_offered(self) -> None:
        told = SANDBOX | {"SMTP_URL": "smtp://127.0.0.1:2525", "MAIL_FROM": "a@guichet.test"}
        server = read_settings(told).mail_server

        assert server is not None
        assert server.starttls is None

    def test_goes_unencrypted_in_production_only_when_told_so(self) -> None:
        told = {"SMTP_URL": "smtp://127.0.0.1", "MAIL_FROM": "a@b.cn", "SMTP_STARTTLS": "0"}
        server = read_settings(PRODUCTION | told).mail_server

        assert server is not None
        assert server.starttls is False

    def test_goes_nowhere_without_a_url(self) -> None:
        assert read_settings(PRODUCTION).mail_server is None

    @pytest.mark.parametrize(
        ("told", "said"),
        [
            ({"SMTP_URL": "http://u:hush@mail"}, "SMTP_URL is malformed"),
            ({"SMTP_URL": "smtp://u:hush@mail:99999"}, "SMTP_URL is malformed"),
            ({"SMTP_URL": "smtp://"}, "SMTP_URL is malformed"),
            ({"SMTP_URL": "smtp://u:hush@mail"}, "MAIL_FROM is missing"),
            ({"MAIL_FROM": "nobody"}, "MAIL_FROM is no address"),
            ({"MAIL_FROM": "a@b.cn\nBcc: c@d.cn"}, "MAIL_FROM is no address"),
            ({"ALARM_MAIL_TO": "a@b.cn, c@d.cn"}, "ALARM_MAIL_TO is no address"),
        ],
    )
    def test_is_refused_when_it_could_not_be_sent(self, told: dict[str, str], said: str) -> None:
        complained = complaint(PRODUCTION | told)

        assert complained == said
        assert "hush" not in complained

    def test_of_the_sandbox_stays_on_this_machine(self) -> None:
        told = {"SMTP_URL": "smtp://mail.example.org", "MAIL_FROM": "a@b.cn"}

        assert complaint(SANDBOX | told).startswith("SMTP_URL is not on this machine")


class TestNewsOfSales:
    def test_need_not_be_told(self) -> None:
        assert read_settings(PRODUCTION).feishu_notify_url is None

    def test_go_to_feishu_in_secret(self) -> None:
        url = "https://open.feishu.cn/open-apis/bot/v2/hook/hush"
        settings = read_settings(PRODUCTION | {"FEISHU_NOTIFY_URL": url})

        assert settings.feishu_notify_url == url
        assert "hush" not in repr(settings)
        assert next(v for v in variables(Settings) if v.name == "FEISHU_NOTIFY_URL").secret

    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("http://open.feishu.cn/hush", "FEISHU_NOTIFY_URL is no https address"),
            ("ftp://open.feishu.cn/hush", "FEISHU_NOTIFY_URL is no https address"),
            ("hush", "FEISHU_NOTIFY_URL is no https address"),
            ("https://open.feishu.cn:99999/hush", "FEISHU_NOTIFY_URL is malformed"),
            ("https://[hush", "FEISHU_NOTIFY_URL is malformed"),
            ("https://127.0.0.1/hush", "FEISHU_NOTIFY_URL is not Feishu"),
        ],
    )
    def test_are_refused_an_address_that_others_could_read(self, url: str, said: str) -> None:
        assert complaint(PRODUCTION | {"FEISHU_NOTIFY_URL": url}) == said

    def test_of_the_sandbox_stay_on_this_machine(self) -> None:
        near = "http://127.0.0.1:9000/feishu/hook"
        assert read_settings(SANDBOX | {"FEISHU_NOTIFY_URL": near}).feishu_notify_url == near

        said = complaint(SANDBOX | {"FEISHU_NOTIFY_URL": "https://open.feishu.cn/hush"})

        assert said == "FEISHU_NOTIFY_URL is not on this machine, but APP_ENV is sandbox"


class TestTheKeyOfEvents:
    def test_need_not_be_set(self) -> None:
        assert read_settings(PRODUCTION).payment_webhook_secret is None

    @pytest.mark.parametrize("secret", ["x" * 24, "whsec_" + "eHh4" * 8, f"{'x' * 24},{'y' * 24}"])
    def test_may_be_of_either_form_and_two_while_they_change(self, secret: str) -> None:
        settings = read_settings(PRODUCTION | {"PAYMENT_WEBHOOK_SECRET": secret})

        assert settings.payment_webhook_secret == secret

    @pytest.mark.parametrize("secret", ["x" * 23, "whsec_eHh4", f"{'x' * 24},short"])
    def test_is_long_enough_in_production(self, secret: str) -> None:
        said = complaint(PRODUCTION | {"PAYMENT_WEBHOOK_SECRET": secret})

        assert said == "PAYMENT_WEBHOOK_SECRET is too short"

    @pytest.mark.parametrize("secret", ["whsec_*", f"{'x' * 24},"])
    def test_is_one(self, secret: str) -> None:
        for world in (PRODUCTION, SANDBOX):
            said = complaint(world | {"PAYMENT_WEBHOOK_SECRET": secret})

            assert said == "PAYMENT_WEBHOOK_SECRET is malformed"

    @pytest.mark.parametrize("place", ["sandbox-{x},{x}", "{x},sandbox-{x}", "{x}, Sandbox-{x}"])
    def test_is_never_the_sandboxs_in_production(self, place: str) -> None:
        secret = place.format(x="x" * 24)

        said = complaint(PRODUCTION | {"PAYMENT_WEBHOOK_SECRET": secret})
        assert said == "PAYMENT_WEBHOOK_SECRET belongs to the sandbox"


class TestAnOrderThatStripeMayBePaidFor:
    TOLD = PRODUCTION | STRIPE

    def test_lives_no_longer_than_a_session_of_stripes(self) -> None:
        assert read_settings(self.TOLD | {"ORDER_EXPIRE_SECONDS": "82800"})

        said = complaint(self.TOLD | {"ORDER_EXPIRE_SECONDS": "82801"})

        assert said.startswith("ORDER_EXPIRE_SECONDS is above 82800")

    def test_may_live_longer_where_stripe_is_not_set_up(self) -> None:
        assert read_settings(PRODUCTION | {"ORDER_EXPIRE_SECONDS": "604800"})
