"""What every run stands on: an empty Postgres of its own, the processes that are measured, the load beside them."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from collector.children import follow_parent
from collector.db import connection, migrate
from collector.embedded import EmbeddedPostgres, start_postgres
from collector.settings import describe
from collector.sites import NewSite, add_site

from .bodies import ORIGIN
from .cpu import tree_cpu_s
from .load import GO, READY

TESTS = Path(__file__).parents[2]
SITE_KEY = "benchKey_01"
JALKI = (sys.executable, "-m", "heatmap")
UNLIMITED = {
    name: "1000000000" if name.endswith("RATE") else "100000"
    for name in (
        *("JALKI_SITE_RATE", "JALKI_ADDRESS_RATE", "JALKI_VISITOR_RATE"),
        *("JALKI_MAX_CONNECTIONS", "JALKI_MAX_CONNECTIONS_PER_ADDRESS"),
    )
    if name in {row[0] for row in describe()}
}
"""Settings that differ from the defaults: all load comes from one machine, and nobody is to be turned away."""

_START_TIMEOUT_S = 60
_STOP_TIMEOUT_S = 20
_LINE_BYTES = 16 << 20
_Report = TypeVar("_Report", bound=msgspec.Struct)


class Ready(msgspec.Struct, frozen=True):
    """What a server prints, as JSON, once it answers."""

    url: str


@dataclass(frozen=True, slots=True)
class Stage:
    """A Postgres with our schema and one site."""

    postgres: EmbeddedPostgres
    folder: Path
    shard_key: int

    @property
    def url(self) -> str:
        """The address of its database."""
        return self.postgres.url

    def postgres_cpu_s(self) -> float:
        """CPU of the server and of every process it has started so far."""
        return tree_cpu_s(self.postgres.process.pid)


@dataclass(frozen=True, slots=True)
class Server:
    """One variant at work: its processes, and the port that they share."""

    processes: tuple[asyncio.subprocess.Process, ...]
    port: int

    def cpu_s(self) -> float:
        """CPU of its processes and of everything that they have started."""
        return sum(tree_cpu_s(process.pid) for process in self.processes)


class Steered:
    """A process of this package that takes a job on stdin, says when it is ready, waits for the word, and reports."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout

    async def prepare(self, job: msgspec.Struct) -> None:
        """Return once everything is in place."""
        self._in.write(msgspec.json.encode(job) + b"\n")
        async with asyncio.timeout(_START_TIMEOUT_S):
            assert await self._out.readline() == READY, "a process ended before it was ready"

    async def run(self, kind: type[_Report], timeout_s: float) -> _Report:
        """Give the word, after `prepare`, and return the report."""
        self._in.write(GO)
        async with asyncio.timeout(timeout_s):
            line = await self._out.readline()
        assert line, "a process ended in mid-run"
        return msgspec.json.decode(line, type=kind)


@asynccontextmanager
async def open_stage() -> AsyncIterator[Stage]:
    """Yield a fresh stage; its data is gone afterwards."""
    folder = _make_folder()
    try:
        postgres = await start_postgres(folder / "data")
        try:
            await migrate(postgres.url)
            async with connection(postgres.url) as conn:
                site = await add_site(conn, NewSite(name="Bench", origins=(ORIGIN,)), SITE_KEY, datetime.now(UTC))
            yield Stage(postgres, folder, site.shard_keys[0])
        finally:
            await postgres.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="jalki-bench-"))
    folder.chmod(0o755)  # as root, Postgres runs as another user
    return folder


@asynccontextmanager
async def running_steered(name: str) -> AsyncIterator[Steered]:
    """Yield a module of this package that waits for jobs."""
    async with _running(_module(name)) as process:
        yield Steered(process)


@asynccontextmanager
async def running_ours(stage: Stage, workers: int, program: Sequence[str] = JALKI) -> AsyncIterator[Server]:
    """Yield the real collector: the command that an operator starts, or `program` that takes the same arguments."""
    arguments = ["collector", "--database-url", stage.url, "--port", "0", "--json"]
    if workers > 1:
        arguments += ["--workers", str(workers)]
    changes = UNLIMITED | {"JALKI_DATA_DIR": str(stage.folder / "collector")}
    async with _running([*program, *arguments], changes) as process:
        ready = await _ready(process)
        yield Server((process,), int(ready.url.rpartition(":")[2]))


@asynccontextmanager
async def running_rival(name: str, workers: int, database_url: str = "", port: int = 0) -> AsyncIterator[Server]:
    """Yield a module of this package as a server of `workers` processes on one port, any by default."""
    command = [*_module(name), f"--port={port}", f"--database-url={database_url}"]
    async with _running(command) as process:
        port = int((await _ready(process)).url.rpartition(":")[2])
        if workers == 1:
            yield Server((process,), port)
            return
        async with running_rival(name, workers - 1, database_url, port) as others:
            yield Server((process, *others.processes), port)


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", f"bench.ingest.{name}"]


@asynccontextmanager
async def _running(
    command: Sequence[str], changes: dict[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JALKI_")}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=kept | {"PYTHONPATH": str(TESTS)} | (changes or {}),
        cwd=TESTS.parent,
        limit=_LINE_BYTES,
        preexec_fn=follow_parent(signal.SIGKILL),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), _STOP_TIMEOUT_S)


async def _ready(process: asyncio.subprocess.Process) -> Ready:
    assert process.stdout is not None
    async with asyncio.timeout(_START_TIMEOUT_S):
        line = await process.stdout.readline()
    assert line, f"a server ended with {await process.wait()} before it was ready"
    return msgspec.json.decode(line, type=Ready)
