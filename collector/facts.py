"""Facts read back: view reports as streams of COPY, and the clicks, moves and signals that lie packed beside them.

By whole flushes, as the rollup counts them, or for one page and a range of days, as reports look at them.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, LiteralString

from asyncpg import Record

from collector.db import Conn
from collector.ids import Device, PageId, ShardKey
from collector.ledger import PendingFlush
from collector.packing import SIGNAL_FIELDS
from collector.pgcopy import Columns

VIEW_FIELDS: Columns = (
    ("view_id", ">i8"),
    ("visitor_key", ">i8"),
    ("page_id", ">i8"),
    ("device", ">i2"),
    ("navigation", ">i2"),
    ("seq", ">i4"),
    ("started_us", ">i8"),
    ("local_day", ">i4"),
    ("active_ms", ">i4"),
    ("engaged_ms", ">i4"),
    ("viewport_w_px", ">i4"),
    ("viewport_h_px", ">i4"),
    ("doc_w_px", ">i4"),
    ("doc_h_px", ">i4"),
    ("depth_px", ">i4"),
    ("depth_doc_h_px", ">i4"),
    ("exit_section_id", ">i8"),
    ("bot_signs", ">i4"),
    ("flush_id", ">i8"),
)
"""What `copy_view_reports` yields: `started_us` is in µs and `local_day` in days since 2000-01-01 (`pgcopy.EPOCH_MS`,
`EPOCH_DAY`), `exit_section_id` is 0 where there is none (no id is 0)."""

SECTION_FIELDS: Columns = (
    ("view_id", ">i8"),
    ("page_id", ">i8"),
    ("seq", ">i4"),
    ("section_id", ">i8"),
    ("section_ms", ">i4"),
    ("section_flags", ">i2"),
    ("flush_id", ">i8"),
)
"""What `copy_sections` yields: the arrays of the view reports, one row per section."""

_LOAD_CLICKS: Final[LiteralString] = """\
-- facts.load_clicks
select array_agg(view_id) as view_ids, array_agg(flush_id) as flush_ids, array_agg(length(clicks)) as lengths,
    string_agg(clicks, ''::bytea) as packed
from view_reports
where shard_key = $1
  and fact_day = any($2::date[])
  and flush_id = any($3::bigint[])
  and clicks <> ''
  and ($4::bigint[] is null or view_id = any($4::bigint[]))
"""

_COPY_VIEW_REPORTS: Final[LiteralString] = """\
-- facts.copy_view_reports
select view_id, visitor_key, page_id, device, navigation, seq, started_at, local_day, active_ms, engaged_ms,
    viewport_w_px, viewport_h_px, doc_w_px, doc_h_px, depth_px, depth_doc_h_px,
    coalesce(exit_section_id, 0), bot_signs, flush_id
from view_reports
where shard_key = $1
  and fact_day = any($2::date[])
  and flush_id = any($3::bigint[])
"""

_COPY_SECTIONS: Final[LiteralString] = """\
-- facts.copy_sections
select view_id, page_id, seq, section.id, section.ms, section.flags, flush_id
from view_reports
cross join unnest(section_ids, section_ms, section_flags) as section (id, ms, flags)
where shard_key = $1
  and fact_day = any($2::date[])
  and flush_id = any($3::bigint[])
"""

_LOAD_MOVES: Final[LiteralString] = """\
-- facts.load_moves
select array_agg(view_id) as view_ids, array_agg(flush_id) as flush_ids, array_agg(length(moves)) as lengths,
    string_agg(moves, ''::bytea) as packed
from view_reports
where shard_key = $1
  and fact_day = any($2::date[])
  and flush_id = any($3::bigint[])
  and moves <> ''
  and ($4::bigint[] is null or view_id = any($4::bigint[]))
"""

_LOAD_PAGE_MOVES: Final[LiteralString] = """\
-- facts.load_page_moves
select array_agg(view_id) as view_ids, array_agg(flush_id) as flush_ids, array_agg(length(moves)) as lengths,
    string_agg(moves, ''::bytea) as packed
from view_reports
where shard_key = any($1::bigint[])
  and fact_day between $2 and $3
  and page_id = $4
  and local_day between $5 and $6
  and ($7::smallint = 0 or device = $7)
  and moves <> ''
"""

_LOAD_SIGNALS: Final[LiteralString] = """\
-- facts.load_signals
select view_id, flush_id, signals, signal_texts
from view_reports
where shard_key = $1
  and fact_day = any($2::date[])
  and flush_id = any($3::bigint[])
  and signals <> ''
  and ($4::bigint[] is null or view_id = any($4::bigint[]))
"""

_LOAD_PAGE_SIGNALS: Final[LiteralString] = """\
-- facts.load_page_signals
select view_id, flush_id, signals, signal_texts
from view_reports
where shard_key = any($1::bigint[])
  and fact_day between $2 and $3
  and page_id = $4
  and local_day between $5 and $6
  and ($7::smallint = 0 or device = $7)
  and signals <> ''
