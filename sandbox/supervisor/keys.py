"""The sandbox merchant's keys, made once per home and never shared with anybody real.

1. Each side gets its own half: the service the merchant's private key and the platform's public
   key, the simulator the other two. So at every provider that signs by key.
2. A home that is older than a provider gains its keys, and keeps those it has.
"""

import json
import secrets
import shutil
import string
from dataclasses import asdict, dataclass, fields
from pathlib import Path

_SECRETS = "secrets.json"
_HEXADECIMAL = string.digits + "abcdef"
_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """The numbers and shared secrets of the sandbox merchant."""

    jwt_secret: str
    mch_id: str
    service_account_app_id: str
    mini_program_app_id: str
    merchant_serial_no: str
    api_v3_key: str
    platform_public_key_id: str
    service_account_app_secret: str
    mini_program_app_secret: str
    payment_webhook_secret: str
    stripe_secret_key: str
    stripe_publishable_key: str
    stripe_webhook_secret: str
    pingxx_secret_key: str
    pingxx_app_id: str
    alipay_app_id: str
    alipay_seller_id: str


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Where the two halves of a key lie; the private one is PKCS#8."""

    private: Path
    public: Path


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The secrets, and where the PEM files lie."""

    secrets: Secrets
    folder: Path

    @property
    def merchant_private_key(self) -> Path:
        """PKCS#8; signs our requests."""
        return self.folder / "merchant_private_key.pem"

    @property
    def merchant_public_key(self) -> Path:
        """The provider checks our requests with it."""
        return self.folder / "merchant_public_key.pem"

    @property
    def platform_private_key(self) -> Path:
        """PKCS#8; signs the provider's responses and notices, in both modes."""
        return self.folder / "platform_private_key.pem"

    @property
    def platform_public_key(self) -> Path:
        """We check the provider's signatures with it."""
        return self.folder / "platform_public_key.pem"

    @property
    def platform_certificate(self) -> Path:
        """The same public key in the older form, with a serial number."""
        return self.folder / "platform_certificate.pem"

    @property
    def pingxx_merchant(self) -> Pair:
        """Signs our requests to Ping++."""
        return self._pair("pingxx_merchant")

    @property
    def pingxx_platform(self) -> Pair:
        """Signs the notices of Ping++."""
        return self._pair("pingxx_platform")

    @property
    def alipay_merchant(self) -> Pair:
        """Signs our requests to Alipay."""
        return self._pair("alipay_merchant")

    @property
    def alipay_platform(self) -> Pair:
        """Signs Alipay's answers and notices."""
        return self._pair("alipay_platform")

    @property
    def later_pairs(self) -> tuple[Pair, ...]:
        """The pairs that homes of before do not have."""
        return (
            self.pingxx_merchant,
            self.pingxx_platform,
            self.alipay_merchant,
            self.alipay_platform,
        )

    def _pair(self, name: str) -> Pair:
        return Pair(
            private=self.folder / f"{name}_private_key.pem",
            public=self.folder / f"{name}_public_key.pem",
        )


def keys_of(home: Path) -> Keys:
    """Return the keys of *home*, made at first use."""
    folder = home / "keys"
    if not folder.exists():
        # Renamed when complete, so a start cut short leaves no half of a key pair behind.
        unfinished = home / "keys.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        _make(unfinished)
        unfinished.rename(folder)
    keys = Keys(secrets=_stored(folder), folder=folder)
    _complete(keys)
    return keys


def _make(folder: Path) -> None:
    # Imported here because later starts only read the files, and cryptography loads slowly.
    from sandbox.supervisor.pem import write_pem_files  # noqa: PLC0415

    keys = Keys(secrets=_new_secrets(), folder=folder)
    write_pem_files(keys)
    for file in folder.iterdir():
        file.chmod(0o600)
    _store(keys.secrets, folder)


def _complete(keys: Keys) -> None:
    lacking = [p for p in keys.later_pairs if not (p.private.exists() and p.public.exists())]
    if lacking:
        from sandbox.supervisor.pem import write_pairs  # noqa: PLC0415 - as above

        write_pairs(lacking)


def _stored(folder: Path) -> Secrets:
    stored = json.loads((folder / _SECRETS).read_text(encoding="utf-8"))
    known = {field.name for field in fields(Secrets)}
    if known <= stored.keys():
        return Secrets(**stored)
    # The home is older than some secret of ours; it keeps those it has.
    completed = Secrets(**(asdict(_new_secrets()) | stored))
    _store(completed, folder)
    return completed


def _store(shared: Secrets, folder: Path) -> None:
    # Renamed when complete, so a start cut short leaves the old ones whole.
    unfinished = folder / f"{_SECRETS}.unfinished"
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(asdict(shared), indent=2), encoding="utf-8")
    unfinished.replace(folder / _SECRETS)


def _new_secrets() -> Secrets:
    return Secrets(
        # A production house refuses whatever begins like this.
        jwt_secret="sandbox-" + secrets.token_urlsafe(48),
        mch_id="16" + _random(string.digits, 8),
        service_account_app_id="wx" + secrets.token_hex(8),
        mini_program_app_id="wx" + secrets.token_hex(8),
        merchant_serial_no=secrets.token_hex(20).upper(),
        api_v3_key="sandbox" + _random(_LETTERS, 25),
        platform_public_key_id="PUB_KEY_ID_0" + _random(string.digits, 27),
        service_account_app_secret="sandbox" + _random(_HEXADECIMAL, 25),
        mini_program_app_secret="sandbox" + _random(_HEXADECIMAL, 25),
        payment_webhook_secret="sandbox-" + secrets.token_urlsafe(48),
        stripe_secret_key="sk_test_sandbox" + _random(_LETTERS, 40),
        stripe_publishable_key="pk_test_sandbox" + _random(_LETTERS, 40),
        stripe_webhook_secret="whsec_sandbox" + _random(_LETTERS, 25),
        pingxx_secret_key="sk_test_sandbox" + _random(_LETTERS, 17),
        pingxx_app_id="app_" + _random(_LETTERS, 16),
        alipay_app_id="9021" + _random(string.digits, 12),
        alipay_seller_id="2088" + _random(string.digits, 12),
    )


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))
