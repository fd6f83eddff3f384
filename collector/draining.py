"""From the spool to Postgres: records become batches again and are handed on in bounded flushes, oldest first.

A record leaves the spool after its flush is committed. Where a crash comes between, it is handed on once more and the
ledger knows it. How a flush is written, and over which connection, is the caller's.
"""

import datetime
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from collector.errors import StorageError
from collector.rows import BatchRows, decode_rows
from collector.spool import Record, Spool
from collector.store import REFUSALS, BatchKey, Flush, FlushIds, write_parts

_log = logging.getLogger(__name__)

MAX_FLUSH_ROWS = 5_000
"""A COPY of so many rows is as cheap a row as a larger one, and holds a connection for some 10 ms."""
_READ_RECORDS = 1_000
_READ_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Sink:
    """Where batches go; `write` stores a flush, `quarantine` keeps a batch that Postgres refused.

    Either may raise where Postgres cannot be reached: what was handed on then stays in the spool.
    """

    ids: FlushIds
    today: Callable[[], datetime.date]
    write: Callable[[Flush], Awaitable[frozenset[BatchKey]]]
    quarantine: Callable[[BatchRows, Exception], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class DrainResult:
    """What became of records, in batches; `unreadable` ones are kept aside in `damaged/`."""

    stored: int = 0
    duplicates: int = 0
    quarantined: int = 0
    unreadable: int = 0

    def __add__(self, other: "DrainResult") -> "DrainResult":
        return DrainResult(
            self.stored + other.stored,
            self.duplicates + other.duplicates,
            self.quarantined + other.quarantined,
            self.unreadable + other.unreadable,
        )


async def drain(spool: Spool, sink: Sink) -> DrainResult:
    """Hand on all that waits, and what is appended meanwhile, until nothing does; return what became of it.

    Raises:
        SpoolError: the disk cannot be read.
        Exception: whatever `sink` raises; what was not stored is still there.
    """
    result = DrainResult()
    while (some := await drain_some(spool, sink)) is not None:
        result += some
    return result


async def drain_some(spool: Spool, sink: Sink) -> DrainResult | None:
    """Hand on the oldest records, at most 1,000; None where nothing waits. Raises as `drain` does."""
    records = await spool.read(_READ_RECORDS, _READ_BYTES)
    if not records:
        return None
    result = DrainResult()
    for part in _split(records):
        result += await _hand_on(spool, sink, part)
        await spool.release(part[-1][0])
    return result


def _split(records: Sequence[Record]) -> Iterator[list[tuple[Record, BatchRows | None]]]:
    """Yield the records in parts of at most `MAX_FLUSH_ROWS` rows, decoded; None stands for what cannot be."""
    part: list[tuple[Record, BatchRows | None]] = []
    weight = 0
    for record in records:
        rows = _decode(record)
        added = rows.weight if rows is not None else 0
        if part and weight + added > MAX_FLUSH_ROWS:
            yield part
            part, weight = [], 0
        part.append((record, rows))
        weight += added
    yield part


def _decode(record: Record) -> BatchRows | None:
    try:
        return decode_rows(record.payload)
    except StorageError as error:
        _log.error("record %d of spool slot %02d is kept aside: %s", record.sequence, record.slot, error)
        return None


async def _hand_on(spool: Spool, sink: Sink, part: Sequence[tuple[Record, BatchRows | None]]) -> DrainResult:
    batches = {rows.batch_key: rows for _, rows in part if rows is not None}
    copies = sum(rows is not None for _, rows in part) - len(batches)
    result = DrainResult(duplicates=copies)
    if batches:
        flush = Flush(sink.ids.make(), sink.today(), tuple(batches.values()))
        async for written, answer in write_parts(flush, sink.ids, sink.write):
            try:
                result += await _settle(sink, written, answer)
            # Not even the quarantine takes it: whatever made these bytes, they must not hold up all behind them.
            except REFUSALS:
                refused = written.batches[0].batch_key
                await spool.keep_aside(next(record for record, rows in part if rows and rows.batch_key == refused))
                result += DrainResult(unreadable=1)
    for record in (record for record, rows in part if rows is None):
        await spool.keep_aside(record)
        result += DrainResult(unreadable=1)
    return result


async def _settle(sink: Sink, flush: Flush, answer: frozenset[BatchKey] | Exception) -> DrainResult:
    if isinstance(answer, Exception):
        await sink.quarantine(flush.batches[0], answer)
        return DrainResult(quarantined=1)
    return DrainResult(stored=len(answer), duplicates=len(flush.batches) - len(answer))
