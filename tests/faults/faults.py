"""Everything that may go wrong, each as something that can be done to a running house.

A fault drives a buyer through it and returns when that buyer is served; what is left over then
is for the house to put right by itself.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import asyncpg
import msgspec
from redis import Redis

from runtime.failpoints import Deed, Misfortune
from sandbox.embedded.store import EmbeddedStore, StoreFailedError
from tests.faults import buyers
from tests.faults.buyers import FLOWS, STANDARD, Buyer, Ledger
from tests.faults.house import FaultHouse
from tests.faults.proxy import AN_OPENING, COMMIT

Act = Callable[[FaultHouse, Ledger], None]

# The server ends a frozen transaction after five seconds; the next in line needs a moment.
THAWED_WITHIN_SECONDS = 40.0
# The kernel gives a frozen process its share of new connections: of many who ask, and soon ask
# again, some get past it at once.
_RESTLESS_SECONDS = 1.0
_MANY = 8


class Fault(msgspec.Struct, frozen=True):
    """One thing that may go wrong; *family* is its line in the table."""

    family: str
    name: str
    act: Act


def kill_at(flow: str, point: str) -> Fault:
    """Kill the process that comes by *point* while a buyer goes through *flow*."""

    def act(house: FaultHouse, ledger: Ledger) -> None:
        mine = Ledger()
        house.arm(point, Misfortune(deed=Deed.KILL))
        FLOWS[flow](house, mine)
        ledger.take(mine)
        # What only the worker comes by may take until the order is brought to its end.
        house.until(lambda: _is_struck(house, point, mine), every=0.3)

    return Fault(f"kill -9 in {flow}", f"kill -9 at {point} in {flow}", act)


def _is_struck(house: FaultHouse, point: str, mine: Ledger) -> bool:
    house.rows(
        "UPDATE orders SET expired_at = now() - interval '1 s'"
        " WHERE status = 'PENDING' AND id = ANY($1::bigint[])",
        list(mine.sold),
    )
    house.time_passes()
    return house.struck(point) is not None


@contextmanager
def _frozen(house: FaultHouse, point: str, attempt: Callable[[], object]) -> Iterator[int]:
    """Have *attempt* stop its process at *point*; the process goes on at the end."""
    house.arm(point, Misfortune(deed=Deed.STOP))
    thread = threading.Thread(target=attempt)
    thread.start()
    pid = house.until(lambda: house.struck(point))
    assert pid is not None
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGCONT)
        thread.join()


@contextmanager
def _at_once(*attempts: Callable[[], object]) -> Iterator[list[Future[object]]]:
    """Make *attempts* side by side; all of them have ended when this does."""
    with ThreadPoolExecutor(len(attempts)) as pool:
        asked = [pool.submit(attempt) for attempt in attempts]
        yield asked
    for future in asked:
        future.result()


def freeze_lease_holder(house: FaultHouse, ledger: Ledger) -> None:
    """Freeze who holds an order's lease; somebody else ends the order; the write is refused."""
    _overtake_cancel(house, ledger, "cancel.loaded")


def freeze_before_the_turn(house: FaultHouse, ledger: Ledger) -> None:
    """Freeze who has a lease and no transaction yet, past the lease's end."""
    _overtake_cancel(house, ledger, "cancel.leased")


def _overtake_cancel(house: FaultHouse, ledger: Ledger, point: str) -> None:
    buyer = Buyer(house, ledger, patience_seconds=_RESTLESS_SECONDS)
    order = buyer.order(prepare=False)

    def cancel() -> None:
        buyer.cancel(order)

    with ExitStack() as thawed_before_all_end, _frozen(house, point, cancel):
        thawed_before_all_end.enter_context(_at_once(*[cancel] * _MANY))
        house.until(lambda: _status(house, order) == "CANCELLED", within=THAWED_WITHIN_SECONDS)


def freeze_seat_holder(house: FaultHouse, ledger: Ledger) -> None:
    """Freeze who holds the ticket type; others buy as soon as the server ends its transaction."""

    def buyer() -> Buyer:
        return Buyer(house, ledger, patience_seconds=_RESTLESS_SECONDS)

    frozen, others = buyer(), [buyer() for _ in range(_MANY)]
    with (
        ExitStack() as thawed_before_all_end,
        _frozen(house, "create.counted", lambda: frozen.order(prepare=False)),
    ):
        asked = thawed_before_all_end.enter_context(
            _at_once(*[partial(other.order, prepare=False) for other in others])
        )
        served = wait(asked, timeout=THAWED_WITHIN_SECONDS, return_when=FIRST_COMPLETED).done
    assert served, f"the event was frozen for more than {THAWED_WITHIN_SECONDS} s"


