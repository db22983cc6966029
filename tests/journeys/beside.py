"""Another api process of a house that runs, told something else; and a relay in front of them.

So does an operator change a setting: a new process is started with it, and traffic goes there.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from sandbox.embedded.ports import claim_port
from sandbox.supervisor.environment import Addresses, service_environ
from sandbox.supervisor.keys import keys_of
from tests.journeys.service import ROOT, START_SECONDS, Service

_HOP = {"host", "content-length", "connection", "accept-encoding", "transfer-encoding"}


def environ_of(
    service: Service, home: Path, *, database_url: str, redis_url: str, app_url: str = ""
) -> dict[str, str]:
    """Tell a process what those of a running house are told; *app_url* where it is not its own."""
    addresses = Addresses(
        port=service.client.base_url.port or 0,
        sandbox_port=service.sandbox.base_url.port or 0,
        database_url=database_url,
        redis_url=redis_url,
    )
    return service_environ(
        os.environ | ({"APP_URL": app_url} if app_url else {}),
        keys=keys_of(home),
        addresses=addresses,
        metrics=home / "metrics",
    )


@contextmanager
def api_beside(environ: dict[str, str], **changed: str) -> Iterator[httpx.Client]:
    """Start one more api process with the *environ* of a running house but for what is changed."""
    claim = claim_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "api.app"],
        cwd=ROOT,
        env=environ | changed | {"PORT": str(claim.number), "API_WORKERS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    client = httpx.Client(base_url=f"http://127.0.0.1:{claim.number}", timeout=20, trust_env=False)
    try:
        _wait_until_ready(process, client)
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(timeout=30)
        claim.release()


class Relay:
    """Stands where providers send to, and passes on to whichever process is *target*."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.target = ""

    def pass_on(self, path: str, headers: dict[str, str], body: bytes) -> httpx.Response:
        """Send a request on as it came."""
        kept = {name: value for name, value in headers.items() if name.lower() not in _HOP}
        with httpx.Client(trust_env=False, timeout=20) as client:
            return client.post(f"{self.target}{path}", content=body, headers=kept)


@contextmanager
def relaying() -> Iterator[Relay]:
    """Listen on a port of this machine."""

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = relay.pass_on(self.path, dict(self.headers), body)
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        relay = Relay(server.server_port)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield relay
        finally:
            server.shutdown()
            thread.join()


def _wait_until_ready(process: "subprocess.Popen[bytes]", client: httpx.Client) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the process ended with {process.returncode}"
        try:
            if client.get("/health/ready").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError("the process is not ready")
