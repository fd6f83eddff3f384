"""When a visitor was engaged, by the script's own notes: acts and absences on the page's clock, and what they come to.

A look at the clock before and one after each thing that is done bound when it happened, however slow the machine is.
"""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

IDLE_MS = 5_000
"""How long after an act a visitor counts as engaged."""
TOLERANCE_MS = 200
UNIT_MS = 100
"""Engaged time is told in whole steps of this."""

Moment = tuple[float, float]
"""The earliest and the latest that something can have happened, ms on the page's clock."""
Span = tuple[float, float]


@dataclass(slots=True)
class Stopwatch:
    """Notes when a visitor acted and was away; `ask` evaluates an expression in the page."""

    ask: Callable[[str], Awaitable[Any]]
    acts: list[Moment] = field(default_factory=list)
    absences: list[tuple[Moment, Moment]] = field(default_factory=list)
    ended: float = 0
    begun_unix_ms: float = 0

    async def now(self) -> float:
        """Return the page's clock."""
        return float(await self.ask("performance.now()"))

    @asynccontextmanager
    async def act(self) -> AsyncIterator[None]:
        """Around something that counts as an act."""
        before = await self.now()
        yield
        self.acts.append((before, await self.now()))

    @asynccontextmanager
    async def away(self, go: Callable[[], Awaitable[None]], back: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Around what happens while the visitor looks at something else."""
        before = await self.now()
        await go()
        left = (before, await self.now())
        yield
        before = await self.now()
        await back()
        self.absences.append((left, (before, await self.now())))

    async def end(self) -> None:
        """Note the time; to be called right before the page is left, and nothing after it counts."""
        self.ended = await self.now()

    def bounds(self) -> Span:
        """Return the least and the most that the engaged time can have been, ms."""
        surely = [(late, early + IDLE_MS) for early, late in self.acts]
        maybe = [(early, late + IDLE_MS) for early, late in self.acts]
        surely_away = [(left[1], back[0]) for left, back in self.absences]
        maybe_away = [(left[0], back[1]) for left, back in self.absences]
        return _length(surely, maybe_away, self.ended), _length(maybe, surely_away, self.ended + TOLERANCE_MS)

    def misses(self, came_ms: int) -> list[str]:
        """Return in words what is wrong with a measured time."""
        least, most = self.bounds()
        if least - TOLERANCE_MS - UNIT_MS <= came_ms <= most + TOLERANCE_MS:
            return []
        return [f"{came_ms} ms engaged, and not {least:.0f} to {most:.0f} ms"]


def _length(spans: Sequence[Span], without: Sequence[Span], end: float) -> float:
    """Return the length of the union of `spans`, less `without`, up to `end`."""
    edges = sorted({edge for span in (*spans, *without) for edge in span if edge < end} | {end})
    return sum(
        later - edge
        for edge, later in itertools.pairwise(edges)
        if _covers(spans, (edge + later) / 2) and not _covers(without, (edge + later) / 2)
    )


def _covers(spans: Sequence[Span], at: float) -> bool:
    return any(begin <= at < end for begin, end in spans)
