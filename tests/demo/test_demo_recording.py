"""`recording.json` is what the snippet reports today: after a change of the shop or of element keys, record anew."""

import itertools

import numpy as np
import pytest
from playwright.async_api import Browser

from collector.db import Pool
from collector.ids import FIXED_FLAG, Device
from heatmap.demo.record import SCREENS, record_pages
from heatmap.demo.recording import RecordedPage, load_recording
from heatmap.demo.shop import list_paths

_HINT = "run `python -m heatmap.demo.record`"


def test_every_page_is_recorded_on_every_device() -> None:
    """There is one layout of each page of the shop per screen, of that screen's size."""
    pages = load_recording().pages
    assert set(pages) == set(itertools.product(list_paths(), (screen.device for screen in SCREENS)))
    for screen in SCREENS:
        sizes = {page.geometry[:2] for (_, device), page in pages.items() if device == screen.device}
        assert sizes == {(screen.width_px, screen.height_px)}


def test_a_page_fitted_to_its_own_screen_is_as_recorded() -> None:
    """Fitting to the recorded viewport changes nothing; a wider one moves the column, stretches what is full width."""
    recording = load_recording()
    same = recording.fit("/", Device.DESKTOP, (1440, 900))
    wide = recording.fit("/", Device.DESKTOP, (1920, 969))
    layout = same.page.layout
    assert same.is_as_recorded
    assert not wide.is_as_recorded
    assert same.elements.tolist() == np.array([layout.x_px, layout.y_px, layout.w_px, layout.h_px]).T.tolist()
    logo, footer = (same.element_keys.index(key) for key in ("#logo", "#footer"))
    assert wide.elements[logo].tolist() == (same.elements[logo] + [240, 0, 0, 0]).tolist()
    assert wide.elements[footer][[0, 2]].tolist() == [0, 1920]


@pytest.mark.browser
@pytest.mark.parametrize("path", ["/shop/routa-teapot"])
async def test_the_recording_agrees_with_todays_snippet(pool: Pool, chromium: Browser, path: str) -> None:
    """A page recorded now, through collector and Postgres, has the same keys, and its boxes lie where they were.

    Boxes are compared loosely, as another machine has other fonts.
    """
    recorded = load_recording().pages
    for page in await record_pages(pool, chromium, [path]):
        before = recorded[page.path, page.device]
        assert _keys(page) == _keys(before), _HINT
        assert [section[0] for section in page.layout.sections] != []
        assert page.geometry[:3] == before.geometry[:3], _HINT
        assert abs(page.geometry[3] - before.geometry[3]) < 0.15 * before.geometry[3], _HINT
        shifts_px = [abs(x - _boxes(before)[key][0]) for key, (x, _) in _boxes(page).items()]
        assert np.median(shifts_px) <= 12, _HINT


def _keys(page: RecordedPage) -> set[str]:
    keys = page.build_keys()
    return {keys[index] for index in page.layout.elements} | {keys[section[0]] for section in page.layout.sections}


def _boxes(page: RecordedPage) -> dict[str, tuple[int, int]]:
    keys, layout = page.build_keys(), page.layout
    rows = zip(layout.elements, layout.x_px, layout.y_px, layout.roles, strict=True)
    return {keys[index]: (x, y) for index, x, y, role in rows if role < FIXED_FLAG}
