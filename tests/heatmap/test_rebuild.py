import asyncio
import random
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from test_rollup import assert_equal, deliver, drain, load_rollups
from traffic import SCRIPTED, WEBDRIVER, Recount, Sent, add_test_site, make_traffic, recount, store_flush

from collector import bots
from collector.db import Conn
from collector.history import walk_settled
from collector.sites import Site
from collector.thresholds import write_threshold
from heatmap.grid import merge_cells, unpack_cells
from heatmap.rollup import Rule, rebuild
from heatmap.rollup.cells import subtract_cells
from heatmap.rollup.step import advance

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
RULE = Rule(bots.DEFAULT_THRESHOLD, timedelta(days=3))
Pool = asyncpg.Pool


async def _dump(conn: Conn) -> dict[str, list[tuple]]:
    """Return every row of the rollups but the names of parts, which say in which step they were written."""
    return {
        "pages": await conn.fetch("select * from rollup_pages order by 1, 2, 3, 4, audience"),
        "sections": await conn.fetch("select * from rollup_sections order by 1, 2, 3, 4, audience, section_id"),
    }


async def _deliver_all(conn: Conn, site: Site, traffic: list[Sent], rng: random.Random) -> None:
    await deliver(conn, site, traffic, rng)
    await drain(conn, site.shard_keys[0])


@pytest.mark.parametrize("seed", range(4))
async def test_a_rebuild_gives_what_the_steps_gave(pool: Pool, seed: int):
    """Views that became bots' late, reports out of order, any flushes: each table is the same, byte for byte."""
    rng = random.Random(seed)
    traffic = make_traffic(rng, views=40)
    rng.shuffle(traffic)
    async with pool.acquire() as conn:
        site = await add_test_site(conn)
        await _deliver_all(conn, site, traffic, rng)
        before = await _dump(conn)

        await rebuild(conn, site.shard_keys[0], RULE)

        assert await _dump(conn) == before
        assert_equal(await load_rollups(conn), recount(traffic))


async def test_another_threshold_moves_the_past_and_back_again(pool: Pool):
    """With a threshold that no view reaches all are people's; with the old one the tables are what they were."""
    rng = random.Random(11)
    traffic = make_traffic(rng, views=30)
    async with pool.acquire() as conn:
        site = await add_test_site(conn)
        await _deliver_all(conn, site, traffic, rng)

        await write_threshold(conn, site.site_id, 101)
        await rebuild(conn, site.shard_keys[0], RULE)
        assert await conn.fetchval("select count(*) from rollup_pages where audience = 1") == 0
        assert await conn.fetchval("select count(*) from rollup_clicks where audience = 1") == 0

        await write_threshold(conn, site.site_id, 50)
        await rebuild(conn, site.shard_keys[0], RULE)
        assert_equal(await load_rollups(conn), recount(traffic))


async def test_a_weak_mark_counts_where_the_threshold_is_low(pool: Pool):
    """A site of its own threshold of 10 has the views with scripted clicks among its bots, live as rebuilt."""
    traffic = [sent for sent in make_traffic(random.Random(4), views=30) if sent.body["w"].get("m") != WEBDRIVER]
    marked = {sent.body["w"]["i"] for sent in traffic if sent.body["w"].get("m") == SCRIPTED}
    async with pool.acquire() as conn:
        site = await add_test_site(conn)
        await write_threshold(conn, site.site_id, 10)
        await store_flush(conn, site, traffic, 1)
        await drain(conn, site.shard_keys[0])
        before = await _dump(conn)

        await rebuild(conn, site.shard_keys[0], RULE)

        query = "select sum(views) from rollup_pages where audience = 1 and page_id = 0"
        assert await conn.fetchval(query) == len(marked) > 0
        assert await _dump(conn) == before


async def test_what_waits_for_the_rollup_is_not_counted_twice(pool: Pool):
    """A flush that is stored and not rolled up is left to the step that takes it."""
    traffic = make_traffic(random.Random(2), views=20)
    middle = len(traffic) // 2
    async with pool.acquire() as conn:
        site = await add_test_site(conn)
        await store_flush(conn, site, traffic[:middle], 1)
        await drain(conn, site.shard_keys[0])
        await store_flush(conn, site, traffic[middle:], 2)

        await rebuild(conn, site.shard_keys[0], RULE)
        assert_equal(await load_rollups(conn), recount(traffic[:middle]))
        await drain(conn, site.shard_keys[0])

        assert_equal(await load_rollups(conn), recount(traffic))