"""

_SIGNAL_BYTES = sum(int(kind[-1]) for _, kind in SIGNAL_FIELDS)
_BEFORE = datetime.timedelta(days=1)
_AFTER = datetime.timedelta(days=9)
"""A view is a week old at most when a batch of it comes; a day more on either side for clocks and time zones."""


@dataclass(frozen=True, slots=True)
class Packed:
    """The clicks, or the moves, of some reports: of each its view, its flush and how many bytes of `packed` are its.

    `packed` holds records of `packing.CLICK_FIELDS` or `MOVE_FIELDS`, report by report.
    """

    view_ids: list[int]
    flush_ids: list[int]
    lengths: list[int]
    packed: bytes


@dataclass(frozen=True, slots=True)
class PackedSignals(Packed):
    """The signals of some reports, records of `packing.SIGNAL_FIELDS`, and of each its text, which may be empty."""

    texts: list[str]


@dataclass(frozen=True, slots=True)
class PageRange:
    """One page on a range of days of its site, both included, on one class of device or on `Device.ALL`."""

    page_id: PageId
    first_day: datetime.date
    last_day: datetime.date
    device: Device = Device.ALL


async def copy_view_reports(conn: Conn, shard_key: ShardKey, flushes: Sequence[PendingFlush]) -> bytes:
    """Return the view reports of these flushes as a binary COPY stream of `VIEW_FIELDS`, in no order."""
    return await _copy_out(conn, _COPY_VIEW_REPORTS, shard_key, flushes)


async def copy_sections(conn: Conn, shard_key: ShardKey, flushes: Sequence[PendingFlush]) -> bytes:
    """Return the sections of these flushes' view reports as a binary COPY stream of `SECTION_FIELDS`, in no order."""
    return await _copy_out(conn, _COPY_SECTIONS, shard_key, flushes)


async def load_clicks(
    conn: Conn, shard_key: ShardKey, flushes: Sequence[PendingFlush], view_ids: Sequence[int] | None = None
) -> Packed:
    """Return the clicks of these flushes, of these views alone if any are named, in no order of reports."""
    return _packed(await conn.fetchrow(_LOAD_CLICKS, shard_key, *_places(flushes), view_ids))


async def load_moves(
    conn: Conn, shard_key: ShardKey, flushes: Sequence[PendingFlush], view_ids: Sequence[int] | None = None
) -> Packed:
    """Return the moves of these flushes, of these views alone if any are named, in no order of reports."""
    return _packed(await conn.fetchrow(_LOAD_MOVES, shard_key, *_places(flushes), view_ids))


async def load_signals(
    conn: Conn, shard_key: ShardKey, flushes: Sequence[PendingFlush], view_ids: Sequence[int] | None = None
) -> PackedSignals:
    """Return the signals of these flushes, of these views alone if any are named, in no order of reports."""
    return _packed_signals(await conn.fetch(_LOAD_SIGNALS, shard_key, *_places(flushes), view_ids))


async def load_page_moves(conn: Conn, keys: Sequence[ShardKey], asked: PageRange) -> Packed:
    """Return the moves of the views of a page, in no order of reports; views of bots are among them."""
    return _packed(await conn.fetchrow(_LOAD_PAGE_MOVES, keys, *_bounds(asked)))


async def load_page_signals(conn: Conn, keys: Sequence[ShardKey], asked: PageRange) -> PackedSignals:
    """Return the signals of the views of a page, in no order of reports; views of bots are among them."""
    return _packed_signals(await conn.fetch(_LOAD_PAGE_SIGNALS, keys, *_bounds(asked)))


def _packed(row: Record | None) -> Packed:
    assert row is not None  # an aggregate of nothing is a row, too
    return Packed(row["view_ids"] or [], row["flush_ids"] or [], row["lengths"] or [], row["packed"] or b"")


def _packed_signals(rows: Sequence[Record]) -> PackedSignals:
    packed: list[bytes] = [row["signals"] for row in rows]
    texts = (row["signal_texts"] or [""] * (len(row["signals"]) // _SIGNAL_BYTES) for row in rows)
    return PackedSignals(
        view_ids=[row["view_id"] for row in rows],
        flush_ids=[row["flush_id"] for row in rows],
        lengths=list(map(len, packed)),
        packed=b"".join(packed),
        texts=list(chain.from_iterable(texts)),
    )


def _bounds(asked: PageRange) -> tuple[object, ...]:
    return (
        *(asked.first_day - _BEFORE, asked.last_day + _AFTER, asked.page_id),
        *(asked.first_day, asked.last_day, asked.device),
    )


async def _copy_out(conn: Conn, query: LiteralString, shard_key: ShardKey, flushes: Sequence[PendingFlush]) -> bytes:
    chunks: list[bytes] = []

    # A coroutine, not a file: asyncpg would hand each write to another thread.
    async def take(chunk: bytes) -> None:
        chunks.append(chunk)

    await conn.copy_from_query(query, shard_key, *_places(flushes), output=take, format="binary")
    return b"".join(chunks)


def _places(flushes: Sequence[PendingFlush]) -> tuple[list[datetime.date], list[int]]:
    return sorted({flush.fact_day for flush in flushes}), [flush.flush_id for flush in flushes]