def freeze_order_holder(house: FaultHouse, ledger: Ledger) -> None:
    """Freeze who has written an order's payment and not committed it."""
    buyer = Buyer(house, ledger, patience_seconds=_RESTLESS_SECONDS)
    order = buyer.order()
    with _frozen(house, "record_payment.written", lambda: buyer.pay(order)):
        buyers.wait_through_claims(buyer, order, "PAID")


def _status(house: FaultHouse, order: dict[str, Any]) -> str:
    status: str = house.value("SELECT status FROM orders WHERE id = $1", order["orderId"])
    return status


# Redis.


def flush_redis(house: FaultHouse, ledger: Ledger) -> None:
    """Empty Redis while orders are being paid."""
    with Redis.from_url(house.redis.url) as client:
        buyers.settle(house, ledger)
        client.flushall()
        buyers.settle(house, ledger)
        client.flushall()
        buyers.close(house, ledger)


def stop_redis(house: FaultHouse, ledger: Ledger) -> None:
    """Stop Redis, serve everybody, start it again."""
    buyer = Buyer(house, ledger)
    order = buyer.order()
    house.redis.stop()
    try:
        buyer.pay(order)
        buyer.wait_for(order, "PAID")
        buyers.close(house, ledger)
        buyers.expire(house, ledger)
    finally:
        house.redis.start()


def restart_redis(house: FaultHouse, ledger: Ledger) -> None:
    """Restart Redis between an order and its payment."""
    buyer = Buyer(house, ledger)
    order = buyer.order()
    house.redis.stop()
    house.redis.start()
    buyer.pay(order)
    buyer.wait_for(order, "PAID")


def freeze_redis(house: FaultHouse, ledger: Ledger) -> None:
    """Have Redis accept connections and answer nothing."""
    assert house.redis.process is not None
    house.redis.process.send_signal(signal.SIGSTOP)
    try:
        buyers.settle(house, ledger)
    finally:
        house.redis.process.send_signal(signal.SIGCONT)


def start_without_redis(house: FaultHouse, ledger: Ledger) -> None:
    """Start the service while Redis is not there, and serve everybody."""
    house.redis.stop()
    try:
        house.stop_processes("api", "worker-1", "worker-2")
        house.start_processes()
        buyers.settle(house, ledger)
        buyers.expire(house, ledger)
    finally:
        house.redis.start()


# PostgreSQL.


def restart_postgres(house: FaultHouse, ledger: Ledger) -> None:
    """Restart PostgreSQL as an operator would, between an order and its payment."""
    buyer = Buyer(house, ledger)
    order = buyer.order()
    buyer.pay(order, delay_ms=200)
    house.postgres.stop()
    house.postgres.start()
    buyer.wait_for(order, "PAID")


def kill_postgres(house: FaultHouse, ledger: Ledger) -> None:
    """Kill PostgreSQL outright; it recovers from its log."""
    buyer = Buyer(house, ledger)
    order = buyer.order()
    buyer.pay(order)
    assert house.postgres.process is not None
    os.killpg(house.postgres.process.pid, signal.SIGKILL)
    house.postgres.stop()
    # Its children hold its memory until they notice; a new server refuses to start before.
    house.until(lambda: _starts(house.postgres), every=0.2)
    buyer.wait_for(order, "PAID")


def _starts(store: EmbeddedStore) -> bool:
    try:
        store.start()
    except StoreFailedError:
        return False
    return True


def terminate_connections(house: FaultHouse, ledger: Ledger) -> None:
    """Have the server end every connection while a transaction is open."""
    house.arm("create.counted", Misfortune(deed=Deed.SLEEP, sleep_ms=300))
    buyer = Buyer(house, ledger)
    thread = threading.Thread(target=buyer.order)
    thread.start()
    house.until(lambda: house.struck("create.counted"))
    house.rows(
        """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE application_name = 'guichet' AND pid <> pg_backend_pid()"""
    )
    thread.join()


def cut_the_wire(house: FaultHouse, ledger: Ledger) -> None:
    """Hang up every connection to the database while a payment is being written."""
    house.arm("record_payment.written", Misfortune(deed=Deed.SLEEP, sleep_ms=300))
    buyer = Buyer(house, ledger)
    order = buyer.order()
    buyer.pay(order)
    house.until(lambda: house.struck("record_payment.written"))
    house.run(_cut(house))
    buyer.wait_for(order, "PAID")


async def _cut(house: FaultHouse) -> None:
    house.wire.cut()


