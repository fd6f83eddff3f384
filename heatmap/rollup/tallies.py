"""Owns `rollup_pages` and `rollup_sections`: applies differences to them.

Writing goes through `write_tally` alone, under the rollup lock of the shard key; whatever the number of events, only
the rows that a tally names are read and written.
"""

from collections import Counter
from collections.abc import Mapping
from typing import LiteralString

import asyncpg

from collector.db import Conn
from collector.ids import Audience, Device, ShardKey
from heatmap.grid import add_histograms, build_histogram, pack_histogram, unpack_histogram
from heatmap.visits import PageTally, RowKey, SectionKey, SectionTally, Tally

_LOAD_PAGE_HISTOGRAMS: LiteralString = """
-- rollup.tallies.write_tally
select r.page_id, r.local_day, r.device, r.audience, r.engaged, r.depth, r.depth_fitting
from unnest($2::bigint[], $3::date[], $4::smallint[], $5::smallint[]) as touched (page_id, local_day, device, audience)
join rollup_pages r
    on r.shard_key = $1
    and r.page_id = touched.page_id
    and r.local_day = touched.local_day
    and r.device = touched.device
    and r.audience = touched.audience
"""

_WRITE_PAGES: LiteralString = """
-- rollup.tallies.write_tally
insert into rollup_pages (
    shard_key, page_id, local_day, device, audience,
    views, visitors, sessions, entries, bounces, clicks, engaged_ms, fold_sum_px,
    engaged, depth, depth_fitting
)
select $1::bigint, t.*
from unnest(
    $2::bigint[], $3::date[], $4::smallint[], $5::smallint[],
    $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
    $14::bytea[], $15::bytea[], $16::bytea[]
) as t
on conflict (shard_key, page_id, local_day, device, audience) do update set
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

_DELETE_EMPTY_PAGES: LiteralString = """
-- rollup.tallies.write_tally
delete from rollup_pages r
using unnest($2::bigint[], $3::date[], $4::smallint[], $5::smallint[]) as touched (page_id, local_day, device, audience)
where r.shard_key = $1
    and r.page_id = touched.page_id
    and r.local_day = touched.local_day
    and r.device = touched.device
    and r.audience = touched.audience
    and r.views = 0
"""

_LOAD_SECTION_HISTOGRAMS: LiteralString = """
-- rollup.tallies.write_tally
select r.page_id, r.local_day, r.device, r.audience, r.section_id, r.seen_time, r.end_time
from unnest($2::bigint[], $3::date[], $4::smallint[], $5::smallint[], $6::bigint[])
    as touched (page_id, local_day, device, audience, section_id)
join rollup_sections r
    on r.shard_key = $1
    and r.page_id = touched.page_id
    and r.local_day = touched.local_day
    and r.device = touched.device
    and r.audience = touched.audience
    and r.section_id = touched.section_id
"""

_WRITE_SECTIONS: LiteralString = """
-- rollup.tallies.write_tally
insert into rollup_sections (
    shard_key, page_id, local_day, device, audience, section_id, seen_views, time_ms, exits, seen_time, end_time
)
select $1::bigint, t.*
from unnest(
    $2::bigint[], $3::date[], $4::smallint[], $5::smallint[], $6::bigint[],
    $7::bigint[], $8::bigint[], $9::bigint[], $10::bytea[], $11::bytea[]
) as t
on conflict (shard_key, page_id, local_day, device, audience, section_id) do update set
    seen_views = rollup_sections.seen_views + excluded.seen_views,
    time_ms = rollup_sections.time_ms + excluded.time_ms,
    exits = rollup_sections.exits + excluded.exits,
    seen_time = excluded.seen_time,
    end_time = excluded.end_time
"""

_DELETE_EMPTY_SECTIONS: LiteralString = """
-- rollup.tallies.write_tally
delete from rollup_sections r
using unnest($2::bigint[], $3::date[], $4::smallint[], $5::smallint[], $6::bigint[])
    as touched (page_id, local_day, device, audience, section_id)
where r.shard_key = $1
    and r.page_id = touched.page_id
    and r.local_day = touched.local_day
    and r.device = touched.device
    and r.audience = touched.audience
    and r.section_id = touched.section_id
    and r.seen_views = 0
    and r.time_ms = 0
    and r.exits = 0
"""

_DELETE_PAGES: LiteralString = """
-- rollup.tallies.delete_totals
delete from rollup_pages
where shard_key = $1
"""

_DELETE_SECTIONS: LiteralString = """
-- rollup.tallies.delete_totals
delete from rollup_sections
where shard_key = $1
"""


async def write_tally(conn: Conn, shard_key: ShardKey, tally: Tally) -> None:
    """Apply the differences; call it in the transaction that holds the shard key's rollup lock."""
    if tally.pages:
        await _write_pages(conn, shard_key, tally.pages)
    if tally.sections:
        await _write_sections(conn, shard_key, tally.sections)


async def delete_totals(conn: Conn, shard_key: ShardKey) -> None:
    """Forget all figures of a shard key, for them to be counted anew in the same transaction."""
    await conn.execute(_DELETE_PAGES, shard_key)
    await conn.execute(_DELETE_SECTIONS, shard_key)


def _row_key(row: asyncpg.Record) -> RowKey:
    return RowKey(row["page_id"], row["local_day"], Device(row["device"]), Audience(row["audience"]))


async def _write_pages(conn: Conn, shard_key: ShardKey, pages: Mapping[RowKey, PageTally]) -> None:
    keys = sorted(pages)
    columns = list(zip(*keys, strict=True))
    rows = await conn.fetch(_LOAD_PAGE_HISTOGRAMS, shard_key, *columns)
    stored = {_row_key(row): row for row in rows}
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
    # Where all views of a row turned out to be another audience's, none is left.
    await conn.execute(_DELETE_EMPTY_PAGES, shard_key, *columns)


async def _write_sections(conn: Conn, shard_key: ShardKey, sections: Mapping[SectionKey, SectionTally]) -> None:
    keys = sorted(sections)
    columns = list(zip(*((*key.row, key.section_id) for key in keys), strict=True))
    rows = await conn.fetch(_LOAD_SECTION_HISTOGRAMS, shard_key, *columns)
    stored = {SectionKey(_row_key(row), row["section_id"]): row for row in rows}
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
