"""Owns `rollup_pages` and `rollup_sections`: applies differences to them and sums them for a reader.

Writing goes through `write_tally` alone, under the rollup lock of the shard key; whatever the number of events, only
the rows that a tally names are read and written.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import LiteralString

import asyncpg

from collector.db import Conn
from collector.ids import Device, PageId, SectionId, ShardKey
from heatmap.grid import Histogram, add_histograms, build_histogram, pack_histogram, unpack_histogram
from heatmap.visits import PageTally, RowKey, SectionKey, SectionTally, Tally

_LOAD_PAGE_HISTOGRAMS: LiteralString = """
-- rollup.totals.write_tally
select r.page_id, r.local_day, r.device, r.engaged, r.depth, r.depth_fitting
from unnest($2::bigint[], $3::date[], $4::smallint[]) as touched (page_id, local_day, device)
join rollup_pages r
    on r.shard_key = $1
    and r.page_id = touched.page_id
    and r.local_day = touched.local_day
    and r.device = touched.device
"""

_WRITE_PAGES: LiteralString = """
-- rollup.totals.write_tally
insert into rollup_pages (
    shard_key, page_id, local_day, device,
    views, visitors, sessions, entries, bounces, clicks, engaged_ms, fold_sum_px,
    engaged, depth, depth_fitting
)
select $1::bigint, t.*
from unnest(
    $2::bigint[], $3::date[], $4::smallint[],
    $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[],
    $13::bytea[], $14::bytea[], $15::bytea[]
) as t
on conflict (shard_key, page_id, local_day, device) do update set
    views = rollup_pages.views + excluded.views,
    visitors = rollup_pages.visitors + excluded.visitors,
    sessions = rollup_pages.sessions + excluded.sessions,
    entries = rollup_pages.entries + excluded.entries,
    bounces = rollup_pages.bounces + excluded.bounces,
    clicks = rollup_pages.clicks + excluded.clicks,
    engaged_ms = rollup_pages.engaged_ms + excluded.engaged_ms,
    fold_sum_px = rollup_pages.fold_sum_px + excluded.fold_sum_px,
    engaged = excluded.engaged,
    depth = excluded.depth,
    depth_fitting = excluded.depth_fitting
"""

_LOAD_SECTION_HISTOGRAMS: LiteralString = """
-- rollup.totals.write_tally
select r.page_id, r.local_day, r.device, r.section_id, r.seen_time, r.end_time
from unnest($2::bigint[], $3::date[], $4::smallint[], $5::bigint[]) as touched (page_id, local_day, device, section_id)
join rollup_sections r
    on r.shard_key = $1
    and r.page_id = touched.page_id
    and r.local_day = touched.local_day
    and r.device = touched.device
    and r.section_id = touched.section_id
"""

_WRITE_SECTIONS: LiteralString = """
-- rollup.totals.write_tally
insert into rollup_sections (
    shard_key, page_id, local_day, device, section_id, seen_views, time_ms, exits, seen_time, end_time
)
select $1::bigint, t.*
from unnest(
    $2::bigint[], $3::date[], $4::smallint[], $5::bigint[],
    $6::bigint[], $7::bigint[], $8::bigint[], $9::bytea[], $10::bytea[]
) as t
on conflict (shard_key, page_id, local_day, device, section_id) do update set
    seen_views = rollup_sections.seen_views + excluded.seen_views,
    time_ms = rollup_sections.time_ms + excluded.time_ms,
    exits = rollup_sections.exits + excluded.exits,
    seen_time = excluded.seen_time,
    end_time = excluded.end_time
"""

_DELETE_EMPTY_SECTIONS: LiteralString = """
-- rollup.totals.write_tally
delete from rollup_sections r
using unnest($2::bigint[], $3::date[], $4::smallint[], $5::bigint[]) as touched (page_id, local_day, device, section_id)
where r.shard_key = $1
    and r.page_id = touched.page_id
    and r.local_day = touched.local_day
    and r.device = touched.device
    and r.section_id = touched.section_id
    and r.seen_views = 0
    and r.time_ms = 0
    and r.exits = 0
"""

_LOAD_PAGES: LiteralString = """
-- rollup.totals.load_pages_totals
select
    page_id,
    sum(views)::bigint as views,
    sum(visitors)::bigint as visitors,
    sum(sessions)::bigint as sessions,
    sum(entries)::bigint as entries,
    sum(bounces)::bigint as bounces,
    sum(clicks)::bigint as clicks,
    sum(engaged_ms)::bigint as engaged_ms,
    sum(fold_sum_px)::bigint as fold_sum_px,
    array_agg(engaged) as engaged,
    array_agg(depth) as depth,
    array_agg(depth_fitting) as depth_fitting
