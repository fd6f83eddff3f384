"""One step of the rollup: whole flushes of one shard key become rollups, all in one transaction.

A worker that dies in the middle leaves nothing behind; its flushes are still unsettled and the next step takes them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import LiteralString

import numpy as np

from collector import store
from collector.db import Conn
from collector.ids import ShardKey, ViewId
from heatmap.grid import ClickCells, box_edge_px, build_boxes, build_cells
from heatmap.rollup.cells import write_parts
from heatmap.rollup.facts import ClickRows, parse_clicks, parse_views
from heatmap.rollup.states import load_states, load_visits, write_states
from heatmap.rollup.totals import write_tally
from heatmap.visits import RowKey, Tally, ViewState, Visit, add_clicks, merge_states, tally_view, tally_visits

MAX_FLUSHES = 256
MAX_BATCHES = 5_000
"""One step takes whole flushes up to these numbers, and at least one: about a second of work at ten clicks a batch."""

_TIME_BITS = 43
"""Unix ms fit until the year 2248, and beside them more rows than a step can touch."""

_WRITE_LOCK: LiteralString = """
-- rollup.advance
insert into rollup_locks (shard_key)
values ($1)
on conflict do nothing
"""

_LOCK: LiteralString = """
-- rollup.advance
select shard_key
from rollup_locks
where shard_key = $1
for update skip locked
"""


@dataclass(frozen=True, slots=True)
class Advanced:
    """What one step did. `is_busy`: another worker holds the shard key and nothing was done."""

    flushes: int = 0
    batches: int = 0
    views: int = 0
    clicks: int = 0
    is_busy: bool = False


async def advance(conn: Conn, shard_key: ShardKey, now: datetime) -> Advanced:
    """Roll up the oldest unsettled flushes of one shard key and settle them, in one transaction.

    Call it again until `flushes` is 0. Two callers at once are safe: the second finds the key busy.
    """
    await conn.execute(_WRITE_LOCK, shard_key)
    async with conn.transaction():
        if await conn.fetchval(_LOCK, shard_key) is None:
            return Advanced(is_busy=True)
        flushes = take_oldest(await store.load_pending_flushes(conn, shard_key, MAX_FLUSHES))
        if not flushes:
            return Advanced()
        reports = await store.copy_view_reports(conn, shard_key, flushes)
        fresh = parse_views(reports, await store.copy_sections(conn, shard_key, flushes))
        clicks = parse_clicks(await store.load_clicks(conn, shard_key, flushes))
        old, new = await _load_changes(conn, shard_key, fresh, clicks)
        flush_ids = [flush.flush_id for flush in flushes]
        # A day's part is named by its highest flush, which no other step ever holds.
        await write_parts(conn, shard_key, max(flush_ids), group_cells(clicks, new))
        before = await load_visits(conn, shard_key, {state.visit.visitor_key for state in new.values()})
        await write_tally(conn, shard_key, build_tally(old, new, before))
        if new:
            await write_states(conn, shard_key, list(new.values()), now)
        batches = await store.settle(conn, shard_key, flush_ids)
    return Advanced(len(flushes), batches, len(new), clicks.element_ids.size)


def take_oldest(flushes: Sequence[store.PendingFlush]) -> Sequence[store.PendingFlush]:
    """Return the flushes that one step takes of those given, which are oldest first."""
    sums = accumulate(flush.batches for flush in flushes)
    return flushes[: max(1, sum(total <= MAX_BATCHES for total in sums))]


def group_cells(clicks: ClickRows, states: Mapping[ViewId, ViewState]) -> dict[RowKey, ClickCells]:
    """Return the cells of the clicks by the row that their view belongs to."""
    if clicks.view_ids.size == 0:
        return {}
    views = [states[ViewId(view_id)] for view_id in clicks.view_ids.tolist()]
    keys = [_row_key(state) for state in views]
    rows = {key: number for number, key in enumerate(sorted(set(keys)))}
    row_of = np.array([rows[key] for key in keys], dtype=np.int64)[clicks.view_of]
    started_ms = np.array([_started_ms(state) for state in views], dtype=np.int64)
    # By row and in it by time, in one sort: the newest click of an element is the one whose box is kept.
    order = np.argsort(row_of << _TIME_BITS | started_ms[clicks.view_of] + clicks.at_ms)
    ends = np.cumsum(np.bincount(row_of, minlength=len(rows)))
    return {key: _build_cells(clicks, part) for key, part in zip(rows, np.split(order, ends[:-1]), strict=True)}


def build_tally(old: Mapping[ViewId, ViewState], new: Mapping[ViewId, ViewState], before: Iterable[Visit]) -> Tally:
    """Return the differences that turn what `old` states gave to the rollups into what `new` ones give.

    `before` are all visits, as stored, of the visitors of `new`.
    """
    tally = Tally()
    for view_id, state in new.items():
        if view_id in old:
            tally_view(tally, old[view_id], -1)
        tally_view(tally, state, 1)
    visits = {visit.view_id: visit for visit in before}
    tally_visits(tally, visits.values(), -1)
    tally_visits(tally, (visits | {view_id: state.visit for view_id, state in new.items()}).values(), 1)
    return tally


async def _load_changes(
    conn: Conn, shard_key: ShardKey, fresh: Mapping[ViewId, ViewState], clicks: ClickRows
) -> tuple[dict[ViewId, ViewState], dict[ViewId, ViewState]]:
    """Return the stored and the new states of all views that the facts are about."""
    clicked = dict(zip(clicks.view_ids.tolist(), clicks.view_clicks.tolist(), strict=True))
    old = await load_states(conn, shard_key, fresh.keys() | clicked.keys())
    merged = old | {
        view_id: merge_states(old[view_id], state) if view_id in old else state for view_id, state in fresh.items()
    }
    return old, {view_id: add_clicks(state, clicked.get(view_id, 0)) for view_id, state in merged.items()}


def _row_key(state: ViewState) -> RowKey:
    return RowKey(state.visit.page_id, state.visit.local_day, state.visit.device)


def _started_ms(state: ViewState) -> int:
    return int(state.visit.started_at.timestamp() * 1000)


def _build_cells(clicks: ClickRows, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> ClickCells:
    element_ids, x_frac, y_frac = clicks.element_ids[rows], clicks.x_frac[rows], clicks.y_frac[rows]
    w_px, h_px = clicks.element_w_px[rows], clicks.element_h_px[rows]
    x_px = box_edge_px(clicks.x_px[rows], x_frac, w_px)
    y_px = box_edge_px(clicks.y_px[rows], y_frac, h_px)
    boxes = build_boxes(element_ids, x_px, y_px, w_px, h_px, clicks.viewport_w_px[rows])
    return build_cells(element_ids, x_frac, y_frac, clicks.nth[rows], boxes)
