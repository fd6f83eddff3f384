"""The daily partitions of the fact tables: made beside writers and readers, without ever stopping them.

`create table … partition of` would take an ACCESS EXCLUSIVE lock on the whole table of facts and deadlock with flushes
and rollup steps that hold one of the two and want the other. A table made by itself and attached afterwards takes a
SHARE UPDATE EXCLUSIVE lock, which writers and readers do not notice.
https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE
"""

import datetime
from typing import Final, LiteralString

from asyncpg import Record

from collector.db import Conn

_FACT_TABLES = ("view_reports",)
_LOCK_KEY: Final = 0x6A616C6B_69706172
"""Advisory lock of whoever creates a partition, so that two processes do not create the same one."""

# toast_tuple_target: a report with up to 70 clicks stays in one piece; by default all above 2 KB would be compressed
# and moved to a second table, which costs more than the row.
_FIND_MISSING: Final[LiteralString] = """\
-- partitions.ensure_partitions
select wanted.parent, wanted.day,
    format(
        'create table if not exists %I (like %I including all) with (toast_tuple_target = 4080)',
        wanted.name, wanted.parent) as creation,
    format(
        'alter table %I attach partition %I for values from (%L) to (%L)',
        wanted.parent, wanted.name, wanted.day, wanted.day + 1) as attachment
from (
    select parent, day::date as day, parent || to_char(day, '"_y"YYYY"m"MM"d"DD') as name
    from unnest($1::text[]) as parent
    cross join generate_series($2::date, $3::date, interval '1 day') as day
) as wanted
where not exists (
    select from pg_inherits
    where inhparent = to_regclass(wanted.parent)
      and inhrelid = to_regclass(wanted.name)
)
order by wanted.day, wanted.parent
"""

_LOCK: Final[LiteralString] = """\
-- partitions.ensure_partitions
select pg_advisory_xact_lock($1)
"""


async def ensure_partitions(conn: Conn, first: datetime.date, last: datetime.date) -> int:
    """Create the fact partitions of these days, both included, where they are missing; return how many were made.

    Each is committed by itself, and nothing is locked where none is missing: call it outside any transaction.
    """
    made = 0
    for missing in await _find_missing(conn, _FACT_TABLES, first, last):
        made += await _make(conn, missing["parent"], missing["day"])
    return made


async def _make(conn: Conn, parent: str, day: datetime.date) -> int:
    """Create and attach one partition; return 0 where another process was faster."""
    async with conn.transaction():
        await conn.execute(_LOCK, _LOCK_KEY)
        missing = await _find_missing(conn, (parent,), day, day)
        for row in missing:
            await conn.execute(row["creation"])
            await conn.execute(row["attachment"])
    return len(missing)


async def _find_missing(
    conn: Conn, parents: tuple[str, ...], first: datetime.date, last: datetime.date
) -> list[Record]:
    return await conn.fetch(_FIND_MISSING, parents, first, last)
