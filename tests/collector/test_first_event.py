"""When a site was heard of: what the install page and the list of sites tell."""

import datetime

import pytest_asyncio
from wire_batches import NOW, NOW_MS, batch_rows, flush_of, stored_site

from collector import store
from collector.sites import load_first_event_at, load_last_event_at

LATER = NOW + datetime.timedelta(hours=1)
NEVER = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)


@pytest_asyncio.fixture
async def conn(pool):
    async with pool.acquire() as conn:
        await store.ensure_partitions(conn, NOW.date(), NOW.date())
        yield conn


async def _heard(conn, site) -> tuple[datetime.datetime | None, datetime.datetime | None]:
    return await load_first_event_at(conn, site), await load_last_event_at(conn, site)


async def _receive(conn, site, received_ms: int) -> int:
    flush = flush_of(batch_rows(site=site, received_ms=received_ms))
    await store.write_batches(conn, flush, store.Dictionaries())
    return flush.flush_id


async def test_a_site_is_heard_of_once_its_first_batch_is_stored(conn):
    """A new site has no first event; a stored batch gives the time of receipt, rolled up or not."""
    site = await stored_site(conn)
    before = await _heard(conn, site)

    await _receive(conn, site, NOW_MS)
    await _receive(conn, site, NOW_MS + 3_600_000)

    assert before == (None, None)
    assert await _heard(conn, site) == (NOW, LATER)


async def test_a_site_remains_heard_of_when_its_ledger_is_pruned(conn):
    """The first and the last event are known from settled batches of which nothing is left in the ledger."""
    site = await stored_site(conn)
    flushes = [await _receive(conn, site, NOW_MS + 3_600_000), await _receive(conn, site, NOW_MS)]
    for flush_id in flushes:
        await store.settle(conn, site.shard_keys[0], [flush_id])

    await store.prune_ledger(conn, NEVER)

    assert await conn.fetchval("select count(*) from ledger") == 0
    assert await _heard(conn, site) == (NOW, LATER)


async def test_all_buckets_of_a_site_are_heard_and_no_other_site(conn):
    """A batch in any of the buckets is the site's first event, and not that of its neighbour."""
    site = await stored_site(conn, buckets=4)
    neighbour = await stored_site(conn, key="neighbour_1")
    await _receive(conn, site, NOW_MS)

    assert await _heard(conn, site) == (NOW, NOW)
    assert await _heard(conn, neighbour) == (None, None)
