"""Where real Chromium put the elements of the sample shop, per page and device: what generated visitors click on.

`recording.json` is made by `python -m heatmap.demo.record` from what the snippet reported to the collector.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.ids import Device
from collector.wire import Geometry, PageLayout

RECORDING_PATH = Path(__file__).parent / "recording.json"
_CONTAINER_PX = 1230
"""From this viewport width on the shop's column is 1,180 px wide and only moves sideways."""

Boxes = NDArray[np.float64]
"""Rows of x, y, width, height in CSS px of the document."""


class RecordedPage(msgspec.Struct, frozen=True):
    """One page on one device, in the wire format's words."""

    path: str = msgspec.field(name="p")
    device: Device = msgspec.field(name="v")
    pointer_is_coarse: int = msgspec.field(name="c")
    geometry: Geometry = msgspec.field(name="g")
    steps: list[tuple[int, str]] = msgspec.field(name="d")
    layout: PageLayout = msgspec.field(name="l")

    def build_keys(self) -> list[str]:
        """Return the key of each step, the steps from its root joined by `>`."""
        keys: list[str] = []
        for parent, step in self.steps:
            keys.append(step if parent < 0 else f"{keys[parent]}>{step}")
        return keys


@dataclass(frozen=True)
class FittedPage:
    """A recorded page as a viewport of another size lays it out, about; arrays follow the layout's order."""

    page: RecordedPage
    keys: list[str]
    geometry: Geometry
    elements: Boxes
    sections: Boxes

    @cached_property
    def element_keys(self) -> list[str]:
        """The key of each element of the layout."""
        return [self.keys[index] for index in self.page.layout.elements]

    @cached_property
    def section_keys(self) -> list[str]:
        """The key of each section of the layout."""
        return [self.keys[section[0]] for section in self.page.layout.sections]

    @property
    def is_as_recorded(self) -> bool:
        """The viewport is the recorded one, so the layout is exactly true."""
        return self.geometry == self.page.geometry


class Recording:
    """All recorded pages."""

    def __init__(self, pages: list[RecordedPage]) -> None:
        self.pages = {(page.path, page.device): page for page in pages}
        self._fitted: dict[tuple[str, Device, int, int], FittedPage] = {}

    def fit(self, path: str, device: Device, viewport: tuple[int, int]) -> FittedPage:
        """Return a page as a viewport of this width and height would lay it out."""
        key = (path, device, *viewport)
        if key not in self._fitted:
            self._fitted[key] = _fit(self.pages[path, device], viewport)
        return self._fitted[key]


def load_recording(path: Path = RECORDING_PATH) -> Recording:
    """Return the recorded pages."""
    return Recording(msgspec.json.decode(path.read_bytes(), type=list[RecordedPage]))


def encode_recording(pages: list[RecordedPage]) -> bytes:
    """Return the bytes of a recording, one page a line."""
    return b"[\n" + b",\n".join(msgspec.json.encode(page) for page in pages) + b"\n]\n"


def _fit(page: RecordedPage, viewport: tuple[int, int]) -> FittedPage:
    layout, (recorded_w, _, _, doc_h) = page.layout, page.geometry
    elements = np.array([layout.x_px, layout.y_px, layout.w_px, layout.h_px], dtype=float).T.reshape(-1, 4)
    sections = np.array([section[1:5] for section in layout.sections], dtype=float).reshape(-1, 4)
    stretch = 1.0 if page.device == Device.DESKTOP else (recorded_w / viewport[0]) ** 0.6
    height = max(viewport[1], round(doc_h * stretch))
    return FittedPage(
        page=page,
        keys=page.build_keys(),
        geometry=(viewport[0], viewport[1], viewport[0], height),
        elements=_move(elements, recorded_w, viewport[0], stretch),
        sections=_move(sections, recorded_w, viewport[0], stretch),
    )


def _move(boxes: Boxes, from_w: int, to_w: int, stretch: float) -> Boxes:
    moved: Boxes = boxes * np.array([1, stretch, 1, stretch])
    is_wide = boxes[:, 2] >= from_w - 1
    if min(from_w, to_w) >= _CONTAINER_PX:
        moved[~is_wide, 0] += (to_w - from_w) / 2
        moved[is_wide, 2] = to_w
    else:
        moved[:, [0, 2]] *= to_w / from_w
    return moved
