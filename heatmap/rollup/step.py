"""One step of the rollup: whole flushes of one shard key become rollups, all in one transaction.

A worker that dies in the middle leaves nothing behind; its flushes are still unsettled and the next step takes them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import LiteralString

import numpy as np

from collector import bots, store
from collector.db import Conn
from collector.ids import ShardKey, ViewId, site_of
from collector.thresholds import load_threshold
from heatmap.grid import ClickCells, box_edge_px, build_boxes, build_cells, merge_cells
from heatmap.rollup.cells import take_cells, write_parts
from heatmap.rollup.facts import ClickRows, parse_clicks, parse_views
from heatmap.rollup.states import load_states, load_visits, write_states
from heatmap.rollup.tallies import write_tally
from heatmap.visits import (
    RowKey,
    Tally,
    ViewState,
    Visit,
    add_clicks,
    judge_audience,
    merge_states,
    row_key,
    tally_view,
    tally_visits,
)

MAX_FLUSHES = 256
MAX_BATCHES = 5_000
"""One step takes whole flushes up to these numbers, and at least one: about a second of work at ten clicks a batch."""

_TIME_BITS = 43
"""Unix ms fit until the year 2248, and beside them more rows than a step can touch."""

_DAY = timedelta(days=1)
_DAYS_OF_A_VIEW = 10
"""A view is a week old at most when a batch of it comes; a day more on either side for clocks and time zones."""

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


async def advance(conn: Conn, shard_key: ShardKey, now: datetime, threshold: int = bots.DEFAULT_THRESHOLD) -> Advanced:
    """Roll up the oldest unsettled flushes of one shard key and settle them, in one transaction.

    `threshold` is the score from which a view is a bot's, unless its site has one of its own. Call it again until
    `flushes` is 0. Two callers at once are safe: the second finds the key busy.
    """
    await conn.execute(_WRITE_LOCK, shard_key)
    async with conn.transaction():
        if await conn.fetchval(_LOCK, shard_key) is None:
            return Advanced(is_busy=True)
        flushes = take_oldest(await store.load_pending_flushes(conn, shard_key, MAX_FLUSHES))
        if not flushes:
            return Advanced()
        threshold = await load_threshold(conn, site_of(shard_key), threshold)
        views, clicks = await count_flushes(conn, shard_key, flushes, threshold, now)
        batches = await store.settle(conn, shard_key, [flush.flush_id for flush in flushes])
    return Advanced(len(flushes), batches, views, clicks)


async def count_flushes(
    conn: Conn, shard_key: ShardKey, flushes: Sequence[store.PendingFlush], threshold: int, now: datetime
) -> tuple[int, int]:
    """Add whole flushes to the rollups, under the rollup lock; return the numbers of views and clicks in them."""
    reports = await store.copy_view_reports(conn, shard_key, flushes)
    fresh = parse_views(reports, await store.copy_sections(conn, shard_key, flushes))
    clicks = parse_clicks(await store.load_clicks(conn, shard_key, flushes))
    old, new = await _load_changes(conn, shard_key, fresh, clicks)
    new = {view_id: judge_audience(state, threshold) for view_id, state in new.items()}
    cells = await _move_clicks(conn, shard_key, old, new)
    for row, fresh_cells in group_cells(clicks, new).items():
        cells[row] = merge_cells([cells[row], fresh_cells]) if row in cells else fresh_cells
    # A day's part is named by its highest flush, which no other step ever holds.
    await write_parts(conn, shard_key, max(flush.flush_id for flush in flushes), cells)
    touched = {state.visit.visitor_key for state in (*old.values(), *new.values())}
    before = await load_visits(conn, shard_key, touched)
    await write_tally(conn, shard_key, build_tally(old, new, before))
    if new:
        await write_states(conn, shard_key, list(new.values()), now)
    return len(new), clicks.element_ids.size


def take_oldest(flushes: Sequence[store.PendingFlush]) -> Sequence[store.PendingFlush]:
    """Return the flushes that one step takes of those given, which are oldest first."""
    sums = accumulate(flush.batches for flush in flushes)
    return flushes[: max(1, sum(total <= MAX_BATCHES for total in sums))]


def group_cells(clicks: ClickRows, states: Mapping[ViewId, ViewState]) -> dict[RowKey, ClickCells]:
    """Return the cells of the clicks by the row that their view belongs to."""
    if clicks.view_ids.size == 0:
        return {}
    views = [states[ViewId(view_id)] for view_id in clicks.view_ids.tolist()]
    keys = [row_key(state.visit) for state in views]
    rows = {key: number for number, key in enumerate(sorted(set(keys)))}
    row_of = np.array([rows[key] for key in keys], dtype=np.int64)[clicks.view_of]
    started_ms = np.array([_started_ms(state) for state in views], dtype=np.int64)
    # By row and in it by time, in one sort: the newest click of an element is the one whose box is kept.
    order = np.argsort(row_of << _TIME_BITS | started_ms[clicks.view_of] + clicks.at_ms)
    ends = np.cumsum(np.bincount(row_of, minlength=len(rows)))
    return {key: _build_cells(clicks, part) for key, part in zip(rows, np.split(order, ends[:-1]), strict=True)}


def build_tally(old: Mapping[ViewId, ViewState], new: Mapping[ViewId, ViewState], before: Iterable[Visit]) -> Tally:
    """Return the differences that turn what `old` states gave to the rollups into what `new` ones give.

    `before` are all visits, as stored, of the visitors of both.
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
    flushes = clicks.view_flushes
    return old, {
        view_id: add_clicks(state, clicked.get(view_id, 0), flushes.get(view_id, ()))
        for view_id, state in merged.items()
    }


