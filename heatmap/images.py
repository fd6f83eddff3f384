"""The recipes of heatmap images: what a question asks for → its numbers and pictures.

Loading is I/O, composing and drawing are pure; `draw_heatmap` and `draw_backdrop` are for a thread. The numbers of
`Heatmap` are the ones that the picture is drawn from, so that legend, list and image cannot disagree.
"""

import asyncio
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from PIL import Image

from collector.catalog import Element, load_elements
from collector.db import Conn
from collector.errors import InvalidError
from collector.ids import Device, ElementId
from collector.layouts import load_layouts
from collector.sites import Site
from heatmap.figures import ReportQuery
from heatmap.layout import (
    MAX_PICTURE_H_PX,
    MAX_PICTURE_W_PX,
    Layout,
    build_layout,
    choose_layout,
    synthesize_layout,
    typical_width_px,
)
from heatmap.pages import find_page
from heatmap.picture import ClickDrawing, Facts, Frame, Heatmap, ScrollDrawing, compose_clicks, compose_scroll
from heatmap.render import draw_click_map, draw_nothing, draw_scroll_map, image_size
from heatmap.reports import load_audience
from heatmap.rollup import DeviceTotals, load_click_cells, load_devices, load_page_totals
from heatmap.spans import Bots
from heatmap.wireframe import draw_wireframe

__all__ = ["Heatmap", "HeatmapQuery", "draw_backdrop", "draw_heatmap", "load_heatmap"]

MIN_PICTURE_W_PX = 50
"""Narrowest picture: a thumbnail."""

MAX_IMAGE_PIXELS = 30_000_000
"""Most pixels of one image, 120 MB while a backdrop is blended: 60,000 px of a 2,000-px page at scale 2."""

_SCALES = (1, 2, 4)
_MAX_ANCESTOR_ROUNDS = 48  # steps in a key at most


@dataclass(frozen=True, slots=True)
class HeatmapQuery:
    """What to draw: clicks or scroll reach of one page, device class and range of local days, both ends included.

    `bots` says what becomes of the views by bots; `width` is the CSS width of the picture, None as wide as the layout;
    `scale` the CSS px per image pixel.
    """

    page: str
    kind: Literal["click", "scroll"] | str
    device: Device
    first_day: date
    last_day: date
    width: int | None = None
    scale: int = 4
    backdrop: Literal["none", "wireframe"] | str = "none"
    bots: Bots = Bots.EXCLUDE

    @property
    def report(self) -> ReportQuery:
        """The same days, devices and audience as a report asks for them."""
        return ReportQuery(self.first_day, self.last_day, self.device, self.bots)

    def check(self) -> None:
        """Refuse what has no meaning.

        Raises:
            InvalidError: names the parameter and what it may be.
        """
        if self.kind not in {"click", "scroll"}:
            raise InvalidError(f"kind is {self.kind!r}", "It is click or scroll.")
        if self.backdrop not in {"none", "wireframe"}:
            raise InvalidError(f"backdrop is {self.backdrop!r}", "It is none or wireframe.")
        if self.scale not in _SCALES:
            raise InvalidError(f"scale is {self.scale}", "It is 1, 2 or 4 CSS px per image pixel.")
        if self.width is not None and not MIN_PICTURE_W_PX <= self.width <= MAX_PICTURE_W_PX:
            raise InvalidError(f"width is {self.width}", f"It is {MIN_PICTURE_W_PX} to {MAX_PICTURE_W_PX} CSS px.")
        if self.first_day > self.last_day:
            raise InvalidError(
                f"the range {self.first_day} to {self.last_day} is reversed", "Put the earlier day first."
            )


async def load_heatmap(conn: Conn, site: Site, query: HeatmapQuery) -> Heatmap:
    """Return the numbers behind a heatmap, ready to be drawn.

    A page without clicks or views in the range gives an empty heatmap; one without a layout is drawn on an empty page.

    Raises:
        NotFoundError: the site has no such page.
        InvalidError: a parameter has no meaning, or the image would be too large.
    """
    query.check()
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        facts, frame = await _load_facts(conn, site, query)
    compose = compose_clicks if query.kind == "click" else compose_scroll
    return await asyncio.to_thread(compose, facts, frame)


