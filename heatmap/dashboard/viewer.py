"""What the heatmap viewer shows: the recipe's numbers turned into places on the picture, in per cent, and texts."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import msgspec

from heatmap.dashboard.figures import ShareLike, ago, percent, two_digits
from heatmap.dashboard.place import Place
from heatmap.figures import AudienceFigures
from heatmap.picture import ElementFigures, Heatmap, LayoutFigures, Legend, ScrollFigures
from heatmap.spans import Bots

MAX_ROWS = 200
"""Elements in the list: the most clicked; a page of thousands would only be slow to read."""
_WIDE_PX = 800
_MAX_BACKDROP_PIXELS = 9_000_000  # 1440 × 6000: about 0.2 s to draw
_REACH_STRIDE = 10  # of the hundred rows of heatmap.json, every tenth
_ROLES = {"landmark": "area", "media": "media", "field": "field", "text": "text", "link": "link"} | {
    name: name for name in ("button", "image", "heading")
}
_AUDIENCES = {
    Bots.EXCLUDE: "Views by people.",
    Bots.INCLUDE: "Views by people and by bots.",
    Bots.ONLY: "Views by bots only.",
}
_PLACED = {"ancestor": "shown on its parent", "page": "shown where it lay on the page"}


@dataclass(frozen=True, slots=True)
class ElementRow:
    """A clicked element: its box in per cent of the picture, its clicks, and the views that clicked it.

    `shows_key`: its name alone does not tell which one it is.
    """

    element_id: str
    name: str
    shows_key: bool
    role: str
    key: str
    placed_text: str
    x: float
    y: float
    w: float
    h: float
    clicks: int
    share: float
    clicked: ShareLike


@dataclass(frozen=True, slots=True)
class MarkLine:
    """A line across the map at `at` per cent of its height; `tone` is 'fold' or 'reach'."""

    at: float
    text: str
    tone: str


@dataclass(frozen=True, slots=True)
class Stop:
    """A place on the legend in per cent, with its text or colour."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class ReachStep:
    """How many views reached a depth of the page."""

    depth: float
    y_px: int
    share: ShareLike


@dataclass(frozen=True, slots=True)
class Viewer:
    """Everything that the viewer's template writes down."""

    kind: str
    views: int
    clicks: int
    audience: AudienceFigures
    audience_text: str
    anchoring: ShareLike
    width_px: int
    height_px: int
    overlay_src: str
    backdrop_src: str
    backdrop_text: str
    layout_text: str
    elements: list[ElementRow]
    clicked_elements: int
    lines: list[MarkLine]
    legend: list[Stop]
    legend_title: str
    ramp: list[Stop]
    reach: list[ReachStep]
    reach_n: int
    fold_text: str


def build_viewer(heatmap: Heatmap, place: Place, now: datetime) -> Viewer:
    """Return what the viewer shows of a heatmap."""
    picture, scroll = heatmap.picture, heatmap.scroll
    version = hashlib.sha256(msgspec.json.encode(heatmap)).hexdigest()[:16]
    return Viewer(
        kind=heatmap.kind,
        views=heatmap.views,
        clicks=heatmap.clicks,
        audience=heatmap.audience,
        audience_text=_AUDIENCES[heatmap.audience.bots],
        anchoring=heatmap.anchoring,
        width_px=picture.width_px,
        height_px=picture.height_px,
        overlay_src=place.api("heatmap.png", scale=_overlay_scale(heatmap), width=picture.width_px, v=version),
        backdrop_src=place.api("backdrop.png", scale=_backdrop_scale(heatmap), width=picture.width_px, v=version),
        backdrop_text=describe_backdrop(heatmap.layout, now),
        layout_text=describe_layout(heatmap) if place.device_name == "all" else "",
        elements=_build_rows(heatmap) if scroll is None else [],
        clicked_elements=len(heatmap.elements),
        lines=_build_lines(scroll, picture.height_px) if scroll else [],
        legend=_build_legend(heatmap),
        legend_title=heatmap.legend.unit[:1].upper() + heatmap.legend.unit[1:] if heatmap.legend else "",
        ramp=_build_ramp(heatmap.legend),
        reach=[ReachStep(row.depth_frac, round(row.y_px), row.reach) for row in scroll.rows[::_REACH_STRIDE]]
        if scroll
        else [],
        reach_n=scroll.n if scroll else 0,
        fold_text=f"fold at {scroll.fold_px:,.0f} px on average" if scroll and scroll.fold_px else "",
    )


