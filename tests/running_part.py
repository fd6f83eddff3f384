"""Runs one part of jalki (`collector`, `worker`, `dashboard`) as a user does: as a process of its own on a Postgres."""

import asyncio
import json
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 20
_KEPT_LINES = 2_000
JALKI = ("-m", "heatmap")


@dataclass(slots=True)
class RunningPart:
    """A part that said it is ready; `url` has no trailing slash and is empty for a worker."""

    process: asyncio.subprocess.Process
    url: str
    log: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT_LINES))
    """The last lines of its stderr."""

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.url.rpartition(":")[2])


@asynccontextmanager
async def running_part(
    name: str, *arguments: str, environ: Mapping[str, str] | None = None, program: Sequence[str] = JALKI
) -> AsyncIterator[RunningPart]:
    """Start `jalki NAME` and yield it once it is ready; in the end it is stopped as an operator stops it.

    `program` is what Python runs as jalki.
    """
    clean = {key: text for key, text in os.environ.items() if not key.startswith("JALKI_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *program, name, "--json", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=clean | dict(environ or {}),
    )
    part = RunningPart(process, "")
    reader = asyncio.create_task(_keep_log(part))
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_TIMEOUT_S):
            line = await process.stdout.readline()
        assert line, f"jalki {name} ended before it was ready: {part.log}"
        part.url = json.loads(line).get("url", "")
        yield part
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        finally:
            await reader


async def _keep_log(part: RunningPart) -> None:
    assert part.process.stderr is not None
    while line := await part.process.stderr.readline():
        part.log.append(line.decode("utf-8", "replace").rstrip())
