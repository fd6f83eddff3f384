"""Loaded rollups → the numbers of a heatmap and what its picture is drawn from.

Pure: it composes projection, density and scale, or scroll reach, with the figures that `heatmap.json` shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import msgspec
import numpy as np

from collector.catalog import Element
from collector.ids import ElementId, Role, SiteId
from heatmap.density import TOP_INDEX, Float32, Scale, build_counts, build_density, build_scale
from heatmap.figures import AudienceFigures, Share, build_share
from heatmap.grid import ClickCells, Histogram, add_histograms
from heatmap.layout import Float64, Layout, Placed, Projection, project
from heatmap.naming import find_titles, name_element
from heatmap.palette import SCROLL_TOP_INDEX, Palette, build_click_palette, build_scroll_palette, to_hex
from heatmap.render import image_size
from heatmap.rollup import DeviceTotals, PageTotals
from heatmap.spans import Span
from heatmap.visits import DEPTH_BINS

REACH_LINES = (0.25, 0.50, 0.75, 0.90)
"""Shares of views for which a scroll map has a line: at least so many reached it."""

_LEGEND_COLOURS = 32
_LEGEND_STOPS = 4
_AREA_PX2 = 1000  # clicks are given per 1,000 px², about the area of a small link
_REACH_ROWS = 100


class Placement(msgspec.Struct, frozen=True):
    """How many clicks were placed by what; they add up to all clicks."""

    element: int
    ancestor: int
    page: int


class LayoutFigures(msgspec.Struct, frozen=True):
    """The layout that clicks were placed on; without `captured_at` none was recorded yet.

    `views` is the share of the page's views, of all devices, that came with the layout's device.
    """

    device: str
    title: str
    width_px: int
    height_px: int
    viewport_w_px: int
    viewport_h_px: int
    captured_at: datetime | None
    views: Share


class PictureFigures(msgspec.Struct, frozen=True):
    """The picture's size in CSS px and in image pixels."""

    width_px: int
    height_px: int
    scale: int
    image_w: int
    image_h: int


class ElementFigures(msgspec.Struct, frozen=True):
    """A clicked element: its box on the picture in CSS px, its clicks, and the share of views that clicked it.

    `label` is what the layout calls it, often empty; `name` is always something to read.
    """

    element_id: str
    key: str
    label: str
    name: str
    role: str | None
    placed: str
    x_px: float
    y_px: float
    w_px: float
    h_px: float
    clicks: int
    click_share: float
    clicked: Share


class LegendStop(msgspec.Struct, frozen=True):
    """A place on the colour ramp, 0 to 1, and what it stands for: clicks per 1,000 px², or a share of views."""

    at: float
    colour: str
    value: float
    per_100_views: float | None = None


class Legend(msgspec.Struct, frozen=True):
    """The colour ramp from nothing to the top, as #rrggbbaa, with some of its values.

    For clicks value = top · at²; what is denser than the top has its colour.
    """

    unit: str
    top: float
    colours: list[str]
    stops: list[LegendStop]


class ReachRow(msgspec.Struct, frozen=True):
    """The views that reached a depth of the page."""

    depth_frac: float
    y_px: float
    reach: Share


class ReachLine(msgspec.Struct, frozen=True):
    """The deepest place that at least `share` of the views reached; `y_px` is None without views."""

    share: float
    y_px: float | None


