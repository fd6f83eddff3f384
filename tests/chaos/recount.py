"""Counts what Postgres holds of one site and compares it with the oracle's notes."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
from notes import Notes
from oracle import batch_view

from collector.ids import shard_keys
from heatmap.rollup import advance

Conn = asyncpg.Connection
_STEADY_S = 0.5
_PAUSE_S = 0.1

_LEDGER = "select replace(batch_id::text, '-', '') as batch from ledger where shard_key >> 8 = $1"
_REPORTS = """\
select view_id, count(*) as reports,
    count(*) filter (where (seq, active_ms, engaged_ms, depth_px, depth_doc_h_px) <> (0, 500, 400, 900, 2000)) as wrong
from view_reports
where shard_key >> 8 = $1
group by view_id
"""
_CLICKS = """\
select view_id, count(*) as clicks,
    count(*) filter (
        where (x_px, y_px, at_ms, element_w_px, element_h_px) <> (view_id & 1023, 50, 10 * nth, 80, 20)
           or (viewport_w_px, viewport_h_px, doc_w_px, doc_h_px) <> (1440, 900, 1440, 2000)
           or (x_frac, y_frac, kind) <> (128, 128, 0)
    ) as wrong
from clicks
where shard_key >> 8 = $1
group by view_id
"""
"""What every batch of `oracle.Bodies` holds, so that a value which nobody sent is seen."""
_TOTALS = """\
select
    (select coalesce(sum(clicks), 0) from rollup_clicks where shard_key >> 8 = $1) as on_map,
    (select coalesce(sum(clicks), 0) from rollup_pages where shard_key >> 8 = $1 and page_id = 0) as of_site,
    (select coalesce(sum(clicks), 0) from rollup_pages where shard_key >> 8 = $1 and page_id <> 0) as of_pages,
    (select coalesce(sum(views), 0) from rollup_pages where shard_key >> 8 = $1 and page_id = 0) as views_of_site,
    (select coalesce(sum(views), 0) from rollup_pages where shard_key >> 8 = $1 and page_id <> 0) as views_of_pages
"""


@dataclass(frozen=True, slots=True)
class Recount:
    """The difference between notes and database, in batches; `stored` and `clicks` are what the facts hold."""

    lost: int
    phantom: int
    duplicates: int
    stored: int
    clicks: int


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of the rollups beside those of the facts."""

    clicks: int
    views: int
    on_map: int
    of_site: int
    of_pages: int
    views_of_site: int
    views_of_pages: int

    @property
    def is_equal(self) -> bool:
        """Each total equals the facts."""
        return self.on_map == self.of_site == self.of_pages == self.clicks and (
            self.views_of_site == self.views_of_pages == self.views
        )


async def wait_stored(conn: Conn, site_id: int, notes: Notes, timeout_s: float) -> None:
    """Wait until every acknowledged batch is in the ledger; what is missing after `timeout_s` is lost."""
    until = time.monotonic() + timeout_s
    while await _missing(conn, site_id, notes) and time.monotonic() < until:  # noqa: ASYNC110  # Postgres sets no event
        await asyncio.sleep(_PAUSE_S)


async def wait_steady(conn: Conn, site_id: int, timeout_s: float) -> None:
    """Wait until the ledger has not grown for half a second."""
    until = time.monotonic() + timeout_s
    count, since = -1, time.monotonic()
    while time.monotonic() < min(until, since + _STEADY_S):
        now_count = await conn.fetchval("select count(*) from ledger where shard_key >> 8 = $1", site_id)
        if now_count != count:
            count, since = now_count, time.monotonic()
        await asyncio.sleep(_PAUSE_S)


async def recount(conn: Conn, site_id: int, notes: Notes) -> Recount:
    """Return what is lost, made up and doubled."""
    ledger = await _ledger(conn, site_id)
    reports = {row["view_id"]: row for row in await conn.fetch(_REPORTS, site_id)}
    clicks = {row["view_id"]: row for row in await conn.fetch(_CLICKS, site_id)}
    sent = {batch_view(batch): (batch, count) for batch, count in notes.sent.items()}
    rows = [*reports.items(), *clicks.items()]
    wrong = {view for view, row in rows if view not in sent or row["wrong"]}
    return Recount(
        lost=sum(not _is_whole(batch, count, ledger, reports, clicks) for batch, count in notes.acknowledged.items()),
        phantom=max(len(ledger - notes.sent.keys()), len(wrong)),
        duplicates=sum(
            (view in reports and reports[view]["reports"] > 1) or (view in clicks and clicks[view]["clicks"] > count)
            for view, (_, count) in sent.items()
        ),
        stored=len(ledger),
        clicks=sum(row["clicks"] for row in clicks.values()),
    )


async def roll_up(conn: Conn, site_id: int) -> Totals:
    """Bring the rollups of the site up to date and return their sums beside those of the facts."""
    for key in shard_keys(site_id, 1):
        while (await advance(conn, key, datetime.now(UTC))).flushes:
            pass
    return await compare_totals(conn, site_id)


async def compare_totals(conn: Conn, site_id: int) -> Totals:
    """Return the sums of the rollups beside those of the facts."""
    clicks = await conn.fetchval("select count(*) from clicks where shard_key >> 8 = $1", site_id)
    views = await conn.fetchval("select count(distinct view_id) from view_reports where shard_key >> 8 = $1", site_id)
    return Totals(clicks, views, *map(int, await conn.fetchrow(_TOTALS, site_id)))


def _is_whole(
    batch: str, count: int, ledger: set[str], reports: dict[int, asyncpg.Record], clicks: dict[int, asyncpg.Record]
) -> bool:
    view = batch_view(batch)
    return batch in ledger and view in reports and (clicks[view]["clicks"] if view in clicks else 0) >= count


async def _missing(conn: Conn, site_id: int, notes: Notes) -> set[str]:
    return notes.acknowledged.keys() - await _ledger(conn, site_id)


async def _ledger(conn: Conn, site_id: int) -> set[str]:
    return {row["batch"] for row in await conn.fetch(_LEDGER, site_id)}
