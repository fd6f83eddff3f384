"""What one whole run does: rounds of all variants in turns, latency at parts of saturation, the most that is held."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from collector.db import connection

from .bodies import Headers
from .inserter import CREATE
from .measure import Bench, Sample, Variant, measure, measure_copy, open_bench, warm_up
from .stage import Stage

FRACTIONS = (0.25, 0.5, 0.75, 1.0)
"""Parts of saturation at which latency is measured."""
HELD_P99_MS = 100.0
"""A load is held while the 99th percentile stays below this."""

_EDGE = (0.4, 1.2, 5)  # looked for between these parts of saturation, with so many halvings
_ATTEMPTS = 2  # at each: what else the machine does can only spoil one
_BELOW_EDGE = (0.5, 0.9)  # parts of what is held for which there are targets of latency
_KEPT_UP = 0.98  # part of the offered rate that must be answered, the wait for the last answers included


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure."""

    clicks: tuple[int, ...]
    workers: tuple[int, ...]
    rounds: int
    seconds: float
    connections: int
    headers: Headers
    held: tuple[int, ...]
    """Sizes of batches for which the largest load that one process holds is looked for."""
    probe_s: float
    """Length of each attempt at that."""


class Level(msgspec.Struct, frozen=True):
    """An open loop at a part of saturation."""

    fraction: float
    batches_s: float
    sample: Sample

    @property
    def is_held(self) -> bool:
        """The collector kept up with what was offered."""
        sample = self.sample
        kept_up = sample.events_s >= _KEPT_UP * self.batches_s * sample.clicks
        return kept_up and sample.p99_ms < HELD_P99_MS and not sample.faults


class Case(msgspec.Struct, frozen=True):
    """Everything about one size of batches and one number of processes."""

    clicks: int
    workers: int
    rounds: list[list[Sample]]
    levels: list[Level]
    probes: list[Level]
    """What was tried to find the largest load that is held; empty where it was not looked for."""
    below_edge: list[Level]
    """Parts of the largest load that is held."""

    def samples(self, variant: Variant) -> list[Sample]:
        """Return the closed loops of one variant, one a round."""
        return [sample for one in self.rounds for sample in one if sample.variant is variant]

    @property
    def to_floor(self) -> list[float]:
        """CPU an event of ours ÷ (aiohttp floor + COPY), by round."""
        return [
            _cost(one, Variant.OURS) / (_cost(one, Variant.FLOOR) + _cost(one, Variant.COPY)) for one in self.rounds
        ]

    @property
    def to_insert(self) -> list[float]:
        """CPU an event of INSERT per request ÷ ours, by round."""
        return [_cost(one, Variant.INSERT) / _cost(one, Variant.OURS) for one in self.rounds]

    @property
    def held_events_s(self) -> float:
        """Largest offered load that was held, in events a second; 0 where it was not looked for."""
        return max((level.batches_s * self.clicks for level in self.probes if level.is_held), default=0.0)

    @property
    def every(self) -> list[Sample]:
        """Every run."""
        levels = self.levels + self.probes + self.below_edge
        return [sample for one in self.rounds for sample in one] + [level.sample for level in levels]


async def run_plan(stage: Stage, plan: Plan, tell: Callable[[Case], None]) -> list[Case]:
    """Return every case of the plan; `tell` hears of each when it is done."""
    async with connection(stage.url) as conn:
        await conn.execute(CREATE)
    cases = []
    for workers in plan.workers:
        async with open_bench(stage, workers, plan.connections, plan.headers) as bench:
            for clicks in plan.clicks:
                cases.append(await _run_case(bench, plan, clicks, workers))
                tell(cases[-1])
    return cases


async def _run_case(bench: Bench, plan: Plan, clicks: int, workers: int) -> Case:
    for variant in bench.servers:
        await warm_up(bench, variant, clicks)
    rounds = [await _run_round(bench, plan, clicks, workers) for _ in range(plan.rounds)]
    saturation = statistics.median(_find(one, Variant.OURS).events_s / clicks for one in rounds)
    levels = [await _run_level(bench, clicks, saturation, part, plan.seconds) for part in FRACTIONS]
    case = Case(clicks, workers, rounds, levels, [], [])
    if workers > 1 or clicks not in plan.held:
        return case
    case.probes.extend(await _find_edge(bench, plan, clicks, saturation))
    if edge := case.held_events_s / clicks:
        case.below_edge.extend([await _run_level(bench, clicks, edge, part, plan.probe_s) for part in _BELOW_EDGE])
    return case


async def _run_round(bench: Bench, plan: Plan, clicks: int, workers: int) -> list[Sample]:
    floor = await measure(bench, Variant.FLOOR, clicks, plan.seconds)
    ours = await measure(bench, Variant.OURS, clicks, plan.seconds)
    copy = await measure_copy(bench, clicks, workers, plan.seconds / 2)
    insert = await measure(bench, Variant.INSERT, clicks, plan.seconds)
    return [floor, copy, insert, ours]


async def _run_level(bench: Bench, clicks: int, saturation: float, part: float, seconds: float) -> Level:
    rate = saturation * part
    return Level(part, rate, await measure(bench, Variant.OURS, clicks, seconds, rate))


async def _find_edge(bench: Bench, plan: Plan, clicks: int, saturation: float) -> list[Level]:
    """Halve the distance between a load that is held and one that is not."""
    low, high, halvings = _EDGE
    levels: list[Level] = []
    for _ in range(halvings):
        middle = (low + high) / 2
        for _ in range(_ATTEMPTS):
            levels.append(await _run_level(bench, clicks, saturation, middle, plan.probe_s))
            if levels[-1].is_held:
                break
        low, high = (middle, high) if levels[-1].is_held else (low, middle)
    return levels


def _find(samples: list[Sample], variant: Variant) -> Sample:
    return next(sample for sample in samples if sample.variant is variant)


def _cost(samples: list[Sample], variant: Variant) -> float:
    return _find(samples, variant).total_us
