"""Where the code under test would read the machine's clock or throw its own dice."""

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import structlog

import actors.attempt_calls
import actors.checkout
import actors.lane
import actors.lease
import actors.openings
import actors.wishes
import jobs.expire
import jobs.sweep

if TYPE_CHECKING:
    from tests.simulation.world import World


@contextlib.contextmanager
def patched(world: "World") -> Iterator[None]:
    """Put the seed's clock and dice where ours would read the machine's."""
    clock = SimpleNamespace(monotonic=world.loop.time, time_ns=lambda: 0)
    dice = SimpleNamespace(uniform=world.random.uniform)
    owners = SimpleNamespace(token_hex=lambda n: f"{world.random.getrandbits(8 * n):x}")
    wall = SimpleNamespace(now=lambda _zone: world.clock())
    seams: list[tuple[Any, str, Any]] = [
        (actors.lane, "random", dice),
        (actors.lease, "time", clock),
        (actors.lease, "secrets", owners),
        (actors.wishes, "time", clock),
        (actors.attempt_calls, "datetime", wall),
        (actors.checkout, "datetime", wall),
        (actors.openings, "datetime", wall),
        (jobs.expire, "time", clock),
        (jobs.sweep, "time", clock),
    ]
    real = [(module, name, getattr(module, name)) for module, name, _ in seams]
    try:
        for module, name, stand_in in seams:
            setattr(module, name, stand_in)
        yield
    finally:
        for module, name, original in real:
            setattr(module, name, original)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Say nothing: what a seed has to tell is in its history."""
    said = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        yield
    finally:
        structlog.configure(**said)
