"""The doors for whoever watches the service."""

import asyncio

from litestar import Response, get
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE
from prometheus_client import CONTENT_TYPE_LATEST

from api.auth import PUBLIC
from api.problems import also
from api.rooms import Anybody, house_of
from contracts.wire.health import Health
from models.schema_version import missing_migrations
from runtime.house import House
from runtime.metrics import metrics_page

# Whoever asks waits a second or two; a store that needs longer is not ready.
_PATIENCE_SECONDS = 1.0


@get("/health/live", opt=PUBLIC)
async def live() -> Health:
    """Say that the process answers; nothing else is asked."""
    return Health(status="ok", checks={})


@get("/health/ready", opt=PUBLIC, responses=also(503, Health, "It cannot sell now"))
async def ready(request: Anybody) -> Response[Health]:
    """Say whether this process can sell: 503 without a database, its migrations or keys.

    Without Redis it sells all the same, and says "degraded".
    """
    house = house_of(request)
    needed = {
        "database": await _database(house),
        **{name: "ok" if check() else "no key" for name, check in house.key_checks.items()},
    }
    redis = await _redis(house)
    if any(word != "ok" for word in needed.values()):
        return _answer("down", {**needed, "redis": redis}, HTTP_503_SERVICE_UNAVAILABLE)
    status = "ok" if redis in {"ok", "none"} else "degraded"
    return _answer(status, {**needed, "redis": redis}, HTTP_200_OK)


@get("/metrics", opt=PUBLIC, include_in_schema=False)
async def metrics(request: Anybody) -> Response[bytes]:
    """Show the counters of every process."""
    folder = house_of(request).settings.prometheus_multiproc_dir
    # It reads one file per process ever started; requests must not wait for that.
    page = await asyncio.to_thread(metrics_page, folder)
    return Response(page, headers={"content-type": CONTENT_TYPE_LATEST})


def _answer(status: str, checks: dict[str, str], code: int) -> Response[Health]:
    return Response(Health(status=status, checks=checks), status_code=code)


async def _database(house: House) -> str:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            missing = await missing_migrations(house.database, house.migrations)
    except Exception:  # noqa: BLE001  # whatever it is, the database cannot be used
        return "unavailable"
    return "not migrated" if missing else "ok"


async def _redis(house: House) -> str:
    if house.redis is None:
        return "none"
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await house.redis.ping()
    except Exception:  # noqa: BLE001  # whatever it is, Redis cannot be used
        return "unavailable"
    return "ok"