async def _move_clicks(
    conn: Conn, shard_key: ShardKey, old: Mapping[ViewId, ViewState], new: Mapping[ViewId, ViewState]
) -> dict[RowKey, ClickCells]:
    """Take the counted clicks of views that changed their audience out of their rows; return them by their new rows.

    Cells do not say whose clicks they are, so they are read again from the facts, by the flushes that hold them.
    """
    moved: defaultdict[RowKey, list[ClickCells]] = defaultdict(list)
    for views in group_views(old[key] for key in old if old[key].visit.audience != new[key].visit.audience):
        ids = [state.visit.view_id for state in views]
        clicks = parse_clicks(await store.load_clicks(conn, shard_key, _find_places(views), ids))
        await take_cells(conn, shard_key, group_cells(clicks, old))
        for row, cells in group_cells(clicks, new).items():
            moved[row].append(cells)
    return {row: merge_cells(parts) for row, parts in moved.items()}


def group_views(states: Iterable[ViewState]) -> Iterator[list[ViewState]]:
    """Yield the views that have clicks in groups whose flushes can be read at once."""
    group: list[ViewState] = []
    weight = 0
    for state in states:
        group += [state] if state.click_flushes else []
        weight += len(state.click_flushes or ())
        if weight >= MAX_BATCHES:
            yield group
            group, weight = [], 0
    if group:
        yield group


def _find_places(views: Iterable[ViewState]) -> list[store.PendingFlush]:
    """Return the flushes that hold the clicks of the views, and among them every day on which they can have come."""
    places: list[store.PendingFlush] = []
    for state in views:
        flushes, first = state.click_flushes or (), state.visit.started_at.date() - _DAY
        places += [store.PendingFlush(flush_id, first, 0) for flush_id in flushes]
        places += [store.PendingFlush(flushes[0], first + number * _DAY, 0) for number in range(_DAYS_OF_A_VIEW)]
    return places


def _started_ms(state: ViewState) -> int:
    return int(state.visit.started_at.timestamp() * 1000)


def _build_cells(clicks: ClickRows, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> ClickCells:
    element_ids, x_frac, y_frac = clicks.element_ids[rows], clicks.x_frac[rows], clicks.y_frac[rows]
    w_px, h_px = clicks.element_w_px[rows], clicks.element_h_px[rows]
    x_px = box_edge_px(clicks.x_px[rows], x_frac, w_px)
    y_px = box_edge_px(clicks.y_px[rows], y_frac, h_px)
    boxes = build_boxes(element_ids, x_px, y_px, w_px, h_px, clicks.viewport_w_px[rows])
    return build_cells(element_ids, x_frac, y_frac, clicks.nth[rows], boxes)
