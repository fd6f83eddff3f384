"""The real `jalki` as processes: run to their end, or kept while a test looks at them."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from collector.settings import describe

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 90
STOP_TIMEOUT_S = 30
UNLIMITED = {name: "1000000" for name, _, _ in describe() if name.endswith("_RATE") or "MAX_CONNECTIONS" in name}
"""Settings of a service that refuses nobody for sending too much."""


@dataclass(slots=True)
class Running:
    """A service and what it said; `ready` is its ready line."""

    process: asyncio.subprocess.Process
    ready: dict[str, str] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address, without a trailing slash."""
        return self.ready["url"]

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.url.rpartition(":")[2])

    def children(self) -> list[int]:
        """Return the ids of its child processes."""
        pid = self.process.pid
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end and return its exit code."""
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), STOP_TIMEOUT_S)


@asynccontextmanager
async def started(*words: str, environ: Mapping[str, str] | None = None) -> AsyncIterator[Running]:
    """Start a service with `--json` and yield it at once; see that it is gone in the end."""
    process = await _start((*words, "--json"), environ or {})
    running = Running(process)
    reader = asyncio.create_task(_keep_log(running))
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reader


@asynccontextmanager
async def ready(*words: str, environ: Mapping[str, str] | None = None) -> AsyncIterator[Running]:
    """Start a service, yield it once it says that it is ready, and stop it as an operator does."""
    async with started(*words, environ=environ) as running:
        await until_ready(running)
        yield running
        if running.process.returncode is None:
            await running.stop()


async def until_ready(running: Running) -> None:
    """Return once the service says that it is ready."""
    assert running.process.stdout is not None
    async with asyncio.timeout(TIMEOUT_S):
        line = await running.process.stdout.readline()
    assert line, f"jalki ended before it was ready: {running.log}"
    running.ready = json.loads(line)


async def run(*words: str, environ: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Run a command to its end and return its exit code, output and log."""
    process = await _start(words, environ or {})
    async with asyncio.timeout(TIMEOUT_S):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def end_of(pid: int) -> None:
    """Return once a process is gone, whoever's child it is."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    gone = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, gone.set)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await gone.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def _keep_log(running: Running) -> None:
    assert running.process.stderr is not None
    while line := await running.process.stderr.readline():
        running.log.append(line.decode().rstrip())


async def _start(words: tuple[str, ...], environ: Mapping[str, str]) -> asyncio.subprocess.Process:
    clean = {name: text for name, text in os.environ.items() if not name.startswith("JALKI_")}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "heatmap", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**clean, **environ},
        cwd=ROOT,
        start_new_session=True,
    )
