"""The whole service as an operator starts it, and people who use it over HTTP."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

ROOT = Path(__file__).resolve().parents[2]
READY = re.compile(r"Guichet is ready at (http://127\.0\.0\.1:\d+)")
START_SECONDS = 60
# A machine that runs other tests beside these takes long; only what never comes is a failure.
PATIENCE_SECONDS = 60.0


class Service:
    """A running house; its log is kept, so that a test may look for what was said."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.log: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = self._wait_until_ready()
        self.client = httpx.Client(base_url=self.url, timeout=60, trust_env=False)
        sandbox_url = self.client.get("/api/config").json()["sandboxUrl"]
        self.sandbox = httpx.Client(base_url=sandbox_url, timeout=60, trust_env=False)

    def stop(self) -> None:
        self.client.close()
        self.sandbox.close()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=60)
        self._reader.join(timeout=30)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Find log lines by their event."""
        lines = (line for line in list(self.log) if name in line and line.startswith("{"))
        return [entry for line in lines if (entry := msgspec.json.decode(line))["event"] == name]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.log.append(line.rstrip("\n"))

    def _wait_until_ready(self) -> str:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for line in list(self.log):
                if found := READY.search(line):
                    return found.group(1)
            assert self._process.poll() is None, "\n".join(self.log)
            time.sleep(0.05)
        raise AssertionError("\n".join(self.log))


@contextmanager
def running_service(home: Path, **environment: str) -> Iterator[Service]:
    """Start ``guichet.py run`` on free ports and stop it at the end."""
    process = subprocess.Popen(
        [sys.executable, "guichet.py", "run"],
        cwd=ROOT,
        env=os.environ | {"PORT": "0", "GUICHET_HOME": str(home)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    service = Service(process)
    try:
        yield service
    finally:
        service.stop()


class Person:
    """Somebody signed in."""

    def __init__(self, service: Service, name: str, role: str = "buyer") -> None:
        answer = service.client.post(
            "/api/auth/sandbox-login", json={"name": name, "role": role}
        ).json()
        self.id = answer["user"]["id"]
        self.service = service
        self.headers = {"Authorization": f"Bearer {answer['token']}"}

    def order(self, event_id: int, ticket_type_id: int, **body: Any) -> httpx.Response:  # noqa: ANN401
        return self.service.client.post(
            f"/api/events/{event_id}/orders",
            json={"ticketTypeId": ticket_type_id} | body,
            headers=self.headers,
        )

    def see(self, event_id: int, order_id: int) -> dict[str, Any]:
        answer = self.service.client.get(
            f"/api/events/{event_id}/orders/{order_id}", headers=self.headers
        )
        assert answer.status_code == 200, answer.text
        seen: dict[str, Any] = answer.json()
        return seen

    def cancel(self, event_id: int, order_id: int) -> httpx.Response:
        return self.service.client.post(
            f"/api/events/{event_id}/orders/{order_id}/cancel", headers=self.headers
        )


def act(service: Service, attempt_no: str, deed: str = "pay", **options: Any) -> httpx.Response:  # noqa: ANN401
    """Do at the provider what a payer or the provider would do."""
    return service.sandbox.post(f"/control/trades/{attempt_no}/{deed}", json=options)


def trade_status(service: Service, attempt_no: str) -> str:
    """Ask the provider's books."""
    answer = service.sandbox.get("/control/trades", params={"order_no": attempt_no[:16]})
    trades = {trade["out_trade_no"]: trade["status"] for trade in answer.json()["trades"]}
    status: str = trades[attempt_no]
    return status


def eventually(what: Any, *, within: float = PATIENCE_SECONDS) -> Any:  # noqa: ANN401 - whatever *what* finds
    """Wait until *what* returns something true, and return that."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {within} s: {what}")