def draw_heatmap(heatmap: Heatmap) -> bytes:
    """Return the picture of a heatmap as PNG: the overlay alone, or over the backdrop that the query asked for."""
    overlay = _draw_overlay(heatmap)
    if not heatmap.drawing.frame.has_backdrop:
        return overlay
    with Image.open(io.BytesIO(draw_backdrop(heatmap))) as under, Image.open(io.BytesIO(overlay)) as over:
        blended = Image.alpha_composite(under.convert("RGBA"), over.convert("RGBA"))
    picture = io.BytesIO()
    blended.convert("RGB").save(picture, "PNG", compress_level=1)
    return picture.getvalue()


def draw_backdrop(heatmap: Heatmap) -> bytes:
    """Return the wireframe of the heatmap's layout as PNG, of the same size as its overlay."""
    frame = heatmap.drawing.frame
    return draw_wireframe(frame.layout, frame.size_px, frame.px_per_pixel)


def _draw_overlay(heatmap: Heatmap) -> bytes:
    drawing, frame = heatmap.drawing, heatmap.drawing.frame
    if isinstance(drawing, ClickDrawing):
        return draw_click_map(drawing.density, drawing.scale, frame.size_px, frame.px_per_pixel)
    if isinstance(drawing, ScrollDrawing):
        return draw_scroll_map(drawing.shares, frame.size_px, frame.px_per_pixel, drawing.lines_px, drawing.fold_px)
    return draw_nothing(frame.size_px, frame.px_per_pixel)


async def _load_facts(conn: Conn, site: Site, query: HeatmapQuery) -> tuple[Facts, Frame]:
    page_id, page = await find_page(conn, site, query.page)
    keys, span = site.shard_keys, query.report.span
    totals = await load_page_totals(conn, keys, page_id, span)
    cells = await load_click_cells(conn, keys, page_id, span)
    audience = await load_audience(conn, keys, page_id, query.report)
    layouts = [build_layout(stored) for stored in await load_layouts(conn, keys, page_id)]
    devices = await load_devices(conn, keys, page_id, span)
    device, width = _find_device(query.device, devices), query.width or typical_width_px(cells)
    layout = choose_layout(layouts, device, width) or synthesize_layout(cells.boxes, device, width)
    elements = await _load_ancestry(conn, site, cells.boxes.element_ids.tolist(), layout)
    facts = Facts(site.site_id, page, span, audience, totals, cells, elements, devices)
    return facts, _build_frame(layout, query)


def _find_device(asked: Device, devices: Sequence[DeviceTotals]) -> Device:
    """Return the device asked for; for all, the one with the most views."""
    if asked is not Device.ALL:
        return asked
    return max(devices, key=lambda totals: totals.views).device if devices else Device.ALL


def _build_frame(layout: Layout, query: HeatmapQuery) -> Frame:
    width = query.width or layout.width_px
    height = max(1, min(round(layout.height_px * width / layout.width_px), MAX_PICTURE_H_PX))
    pixels = image_size((width, height), query.scale)
    if pixels[0] * pixels[1] > MAX_IMAGE_PIXELS:
        raise InvalidError(
            f"an image of {pixels[0]} × {pixels[1]} pixels is larger than {MAX_IMAGE_PIXELS:,} in all",
            "Ask for scale=4 or a smaller width; the browser enlarges the image without loss.",
        )
    return Frame(layout, (width, height), query.scale, query.backdrop == "wireframe")


async def _load_ancestry(conn: Conn, site: Site, clicked: Iterable[int], layout: Layout) -> dict[ElementId, Element]:
    """Return the clicked elements, and of those that the layout lacks the ancestors up to one that it has."""
    known = set(layout.element_ids.tolist())
    found: dict[ElementId, Element] = {}
    wanted = list(clicked)
    for _ in range(_MAX_ANCESTOR_ROUNDS):
        if not wanted:
            break
        loaded = await load_elements(conn, site.shard_keys, wanted)
        found.update(loaded)
        parents = {item.parent_id for key, item in loaded.items() if key not in known}
        wanted = [parent for parent in parents if parent is not None and parent not in known and parent not in found]
    return found
