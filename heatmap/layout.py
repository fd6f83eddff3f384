"""Where a page's elements lie in the picture, and where clicks therefore fall.

Pure: arrays in, arrays out. A click is stored with its element and its place inside the element, so it lands on that
element wherever the chosen layout has it; only what the layout does not know falls back, first to the nearest ancestor
that it does know, then to page coordinates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from collector.ids import FIXED_FLAG, Device
from collector.layouts import StoredLayout
from heatmap.grid import FRAC_STEPS, ClickCells, ElementBoxes, Int32, Int64, UInt8

Float64 = npt.NDArray[np.float64]

MAX_PICTURE_H_PX = 60_000
"""Tallest picture: longer pages are cut there, and clicks below are counted on the last row."""

MAX_PICTURE_W_PX = 3840
"""Widest picture, the width of a 4K screen."""

_FALLBACK_WIDTH_PX = 1280  # a page of which neither a layout nor a click is known still needs a size
_FALLBACK_HEIGHT_PX = 800
_MARGIN_PX = 120  # below the lowest click of a page without a layout
_MAX_ANCESTORS = 64  # deeper chains than any real page has; ends a cycle in damaged dictionaries


class Placed(IntEnum):
    """What a click was placed by."""

    ELEMENT = 0
    ANCESTOR = 1
    PAGE = 2


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The boxes of a page as one browser laid them out, in CSS px of the document; rows in document order.

    `captured_at` is None for a layout made up from clicks, which knows no elements. Boxes without an area are left out.
    `section_boxes` has a row of x, y, width and height for each of `section_titles`; only titled sections are kept.
    """

    device: Device
    captured_at: datetime | None
    title: str
    width_px: int
    height_px: int
    viewport_w_px: int
    viewport_h_px: int
    element_ids: Int64
    x_px: Int32
    y_px: Int32
    w_px: Int32
    h_px: Int32
    roles: UInt8
    is_fixed: npt.NDArray[np.bool_]
    labels: tuple[str, ...]
    section_boxes: Int32 = field(default_factory=lambda: np.empty((0, 4), np.int32))
    section_titles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class PlacedElements:
    """The clicked elements, sorted by id: the box each was given in the picture and what fell on it."""

    element_ids: Int64
    placed: UInt8
    x_px: Float64
    y_px: Float64
    w_px: Float64
    h_px: Float64
    clicks: Int64
    first_clicks: Int64


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Click cells as weighted points of the picture, in the order of the cells; all lie inside the picture."""

    x_px: Float64
    y_px: Float64
    clicks: Int64
    placed: UInt8
    elements: PlacedElements

    @property
    def placed_clicks(self) -> tuple[int, int, int]:
        """The clicks placed by element, by ancestor and by page coordinates; they add up to all clicks."""
        sums = np.bincount(self.elements.placed, weights=self.elements.clicks, minlength=len(Placed))
        return int(sums[Placed.ELEMENT]), int(sums[Placed.ANCESTOR]), int(sums[Placed.PAGE])

    @property
    def anchoring_rate(self) -> float | None:
        """The share of clicks placed on an element that the layout has; None without clicks."""
        total = int(self.clicks.sum())
        return self.placed_clicks[Placed.ELEMENT] / total if total else None


def build_layout(stored: StoredLayout) -> Layout:
    """Return a stored layout in the form that drawing needs."""
    kept = np.flatnonzero((stored.w_px > 0) & (stored.h_px > 0))
    titled = [row for row, title in enumerate(stored.section_titles) if title.strip()]
    sections = (stored.section_x_px, stored.section_y_px, stored.section_w_px, stored.section_h_px)
    return Layout(
        stored.device,
        stored.captured_at,
        stored.title,
        _bounded(stored.doc_w_px or stored.viewport_w_px, MAX_PICTURE_W_PX),
        _bounded(stored.doc_h_px or stored.viewport_h_px, MAX_PICTURE_H_PX),
        stored.viewport_w_px,
        stored.viewport_h_px,
        stored.element_ids[kept],
        stored.x_px[kept],
        stored.y_px[kept],
        stored.w_px[kept],
        stored.h_px[kept],
        stored.roles[kept] % FIXED_FLAG,
        stored.roles[kept] >= FIXED_FLAG,
        tuple(stored.labels[row] for row in kept.tolist()),
        np.stack(sections, axis=1)[titled],
        tuple(stored.section_titles[row].strip() for row in titled),
    )


def synthesize_layout(boxes: ElementBoxes, device: Device, width_px: int | None) -> Layout:
    """Return a layout without elements that is large enough for clicks of which only the boxes are known."""
    width = _bounded(width_px or _FALLBACK_WIDTH_PX, MAX_PICTURE_W_PX)
    lowest = int((boxes.y_px.astype(np.int64) + boxes.h_px).max(initial=0)) + _MARGIN_PX
    height = _bounded(max(lowest, _FALLBACK_HEIGHT_PX), MAX_PICTURE_H_PX)
    ids, px = np.empty(0, np.int64), np.empty(0, np.int32)
    roles, flags = np.empty(0, np.uint8), np.empty(0, np.bool_)
    size = (width, height, width, _FALLBACK_HEIGHT_PX)
    return Layout(device, None, "", *size, ids, px, px, px, px, roles, flags, ())


def choose_layout(layouts: Sequence[Layout], device: Device, width_px: int | None) -> Layout | None:
    """Return the layout of the device that is nearest to `width_px`; without a width the newest; None if there is none.

    A page that has layouts of other devices only is drawn on the nearest of those: element anchors hold there too.
    """
    candidates = [layout for layout in layouts if device in {Device.ALL, layout.device}] or layouts
    newest_first = sorted(candidates, key=_captured, reverse=True)
    if width_px is None:
        return newest_first[0] if newest_first else None
    return min(newest_first, key=lambda layout: abs(layout.width_px - width_px), default=None)


def typical_width_px(cells: ClickCells) -> int | None:
    """Return the viewport width of the median click, by the width at which each element was last clicked."""
    if cells.clicks.size == 0:
        return None
    widths = cells.boxes.viewport_w_px[np.searchsorted(cells.boxes.element_ids, cells.element_ids)]
    order = np.argsort(widths, kind="stable")
    passed = np.cumsum(cells.clicks[order])
    return int(widths[order[np.searchsorted(passed, passed[-1] / 2)]])


def project(cells: ClickCells, layout: Layout, ancestors: Mapping[int, int]) -> Projection:
    """Return where each cell's clicks fall in the layout; `ancestors` maps an element's id to its parent's.

    An element that the layout has gives x = box.x + x_frac / 255 · box.w, likewise y, whatever the visitor's viewport
    was. Any other is placed in the box where it was last clicked, with x and width scaled to the layout's width, and
    moved into the box of its nearest known ancestor. What would fall outside the picture is put on its edge.
    """
    elements = _place_elements(cells, layout, ancestors)
    rank = np.searchsorted(elements.element_ids, cells.element_ids)
    x_px = elements.x_px[rank] + cells.x_frac * (elements.w_px[rank] / FRAC_STEPS)
    y_px = elements.y_px[rank] + cells.y_frac * (elements.h_px[rank] / FRAC_STEPS)
    np.clip(x_px, 0, layout.width_px, out=x_px)
    np.clip(y_px, 0, layout.height_px, out=y_px)
    return Projection(x_px, y_px, cells.clicks, elements.placed[rank], elements)


def _place_elements(cells: ClickCells, layout: Layout, ancestors: Mapping[int, int]) -> PlacedElements:
    ids = cells.boxes.element_ids
    row_of = {element: row for row, element in enumerate(layout.element_ids.tolist())}
    placed = np.full(ids.size, Placed.PAGE, np.uint8)
    boxes = _page_boxes(cells.boxes, layout)
    for rank, element in enumerate(ids.tolist()):
        row, steps = _nearest(element, row_of, ancestors)
        if row is None:
            continue
        known = (layout.x_px[row], layout.y_px[row], layout.w_px[row], layout.h_px[row])
        placed[rank] = Placed.ANCESTOR if steps else Placed.ELEMENT
        boxes[:, rank] = _moved_into(boxes[:, rank], np.array(known, np.float64)) if steps else known
    clicks, first = (_sum_by(cells, counts) for counts in (cells.clicks, cells.first_clicks))
    return PlacedElements(ids, placed, boxes[0], boxes[1], boxes[2], boxes[3], clicks, first)


def _page_boxes(boxes: ElementBoxes, layout: Layout) -> Float64:
    """Return x, y, w, h with x and w scaled to the layout: widths follow the viewport, heights rarely do."""
    ratio = layout.width_px / np.maximum(boxes.viewport_w_px, 1)
    return np.stack([boxes.x_px * ratio, boxes.y_px.astype(np.float64), boxes.w_px * ratio, boxes.h_px])


def _nearest(element: int, row_of: Mapping[int, int], ancestors: Mapping[int, int]) -> tuple[int | None, int]:
    """Return the layout's row of the element or of its nearest ancestor there, and the steps walked up to it."""
    at: int | None = element
    for steps in range(_MAX_ANCESTORS):
        if at is None:
            break
        row = row_of.get(at)
        if row is not None:
            return row, steps
        at = ancestors.get(at)
    return None, 0


def _moved_into(box: Float64, outer: Float64) -> Float64:
    """Return the box no larger than the outer one and shifted by the least that puts it inside."""
    size = np.minimum(box[2:], outer[2:])
    return np.concatenate([np.clip(box[:2], outer[:2], outer[:2] + outer[2:] - size), size])


def _sum_by(cells: ClickCells, counts: Int64) -> Int64:
    """Return the sum of `counts` by element; cells are sorted by element, and every box has cells."""
    starts = np.searchsorted(cells.element_ids, cells.boxes.element_ids)
    return np.add.reduceat(counts, starts) if starts.size else counts


def _captured(layout: Layout) -> float:
    return layout.captured_at.timestamp() if layout.captured_at else 0.0


def _bounded(size_px: int, largest_px: int) -> int:
    return max(1, min(size_px, largest_px))
