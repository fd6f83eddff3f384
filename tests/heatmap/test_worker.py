import asyncio
import random
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio
from test_rollup import assert_equal, load_rollups
from traffic import add_test_site, make_traffic, recount, store_flush

from collector.db import Conn
from collector.ids import flush_id
from collector.privacy import load_salt
from collector.settings import Settings
from collector.sites import NewSite, add_site
from heatmap.worker import WorkerCounts, run_worker, tidy

SETTINGS = Settings(rollup_interval_ms=20)
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
Pool = asyncpg.Pool

WORKER = """
import asyncio, sys
from datetime import UTC, datetime
from collector.db import open_pool
from collector.settings import Settings
from heatmap.worker import run_worker

async def main():
    pool = await open_pool(sys.argv[1], application="worker to be killed")
    now = lambda: datetime(2026, 3, 4, 12, tzinfo=UTC)
    await run_worker(pool, Settings(rollup_interval_ms=1), asyncio.Event(), clock=now)

asyncio.run(main())
"""
IN_STEP = """
select count(*) from pg_stat_activity
where application_name = 'worker to be killed' and datname = current_database() and backend_xid is not null
"""
GONE = "select count(*) = 0 from pg_stat_activity where application_name = 'worker to be killed'"
PENDING = "select count(*) from ledger where not settled"


@asynccontextmanager
async def running_worker(pool: Pool) -> AsyncIterator[asyncio.Task[WorkerCounts]]:
    stop = asyncio.Event()
    task = asyncio.create_task(run_worker(pool, SETTINGS, stop, clock=lambda: NOW))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait_for(task, 5)


async def until(conn: Conn, query: str, wanted: object) -> None:
    """Return once the query gives what is wanted; a test that waits longer than 20 s has failed."""
    async with asyncio.timeout(20):
        while await conn.fetchval(query) != wanted:  # noqa: ASYNC110  # what is awaited lies in Postgres
            await asyncio.sleep(0.005)


@pytest_asyncio.fixture(autouse=True)
async def _partitions(pool: Pool) -> None:
    """Make the partitions of the recorded day and the week after it before any worker or writer begins."""
    await tidy(pool, SETTINGS, NOW)


async def test_what_is_committed_is_rolled_up_within_five_seconds(pool: Pool):
    """The worker finds a flush by itself; the bound is the promise made to a newcomer who clicks."""
    traffic = make_traffic(random.Random(1), views=20)
    async with pool.acquire() as conn, running_worker(pool):
        site = await add_test_site(conn)
        await store_flush(conn, site, traffic, 1)

        async with asyncio.timeout(5):
            await until(conn, PENDING, 0)

        assert_equal(await load_rollups(conn), recount(traffic))


async def test_it_stops_within_a_second(pool: Pool):
    """Also while it pauses for an hour between two rounds of housekeeping."""
    stop = asyncio.Event()
    task = asyncio.create_task(run_worker(pool, SETTINGS, stop, clock=lambda: NOW + timedelta(days=30)))
    async with pool.acquire() as conn:
        await until(conn, "select count(*) > 0 from pg_class where relname like 'view_reports_y2026m04%'", wanted=True)
    begun = time.monotonic()

    stop.set()
    counts = await task

    assert time.monotonic() - begun < 1
    assert counts.failures == 0


async def test_it_goes_on_after_its_connections_were_killed(pool: Pool, caplog: pytest.LogCaptureFixture):
    """Each kill is at most one failed round, and nothing is lost or counted twice."""
    rng = random.Random(2)
    traffic = make_traffic(rng, views=30)
    own = await pool.acquire()
    try:
        site = await add_test_site(own)
        async with running_worker(pool):
            for number in range(0, len(traffic), 10):
                await store_flush(own, site, traffic[number : number + 10], number + 1)
                await own.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where datname = current_database() and pid <> pg_backend_pid()"
                )
            await until(own, PENDING, 0)
        assert_equal(await load_rollups(own), recount(traffic))
    finally:
        await pool.release(own)


