"""A merchant with keys of its own, the simulators in a process of their own, and a notice door.

Nothing here uses our signer or our verifier: simulator and service are each tested against
independent code.
"""

import base64
import contextlib
import json
import os
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sandbox.embedded.ports import claim_port
from sandbox.settings import SandboxSettings, WechatSettings, from_environment

ROOT = Path(__file__).parents[2]
MCH_ID, APP_ID, OTHER_APP_ID = "1900000001", "wxa1b2c3d4e5f60718", "wx0718f6e5d4c3b2a1"
APP_SECRET, OTHER_APP_SECRET = (
    "sandbox1f0e2d3c4b5a69788796a5b4c",
    "sandbox2c4b5a69788796a5b41f0e2d3",
)
API_V3_KEY = "0123456789abcdef0123456789abcdef"
WEBHOOK_SECRET = "sandbox-0123456789abcdef0123456789abcdef"
PINGXX_SECRET_KEY, PINGXX_APP_ID = "sk_test_5aNDb0xGuiChEt1q", "app_1Gqj58GuiChEtX1q"
MERCHANT_SERIAL = "3775B6A45ACD588826D15E583A95F5DD00000001"
ALIPAY_APP_ID, ALIPAY_SELLER_ID = "2021000000000001", "2088000000000001"
PUBLIC_KEY_ID = "PUB_KEY_ID_0119000000012026112100000000"
CHINA = timezone(timedelta(hours=8))
NATIVE = "/v3/pay/transactions/native"
REFUNDS = "/v3/refund/domestic/refunds"


