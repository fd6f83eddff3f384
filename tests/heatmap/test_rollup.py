import asyncio
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from traffic import WEBDRIVER, Recount, Sent, add_test_site, make_traffic, recount, store_flush

from collector.db import Conn
from collector.ids import Audience, BotSign, FlushId, ShardKey
from collector.sites import Site
from collector.store import PendingFlush
from heatmap.grid import merge_cells, unpack_cells, unpack_histogram
from heatmap.rollup import advance
from heatmap.rollup.cells import MAX_PARTS
from heatmap.rollup.states import prune_states
from heatmap.rollup.step import take_oldest

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
Pool = asyncpg.Pool

PAGE_FIGURES = ("views", "visitors", "sessions", "entries", "bounces", "clicks", "engaged_ms", "fold_sum_px")
PAGE_HISTOGRAMS = ("engaged", "depth", "depth_fitting")
SECTION_FIGURES = ("seen_views", "time_ms", "exits")
SECTION_HISTOGRAMS = ("seen_time", "end_time")


def _figures(row: asyncpg.Record, numbers: tuple[str, ...], histograms: tuple[str, ...]) -> Counter:
    figures = Counter({name: row[name] for name in numbers})
    for name in histograms:
        histogram = unpack_histogram(row[name])
        for position, count in zip(histogram.bins.tolist(), histogram.counts.tolist(), strict=True):
            figures[name, position] = count
    return +figures


async def load_rollups(conn: Conn) -> Recount:
    """Return the tables in the form of the recount."""
    stored = Recount()
    for row in await conn.fetch("select * from rollup_pages"):
        stored.pages[_row_key(row)] = _figures(row, PAGE_FIGURES, PAGE_HISTOGRAMS)
    for row in await conn.fetch("select * from rollup_sections"):
        stored.sections[*_row_key(row), row["section_id"]] = _figures(row, SECTION_FIGURES, SECTION_HISTOGRAMS)
    grouped: dict[tuple, list[bytes]] = {}
    for row in await conn.fetch("select * from rollup_clicks order by part_id"):
        grouped.setdefault(_row_key(row), []).append(row["cells"])
    for key, parts in grouped.items():
        stored.cells[key] = _cell_counts(parts)
    return stored


def _row_key(row: asyncpg.Record) -> tuple:
    return row["page_id"], row["local_day"], row["device"], row["audience"]


def _cell_counts(parts: list[bytes]) -> Counter:
    cells = merge_cells([unpack_cells(part) for part in parts])
    counts: Counter = Counter()
    columns = (cells.element_ids, cells.x_frac, cells.y_frac, cells.clicks, cells.first_clicks)
    for element, x, y, clicks, first in zip(*(column.tolist() for column in columns), strict=True):
        counts[element, x, y, "clicks"] = clicks
        counts[element, x, y, "first"] = first
    return +counts


def assert_equal(stored: Recount, expected: Recount) -> None:
    assert stored.pages == expected.pages
    assert stored.sections == {key: +figures for key, figures in expected.sections.items() if +figures}
    assert stored.cells == {key: +figures for key, figures in expected.cells.items()}


async def drain(conn: Conn, key: ShardKey) -> int:
    steps = 0
    while (await advance(conn, key, NOW)).flushes:
        steps += 1
    return steps


async def deliver(conn: Conn, site: Site, batches: list[Sent], rng: random.Random) -> None:
    """Write the batches in flushes of random size, some of them twice, with advances in between."""
    number, at = 0, 0
    while at < len(batches):
        size = rng.randint(1, 12)
        repeated = rng.sample(batches[:at], min(at, rng.randrange(3)))
        number += 1
        await store_flush(conn, site, [*batches[at : at + size], *repeated], number)
        at += size
        if rng.random() < 0.4:
            await advance(conn, site.shard_keys[0], NOW)


@pytest.mark.parametrize("seed", range(8))
async def test_reports_in_any_order_end_in_the_tables_of_a_recount(pool: Pool, seed: int):
    """Shuffled, repeated, cut into random flushes and steps: each table equals a recount from the raw batches."""
    rng = random.Random(seed)
    traffic = make_traffic(rng, views=40)
    rng.shuffle(traffic)
    async with pool.acquire() as conn:
        site = await add_test_site(conn)

        await deliver(conn, site, traffic, rng)
        await drain(conn, site.shard_keys[0])

        assert_equal(await load_rollups(conn), recount(traffic))


async def test_a_view_is_known_before_it_ended_and_corrected_after(pool: Pool):
    """After each report the tables hold exactly what the reports so far say."""
    rng = random.Random(21)
    traffic = make_traffic(rng, views=6)
    async with pool.acquire() as conn:
        site = await add_test_site(conn)
        for number, sent in enumerate(traffic, 1):
            await store_flush(conn, site, [sent], number)
            await advance(conn, site.shard_keys[0], NOW)

            assert_equal(await load_rollups(conn), recount(traffic[:number]))


