"""The demo as a whole: visitors are imported once and counted exactly, live ones come through the real door."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import aiohttp
import asyncpg
import msgspec
import numpy as np
import pytest
import pytest_asyncio
from aiohttp import web

from collector import sites, store
from collector.app import setup_collector
from collector.bots import ONLY_CERTAIN
from collector.db import Conn, Pool
from collector.errors import AddressError
from collector.ids import WHOLE_SITE, Audience, PageId, text_id
from collector.settings import Settings
from heatmap import rollup, spans
from heatmap.demo import DemoPlan, fill, is_filled, open_demo_site, run_demo, serve_shop
from heatmap.demo.recording import load_recording
from heatmap.demo.visitors import Span, generate

_NOW = datetime(2026, 6, 21, 15, 30, tzinfo=UTC)
_SPAN = spans.Span(_NOW.date() - timedelta(days=20), _NOW.date() + timedelta(days=1), bots=spans.Bots.INCLUDE)


class _Truth(msgspec.Struct):
    """What the generator says that it sent."""

    views: set[str]
    clicks: int
    batches: int


def _count(lines: list[bytes], path: str = "", *, crawlers: bool = False) -> _Truth:
    truth = _Truth(set(), 0, 0)
    for line in lines:
        if crawlers and b"bot/2." not in line:
            continue
        body = msgspec.json.decode(line)["body"]
        if path in {"", body["w"]["p"]}:
            truth.views.add(body["w"]["i"])
            truth.clicks += len(body.get("c", {"t": []})["t"])
            truth.batches += 1
    return truth


async def _check_rebuild(conn: Conn, site: sites.Site) -> None:
    """Counted anew from the facts, the tables are what the steps made them."""
    rule, before = rollup.Rule(ONLY_CERTAIN, timedelta(days=3)), await _dump(conn)
    for shard_key in site.shard_keys:
        await rollup.rebuild(conn, shard_key, rule)
    assert await _dump(conn) == before


async def _dump(conn: Conn) -> list[list[asyncpg.Record]]:
    row = "page_id, local_day, device, audience"
    pages = await conn.fetch(f"select * from rollup_pages order by {row}")
    sections = await conn.fetch(f"select * from rollup_sections order by {row}, section_id")
    clicks = await conn.fetch(f"select {row}, sum(clicks) from rollup_clicks group by {row} order by {row}")
    return [pages, sections, clicks]


async def _count_batches(pool: Pool) -> int:
    async with pool.acquire() as conn:
        return int(await conn.fetchval("select count(*) from ledger"))


@pytest_asyncio.fixture
async def service(pool: Pool) -> AsyncIterator[str]:
    """The address of a collector on this test's database."""
    today = datetime.now(UTC).date()
    async with pool.acquire() as conn:
        await store.ensure_partitions(conn, today - timedelta(days=1), today + timedelta(days=1))
    app = web.Application()
    setup_collector(app, Settings(spool_max_bytes=0), pool)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_rollups_of_an_import_equal_what_was_generated(pool: Pool) -> None:
    """Views and clicks of the whole site and of one page, summed from the rollups, are exactly those generated."""
    site = await open_demo_site(pool, _NOW)
    await fill(pool, site, 7, asyncio.Event())
    lines = list(generate(np.random.default_rng(7), load_recording(), Span(site.key, site.time_zone, _NOW)))
    async with pool.acquire() as conn:
        while (await rollup.advance(conn, site.shard_keys[0], _NOW)).flushes:
            pass
        for path, page_id in (("", WHOLE_SITE), ("/shop/routa-teapot", PageId(text_id("/shop/routa-teapot")))):
            totals = await rollup.load_page_totals(conn, site.shard_keys, page_id, _SPAN)
            truth = _count(lines, path)
            assert (totals.views, totals.clicks) == (len(truth.views), truth.clicks)
        await _check_rebuild(conn, site)
        views = await rollup.load_audiences(conn, site.shard_keys, WHOLE_SITE, _SPAN)
        assert views[Audience.BOTS] == len(_count(lines, crawlers=True).views) > 50
    assert await _count_batches(pool) == len(lines)


async def test_an_import_cut_short_is_completed_by_the_next_start(pool: Pool) -> None:
    """A stop in mid-import leaves a part; the next start adds the rest and nothing twice."""
    site = await open_demo_site(pool, _NOW)
    stop = asyncio.Event()
    lines = list(generate(np.random.default_rng(7), load_recording(), Span(site.key, site.time_zone, _NOW)))
    stopping = asyncio.get_running_loop().call_later(0, stop.set)
    await fill(pool, site, 7, stop)
    stopping.cancel()
    assert await _count_batches(pool) < len(lines)
    assert not await is_filled(pool, site)
    await fill(pool, site, 7, asyncio.Event())
    assert await _count_batches(pool) == len(lines)
    assert await is_filled(pool, site)


async def test_the_site_is_added_once(pool: Pool) -> None:
    """A second start finds the site of the first, even on another day."""
    first = await open_demo_site(pool, _NOW)
    assert await open_demo_site(pool, _NOW + timedelta(days=3)) == first
    async with pool.acquire() as conn:
        assert [site.site_id for site in await sites.load_sites(conn)] == [first.site_id]


async def test_live_visitors_come_through_the_door_and_stop_at_once(pool: Pool, service: str) -> None:
    """Once the shop is announced, batches of now arrive by themselves; stopping ends all of it quickly."""
    stop, announced = asyncio.Event(), asyncio.get_running_loop().create_future()
    run = asyncio.create_task(run_demo(pool, DemoPlan(service, site_port=0), stop, announced.set_result))
    async with asyncio.timeout(120):
        address = await announced
        before = await _count_batches(pool)
        async with aiohttp.ClientSession() as http, http.get(address) as answer:
            assert f'src="{service}/s/' in await answer.text()
        while await _count_batches(pool) == before:
            await asyncio.wait([run], timeout=0.1)
            assert not run.done()
    stop.set()
    await asyncio.wait_for(run, 5)


async def test_a_taken_port_is_named_in_the_message(pool: Pool) -> None:
    """A shop that cannot listen says where and what to do."""
    site = await open_demo_site(pool, _NOW)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(AddressError, match=rf"127\.0\.0\.1 port {port}: .*--site-port"):
            async with serve_shop(DemoPlan("http://127.0.0.1:1", site_port=port), site):
                pytest.fail("it must not listen")
