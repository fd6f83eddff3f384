"""Which pages of a site come first: reads `rollup_pages`, which `totals` writes, without its histograms."""

from collections.abc import Sequence
from datetime import date
from typing import LiteralString

from collector.db import Conn
from collector.ids import Device, PageId, ShardKey

_RANK_PAGES: LiteralString = """
-- rollup.ranks.rank_pages
select page_id
from rollup_pages
where shard_key = any($1)
    and local_day between $3 and $4
    and ($2::smallint = 0 or device = $2)
    and page_id <> 0
group by page_id
order by sum(engaged_ms) desc, sum(views) desc, page_id
"""

_COUNT_VIEWS: LiteralString = """
-- rollup.ranks.load_view_counts
select page_id, sum(views)::bigint as views
from rollup_pages
where shard_key = any($1)
    and local_day between $3 and $4
    and ($2::smallint = 0 or device = $2)
    and page_id <> 0
group by page_id
order by 2 desc, page_id
limit $5
"""


async def rank_pages(
    conn: Conn, keys: Sequence[ShardKey], device: Device, first_day: date, last_day: date
) -> list[PageId]:
    """Return the pages viewed in these days, those with the most engaged time first."""
    rows = await conn.fetch(_RANK_PAGES, keys, device, first_day, last_day)
    return [row["page_id"] for row in rows]


async def load_view_counts(
    conn: Conn, keys: Sequence[ShardKey], device: Device, days: tuple[date, date], limit: int
) -> dict[PageId, int]:
    """Return how many views each of the `limit` most viewed pages had from the first to the last of `days`."""
    rows = await conn.fetch(_COUNT_VIEWS, keys, device, *days, limit)
    return {PageId(row["page_id"]): row["views"] for row in rows}
