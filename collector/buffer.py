"""Group commit: batches wait a few milliseconds for company and are stored together; each learns its own outcome.

A batch leaves memory only after its COMMIT, or after the spool has it on disk. A flush that failed, or whose COMMIT got
no answer, is written again as it was, and given to the spool when that takes too long; one that Postgres refuses
because of a value is halved until the bad batch stands alone, which goes to the quarantine.
"""

import asyncio
import datetime
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from collector.db import POSTGRES_ERRORS
from collector.errors import OverdueError
from collector.link import Link
from collector.metrics import Metrics
from collector.quarantine import sqlstate_of, write_quarantined
from collector.rows import BatchRows
from collector.settings import Settings
from collector.standby import Standby, StandbyTools
from collector.store import REFUSALS, BatchKey, Flush, ensure_partitions, write_batches, write_parts
from collector.wire import Drop, DropReason

_log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0
_HURRY_S = 0.5
"""A collector that is asked to stop gives Postgres so long for each flush."""
CLOSE_TIMEOUT_S = 2.0
"""How long a stopping collector tries to store what waits; whoever waited longer got no 204 and sends again."""
_EXPIRE_EVERY_S = 0.25
_PATIENCE_S = 0.5
"""Batches that wait so much longer than one flush may take are too many."""
_MAX_HELD_BYTES = 32 << 20
"""Of packed rows in memory; what Python adds to them is about as much again."""
_DAYS_AHEAD = datetime.timedelta(days=7)
"""Partitions are there a week before they are needed, since no DDL works while a node is down."""


