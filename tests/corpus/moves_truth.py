"""Whether samples of a pointer lie on the path that a script took."""

import itertools
from collections.abc import Sequence

from .arrivals import Move

PAUSE_MS = 95
"""Samples come at no more than 10 Hz; a browser rounds its clock."""
OFF_PX = 1.5

Point = tuple[float, float]


def path_faults(moves: Sequence[Move], path: Sequence[Point]) -> list[str]:
    """Return in words which samples lie off the path, or too soon after the one before."""
    faults = [f"{move} lies off the path" for move in moves if _distance((move.x_px, move.y_px), path) > OFF_PX]
    pairs = itertools.pairwise(moves)
    faults += [
        f"{move} comes too soon after {before}" for before, move in pairs if move.at_ms - before.at_ms < PAUSE_MS
    ]
    return faults


def _distance(point: Point, path: Sequence[Point]) -> float:
    return min(_distance_to(point, begin, end) for begin, end in itertools.pairwise(path))


def _distance_to(point: Point, begin: Point, end: Point) -> float:
    (x, y), (x0, y0), (x1, y1) = point, begin, end
    length = (x1 - x0) ** 2 + (y1 - y0) ** 2
    along = max(0.0, min(1.0, ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length)) if length else 0.0
    return ((x - x0 - along * (x1 - x0)) ** 2 + (y - y0 - along * (y1 - y0)) ** 2) ** 0.5
