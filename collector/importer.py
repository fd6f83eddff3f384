"""Recorded batches with the instants at which they were received, through the same decoding and storing as live ones.

A recording is NDJSON; each line is `{"at": received at in Unix ms, "ip": "…", "ua": "…", "body": {a batch}}`. Memory is
bounded by one flush. Importing the same recording twice stores it once, for as long as the ledger remembers.
"""

import asyncio
import datetime
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from collector.admission import judge_age
from collector.bots import find_signs, score
from collector.bounds import MAX_VIEW_MS
from collector.catalog import Dictionaries
from collector.datacentres import NO_RANGES, AddressRanges
from collector.db import POSTGRES_ERRORS, Pool
from collector.errors import StorageError
from collector.privacy import SALT_BYTES, find_salt, load_salt
from collector.quarantine import sqlstate_of
from collector.rows import Arrival, BatchRows, RowBuilder, local_day
from collector.sites import Site
from collector.store import (
    REFUSALS,
    BatchKey,
    Flush,
    FlushIds,
    ensure_partitions,
    load_writer,
    write_batches,
    write_parts,
)
from collector.wire import Batch, Drop, DropReason, decode_batch

_log = logging.getLogger(__name__)

_FLUSH_ROWS = 20_000
_MAX_FAULTS = 100
"""Refused lines that are named one by one; all are counted."""
_LINES_A_TURN = 200
"""Lines decoded before others get their turn, a few ms: an import may share its loop with a live collector."""
_OLDEST_DAY = datetime.date(2000, 1, 1)
_LIVE_DAYS = datetime.timedelta(days=2)
"""Days this near to now may still get live batches: their salt is the stored one, as everybody's."""


class _Line(Struct, frozen=True, forbid_unknown_fields=True):
    at: Annotated[int, Meta(ge=0, le=8_640_000_000_000)]
    ip: Annotated[str, Meta(max_length=64)]
    ua: Annotated[str, Meta(max_length=8_192)]
    body: Raw


_lines = msgspec.json.Decoder(_Line)


@dataclass(frozen=True, slots=True)
class ImportFault:
    """A line that was skipped, counted from 1."""

    line: int
    reason: DropReason
    detail: str


@dataclass(slots=True)
class ImportResult:
    """What became of a recording so far; `faults` names the first hundred of the dropped lines."""

    lines: int = 0
    stored: int = 0
    duplicates: int = 0
    dropped: Counter[DropReason] = field(default_factory=Counter)
    faults: list[ImportFault] = field(default_factory=list)


@dataclass(slots=True)
class _Waiting:
    """Batches on their way to the next flush, by the day of receipt."""

    weight: int = 0
    days: dict[datetime.date, dict[BatchKey, BatchRows]] = field(default_factory=dict)

    def add(self, rows: BatchRows) -> bool:
        """Return False where a copy of the batch is waiting already."""
        day = self.days.setdefault(rows.received_at.date(), {})
        if rows.batch_key in day:
            return False
        day[rows.batch_key] = rows
        self.weight += rows.weight
        return True


def _tell_nobody(_lines: int) -> None:
    return


def _read_clock() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


async def import_recording(
    pool: Pool,
    site: Site,
    lines: Iterable[bytes],
    progress: Callable[[int], object] = _tell_nobody,
    *,
    clock: Callable[[], datetime.datetime] = _read_clock,
    ranges: AddressRanges = NO_RANGES,
) -> ImportResult:
    """Store a recording of one site and return what became of its lines.

    `progress` is called after each flush with the number of lines read since the last call, `ranges` are those of data
    centres. Views may be up to a week old at their receipt. Days of the past that have no salt get one that is thrown
    away.

    Raises:
        StorageError: Postgres cannot be reached; importing the recording again goes on where this ended.
    """
    importer = _Importer(pool, site, clock(), ranges)
    await importer.open()
    result = importer.result
    told = 0
    for line in lines:
        result.lines += 1
        if result.lines % _LINES_A_TURN == 0:
            await asyncio.sleep(0)
        if line.strip():
            await importer.take(line)
        if importer.is_full:
            await importer.flush()
            progress(result.lines - told)
            told = result.lines
    await importer.flush()
    progress(result.lines - told)
    return result