async def test_a_view_that_turns_out_to_be_a_bots_takes_everything_with_it(pool: Pool):
    """Its figures, sections and clicks leave no row behind among people's, and its state says why."""
    reports = next(
        view
        for view in (make_traffic(random.Random(seed), views=1) for seed in range(99))
        if len(view) > 2 and view[0].body["c"]["t"] and "m" not in view[-1].body["w"]
    )
    driven = replace(reports[-1], body=reports[-1].body | {"w": reports[-1].body["w"] | {"m": WEBDRIVER}})
    async with pool.acquire() as conn:
        site = await add_test_site(conn)
        await store_flush(conn, site, reports[:-1], 1)
        await drain(conn, site.shard_keys[0])
        assert {key[3] for key in (await load_rollups(conn)).pages} == {Audience.PEOPLE}

        await store_flush(conn, site, [driven], 2)
        await drain(conn, site.shard_keys[0])

        stored = await load_rollups(conn)
        assert {key[3] for key in [*stored.pages, *stored.sections, *stored.cells]} == {Audience.BOTS}
        assert_equal(stored, recount([*reports[:-1], driven]))
        row = await conn.fetchrow("select audience, bot_signs, bot_score from view_states")
        assert tuple(row) == (Audience.BOTS, BotSign.WEBDRIVER, 90)


async def test_two_workers_at_once_count_each_batch_once(pool: Pool):
    """Both advance the same key while a third connection writes; one of them is always busy or done."""
    rng = random.Random(5)
    traffic = make_traffic(rng, views=60)
    rng.shuffle(traffic)
    async with pool.acquire() as conn:
        site = await add_test_site(conn)
    written = asyncio.Event()

    async def write() -> None:
        async with pool.acquire() as conn:
            for number in range(0, len(traffic), 5):
                await store_flush(conn, site, traffic[number : number + 5], number + 1)
        written.set()

    async def work() -> None:
        async with pool.acquire() as conn:
            while not written.is_set():
                await advance(conn, site.shard_keys[0], NOW)
                await asyncio.sleep(0)

    await asyncio.gather(write(), work(), work())

    async with pool.acquire() as conn:
        await drain(conn, site.shard_keys[0])
        assert_equal(await load_rollups(conn), recount(traffic))


async def test_a_key_that_is_being_advanced_is_left_alone(pool: Pool):
    """The second worker does not wait for the first."""
    async with pool.acquire() as first, pool.acquire() as second:
        site = await add_test_site(first)
        await advance(first, site.shard_keys[0], NOW)
        async with first.transaction():
            await first.execute("select 1 from rollup_locks for update")

            assert (await advance(second, site.shard_keys[0], NOW)).is_busy


async def test_a_step_that_fails_leaves_nothing_behind(pool: Pool):
    """With the last table in the way nothing is settled and nothing counted; once it is back all is counted once."""
    traffic = make_traffic(random.Random(3), views=5)
    async with pool.acquire() as conn:
        site = await add_test_site(conn)
        await store_flush(conn, site, traffic, 1)
        await conn.execute("alter table view_states rename to hidden")
        with pytest.raises(asyncpg.UndefinedTableError):
            await advance(conn, site.shard_keys[0], NOW)
        assert_equal(await load_rollups(conn), Recount())

        await conn.execute("alter table hidden rename to view_states")
        await drain(conn, site.shard_keys[0])

        assert_equal(await load_rollups(conn), recount(traffic))


async def test_parts_of_clicks_are_merged_before_there_are_too_many(pool: Pool):
    """However many steps a day has, a reader adds up a bounded number of parts, and no click is lost."""
    traffic = make_traffic(random.Random(8), views=60)
    async with pool.acquire() as conn:
        site = await add_test_site(conn)
        for number, sent in enumerate(traffic, 1):
            await store_flush(conn, site, [sent], number)
            await advance(conn, site.shard_keys[0], NOW)

        counts = "select count(*) as n from rollup_clicks group by page_id, local_day, device, audience"
        assert await conn.fetchval(f"select max(n) from ({counts}) t") <= MAX_PARTS
        assert_equal(await load_rollups(conn), recount(traffic))


@pytest.mark.parametrize(("batches", "taken"), [([4_000, 900, 200], 2), ([9_000, 1], 1), ([1] * 7, 7)])
def test_a_step_takes_whole_flushes_up_to_a_bound(batches: list[int], taken: int):
    """A backlog is worked off in steps of about a second; a flush above the bound is a step of its own."""
    flushes = [PendingFlush(FlushId(number), NOW.date(), size) for number, size in enumerate(batches)]

    assert len(take_oldest(flushes)) == taken


async def test_settled_flushes_are_not_looked_at_again(pool: Pool):
    """The first call reports what it did, the second has nothing to do."""
    traffic = make_traffic(random.Random(4), views=3)
    async with pool.acquire() as conn:
        site = await add_test_site(conn)
        await store_flush(conn, site, traffic, 1)

        done, idle = [await advance(conn, site.shard_keys[0], NOW) for _ in range(2)]

    assert (done.flushes, done.batches, done.views) == (1, len(traffic), 3)
    assert (idle.flushes, idle.batches, idle.views, idle.clicks) == (0, 0, 0, 0)


async def test_pruned_states_leave_the_rollups_as_they_are(pool: Pool):
    """What is forgotten is only what late reports would have needed."""
    traffic = make_traffic(random.Random(6), views=4)
    async with pool.acquire() as conn:
        site = await add_test_site(conn)
        await store_flush(conn, site, traffic, 1)
        await advance(conn, site.shard_keys[0], NOW)

        await prune_states(conn, site.shard_keys[0], NOW)
        assert await conn.fetchval("select count(*) from view_states") == 4
        await prune_states(conn, site.shard_keys[0], NOW + timedelta(seconds=1))

        assert await conn.fetchval("select count(*) from view_states") == 0
        assert_equal(await load_rollups(conn), recount(traffic))