from rollup_pages
where shard_key = any($1)
    and page_id = any($2)
    and local_day between $4 and $5
    and ($3::smallint = 0 or device = $3)
group by page_id
"""

_LOAD_SECTIONS: LiteralString = """
-- rollup.totals.load_section_totals
select
    section_id,
    sum(seen_views)::bigint as seen_views,
    sum(time_ms)::bigint as time_ms,
    sum(exits)::bigint as exits,
    array_agg(seen_time) as seen_time,
    array_agg(end_time) as end_time
from rollup_sections
where shard_key = any($1)
    and page_id = $2
    and local_day between $4 and $5
    and ($3::smallint = 0 or device = $3)
group by section_id
order by section_id
"""

_LOAD_DAYS: LiteralString = """
-- rollup.totals.load_days
select local_day, sum(views)::bigint as views, sum(visitors)::bigint as visitors, sum(clicks)::bigint as clicks
from rollup_pages
where shard_key = any($1)
    and page_id = $2
    and local_day between $4 and $5
    and ($3::smallint = 0 or device = $3)
group by local_day
order by local_day
"""

_LOAD_DEVICES: LiteralString = """
-- rollup.totals.load_devices
select device, sum(views)::bigint as views, sum(visitors)::bigint as visitors
from rollup_pages
where shard_key = any($1)
    and page_id = $2
    and local_day between $3 and $4
group by device
order by device
"""


@dataclass(frozen=True, slots=True)
class PageTotals:
    """Sums of a page's rows; histograms hold one count per view (bins as in `heatmap.visits`)."""

    views: int
    visitors: int
    sessions: int
    entries: int
    bounces: int
    clicks: int
    engaged_ms: int
    fold_sum_px: int
    engaged: Histogram
    depth: Histogram
    depth_fitting: Histogram


@dataclass(frozen=True, slots=True)
class SectionTotals:
    """Sums of a section's rows; histograms hold one count per view that saw it."""

    section_id: SectionId
    seen_views: int
    time_ms: int
    exits: int
    seen_time: Histogram
    end_time: Histogram


@dataclass(frozen=True, slots=True)
class DayTotals:
    """One local day's sums."""

    day: date
    views: int
    visitors: int
    clicks: int


@dataclass(frozen=True, slots=True)
class DeviceTotals:
    """One device class's sums."""

    device: Device
    views: int
    visitors: int


async def write_tally(conn: Conn, shard_key: ShardKey, tally: Tally) -> None:
    """Apply the differences; call it in the transaction that holds the shard key's rollup lock."""
    if tally.pages:
        await _write_pages(conn, shard_key, tally.pages)
    if tally.sections:
        await _write_sections(conn, shard_key, tally.sections)


async def load_page_totals(
    conn: Conn, keys: Sequence[ShardKey], page_id: PageId, device: Device, first_day: date, last_day: date
) -> PageTotals:
    """Return the sums of one page (or `WHOLE_SITE`) over local days, both ends included; zeros where there are none."""
    return (await load_pages_totals(conn, keys, [page_id], device, first_day, last_day))[page_id]


async def load_pages_totals(
    conn: Conn,
    keys: Sequence[ShardKey],
    page_ids: Sequence[PageId],
    device: Device,
    first_day: date,
    last_day: date,
) -> dict[PageId, PageTotals]:
    """Return the sums of each of the pages, with zeros for those without a row."""
    rows = await conn.fetch(_LOAD_PAGES, keys, page_ids, device, first_day, last_day)
    found = await asyncio.to_thread(_read_pages, rows)
    return {page_id: found.get(page_id) or _NOTHING for page_id in page_ids}


async def load_section_totals(
    conn: Conn, keys: Sequence[ShardKey], page_id: PageId, device: Device, first_day: date, last_day: date
) -> list[SectionTotals]:
    """Return the sums of each section of the page that any view reported, in order of their ids."""
    rows = await conn.fetch(_LOAD_SECTIONS, keys, page_id, device, first_day, last_day)
    return await asyncio.to_thread(_read_sections, rows)


async def load_days(
    conn: Conn, keys: Sequence[ShardKey], page_id: PageId, device: Device, first_day: date, last_day: date
) -> list[DayTotals]:
    """Return the sums of each day that has any, in order."""
    rows = await conn.fetch(_LOAD_DAYS, keys, page_id, device, first_day, last_day)
    return [DayTotals(row["local_day"], row["views"], row["visitors"], row["clicks"]) for row in rows]


