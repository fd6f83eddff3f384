"""Where a run happens: a database and a site of its own, the collectors it starts and kills, and its oracle."""

import asyncio
import contextlib
import datetime
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import asyncpg
import msgspec
from notes import Notes, read_notes
from oracle import Wave
from recount import Recount, recount, wait_steady, wait_stored
from runs import Figure, Plan, RunResult, Size

from collector.settings import describe
from collector.sites import NewSite, Site, add_site

HERE = Path(__file__).parent
HOST = "127.0.0.1"
_START_TIMEOUT_S = 60
_STOP_TIMEOUT_S = 30
_DRAIN_TIMEOUT_S = 120
_SPOOL_AFTER_S = 2.0  # the default of JALKI_SPOOL_AFTER_MS
_QUICK_SPOOL_AFTER_S = 0.3
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_UNLIMITED = {
    "JALKI_SITE_RATE": "1000000",
    "JALKI_ADDRESS_RATE": "1000000",
    "JALKI_VISITOR_RATE": "1000000",
    "JALKI_MAX_CONNECTIONS": "20000",
    "JALKI_MAX_CONNECTIONS_PER_ADDRESS": "20000",
}
"""All load of a run comes from one address and one visitor."""


def settings_known(wanted: Mapping[str, str]) -> dict[str, str]:
    """Return those settings that the product has."""
    known = {name for name, _, _ in describe()}
    return {name: value for name, value in wanted.items() if name in known}


@dataclass(slots=True)
class CollectorProcess:
    """A running collector."""

    process: asyncio.subprocess.Process
    port: int

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    async def kill(self) -> None:
        """Kill −9 it."""
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """End it as an operator does, and return its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), _STOP_TIMEOUT_S)

    def memory_mb(self) -> float:
        """Return what it holds in memory now (resident set)."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE_BYTES / 1e6

    def peak_memory_mb(self) -> float:
        """Return the most it ever held in memory."""
        line = next(
            line for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if line.startswith("VmHWM")
        )
        return int(line.split()[1]) * 1024 / 1e6