async def test_days_that_the_ledger_has_forgotten_are_counted_too(pool: Pool):
    """The flushes of a rebuild come from the facts."""
    traffic = make_traffic(random.Random(9), views=20)
    async with pool.acquire() as conn:
        site = await add_test_site(conn)
        await store_flush(conn, site, traffic, 1)
        await drain(conn, site.shard_keys[0])
        await conn.execute("delete from ledger")

        await rebuild(conn, site.shard_keys[0], RULE)

        assert_equal(await load_rollups(conn), recount(traffic))


async def test_a_rebuild_that_dies_has_changed_nothing(pool: Pool):
    """Its connection is killed after some flushes: tables and scores are as before, and the next one is complete."""
    rng = random.Random(5)
    traffic = make_traffic(rng, views=30)
    async with pool.acquire() as conn:
        site = await add_test_site(conn)
        await _deliver_all(conn, site, traffic, rng)
        await conn.execute("update view_reports set bot_score = 1 where bot_score > 0")
        before = await _dump(conn)
        await _die_while_rebuilding(pool, site)
        assert await _dump(conn) == before
        assert await conn.fetchval("select max(bot_score) from view_reports") == 1

        await rebuild(conn, site.shard_keys[0], RULE)

        assert_equal(await load_rollups(conn), recount(traffic))
        assert await conn.fetchval("select max(bot_score) from view_reports") == 90


async def _die_while_rebuilding(pool: Pool, site: Site) -> None:
    """Hold a row that the rebuild wants near its end, and kill its backend there."""
    async with pool.acquire() as holder, pool.acquire() as victim, pool.acquire() as killer:
        pid = victim.get_server_pid()
        async with holder.transaction():
            await holder.execute("lock table rollup_sections in share mode")
            task = asyncio.create_task(rebuild(victim, site.shard_keys[0], RULE))
            waiting = "select 1 from pg_stat_activity where pid = $1 and wait_event_type = 'Lock'"
            while await killer.fetchval(waiting, pid) is None:  # noqa: ASYNC110  # another process's lock makes no event
                await asyncio.sleep(0)
            await killer.execute("select pg_terminate_backend($1)", pid)
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):
                await task


async def test_a_rebuild_runs_beside_steps_and_writers(pool: Pool):
    """While batches come in and are rolled up the key is rebuilt again and again; at the end nothing is missing."""
    traffic = make_traffic(random.Random(6), views=40)
    random.Random(7).shuffle(traffic)
    async with pool.acquire() as conn:
        site = await add_test_site(conn)
    written = asyncio.Event()

    async def write() -> None:
        async with pool.acquire() as conn:
            for number in range(0, len(traffic), 4):
                await store_flush(conn, site, traffic[number : number + 4], number + 1)
        written.set()

    async def work() -> None:
        async with pool.acquire() as conn:
            while not written.is_set():
                await advance(conn, site.shard_keys[0], NOW)

    async def count_again() -> None:
        async with pool.acquire() as conn:
            while not written.is_set():
                await rebuild(conn, site.shard_keys[0], RULE)

    await asyncio.gather(write(), work(), count_again())

    async with pool.acquire() as conn:
        await drain(conn, site.shard_keys[0])
        assert_equal(await load_rollups(conn), recount(traffic))


async def test_flushes_are_walked_by_day(pool: Pool):
    """Nothing settled, nothing walked; a site without facts rebuilds to nothing."""
    async with pool.acquire() as conn:
        site = await add_test_site(conn)
        await store_flush(conn, site, make_traffic(random.Random(1), views=2), 1)
        async with conn.transaction():
            assert [page async for page in walk_settled(conn, site.shard_keys[0])] == []

        done = await rebuild(conn, site.shard_keys[0], RULE)

        assert (done.flushes, done.reports) == (0, 0)
        assert_equal(await load_rollups(conn), Recount())


async def test_no_click_is_taken_that_a_row_does_not_hold(pool: Pool):
    """Taking what was never added is refused, rather than stored as a negative count."""
    rng = random.Random(3)
    traffic = make_traffic(rng, views=10)
    async with pool.acquire() as conn:
        site = await add_test_site(conn)
        await _deliver_all(conn, site, traffic, rng)
        parts = await conn.fetch("select cells from rollup_clicks order by clicks")
    few, many = (unpack_cells(parts[place]["cells"]) for place in (0, -1))

    assert subtract_cells(many, many).element_ids.size == 0
    with pytest.raises(ValueError, match="does not hold"):
        subtract_cells(few, merge_cells([few, many]))