async def load_devices(
    conn: Conn, keys: Sequence[ShardKey], page_id: PageId, first_day: date, last_day: date
) -> list[DeviceTotals]:
    """Return the sums of each device class that has any."""
    rows = await conn.fetch(_LOAD_DEVICES, keys, page_id, first_day, last_day)
    return [DeviceTotals(Device(row["device"]), row["views"], row["visitors"]) for row in rows]


async def _write_pages(conn: Conn, shard_key: ShardKey, pages: Mapping[RowKey, PageTally]) -> None:
    keys = sorted(pages)
    columns = list(zip(*keys, strict=True))
    rows = await conn.fetch(_LOAD_PAGE_HISTOGRAMS, shard_key, *columns)
    stored = {RowKey(row["page_id"], row["local_day"], row["device"]): row for row in rows}
    tallies = [pages[key] for key in keys]
    await conn.execute(
        _WRITE_PAGES,
        shard_key,
        *columns,
        [tally.views for tally in tallies],
        [tally.visitors for tally in tallies],
        [tally.sessions for tally in tallies],
        [tally.entries for tally in tallies],
        [tally.bounces for tally in tallies],
        [tally.clicks for tally in tallies],
        [tally.engaged_ms for tally in tallies],
        [tally.fold_sum_px for tally in tallies],
        [_changed(stored.get(key), "engaged", pages[key].engaged) for key in keys],
        [_changed(stored.get(key), "depth", pages[key].depth) for key in keys],
        [_changed(stored.get(key), "depth_fitting", pages[key].depth_fitting) for key in keys],
    )


async def _write_sections(conn: Conn, shard_key: ShardKey, sections: Mapping[SectionKey, SectionTally]) -> None:
    keys = sorted(sections)
    columns = list(zip(*((*key.row, key.section_id) for key in keys), strict=True))
    rows = await conn.fetch(_LOAD_SECTION_HISTOGRAMS, shard_key, *columns)
    stored = {
        SectionKey(RowKey(row["page_id"], row["local_day"], row["device"]), row["section_id"]): row for row in rows
    }
    tallies = [sections[key] for key in keys]
    await conn.execute(
        _WRITE_SECTIONS,
        shard_key,
        *columns,
        [tally.seen_views for tally in tallies],
        [tally.time_ms for tally in tallies],
        [tally.exits for tally in tallies],
        [_changed(stored.get(key), "seen_time", sections[key].seen_time) for key in keys],
        [_changed(stored.get(key), "end_time", sections[key].end_time) for key in keys],
    )
    # A section that only was an exit until its view went on has nothing left to say.
    await conn.execute(_DELETE_EMPTY_SECTIONS, shard_key, *columns)


def _changed(row: asyncpg.Record | None, column: str, difference: Counter[int]) -> bytes:
    """Return the packed histogram of the stored row with the difference applied."""
    packed: bytes = row[column] if row else b""
    if not any(difference.values()):
        return packed
    moved = build_histogram(list(difference.keys()), list(difference.values()))
    return pack_histogram(add_histograms([unpack_histogram(packed), moved]))


def _read_pages(rows: Sequence[asyncpg.Record]) -> dict[PageId, PageTotals]:
    return {row["page_id"]: _page_totals(row) for row in rows}


def _read_sections(rows: Sequence[asyncpg.Record]) -> list[SectionTotals]:
    return [
        SectionTotals(
            section_id=row["section_id"],
            seen_views=row["seen_views"],
            time_ms=row["time_ms"],
            exits=row["exits"],
            seen_time=_sum_packed(row["seen_time"]),
            end_time=_sum_packed(row["end_time"]),
        )
        for row in rows
    ]


def _page_totals(row: asyncpg.Record) -> PageTotals:
    return PageTotals(
        views=row["views"],
        visitors=row["visitors"],
        sessions=row["sessions"],
        entries=row["entries"],
        bounces=row["bounces"],
        clicks=row["clicks"],
        engaged_ms=row["engaged_ms"],
        fold_sum_px=row["fold_sum_px"],
        engaged=_sum_packed(row["engaged"]),
        depth=_sum_packed(row["depth"]),
        depth_fitting=_sum_packed(row["depth_fitting"]),
    )


def _sum_packed(parts: Sequence[bytes]) -> Histogram:
    return add_histograms([unpack_histogram(part) for part in parts if part])


_NO_VIEWS = build_histogram([], [])
_NOTHING = PageTotals(0, 0, 0, 0, 0, 0, 0, 0, _NO_VIEWS, _NO_VIEWS, _NO_VIEWS)
