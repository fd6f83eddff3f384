"""The geometry of every chart: numbers in, positions for inline SVG out. Pure; the templates only write them down.

Positions across are per cent of the chart's width, so that a chart is as wide as its card without stretching its text;
curves are paths in a box of 1000 × 1000 that may be stretched because strokes do not scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from heatmap.dashboard.figures import compact, day

BOX = 1000
_MAX_DATE_LABELS = 8
_TICKS = 4
_TOPS = (4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 48, 60)  # times a power of ten; quarters of each are whole


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the grid at `at` per cent of the axis, with its text."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a chart: left edge and width, and height of its outer and inner bar, all in per cent."""

    x: float
    width: float
    outer: float
    inner: float


@dataclass(frozen=True, slots=True)
class ColumnChart:
    """Columns with a grid; `ticks` count up from the ground."""

    columns: list[Column]
    ticks: list[Tick]
    labels: list[Tick]


@dataclass(frozen=True, slots=True)
class CurveChart:
    """A filled curve: `line` and `area` are SVG paths in the 1000 × 1000 box."""

    line: str
    area: str


def build_columns(outer: Sequence[int], inner: Sequence[int], names: Sequence[str]) -> ColumnChart:
    """Return columns of `outer` with `inner` standing inside each, under at most eight of `names`."""
    top = nice_top(max(outer, default=0))
    step = 100 / max(len(outer), 1)
    gap = min(step * 0.28, 1.2)
    columns = [
        Column(
            _round(index * step + gap / 2), _round(step - gap), _round(value / top * 100), _round(inside / top * 100)
        )
        for index, (value, inside) in enumerate(zip(outer, inner, strict=True))
    ]
    stride = max(1, -(-len(names) // _MAX_DATE_LABELS))
    labels = [Tick(_round((index + 0.5) * step), names[index]) for index in range(0, len(names), stride)]
    # A label at the very end would leave the chart; the stride leaves room for all but that one.
    return ColumnChart(columns, _build_ticks(top), [label for label in labels if label.at < 97 or len(labels) == 1])


def build_daily(days: Sequence[date], views: Sequence[int], visitors: Sequence[int]) -> ColumnChart:
    """Return the chart of a range: a column a day, visitors inside views."""
    return build_columns(views, visitors, [day(item) for item in days])


def build_curve(shares: Sequence[float]) -> CurveChart:
    """Return the curve through equally spaced `shares` (0..1), from the left edge to the right."""
    if len(shares) < 2:
        return CurveChart("", "")
    step = BOX / (len(shares) - 1)
    spots = [f"{_round(index * step):g} {_round((1 - share) * BOX):g}" for index, share in enumerate(shares)]
    line = "M" + " L".join(spots)
    return CurveChart(line, f"{line} L{BOX} {BOX} L0 {BOX} Z")


def build_sparkline(values: Sequence[int]) -> CurveChart:
    """Return the curve of a card: its own highest value at the top; flat on the ground where all are 0."""
    top = max(values, default=0) or 1
    return build_curve([value / top * 0.92 + 0.02 for value in values])


def nice_top(value: int) -> int:
    """Return the smallest round number that is not below `value`."""
    scale = 1
    while True:
        for base in _TOPS:
            if value <= base * scale:
                return base * scale
        scale *= 10


def _build_ticks(top: int) -> list[Tick]:
    return [Tick(100 / _TICKS * index, compact(top * index // _TICKS)) for index in range(_TICKS + 1)]


def _round(value: float) -> float:
    return round(value, 2)
