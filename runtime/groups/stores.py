"""The database, and what saves it work."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from runtime.registry import about


@dataclass(frozen=True, kw_only=True, repr=False)
class StoreSettings:
    """Where the rows are, and what saves work."""

    database_url: Annotated[str, about("stores", "PostgreSQL 15 or newer.", secret=True)]
    database_pool_size: Annotated[
        int, Meta(ge=2, le=100), about("stores", "Connections per process.")
    ] = 8
    redis_url: Annotated[
        str | None, about("stores", "Redis 6.2 or newer; everything works without.", secret=True)
    ] = None
