"""The ledger: one row per stored batch, the idempotency key and the rollup's work list in one; and when they arrived.

It is written inside the transaction that stores a flush and settled inside the one that rolls it up, so neither a lost
answer nor a crash counts a batch twice or not at all. This module alone reads and writes `ledger` and `arrivals`.
"""

import datetime
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from collector.db import Conn, copy_in
from collector.ids import FlushId, ShardKey
from collector.ids import flush_id as build_flush_id
from collector.pgcopy import encode_day, encode_instant, instant

_WRITE: Final[LiteralString] = """\
-- ledger.write_entries
insert into ledger (shard_key, batch_id, flush_id, fact_day, received_at)
select shard_key, batch_id::uuid, $3, $4, received_at
from unnest($1::bigint[], $2::text[], $5::timestamptz[]) as batch (shard_key, batch_id, received_at)
on conflict (shard_key, batch_id) do nothing
returning shard_key, replace(batch_id::text, '-', '') as batch_id
"""

_LOAD_OWN: Final[LiteralString] = """\
-- ledger.load_own
select shard_key, replace(batch_id::text, '-', '') as batch_id
from ledger
where shard_key = any($1::bigint[])
  and batch_id = any($2::text[]::uuid[])
  and flush_id = $3
"""

_LOAD_PENDING_SHARDS: Final[LiteralString] = """\
-- ledger.load_pending_shards
select distinct shard_key
from ledger
where not settled
order by shard_key
"""

_LOAD_PENDING_FLUSHES: Final[LiteralString] = """\
-- ledger.load_pending_flushes
select flush_id, min(fact_day) as fact_day, count(*) as batches
from ledger
where shard_key = $1
  and not settled
group by flush_id
order by flush_id
limit $2
"""

_SETTLE: Final[LiteralString] = """\
-- ledger.settle
with done as (
    update ledger
    set settled = true
    where shard_key = $1
      and flush_id = any($2::bigint[])
      and not settled
    returning received_at
)
select count(*), min(received_at), max(received_at)
from done
"""

_WRITE_ARRIVALS: Final[LiteralString] = """\
-- ledger.settle
insert into arrivals (shard_key, first_at, last_at)
values ($1, $2, $3)
on conflict (shard_key) do update
set first_at = least(arrivals.first_at, excluded.first_at),
    last_at = greatest(arrivals.last_at, excluded.last_at)
"""

_LOAD_ARRIVALS: Final[LiteralString] = """\
-- ledger.load_arrivals
select min(first_at), max(last_at)
from (
    select first_at, last_at
    from arrivals
    where shard_key = any($1::bigint[])
    union all
    select oldest.received_at, newest.received_at
    from unnest($1::bigint[]) as asked (shard_key)
    cross join lateral (
        select received_at
        from ledger
        where ledger.shard_key = asked.shard_key
          and not settled
        order by flush_id
        limit 1
    ) as oldest
    cross join lateral (
        select received_at
        from ledger
        where ledger.shard_key = asked.shard_key
          and not settled
        order by flush_id desc
        limit 1
    ) as newest
) as arrival
"""

_PRUNE: Final[LiteralString] = """\
-- ledger.prune_ledger
delete from ledger
where flush_id < $1
  and settled
"""

_ENTRY = struct.Struct(">h iq i16s iq ii iq")

BatchKey = tuple[ShardKey, str]
"""Where a batch belongs and its id, 32 hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A batch as the ledger names it."""

    shard_key: ShardKey
    batch_id: str
    received_ms: int


