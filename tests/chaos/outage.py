"""Postgres away under load: once frozen, so that nothing answers, and once stopped, so that connections are refused."""

import asyncio
import time
from dataclasses import dataclass

from notes import Notes, count_statuses, percentile
from oracle import FLUSH_S
from recount import wait_stored
from runs import Figure, Plan, RunResult
from stage import CollectorProcess, Stage, open_stage

NAME = "Postgres away under load"
MUTANTS = ("writes_nothing_to_the_spool",)
_MEMORY_MB = 64
_LOAD = {"senders": 16, "clicks": (0, 20), "think_s": 0.02, "retry_share": 1.0}


@dataclass(frozen=True, slots=True)
class _Outage:
    """One outage as it went."""

    kind: str
    away_s: float
    began_s: float
    ended_s: float
    drained_s: float
    memory_mb: float


async def run(plan: Plan) -> RunResult:
    """Take Postgres away twice, each time for that long, while batches keep coming."""
    away_s = plan.pick(1.5, 15.0, 60.0)
    async with open_stage(plan) as stage:
        collector = await stage.start_collector()
        await stage.oracle.begin(stage.wave(**_LOAD))
        outages = [await _take_away(stage, collector, kind, away_s) for kind in ("frozen", "stopped")]
        await stage.oracle.end()
        notes = stage.oracle.notes()
        return await stage.result(NAME, tuple(figure for one in outages for figure in _figures(one, notes)))


async def _take_away(stage: Stage, collector: CollectorProcess, kind: str, away_s: float) -> _Outage:
    postgres = stage.plan.postgres
    await asyncio.sleep(0.5)
    before_mb = collector.memory_mb()
    began = time.monotonic()
    if kind == "frozen":
        postgres.freeze()
    else:
        await postgres.stop()
    most_mb = await _watch_memory(collector, began + away_s)
    await postgres.restore()
    ended = time.monotonic()
    drained_s = await _wait_drained(stage, away_s)
    most_mb = max(most_mb, collector.memory_mb())
    return _Outage(kind, away_s, began, ended, drained_s, most_mb - before_mb)


async def _watch_memory(collector: CollectorProcess, until_s: float) -> float:
    most_mb = 0.0
    while time.monotonic() < until_s:
        most_mb = max(most_mb, collector.memory_mb())
        await asyncio.sleep(0.1)
    return most_mb


async def _wait_drained(stage: Stage, away_s: float) -> float:
    """Return the seconds until everything acknowledged before now is in Postgres, while live traffic goes on."""
    began = time.monotonic()
    await asyncio.sleep(2 * FLUSH_S)
    notes = stage.oracle.notes()
    early = Notes(
        notes.sent, {reply.batch: 0 for reply in notes.replies if reply.is_acknowledged and reply.at_s < began}
    )
    conn = await stage.connect()
    try:
        await wait_stored(conn, stage.site.site_id, early, stage.patience(3 * away_s + 10))
    finally:
        await conn.close()
    return time.monotonic() - began


def _figures(outage: _Outage, notes: Notes) -> tuple[Figure, ...]:
    away = list(notes.between(outage.began_s, outage.ended_s))
    refused = [reply for reply in away if not reply.is_acknowledged]
    stored = len(away) - len(refused)
    slow_s = percentile([reply.latency_s for reply in away], 0.99)
    added_mb, drained_s = outage.memory_mb, outage.drained_s
    is_drained = drained_s <= outage.away_s
    kind = f"{outage.kind} {outage.away_s:.0f} s"
    return (
        Figure(f"{kind}: acknowledged meanwhile", f"{stored:,}", ">= 50", stored >= 50),
        Figure(f"{kind}: other answers than 2xx", count_statuses(refused), "none", not refused),
        Figure(f"{kind}: p99 of an answer meanwhile", f"{slow_s * 1000:.0f} ms", "-", ok=True),
        Figure(f"{kind}: memory added", f"{added_mb:.0f} MB", f"<= {_MEMORY_MB} MB", added_mb <= _MEMORY_MB),
        Figure(f"{kind}: drained in", f"{drained_s:.1f} s", f"<= {outage.away_s:.0f} s", is_drained, is_timed=True),
    )
