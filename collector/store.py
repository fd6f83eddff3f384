"""Facts: the ledger, view reports and clicks; written by whole flushes, read by whole flushes.

A flush is one transaction: the ledger decides which batches are new, then dictionaries and layouts, then one COPY
per table of facts. Writing the same flush again, after a COMMIT whose answer was lost, changes nothing and tells the
same result. This module alone reads and writes these tables.
"""

import datetime
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, LiteralString

from collector.catalog import KnownKeys, write_elements, write_pages
from collector.db import Conn
from collector.ids import FlushId, ShardKey, flush_id
from collector.layouts import write_layouts
from collector.pgcopy import HEADER, TRAILER, Columns
from collector.rows import CLICK_COLUMNS, VIEW_REPORT_COLUMNS, BatchRows, pack_prefix

CLICK_FIELDS: Columns = (
    ("view_id", ">i8"),
    ("page_id", ">i8"),
    ("element_id", ">i8"),
    ("at_ms", ">i4"),
    ("x_px", ">i4"),
    ("y_px", ">i4"),
    ("element_w_px", ">i4"),
    ("element_h_px", ">i4"),
    ("viewport_w_px", ">i4"),
    ("viewport_h_px", ">i4"),
    ("doc_w_px", ">i4"),
    ("doc_h_px", ">i4"),
    ("nth", ">i4"),
    ("x_frac", ">i2"),
    ("y_frac", ">i2"),
    ("kind", ">i2"),
    ("device", ">i2"),
    ("flush_id", ">i8"),
)
"""What `copy_clicks` yields; `pgcopy.read_rows(data, CLICK_FIELDS)` makes an array of it."""

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
_FACT_TABLES = ("view_reports", "clicks")
_PARTITION_LOCK: Final = 0x6A616C6B_69706172
"""Advisory lock of whoever creates partitions, so that two processes do not create the same one."""

_WRITE_LEDGER: Final[LiteralString] = """\
-- store.write_batches
insert into ledger (shard_key, batch_id, flush_id, fact_day, received_at)
select shard_key, batch_id::uuid, $3, $4, received_at
from unnest($1::bigint[], $2::text[], $5::timestamptz[]) as batch (shard_key, batch_id, received_at)
on conflict (shard_key, batch_id) do nothing
returning shard_key, replace(batch_id::text, '-', '') as batch_id
"""

_LOAD_OWN: Final[LiteralString] = """\
-- store.write_batches
select shard_key, replace(batch_id::text, '-', '') as batch_id
from ledger
where shard_key = any($1::bigint[])
  and batch_id = any($2::text[]::uuid[])
  and flush_id = $3
"""

_LOAD_PENDING_SHARDS: Final[LiteralString] = """\
-- store.load_pending_shards
select distinct shard_key
from ledger
where not settled
order by shard_key
"""

_LOAD_PENDING_FLUSHES: Final[LiteralString] = """\
-- store.load_pending_flushes
select flush_id, min(fact_day) as fact_day, count(*) as batches
from ledger
where shard_key = $1
  and not settled
group by flush_id
order by flush_id
limit $2
"""

_COPY_CLICKS: Final[LiteralString] = """\
-- store.copy_clicks
select view_id, page_id, element_id, at_ms, x_px, y_px, element_w_px, element_h_px,
    viewport_w_px, viewport_h_px, doc_w_px, doc_h_px, nth, x_frac, y_frac, kind, device, flush_id
from clicks
where shard_key = $1
  and fact_day = any($2::date[])
  and flush_id = any($3::bigint[])
"""

_COPY_VIEW_REPORTS: Final[LiteralString] = """\
-- store.copy_view_reports
select view_id, visitor_key, page_id, device, navigation, seq, started_at, local_day, active_ms, engaged_ms,
    viewport_w_px, viewport_h_px, doc_w_px, doc_h_px, depth_px, depth_doc_h_px,
    coalesce(exit_section_id, 0), flush_id
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

_SETTLE: Final[LiteralString] = """\
-- store.settle
update ledger
set settled = true
where shard_key = $1
  and flush_id = any($2::bigint[])
  and not settled
"""

_PRUNE_LEDGER: Final[LiteralString] = """\
-- store.prune_ledger
delete from ledger
where received_at < $1
  and settled
