"""Counts what Postgres holds of one site and compares it with the oracle's notes."""

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import numpy as np
from notes import Notes
from oracle import batch_view, click_x

from collector.ids import shard_keys
from heatmap.rollup import advance

Conn = asyncpg.Connection
_STEADY_S = 0.5
_PAUSE_S = 0.1

_LEDGER = "select replace(batch_id::text, '-', '') as batch from ledger where shard_key >> 8 = $1"
_REPORTS = """\
select view_id, clicks,
    (seq, active_ms, engaged_ms, depth_px, depth_doc_h_px) <> (0, 500, 400, 900, 2000) as is_wrong
from view_reports
where shard_key >> 8 = $1
"""
_FACTS = """\
select coalesce(sum(length(clicks)), 0) as click_bytes, count(distinct view_id) as views
from view_reports
where shard_key >> 8 = $1
"""
_CLICK = np.dtype(
    [
        ("element", ">i8"),
        *((name, ">i4") for name in ("at", "x", "y", "w", "h", "view_w", "view_h", "doc_w", "doc_h", "nth")),
        *((name, "u1") for name in ("x_frac", "y_frac", "kind", "device")),
    ]
)
"""A packed click (migrations/0002_pack_clicks.sql)."""
_SENT = {"y": 50, "w": 80, "h": 20, "view_w": 1440, "view_h": 900, "doc_w": 1440, "doc_h": 2000, "kind": 0}
"""What every click of `oracle.Bodies` holds, so that a value which nobody sent is seen."""
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


@dataclass(slots=True)
class _View:
    """What is stored of one view."""

    reports: int = 0
    clicks: int = 0
    is_wrong: bool = False


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
    views = await _load_views(conn, site_id)
    sent = {batch_view(batch): (batch, count) for batch, count in notes.sent.items()}
    none = _View()
    return Recount(
        lost=sum(
            batch not in ledger or _falls_short(views.get(batch_view(batch), none), count)
            for batch, count in notes.acknowledged.items()
        ),
        phantom=max(
            len(ledger - notes.sent.keys()), sum(view not in sent or one.is_wrong for view, one in views.items())
        ),
        duplicates=sum(one.reports > 1 or one.clicks > sent.get(view, ("", 0))[1] for view, one in views.items()),
        stored=len(ledger),
        clicks=sum(one.clicks for one in views.values()),
    )


async def roll_up(conn: Conn, site_id: int) -> Totals:
    """Bring the rollups of the site up to date and return their sums beside those of the facts."""
    for key in shard_keys(site_id, 1):
        while (await advance(conn, key, datetime.now(UTC))).flushes:
            pass
    return await compare_totals(conn, site_id)


async def compare_totals(conn: Conn, site_id: int) -> Totals:
    """Return the sums of the rollups beside those of the facts."""
    click_bytes, views = await conn.fetchrow(_FACTS, site_id)
    return Totals(click_bytes // _CLICK.itemsize, views, *map(int, await conn.fetchrow(_TOTALS, site_id)))


def _falls_short(view: _View, clicks: int) -> bool:
    return view.reports == 0 or view.clicks < clicks


async def _load_views(conn: Conn, site_id: int) -> dict[int, _View]:
    """Return what is stored of each view; a batch that lost its report but not its ledger row has none."""
    views: defaultdict[int, _View] = defaultdict(_View)
    async with conn.transaction():
        async for view_id, packed, is_wrong in conn.cursor(_REPORTS, site_id, prefetch=500):
            view = views[view_id]
            clicks = np.frombuffer(packed, _CLICK)
            view.reports += 1
            view.clicks += clicks.size
            view.is_wrong |= is_wrong or not _is_as_sent(clicks, view_id)
    return views


def _is_as_sent(clicks: "np.ndarray[tuple[int], np.dtype[np.void]]", view_id: int) -> bool:
    return bool(
        (clicks["x"] == click_x(view_id)).all()
        and (clicks["at"] == 10 * clicks["nth"]).all()
        and all((clicks[name] == value).all() for name, value in _SENT.items())
    )


async def _missing(conn: Conn, site_id: int, notes: Notes) -> set[str]:
    return notes.acknowledged.keys() - await _ledger(conn, site_id)


async def _ledger(conn: Conn, site_id: int) -> set[str]:
    return {row["batch"] for row in await conn.fetch(_LEDGER, site_id)}
