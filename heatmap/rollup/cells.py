"""Owns `rollup_clicks`: appends one packed part per advance, merges parts now and then, adds them up for a reader."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import LiteralString

import numpy as np

from collector.db import Conn
from collector.ids import Audience, Device, FlushId, PageId, ShardKey
from heatmap.grid import ClickCells, merge_cells, pack_cells, unpack_cells
from heatmap.spans import Span
from heatmap.visits import RowKey

MAX_PARTS = 16
"""Parts of one row key before they are merged: a reader decodes at most this many and a writer rewrites rarely."""

_WRITE_PARTS: LiteralString = """
-- rollup.cells.write_parts
insert into rollup_clicks (shard_key, page_id, local_day, device, audience, part_id, clicks, cells)
select $1::bigint, t.page_id, t.local_day, t.device, t.audience, $2::bigint, t.clicks, t.cells
from unnest($3::bigint[], $4::date[], $5::smallint[], $6::smallint[], $7::bigint[], $8::bytea[])
    as t (page_id, local_day, device, audience, clicks, cells)
"""

_LOAD_ROWS: LiteralString = """
-- rollup.cells.load_rows
select r.page_id, r.local_day, r.device, r.audience,
    max(r.part_id) as part_id, array_agg(r.cells order by r.part_id) as parts
from unnest($2::bigint[], $3::date[], $4::smallint[], $5::smallint[]) as touched (page_id, local_day, device, audience)
join rollup_clicks r
    on r.shard_key = $1
    and r.page_id = touched.page_id
    and r.local_day = touched.local_day
    and r.device = touched.device
    and r.audience = touched.audience
group by r.page_id, r.local_day, r.device, r.audience
having count(*) > $6
"""

_DELETE_PARTS: LiteralString = """
-- rollup.cells.replace_row
delete from rollup_clicks
where shard_key = $1
    and page_id = $2
    and local_day = $3
    and device = $4
    and audience = $5
"""

_DELETE_ALL: LiteralString = """
-- rollup.cells.delete_cells
delete from rollup_clicks
where shard_key = $1
"""

_LOAD_PARTS: LiteralString = """
-- rollup.cells.load_click_cells
select cells
from rollup_clicks
where shard_key = any($1)
    and page_id = $2
    and local_day between $4 and $5
    and ($3::smallint = 0 or device = $3)
    and audience = any($6)
order by part_id
"""


async def write_parts(conn: Conn, shard_key: ShardKey, part_id: FlushId, cells: Mapping[RowKey, ClickCells]) -> None:
    """Append one part per row key and merge the keys that have too many; call it under the rollup lock."""
    if not cells:
        return
    await _write(conn, shard_key, part_id, cells)
    for stored in await _load_rows(conn, shard_key, list(cells), MAX_PARTS):
        await _replace_row(conn, shard_key, stored)


async def take_cells(conn: Conn, shard_key: ShardKey, cells: Mapping[RowKey, ClickCells]) -> None:
    """Take clicks out of the rows that they were counted in; call it under the rollup lock.

    Raises:
        ValueError: a row holds fewer of them than are to be taken.
    """
    for stored in await _load_rows(conn, shard_key, list(cells), 0) if cells else ():
        rest = subtract_cells(stored.cells, cells[stored.key])
        await _replace_row(conn, shard_key, replace(stored, cells=rest))


def subtract_cells(cells: ClickCells, taken: ClickCells) -> ClickCells:
    """Return the cells without those taken; what is left keeps its boxes.

    Raises:
        ValueError: a cell would hold less than nothing.
    """
    negative = replace(taken, clicks=-taken.clicks, first_clicks=-taken.first_clicks)
    total = merge_cells([negative, cells])
    if np.any(total.clicks < 0) or np.any(total.first_clicks < 0):
        raise ValueError("clicks that a row does not hold cannot be taken from it")
    kept = total.clicks > 0
    return ClickCells(
        element_ids=total.element_ids[kept],
        x_frac=total.x_frac[kept],
        y_frac=total.y_frac[kept],
        clicks=total.clicks[kept],
        first_clicks=total.first_clicks[kept],
        boxes=total.boxes.take(np.flatnonzero(np.isin(total.boxes.element_ids, total.element_ids[kept]))),
    )


async def delete_cells(conn: Conn, shard_key: ShardKey) -> None:
    """Forget all clicks of a shard key, for them to be counted anew in the same transaction."""
    await conn.execute(_DELETE_ALL, shard_key)


async def load_click_cells(conn: Conn, keys: Sequence[ShardKey], page_id: PageId, span: Span) -> ClickCells:
    """Return the clicks of one page; all device classes and audiences asked for add up."""
    bounds = (span.device, span.first_day, span.last_day, span.bots.audiences)
    rows = await conn.fetch(_LOAD_PARTS, keys, page_id, *bounds)
    return await asyncio.to_thread(_add_up, [row["cells"] for row in rows])


@dataclass(frozen=True, slots=True)
class _Row:
    key: RowKey
    part_id: FlushId
    cells: ClickCells


async def _load_rows(conn: Conn, shard_key: ShardKey, keys: Sequence[RowKey], more_than: int) -> list[_Row]:
    """Return those of the rows that have more than so many parts, each as one."""
    rows = await conn.fetch(_LOAD_ROWS, shard_key, *zip(*keys, strict=True), more_than)
    return [
        _Row(
            RowKey(row["page_id"], row["local_day"], Device(row["device"]), Audience(row["audience"])),
            row["part_id"],
            _add_up(row["parts"]),
        )
        for row in rows
    ]


async def _replace_row(conn: Conn, shard_key: ShardKey, row: _Row) -> None:
    """Put one part in the place of all parts of a row; none where nothing is left of it."""
    await conn.execute(_DELETE_PARTS, shard_key, *row.key)
    if row.cells.total:
        await _write(conn, shard_key, row.part_id, {row.key: row.cells})


def _add_up(parts: Sequence[bytes]) -> ClickCells:
    return merge_cells([unpack_cells(part) for part in parts])


async def _write(conn: Conn, shard_key: ShardKey, part_id: FlushId, cells: Mapping[RowKey, ClickCells]) -> None:
    await conn.execute(
        _WRITE_PARTS,
        shard_key,
        part_id,
        *zip(*cells, strict=True),
        [part.total for part in cells.values()],
        [pack_cells(part) for part in cells.values()],
    )
