"""A running collector and dashboard."""

from collections.abc import AsyncIterator

import pytest_asyncio
from dashboard_house import House, running_house


@pytest_asyncio.fixture
async def house(pool) -> AsyncIterator[House]:
    """The service with a client that is not signed in."""
    async with running_house(pool) as running:
        yield running
