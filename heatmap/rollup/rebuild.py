"""Counts a shard key anew from its facts, in one transaction: after a change of what makes a view a bot's.

It counts flush by flush exactly as `step` does, so what it gives is what steps would have given. Readers see the old
figures until it commits, workers leave the key alone, and a rebuild that dies has changed nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import LiteralString

from collector.db import Conn
from collector.history import rescore_reports, walk_settled
from collector.ids import ShardKey, flush_instant, site_of
from collector.ledger import PendingFlush
from collector.thresholds import load_threshold
from heatmap.rollup.cells import delete_cells
from heatmap.rollup.states import delete_states, prune_states
from heatmap.rollup.step import count_flushes, take_oldest
from heatmap.rollup.tallies import delete_totals

_WRITE_LOCK: LiteralString = """
-- rollup.rebuild
insert into rollup_locks (shard_key)
values ($1)
on conflict do nothing
"""

_LOCK: LiteralString = """
-- rollup.rebuild
select shard_key
from rollup_locks
where shard_key = $1
for update
"""


@dataclass(frozen=True, slots=True)
class Rule:
    """How to count: the threshold of sites without one of their own, and how long views are remembered."""

    threshold: int
    keep: timedelta


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did."""

    flushes: int
    reports: int
    rescored: int
    """Reports whose stored score was another before."""


async def rebuild(conn: Conn, shard_key: ShardKey, rule: Rule) -> Rebuilt:
    """Score and count all that is rolled up of one shard key again; what waits to be rolled up still waits afterwards.

    Waits for a step that is under way. The transaction takes as long as rolling all of it up took before.
    """
    await conn.execute(_WRITE_LOCK, shard_key)
    async with conn.transaction():
        await conn.execute(_LOCK, shard_key)
        rescored = await rescore_reports(conn, shard_key)
        await delete_cells(conn, shard_key)
        await delete_totals(conn, shard_key)
        await delete_states(conn, shard_key)
        threshold = await load_threshold(conn, site_of(shard_key), rule.threshold)
        counting = _Counting(conn, shard_key, threshold, rule.keep)
        async for flushes in walk_settled(conn, shard_key):
            await counting.add(flushes)
    return Rebuilt(counting.flushes, counting.reports, rescored)


@dataclass(slots=True)
class _Counting:
    conn: Conn
    shard_key: ShardKey
    threshold: int
    keep: timedelta
    flushes: int = 0
    reports: int = 0
    day: date = date.min

    async def add(self, flushes: Sequence[PendingFlush]) -> None:
        """Count these flushes in pieces of the size of a step."""
        while flushes:
            piece = take_oldest(flushes)
            await self._count(piece)
            flushes = flushes[len(piece) :]

    async def _count(self, flushes: Sequence[PendingFlush]) -> None:
        written_at = flush_instant(max(flush.flush_id for flush in flushes))
        if flushes[0].fact_day != self.day:
            # As the worker would have long since: states are kept for late reports alone.
            await prune_states(self.conn, self.shard_key, written_at - self.keep)
            self.day = flushes[0].fact_day
        await count_flushes(self.conn, self.shard_key, flushes, self.threshold, written_at)
        self.flushes += len(flushes)
        self.reports += sum(flush.batches for flush in flushes)