def describe_backdrop(layout: LayoutFigures, now: datetime) -> str:
    """Return where the backdrop comes from."""
    if layout.captured_at is None:
        return "No browser has sent this page's layout yet: the map is on an empty page until the next views bring it."
    age = ago(layout.captured_at, now)
    return f"Backdrop: the page as a {layout.device} browser, {layout.viewport_w_px:,} px wide, laid it out {age}."


def describe_layout(heatmap: Heatmap) -> str:
    """Return which device's layout clicks of all devices are drawn on; empty where it speaks for itself."""
    layout = heatmap.layout
    if layout.captured_at is None or layout.views.value is None or layout.views.count == layout.views.n:
        return ""
    return f"Drawn on the {layout.device} layout: {percent(layout.views.value)} of views"


def _overlay_scale(heatmap: Heatmap) -> int:
    """A quarter for wide click maps, which are smooth; a half for narrow ones, and where lines are drawn."""
    return 4 if heatmap.kind == "click" and heatmap.picture.width_px >= _WIDE_PX else 2


def _backdrop_scale(heatmap: Heatmap) -> int:
    """Full scale, as a backdrop has letters; less where that would be too much to draw."""
    picture = heatmap.picture
    return next(
        (scale for scale in (1, 2) if picture.width_px * picture.height_px / scale**2 <= _MAX_BACKDROP_PIXELS), 4
    )


def _build_rows(heatmap: Heatmap) -> list[ElementRow]:
    shown = heatmap.elements[:MAX_ROWS]
    names = Counter((item.name, item.role) for item in shown)
    return [_build_row(item, heatmap, is_shared=names[item.name, item.role] > 1) for item in shown]


def _build_row(item: ElementFigures, heatmap: Heatmap, *, is_shared: bool) -> ElementRow:
    wide, high = heatmap.picture.width_px, heatmap.picture.height_px
    return ElementRow(
        element_id=item.element_id,
        name=item.name,
        shows_key=bool(item.key) and (not item.label or is_shared),
        role=_ROLES.get(item.role or "", "element"),
        key=item.key,
        placed_text=_PLACED.get(item.placed, ""),
        x=_per_cent(item.x_px, wide),
        y=_per_cent(item.y_px, high),
        w=_per_cent(item.w_px, wide),
        h=_per_cent(item.h_px, high),
        clicks=item.clicks,
        share=item.click_share,
        clicked=item.clicked,
    )


def _build_lines(scroll: ScrollFigures, height_px: int) -> list[MarkLine]:
    lines = [
        MarkLine(_per_cent(line.y_px, height_px), f"{line.share:.0%} of views", "reach")
        for line in scroll.lines
        if line.y_px is not None
    ]
    if scroll.fold_px is not None:
        lines.append(MarkLine(_per_cent(scroll.fold_px, height_px), f"fold, {scroll.fold_px:,.0f} px", "fold"))
    return lines


def _build_legend(heatmap: Heatmap) -> list[Stop]:
    if heatmap.legend is None:
        return []
    if heatmap.kind == "scroll":
        return [Stop(stop.at * 100, percent(stop.value)) for stop in heatmap.legend.stops]
    # What is denser than the top has the top's colour.
    return [Stop(stop.at * 100, two_digits(stop.value) + "+" * (stop.at == 1)) for stop in heatmap.legend.stops]


def _build_ramp(legend: Legend | None) -> list[Stop]:
    if legend is None:
        return []
    return [Stop(_per_cent(index, len(legend.colours) - 1), colour) for index, colour in enumerate(legend.colours)]


def _per_cent(value: float, whole: float) -> float:
    return round(value / max(whole, 1) * 100, 3)
