"""The sandbox merchant's keys, and who is told which."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from runtime.registry import variables
from runtime.settings import Settings, SettingsError, read_settings
from sandbox.settings import from_environment
from sandbox.supervisor.environment import Addresses, sandbox_environ, service_environ
from sandbox.supervisor.keys import Keys, keys_of

_ADDRESSES = Addresses(port=8000, sandbox_port=9000, database_url="d", redis_url="r")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return keys_of(tmp_path_factory.mktemp("home"))


def service(keys: Keys, user: dict[str, str]) -> dict[str, str]:
    return service_environ(user, keys=keys, addresses=_ADDRESSES, metrics=Path("m"))


def sandbox(keys: Keys, user: dict[str, str]) -> dict[str, str]:
    return sandbox_environ(user, keys=keys, addresses=_ADDRESSES, state=Path("s"))


def _is_pair(private: Path, public: RSAPublicKey) -> bool:
    key = load_pem_private_key(private.read_bytes(), password=None)
    return isinstance(key, RSAPrivateKey) and key.public_key() == public


def _public(path: Path) -> RSAPublicKey:
    key = load_pem_public_key(path.read_bytes())
    assert isinstance(key, RSAPublicKey)
    return key


class TestKeys:
    def test_are_pairs(self, keys: Keys) -> None:
        assert _is_pair(keys.merchant_private_key, _public(keys.merchant_public_key))
        assert _is_pair(keys.platform_private_key, _public(keys.platform_public_key))
        for pair in keys.later_pairs:
            assert _is_pair(pair.private, _public(pair.public))
        assert len({pair.public.read_bytes() for pair in keys.later_pairs}) == 4

    def test_have_a_certificate_of_the_platform_signed_by_itself(self, keys: Keys) -> None:
        certificate = x509.load_pem_x509_certificate(keys.platform_certificate.read_bytes())
        public = _public(keys.platform_public_key)

        assert certificate.public_key() == public
        assert certificate.serial_number > 0
        scheme = padding.PKCS1v15(), hashes.SHA256()
        public.verify(certificate.signature, certificate.tbs_certificate_bytes, *scheme)

    def test_have_the_shapes_that_the_provider_gives_them(self, keys: Keys) -> None:
        secrets = keys.secrets
        assert len(secrets.api_v3_key.encode()) == 32
        assert len(secrets.jwt_secret) >= 32
        assert len(secrets.mch_id) == 10
        assert secrets.mch_id.isdecimal()
        assert secrets.platform_public_key_id.removeprefix("PUB_KEY_ID_").isdecimal()
        for app_id in (secrets.service_account_app_id, secrets.mini_program_app_id):
            assert len(app_id) == 18
            assert app_id.startswith("wx")
        assert len(secrets.alipay_seller_id) == len(secrets.alipay_app_id) == 16
        assert (secrets.alipay_seller_id + secrets.alipay_app_id).isdecimal()
        assert secrets.pingxx_app_id.startswith("app_")

    def test_can_be_told_from_real_ones(self, keys: Keys) -> None:
        told = service(keys, {}) | {"APP_ENV": "production"}

        with pytest.raises(SettingsError) as refused:
            read_settings(told)

        for name in (
            "JWT_SECRET",
            "WECHAT_PAY_API_V3_KEY",
            "STRIPE_SECRET_KEY",
            "STRIPE_WEBHOOK_SECRET",
            "PINGXX_SECRET_KEY",
            "PAYMENT_WEBHOOK_SECRET",
        ):
            assert f"{name} belongs to the sandbox" in refused.value.problems
        assert "STRIPE_PUBLISHABLE_KEY is a test key, but APP_ENV is production" in (
            refused.value.problems
        )

    def test_are_for_their_owner_only(self, keys: Keys) -> None:
        assert keys.folder.stat().st_mode & 0o777 == 0o700
        assert {file.stat().st_mode & 0o777 for file in keys.folder.iterdir()} == {0o600}

    def test_are_made_once(self, keys: Keys) -> None:
        before = keys.merchant_private_key.read_bytes()
        assert keys_of(keys.folder.parent) == keys
        assert keys.merchant_private_key.read_bytes() == before

    def test_of_an_older_home_gain_what_it_lacks_and_lose_nothing(
        self, keys: Keys, tmp_path: Path
    ) -> None:
        shutil.copytree(keys.folder, tmp_path / "keys")
        file = tmp_path / "keys" / "secrets.json"
        old = asdict(keys.secrets)
        for name in ("service_account_app_secret", "mini_program_app_secret"):
            del old[name]
        file.write_text(json.dumps(old))
        kept, lost, half = keys.later_pairs[0], keys.later_pairs[1], keys.later_pairs[2]
        for missing in (lost.private, lost.public, half.public):
            (tmp_path / "keys" / missing.name).unlink()

        completed = keys_of(tmp_path)

        assert asdict(completed.secrets).items() >= old.items()
        assert completed.secrets.mini_program_app_secret.startswith("sandbox")
        for pair in completed.later_pairs:
            assert _is_pair(pair.private, _public(pair.public))
            assert pair.public.stat().st_mode & 0o777 == 0o600
        assert completed.pingxx_merchant.private.read_bytes() == kept.private.read_bytes()
        assert keys_of(tmp_path) == completed
        assert file.stat().st_mode & 0o777 == 0o600
        assert not list(tmp_path.rglob("*.unfinished"))


class TestAnEnvironment:
    def test_gives_each_side_its_own_half_of_the_keys(self, keys: Keys) -> None:
        of_service, of_sandbox = service(keys, {}).values(), sandbox(keys, {}).values()

        for merchant in (keys.pingxx_merchant, keys.alipay_merchant):
            assert str(merchant.private) in of_service
            assert str(merchant.public) in of_sandbox
            assert str(merchant.private) not in of_sandbox
        for platform in (keys.pingxx_platform, keys.alipay_platform):
            assert str(platform.private) in of_sandbox
            assert str(platform.public) in of_service
            assert str(platform.private) not in of_service
        assert str(keys.merchant_private_key) in of_service
        assert str(keys.platform_private_key) in of_sandbox
        assert str(keys.platform_private_key) not in of_service
        assert str(keys.merchant_private_key) not in of_sandbox
        assert keys.secrets.jwt_secret not in of_sandbox

    def test_keeps_the_users_secrets_from_the_simulator(self, keys: Keys) -> None:
        user = {
            "JWT_SECRET": "mine",
            "WECHAT_PAY_PRIVATE_KEY": "mine",
            "WECHAT_MINIPROGRAM_APP_SECRET": "mine",
            "WECHAT_SERVICE_ACCOUNT_APP_SECRET": "mine",
            "SANDBOX_TIME_SCALE": "50",
        }
        told = sandbox(keys, user)

        assert "mine" not in told.values()
        assert told["SANDBOX_TIME_SCALE"] == "50"
        assert service(keys, user)["JWT_SECRET"] == "mine"

    def test_keeps_every_secret_of_the_service_from_the_simulator(self, keys: Keys) -> None:
        # One secret signs events for both.
        shared = {"PAYMENT_WEBHOOK_SECRET"}
        names = {
            name
            for variable in variables(Settings)
            for name in (variable.name, *variable.aliases)
            if variable.secret
        } - shared

        assert not names & sandbox(keys, dict.fromkeys(names, "mine")).keys()

    def test_lets_the_service_start_with_every_provider(self, keys: Keys) -> None:
        settings = read_settings(service(keys, {}))

        assert settings.configured_providers == settings.payment_channels_enabled
        assert settings.payment_channels_enabled == (
            "wechat",
            "alipay",
            "stripe",
            "pingxx",
            "mock",
        )
        assert settings.offers_stripe
        assert settings.stripe_key_for_browsers == keys.secrets.stripe_publishable_key

    def test_shows_providers_where_the_service_hears_of_money(self, keys: Keys) -> None:
        of_service = service(keys, {})
        of_sandbox = sandbox(keys, {"APP_URL": "http://127.0.0.1:7000"})

        assert of_service["ALIPAY_NOTIFY_URL"] == (
            "http://127.0.0.1:8000/api/callback/alipay-notify"
        )
        assert of_sandbox["SANDBOX_STRIPE_WEBHOOK_URL"] == (
            "http://127.0.0.1:7000/api/order/stripe/webhook"
        )
        assert of_sandbox["SANDBOX_PINGXX_WEBHOOK_URL"] == (
            "http://127.0.0.1:7000/api/callback/pingxx-callback"
        )

    def test_gives_both_sides_what_both_must_know(self, keys: Keys) -> None:
        mine = {
            "STRIPE_SECRET_KEY": "sk_test_mine",
            "STRIPE_WEBHOOK_SECRET": "whsec_new, whsec_old",
            "PINGXX_SECRET_KEY": "sk_test_mine",
            "PINGXX_APP_ID": "app_mine",
            "ALIPAY_APP_ID": "9021000000000001",
            "ALIPAY_SELLER_ID": "2088000000000001",
        }
        for user in ({}, mine):
            of_service, of_sandbox = service(keys, user), sandbox(keys, user)
            for name in mine:
                expected = of_service[name].split(",")[0]
                assert of_sandbox[f"SANDBOX_{name}"] == expected
        assert service(keys, mine).items() >= mine.items()

    def test_takes_a_setting_by_its_old_name(self, keys: Keys) -> None:
        old_names = {v.name: v.aliases for v in variables(Settings) if v.aliases}
        for name, aliases in old_names.items():
            for alias in aliases:
                told = service(keys, {alias: "mine"})
                assert told[alias] == "mine"
                assert name not in told

    def test_gives_both_sides_the_secrets_of_the_apps(self, keys: Keys) -> None:
        shared = keys.secrets
        of_service, of_sandbox = service(keys, {}), sandbox(keys, {})

        assert of_service["WECHAT_MINIPROGRAM_APP_SECRET"] == shared.mini_program_app_secret
        assert of_service["WECHAT_SERVICE_ACCOUNT_APP_SECRET"] == shared.service_account_app_secret
        assert of_service["WECHAT_API_BASE"] == of_service["SANDBOX_URL"]
        assert of_service["WECHAT_OPEN_BASE"] == of_service["SANDBOX_URL"]
        assert from_environment(of_sandbox).wechat.app_secrets == {
            shared.service_account_app_id: shared.service_account_app_secret,
            shared.mini_program_app_id: shared.mini_program_app_secret,
        }

    def test_gives_both_sides_one_secret_for_events(self, keys: Keys) -> None:
        of_service, of_sandbox = service(keys, {}), sandbox(keys, {})

        assert of_service["PAYMENT_WEBHOOK_SECRET"].startswith("sandbox-")
        mock = from_environment(of_sandbox).mock
        assert mock is not None
        assert mock.secret == of_service["PAYMENT_WEBHOOK_SECRET"]
        assert (mock.autofire, mock.delay_ms) == (True, 500)

    def test_tells_the_simulator_how_to_speak(self, keys: Keys) -> None:
        user = {
            "PAYMENT_WEBHOOK_SECRET": "whsec_bWluZQ==",
            "MOCK_WEBHOOK_AUTOFIRE": "0",
            "MOCK_WEBHOOK_DELAY_MS": "20",
        }
        mock = from_environment(sandbox(keys, user)).mock

        assert mock is not None
        assert (mock.secret, mock.autofire, mock.delay_ms) == ("whsec_bWluZQ==", False, 20)
        assert service(keys, user)["PAYMENT_WEBHOOK_SECRET"] == mock.secret

    def test_lets_the_user_have_the_last_word(self, keys: Keys) -> None:
        user = {"PAYMENT_PROVIDER": "mock", "API_WORKERS": "2", "ORDER_EXPIRE_SECONDS": "5"}
        assert service(keys, user).items() >= user.items()

    def test_takes_an_empty_setting_for_none(self, keys: Keys) -> None:
        told = service(keys, {"JWT_SECRET": "", "ORDER_EXPIRE_SECONDS": ""})
        assert told["JWT_SECRET"] == keys.secrets.jwt_secret
        assert "ORDER_EXPIRE_SECONDS" not in told

    def test_names_the_port_that_was_chosen(self, keys: Keys) -> None:
        told = service(keys, {"PORT": "0"})
        assert told["PORT"] == "8000"
        assert told["WECHAT_PAY_NOTIFY_URL"] == "http://127.0.0.1:8000/api/webhooks/wechatpay"


class TestMail:
    def test_ends_in_the_sandbox_unless_the_user_says_otherwise(self, keys: Keys) -> None:
        addresses = replace(_ADDRESSES, smtp_port=2525)

        told = service_environ({}, keys=keys, addresses=addresses, metrics=Path("m"))
        user = {"SMTP_URL": "smtp://127.0.0.1:1025", "MAIL_FROM": "me@x.test"}
        asked = service_environ(user, keys=keys, addresses=addresses, metrics=Path("m"))
        simulator = sandbox_environ(user, keys=keys, addresses=addresses, state=Path("s"))

        assert told["SMTP_URL"] == "smtp://127.0.0.1:2525"
        assert told["MAIL_FROM"] == "Guichet <tickets@guichet.test>"
        assert (asked["SMTP_URL"], asked["MAIL_FROM"]) == (user["SMTP_URL"], user["MAIL_FROM"])
        assert simulator["SANDBOX_SMTP_PORT"] == "2525"
        assert "SMTP_URL" not in simulator

    def test_is_only_logged_where_nobody_takes_it(self, keys: Keys) -> None:
        assert "SMTP_URL" not in service(keys, {})
