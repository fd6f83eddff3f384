"""Batches that Postgres refused for a value: kept whole, with what it said, until a person has looked at them.

The decoder guarantees that every value fits its column, so an entry here is a fault of ours; retrying one after a
repair stores it as if it came now. This module alone reads and writes `quarantine`.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

import asyncpg

from collector.db import Conn
from collector.ids import ShardKey
from collector.rows import BatchRows, decode_rows, encode_rows

_WRITE: Final[LiteralString] = """\
-- quarantine.write_quarantined
insert into quarantine (shard_key, batch_id, received_at, quarantined_at, sqlstate, reason, batch)
values ($1, $2::text::uuid, $3, $4, $5, $6, $7)
on conflict (shard_key, batch_id) do nothing
"""

_LOAD: Final[LiteralString] = """\
-- quarantine.load_quarantined
select shard_key, replace(batch_id::text, '-', '') as batch_id, received_at, quarantined_at, sqlstate, reason, batch
from quarantine
order by quarantined_at, batch_id
limit $1
"""

_DELETE: Final[LiteralString] = """\
-- quarantine.delete_quarantined
delete from quarantine
where shard_key = $1
  and batch_id = any($2::text[]::uuid[])
"""

_COUNT: Final[LiteralString] = """\
-- quarantine.count_quarantined
select count(*)
from quarantine
"""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A refused batch: `reason` is what Postgres said, without the value that it refused."""

    shard_key: ShardKey
    batch_id: str
    received_at: datetime.datetime
    quarantined_at: datetime.datetime
    sqlstate: str
    reason: str
    packed: bytes

    def rows(self) -> BatchRows:
        """Return the batch.

        Raises:
            StorageError: it was kept by a version whose format this one does not read.
        """
        return decode_rows(self.packed)


def sqlstate_of(error: Exception) -> str:
    """Return how Postgres calls an error; empty where a value did not even reach it."""
    return (error.sqlstate or "") if isinstance(error, asyncpg.PostgresError) else ""


async def write_quarantined(conn: Conn, rows: BatchRows, error: Exception, now: datetime.datetime) -> None:
    """Keep a batch that Postgres refused with `error`; one that is kept already stays as it is."""
    reason = type(error).__name__
    if isinstance(error, asyncpg.PostgresError) and error.column_name:
        reason = f"{reason} in column {error.column_name} of {error.table_name}"
    await conn.execute(
        _WRITE, rows.shard_key, rows.batch_id, rows.received_at, now, sqlstate_of(error), reason, encode_rows(rows)
    )


async def load_quarantined(conn: Conn, limit: int = 1_000) -> list[Quarantined]:
    """Return the batches kept, oldest first."""
    return [
        Quarantined(ShardKey(row[0]), row[1], row[2], row[3], row[4], row[5], row[6])
        for row in await conn.fetch(_LOAD, limit)
    ]


async def count_quarantined(conn: Conn) -> int:
    """Return how many batches are kept."""
    return int(await conn.fetchval(_COUNT))


async def delete_quarantined(conn: Conn, shard_key: ShardKey, batch_ids: Sequence[str]) -> int:
    """Forget these batches; return how many were there."""
    status = await conn.execute(_DELETE, shard_key, batch_ids)
    return int(status.rpartition(" ")[2])
