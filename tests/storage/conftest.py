"""Actors on the run's database: two that do not know each other, and one without Redis."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from actors.actor import Actor
from actors.places import Places
from models.engine import Database
from tests.conftest import empty
from tests.storage.stage import POLICY, places_of


@pytest.fixture(autouse=True)
def patience(patient: None) -> None:
    """Be patient in every test of this folder."""


@pytest.fixture
async def actor(database: Database, redis: Redis) -> AsyncIterator[Actor]:
    """Stand in for one process."""
    actor = Actor(database=database, redis=redis, policy=POLICY)
    yield actor
    await actor.close()


@pytest.fixture
def places(database: Database, actor: Actor) -> Places:
    """Keep places as that process does."""
    return places_of(database, actor)


@pytest.fixture
async def other(database: Database, redis: Redis) -> AsyncIterator[Actor]:
    """Stand in for another process."""
    actor = Actor(database=database, redis=redis, policy=POLICY)
    yield actor
    await actor.close()


@pytest.fixture
async def lonely(database: Database) -> AsyncIterator[Actor]:
    """Stand in for a process without Redis."""
    actor = Actor(database=database, redis=None, policy=POLICY)
    yield actor
    await actor.close()


@pytest.fixture
async def emptied(pool: Database) -> AsyncIterator[Database]:
    """Lend the database to a test that writes rows no turn would write."""
    yield pool
    await empty(pool)