class ScrollFigures(msgspec.Struct, frozen=True):
    """Scroll reach of a page: n views, those of a page that fits the viewport counted as having reached its end."""

    n: int
    n_fitting: int
    fold_px: float | None
    rows: list[ReachRow]
    lines: list[ReachLine]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The picture to draw: the layout, the size in CSS px as (width, height), CSS px per image pixel."""

    layout: Layout
    size_px: tuple[int, int]
    px_per_pixel: int
    has_backdrop: bool

    @property
    def ratio(self) -> float:
        """Picture px per layout px."""
        return self.size_px[0] / self.layout.width_px


@dataclass(frozen=True, slots=True, eq=False)
class BlankDrawing:
    """An overlay of which there is nothing to show."""

    frame: Frame


@dataclass(frozen=True, slots=True, eq=False)
class ClickDrawing:
    """What a click map is drawn from."""

    frame: Frame
    density: Float32
    scale: Scale


@dataclass(frozen=True, slots=True, eq=False)
class ScrollDrawing:
    """What a scroll map is drawn from; `shares` has one value per image row."""

    frame: Frame
    shares: Float64
    lines_px: tuple[float, ...]
    fold_px: float | None


Drawing = BlankDrawing | ClickDrawing | ScrollDrawing


class Heatmap(msgspec.Struct, frozen=True, dict=True):
    """Everything behind `heatmap.json`. What the picture is drawn from rides along and is not encoded."""

    site_id: int
    page: str
    kind: str
    device: str
    first_day: date
    last_day: date
    audience: AudienceFigures
    is_empty: bool
    views: int
    clicks: int
    anchoring: Share
    placed: Placement
    layout: LayoutFigures
    picture: PictureFigures
    legend: Legend | None
    elements: list[ElementFigures]
    scroll: ScrollFigures | None

    @property
    def drawing(self) -> Drawing:
        """What the picture is drawn from."""
        drawing: Drawing = self.__dict__["drawing"]
        return drawing


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What was loaded for one question."""

    site_id: SiteId
    page: str
    span: Span
    audience: AudienceFigures
    totals: PageTotals
    cells: ClickCells
    elements: Mapping[ElementId, Element]
    devices: Sequence[DeviceTotals] = ()


def compose_clicks(facts: Facts, frame: Frame) -> Heatmap:
    """Return the click map of one question."""
    projection = _project(facts, frame)
    if facts.cells.total == 0:
        return _build(facts, projection, BlankDrawing(frame), None, None)
    counts = build_counts(
        projection.x_px * frame.ratio, projection.y_px * frame.ratio, projection.clicks, frame.size_px
    )
    density = build_density(counts)
    drawing = ClickDrawing(frame, density, build_scale(density))
    return _build(facts, projection, drawing, _click_legend(drawing.scale, facts.totals.views), None)


def compose_scroll(facts: Facts, frame: Frame) -> Heatmap:
    """Return the scroll map of one question."""
    depth = add_histograms([facts.totals.depth, facts.totals.depth_fitting])
    projection = _project(facts, frame)
    scroll = _scroll_figures(facts.totals, depth, frame)
    if depth.total == 0:
        return _build(facts, projection, BlankDrawing(frame), None, scroll)
    _, rows = image_size(frame.size_px, frame.px_per_pixel)
    shares = count_reach(depth, np.arange(rows) / rows) / depth.total
    lines = tuple(line.y_px for line in scroll.lines if line.y_px is not None)
    drawing = ScrollDrawing(frame, shares, lines, scroll.fold_px)
    return _build(facts, projection, drawing, _scroll_legend(), scroll)


def count_reach(depth: Histogram, fractions: Float64) -> Float64:
    """Return how many views reached each fraction of the document; all reach its top."""
    below = np.concatenate([[0], np.cumsum(depth.counts)])
    edges = np.floor(np.asarray(fractions) * DEPTH_BINS + 1e-6)  # a product like 0.57 · 1000 may end just below
    reached = depth.total - below[np.searchsorted(depth.bins, edges, side="left")]
    return np.where(edges <= 0, depth.total, reached).astype(np.float64)


def _project(facts: Facts, frame: Frame) -> Projection:
    parents: dict[int, int] = {
        key: item.parent_id for key, item in facts.elements.items() if item.parent_id is not None
    }
    return project(facts.cells, frame.layout, parents)


def _build(
    facts: Facts, projection: Projection, drawing: Drawing, legend: Legend | None, scroll: ScrollFigures | None
) -> Heatmap:
    frame, placed = drawing.frame, Placement(*projection.placed_clicks)
    clicks = facts.cells.total
    heatmap = Heatmap(
        site_id=facts.site_id,
        page=facts.page,
        kind="scroll" if scroll else "click",
        device=facts.span.device.name.lower(),
        first_day=facts.span.first_day,
        last_day=facts.span.last_day,
        audience=facts.audience,
        is_empty=isinstance(drawing, BlankDrawing),
        views=facts.totals.views,
        clicks=clicks,
        anchoring=build_share(placed.element, clicks),
        placed=placed,
        layout=_layout_figures(frame.layout, facts.devices),
        picture=PictureFigures(*frame.size_px, frame.px_per_pixel, *image_size(frame.size_px, frame.px_per_pixel)),
        legend=legend,
        elements=_element_figures(facts, frame, projection),
        scroll=scroll,
    )
    heatmap.__dict__["drawing"] = drawing
    return heatmap