@dataclass(slots=True)
class Oracle:
    """The driver's end of the oracle process."""

    process: asyncio.subprocess.Process
    record: Path

    async def begin(self, wave: Wave) -> None:
        """Let it send."""
        await self._say(msgspec.json.encode(wave))

    async def end(self) -> int:
        """Let it finish what is under way; return how many batches of its rate it could not send in time."""
        return await self._finish(b"")

    async def finish(self) -> int:
        """Wait until a wave with an end of its own is over."""
        return await self._finish(b"wait")

    async def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.process.wait()

    def notes(self) -> Notes:
        """Return what it wrote down; complete once the wave has ended."""
        return read_notes(self.record)

    async def _finish(self, line: bytes) -> int:
        await self._say(line)
        assert self.process.stdout is not None
        return int(await self.process.stdout.readline())

    async def _say(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        await self.process.stdin.drain()


@dataclass(slots=True)
class Stage:
    """The place of one run; `port` stays the same through every restart of the collector."""

    plan: Plan
    url: str
    site: Site
    oracle: Oracle
    port: int
    settings: dict[str, str] = field(default_factory=dict)
    _started: list[asyncio.subprocess.Process] = field(default_factory=list)

    @property
    def spool(self) -> Path:
        """Where the collector spools."""
        return Path(self.settings.get("JALKI_SPOOL_DIR") or self.plan.folder / "data" / "spool")

    @property
    def spool_after_s(self) -> float:
        """How long the collector waits for Postgres before it spools."""
        return _QUICK_SPOOL_AFTER_S if self.plan.size is Size.QUICK else _SPOOL_AFTER_S

    @property
    def can_spool(self) -> bool:
        """The product has a spool."""
        return bool(settings_known({"JALKI_SPOOL_DIR": ""}))

    def wave(self, **options: object) -> Wave:
        """Return a wave to this stage's collector."""
        chosen = {"ports": (self.port,), **options}
        return Wave(host=HOST, key=self.site.key, **chosen)  # type: ignore[arg-type]

    async def start_collector(self, port: int = 0, condition: str = "") -> CollectorProcess:
        """Start a collector, with the plan's fault and a `condition` of `mutants`, and return once it is ready."""
        changes = ",".join(filter(None, (self.plan.mutant, condition)))
        program = (str(HERE / "mutants.py"), changes) if changes else ("-m", "heatmap")
        port = port or self.port
        with (self.plan.folder / "collector.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *program, "collector", "--database-url", self.url),
                *("--host", HOST, "--port", str(port)),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=self._environment(),
            )
        self._started.append(process)
        assert process.stdout is not None
        async with asyncio.timeout(_START_TIMEOUT_S):
            line = await process.stdout.readline()
        assert b"ready" in line, f"the collector ended with {await process.wait()}: {self.log_tail()}"
        return CollectorProcess(process, port)

    async def connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        """Return a connection to the run's database."""
        return await asyncpg.connect(self.url, timeout=10)

    async def settle(self, timeout_s: float = _DRAIN_TIMEOUT_S) -> Recount:
        """Wait until what was acknowledged is stored and nothing more comes, and count."""
        notes = self.oracle.notes()
        conn = await self.connect()
        try:
            await wait_stored(conn, self.site.site_id, notes, self.patience(timeout_s))
            await wait_steady(conn, self.site.site_id, timeout_s)
            return await recount(conn, self.site.site_id, notes)
        finally:
            await conn.close()

    async def result(self, name: str, figures: tuple[Figure, ...], timeout_s: float = _DRAIN_TIMEOUT_S) -> RunResult:
        """Return the result of a run that has sent all it wants, with the recount in it."""
        counted = await self.settle(timeout_s)
        acknowledged = len(self.oracle.notes().acknowledged)
        return RunResult(name, acknowledged, counted.lost, counted.phantom, counted.duplicates, figures)

    async def metric(self, name: str) -> int:
        """Return a figure of the collector's `/metrics`, all its processes together; 0 where it has none."""
        async with aiohttp.ClientSession() as session, session.get(f"http://{HOST}:{self.port}/metrics") as answer:
            text = await answer.text()
        found = re.findall(rf"^jalki_collector_{name}(?:{{[^}}]*}})? ([0-9.e+]+)$", text, re.MULTILINE)
        return sum(int(float(value)) for value in found)

    def log_tail(self) -> str:
        """Return the last lines that a collector wrote."""
        log = self.plan.folder / "collector.log"
        return log.read_text(errors="replace")[-1500:] if log.exists() else ""

    async def close(self) -> None:
        """End every process of the stage."""
        await self.oracle.close()
        for process in self._started:
            if process.returncode is None:
                process.kill()
            await process.wait()

    def patience(self, timeout_s: float) -> float:
        """Return how long to wait for batches; a fault that loses some is known by their absence, and soon."""
        return min(timeout_s, 3.0) if self.plan.mutant else timeout_s

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("JALKI_")}
        own = {"JALKI_DATA_DIR": str(self.plan.folder / "data"), **_UNLIMITED, **self.settings}
        if self.plan.size is Size.QUICK:
            own["JALKI_SPOOL_AFTER_MS"] = str(int(_QUICK_SPOOL_AFTER_S * 1000))
        return inherited | settings_known(own)


@contextlib.asynccontextmanager
async def open_stage(plan: Plan) -> AsyncIterator[Stage]:
    """Yield a stage; at the end its processes are gone and Postgres is as it was."""
    url = await plan.postgres.create_database()
    site = await _add_site(url)
    stage = Stage(plan, url, site, await start_oracle(plan), free_port())
    try:
        yield stage
    finally:
        await plan.postgres.restore()
        await stage.close()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])


async def start_oracle(plan: Plan) -> Oracle:
    """Return an oracle whose record is in the run's folder."""
    record = plan.folder / "record"
    record.touch()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(HERE / "oracle.py"), str(record), str(plan.seed)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    return Oracle(process, record)


async def _add_site(url: str) -> Site:
    conn = await asyncpg.connect(url, timeout=10)
    try:
        key = f"chaos{time.monotonic_ns() % 10**12:012d}"
        return await add_site(conn, NewSite("Chaos"), key, datetime.datetime.now(datetime.UTC))
    finally:
        await conn.close()
