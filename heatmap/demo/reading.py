"""How a visitor moves down a page and for how long: scroll positions in half-second steps. Pure; chance is passed in.

Depth, section times and exits all follow from the same positions, so that they agree as they do in a real browser.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heatmap.demo.journeys import kind_of
from heatmap.demo.people import Person
from heatmap.demo.recording import FittedPage
from heatmap.demo.shop import ARTICLE

STEP_MS = 500
_ROW_PX = 20
_WORD_MS = 60_000 / 238
"""Silent reading of non-fiction, Brysbaert 2019."""
_IMAGE_MS = 3_000
_SKIM_MS_PER_PX = 0.9
_MAX_STEPS = 2_400
_EYE_FRAC = 0.45
"""Where in the viewport people look while they scroll."""

_INTEREST = {"four-kinds-of-dark": 2.3, "clay-holds-heat": 0.3, "the-long-steep": 0.7, "reviews": 1.8, "voices": 0.7}
"""Sections that readers linger at, or skip, by the anchor in their key; others 1."""

_STYLES: dict[str, tuple[float, float, float, float]] = {
    "/": (0.24, 1.5, 1.8, 0.35),
    "/shop": (0.08, 2.4, 1.4, 0.5),
    "product": (0.2, 1.5, 1.8, 0.5),
    "route": (0.1, 2.0, 1.4, 0.9),
    "/finder": (0.14, 1.8, 1.6, 0.5),
    "/checkout": (0.15, 1.9, 1.0, 1.2),
    "/about": (0.15, 1.8, 1.4, 0.5),
    ARTICLE: (0.2, 1.35, 1.75, 0.8),
}
"""Share who never scroll, the two shapes of the Beta law of the depth of the others, and how closely they read."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Scroll positions of one view, in steps of `STEP_MS` of engaged time."""

    scroll_px: NDArray[np.float64]
    """Top of the viewport at each step."""
    wall_ms: NDArray[np.int64]
    """Time since the view began at the end of each step; jumps where the visitor looked away."""

    @property
    def n_steps(self) -> int:
        """Number of steps."""
        return len(self.scroll_px)


@dataclass(frozen=True, slots=True)
class SectionTimes:
    """What happened to each section of a page up to each step; arrays of (steps, sections)."""

    time_ms: NDArray[np.int64]
    """Time in view so far: each step is shared by the heights in view."""
    flags: NDArray[np.int64]
    """1 seen + 2 end seen, so far."""
    shown_px: NDArray[np.float64]
    """Height in view."""


def read_page(rng: np.random.Generator, page: FittedPage, person: Person) -> Reading:
    """Return how this visitor reads this page once."""
    _, viewport_h, _, doc_h = page.geometry
    never, shape_a, shape_b, closeness = _STYLES[kind_of(page.page.path)]
    room = max(0, doc_h - viewport_h)
    depth = 0.0 if rng.random() < never else float(rng.beta(shape_a, shape_b))
    if rng.random() < 0.05:
        depth = 1.0
    stay_ms = min(240_000.0, 2_000 + float(rng.lognormal(8.1, 0.9))) * (0.4 if depth == 0 else 1)
    density = _build_density(rng, page) * person.pace * closeness * float(rng.lognormal(-0.25, 0.55))
    rows = np.arange(len(density)) * _ROW_PX
    elapsed = np.cumsum(np.where(rows <= depth * room + _EYE_FRAC * viewport_h, density, 0)) * _ROW_PX
    n_steps = int(np.clip((elapsed[-1] * (depth > 0) + stay_ms) / STEP_MS, 2, _MAX_STEPS))
    reached = np.searchsorted(elapsed, np.linspace(0, elapsed[-1], n_steps)) * _ROW_PX
    tops = np.clip(reached - _EYE_FRAC * viewport_h, 0, depth * room)
    return Reading(_scroll_in_jumps(rng, tops, viewport_h), _look_away(rng, n_steps))


def time_sections(page: FittedPage, reading: Reading) -> SectionTimes:
    """Return time, sight and height in view of each section at each step of a reading."""
    viewport_h = page.geometry[1]
    top, height = page.sections[:, 1][None, :], np.maximum(page.sections[:, 3][None, :], 1)
    scroll = reading.scroll_px[:, None]
    shown = np.clip(np.minimum(top + height, scroll + viewport_h) - np.maximum(top, scroll), 0, None)
    total = np.maximum(shown.sum(axis=1, keepdims=True), 1)
    half_shown = (shown >= height / 2) | (shown >= viewport_h / 2)
    held = half_shown.copy()
    held[1:] &= half_shown[:-1]
    held[0] = False
    end_shown = (shown > 0) & (top + height <= scroll + viewport_h)
    seen, ended = np.maximum.accumulate(held, axis=0), np.maximum.accumulate(end_shown, axis=0)
    times = np.cumsum(shown / total * STEP_MS, axis=0).astype(np.int64)
    return SectionTimes(times, seen * 1 + (seen & ended) * 2, shown)


def _build_density(rng: np.random.Generator, page: FittedPage) -> NDArray[np.float64]:
    """Return the milliseconds a reader takes for each px of height, in rows of `_ROW_PX`."""
    density = np.full(page.geometry[3] // _ROW_PX + 1, _SKIM_MS_PER_PX)
    boxes = zip(page.page.layout.sections, page.section_keys, page.sections, strict=True)
    for (_, _, _, _, _, words, images, _), key, (_, top, _, height) in boxes:
        interest = next((value for anchor, value in _INTEREST.items() if f"#{anchor}" in key), 1.0)
        expected = (words * _WORD_MS + images * _IMAGE_MS) * interest * float(rng.lognormal(0, 0.3))
        rows = slice(max(0, int(top) // _ROW_PX), max(1, int(top + height) // _ROW_PX))
        density[rows] = np.maximum(density[rows], expected / max(height, _ROW_PX))
    return density


def _scroll_in_jumps(rng: np.random.Generator, tops: NDArray[np.float64], viewport_h: int) -> NDArray[np.float64]:
    """Return positions as wheels and thumbs make them: still, then a jump; some go back up at the end."""
    jump = viewport_h * rng.uniform(0.18, 0.5)
    scrolled = np.minimum(np.round(tops / jump) * jump, tops.max())
    scrolled[-1] = tops[-1]
    if len(tops) > 12 and rng.random() < 0.18:
        n_back = int(rng.integers(3, 7))
        scrolled[-n_back:] = np.linspace(scrolled[-n_back], 0, n_back)
    positions: NDArray[np.float64] = np.maximum(0, np.round(scrolled))
    return positions


def _look_away(rng: np.random.Generator, n_steps: int) -> NDArray[np.int64]:
    wall = np.arange(1, n_steps + 1, dtype=np.int64) * STEP_MS
    if n_steps > 8 and rng.random() < 0.16:
        wall[rng.integers(4, n_steps) :] += int(min(900_000, rng.lognormal(10, 1)))
    return wall
