"""The API as a process of its own, a database for it, and buyers to knock at its doors."""

import contextlib
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sandbox.embedded.ports import claim_port
from tests.sandbox.simulator import (
    API_V3_KEY,
    APP_ID,
    APP_SECRET,
    MCH_ID,
    MERCHANT_SERIAL,
    OTHER_APP_ID,
    OTHER_APP_SECRET,
    PUBLIC_KEY_ID,
    WEBHOOK_SECRET,
    Keyring,
    wait_until,
)

ROOT = Path(__file__).parents[2]
JWT_SECRET = "sandbox-" + secrets.token_hex(32)
EVENT = "/api/events/1"
ORDERS = "/api/events/1/orders"
STANDARD, LAST_SEATS, HOT, FREE = 1, 2, 3, 4


class Service:
    """A running API."""

    def __init__(self, environ: dict[str, str], log: Path) -> None:
        self._claim = claim_port()
        self.port = self._claim.number
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.environ = environ | {"PORT": str(self.port), "APP_URL": self.base_url}
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "api.app"],
                cwd=ROOT,
                env=self.environ,
                stdout=output,
                stderr=output,
            )
        wait_until(self._answers)

    def client(self, **headers: str) -> httpx.Client:
        """Make a client; close it or use it as a context manager."""
        return httpx.Client(
            base_url=self.base_url, trust_env=False, timeout=60, headers=dict(headers)
        )

    def stop(self) -> None:
        """End it and wait."""
        self.process.terminate()
        self.process.wait(30)
        self._claim.release()

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(httpx.HTTPError), self.client() as client:
            return client.get("/health/live").is_success
        return False


class Buyer:
    """Somebody with a token."""

    def __init__(self, service: Service, role: str = "buyer") -> None:
        self.name = f"{role} {secrets.token_hex(6)}"
        self.http = service.client()
        answer = self.http.post("/api/auth/sandbox-login", json={"name": self.name, "role": role})
        self.user: dict[str, Any] = answer.json()["user"]
        self.token: str = answer.json()["token"]
        self.http.headers["Authorization"] = f"Bearer {self.token}"

    def order(
        self, ticket_type_id: int = STANDARD, *, key: str | None = None, **fields: object
    ) -> httpx.Response:
        """Ask for tickets; without another word, payment is not opened."""
        headers = {} if key is None else {"Idempotency-Key": key}
        body = {"ticketTypeId": ticket_type_id, "prepare": False} | fields
        return self.http.post(ORDERS, json=body, headers=headers)


@contextlib.contextmanager
def running_service(environ: dict[str, str], folder: Path, **changes: str) -> Iterator[Service]:
    """Run the API with two workers unless *changes* say otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics").mkdir(exist_ok=True)
    shared = {"API_WORKERS": "2", "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics")}
    service = Service(os.environ | environ | shared | changes, folder / "log")
    try:
        yield service
    finally:
        service.stop()


def service_environ(dsn: str, keyring: Keyring, gateway: str) -> dict[str, str]:
    """Return what a sandbox API needs to know."""
    return {
        "APP_ENV": "sandbox",
        "DATABASE_URL": dsn,
        "JWT_SECRET": JWT_SECRET,
        "PAYMENT_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "SANDBOX_URL": gateway,
        "WECHAT_PAY_GATEWAY": gateway,
        "WECHAT_PAY_MCH_ID": MCH_ID,
        "WECHAT_SERVICE_ACCOUNT_APP_ID": APP_ID,
        "WECHAT_SERVICE_ACCOUNT_APP_SECRET": APP_SECRET,
        "WECHAT_MINIPROGRAM_APP_ID": OTHER_APP_ID,
        "WECHAT_MINIPROGRAM_APP_SECRET": OTHER_APP_SECRET,
        "WECHAT_API_BASE": gateway,
        "WECHAT_OPEN_BASE": gateway,
        "WECHAT_PAY_PRIVATE_KEY": private_pem(keyring),
        "WECHAT_PAY_SERIAL_NO": MERCHANT_SERIAL,
        "WECHAT_PAY_API_V3_KEY": API_V3_KEY,
        "WECHAT_PAY_PLATFORM_PUBLIC_KEY": platform_pem(keyring),
        "WECHAT_PAY_PLATFORM_PUBLIC_KEY_ID": PUBLIC_KEY_ID,
    }


def private_pem(keyring: Keyring) -> str:
    """Return the merchant's key on one line."""
    pem = keyring.merchant.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode().replace("\n", "\\n")


def platform_pem(keyring: Keyring) -> str:
    """Return the platform's public key."""
    key = keyring.platform.public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
