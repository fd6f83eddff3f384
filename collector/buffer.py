"""Group commit: batches wait a few milliseconds for company and are stored together; each learns its own outcome.

A batch leaves memory only after its COMMIT. A flush that failed, or whose COMMIT got no answer, is written again as it
was; one that Postgres refuses because of a value is halved until the bad batch stands alone.
"""

import asyncio
import datetime
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import asyncpg

from collector.catalog import Dictionaries
from collector.db import Pool
from collector.rows import BatchRows
from collector.settings import Settings
from collector.sites import POSTGRES_ERRORS
from collector.store import (
    REFUSALS,
    BatchKey,
    Flush,
    FlushIds,
    ensure_partitions,
    write_batches,
    write_parts,
)
from collector.wire import Drop, DropReason

_log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0
CLOSE_TIMEOUT_S = 2.0
"""How long a stopping collector tries to store what waits; whoever waited longer got no 204 and sends again."""
_DAYS_AHEAD = datetime.timedelta(days=7)
"""Partitions are there a week before they are needed, since no DDL works while a node is down."""


class Outcome(Enum):
    """What became of an accepted batch; both are acknowledged."""

    STORED = "stored"
    DUPLICATE = "duplicate"


Answer = Outcome | Drop


@dataclass(slots=True)
class _Waiting:
    rows: BatchRows
    since_s: float
    answer: asyncio.Future[Answer]


class Buffer:
    """The queue between requests and Postgres; `run` must be running for `put` to be answered."""

    def __init__(self, pool: Pool, settings: Settings, ids: FlushIds, clock: Callable[[], datetime.datetime]) -> None:
        self._pool = pool
        self._settings = settings
        self._ids = ids
        self._clock = clock
        self._known = Dictionaries()
        self._days: set[datetime.date] = set()
        self._queue: deque[_Waiting] = deque()
        self._weight = 0
        self._held = 0
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()

    @property
    def known(self) -> Dictionaries:
        """What is stored of the names, for whoever builds the rows."""
        return self._known

    @property
    def held(self) -> int:
        """Batches in memory: waiting or being written."""
        return self._held

    async def put(self, rows: BatchRows) -> Answer:
        """Return the outcome once it is committed; a drop when the queue is full or the commit takes too long."""
        if self._closing.is_set() or self._held >= self._settings.queue_max_batches:
            return Drop(DropReason.OVERLOADED)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(rows, loop.time(), loop.create_future())
        self._queue.append(waiting)
        self._held += 1
        self._weight += rows.weight
        if len(self._queue) == 1 or self._weight >= self._settings.flush_max_rows:
            self._wake.set()
        try:
            async with asyncio.timeout(self._settings.commit_timeout_s):
                return await waiting.answer
        except TimeoutError:
            return Drop(DropReason.UNAVAILABLE, "the commit takes too long")

    async def run(self) -> None:
        """Store what is put until `close`; then store what still waits and return."""
        while await self._await_batches():
            waiting = self._take()
            try:
                await self._store(waiting)
            # A bug met one flush: its senders are told, it is logged, and the collector goes on for everybody else.
            except Exception as error:  # noqa: BLE001
                _log.exception("a flush of %d batches failed for no known reason", len(waiting))
                for one in waiting:
                    if not one.answer.done():
                        one.answer.set_exception(error)
            finally:
                self._held -= len(waiting)

    def close(self) -> None:
        """Take nothing more and let `run` finish what waits; its owner awaits it for `CLOSE_TIMEOUT_S` at most."""
        self._closing.set()
        self._wake.set()

    async def _await_batches(self) -> bool:
        """Return True when a flush should start: rows wait, and have waited for company long enough."""
        while not self._queue:
            if self._closing.is_set():
                return False
            self._wake.clear()
            await self._wake.wait()
        loop = asyncio.get_running_loop()
        start_s = self._queue[0].since_s + self._settings.linger_ms / 1000
        while self._weight < self._settings.flush_max_rows and not self._closing.is_set():
            left_s = start_s - loop.time()
            if left_s <= 0:
                break
            self._wake.clear()
            try:
                async with asyncio.timeout(left_s):
                    await self._wake.wait()
            except TimeoutError:
                break
        return True

    def _take(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        weight = 0
        while self._queue and (not taken or weight + self._queue[0].rows.weight <= self._settings.flush_max_rows):
            one = self._queue.popleft()
            weight += one.rows.weight
            taken.append(one)
        self._weight -= weight
        return taken

    async def _store(self, waiting: list[_Waiting]) -> None:
        """Answer each of these once it is stored, known as stored, or refused."""
        answers: dict[BatchKey, list[asyncio.Future[Answer]]] = {}
        batches: dict[BatchKey, BatchRows] = {}
        for one in waiting:
            batches.setdefault(one.rows.batch_key, one.rows)
            answers.setdefault(one.rows.batch_key, []).append(one.answer)
        flush = Flush(self._ids.make(), self._clock().date(), tuple(batches.values()))
        async for part, result in write_parts(flush, self._ids, self._write_until_known):
            if isinstance(result, asyncpg.PostgresError):
                _refuse(part.batches[0], answers, result)
            else:
                _acknowledge(part, result, answers)

    async def _write_until_known(self, flush: Flush) -> frozenset[BatchKey]:
        """Write a flush until Postgres says what became of it; the keys that it holds."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return await self._write(flush)
            except REFUSALS:
                raise
            except POSTGRES_ERRORS as error:
                _log.warning(
                    "flush %d of %d batches failed (%s) and is written again",
                    flush.flush_id,
                    len(flush.batches),
                    type(error).__name__,
                )
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)

    async def _write(self, flush: Flush) -> frozenset[BatchKey]:
        async with self._pool.acquire(timeout=self._settings.commit_timeout_s) as conn:
            if flush.fact_day not in self._days:
                await ensure_partitions(conn, flush.fact_day, flush.fact_day + _DAYS_AHEAD)
                self._days.add(flush.fact_day)
            return await write_batches(conn, flush, self._known)


def _acknowledge(
    flush: Flush, stored: frozenset[BatchKey], answers: dict[BatchKey, list[asyncio.Future[Answer]]]
) -> None:
    for batch in flush.batches:
        outcome = Outcome.STORED if batch.batch_key in stored else Outcome.DUPLICATE
        for answer in answers[batch.batch_key]:
            if not answer.done():
                answer.set_result(outcome)
            outcome = Outcome.DUPLICATE


def _refuse(
    batch: BatchRows, answers: dict[BatchKey, list[asyncio.Future[Answer]]], error: asyncpg.PostgresError
) -> None:
    _log.error(
        "Postgres refused batch %s of shard key %d: SQLSTATE %s", batch.batch_id, batch.shard_key, error.sqlstate
    )
    for answer in answers[batch.batch_key]:
        if not answer.done():
            answer.set_result(Drop(DropReason.MALFORMED, "the database refused a value"))
