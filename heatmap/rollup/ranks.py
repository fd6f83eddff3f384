"""Which pages of a site come first, and whose views they had: reads `rollup_pages`, which `tallies` writes."""

from collections.abc import Sequence
from datetime import date
from typing import LiteralString

from collector.db import Conn
from collector.ids import Audience, Device, PageId, ShardKey
from heatmap.spans import Span

_RANK_PAGES: LiteralString = """
-- rollup.ranks.rank_pages
select page_id
from rollup_pages
where shard_key = any($1)
    and local_day between $3 and $4
    and ($2::smallint = 0 or device = $2)
    and audience = any($5)
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
    and audience = any($5)
    and page_id <> 0
group by page_id
order by 2 desc, page_id
limit $6
"""


_LOAD_AUDIENCES: LiteralString = """
-- rollup.ranks.load_audiences
select audience, sum(views)::bigint as views
from rollup_pages
where shard_key = any($1)
    and page_id = $5
    and local_day between $3 and $4
    and ($2::smallint = 0 or device = $2)
group by audience
"""


async def rank_pages(conn: Conn, keys: Sequence[ShardKey], span: Span) -> list[PageId]:
    """Return the pages viewed in the span, those with the most engaged time first."""
    rows = await conn.fetch(_RANK_PAGES, keys, *_days(span), span.bots.audiences)
    return [row["page_id"] for row in rows]


async def load_view_counts(conn: Conn, keys: Sequence[ShardKey], span: Span, limit: int) -> dict[PageId, int]:
    """Return how many views each of the `limit` most viewed pages had."""
    rows = await conn.fetch(_COUNT_VIEWS, keys, *_days(span), span.bots.audiences, limit)
    return {PageId(row["page_id"]): row["views"] for row in rows}


async def load_audiences(conn: Conn, keys: Sequence[ShardKey], page_id: PageId, span: Span) -> dict[Audience, int]:
    """Return the views of people and those of bots on a page (or `WHOLE_SITE`), whichever are asked for."""
    rows = await conn.fetch(_LOAD_AUDIENCES, keys, *_days(span), page_id)
    return dict.fromkeys(Audience, 0) | {Audience(row["audience"]): row["views"] for row in rows}


def _days(span: Span) -> tuple[Device, date, date]:
    return span.device, span.first_day, span.last_day
