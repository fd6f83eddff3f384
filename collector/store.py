"""Facts: view reports with what lies beside them, and their ledger entries; written by whole flushes.

A flush is one transaction: the ledger decides which batches are new, then dictionaries and layouts, then one COPY.
Writing the same flush again, after a COMMIT whose answer was lost, changes nothing and tells the same result. This
module alone writes the tables of facts; it offers what `facts` reads back of them beside.
"""

import datetime
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

import asyncpg

from collector.catalog import Dictionaries, write_elements, write_pages
from collector.db import Conn, copy_in
from collector.facts import (
    SECTION_FIELDS,
    VIEW_FIELDS,
    Packed,
    PackedSignals,
    PageRange,
    copy_sections,
    copy_view_reports,
    load_clicks,
    load_moves,
    load_page_moves,
    load_page_signals,
    load_signals,
)
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
from collector.rows import VIEW_REPORT_COLUMNS, BatchRows, pack_prefix

__all__ = [
    "REFUSALS",
    "SECTION_FIELDS",
    "VIEW_FIELDS",
    "BatchKey",
    "Dictionaries",
    "Flush",
    "FlushIds",
    "Packed",
    "PackedSignals",
    "PageRange",
    "PendingFlush",
    "copy_sections",
    "copy_view_reports",
    "ensure_partitions",
    "load_clicks",
    "load_moves",
    "load_page_moves",
    "load_page_signals",
    "load_pending_flushes",
    "load_pending_shards",
    "load_signals",
    "load_writer",
    "prune_ledger",
    "settle",
    "write_batches",
    "write_parts",
]

_SEQUENCE_BITS = 6
REFUSALS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.ProtocolViolationError,  # what Postgres says of packed rows whose lengths do not add up
    asyncpg.DatatypeMismatchError,  # and of those whose arrays then seem to be of another type
    ValueError,
    struct.error,
    OverflowError,
)
"""What is raised when a value is at fault, by Postgres or already on the way to it: writing it again is of no use."""

_LOAD_WRITER: Final[LiteralString] = """\
-- store.load_writer
select nextval('flush_writers')
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
