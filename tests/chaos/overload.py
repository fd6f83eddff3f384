"""More batches than the service can store: it goes on storing nearly as many as it can, and refuses the others well."""

import asyncio
import time
from dataclasses import dataclass

from notes import bare_refusals, count_statuses, percentile
from runs import Figure, Plan, RunResult
from stage import Stage, open_stage

NAME = "overload"
MUTANTS = ("holds_everything",)
_CLICKS = (500, 500)  # the most of one batch: it costs the service much more than the generator
_PEAK_SENDERS = 48
_LINES = 3_000
_MEMORY_MB = 150
_GOODPUT = {2: 0.8, 5: 0.6}


@dataclass(frozen=True, slots=True)
class _Span:
    """One stretch of load, in batches a second by the clock of the answers."""

    offered: float
    stored: float
    refused: str
    bare: int
    p99_s: float


async def run(plan: Plan) -> RunResult:
    """Measure the peak with as many senders as suit it, then offer twice and five times that."""
    seconds = plan.pick(3.0, 10.0, 40.0)
    async with open_stage(plan) as stage:
        collector = await stage.start_collector()
        peak = await _load(stage, seconds, rate=0.0)
        spans = {factor: await _load(stage, seconds, rate=factor * peak.stored) for factor in _GOODPUT}
        memory_mb = collector.peak_memory_mb()
        figures = [Figure("peak", f"{peak.stored:,.0f} batches of 500 a second", "-", ok=True)]
        for factor, span in spans.items():
            figures += _figures(factor, span, peak)
        figures.append(Figure("memory, most", f"{memory_mb:.0f} MB", f"<= {_MEMORY_MB} MB", memory_mb <= _MEMORY_MB))
        return await stage.result(NAME, tuple(figures))


async def _load(stage: Stage, seconds: float, rate: float) -> _Span:
    senders = _LINES if rate else _PEAK_SENDERS
    began = time.monotonic()
    await stage.oracle.begin(stage.wave(senders=senders, clicks=_CLICKS, rate=rate, retry_share=0, timeout_s=30.0))
    await asyncio.sleep(seconds)
    await stage.oracle.end()
    ended = time.monotonic()
    replies = list(stage.oracle.notes().between(began, ended))
    # The first half is the time in which the queues fill.
    half_s = seconds / 2
    steady = [reply for reply in replies if reply.is_acknowledged and half_s < reply.at_s - began < seconds]
    refused = [reply for reply in replies if not reply.is_acknowledged]
    return _Span(
        offered=len(replies) / seconds,
        stored=len(steady) / half_s,
        refused=count_statuses(refused),
        bare=bare_refusals(replies),
        p99_s=percentile([reply.latency_s for reply in replies if reply.is_acknowledged], 0.99),
    )


def _figures(factor: int, span: _Span, peak: _Span) -> list[Figure]:
    share, target = span.stored / max(1.0, peak.stored), _GOODPUT[factor]
    offered = f"{span.offered / max(1.0, peak.stored):.1f} x the peak"
    return [
        Figure(f"{factor} x: goodput", f"{share:.0%}", f">= {target:.0%}", share >= target, is_timed=True),
        Figure(f"{factor} x: really sent; p99 of a 204", f"{offered}; {span.p99_s * 1000:.0f} ms", "-", ok=True),
        Figure(f"{factor} x: refused", span.refused, "429, 503 only", span.bare == 0),
    ]
