"""The API as a process: what it survives, what it waits for, and that it leaves nothing behind."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path
from threading import Thread

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sandbox.embedded.ports import claim_port
from sandbox.embedded.postgres import EmbeddedPostgres
from sandbox.embedded.redis import EmbeddedRedis
from tests.api.service import ROOT, Buyer, Service, running_service
from tests.api.test_doors import is_problem
from tests.sandbox.simulator import wait_until

Start = Callable[..., Service]
# As the kernel writes a socket's state (include/net/tcp_states.h).
ESTABLISHED, LISTENS = "01", "0A"


@pytest.fixture
def start(environ: dict[str, str], api_home: Path) -> Iterator[Start]:
    with contextlib.ExitStack() as stack:

        def started(**changes: str) -> Service:
            folder = api_home / f"api {time.monotonic_ns()}"
            return stack.enter_context(running_service(environ, folder, **changes))

        yield started


def workers_of(service: Service) -> set[int]:
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children")
    return {int(pid) for pid in children.read_text().split()}


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def get(service: Service, path: str) -> httpx.Response:
    # A connection of its own each time, so that any worker may answer.
    with service.client() as client:
        return client.get(path)


def sockets_of(service: Service, state: str) -> set[str]:
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    here = f"0100007F:{service.port:04X}"
    return {f"socket:[{row[9]}]" for row in rows if (row[1], row[3]) == (here, state)}


def connections_of(service: Service) -> list[set[str]]:
    """List the connections of each worker."""
    connections = sockets_of(service, ESTABLISHED)
    return [connections & files_of(pid) for pid in workers_of(service)]


def files_of(pid: int) -> set[str]:
    return {str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()}


def deaths_in(log: Path) -> list[datetime]:
    lines = [json.loads(line) for line in log.read_bytes().splitlines()]
    return [
        datetime.fromisoformat(line["timestamp"])
        for line in lines
        if line["event"] == "api.worker.died"
    ]


def is_ready(service: Service) -> bool:
    try:
        return get(service, "/health/ready").is_success
    except httpx.TransportError:
        return False


def count(service: Service, line: str) -> float:
    page = get(service, "/metrics").text.splitlines()
    return sum(float(one.rpartition(" ")[2]) for one in page if one.startswith(line))


class TestTheProcess:
    def test_replaces_a_worker_that_died(self, start: Start) -> None:
        service = start()
        before = workers_of(service)
        victim = next(iter(before))
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len(workers_of(service) - before) == 1)

        wait_until(lambda: is_ready(service))

    def test_takes_its_workers_with_it(self, start: Start) -> None:
        service = start()
        workers = workers_of(service)
        assert len(workers) == 2
        service.process.kill()
        service.process.wait()

        wait_until(lambda: not any(is_alive(pid) for pid in workers))

    def test_ends_soon_and_well_when_told_to(self, start: Start) -> None:
        service = start()
        with service.client() as idle:
            idle.get("/health/live")
            service.process.terminate()

            assert service.process.wait(30) == 0
        # They came to their own end; none was killed for being late.
        assert "api.worker.killed" not in service.log.read_text()

    def test_ends_soon_although_a_worker_is_frozen(self, start: Start) -> None:
        service = start()
        workers = workers_of(service)
        os.kill(next(iter(workers)), signal.SIGSTOP)
        service.process.terminate()

        assert service.process.wait(30) == 0
        assert service.log.read_text().count("api.worker.killed") == 1
        assert not any(is_alive(pid) for pid in workers)

    def test_finishes_what_is_under_way_when_told_to_stop(self, start: Start) -> None:
        service = start(API_WORKERS="1")
        body = b'{"name": "ann"}'
        head = b"POST /api/auth/sandbox-login HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n"
        with socket.create_connection(("127.0.0.1", service.port), timeout=30) as line:
            line.sendall(head + body[:7])
            # The request is at its door once another, sent later, has been answered.
            get(service, "/health/live")
            service.process.terminate()
            time.sleep(0.5)
            line.sendall(body[7:])
            answer = line.recv(65536)

        assert answer.startswith(b"HTTP/1.1 200 ")
        assert service.process.wait(30) == 0

    def test_shares_its_connections_among_its_workers(self, start: Start) -> None:
        service = start()
        wait_until(lambda: len(sockets_of(service, LISTENS)) == 2)
        with contextlib.ExitStack() as stack:
            for _ in range(64):
                address = ("127.0.0.1", service.port)
                stack.enter_context(socket.create_connection(address, timeout=30))
            wait_until(lambda: sum(map(len, connections_of(service))) == 64)

            # Less than this for one of two would happen once in a thousand million times.
            assert min(map(len, connections_of(service))) > 8

    def test_does_not_share_its_port_with_another_server(self, service: Service) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "api.app"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **service.environ},
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )

        assert done.returncode == 1
        assert b"Cannot listen on 127.0.0.1:" in done.stderr

    def test_replaces_a_worker_that_cannot_start_once_a_second(
        self, environ: dict[str, str], api_home: Path
    ) -> None:
        log = api_home / "cannot start"
        with claim_port() as port, claim_port() as nobody, log.open("wb") as output:
            changes = {
                "PORT": str(port.number),
                "API_WORKERS": "1",
                "DATABASE_URL": f"postgresql://nobody@127.0.0.1:{nobody.number}/nothing",
            }
            process = subprocess.Popen(
                [sys.executable, "-m", "api.app"],
                cwd=ROOT,
                env=os.environ | environ | changes,
                stdout=output,
                stderr=subprocess.PIPE,
            )
            try:
                wait_until(lambda: len(deaths_in(log)) >= 3)
            finally:
                process.terminate()
                _, said = process.communicate(timeout=30)
        died_at = deaths_in(log)

        assert b"Connect call failed" not in log.read_bytes() + said
        assert "api.process.failed" in log.read_text()
        assert all(later - earlier > timedelta(seconds=0.9) for earlier, later in pairwise(died_at))

    def test_says_everything_that_keeps_it_from_starting(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "api.app"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "APP_ENV": "sandbox"},
            stderr=subprocess.PIPE,
            check=False,
        )

        assert done.returncode == 78
        assert b"DATABASE_URL is missing" in done.stderr
        assert b"JWT_SECRET is missing" in done.stderr

    def test_has_no_sandbox_doors_in_production(
        self, start: Start, environ: dict[str, str]
    ) -> None:
        service = start(
            APP_ENV="production",
            SANDBOX_URL="",
            WECHAT_PAY_GATEWAY="",
            WECHAT_API_BASE="",
            WECHAT_OPEN_BASE="",
            WECHAT_SERVICE_ACCOUNT_APP_SECRET="",
            WECHAT_MINIPROGRAM_APP_SECRET="",
            JWT_SECRET="r" * 64,
            GIFT_CODE_KEY="g" * 64,
            TICKET_CODE_KEY="t" * 64,
            PAYMENT_WEBHOOK_SECRET="",
        )
        with service.client() as client:
            answer = client.post("/api/auth/sandbox-login", json={"name": "ann"})

        assert environ["APP_ENV"] == "sandbox"
        assert is_problem(answer, 404, "NOT_FOUND")

    def test_opens_to_the_origins_it_was_told(self, start: Start) -> None:
        service = start(CORS_ALLOW_ORIGINS="https://shop.example")
        with service.client(Origin="https://shop.example") as client:
            answer = client.get("/api/config")

        assert answer.headers["access-control-allow-origin"] == "https://shop.example"

    def test_sells_without_channels_when_another_provider_is_chosen(self, start: Start) -> None:
        buyer = Buyer(start(PAYMENT_PROVIDER="mock"))
        order = buyer.order(prepare=True).json()
        buyer.http.close()

        assert (order["channel"], order["payPayload"]) == (None, None)
        assert "prepareError" not in order

    def test_needs_no_word_of_wechat_to_sell_at_the_mock_provider(
        self, start: Start, environ: dict[str, str]
    ) -> None:
        nothing = dict.fromkeys([name for name in environ if name.startswith("WECHAT_")], "")
        service = start(**nothing, PAYMENT_PROVIDER="mock")
        wait_until(lambda: is_ready(service))
        buyer = Buyer(service)
        # An old shell of a Mini Program, where WeChat Pay would need a bridge.
        order = buyer.order(prepare=True, clientContext={"environmentType": "miniprogram"})
        buyer.http.close()

        assert order.status_code == 201
        told = order.json()
        assert (told["channel"], told["payPayload"], told["paymentMethod"]) == (None, None, None)
        assert told["status"] == "PENDING"
        assert "prepareError" not in told

    def test_says_what_a_provider_lacks_that_is_to_take_orders(
        self, environ: dict[str, str]
    ) -> None:
        lacking = {"PAYMENT_WEBHOOK_SECRET": "", "SANDBOX_URL": "", "PAYMENT_PROVIDER": "mock"}
        done = subprocess.run(
            [sys.executable, "-m", "api.app"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **environ, **lacking},
            stderr=subprocess.PIPE,
            check=False,
        )

        assert done.returncode == 78
        assert b"PAYMENT_WEBHOOK_SECRET is missing" in done.stderr
        assert b"MOCK_GATEWAY is missing" in done.stderr

    def test_drops_the_legacy_fields_when_told_to(self, start: Start) -> None:
        buyer = Buyer(start(LEGACY_PAYMENT_FIELDS="0"))
        order = buyer.order(prepare=True).json()
        buyer.http.close()

        assert order["payPayload"]["codeUrl"]
        assert "codeUrl" not in order


class TestWithoutItsStores:
    def test_it_is_alive_but_sells_nothing_until_the_database_is_back(
        self, service: Service, buyer: Buyer, api_postgres: EmbeddedPostgres
    ) -> None:
        api_postgres.stop()
        try:
            assert get(service, "/health/live").is_success
            ready = get(service, "/health/ready")
            order = buyer.order()
        finally:
            api_postgres.start()

        assert (ready.status_code, ready.json()["status"]) == (503, "down")
        assert ready.json()["checks"]["database"] == "unavailable"
        assert is_problem(order, 503, "OVERLOADED")
        assert order.headers["retry-after"]
        wait_until(lambda: is_ready(service))
        wait_until(lambda: buyer.order().is_success)

    def test_it_sells_all_the_same_when_redis_is_gone(self, start: Start, api_home: Path) -> None:
        home = api_home / "redis"
        home.mkdir()
        redis = EmbeddedRedis(home)
        service = start(REDIS_URL=redis.start(), API_WORKERS="1")
        assert get(service, "/health/ready").json()["status"] == "ok"
        redis.stop()

        ready = get(service, "/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        buyer = Buyer(service)
        assert buyer.order(prepare=True).json()["payPayload"]["codeUrl"]
        buyer.http.close()


class TestItsMetrics:
    def test_are_those_of_all_workers_also_of_dead_ones(self, start: Start) -> None:
        service = start()
        line = 'guichet_http_requests_total{method="GET",route="/api/config",status="200"}'
        for _ in range(20):
            get(service, "/api/config")
        # An answer may be ahead of its count by a turn of the loop.
        wait_until(lambda: count(service, line) == 20.0)
        assert {count(service, line) for _ in range(5)} == {20.0}

        for victim in workers_of(service):
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda victim=victim: victim not in workers_of(service))  # type: ignore[misc]
        wait_until(lambda: is_ready(service))
        assert count(service, line) == 20.0

    def test_leave_no_file_per_dead_worker(self, start: Start) -> None:
        service = start(API_WORKERS="1")
        get(service, "/api/config")
        folder = Path(service.environ["PROMETHEUS_MULTIPROC_DIR"])
        (victim,) = workers_of(service)
        assert list(folder.glob(f"*_{victim}.db"))
        os.kill(victim, signal.SIGKILL)

        wait_until(lambda: not list(folder.glob(f"*_{victim}.db")))


class TestItsTraces:
    def test_follow_a_purchase_to_the_collector(self, start: Start) -> None:
        with collector() as (url, spans):
            service = start(OTEL_EXPORTER_OTLP_ENDPOINT=url, API_WORKERS="1")
            buyer = Buyer(service)
            order = buyer.order(prepare=True).json()
            buyer.http.close()
            wait_until(lambda: "POST /api/events/{event_id}/orders" in {s.name for s in spans})

        request = next(s for s in spans if s.name == "POST /api/events/{event_id}/orders")
        attributes = {a.key: a.value for a in request.attributes}
        assert request.kind == Span.SPAN_KIND_SERVER
        assert attributes["guichet.order.id"].int_value == order["orderId"]
        assert attributes["guichet.channel"].string_value == "WECHAT_NATIVE"
        assert attributes["http.response.status_code"].int_value == 201
        inside = {s.name for s in spans if s.trace_id == request.trace_id}
        assert {"order.turn", "wechat.open"} <= inside


@contextlib.contextmanager
def collector() -> Iterator[tuple[str, list[Span]]]:
    spans: list[Span] = []

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    spans.extend(scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = HTTPServer(("127.0.0.1", 0), Door)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", spans
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
