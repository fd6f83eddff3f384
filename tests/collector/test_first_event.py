"""When a site was heard of: what the install page and the list of sites tell."""

import pytest_asyncio
from wire_batches import NOW, batch_rows, flush_of, stored_site

from collector import store
from collector.sites import load_first_event_at


@pytest_asyncio.fixture
async def conn(pool):
    async with pool.acquire() as conn:
        await store.ensure_partitions(conn, NOW.date(), NOW.date())
        yield conn


async def test_a_site_has_no_first_event_before_its_first_batch(conn):
    """A new site has none; its first batch gives the time of receipt."""
    site = await stored_site(conn)
    before = await load_first_event_at(conn, site)

    await store.write_batches(conn, flush_of(batch_rows(site=site)), store.Dictionaries())

    assert before is None
    assert await load_first_event_at(conn, site) == NOW
