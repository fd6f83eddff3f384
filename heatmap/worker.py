"""The process behind the collector: rolls up what arrives and keeps the house in order.

It holds no state of its own. Any number of workers may run; it may be killed at any moment and started again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import asyncpg

from collector.ids import ShardKey
from collector.privacy import prune_salts
from collector.settings import Settings
from collector.sites import load_sites
from collector.store import ensure_partitions, load_pending_shards, prune_ledger
from heatmap.rollup import Advanced, advance, prune_states

PARTITION_DAYS = 8
"""Days of partitions made ahead: a week in which no DDL may succeed, and the day until the next look."""

HOUSE_PAUSE_S = 3_600.0
"""Time between two rounds of partitions and pruning."""

LATE_MARGIN = timedelta(hours=48)
"""Kept beyond `late_hours`: a visitor's day lasts up to 25 hours, and clocks and queues are forgiven the rest."""

_FAILURE_PAUSE_S = 1.0
_STOP_GRACE_S = 0.5  # a step under way may end; after that it is rolled back
_ACQUIRE_TIMEOUT_S = 10.0

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class WorkerCounts:
    """What a worker has done since it started."""

    steps: int = 0
    batches: int = 0
    clicks: int = 0
    failures: int = 0


def _utc_now() -> datetime:
    return datetime.now(UTC)


async def run_worker(
    pool: Pool, settings: Settings, stop: asyncio.Event, clock: Callable[[], datetime] = _utc_now
) -> WorkerCounts:
    """Roll up and keep house until `stop` is set, whatever fails meanwhile; return within a second of it."""
    worker = _Worker(pool, settings, stop, clock)
    tasks = [asyncio.create_task(worker.keep_rolling()), asyncio.create_task(worker.keep_house())]
    try:
        await stop.wait()
        await asyncio.wait(tasks, timeout=_STOP_GRACE_S)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    _log.info("worker stopped after %d steps, %d failures", worker.counts.steps, worker.counts.failures)
    return worker.counts


async def tidy(pool: Pool, settings: Settings, now: datetime) -> None:
    """Make partitions ahead and forget what no late batch can need any more."""
    late = timedelta(hours=settings.late_hours)
    async with pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as conn:
        today = now.astimezone(UTC).date()
        await ensure_partitions(conn, today, today + timedelta(days=PARTITION_DAYS))
        for site in await load_sites(conn):
            for shard_key in site.shard_keys:
                await prune_states(conn, shard_key, now - late - LATE_MARGIN)
        await prune_ledger(conn, now - late - LATE_MARGIN)
        # One day more than `late_hours`: the local day of a site may have begun on the UTC date before.
        await prune_salts(conn, (now - late).astimezone(UTC).date() - timedelta(days=1))


@dataclass(slots=True)
class _Worker:
    pool: Pool
    settings: Settings
    stop: asyncio.Event
    clock: Callable[[], datetime]
    counts: WorkerCounts = field(default_factory=WorkerCounts)

    async def keep_rolling(self) -> None:
        while not self.stop.is_set():
            is_done = await self._attempt("the search for new facts", self._roll_all)
            await self._pause(self.settings.rollup_interval_ms / 1000 if is_done else _FAILURE_PAUSE_S)

    async def keep_house(self) -> None:
        while not self.stop.is_set():
            is_done = await self._attempt("housekeeping", lambda: tidy(self.pool, self.settings, self.clock()))
            await self._pause(HOUSE_PAUSE_S if is_done else _FAILURE_PAUSE_S)

    async def _roll_all(self) -> None:
        """Advance every pending shard key one step at a time in turn, until none has anything left."""
        async with self.pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as conn:
            pending = await load_pending_shards(conn)
        while pending and not self.stop.is_set():
            pending = [key for key in pending if not self.stop.is_set() and await self._roll(key)]

    async def _roll(self, shard_key: ShardKey) -> bool:
        """Advance one shard key one step; return whether it may have more to do."""
        done = Advanced()

        async def step() -> None:
            nonlocal done
            async with self.pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as conn:
                done = await advance(conn, shard_key, self.clock(), self.settings.bot_score)

        await self._attempt(f"the rollup of shard key {shard_key}", step)
        self.counts.steps += done.flushes > 0
        self.counts.batches += done.batches
        self.counts.clicks += done.clicks
        return done.flushes > 0

    async def _attempt(self, what: str, call: Callable[[], Awaitable[None]]) -> bool:
        """Return whether the call succeeded; the worker outlives whatever went wrong with one key or one round."""
        try:
            await call()
        except Exception:  # noqa: BLE001  # one bad key must not stop the others, nor an outage the worker
            self.counts.failures += 1
            _log.exception("%s failed; it is tried again", what)
            return False
        return True

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stop.wait(), seconds)
        except TimeoutError:
            return
