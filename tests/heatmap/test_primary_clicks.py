"""Clicks of the primary button are clicks, others are none: in totals, on maps, in reports. What else facts hold."""

import random
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, date, datetime

import asyncpg
import numpy as np
import pytest
from traffic import Sent, add_test_site, make_traffic, store_flush

from collector import store
from collector.db import Conn
from collector.errors import NotFoundError, StorageError
from collector.facts import PageRange
from collector.ids import Device, FlushId, PageId, text_id
from collector.sites import Site
from collector.store import Packed, PackedSignals
from heatmap.images import HeatmapQuery, load_heatmap
from heatmap.reports import ReportQuery, load_page_report
from heatmap.rollup import advance
from heatmap.rollup.facts import parse_clicks, parse_moves, parse_signals
from heatmap.spans import Bots

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
DAYS = (date(2026, 3, 2), date(2026, 3, 3))
Pool = asyncpg.Pool
CLICK_COLUMNS = ("t", "e", "x", "y", "fx", "fy", "w", "h", "g", "k", "n")


def _without_others(sent: Sent) -> Sent:
    """The same batch from a snippet that records primary clicks alone."""
    body = deepcopy(sent.body)
    kept = [place for place, kind in enumerate(body["c"]["k"]) if kind >> 2 & 3 == 0]
    at_ms = np.cumsum(body["c"]["t"])[kept] if kept else []
    body["c"] = {name: [body["c"][name][place] for place in kept] for name in CLICK_COLUMNS}
    body["c"]["t"] = np.diff(at_ms, prepend=0).tolist() if kept else []
    return replace(sent, body=body)


async def _count(conn: Conn, site: Site, traffic: list[Sent]) -> list[tuple]:
    """All derived rows of a database that holds this traffic and nothing else, without the site's key."""
    await store_flush(conn, site, traffic, 1)
    while (await advance(conn, site.shard_keys[0], NOW)).flushes:
        pass
    tables = ("rollup_pages", "rollup_sections", "rollup_clicks")
    rows = [tuple(row)[1:] for table in tables for row in await conn.fetch(f"select * from {table}")]
    states = await conn.fetch("select view_id, clicks, click_flushes from view_states")
    return sorted(rows + [tuple(row) for row in states], key=repr)


async def test_middle_and_context_clicks_change_no_figure(pool: Pool):
    """Every derived table is the same with them and without them, though the facts hold all."""
    traffic = make_traffic(random.Random(5), views=60)
    async with pool.acquire() as conn:
        counted = []
        for sent in (traffic, [_without_others(each) for each in traffic]):
            transaction = conn.transaction()
            await transaction.start()
            counted.append(await _count(conn, await add_test_site(conn), sent))
            others = await conn.fetchval("select count(*) from clicks where button <> 0")
            counted.append(others)
            await transaction.rollback()

    assert counted[0] == counted[2]
    assert counted[1] > 20
    assert counted[3] == 0


def _click_map(path: str) -> HeatmapQuery:
    return HeatmapQuery(path, "click", Device.ALL, *DAYS, bots=Bots.INCLUDE)


async def test_clicks_in_are_clicks_on_the_map(pool: Pool):
    """The facts' primary clicks, the pages' totals, the report and the map's legend agree to the click."""
    traffic = make_traffic(random.Random(6), views=60)
    query = ReportQuery(*DAYS, bots=Bots.INCLUDE)
    async with pool.acquire() as conn:
        site = await add_test_site(conn)
        await _count(conn, site, traffic)
        facts = dict(await conn.fetch(
            "select path, count(*) from clicks join pages using (page_id) where button = 0 group by path"
        ))  # fmt: skip
        presses = await conn.fetchval("select count(*) from clicks")
        rolled_up = dict(await conn.fetch(
            "select path, sum(clicks)::int from rollup_pages join pages using (page_id) group by path"
        ))  # fmt: skip
        reports = {path: (await load_page_report(conn, site, path, query)).figures.clicks for path in facts}
        maps = {path: await load_heatmap(conn, site, _click_map(path)) for path in facts}

    assert facts == rolled_up == reports == {path: heatmap.clicks for path, heatmap in maps.items()}
    assert facts == {path: sum(one.clicks for one in heatmap.elements) for path, heatmap in maps.items()}
    assert presses > sum(facts.values()) > 40