class _Importer:
    def __init__(self, pool: Pool, site: Site, now: datetime.datetime, ranges: AddressRanges) -> None:
        self.result = ImportResult()
        self._ranges = ranges
        self._pool = pool
        self._site = site
        self._now = now
        self._salts: dict[datetime.date, bytes] = {}
        self._known = Dictionaries()
        self._builder = RowBuilder(self._known)
        self._waiting = _Waiting()
        self._ids = FlushIds(lambda: int(now.timestamp() * 1000))

    @property
    def is_full(self) -> bool:
        return self._waiting.weight >= _FLUSH_ROWS

    async def open(self) -> None:
        """Take a number for the ids of its flushes."""
        try:
            async with self._pool.acquire() as conn:
                self._ids.writer = await load_writer(conn)
        except POSTGRES_ERRORS as error:
            raise StorageError(f"the database cannot be written to: {error}") from error

    async def take(self, line: bytes) -> None:
        """Read one line and keep its rows for the next flush, or count why not."""
        read = self._read(line)
        if isinstance(read, Drop):
            self._count_drop(read)
            return
        batch, arrival = read
        salt = await self._salt_of(local_day(batch, self._site, arrival.received_ms))
        if not self._waiting.add(self._builder.build(batch, self._site, salt, arrival)):
            self.result.duplicates += 1

    async def flush(self) -> None:
        """Store what waits, one transaction a day."""
        waiting, self._waiting = self._waiting, _Waiting()
        for day, batches in sorted(waiting.days.items()):
            flush = Flush(self._ids.make(), day, tuple(batches.values()))
            async for part, result in write_parts(flush, self._ids, self._write):
                if isinstance(result, Exception):
                    self._count_refusal(part.batches[0], result)
                else:
                    self.result.stored += len(result)
                    self.result.duplicates += len(part.batches) - len(result)

    async def _write(self, flush: Flush) -> frozenset[BatchKey]:
        try:
            async with self._pool.acquire() as conn:
                await ensure_partitions(conn, flush.fact_day, flush.fact_day)
                return await write_batches(conn, flush, self._known)
        except REFUSALS:
            raise
        except POSTGRES_ERRORS as error:
            raise StorageError(f"batches received on {flush.fact_day} could not be stored: {error}") from error

    def _read(self, text: bytes) -> tuple[Batch, Arrival] | Drop:
        try:
            line = _lines.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return Drop(DropReason.MALFORMED, str(error)[:200])
        received_at = datetime.datetime.fromtimestamp(line.at / 1000, datetime.UTC)
        if received_at > self._now or received_at.date() < _OLDEST_DAY:
            return Drop(
                DropReason.FROM_FUTURE if received_at > self._now else DropReason.TOO_OLD, "the time of receipt"
            )
        batch = decode_batch(bytes(line.body))
        if isinstance(batch, Drop):
            return batch
        if batch.site_key != self._site.key:
            return Drop(DropReason.UNKNOWN_SITE, f"the batch is not of site {self._site.site_id}")
        drop = judge_age(batch, MAX_VIEW_MS)
        if drop is not None:
            return drop
        signs = find_signs(line.ua, line.ip, batch, self._ranges)
        return batch, Arrival(line.at, line.ip, line.ua, signs, score(signs))

    def _count_drop(self, drop: Drop) -> None:
        self.result.dropped[drop.reason] += 1
        if len(self.result.faults) < _MAX_FAULTS:
            self.result.faults.append(ImportFault(self.result.lines, drop.reason, drop.detail))

    def _count_refusal(self, batch: BatchRows, error: Exception) -> None:
        """Count a batch whose value only Postgres found fault with; its line is not known any more."""
        self.result.dropped[DropReason.MALFORMED] += 1
        _log.error("Postgres refused batch %s: SQLSTATE %s", batch.batch_id, sqlstate_of(error))

    async def _salt_of(self, day: datetime.date) -> bytes:
        salt = self._salts.get(day)
        if salt is None:
            salt = self._salts[day] = await self._load_salt(day)
        return salt

    async def _load_salt(self, day: datetime.date) -> bytes:
        new = secrets.token_bytes(SALT_BYTES)
        try:
            async with self._pool.acquire() as conn:
                if day >= self._now.date() - _LIVE_DAYS:
                    return await load_salt(conn, day, new)
                return await find_salt(conn, day) or new
        except POSTGRES_ERRORS as error:
            raise StorageError(f"the salt of {day} could not be loaded: {error}") from error
