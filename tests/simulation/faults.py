"""Blows: processes die and freeze, servers go away and come back."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.simulation.loop import Owner
from tests.simulation.process import Process

if TYPE_CHECKING:
    from tests.simulation.world import World


class Faults:
    """Strikes at random times while the world is not calm."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.counts: dict[str, int] = {}

    def start(self) -> "list[asyncio.Task[Any]]":
        """Begin to strike, each kind at its own pace."""
        chances = self._world.chances
        kinds: list[tuple[float, Callable[[], Any]]] = [
            (chances.crash_every, self._crash_somebody),
            (chances.pause_every, self._freeze_somebody),
            (chances.flush_every, self._flush),
            (chances.redis_away_every, self._stop_redis),
            (chances.database_away_every, self._stop_database),
            (chances.provider_away_every, self._stop_provider),
        ]
        spawn = self._world.loop.spawn
        return [spawn(None, self._strike(every, blow)) for every, blow in kinds if every] + [
            spawn(None, self._raise_the_dead())
        ]

    def heal(self) -> None:
        """Stop all of it, and have everything run again."""
        world = self._world
        world.chances.calm()
        world.redis.is_away = world.server.is_away = world.wechat.is_away = False
        for process in world.processes:
            if not process.is_alive:
                process.start()
            elif process.owner.is_frozen:
                world.loop.thaw(process.owner)
        # One worker must do, and an unhurried one.
        for process in world.processes:
            for sweep in process.sweeps:
                sweep.interval_seconds = 20.0
                if process is not world.processes[0]:
                    sweep.stop()

    def crash(self, process: Process, owner: Owner) -> None:
        """End one life of a process, if it is not over already."""
        if process.owner is owner and process.is_alive:
            self._note("crash", owner.name)
            process.crash()

    async def _strike(self, every: float, blow: Callable[[], Any]) -> None:
        while True:
            await asyncio.sleep(every * (0.2 + 1.6 * self._world.random.random()))
            await blow()

    async def _raise_the_dead(self) -> None:
        while True:
            await asyncio.sleep(0.2 + 2 * self._world.random.random())
            for process in self._world.processes:
                if not process.is_alive:
                    process.start()
                    self._note("start", process.owner.name)

    async def _crash_somebody(self) -> None:
        process = self._world.random.choice(self._world.processes)
        self.crash(process, process.owner)

    async def _freeze_somebody(self) -> None:
        world = self._world
        owner = world.random.choice(world.processes).owner
        if owner.is_dead or owner.is_frozen:
            return
        self._note("freeze", owner.name)
        world.loop.freeze(owner)
        await asyncio.sleep(world.random.choice((0.5, 3, 7)) * (0.5 + world.random.random()))
        if not owner.is_dead:
            world.loop.thaw(owner)

    async def _flush(self) -> None:
        self._note("flush", "redis")
        self._world.redis.flush()

    async def _stop_redis(self) -> None:
        self._note("stop", "redis")
        self._world.redis.is_away = True
        await asyncio.sleep(0.5 + 3 * self._world.random.random())
        self._world.redis.is_away = False

    async def _stop_database(self) -> None:
        self._note("stop", "database")
        self._world.server.stop()
        await asyncio.sleep(0.3 + 3 * self._world.random.random())
        self._world.server.is_away = False

    async def _stop_provider(self) -> None:
        self._note("stop", "provider")
        self._world.wechat.is_away = True
        await asyncio.sleep(1 + 5 * self._world.random.random())
        self._world.wechat.is_away = False

    def _note(self, blow: str, whom: str) -> None:
        self._world.history.note("fault", f"{blow} {whom}")
        name = f"{blow} redis" if whom == "redis" else blow
        self.counts[name] = self.counts.get(name, 0) + 1
