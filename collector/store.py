"""Facts: view reports with their clicks, and their ledger entries; written by whole flushes, read by whole flushes.

A flush is one transaction: the ledger decides which batches are new, then dictionaries and layouts, then one COPY.
Writing the same flush again, after a COMMIT whose answer was lost, changes nothing and tells the same result. This
module alone reads and writes the tables of facts.
"""

import datetime
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

import asyncpg

from collector.catalog import Dictionaries, write_elements, write_pages
from collector.db import Conn, copy_in
from collector.ids import FlushId, ShardKey, flush_id
from collector.layouts import write_layouts
from collector.ledger import (
    BatchKey,
    Entry,
    PendingFlush,
    copy_entries,
    load_own,
    load_pending_flushes,
    load_pending_shards,
    prune_ledger,
    settle,
    write_entries,
)
from collector.partitions import ensure_partitions
from collector.pgcopy import Columns
from collector.rows import VIEW_REPORT_COLUMNS, BatchRows, pack_prefix

__all__ = [
    "REFUSALS",
    "SECTION_FIELDS",
    "VIEW_FIELDS",
    "BatchKey",
    "Dictionaries",
    "Flush",
    "FlushIds",
    "PackedClicks",
    "PendingFlush",
    "copy_sections",
    "copy_view_reports",
    "ensure_partitions",
    "load_clicks",
    "load_pending_flushes",
    "load_pending_shards",
    "load_writer",
    "prune_ledger",
    "settle",
    "write_batches",
    "write_parts",
]

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

_SEQUENCE_BITS = 6
REFUSALS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.ProtocolViolationError,  # what Postgres says of packed rows whose lengths do not add up
    ValueError,
    struct.error,
    OverflowError,
)
"""What is raised when a value is at fault, by Postgres or already on the way to it: writing it again is of no use."""

_LOAD_WRITER: Final[LiteralString] = """\
-- store.load_writer
select nextval('flush_writers')
"""

_LOAD_CLICKS: Final[LiteralString] = """\
-- store.load_clicks
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
-- store.copy_view_reports
select view_id, visitor_key, page_id, device, navigation, seq, started_at, local_day, active_ms, engaged_ms,
    viewport_w_px, viewport_h_px, doc_w_px, doc_h_px, depth_px, depth_doc_h_px,
    coalesce(exit_section_id, 0), bot_signs, flush_id
from view_reports
where shard_key = $1
  and fact_day = any($2::date[])
  and flush_id = any($3::bigint[])
"""

_COPY_SECTIONS: Final[LiteralString] = """\
-- store.copy_sections
select view_id, page_id, seq, section.id, section.ms, section.flags, flush_id
from view_reports
cross join unnest(section_ids, section_ms, section_flags) as section (id, ms, flags)
where shard_key = $1
  and fact_day = any($2::date[])
  and flush_id = any($3::bigint[])
"""


@dataclass(frozen=True, slots=True)
class Flush:
    """Batches that are stored together, no two of one key; `flush_id` is made once and kept through every retry."""

    flush_id: FlushId
    fact_day: datetime.date
    batches: tuple[BatchRows, ...]


class FlushIds:
    """Makes the flush ids of one process: rising, and told from other processes' by its number in each (`load_writer`).

    No two flushes may share an id: what is settled is a flush, and only what was read of it may be settled.
    """

    def __init__(self, clock_ms: Callable[[], int], writer: int = 0) -> None:
        self.writer = writer
        """0 to 65535; set it before the first id is made."""
        self._clock_ms = clock_ms
        self._last = (0, 0)

    def make(self) -> FlushId:
        """Return the next id; more than 64 within one ms borrow from the ms that follow."""
        last_ms, sequence = self._last
        now_ms = self._clock_ms()
        if now_ms > last_ms:
            self._last = (now_ms, 0)
        elif sequence + 1 < 1 << _SEQUENCE_BITS:
            self._last = (last_ms, sequence + 1)
        else:
            self._last = (last_ms + 1, 0)
        return flush_id(self._last[0], self.writer << _SEQUENCE_BITS | self._last[1])


@dataclass(frozen=True, slots=True)
class PackedClicks:
    """The clicks of some reports: of each its view, its flush and the bytes that its clicks take in `packed`, in order.

    `packed` holds records of `rows.CLICK_FIELDS`.
    """

    view_ids: list[int]
    flush_ids: list[int]
    lengths: list[int]
    packed: bytes


async def load_writer(conn: Conn) -> int:
    """Return a number for a process that will write flushes; the next 65,535 that ask get others."""
    return int(await conn.fetchval(_LOAD_WRITER))


async def write_batches(conn: Conn, flush: Flush, known: Dictionaries) -> frozenset[BatchKey]:
    """Store a flush in one transaction and return the keys of the batches that it holds; the others are duplicates.

    On return the transaction is committed. Called again with the same flush after a failure that left the outcome
    open, it finds its own ledger rows if the transaction had been committed after all, and returns the same keys.
    """
    try:
        stored = await _write_all(conn, flush, known)
    except asyncpg.UniqueViolationError:
        # At least one batch is there already: the whole flush was undone, and is written again without those.
        stored = await _write_fresh(conn, flush, known)
    known.pages.add((row.shard_key, row.page.page_id) for row in flush.batches if row.page)
    known.elements.add((row.shard_key, element.element_id) for row in flush.batches for element in row.elements)
    return stored