class Outcome(Enum):
    """What became of an accepted batch; all are acknowledged."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    SPOOLED = "spooled"


Answer = Outcome | Drop
Tell = Callable[[Answer], None]
"""Takes an answer; must neither wait nor raise."""


class _Waiting:
    """A batch without an answer yet."""

    __slots__ = ("is_told", "rows", "since_s", "tell")

    def __init__(self, rows: BatchRows, since_s: float, tell: Tell) -> None:
        self.rows = rows
        self.since_s = since_s
        self.tell = tell
        self.is_told = False

    def answer(self, answer: Answer) -> None:
        if not self.is_told:
            self.is_told = True
            self.tell(answer)


@dataclass(frozen=True, slots=True)
class Keeping:
    """What the buffer keeps batches with: the database, the way over the disk, and a book of what it did."""

    tools: StandbyTools
    standby: Standby
    metrics: Metrics


class Buffer:
    """The queue between requests and Postgres; `run` must be running for batches to be answered."""

    def __init__(self, keeping: Keeping, settings: Settings) -> None:
        self.known = keeping.tools.known
        """The names that are stored, for whoever builds rows."""
        self._link = Link(keeping.tools.pool)
        self._standby = keeping.standby
        self._metrics = keeping.metrics
        self._settings = settings
        self._ids = keeping.tools.ids
        self._clock = keeping.tools.clock
        self._days: set[datetime.date] = set()
        self._queue: deque[_Waiting] = deque()
        self._weight = 0
        self._flushing: Sequence[_Waiting] = ()
        self._held_bytes = 0
        self._wake = asyncio.Event()
        self._is_closing = False
        self._is_hurried = False

    @property
    def held(self) -> int:
        """Batches in memory: waiting or being written."""
        return len(self._queue) + len(self._flushing)

    @property
    def is_full(self) -> bool:
        """Whether a batch that is offered now would be refused: ask it before anything is done for the batch.

        Also where the first in the queue has waited so long that taking more would only make all wait longer.
        """
        if self._is_closing or self.held >= self._settings.queue_max_batches or self._held_bytes >= _MAX_HELD_BYTES:
            return True
        if not self._queue:
            return False
        return asyncio.get_running_loop().time() - self._queue[0].since_s > self._limit_s() + _PATIENCE_S

    @property
    def state(self) -> str:
        """What becomes of a batch that comes now: `storing`, `spooling` or `refusing`."""
        if self.is_full:
            return "refusing"
        return self._standby.state

    def offer(self, rows: BatchRows, tell: Tell) -> Drop | None:
        """Take a batch and `tell` once what became of it; a drop where there is no room, then nothing is told."""
        if self.is_full:
            return Drop(DropReason.OVERLOADED)
        self._queue.append(_Waiting(rows, asyncio.get_running_loop().time(), tell))
        self._held_bytes += len(rows.tail)
        self._weight += rows.weight
        if len(self._queue) == 1 or self._weight >= self._settings.flush_max_rows:
            self._wake.set()
        return None

    async def put(self, rows: BatchRows) -> Answer:
        """Return the outcome of a batch once it is known."""
        told: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        return self.offer(rows, lambda answer: None if told.done() else told.set_result(answer)) or await told

    async def run(self) -> None:
        """Store what is offered until `close`; then store what still waits and return."""
        others = [asyncio.ensure_future(self._expire()), asyncio.ensure_future(self._standby.run())]
        try:
            while await self._await_batches():
                await self._flush(self._take())
        finally:
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await self._link.close()

    def hurry(self) -> None:
        """Give Postgres no more than half a second for what is being written: the process is about to stop."""
        self._is_hurried = True
        asyncio.get_running_loop().call_later(_HURRY_S, self._link.cut)

    def close(self) -> None:
        """Take nothing more and let `run` finish what waits; its owner awaits it for `CLOSE_TIMEOUT_S` at most."""
        self._is_closing = True
        self.hurry()
        self._wake.set()

    async def _await_batches(self) -> bool:
        """Return True when a flush should start: rows wait, and have waited for company long enough."""
        while not self._queue:
            if self._is_closing:
                return False
            self._wake.clear()
            await self._wake.wait()
        loop = asyncio.get_running_loop()
        start_s = self._queue[0].since_s + self._settings.linger_ms / 1000
        while self._weight < self._settings.flush_max_rows and not self._is_closing:
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
        self._flushing = taken
        return taken

    async def _flush(self, waiting: Sequence[_Waiting]) -> None:
        """Answer each of these once it is stored, known as stored, spooled or refused."""
        begun_s = asyncio.get_running_loop().time()
        try:
            if not self._standby.is_on:
                await self._store(waiting)
            await self._spool([one for one in waiting if not one.is_told])
        # A bug met one flush: its senders are told, it is logged, and the collector goes on for everybody else.
        except Exception:  # noqa: BLE001
            _log.exception("a flush of %d batches failed for no known reason", len(waiting))
            for one in waiting:
                one.answer(Drop(DropReason.UNAVAILABLE, "the collector met a fault of its own"))
        self._flushing = ()
        self._held_bytes -= sum(len(one.rows.tail) for one in waiting)
        self._note(waiting, begun_s)

    def _note(self, waiting: Sequence[_Waiting], begun_s: float) -> None:
        now_s = asyncio.get_running_loop().time()
        self._metrics.observe_flush(sum(one.rows.weight for one in waiting), len(waiting), now_s - begun_s)
        self._metrics.observe_commits([now_s - one.since_s for one in waiting])

    async def _store(self, waiting: Sequence[_Waiting]) -> None:
        """Answer those that Postgres has taken or refused; none where it does not answer in time."""
        copies: dict[BatchKey, list[_Waiting]] = {}
        for one in waiting:
            copies.setdefault(one.rows.batch_key, []).append(one)
        batches = tuple(same[0].rows for same in copies.values())
        flush = Flush(self._ids.make(), self._clock().date(), batches)
        try:
            async for part, result in write_parts(flush, self._ids, self._write_in_time):
                if isinstance(result, Exception):
                    await self._quarantine(part.batches[0], result, copies)
                else:
                    self._acknowledge(part, result, copies)
        except OverdueError:
            self._standby.switch_on()

    async def _write_in_time(self, flush: Flush) -> frozenset[BatchKey]:
        """Write a flush until Postgres says what became of it; the keys that it holds.

        Raises:
            OverdueError: it did not say so in time, and there is a spool to go to.
        """
        loop = asyncio.get_running_loop()
        pause_s = _FIRST_PAUSE_S
        begun_s = loop.time()
        while True:
            limit_s = self._limit_s()
            timer = loop.call_at(begun_s + limit_s, self._link.cut)
            try:
                return await self._write(flush, limit_s)
            except REFUSALS:
                raise
            except POSTGRES_ERRORS as error:
                _log.warning(
                    "flush %d of %d batches failed (%s)", flush.flush_id, len(flush.batches), type(error).__name__
                )
            finally:
                timer.cancel()
            self._link.cut()
            if loop.time() + pause_s >= begun_s + self._limit_s():
                if self._standby.can_spool or self._is_closing:
                    raise OverdueError(f"flush {flush.flush_id} could not be stored in time")
                begun_s = loop.time()
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)

    def _limit_s(self) -> float:
        """Return how long Postgres may take for a flush."""
        if self._is_hurried:
            return _HURRY_S
        if self._standby.can_spool:
            return self._settings.spool_after_ms / 1000
        return float(self._settings.commit_timeout_s)

    async def _write(self, flush: Flush, limit_s: float) -> frozenset[BatchKey]:
        conn = await self._link.open(limit_s)
        if flush.fact_day not in self._days:
            await ensure_partitions(conn, flush.fact_day, flush.fact_day + _DAYS_AHEAD)
            self._days.add(flush.fact_day)
        return await write_batches(conn, flush, self.known)

    async def _quarantine(self, rows: BatchRows, error: Exception, copies: dict[BatchKey, list[_Waiting]]) -> None:
        """Keep a batch that Postgres refused; where even that fails its sender keeps it."""
        _log.error(
            "Postgres refused batch %s of shard key %d: SQLSTATE %s", rows.batch_id, rows.shard_key, sqlstate_of(error)
        )
        answer = Drop(DropReason.QUARANTINED)
        try:
            conn = await self._link.open(self._limit_s())
            await write_quarantined(conn, rows, error, self._clock())
        except REFUSALS:
            answer = Drop(DropReason.MALFORMED, "no table takes a value of it")
        except POSTGRES_ERRORS:
            answer = Drop(DropReason.UNAVAILABLE)
        for one in copies[rows.batch_key]:
            one.answer(answer)

    def _acknowledge(self, flush: Flush, stored: frozenset[BatchKey], copies: dict[BatchKey, list[_Waiting]]) -> None:
        new = 0
        for batch in flush.batches:
            first, *others = copies[batch.batch_key]
            is_new = batch.batch_key in stored
            new += is_new
            first.answer(Outcome.STORED if is_new else Outcome.DUPLICATE)
            for one in others:
                one.answer(Outcome.DUPLICATE)
        self._metrics.count_answers("stored", new)
        self._metrics.count_answers("duplicate", sum(len(copies[one.batch_key]) for one in flush.batches) - new)

    async def _spool(self, waiting: Sequence[_Waiting]) -> None:
        """Answer each of these once it is on the disk, or refused for want of room there."""
        if not waiting:
            return
        spooled = 0
        for one, drop in zip(waiting, await self._standby.keep([one.rows for one in waiting]), strict=True):
            spooled += drop is None
            one.answer(drop or Outcome.SPOOLED)
        self._metrics.count_answers("spooled", spooled)

    async def _expire(self) -> None:
        """Tell those who wait too long that it is not known yet; what they sent may still be stored."""
        while True:
            await asyncio.sleep(_EXPIRE_EVERY_S)
            oldest_s = asyncio.get_running_loop().time() - self._settings.commit_timeout_s
            for waiting in (self._flushing, self._queue):
                for one in waiting:
                    if one.since_s > oldest_s:
                        break
                    one.answer(Drop(DropReason.UNAVAILABLE, "the commit takes too long"))
