"""A running collector and dashboard."""

from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio
from dashboard_house import House, running_house

from collector import db
from collector.embedded import EmbeddedPostgres


@pytest_asyncio.fixture(scope="module")
async def lived_in_house(postgres: EmbeddedPostgres) -> AsyncIterator[House]:
    """A service that the tests of a module share: signed in, one site with one view. For tests that change nothing."""
    control = await asyncpg.connect(postgres.database_url("postgres"))
    try:
        await control.execute("create database lived_in_house template template_jalki")
        async with await db.open_pool(postgres.database_url("lived_in_house")) as pool, running_house(pool) as running:
            await running.sign_in()
            await running.send_view(await running.add_site())
            yield running
        await control.execute("drop database lived_in_house with (force)")
    finally:
        await control.close()


@pytest_asyncio.fixture
async def house(pool) -> AsyncIterator[House]:
    """The service with a client that is not signed in."""
    async with running_house(pool) as running:
        yield running