async def test_moves_and_signals_of_facts_come_by_column(pool: Pool):
    """Each row names its view; elements, times, positions and texts are those that were sent."""
    sent = [one for one in make_traffic(random.Random(7), views=3) if one.body["w"]["q"] == 0]
    for number, one in enumerate(sent):
        one.body["m"] = {"t": [5, 10], "e": [0, 1], "x": [number, 1], "y": [7, -7], "fx": [0, 255], "fy": [1, 2]}
        one.body["f"] = {"t": [number], "k": [17], "e": [-1], "v": [-number], "s": [f"event {number}"]}
    views = [int(one.body["w"]["i"], 16) for one in sent]
    async with pool.acquire() as conn:
        site = await add_test_site(conn)
        await store_flush(conn, site, sent, 1)
        pending = await store.load_pending_flushes(conn, site.shard_keys[0], 9)
        moves = parse_moves(await store.load_moves(conn, site.shard_keys[0], pending))
        signals = parse_signals(await store.load_signals(conn, site.shard_keys[0], pending, views[1:]))
        pages = {text_id(one.body["w"]["p"]) for one in sent}
        asked = [PageRange(PageId(page), *DAYS) for page in pages]
        by_page = [parse_moves(await store.load_page_moves(conn, site.shard_keys, one)) for one in asked]

    columns = (moves.view_ids, moves.element_ids, moves.at_ms, moves.x_px, moves.y_px, moves.x_frac, moves.y_frac)
    assert sorted(tuple(map(int, row)) for row in zip(*columns, strict=True)) == sorted(
        row
        for number, view in enumerate(views)
        for row in ((view, text_id("#buy"), 5, number, 7, 0, 1), (view, text_id("#menu"), 15, number + 1, 0, 255, 2))
    )
    columns = (signals.view_ids, signals.element_ids, signals.at_ms, signals.kinds, signals.values, signals.texts)
    assert sorted(zip(*columns, strict=True)) == [
        (view, 0, number, 17, -number, f"event {number}") for number, view in enumerate(views) if number
    ]
    assert signals.extras.tolist() == [0, 0]
    assert sum(part.at_ms.size for part in by_page) == moves.at_ms.size


def test_nothing_stored_is_no_rows():
    """Flushes without clicks, moves and signals give empty columns."""
    nothing = Packed([], [], [], b"")

    assert parse_clicks(nothing).view_ids.size == parse_clicks(nothing).element_ids.size == 0
    assert parse_moves(nothing).view_ids.size == 0
    assert parse_signals(PackedSignals([], [], [], b"", [])).texts == []


def test_bytes_that_are_no_records_are_an_error():
    """A length that is no whole number of records, or a text too few, is told and not guessed at."""
    with pytest.raises(StorageError, match="moves of 22 bytes"):
        parse_moves(Packed([1], [FlushId(1)], [23], bytes(23)))
    with pytest.raises(StorageError, match="1 signals have 0 texts"):
        parse_signals(PackedSignals([1], [FlushId(1)], [21], bytes(21), []))


async def test_a_page_with_a_parameter_is_found_by_its_address(pool: Pool):
    """A report takes the parameters that the site names for part of the page, and drops the others; a page that was
    counted under another setting is still found as the list of pages writes it."""
    traffic = [sent for sent in make_traffic(random.Random(8), views=2) if sent.body["w"]["q"] == 0]
    for sent in traffic:
        sent.body["w"]["p"] = "/search?lang=fi"
    query = ReportQuery(*DAYS, bots=Bots.INCLUDE)
    async with pool.acquire() as conn:
        before = await add_test_site(conn)
        site = replace(before, params=("lang",))
        await _count(conn, site, traffic)

        reports = [
            await load_page_report(conn, one, address, query)
            for one, address in ((site, "/search?utm=1&lang=fi"), (before, "/search?lang=fi"))
        ]
        with pytest.raises(NotFoundError, match=r"no page /search$"):
            await load_page_report(conn, before, "/search?lang=en", query)

    assert [report.figures.views for report in reports] == [2, 2]
    assert [report.figures.path for report in reports] == ["/search?lang=fi"] * 2