def lose_commit_of(flow: str, command: str, *, by: bytes = COMMIT) -> Fault:
    """Lose the answer to what commits after *command* in *flow*: a COMMIT, or one statement."""

    def act(house: FaultHouse, ledger: Ledger) -> None:
        # Held for a moment just before its COMMIT, so that the right answer is lost.
        house.arm(command, Misfortune(deed=Deed.SLEEP, sleep_ms=600))
        lost = house.wire.answers_lost
        house.wire.loses = by
        thread = threading.Thread(target=FLOWS[flow], args=(house, ledger))
        thread.start()
        house.until(lambda: house.struck(command))
        house.wire.answers_to_lose = 1
        while thread.is_alive():
            house.tend()
            time.sleep(0.03)
        # On a machine so slow that this COMMIT was through already, the next one's is lost.
        while house.wire.answers_lost == lost:
            FLOWS[flow](house, ledger)

    return Fault("reply to COMMIT lost", f"reply to COMMIT lost after {command}", act)


def deadlock(house: FaultHouse, ledger: Ledger) -> None:
    """Take the locks of a cancel in the wrong order; the server picks a victim."""
    buyer = Buyer(house, ledger)
    order = buyer.order(prepare=False)
    thread = threading.Thread(target=buyer.cancel, args=(order,))
    house.run(_wrong_order(house, order["orderId"], thread.start))
    thread.join()


async def _wrong_order(house: FaultHouse, order_id: int, begin: Callable[[], None]) -> None:
    connection = await asyncpg.connect(house.postgres.url)
    try:
        async with connection.transaction():
            # Patient enough that the service is the one to notice, and to repeat.
            await connection.execute("SET LOCAL deadlock_timeout = '20s'")
            await connection.execute("SELECT FROM ticket_types WHERE id = $1 FOR UPDATE", STANDARD)
            await connection.execute("SAVEPOINT free")
            begin()
            # Once the service has the order it waits for the ticket type, which is here.
            while await connection.fetch(
                "SELECT FROM orders WHERE id = $1 FOR UPDATE SKIP LOCKED", order_id
            ):
                await connection.execute("ROLLBACK TO SAVEPOINT free")
            await connection.execute("SELECT FROM orders WHERE id = $1 FOR UPDATE", order_id)
    finally:
        await connection.close()


def lock_timeout(house: FaultHouse, ledger: Ledger) -> None:
    """Hold the ticket type for longer than anybody may wait for it."""
    buyer = Buyer(house, ledger, patience_seconds=20)
    thread = threading.Thread(target=lambda: buyer.order(prepare=False))
    house.run(_hold_type(house, thread.start, lambda: buyer.put_off > 0))
    thread.join()
    assert buyer.put_off > 0


