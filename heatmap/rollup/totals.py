"""The figures of any range: sums the rows of `rollup_pages` and `rollup_sections`, which `tallies` writes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import LiteralString

import asyncpg

from collector.db import Conn
from collector.ids import Audience, Device, PageId, SectionId, ShardKey
from heatmap.grid import Histogram, add_histograms, build_histogram, unpack_histogram
from heatmap.spans import Span

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
    and audience = any($6)
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
    and audience = any($6)
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
    and audience = any($6)
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
    and audience = any($5)
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


async def load_page_totals(conn: Conn, keys: Sequence[ShardKey], page_id: PageId, span: Span) -> PageTotals:
    """Return the sums of one page (or `WHOLE_SITE`); zeros where there are none."""
    return (await load_pages_totals(conn, keys, [page_id], span))[page_id]


async def load_pages_totals(
    conn: Conn, keys: Sequence[ShardKey], page_ids: Sequence[PageId], span: Span
) -> dict[PageId, PageTotals]:
    """Return the sums of each page, in the order given; zeros where there are none."""
    rows = await conn.fetch(_LOAD_PAGES, keys, page_ids, *_bounds(span))
    found = await asyncio.to_thread(_read_pages, rows)
    return {page_id: found.get(page_id, _NOTHING) for page_id in page_ids}


async def load_section_totals(conn: Conn, keys: Sequence[ShardKey], page_id: PageId, span: Span) -> list[SectionTotals]:
    """Return the sums of each section of the page that any view reported, in order of their ids."""
    rows = await conn.fetch(_LOAD_SECTIONS, keys, page_id, *_bounds(span))
    return await asyncio.to_thread(_read_sections, rows)


async def load_days(conn: Conn, keys: Sequence[ShardKey], page_id: PageId, span: Span) -> list[DayTotals]:
    """Return the sums of each day that has any, in order."""
    rows = await conn.fetch(_LOAD_DAYS, keys, page_id, *_bounds(span))
    return [DayTotals(row["local_day"], row["views"], row["visitors"], row["clicks"]) for row in rows]


async def load_devices(conn: Conn, keys: Sequence[ShardKey], page_id: PageId, span: Span) -> list[DeviceTotals]:
    """Return the sums of each device class that has any, whichever one is asked for."""
    rows = await conn.fetch(_LOAD_DEVICES, keys, page_id, span.first_day, span.last_day, span.bots.audiences)
    return [DeviceTotals(Device(row["device"]), row["views"], row["visitors"]) for row in rows]


def _bounds(span: Span) -> tuple[Device, date, date, list[Audience]]:
    return span.device, span.first_day, span.last_day, span.bots.audiences


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