"""

_PARTITION_DDL: Final[LiteralString] = """\
-- store.ensure_partitions
select format(
    'create table if not exists %I partition of %I for values from (%L) to (%L)',
    wanted.name, wanted.parent, wanted.day, wanted.day + 1)
from (
    select parent, day::date as day, parent || to_char(day, '"_y"YYYY"m"MM"d"DD') as name
    from unnest($1::text[]) as parent
    cross join generate_series($2::date, $3::date, interval '1 day') as day
) as wanted
where to_regclass(wanted.name) is null
order by wanted.name
"""


@dataclass(frozen=True, slots=True)
class Flush:
    """Batches that are stored together, no two of one key; `flush_id` is made once and kept through every retry."""

    flush_id: FlushId
    fact_day: datetime.date
    batches: tuple[BatchRows, ...]


class FlushIds:
    """Makes the flush ids of one process: rising, and told from other processes' by 16 random bits in each.

    No two flushes may share an id: what is settled is a flush, and only what was read of it may be settled.
    """

    def __init__(self, clock_ms: Callable[[], int], salt: int) -> None:
        self._clock_ms = clock_ms
        self._salt = (salt & 0xFFFF) << _SEQUENCE_BITS
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
        return flush_id(self._last[0], self._salt | self._last[1])


@dataclass(frozen=True, slots=True)
class PendingFlush:
    """A flush whose batches of one shard key are not in the rollups yet."""

    flush_id: FlushId
    fact_day: datetime.date
    batches: int


@dataclass(slots=True)
class Dictionaries:
    """The dictionary rows that this process need not write again."""

    pages: KnownKeys = field(default_factory=KnownKeys)
    elements: KnownKeys = field(default_factory=KnownKeys)


BatchKey = tuple[ShardKey, str]


async def write_batches(conn: Conn, flush: Flush, known: Dictionaries) -> frozenset[BatchKey]:
    """Store a flush in one transaction and return the keys of the batches that it holds; the others are duplicates.

    On return the transaction is committed. Called again with the same flush after a failure that left the outcome
    open, it finds its own ledger rows if the transaction had been committed after all, and returns the same keys.
    """
    async with conn.transaction():
        fresh = await _write_ledger(conn, flush)
        rows = [batch for batch in flush.batches if batch.batch_key in fresh]
        if rows:
            await _write_names(conn, rows, known)
            await _copy_facts(conn, flush, rows)
        stored = fresh if len(fresh) == len(flush.batches) else fresh | await _load_own(conn, flush)
    known.pages.add((row.shard_key, row.page.page_id) for row in rows)
    known.elements.add((row.shard_key, element.element_id) for row in rows for element in row.elements)
    return stored


async def ensure_partitions(conn: Conn, first: datetime.date, last: datetime.date) -> int:
    """Create the fact partitions of these days, both included, where they are missing; return how many were made."""
    missing = [row[0] for row in await conn.fetch(_PARTITION_DDL, _FACT_TABLES, first, last)]
    if not missing:
        return 0
    async with conn.transaction():
        await conn.execute("-- store.ensure_partitions\nselect pg_advisory_xact_lock($1)", _PARTITION_LOCK)
        for statement in missing:
            await conn.execute(statement)
    return len(missing)


async def load_pending_shards(conn: Conn) -> list[ShardKey]:
    """Return the shard keys that have facts which are not in the rollups yet."""
    return [ShardKey(row["shard_key"]) for row in await conn.fetch(_LOAD_PENDING_SHARDS)]


async def load_pending_flushes(conn: Conn, shard_key: ShardKey, limit: int) -> list[PendingFlush]:
    """Return up to `limit` flushes that are not in the rollups yet, oldest first."""
    rows = await conn.fetch(_LOAD_PENDING_FLUSHES, shard_key, limit)
    return [PendingFlush(FlushId(row["flush_id"]), row["fact_day"], row["batches"]) for row in rows]


async def copy_view_reports(conn: Conn, shard_key: ShardKey, flushes: Sequence[PendingFlush]) -> bytes:
    """Return the view reports of these flushes as a binary COPY stream of `VIEW_FIELDS`, in no order."""
    return await _copy_out(conn, _COPY_VIEW_REPORTS, shard_key, flushes)


async def copy_sections(conn: Conn, shard_key: ShardKey, flushes: Sequence[PendingFlush]) -> bytes:
    """Return the sections of these flushes' view reports as a binary COPY stream of `SECTION_FIELDS`, in no order."""
    return await _copy_out(conn, _COPY_SECTIONS, shard_key, flushes)


