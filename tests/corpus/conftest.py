"""Fixtures of the corpus."""

from collections.abc import AsyncIterator

import pytest_asyncio

from .corpus_site import CorpusSite, corpus_site


@pytest_asyncio.fixture(scope="session")
async def site() -> AsyncIterator[CorpusSite]:
    """The corpus on a port of its own."""
    async with corpus_site() as running:
        yield running