async def _hold_type(
    house: FaultHouse, begin: Callable[[], None], enough: Callable[[], bool]
) -> None:
    connection = await asyncpg.connect(house.postgres.url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM ticket_types WHERE id = $1 FOR UPDATE", STANDARD)
            begin()
            while not enough():
                await connection.execute("SELECT pg_sleep(0.1)")
    finally:
        await connection.close()


# The provider.


def provider_fails(operation: str, mode: str) -> Fault:
    """Have the provider fail at *operation* in the simulator's *mode*, twice."""
    flow = {"open": "prepare", "query": "ask", "close": "expire", "refund": "refund"}[operation]

    def act(house: FaultHouse, ledger: Ledger) -> None:
        delay_ms = 12_000 if mode in ("timeout_after", "hang_before") else None
        count = 1 if delay_ms else 2
        words = {"open": "native"}.get(operation, operation)
        house.spoil(words, mode, count=count, delay_ms=delay_ms)
        FLOWS[flow](house, ledger)

    names = {
        "timeout_after": "done, then silence",
        "hang_before": "silence, then done",
        "error_500": "5xx",
        "rate_limited": "429",
        "bad_signature": "bad signature",
        "signtest": "signature probe",
    }
    return Fault(f"provider: {names[mode]}", f"{operation}: {names[mode]}", act)


def notices(mode: str) -> Fault:
    """Have the provider's notices go astray in *mode*, three times."""

    def act(house: FaultHouse, ledger: Ledger) -> None:
        house.spoil("notice", mode, count=3, delay_ms=500)
        buyers.settle(house, ledger)

    names = {
        "error_500": "lost",
        "timeout_after": "answer lost",
        "hang_before": "late",
        "bad_signature": "badly signed",
        "signtest": "probes",
    }
    return Fault(f"notices {names[mode]}", f"notices {names[mode]}", act)


def notice_a_hundred_times(house: FaultHouse, ledger: Ledger) -> None:
    """Send one notice a hundred times over."""
    buyer = Buyer(house, ledger)
    order = buyer.order()
    buyer.pay(order, duplicate=100)
    buyer.wait_for(order, "PAID")
    number = order["orderNo"] + "01"
    # Of so many at once some may wait longer for an answer than the provider does.
    house.until(lambda: len(_sent(house, number)) >= 100)
    assert _answered(house, number)
    rows = house.rows("SELECT FROM payments WHERE attempt_no = $1", number)
    assert len(rows) == 1


def notices_under_other_names(house: FaultHouse, ledger: Ledger) -> None:
    """Send the same payment under twenty ids."""
    buyer = Buyer(house, ledger)
    order = buyer.order()
    buyer.pay(order)
    for _ in range(20):
        craft(house, order)
    buyer.wait_for(order, "PAID")


def notices_reordered(house: FaultHouse, ledger: Ledger) -> None:
    """Let the order's end, the close and the answer to a query overtake the notice of payment."""
    buyer = Buyer(house, ledger)
    order = buyer.order()
    house.spoil("notice", "hang_before", delay_ms=1500)
    buyer.pay(order)
    buyers.end_time(house, order)
    buyer.wait_for(order, "PAID")
    house.until(lambda: _answered(house, order["orderNo"] + "01"))


def notice_days_late(house: FaultHouse, ledger: Ledger) -> None:
    """Let money taken in time be told of when the order ended three days ago."""
    buyer = Buyer(house, ledger)
    order = buyer.order()
    number = order["orderNo"] + "01"
    house.rows(
        "UPDATE payment_attempts SET state = 'CLOSED', due_at = NULL WHERE attempt_no = $1", number
    )
    buyer.pay(order, drop=True)
    buyers.end_time(house, order)
    buyer.wait_for(order, "EXPIRED")
    house.rows(
        """UPDATE orders SET expired_at = expired_at - interval '3 days',
             created_at = created_at - interval '3 days' WHERE id = $1""",
        order["orderId"],
    )
    # The same notice, freshly signed.
    buyer.pay(order)
    house.until(
        lambda: house.value(
            "SELECT id FROM refunds WHERE order_id = $1 AND status = 'succeeded'", order["orderId"]
        ),
        within=60,
    )
    ledger.seen[order["orderId"]] = "EXPIRED"


def craft(house: FaultHouse, order: dict[str, Any], **overrides: object) -> dict[str, Any]:
    """Have the provider send one more notice about an order's first attempt."""
    answer = house.sandbox.post(
        "/control/notices",
        json={"out_trade_no": order["orderNo"] + "01", "kind": "success", "overrides": overrides},
    )
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def _answered(house: FaultHouse, number: str) -> list[dict[str, Any]]:
    return [notice for notice in _sent(house, number) if notice["status"] is not None]


def _sent(house: FaultHouse, number: str) -> list[dict[str, Any]]:
    answer = house.sandbox.get("/control/notices", params={"out_trade_no": number}).json()
    sent: list[dict[str, Any]] = answer["notices"]
    return sent


def _plain(family: str, *acts: Act) -> list[Fault]:
    return [Fault(family, act.__name__.replace("_", " "), act) for act in acts]


SINGLE = [
    *_plain(
        "SIGSTOP, overtaken, SIGCONT",
        freeze_lease_holder,
        freeze_before_the_turn,
        freeze_seat_holder,
        freeze_order_holder,
    ),
    *_plain("Redis emptied", flush_redis),
    *_plain("Redis stopped, restarted or frozen", stop_redis, restart_redis, freeze_redis),
    *_plain("Redis absent from the start", start_without_redis),
    *_plain("PostgreSQL restarted or killed", restart_postgres, kill_postgres),
    *_plain("connections cut", terminate_connections, cut_the_wire),
    lose_commit_of("create", "create.counted"),
    lose_commit_of("prepare", "record_opened.seen", by=AN_OPENING),
    lose_commit_of("settle", "record_payment.written"),
    lose_commit_of("close", "cancel.written"),
    lose_commit_of("refund", "record_refund.written"),
    *_plain("deadlock", deadlock),
    *_plain("lock timeout", lock_timeout),
    *(
        provider_fails(operation, mode)
        for operation in ("open", "query", "close", "refund")
        for mode in ("error_500", "rate_limited", "bad_signature")
    ),
    *(provider_fails(op, "timeout_after") for op in ("open", "query", "close", "refund")),
    provider_fails("open", "hang_before"),
    provider_fails("refund", "signtest"),
    *map(notices, ("error_500", "timeout_after", "hang_before", "bad_signature", "signtest")),
    *_plain("notices repeated", notice_a_hundred_times, notices_under_other_names),
    *_plain("notices reordered", notices_reordered),
    *_plain("notices days late", notice_days_late),
]
