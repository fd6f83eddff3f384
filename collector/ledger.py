"""The ledger: one row per stored batch, the idempotency key and the rollup's work list in one.

It is written inside the transaction that stores a flush and settled inside the one that rolls it up, so neither a lost
answer nor a crash counts a batch twice or not at all. This module alone reads and writes it.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from collector.db import Conn
from collector.ids import FlushId, ShardKey

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
update ledger
set settled = true
where shard_key = $1
  and flush_id = any($2::bigint[])
  and not settled
"""

_PRUNE: Final[LiteralString] = """\
-- ledger.prune_ledger
delete from ledger
where received_at < $1
  and settled
"""

BatchKey = tuple[ShardKey, str]
"""Where a batch belongs and its id, 32 hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A batch as the ledger names it."""

    shard_key: ShardKey
    batch_id: str
    received_at: datetime.datetime


@dataclass(frozen=True, slots=True)
class PendingFlush:
    """A flush whose batches of one shard key are not in the rollups yet."""

    flush_id: FlushId
    fact_day: datetime.date
    batches: int


async def write_entries(
    conn: Conn, flush_id: FlushId, fact_day: datetime.date, entries: Sequence[Entry]
) -> frozenset[BatchKey]:
    """Insert the batches that are not stored yet, inside the caller's transaction, and return their keys."""
    # In the order of the key, so that two collectors that hold the same batches wait for, not deadlock, each other.
    ordered = sorted(entries, key=lambda entry: (entry.shard_key, entry.batch_id))
    keys, ids = [entry.shard_key for entry in ordered], [entry.batch_id for entry in ordered]
    rows = await conn.fetch(_WRITE, keys, ids, flush_id, fact_day, [entry.received_at for entry in ordered])
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
    return _affected(await conn.execute(_SETTLE, shard_key, flush_ids))


async def prune_ledger(conn: Conn, before: datetime.datetime) -> int:
    """Forget the rolled-up batches received before `before`; a copy of one that arrives later would be stored anew."""
    return _affected(await conn.execute(_PRUNE, before))


def _affected(status: str) -> int:
    return int(status.rpartition(" ")[2])
