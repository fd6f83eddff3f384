"""Runs one variant once and returns what it took: CPU of its processes and of Postgres, and what the load saw."""

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import asyncpg
import msgspec

from .bodies import Headers, Order
from .copier import CopyJob, CopyReport
from .cpu import machine_cpu_s
from .load import STUCK_S, Job, Report
from .oracle import OURS, PLAIN, Tables, recount
from .stage import SITE_KEY, Server, Stage, Steered, running_ours, running_rival, running_steered

LOAD_IS_LIMIT = 0.9
"""Share of a core from which on the load itself may be what is measured."""
OTHERS_DISTURB = 0.2
"""Cores that other programs may take before a rate or a latency says little."""

_COPY_TIMEOUT_S = 120
_WARM_UP_S = 0.5
_FIRST_RATE = 30_000.0
_SPARE = 1.6
"""How many more requests are built than were last answered in that time."""


class Variant(StrEnum):
    """What is compared."""

    FLOOR = "aiohttp floor"
    COPY = "COPY of the same rows"
    INSERT = "INSERT per request"
    OURS = "jalki"


class Sample(msgspec.Struct, frozen=True):
    """One run of one variant: an event is a click."""

    variant: Variant
    clicks: int
    events: int
    own_us: float
    postgres_us: float
    events_s: float
    busy: float
    """CPU of its own processes by the clock, 1 for a core."""
    load_share: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    worst_ms: float = 0.0
    others: float = 0.0
    """Cores that programs took meanwhile which have nothing to do with the benchmark."""
    faults: list[str] = []

    @property
    def total_us(self) -> float:
        """µs of CPU an event, Postgres included."""
        return self.own_us + self.postgres_us


@dataclass(slots=True)
class Bench:
    """Everything that runs while a number of processes is measured."""

    stage: Stage
    load: Steered
    conn: asyncpg.Connection
    servers: dict[Variant, Server]
    connections: int
    headers: Headers
    rates: dict[tuple[Variant, int], float] = field(default_factory=dict)
    """Requests a second that a variant answered last, by clicks a batch."""


_FLUSHES = "select flush_id, count(*) from view_reports group by flush_id order by flush_id"
_FACTS = "select * from view_reports where flush_id = $1"
_TABLES = {Variant.OURS: OURS, Variant.INSERT: PLAIN}
_seeds = itertools.count(1)


@asynccontextmanager
async def open_bench(stage: Stage, workers: int, connections: int, headers: Headers) -> AsyncIterator[Bench]:
    """Start every variant with `workers` processes; who is not measured waits for requests and takes nothing."""
    async with AsyncExitStack() as stack:
        conn = await asyncpg.connect(stage.url)
        stack.push_async_callback(conn.close)
        servers = {
            Variant.FLOOR: await stack.enter_async_context(running_rival("floor", workers)),
            Variant.INSERT: await stack.enter_async_context(running_rival("inserter", workers, stage.url)),
            Variant.OURS: await stack.enter_async_context(running_ours(stage, workers)),
        }
        load = await stack.enter_async_context(running_steered("load"))
        yield Bench(stage, load, conn, servers, connections, headers)


async def warm_up(bench: Bench, variant: Variant, clicks: int) -> None:
    """Let a variant meet such batches once, unmeasured, and learn how many it answers."""
    bench.rates.setdefault((variant, clicks), _FIRST_RATE)
    await measure(bench, variant, clicks, _WARM_UP_S)