@dataclass(frozen=True, slots=True)
class PendingFlush:
    """A flush whose batches of one shard key are not in the rollups yet."""

    flush_id: FlushId
    fact_day: datetime.date
    batches: int


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When the first and the last batch were received."""

    first_at: datetime.datetime
    last_at: datetime.datetime


async def copy_entries(conn: Conn, flush_id: FlushId, fact_day: datetime.date, entries: Sequence[Entry]) -> None:
    """Insert batches none of which is stored yet, inside the caller's transaction.

    Raises:
        asyncpg.UniqueViolationError: one of them is; the transaction cannot go on.
    """
    day = encode_day(fact_day)
    await copy_in(
        conn,
        "ledger",
        ("shard_key", "batch_id", "flush_id", "fact_day", "received_at"),
        (
            _ENTRY.pack(
                *(5, 8, entry.shard_key, 16, bytes.fromhex(entry.batch_id), 8, flush_id, 4, day),
                *(8, encode_instant(entry.received_ms)),
            )
            for entry in _in_order(entries)
        ),
    )


async def write_entries(
    conn: Conn, flush_id: FlushId, fact_day: datetime.date, entries: Sequence[Entry]
) -> frozenset[BatchKey]:
    """Insert the batches that are not stored yet, inside the caller's transaction, and return their keys."""
    ordered = _in_order(entries)
    keys, ids = [entry.shard_key for entry in ordered], [entry.batch_id for entry in ordered]
    received = [instant(entry.received_ms) for entry in ordered]
    rows = await conn.fetch(_WRITE, keys, ids, flush_id, fact_day, received)
    return frozenset((ShardKey(row[0]), row[1]) for row in rows)


async def load_own(conn: Conn, flush_id: FlushId, entries: Sequence[Entry]) -> frozenset[BatchKey]:
    """Return which of these batches this very flush has stored."""
    keys = sorted({entry.shard_key for entry in entries})
    rows = await conn.fetch(_LOAD_OWN, keys, [entry.batch_id for entry in entries], flush_id)
    return frozenset((ShardKey(row[0]), row[1]) for row in rows)


async def load_pending_shards(conn: Conn) -> list[ShardKey]:
    """Return the shard keys that have facts which are not in the rollups yet."""
    return [ShardKey(row["shard_key"]) for row in await conn.fetch(_LOAD_PENDING_SHARDS)]


async def load_pending_flushes(conn: Conn, shard_key: ShardKey, limit: int) -> list[PendingFlush]:
    """Return up to `limit` flushes that are not in the rollups yet, oldest first."""
    rows = await conn.fetch(_LOAD_PENDING_FLUSHES, shard_key, limit)
    return [PendingFlush(FlushId(row["flush_id"]), row["fact_day"], row["batches"]) for row in rows]


async def settle(conn: Conn, shard_key: ShardKey, flush_ids: Sequence[int]) -> int:
    """Mark the batches of these flushes as rolled up, inside the caller's transaction; return how many there were.

    All of a flush's ledger rows of one shard key were committed at once, so none can appear after they were read.
    """
    row = await conn.fetchrow(_SETTLE, shard_key, flush_ids)
    assert row is not None
    settled, first_at, last_at = row
    if settled:
        await conn.execute(_WRITE_ARRIVALS, shard_key, first_at, last_at)
    return int(settled)


async def load_arrivals(conn: Conn, keys: Sequence[ShardKey]) -> Arrivals | None:
    """Return when the first and the last batch of these shard keys were received; None before any was.

    It costs a few index look-ups a key, however many batches there were. Of what waits to be rolled up only the first
    and the last flush are looked at.
    """
    row = await conn.fetchrow(_LOAD_ARRIVALS, keys)
    return Arrivals(row[0], row[1]) if row is not None and row[0] is not None else None


async def prune_ledger(conn: Conn, before: datetime.datetime) -> int:
    """Forget the rolled-up batches stored before `before`; a copy of one that arrives later would be stored anew.

    The time of writing decides, which is in the flush id: a batch that was imported today was received long ago.
    """
    return _affected(await conn.execute(_PRUNE, build_flush_id(int(before.timestamp() * 1000), 0)))


def _in_order(entries: Sequence[Entry]) -> list[Entry]:
    """Return them in the order of the key: collectors with the same batches then wait for, not deadlock, each other."""
    return sorted(entries, key=lambda entry: (entry.shard_key, entry.batch_id))


def _affected(status: str) -> int:
    return int(status.rpartition(" ")[2])