async def test_a_key_that_fails_does_not_hold_up_the_others(pool: Pool, caplog: pytest.LogCaptureFixture):
    """One site's rollup is damaged; the other site's visits are counted, and the failure names the shard key."""
    async with pool.acquire() as conn:
        damaged, healthy = [await _add_site(conn, name) for name in ("damaged01", "healthy01")]
        traffic = make_traffic(random.Random(2), views=1)
        assert len(traffic) > 1
        await store_flush(conn, damaged, traffic[:1], 1)
        async with running_worker(pool):
            await until(conn, PENDING, 0)
        await conn.execute("update rollup_pages set engaged = '\\xff00'")
        await store_flush(conn, damaged, traffic[1:], 2)
        await store_flush(conn, healthy, traffic, 3)

        async with running_worker(pool):
            key = healthy.shard_keys[0]
            await until(conn, f"select bool_and(settled) from ledger where shard_key = {key}", wanted=True)
            await until(conn, f"select count(*) > 0 from ledger where shard_key <> {key} and not settled", wanted=True)

    assert f"shard key {damaged.shard_keys[0]}" in caplog.text


async def _add_site(conn: Conn, key: str):
    return await add_site(conn, NewSite(name=key, time_zone="Europe/Helsinki"), key, NOW)


async def test_partitions_are_made_a_week_ahead(pool: Pool):
    """Facts of any of the next seven days find their partition even if no DDL succeeds until then."""
    async with pool.acquire() as conn:
        names = {
            row[0] for row in await conn.fetch("select relname from pg_class where relname like 'view_reports_y%'")
        }
    wanted = {f"view_reports_y2026m03d{day:02}" for day in range(4, 12)}
    assert wanted <= names


async def test_tidying_forgets_what_no_late_batch_can_need(pool: Pool):
    """States, settled ledger rows and salts go after `late_hours` and their margin, and not an hour before."""
    traffic = make_traffic(random.Random(4), views=3)
    late = timedelta(hours=SETTINGS.late_hours)
    async with pool.acquire() as conn:
        site = await add_test_site(conn)
        await store_flush(conn, site, traffic, 1)
        async with running_worker(pool):
            await until(conn, PENDING, 0)
        await load_salt(conn, date(2026, 3, 2), b"x" * 32)
        await conn.execute("update view_states set changed_at = $1", NOW)
        await conn.execute("update ledger set flush_id = $1", flush_id(int(NOW.timestamp() * 1000), 0))

        await tidy(pool, SETTINGS, NOW + late + timedelta(hours=47))
        kept = await _count(conn)
        await tidy(pool, SETTINGS, NOW + late + timedelta(hours=49))
        gone = await _count(conn)

    assert kept == (3, len(traffic), 0)
    assert gone == (0, 0, 0)


async def test_a_salt_lives_while_a_batch_of_its_day_may_come(pool: Pool):
    """The salt of 2 March is needed until the day is over in the last time zone and `late_hours` have passed."""
    async with pool.acquire() as conn:
        await load_salt(conn, date(2026, 3, 2), b"x" * 32)

        await tidy(pool, SETTINGS, datetime(2026, 3, 4, 23, 59, tzinfo=UTC))
        assert await conn.fetchval("select count(*) from salts") == 1
        await tidy(pool, SETTINGS, datetime(2026, 3, 5, 0, 1, tzinfo=UTC))

        assert await conn.fetchval("select count(*) from salts") == 0


async def _count(conn: Conn) -> tuple[int, int, int]:
    tables = ("view_states", "ledger", "salts")
    counts = [await conn.fetchval(f"select count(*) from {table}") for table in tables]
    return counts[0], counts[1], counts[2]


async def test_a_worker_killed_in_mid_step_counts_each_batch_once(postgres_url: str, pool: Pool):
    """kill −9 while a step's transaction is open, four times over; the tables then equal the recount."""
    traffic = make_traffic(random.Random(7), views=120)
    size = len(traffic) // 4 + 1
    interrupted = 0
    async with pool.acquire() as conn:
        site = await add_test_site(conn)
        for part in range(0, len(traffic), size):
            for number in range(part, min(part + size, len(traffic)), 2):
                await store_flush(conn, site, traffic[number : min(number + 2, part + size)], number + 1)
            interrupted += await _kill_in_step(postgres_url, conn)
        async with running_worker(pool):
            await until(conn, PENDING, 0)

        assert interrupted >= 1
        assert_equal(await load_rollups(conn), recount(traffic))


async def _kill_in_step(postgres_url: str, conn: Conn) -> bool:
    """Start a worker, kill it in the middle of a step and return whether it left work undone."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, postgres_url)
    try:
        async with asyncio.timeout(20):
            while await conn.fetchval(IN_STEP) == 0 and await conn.fetchval(PENDING) > 0:
                pass
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()
    await until(conn, GONE, wanted=True)
    return await conn.fetchval(PENDING) > 0
