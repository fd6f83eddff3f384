"""Owns `rollup_clicks`: appends one packed part per advance, merges parts now and then, adds them up for a reader."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date
from typing import LiteralString

from collector.db import Conn
from collector.ids import Device, FlushId, PageId, ShardKey
from heatmap.grid import ClickCells, merge_cells, pack_cells, unpack_cells
from heatmap.visits import RowKey

MAX_PARTS = 16
"""Parts of one row key before they are merged: a reader decodes at most this many and a writer rewrites rarely."""

_WRITE_PARTS: LiteralString = """
-- rollup.cells.write_parts
insert into rollup_clicks (shard_key, page_id, local_day, device, part_id, clicks, cells)
select $1::bigint, t.page_id, t.local_day, t.device, $2::bigint, t.clicks, t.cells
from unnest($3::bigint[], $4::date[], $5::smallint[], $6::bigint[], $7::bytea[])
    as t (page_id, local_day, device, clicks, cells)
"""

_LOAD_CROWDED: LiteralString = """
-- rollup.cells.write_parts
select r.page_id, r.local_day, r.device, max(r.part_id) as part_id, array_agg(r.cells order by r.part_id) as parts
from unnest($2::bigint[], $3::date[], $4::smallint[]) as touched (page_id, local_day, device)
join rollup_clicks r
    on r.shard_key = $1
    and r.page_id = touched.page_id
    and r.local_day = touched.local_day
    and r.device = touched.device
group by r.page_id, r.local_day, r.device
having count(*) > $5
"""

_DELETE_PARTS: LiteralString = """
-- rollup.cells.write_parts
delete from rollup_clicks r
using unnest($2::bigint[], $3::date[], $4::smallint[]) as crowded (page_id, local_day, device)
where r.shard_key = $1
    and r.page_id = crowded.page_id
    and r.local_day = crowded.local_day
    and r.device = crowded.device
"""

_LOAD_PARTS: LiteralString = """
-- rollup.cells.load_click_cells
select cells
from rollup_clicks
where shard_key = any($1)
    and page_id = $2
    and local_day between $4 and $5
    and ($3::smallint = 0 or device = $3)
order by part_id
"""


async def write_parts(conn: Conn, shard_key: ShardKey, part_id: FlushId, cells: Mapping[RowKey, ClickCells]) -> None:
    """Append one part per row key and merge the keys that have too many; call it under the rollup lock."""
    if not cells:
        return
    keys = list(cells)
    columns = list(zip(*keys, strict=True))
    await _write(conn, shard_key, part_id, cells)
    for row in await conn.fetch(_LOAD_CROWDED, shard_key, *columns, MAX_PARTS):
        key = RowKey(row["page_id"], row["local_day"], Device(row["device"]))
        merged = _add_up(row["parts"])
        await conn.execute(_DELETE_PARTS, shard_key, *([value] for value in key))
        await _write(conn, shard_key, row["part_id"], {key: merged})


async def load_click_cells(
    conn: Conn, keys: Sequence[ShardKey], page_id: PageId, device: Device, first_day: date, last_day: date
) -> ClickCells:
    """Return the clicks of one page over local days, both ends included; `Device.ALL` adds up all classes."""
    rows = await conn.fetch(_LOAD_PARTS, keys, page_id, device, first_day, last_day)
    return await asyncio.to_thread(_add_up, [row["cells"] for row in rows])


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
