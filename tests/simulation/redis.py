"""Redis as far as leases use it: keys that expire, compare-and-delete, and much forgetfulness."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError

from actors import lease
from tests.simulation.loop import VirtualLoop
from tests.simulation.wires import Wire

# Longer than anybody waits for Redis.
_SLOW_SECONDS = 0.2


class RedisServer:
    """Keys with the time until which they live."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._keys: dict[str, tuple[str, float]] = {}
        self.is_away = False

    def flush(self) -> None:
        """Forget everything, as FLUSHALL does."""
        self._keys.clear()

    def set(self, key: str, value: str, *, nx: bool, px: int) -> bool | None:
        """SET, and with *nx* only a key that is not there."""
        if nx and self.get(key) is not None:
            return None
        self._keys[key] = (value, self._loop.time() + px / 1000)
        return True

    def get(self, key: str) -> str | None:
        """GET."""
        value, until = self._keys.get(key, ("", 0.0))
        return value if self._loop.time() < until else None

    def acquire(self, keys: Sequence[str], owner: str, px: str) -> list[int]:
        """Run the script that takes leases: which of the keys were free, counted from 1."""
        return [
            place for place, key in enumerate(keys, 1) if self.set(key, owner, nx=True, px=int(px))
        ]

    def release(self, keys: Sequence[str], owner: str) -> None:
        """Run the script that gives leases back: delete what is its owner's."""
        for key in keys:
            if self.get(key) == owner:
                del self._keys[key]


class RedisClient:
    """One process's client."""

    def __init__(self, server: RedisServer, wire: Wire) -> None:
        self.server = server
        self.wire = wire

    async def eval(self, script: str, count: int, *given: Any) -> Any:  # noqa: ANN401 - as redis-py
        """Run one of the two scripts there are."""
        if (
            self.wire.is_cut
            or self.server.is_away
            or self.wire.happens(self.wire.chances.redis_lost)
        ):
            raise RedisConnectionError
        keys, arguments = given[:count], given[count:]
        scripts: dict[str, Callable[..., object]] = {
            lease._ACQUIRE: self.server.acquire,  # noqa: SLF001 - stands for what it does
            lease._RELEASE: self.server.release,  # noqa: SLF001 - stands for what it does
        }
        run = scripts[script]

        def work(answer: "asyncio.Future[Any]") -> None:
            told = run(keys, *arguments)
            if not answer.done():
                answer.set_result(told)

        slow = self.wire.happens(self.wire.chances.slow)
        return await self.wire.call(_SLOW_SECONDS if slow else self.wire.delay() / 4, work)
