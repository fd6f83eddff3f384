"""What happens to batches while Postgres is away: they go to the spool, and from there to Postgres once it is back.

Switched on by a flush that could not be stored in time, switched off when Postgres has been reached again; from then on
new batches are stored directly while the old ones drain beside them, over a connection of their own.
"""

import asyncio
import datetime
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from collector.catalog import Dictionaries
from collector.db import POSTGRES_ERRORS, Pool
from collector.draining import Sink, drain_some
from collector.errors import SpoolError, SpoolFullError
from collector.link import Link
from collector.quarantine import write_quarantined
from collector.rows import BatchRows, encode_rows
from collector.spool import Spool
from collector.store import BatchKey, Flush, FlushIds, ensure_partitions, write_batches
from collector.wire import Drop, DropReason

_log = logging.getLogger(__name__)

_PROBE_PAUSE_S = 1.0
"""Pause between two tries to reach Postgres, and between two looks at a spool that is being drained by nobody else."""
_STATEMENT_S = 10.0
"""Longest time Postgres may take for one flush of the spool."""

_PROBE = """\
-- standby.probe
select 1
"""


@dataclass(frozen=True, slots=True)
class StandbyTools:
    """What a standby works with; `known` are the names that are stored."""

    pool: Pool
    ids: FlushIds
    known: Dictionaries
    clock: Callable[[], datetime.datetime]


class Standby:
    """The way over the disk; without a spool it refuses what it is given. `run` must be running."""

    def __init__(self, tools: StandbyTools) -> None:
        self.is_on = False
        """Whether batches go to the spool now."""
        self.spool: Spool | None = None
        """Set it before `run`."""
        self._tools = tools
        self._link = Link(tools.pool)
        self._wake = asyncio.Event()

    @property
    def can_spool(self) -> bool:
        """Whether there is a spool to go to."""
        return self.spool is not None

    @property
    def state(self) -> str:
        """What becomes of a batch that comes now: `storing`, `spooling` or `refusing`."""
        if not self.is_on:
            return "storing"
        return "refusing" if self.spool is None or self.spool.is_full else "spooling"

    def switch_on(self) -> None:
        """Let batches go to the spool until Postgres is reached again; without a spool nothing changes."""
        if self.spool is not None and not self.is_on:
            _log.warning("Postgres does not answer: batches go to the spool until it does")
            self.is_on = True
            self._wake.set()

    async def keep(self, batches: Sequence[BatchRows]) -> list[Drop | None]:
        """Return of each batch None once it is on the disk, or why it is not."""
        if self.spool is None:
            return [Drop(DropReason.UNAVAILABLE)] * len(batches)
        # All are handed over before the first is waited for: they share a sync.
        appended = [self.spool.append(encode_rows(rows)) for rows in batches]
        return [await _outcome(one) for one in appended]

    async def run(self) -> None:
        """Drain the spool whenever there is something in it and Postgres answers; until it is cancelled."""
        try:
            while self.spool is not None:
                if not await self._drain(self.spool):
                    await self._pause()
        finally:
            await self._link.close()

    async def _pause(self) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(_PROBE_PAUSE_S):
                await self._wake.wait()
        except TimeoutError:
            return
        await asyncio.sleep(_PROBE_PAUSE_S)

    async def _drain(self, spool: Spool) -> bool:
        """Hand on a part of what waits; return whether there may be more to do at once."""
        sink = Sink(self._tools.ids, lambda: self._tools.clock().date(), self._write, self._quarantine)
        try:
            if self.is_on:
                await self._reach()
            # What other processes have left is looked for also while this one has nothing.
            return await drain_some(spool, sink) is not None
        except (SpoolError, *POSTGRES_ERRORS) as error:
            _log.warning("the spool of %d batches cannot be drained now: %s", spool.depth, type(error).__name__)
        # A bug met some batches: they stay in the spool, and it is tried again.
        except Exception:  # noqa: BLE001
            _log.exception("the spool of %d batches cannot be drained for no known reason", spool.depth)
        self._link.cut()
        return False

    async def _reach(self) -> None:
        timer = asyncio.get_running_loop().call_later(_STATEMENT_S, self._link.cut)
        try:
            conn = await self._link.open(_STATEMENT_S)
            await conn.execute(_PROBE)
        finally:
            timer.cancel()
        _log.warning("Postgres answers again: %d batches wait in the spool", self.spool.depth if self.spool else 0)
        self.is_on = False

    async def _write(self, flush: Flush) -> frozenset[BatchKey]:
        timer = asyncio.get_running_loop().call_later(_STATEMENT_S, self._link.cut)
        try:
            conn = await self._link.open(_STATEMENT_S)
            await ensure_partitions(conn, flush.fact_day, flush.fact_day)
            return await write_batches(conn, flush, self._tools.known)
        finally:
            timer.cancel()

    async def _quarantine(self, rows: BatchRows, error: Exception) -> None:
        conn = await self._link.open(_STATEMENT_S)
        await write_quarantined(conn, rows, error, self._tools.clock())


async def _outcome(appended: asyncio.Future[None]) -> Drop | None:
    try:
        await appended
    except SpoolFullError:
        return Drop(DropReason.SPOOL_FULL)
    return None
