"""Partitions appear beside writers and readers, complete, and once."""

import asyncio
import datetime

import asyncpg
import pytest
import pytest_asyncio
from wire_batches import NOW, batch_rows, flush_of, stored_site

from collector import store
from collector.catalog import Dictionaries
from collector.partitions import ensure_partitions
from heatmap.rollup import advance

TODAY = NOW.date()
DAY = datetime.timedelta(days=1)


@pytest_asyncio.fixture
async def conn(pool):
    async with pool.acquire() as conn:
        await ensure_partitions(conn, TODAY, TODAY)
        yield conn


async def test_a_partition_is_made_beside_an_open_flush_and_an_open_rollup(pool, conn, postgres_url):
    """Neither a transaction that has written facts nor one that has read them holds up a new partition."""
    flush = await asyncpg.connect(postgres_url)
    rollup = await asyncpg.connect(postgres_url)
    await flush.execute("begin")
    await flush.execute("lock table view_reports in row exclusive mode")
    await rollup.execute("begin")
    await rollup.execute("lock table view_reports in access share mode")

    async with asyncio.timeout(5):
        made = await ensure_partitions(conn, TODAY + DAY, TODAY + DAY)

    await asyncio.gather(flush.close(), rollup.close())
    assert made == 1


async def test_nothing_is_locked_where_no_partition_is_missing(conn, postgres_url):
    """Beside somebody who holds the table for himself, the answer that all is there comes at once."""
    other = await asyncpg.connect(postgres_url)
    await other.execute("begin")
    await other.execute("lock table view_reports in access exclusive mode")

    async with asyncio.timeout(5):
        made = await ensure_partitions(conn, TODAY, TODAY)

    await other.close()
    assert made == 0


async def test_partitions_are_made_beside_writers_and_a_worker(pool, conn):
    """Thirty days are made by two processes while two write and one rolls up: nobody fails and nothing is lost."""
    site = await stored_site(conn)
    made: list[int] = []
    is_over = asyncio.Event()

    async def make() -> None:
        async with pool.acquire() as own:
            made.extend([await ensure_partitions(own, TODAY, TODAY + days * DAY) for days in range(1, 31)])

    async def write() -> int:
        written = 0
        async with pool.acquire() as own:
            while not is_over.is_set():
                written += len(await store.write_batches(own, flush_of(batch_rows(site=site)), Dictionaries()))
        return written

    async def roll_up() -> None:
        async with pool.acquire() as own:
            while not is_over.is_set():
                await advance(own, site.shard_keys[0], NOW)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        makers = asyncio.gather(make(), make())
        writers = [group.create_task(write()) for _ in range(2)]
        group.create_task(roll_up())
        await makers
        is_over.set()

    assert sum(made) == 30
    assert await conn.fetchval("select count(*) from view_reports") == sum(task.result() for task in writers) > 0


async def test_a_partition_has_all_that_its_table_has(conn):
    """A partition's index is part of the table's, with its settings, and its columns are checked as the table's are."""
    indexes = await conn.fetch(
        "select part.relname, part.reloptions, parent.relname as parent from pg_inherits"
        " join pg_class part on part.oid = inhrelid join pg_class parent on parent.oid = inhparent"
        " where parent.relkind = 'I' order by 1"
    )

    assert [(row["parent"], row["reloptions"]) for row in indexes] == [("view_reports_flush", ["pages_per_range=16"])]
    rows = await conn.fetch(
        "select attname, attnotnull, count(*) from pg_attribute where attnum > 0 and attrelid = any($1::regclass[])"
        " group by 1, 2 having count(*) <> 2",
        ["view_reports", "view_reports_y2026m03d04"],
    )
    assert rows == []
    await store.write_batches(conn, flush_of(batch_rows()), Dictionaries())
    with pytest.raises(asyncpg.CheckViolationError):
        await conn.execute("update view_reports set clicks = '\\x01'")


async def test_a_partition_that_was_taken_off_is_put_back(conn):
    """A table that bears a partition's name but is not attached is no partition: its day is made good."""
    await conn.execute("alter table view_reports detach partition view_reports_y2026m03d04")

    made = await ensure_partitions(conn, TODAY, TODAY)

    assert made == 1
    await store.write_batches(conn, flush_of(batch_rows()), Dictionaries())
    assert await conn.fetchval("select count(*) from clicks") == 2