async def _write_all(conn: Conn, flush: Flush, known: Dictionaries) -> frozenset[BatchKey]:
    """Store a flush of which nothing is stored yet, as nearly all are: COPY costs half of what asking first does."""
    async with conn.transaction():
        await copy_entries(conn, flush.flush_id, flush.fact_day, _entries(flush))
        await _write_facts(conn, flush, flush.batches, known)
    return frozenset(batch.batch_key for batch in flush.batches)


async def _write_fresh(conn: Conn, flush: Flush, known: Dictionaries) -> frozenset[BatchKey]:
    """Store what is not stored yet of a flush."""
    async with conn.transaction():
        entries = _entries(flush)
        fresh = await write_entries(conn, flush.flush_id, flush.fact_day, entries)
        await _write_facts(conn, flush, [batch for batch in flush.batches if batch.batch_key in fresh], known)
        # Duplicates name pages and elements too: their first copy may be of a collector that died before it wrote them.
        return fresh if len(fresh) == len(flush.batches) else fresh | await load_own(conn, flush.flush_id, entries)


def _entries(flush: Flush) -> list[Entry]:
    return [Entry(batch.shard_key, batch.batch_id, batch.received_ms) for batch in flush.batches]


async def write_parts(
    flush: Flush, ids: FlushIds, write: Callable[[Flush], Awaitable[frozenset[BatchKey]]]
) -> AsyncIterator[tuple[Flush, frozenset[BatchKey] | Exception]]:
    """Yield what became of a flush; one with a value that Postgres refuses is halved until that batch stands alone.

    With each part comes what `write` returned of it, or why its only batch was refused. Halves have ids of their own:
    one id must never be committed in two transactions.
    """
    parts = [flush]
    while parts:
        part = parts.pop()
        try:
            stored = await write(part)
        except REFUSALS as error:
            if len(part.batches) == 1:
                yield part, error
                continue
            middle = len(part.batches) // 2
            halves = (part.batches[middle:], part.batches[:middle])
            parts += [Flush(ids.make(), part.fact_day, half) for half in halves]
        else:
            yield part, stored


async def copy_view_reports(conn: Conn, shard_key: ShardKey, flushes: Sequence[PendingFlush]) -> bytes:
    """Return the view reports of these flushes as a binary COPY stream of `VIEW_FIELDS`, in no order."""
    return await _copy_out(conn, _COPY_VIEW_REPORTS, shard_key, flushes)


async def copy_sections(conn: Conn, shard_key: ShardKey, flushes: Sequence[PendingFlush]) -> bytes:
    """Return the sections of these flushes' view reports as a binary COPY stream of `SECTION_FIELDS`, in no order."""
    return await _copy_out(conn, _COPY_SECTIONS, shard_key, flushes)


async def load_clicks(
    conn: Conn, shard_key: ShardKey, flushes: Sequence[PendingFlush], view_ids: Sequence[int] | None = None
) -> PackedClicks:
    """Return the clicks of these flushes, of these views alone if any are named, in no order of reports."""
    row = await conn.fetchrow(_LOAD_CLICKS, shard_key, *_places(flushes), view_ids)
    assert row is not None
    return PackedClicks(row["view_ids"] or [], row["flush_ids"] or [], row["lengths"] or [], row["packed"] or b"")


async def _write_facts(conn: Conn, flush: Flush, rows: Sequence[BatchRows], known: Dictionaries) -> None:
    if not rows:
        return
    pages = {(row.shard_key, row.page.page_id): row.page for row in rows if row.page}
    elements = {(row.shard_key, element.element_id): element for row in rows for element in row.elements}
    await write_pages(conn, [page for key, page in pages.items() if key not in known.pages])
    await write_elements(conn, [element for key, element in elements.items() if key not in known.elements])
    await write_layouts(conn, [row.layout for row in rows if row.layout is not None])
    tails = ((row.shard_key, row.tail) for row in rows)
    await copy_in(conn, "view_reports", VIEW_REPORT_COLUMNS, _pack(flush, VIEW_REPORT_COLUMNS, tails))


def _pack(flush: Flush, columns: Sequence[str], tails: Iterable[tuple[ShardKey, bytes]]) -> Iterator[bytes]:
    prefixes: dict[ShardKey, bytes] = {}
    for key, tail in tails:
        prefix = prefixes.get(key)
        if prefix is None:
            prefix = prefixes[key] = pack_prefix(columns, key, flush.fact_day, flush.flush_id)
        yield prefix
        yield tail


async def _copy_out(conn: Conn, query: LiteralString, shard_key: ShardKey, flushes: Sequence[PendingFlush]) -> bytes:
    chunks: list[bytes] = []

    # A coroutine, not a file: asyncpg would hand each write to another thread.
    async def take(chunk: bytes) -> None:
        chunks.append(chunk)

    await conn.copy_from_query(query, shard_key, *_places(flushes), output=take, format="binary")
    return b"".join(chunks)


def _places(flushes: Sequence[PendingFlush]) -> tuple[list[datetime.date], list[int]]:
    return sorted({flush.fact_day for flush in flushes}), [flush.flush_id for flush in flushes]