async def copy_clicks(conn: Conn, shard_key: ShardKey, flushes: Sequence[PendingFlush]) -> bytes:
    """Return the clicks of these flushes as a binary COPY stream of `CLICK_FIELDS`, in no order."""
    return await _copy_out(conn, _COPY_CLICKS, shard_key, flushes)


async def settle(conn: Conn, shard_key: ShardKey, flush_ids: Sequence[int]) -> int:
    """Mark the batches of these flushes as rolled up, inside the caller's transaction; return how many there were.

    All of a flush's ledger rows of one shard key were committed at once, so none can appear after they were read.
    """
    return _affected(await conn.execute(_SETTLE, shard_key, flush_ids))


async def prune_ledger(conn: Conn, before: datetime.datetime) -> int:
    """Forget the rolled-up batches received before `before`; a copy of one that arrives later would be stored anew."""
    return _affected(await conn.execute(_PRUNE_LEDGER, before))


async def _write_ledger(conn: Conn, flush: Flush) -> frozenset[BatchKey]:
    # In the order of the key, so that two collectors that hold the same batches wait for, not deadlock, each other.
    ordered = sorted(flush.batches, key=lambda batch: batch.batch_key)
    keys, ids = [batch.shard_key for batch in ordered], [batch.batch_id for batch in ordered]
    received = [batch.received_at for batch in ordered]
    rows = await conn.fetch(_WRITE_LEDGER, keys, ids, flush.flush_id, flush.fact_day, received)
    return frozenset((ShardKey(row[0]), row[1]) for row in rows)


async def _load_own(conn: Conn, flush: Flush) -> frozenset[BatchKey]:
    keys = sorted({batch.shard_key for batch in flush.batches})
    rows = await conn.fetch(_LOAD_OWN, keys, [batch.batch_id for batch in flush.batches], flush.flush_id)
    return frozenset((ShardKey(row[0]), row[1]) for row in rows)


async def _write_names(conn: Conn, rows: Sequence[BatchRows], known: Dictionaries) -> None:
    pages = {(row.shard_key, row.page.page_id): row.page for row in rows}
    elements = {(row.shard_key, element.element_id): element for row in rows for element in row.elements}
    await write_pages(conn, [page for key, page in pages.items() if key not in known.pages])
    await write_elements(conn, [element for key, element in elements.items() if key not in known.elements])
    await write_layouts(conn, [row.layout for row in rows if row.layout is not None])


async def _copy_facts(conn: Conn, flush: Flush, rows: Sequence[BatchRows]) -> None:
    views = ((row.shard_key, (row.view_tail,)) for row in rows)
    await _copy_in(conn, "view_reports", VIEW_REPORT_COLUMNS, _pack(flush, VIEW_REPORT_COLUMNS, views))
    clicks = [(row.shard_key, row.click_tails) for row in rows if row.click_tails]
    if clicks:
        await _copy_in(conn, "clicks", CLICK_COLUMNS, _pack(flush, CLICK_COLUMNS, clicks))


def _pack(flush: Flush, columns: Sequence[str], tails: Iterable[tuple[ShardKey, Sequence[bytes]]]) -> Iterator[bytes]:
    prefixes: dict[ShardKey, bytes] = {}
    yield HEADER
    for key, rest in tails:
        prefix = prefixes.get(key)
        if prefix is None:
            prefix = prefixes[key] = pack_prefix(columns, key, flush.fact_day, flush.flush_id)
        yield prefix
        yield prefix.join(rest)
    yield TRAILER


async def _copy_in(conn: Conn, table: str, columns: Sequence[str], chunks: Iterator[bytes]) -> None:
    await conn.copy_to_table(table, source=io.BytesIO(b"".join(chunks)), columns=list(columns), format="binary")


async def _copy_out(conn: Conn, query: LiteralString, shard_key: ShardKey, flushes: Sequence[PendingFlush]) -> bytes:
    output = io.BytesIO()
    days = sorted({flush.fact_day for flush in flushes})
    ids = [flush.flush_id for flush in flushes]
    await conn.copy_from_query(query, shard_key, days, ids, output=output, format="binary")
    return output.getvalue()


def _affected(status: str) -> int:
    return int(status.rpartition(" ")[2])