def _layout_figures(layout: Layout, devices: Sequence[DeviceTotals]) -> LayoutFigures:
    views = {each.device: each.views for each in devices}
    return LayoutFigures(
        layout.device.name.lower(),
        layout.title,
        layout.width_px,
        layout.height_px,
        layout.viewport_w_px,
        layout.viewport_h_px,
        layout.captured_at,
        build_share(views.get(layout.device, 0), sum(views.values())),
    )


def _element_figures(facts: Facts, frame: Frame, projection: Projection) -> list[ElementFigures]:
    """Return the clicked elements, the most clicked first."""
    placed, layout, views = projection.elements, frame.layout, facts.totals.views
    row_of = {element: row for row, element in enumerate(layout.element_ids.tolist())}
    boxes = np.round(np.stack([placed.x_px, placed.y_px, placed.w_px, placed.h_px]) * frame.ratio, 1)
    titles = find_titles(layout, placed.x_px + placed.w_px / 2, placed.y_px + placed.h_px / 2)
    total = max(1, facts.cells.total)
    figures = []
    for rank in np.lexsort((placed.element_ids, -placed.clicks)).tolist():
        element = int(placed.element_ids[rank])
        row = row_of.get(element)
        known = facts.elements.get(ElementId(element))
        key = known.key if known else ""
        label = layout.labels[row] if row is not None else ""
        role = Role(int(layout.roles[row])) if row is not None else None
        section = "" if row is not None and layout.is_fixed[row] else titles[rank]
        clicks = int(placed.clicks[rank])
        figures.append(
            ElementFigures(
                str(element),
                key,
                label,
                name_element(key, label, role, section),
                role.name.lower() if role is not None else None,
                Placed(int(placed.placed[rank])).name.lower(),
                float(boxes[0, rank]),
                float(boxes[1, rank]),
                float(boxes[2, rank]),
                float(boxes[3, rank]),
                clicks,
                clicks / total,
                build_share(int(placed.first_clicks[rank]), views),
            )
        )
    return figures


def _click_legend(scale: Scale, views: int) -> Legend:
    palette = build_click_palette()
    steps = range(_LEGEND_STOPS + 1)
    stops = []
    for at in (step / _LEGEND_STOPS for step in steps):
        value = scale.density(at * TOP_INDEX) * _AREA_PX2
        stops.append(
            LegendStop(at, to_hex(palette, round(at * TOP_INDEX)), value, 100 * value / views if views else None)
        )
    top = scale.top_density * _AREA_PX2
    return Legend("clicks per 1,000 px²", top, _legend_colours(palette, TOP_INDEX), stops)


def _scroll_legend() -> Legend:
    palette = build_scroll_palette()
    places = [step / _LEGEND_STOPS for step in range(_LEGEND_STOPS + 1)]
    stops = [LegendStop(at, to_hex(palette, round(at * SCROLL_TOP_INDEX)), at) for at in places]
    return Legend("share of views", 1.0, _legend_colours(palette, SCROLL_TOP_INDEX), stops)


def _legend_colours(palette: Palette, top_index: int) -> list[str]:
    return [to_hex(palette, round(step * top_index / _LEGEND_COLOURS)) for step in range(_LEGEND_COLOURS + 1)]


def _scroll_figures(totals: PageTotals, depth: Histogram, frame: Frame) -> ScrollFigures:
    n, height = depth.total, frame.size_px[1]
    fractions = np.arange(_REACH_ROWS + 1) / _REACH_ROWS
    reached = count_reach(depth, fractions).astype(np.int64).tolist() if n else []
    rows = [
        ReachRow(float(at), round(at * height, 1), build_share(count, n))
        for at, count in zip(fractions.tolist(), reached, strict=False)
    ]
    fold_px = min(totals.fold_sum_px / totals.views * frame.ratio, height) if totals.views else None
    lines = [ReachLine(share, _deepest_px(depth, share, height)) for share in REACH_LINES]
    return ScrollFigures(n, totals.depth_fitting.total, fold_px, rows, lines)


def _deepest_px(depth: Histogram, share: float, height_px: int) -> float | None:
    """Return the deepest place of the picture that at least `share` of the views reached."""
    if depth.total == 0:
        return None
    reached = np.cumsum(depth.counts[::-1])[::-1]
    enough = np.flatnonzero(reached >= share * depth.total)
    return float(depth.bins[enough[-1]] / DEPTH_BINS * height_px)
