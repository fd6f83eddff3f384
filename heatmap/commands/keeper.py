"""Keeps the worker running as a child process, and ends it in order."""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from collector.children import follow_parent

_log = logging.getLogger(__name__)

_STOP_TIMEOUT_S = 2.0  # its work is one transaction: a worker that is killed loses nothing
_FIRST_PAUSE_S = 0.2
_LAST_PAUSE_S = 10.0
_STEADY_S = 30.0  # a worker that lived this long failed anew, not again


@asynccontextmanager
async def kept_worker(database_url: str) -> AsyncIterator[None]:
    """Keep a worker on the database while the block runs; call it from the main thread, which the worker dies with."""
    keeper = _Keeper(database_url, asyncio.Event())
    task = asyncio.create_task(keeper.keep())
    try:
        yield
    finally:
        keeper.stop.set()
        await task


@dataclass(slots=True)
class _Keeper:
    database_url: str
    stop: asyncio.Event

    async def keep(self) -> None:
        """Run one worker after another until asked to stop."""
        pause_s = _FIRST_PAUSE_S
        while not self.stop.is_set():
            began = time.monotonic()
            process = await self._start()
            code = await self._end(process)
            if self.stop.is_set():
                return
            pause_s = _FIRST_PAUSE_S if time.monotonic() - began > _STEADY_S else min(2 * pause_s, _LAST_PAUSE_S)
            _log.error("the worker (process %d) ended with %s; starting it again in %.1f s", process.pid, code, pause_s)
            await _wait(self.stop, pause_s)

    async def _start(self) -> asyncio.subprocess.Process:
        # The address goes by the environment: arguments, and a password in them, can be read by every user.
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "heatmap", "worker"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,  # stdout belongs to the ready line of the whole
            env={**os.environ, "JALKI_DATABASE_URL": self.database_url},
            preexec_fn=follow_parent(signal.SIGTERM),
        )

    async def _end(self, process: asyncio.subprocess.Process) -> int:
        """Return the worker's exit code, asking it to end as soon as `stop` is set."""
        ended = asyncio.create_task(process.wait())
        asked = asyncio.create_task(self.stop.wait())
        await asyncio.wait({ended, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if not ended.done():
            process.terminate()
            done, _ = await asyncio.wait({ended}, timeout=_STOP_TIMEOUT_S)
            if not done:
                _log.warning("the worker (process %d) does not stop in %.0f s: killed", process.pid, _STOP_TIMEOUT_S)
                process.kill()
        return await ended


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), timeout_s)
    except TimeoutError:
        return
