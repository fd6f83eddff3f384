"""Keeps child processes running, and ends them in order.

A child's first line on its standard output says that it is ready.
"""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from collector.children import follow_parent
from collector.errors import ProcessError

_log = logging.getLogger(__name__)

_WORKER_STOP_S = 2.0  # its work is one transaction: a worker that is killed loses nothing
_FIRST_PAUSE_S = 0.2
_LAST_PAUSE_S = 10.0
_STEADY_S = 30.0  # a child that lived this long failed anew, not again


@dataclass(frozen=True, slots=True)
class Program:
    """A child: its name in the log, what comes after `python`, and how long it may take to stop."""

    name: str
    arguments: tuple[str, ...]
    environ: Mapping[str, str]
    """What is set beside this process's own variables; arguments, unlike these, can be read by every user."""
    stop_timeout_s: float
    files: tuple[int, ...] = ()
    """Descriptors that it inherits."""


@asynccontextmanager
async def kept_worker(database_url: str) -> AsyncIterator[None]:
    """Keep a worker on the database while the block runs; call it from the main thread, which the worker dies with."""
    environ = {"JALKI_DATABASE_URL": database_url}
    keeper = Keeper(Program("worker", ("-m", "heatmap", "worker"), environ, _WORKER_STOP_S))
    task = asyncio.create_task(keeper.keep())
    try:
        yield
    finally:
        keeper.stop.set()
        await task


@dataclass(slots=True)
class Keeper:
    """Runs one child after another; the owner awaits `keep`, and sets `stop` to end it."""

    program: Program
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a child was ready for the first time."""

    async def keep(self, *, is_needed: bool = False) -> None:
        """Run one child after another until asked to stop.

        Raises:
            ProcessError: the first child ended before it was ready, and `is_needed` says that no other would do better.
        """
        pause_s = _FIRST_PAUSE_S
        while not self.stop.is_set():
            began = time.monotonic()
            process = await self._start()
            code = await self._watch(process)
            if self.stop.is_set():
                return
            said = f"the {self.program.name} (process {process.pid}) ended with {code}"
            if is_needed and not self.is_ready.is_set():
                raise ProcessError(f"{said} before it was ready; its log says why")
            pause_s = _FIRST_PAUSE_S if time.monotonic() - began > _STEADY_S else min(2 * pause_s, _LAST_PAUSE_S)
            _log.error("%s; starting it again in %.1f s", said, pause_s)
            await _wait(self.stop, pause_s)

    async def _start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, *self.program.arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,  # our own belongs to the ready line of the whole
            env={**os.environ, **self.program.environ},
            pass_fds=self.program.files,
            preexec_fn=follow_parent(signal.SIGTERM),
        )

    async def _watch(self, process: asyncio.subprocess.Process) -> int:
        """Return the child's exit code, asking it to end as soon as `stop` is set."""
        ended = asyncio.create_task(process.wait())
        asked = asyncio.create_task(self.stop.wait())
        heard = asyncio.create_task(self._listen(process))
        await asyncio.wait({ended, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if not ended.done():
            process.terminate()
            done, _ = await asyncio.wait({ended}, timeout=self.program.stop_timeout_s)
            if not done:
                limit_s = self.program.stop_timeout_s
                _log.warning(
                    "the %s (process %d) does not stop in %g s: killed", self.program.name, process.pid, limit_s
                )
                process.kill()
        code = await ended
        await heard
        return code

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Note the first line, and read on to the end so that the child never waits for a reader."""
        assert process.stdout is not None
        if await process.stdout.readline():
            self.is_ready.set()
        while await process.stdout.read(4096):
            pass


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), timeout_s)
    except TimeoutError:
        return
