"""What a run has found, as text: the tables, the ratios, and what is wrong."""

import importlib.metadata
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path

from .measure import LOAD_IS_LIMIT, OTHERS_DISTURB, Sample, Variant
from .plan import HELD_P99_MS, Case, Level

_COLUMNS = (
    *("Events a batch, processes", "aiohttp floor + COPY", "jalki", "INSERT per request", "jalki ÷ floor"),
    *("INSERT ÷ jalki", "jalki, events/s", "p99 at 25, 50, 75, 100 %"),
)
_NUMBERS = {1: "one process", 2: "two processes"}


def describe_machine(postgres_version: str) -> str:
    """Return processor, cores and versions in one line."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    versions = " · ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("aiohttp", "uvloop", "asyncpg", "msgspec")
    )
    cores = len(os.sched_getaffinity(0))
    return (
        f"{models[0] if models else platform.machine()}, {cores} cores · Linux {platform.release()} · "
        f"Python {platform.python_version()} · {versions} · Postgres {postgres_version}"
    )


def describe_case(case: Case) -> str:
    """Return the table of one size of batches and number of processes."""
    title = f"batches of {case.clicks}, {_NUMBERS.get(case.workers, f'{case.workers} processes')}"
    lines = [title, f"  {'':22} {'µs of CPU an event':>38} {'events/s':>11} {'cores':>6} {'load':>5}"]
    lines += [f"  {'':22} {'itself':>8} {'Postgres':>9} {'together':>19}"]
    lines += [_describe_variant(variant, case.samples(variant)) for variant in Variant]
    lines += [f"  {_ratios(case)}"]
    lines += [_describe_level("saturation", level) for level in case.levels]
    if case.probes:
        lines.append(
            f"  held with p99 < {HELD_P99_MS:.0f} ms: {case.held_events_s:,.0f} durable events/s "
            f"({case.held_events_s / case.clicks:,.0f} batches/s)"
        )
    lines += [_describe_level("what is held", level) for level in case.below_edge]
    return "\n".join(lines + [f"  note: {note}" for note in _notes(case)])


def describe_ratios(case: Case) -> str:
    """Return the two lines that a run ends with."""
    rounds = f"median of {len(case.rounds)} rounds, batches of {case.clicks}"
    return (
        f"ratio ours / (aiohttp floor + COPY): {_spread(case.to_floor)} ({rounds})\n"
        f"ratio INSERT per request / ours: {_spread(case.to_insert)} ({rounds})"
    )


def describe_markdown(cases: Sequence[Case]) -> str:
    """Return the table of the README."""
    lines = [
        f"| {' | '.join(_COLUMNS)} |",
        "|---" * len(_COLUMNS) + "|",
    ]
    for case in cases:
        floor = _median(case, Variant.FLOOR) + _median(case, Variant.COPY)
        figures = [
            *(f"{one:.2f} µs" for one in (floor, _median(case, Variant.OURS), _median(case, Variant.INSERT))),
            f"{statistics.median(case.to_floor):.2f}",
            f"{statistics.median(case.to_insert):.1f}",
            f"{statistics.median(one.events_s for one in case.samples(Variant.OURS)):,.0f}",
            ", ".join(f"{level.sample.p99_ms:.0f}" for level in case.levels) + " ms",
        ]
        lines.append(f"| {case.clicks}, {case.workers} | {' | '.join(figures)} |")
    return "\n".join(lines)


def find_faults(cases: Sequence[Case]) -> list[str]:
    """Return every wrong answer and every row that is missing or too many, in words."""
    return [
        f"{sample.variant.value}, batches of {case.clicks}, {case.workers} processes: {fault}"
        for case in cases
        for sample in case.every
        for fault in sample.faults
    ]


def _describe_variant(variant: Variant, samples: list[Sample]) -> str:
    totals = [one.total_us for one in samples]
    own, postgres = (
        statistics.median(values) for values in zip(*((s.own_us, s.postgres_us) for s in samples), strict=True)
    )
    events_s, busy = (
        statistics.median(values) for values in zip(*((s.events_s, s.busy) for s in samples), strict=True)
    )
    load = statistics.median(one.load_share for one in samples)
    shown = f"{load:5.0%}" if load else "    –"
    return (
        f"  {variant.value:22} {own:8.2f} {postgres:9.2f} {_spread(totals):>19} {events_s:11,.0f} {busy:6.2f} {shown}"
    )


def _describe_level(whole: str, level: Level) -> str:
    one = level.sample
    return (
        f"  at {level.fraction:4.0%} of {whole} ({level.batches_s:,.0f} batches/s): p50 {one.p50_ms:.1f} ms, "
        f"p99 {one.p99_ms:.1f} ms, worst {one.worst_ms:.0f} ms; {one.total_us:.2f} µs an event"
    )


def _ratios(case: Case) -> str:
    return f"ours / (floor + COPY) {_spread(case.to_floor)}   INSERT / ours {_spread(case.to_insert)}"


def _notes(case: Case) -> list[str]:
    busiest = max(one.load_share for one in case.every)
    notes = []
    if busiest >= LOAD_IS_LIMIT:
        notes.append(
            f"the load took up to {busiest:.0%} of a core: it may have been the limit of a rate, not of a cost"
        )
    others = statistics.median(one.others for one in case.every if one.variant is not Variant.COPY)
    if others >= OTHERS_DISTURB:
        notes.append(f"other programs took {others:.1f} cores meanwhile: rates and latencies say little")
    return notes


def _median(case: Case, variant: Variant) -> float:
    return statistics.median(one.total_us for one in case.samples(variant))


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"