async def measure(bench: Bench, variant: Variant, clicks: int, seconds: float, rate: float = 0.0) -> Sample:
    """Return a run of a variant over HTTP; closed loop, or open loop with `rate` requests a second."""
    server, tables = bench.servers[variant], _TABLES.get(variant)
    expected = seconds * (rate or bench.rates[variant, clicks] * _SPARE)
    order = Order(SITE_KEY, clicks, int(expected) + bench.connections, next(_seeds), bench.headers)
    job = Job(order, "127.0.0.1", server.port, bench.connections, seconds, rate)
    await _clear(bench, tables)
    await bench.load.prepare(job)
    before = _read_cpu(bench, server)
    report = await bench.load.run(Report, seconds + 2 * STUCK_S)
    own_s, postgres_s, machine_s = (now - then for now, then in zip(_read_cpu(bench, server), before, strict=True))
    if not rate:
        bench.rates[variant, clicks] = report.rate
    faults = [f"{n} answers {name}" for name, n in report.answers.items()]
    if tables is not None:
        faults += (await recount(bench.conn, tables, order, report)).faults
    sample = _sample(variant, clicks, report, (own_s, postgres_s), faults)
    others_s = machine_s - own_s - postgres_s - report.cpu_s
    return msgspec.structs.replace(sample, others=max(0.0, others_s / report.seconds))


def _read_cpu(bench: Bench, server: Server) -> tuple[float, float, float]:
    return server.cpu_s(), bench.stage.postgres_cpu_s(), machine_cpu_s()


async def measure_copy(bench: Bench, clicks: int, workers: int, seconds: float) -> Sample:
    """Return the COPY of what our collector stored last, by as many processes as it has."""
    flushes = await _dump_flushes(bench)
    await _clear(bench, OURS)
    shares = [flushes[place::workers] for place in range(workers)]
    async with AsyncExitStack() as stack:
        copiers = [await stack.enter_async_context(running_steered("copier")) for _ in shares]
        for copier, share in zip(copiers, shares, strict=True):
            await copier.prepare(CopyJob(bench.stage.url, [flush.file for flush in share], seconds))
        postgres_s = bench.stage.postgres_cpu_s()
        reports = await asyncio.gather(*(copier.run(CopyReport, _COPY_TIMEOUT_S) for copier in copiers))
        postgres_s = bench.stage.postgres_cpu_s() - postgres_s
    batches = sum(
        report.turns * flush.batches for report, share in zip(reports, shares, strict=True) for flush in share
    )
    own_s, took_s = sum(report.cpu_s for report in reports), max(report.seconds for report in reports)
    events = batches * clicks
    costs = own_s / events * 1e6, postgres_s / events * 1e6
    return Sample(Variant.COPY, clicks, events, *costs, events_s=events / took_s, busy=own_s / took_s)


@dataclass(frozen=True, slots=True)
class _StoredFlush:
    batches: int
    file: str


async def _dump_flushes(bench: Bench) -> list[_StoredFlush]:
    """Write the facts that our collector has stored to files, as binary COPY streams of one flush each."""
    folder = bench.stage.folder / "flushes"
    await asyncio.to_thread(_make_empty, folder)
    flushes = []
    for flush_id, batches in await bench.conn.fetch(_FLUSHES):
        file = folder / str(flush_id)
        await bench.conn.copy_from_query(_FACTS, flush_id, output=file, format="binary")
        flushes.append(_StoredFlush(batches, str(file)))
    return flushes


def _make_empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


async def _clear(bench: Bench, tables: Tables | None) -> None:
    """Empty what the last run stored, and let Postgres write what it owes, so that no run pays for another."""
    if tables is not None:
        await bench.conn.execute(tables.empty)
    await bench.conn.execute("checkpoint")


def _sample(variant: Variant, clicks: int, report: Report, cpu_s: tuple[float, float], faults: list[str]) -> Sample:
    events = report.acknowledged * clicks
    own_us, postgres_us = (one / max(1, events) * 1e6 for one in cpu_s)
    return Sample(
        *(variant, clicks, events, own_us, postgres_us),
        events_s=events / report.seconds,
        busy=cpu_s[0] / report.seconds,
        load_share=report.cpu_share,
        p50_ms=report.p50_ms,
        p99_ms=report.p99_ms,
        worst_ms=report.worst_ms,
        faults=faults,
    )
