"""Every press that a script makes on pages of others arrives once, on its element, at its place.

JALKI_TEST_CORPUS=full tries each page in each window; else each page has three of them.
"""

import os
from itertools import cycle

import pytest
from playwright.async_api import Browser

from .arrivals import Click
from .corpus_site import CorpusSite
from .pages import ARROWS, PAGES, SLIDES, CorpusPage
from .visitor import MadeClick, Visit, Window, side_by_side, visiting

pytestmark = pytest.mark.browser

IS_FULL = os.environ.get("JALKI_TEST_CORPUS") == "full"
WIDE = Window(1440, 900)
PHONE = Window(390, 800, scale=2, is_touch=True)
OTHERS = (
    Window(1100, 800),
    Window(1440, 900, scale=2),
    Window(960, 600, scale=1.5),  # what a page sees of a browser's own zoom of 150 %
)
_others = cycle(OTHERS)
WINDOWS = {page.name: OTHERS if IS_FULL else (next(_others),) for page in PAGES}
ROUNDING_PX = 1.0
SETTLING_PX = 4.0
"""Buttons grow by this much when they get the focus, and dialogs after they seem to stand."""


STILL = [page for page in PAGES if page is not SLIDES]
"""Slides go on moving and scaling after they have come: a script cannot say where they are when it presses."""


@pytest.mark.parametrize("page", STILL, ids=lambda page: page.name)
async def test_each_press_is_counted_once_on_its_element(chromium: Browser, site: CorpusSite, page: CorpusPage) -> None:
    """At three widths and more, nothing is missing, nothing is doubled, and no press lands beside its element."""
    windows = (WIDE, PHONE, *WINDOWS[page.name])
    visits = await side_by_side(*(_press_all(site, chromium, page, window) for window in windows))
    for window, visit in zip(windows, visits, strict=True):
        assert "\n".join(_misses(visit)) == "", window


async def test_a_link_that_only_a_script_makes_one_is_what_was_pressed(chromium: Browser, site: CorpusSite) -> None:
    """The arrows of a calendar are links without an address, with a picture inside."""
    visit = await _press_all(site, chromium, ARROWS, WIDE)
    assert "\n".join(_misses(visit)) == ""


async def _press_all(site: CorpusSite, browser: Browser, page: CorpusPage, window: Window) -> Visit:
    async with visiting(site, browser, page.path, window) as visit:
        await visit.page.wait_for_selector(page.ready)
        for means in page.means if window == WIDE else ():
            await visit.press(page.steady, means)
        for step in page.steps:
            await visit.do(step)
        await visit.leave()
    return visit


def _misses(visit: Visit) -> list[str]:
    """Return what arrived otherwise than it was made, in words."""
    came = visit.arrivals.clicks()
    if len(came) != len(visit.made):
        return [f"{len(visit.made)} made, {len(came)} came: {[c.key for c in came]} for {[m.key for m in visit.made]}"]
    return [
        f"{made} came as {click}: {fault}"
        for made, click in zip(visit.made, came, strict=True)
        for fault in _faults(made, click)
    ]


def _faults(made: MadeClick, click: Click) -> list[str]:
    faults = []
    if click.key != made.key:
        faults.append(f"on {click.key} instead of {made.key}")
    if (click.pointer, click.button) != (made.means & 3, made.means >> 2 & 3):
        faults.append("by other means")
    if max(abs(click.x_px - made.x_px), abs(click.y_px - made.y_px)) > ROUNDING_PX:
        faults.append("at another place of the page")
    if _is_off(click.x_frac, made.x_frac, made.w_px) or _is_off(click.y_frac, made.y_frac, made.h_px):
        faults.append("at another place of the element")
    if max(abs(click.w_px - made.w_px), abs(click.h_px - made.h_px)) > SETTLING_PX:
        faults.append("with another box")
    return faults


def _is_off(came: float, made: float, length_px: float) -> bool:
    return abs(came - made) * length_px > length_px / 255 + ROUNDING_PX
