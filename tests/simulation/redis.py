"""Redis as far as leases use it: keys that expire, compare-and-delete, and much forgetfulness."""

import asyncio
from typing import Any, Self

from redis.exceptions import ConnectionError as RedisConnectionError

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

    def eval(self, _script: str, _count: int, key: str, owner: str) -> int:
        """Delete the key if it is its owner's: the one script there is."""
        if self.get(key) != owner:
            return 0
        del self._keys[key]
        return 1


class RedisClient:
    """One process's client."""

    def __init__(self, server: RedisServer, wire: Wire) -> None:
        self.server = server
        self.wire = wire

    def pipeline(self, *, transaction: bool) -> "_Pipeline":
        """Collect commands for one round trip."""
        assert not transaction
        return _Pipeline(self)


class _Pipeline:
    def __init__(self, client: RedisClient) -> None:
        self._client = client
        self._commands: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def set(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as redis-py has it
        self._commands.append(("set", args, options))

    def eval(self, *args: Any) -> None:  # noqa: ANN401 - as redis-py has it
        self._commands.append(("eval", args, {}))

    async def execute(self) -> list[Any]:
        server, wire = self._client.server, self._client.wire
        if wire.is_cut or server.is_away or wire.happens(wire.chances.redis_lost):
            raise RedisConnectionError
        commands = self._commands

        def work(answer: "asyncio.Future[Any]") -> None:
            told = [getattr(server, name)(*args, **opts) for name, args, opts in commands]
            if not answer.done():
                answer.set_result(told)

        slow = wire.happens(wire.chances.slow)
        return list(await wire.call(_SLOW_SECONDS if slow else wire.delay() / 4, work))