class Keyring:
    """Both sides' keys, each in the file its owner needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.merchant = generate_private_key(public_exponent=65537, key_size=2048)
        self.platform = generate_private_key(public_exponent=65537, key_size=2048)
        self.certificate = _certificate(self.platform)
        _write(folder / "merchant.pub", _public_pem(self.merchant))
        _write(folder / "platform.key", _private_pem(self.platform))
        _write(folder / "platform.crt", self.certificate.public_bytes(Encoding.PEM))
        self.alipay = generate_private_key(public_exponent=65537, key_size=2048)
        _write(folder / "alipay.key", _private_pem(self.alipay))

    @property
    def certificate_serial(self) -> str:
        return f"{self.certificate.serial_number:X}"

    def environment(self, **changes: str) -> dict[str, str]:
        """Return the SANDBOX_* variables of a process."""
        return {
            "SANDBOX_STATE": str(self.folder / "state.sqlite"),
            "SANDBOX_WECHAT_MCH_ID": MCH_ID,
            "SANDBOX_WECHAT_APP_IDS": f"{APP_ID},{OTHER_APP_ID}",
            "SANDBOX_WECHAT_APP_SECRETS": (
                f"{APP_ID}={APP_SECRET},{OTHER_APP_ID}={OTHER_APP_SECRET}"
            ),
            "SANDBOX_WECHAT_API_V3_KEY": API_V3_KEY,
            "SANDBOX_WECHAT_MERCHANT_PUBLIC_KEY": str(self.folder / "merchant.pub"),
            "SANDBOX_WECHAT_MERCHANT_SERIAL_NO": MERCHANT_SERIAL,
            "SANDBOX_WECHAT_PLATFORM_PRIVATE_KEY": str(self.folder / "platform.key"),
            "SANDBOX_WECHAT_PLATFORM_PUBLIC_KEY_ID": PUBLIC_KEY_ID,
            "SANDBOX_WECHAT_PLATFORM_CERTIFICATE": str(self.folder / "platform.crt"),
            "PAYMENT_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "SANDBOX_ALIPAY_APP_ID": ALIPAY_APP_ID,
            "SANDBOX_ALIPAY_SELLER_ID": ALIPAY_SELLER_ID,
            "SANDBOX_ALIPAY_MERCHANT_PUBLIC_KEY": str(self.folder / "merchant.pub"),
            "SANDBOX_ALIPAY_PRIVATE_KEY": str(self.folder / "alipay.key"),
        } | changes

    def settings(self, **changes: str) -> SandboxSettings:
        """Return the same as settings, for an app in this process."""
        return from_environment(self.environment(SANDBOX_PORT="0", **changes))

    def wechat_settings(self) -> WechatSettings:
        return self.settings().wechat


class Merchant:
    """Signs requests and verifies answers with nothing but cryptography."""

    def __init__(self, keyring: Keyring, base_url: str) -> None:
        self._keyring = keyring
        self.http = httpx.Client(base_url=base_url, trust_env=False, timeout=30)

    def headers(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        age_seconds: int = 0,
        pairs: dict[str, str] | None = None,
    ) -> dict[str, str]:
        """Return the headers of an honest request; *pairs* override what was signed."""
        timestamp, nonce = str(int(time.time()) - age_seconds), secrets.token_hex(16)
        message = b"\n".join(
            [method.encode(), target.encode(), timestamp.encode(), nonce.encode(), body, b""]
        )
        signature = self._keyring.merchant.sign(message, PKCS1v15(), SHA256())
        values = {
            "mchid": MCH_ID,
            "nonce_str": nonce,
            "signature": base64.b64encode(signature).decode(),
            "timestamp": timestamp,
            "serial_no": MERCHANT_SERIAL,
        } | (pairs or {})
        quoted = ",".join(f'{name}="{value}"' for name, value in values.items())
        return {
            "Authorization": f"WECHATPAY2-SHA256-RSA2048 {quoted}",
            "Accept": "application/json",
            "User-Agent": "guichet-tests",
            "Content-Type": "application/json",
            "Wechatpay-Serial": PUBLIC_KEY_ID,
        }

    def call(self, method: str, target: str, body: object = None, **headers: str) -> httpx.Response:
        """Send one signed request; extra headers replace the honest ones."""
        raw = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        signed = self.headers(method, target, raw) | headers
        return self.http.request(method, target, content=raw, headers=signed)

    def open(self, out_trade_no: str, notify_url: str, /, **changes: Any) -> httpx.Response:  # noqa: ANN401
        """Open a native order of 99 yuan; *changes* replace fields, None removes one."""
        return self.call("POST", NATIVE, order(out_trade_no, notify_url, **changes))

    def query(self, out_trade_no: str) -> httpx.Response:
        """Ask for the state of an order."""
        target = f"/v3/pay/transactions/out-trade-no/{out_trade_no}?mchid={MCH_ID}"
        return self.call("GET", target)

    def close(self, out_trade_no: str) -> httpx.Response:
        """Close an order."""
        target = f"/v3/pay/transactions/out-trade-no/{out_trade_no}/close"
        return self.call("POST", target, {"mchid": MCH_ID})

    def refund(
        self,
        out_trade_no: str,
        out_refund_no: str,
        amount: int,
        /,
        **more: Any,  # noqa: ANN401
    ) -> httpx.Response:
        """Ask for money back."""
        body = {
            "out_trade_no": out_trade_no,
            "out_refund_no": out_refund_no,
            "amount": {"refund": amount, "total": 9900, "currency": "CNY"},
        }
        return self.call("POST", REFUNDS, body | more)

    def verifies(self, headers: Any, body: bytes) -> bool:  # noqa: ANN401
        """Tell whether the platform signed this answer or notice."""
        message = (
            f"{headers['Wechatpay-Timestamp']}\n{headers['Wechatpay-Nonce']}\n".encode()
            + body
            + b"\n"
        )
        try:
            self._keyring.platform.public_key().verify(
                base64.b64decode(headers["Wechatpay-Signature"], validate=True),
                message,
                PKCS1v15(),
                SHA256(),
            )
        except Exception:  # noqa: BLE001 - any failure means that it does not verify
            return False
        return True


class Received:
    """One notice as it came in at the merchant's door."""

    def __init__(self, headers: dict[str, str], body: bytes) -> None:
        self.headers = headers
        self.body = body
        self.at = time.monotonic()

    @property
    def message(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def plaintext(self) -> dict[str, Any]:
        return dict(json.loads(open_sealed(self.message["resource"])))


class _PatientServer(ThreadingHTTPServer):
    # A hundred copies of a notice knock at once.
    request_queue_size = 256


class NoticeDoor:
    """The merchant's notice address: keeps what comes and answers as it was told."""

    def __init__(self, says: bytes = b"") -> None:
        self.says = says
        self.statuses: list[int] = []
        self._received: list[Received] = []
        self._news = threading.Condition()
        self._server = _PatientServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/notices"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait_for(self, out_trade_no: str, count: int = 1, seconds: float = 60) -> list[Received]:
        """Return the notices of a trade once there are so many."""
        return self._wait(lambda one: _speaks_of(one, out_trade_no), count, seconds)

    def wait_for_events(self, order_id: int, count: int = 1, seconds: float = 60) -> list[Received]:
        """Return the normalized events of an order once there are so many."""
        return self._wait(lambda one: _order_of(one) == order_id, count, seconds)

    def wait_where(
        self, wanted: Callable[[Received], bool], count: int = 1, seconds: float = 10
    ) -> list[Received]:
        """Return what was asked for once there is so much of it."""
        return self._wait(wanted, count, seconds)

    def _wait(
        self, wanted: Callable[[Received], bool], count: int, seconds: float
    ) -> list[Received]:
        def arrived() -> list[Received]:
            return [one for one in self._received if wanted(one)]

        with self._news:
            assert self._news.wait_for(lambda: len(arrived()) >= count, seconds), (
                f"{len(arrived())} of {count} notices"
            )
            return arrived()

    def of(self, out_trade_no: str) -> list[Received]:
        """Return the notices of a trade that came so far."""
        return self.wait_for(out_trade_no, count=0)

    def _answer(self, headers: dict[str, str], body: bytes) -> int:
        with self._news:
            self._received.append(Received(headers, body))
            self._news.notify_all()
            return self.statuses.pop(0) if self.statuses else 200 if self.says else 204

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = door._answer(dict(self.headers), body)
                self.send_response(status)
                said = door.says if status == 200 else b""
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        return Handler


class Simulator:
    """The simulators' process; it can be killed and started again on the same state."""

    def __init__(self, keyring: Keyring, **changes: str) -> None:
        self._claim = claim_port()
        self.port = self._claim.number
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.keyring = keyring
        self._environment = os.environ | keyring.environment(SANDBOX_PORT=str(self.port), **changes)
        self.merchant = Merchant(keyring, self.base_url)
        self.control = httpx.Client(base_url=self.base_url, trust_env=False, timeout=30)
        self.process = self._start()

    def kill(self) -> None:
        """End it without a warning."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        """Start it again after a kill."""
        wait_until(lambda: not _listens(self.port))
        self.process = self._start()

    def stop(self) -> None:
        """End it and let go of everything."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        self._claim.release()
        self.merchant.http.close()
        self.control.close()

    def act(self, out_trade_no: str, action: str, **wish: Any) -> httpx.Response:  # noqa: ANN401
        """Play the buyer or the provider on one trade."""
        return self.control.post(f"/control/trades/{out_trade_no}/{action}", json=wish)

    def fault(self, operation: str, mode: str, **more: Any) -> None:  # noqa: ANN401
        """Spoil the next call, of WeChat Pay unless *more* names another provider."""
        body = {"provider": "wechat", "operation": operation, "mode": mode} | more
        assert self.control.post("/control/faults", json=body).status_code == 204

    def log_in(self, appid: str, openid: str) -> str:
        """Open an app as somebody and return the code its front end is given."""
        reply = self.control.post(
            "/control/wechat/login-codes", json={"appid": appid, "openid": openid}
        )
        return str(reply.json()["code"])

    def notices(self, out_trade_no: str) -> dict[str, Any]:
        """Tell what was sent and what will be."""
        reply = self.control.get("/control/notices", params={"out_trade_no": out_trade_no})
        return dict(reply.json())

    def calls(self, out_trade_no: str) -> dict[str, int]:
        """Count the provider calls of a trade."""
        reply = self.control.get("/control/calls", params={"out_trade_no": out_trade_no})
        return dict(reply.json()["calls"])

    def status(self, out_trade_no: str) -> str:
        """Return what the list of trades says."""
        reply = self.control.get("/control/trades", params={"order_no": out_trade_no[:16]})
        return str(
            next(t for t in reply.json()["trades"] if t["out_trade_no"] == out_trade_no)["status"]
        )

    def txn_of(self, out_trade_no: str) -> str:
        """Read the provider's own number of a trade in what the sandbox remembers."""
        path = f"file:{self.keyring.folder / 'state.sqlite'}?mode=ro"
        with contextlib.closing(sqlite3.connect(path, uri=True)) as state:
            sql = "SELECT provider_txn_id FROM trades WHERE out_trade_no = ?"
            return str(state.execute(sql, (out_trade_no,)).fetchone()[0])

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.app"], cwd=ROOT, env=self._environment
        )
        wait_until(lambda: _listens(self.port) or process.poll() is not None)
        assert process.poll() is None, "the sandbox did not start"
        return process


