"""Owns `view_states`: the latest state of each recent view, so that a late report corrects what was counted before."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import LiteralString

import asyncpg

from collector import bots
from collector.db import Conn
from collector.ids import Audience, Device, ShardKey, ViewId, VisitorKey
from heatmap.visits import ViewState, Visit

_LOAD_STATES: LiteralString = """
-- rollup.states.load_states
select
    view_id, visitor_key, page_id, device, local_day, started_at, active_ms, engaged_ms, clicks,
    audience, seq, viewport_h_px, doc_h_px, depth_px, depth_doc_h_px, exit_section_id, section_ids, section_ms,
    section_flags, bot_signs, click_flushes
from view_states
where shard_key = $1
    and view_id = any($2)
"""

_LOAD_VISITS: LiteralString = """
-- rollup.states.load_visits
select view_id, visitor_key, page_id, device, local_day, started_at, active_ms, engaged_ms, clicks,
    audience
from view_states
where shard_key = $1
    and visitor_key = any($2)
"""

# The arrays of a row go as the text of an array: rows of unequal length make no array of arrays.
_WRITE_STATES: LiteralString = """
-- rollup.states.write_states
insert into view_states (
    shard_key, changed_at, view_id, visitor_key, page_id, device, local_day, started_at, active_ms, engaged_ms, clicks,
    audience, seq, viewport_h_px, doc_h_px, depth_px, depth_doc_h_px, exit_section_id, bot_signs, bot_score,
    section_ids, section_ms, section_flags, click_flushes
)
select
    $1::bigint, $2::timestamptz, t.view_id, t.visitor_key, t.page_id, t.device, t.local_day, t.started_at, t.active_ms,
    t.engaged_ms, t.clicks, t.audience, t.seq, t.viewport_h_px, t.doc_h_px, t.depth_px, t.depth_doc_h_px,
    t.exit_section_id, t.bot_signs, t.bot_score,
    t.section_ids::bigint[], t.section_ms::int[], t.section_flags::smallint[], t.click_flushes::bigint[]
from unnest(
    $3::bigint[], $4::bigint[], $5::bigint[], $6::smallint[], $7::date[], $8::timestamptz[], $9::int[], $10::int[],
    $11::int[], $12::smallint[], $13::int[], $14::int[], $15::int[], $16::int[], $17::int[], $18::bigint[],
    $19::int[], $20::smallint[], $21::text[], $22::text[], $23::text[], $24::text[]
) as t (
    view_id, visitor_key, page_id, device, local_day, started_at, active_ms, engaged_ms,
    clicks, audience, seq, viewport_h_px, doc_h_px, depth_px, depth_doc_h_px, exit_section_id, bot_signs, bot_score,
    section_ids, section_ms, section_flags, click_flushes
)
on conflict (shard_key, view_id) do update set
    visitor_key = excluded.visitor_key,
    started_at = excluded.started_at,
    active_ms = excluded.active_ms,
    engaged_ms = excluded.engaged_ms,
    clicks = excluded.clicks,
    audience = excluded.audience,
    seq = excluded.seq,
    viewport_h_px = excluded.viewport_h_px,
    doc_h_px = excluded.doc_h_px,
    depth_px = excluded.depth_px,
    depth_doc_h_px = excluded.depth_doc_h_px,
    exit_section_id = excluded.exit_section_id,
    bot_signs = excluded.bot_signs,
    bot_score = excluded.bot_score,
    click_flushes = excluded.click_flushes,
    section_ids = excluded.section_ids,
    section_ms = excluded.section_ms,
    section_flags = excluded.section_flags,
    changed_at = excluded.changed_at
"""

_PRUNE: LiteralString = """
-- rollup.states.prune_states
delete from view_states
where shard_key = $1
    and changed_at < $2
"""

_DELETE: LiteralString = """
-- rollup.states.delete_states
delete from view_states
where shard_key = $1
"""


async def load_states(conn: Conn, shard_key: ShardKey, view_ids: Iterable[ViewId]) -> dict[ViewId, ViewState]:
    """Return the known states of the views; those never seen are missing."""
    rows = await conn.fetch(_LOAD_STATES, shard_key, list(view_ids))
    return {row["view_id"]: _view_state(row) for row in rows}


async def load_visits(conn: Conn, shard_key: ShardKey, visitor_keys: Iterable[VisitorKey]) -> list[Visit]:
    """Return all recent visits of the visitors, as stored."""
    return [_visit(row) for row in await conn.fetch(_LOAD_VISITS, shard_key, list(visitor_keys))]


async def write_states(conn: Conn, shard_key: ShardKey, states: Sequence[ViewState], now: datetime) -> None:
    """Insert or replace the states; page, device and day of a view stay as they were first stored."""
    await conn.execute(
        _WRITE_STATES,
        shard_key,
        now,
        *zip(*(_columns(state) for state in states), strict=True),
    )


async def prune_states(conn: Conn, shard_key: ShardKey, before: datetime) -> None:
    """Forget the views that last changed before `before`; no report of theirs may still be accepted."""
    await conn.execute(_PRUNE, shard_key, before)


async def delete_states(conn: Conn, shard_key: ShardKey) -> None:
    """Forget all views of a shard key, for them to be counted anew in the same transaction."""
    await conn.execute(_DELETE, shard_key)


def _visit(row: asyncpg.Record) -> Visit:
    return Visit(
        view_id=row["view_id"],
        visitor_key=row["visitor_key"],
        page_id=row["page_id"],
        device=Device(row["device"]),
        local_day=row["local_day"],
        started_at=row["started_at"],
        active_ms=row["active_ms"],
        engaged_ms=row["engaged_ms"],
        clicks=row["clicks"],
        audience=Audience(row["audience"]),
    )


def _view_state(row: asyncpg.Record) -> ViewState:
    figures = zip(row["section_ms"], row["section_flags"], strict=True)
    return ViewState(
        visit=_visit(row),
        seq=row["seq"],
        viewport_h_px=row["viewport_h_px"],
        doc_h_px=row["doc_h_px"],
        depth_px=row["depth_px"],
        depth_doc_h_px=row["depth_doc_h_px"],
        exit_section_id=row["exit_section_id"],
        sections=dict(zip(row["section_ids"], figures, strict=True)),
        bot_signs=row["bot_signs"],
        click_flushes=None if row["click_flushes"] is None else tuple(row["click_flushes"]),
    )


def _columns(state: ViewState) -> tuple[object, ...]:
    visit = state.visit
    times = list(state.sections.values())
    return (
        visit.view_id,
        visit.visitor_key,
        visit.page_id,
        visit.device,
        visit.local_day,
        visit.started_at,
        visit.active_ms,
        visit.engaged_ms,
        visit.clicks,
        visit.audience,
        state.seq,
        state.viewport_h_px,
        state.doc_h_px,
        state.depth_px,
        state.depth_doc_h_px,
        state.exit_section_id,
        state.bot_signs,
        bots.score(state.bot_signs),
        _array_text(list(state.sections)),
        _array_text([time_ms for time_ms, _ in times]),
        _array_text([flags for _, flags in times]),
        None if state.click_flushes is None else _array_text(state.click_flushes),
    )


def _array_text(values: Sequence[int]) -> str:
    return "{" + ",".join(map(str, values)) + "}"