@contextlib.contextmanager
def running_simulator(folder: Path, **changes: str) -> Iterator[Simulator]:
    """Run the simulators with fresh keys; *changes* are more SANDBOX_* variables."""
    simulator = Simulator(Keyring(folder), **changes)
    try:
        yield simulator
    finally:
        simulator.stop()


def pingxx_environment(folder: Path, webhook_url: str, **changes: str) -> dict[str, str]:
    """Return the variables of a simulated Ping++ whose keys lie in *folder*."""
    return {
        "SANDBOX_PINGXX_SECRET_KEY": PINGXX_SECRET_KEY,
        "SANDBOX_PINGXX_APP_ID": PINGXX_APP_ID,
        "SANDBOX_PINGXX_MERCHANT_PUBLIC_KEY": str(folder / "merchant.pub"),
        "SANDBOX_PINGXX_PRIVATE_KEY": str(folder / "platform.key"),
        "SANDBOX_PINGXX_WEBHOOK_URL": webhook_url,
    } | changes


def order(out_trade_no: str, notify_url: str, /, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the body of a native order of 99 yuan."""
    body: dict[str, Any] = {
        "appid": APP_ID,
        "mchid": MCH_ID,
        "description": "Guichet Demo Night 演示票",
        "out_trade_no": out_trade_no,
        "time_expire": in_china(minutes=30),
        "notify_url": notify_url,
        "amount": {"total": 9900, "currency": "CNY"},
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


def new_trade_no() -> str:
    """Return a number nobody used: sixteen characters of an order, four of the attempt."""
    return f"T{secrets.token_hex(8).upper()[:15]}0001"


def in_china(*, minutes: float) -> str:
    """Return an instant ahead as a clock in China shows it, RFC 3339."""
    at = datetime.now(CHINA) + timedelta(minutes=minutes)
    return at.isoformat(timespec="milliseconds")


def clear_of_midnight() -> None:
    """Wait for the next day in China where this one has less than half a minute left."""
    wait_until(lambda: datetime.now(CHINA).date() == _soon().date())


def open_sealed(resource: dict[str, str]) -> bytes:
    """Decrypt the sealed half of a notice or certificate."""
    return AESGCM(API_V3_KEY.encode()).decrypt(
        resource["nonce"].encode(),
        base64.b64decode(resource["ciphertext"], validate=True),
        resource["associated_data"].encode(),
    )


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for a condition that nobody announces."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def _soon() -> datetime:
    return datetime.now(CHINA) + timedelta(seconds=30)


def _speaks_of(notice: Received, out_trade_no: str) -> bool:
    if b"&sign=" in b"&" + notice.body:
        return dict(parse_qsl(notice.body.decode("latin-1"))).get("out_trade_no") == out_trade_no
    if not notice.body.startswith(b"{"):
        return True
    try:
        return bool(notice.plaintext["out_trade_no"] == out_trade_no)
    except (ValueError, KeyError):
        return False


def _order_of(event: Received) -> int | None:
    try:
        return int(event.message["data"]["order_id"])
    except (ValueError, KeyError):
        return None


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)


def _private_pem(key: RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public_pem(key: RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _certificate(key: RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Platform of the tests")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(key, SHA256())
    )
