"""Swipes are told from scrolls, pinches and drags; real touch events through the browser's own gestures."""

import pytest
from playwright.async_api import Browser, CDPSession, Page
from signals_page import SWIPE, ZOOM, leave, pause, said, watched_page

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 400, "height": 700}, "has_touch": True, "is_mobile": True}
PAGE = (
    '<meta name="viewport" content="width=device-width">'
    '<div id="pane" style="height:150px;touch-action:pan-y"><p>a gallery of its own</p></div>'
    '<div id="still" style="height:150px"></div>'
    '<div id="row" style="height:150px;overflow:auto"><div style="width:3000px;height:100px"></div></div>'
    '<input id="slider" type="range" style="width:300px;height:50px;touch-action:none">'
    '<div style="height:3000px">long</div>'
)


async def test_swipes_are_said_with_their_direction_and_length(chromium: Browser) -> None:
    """To the left and right where the page answers for itself, and where nobody does; on what was touched."""
    async with watched_page(chromium, PAGE, **PHONE) as (site, page):
        touch = await page.context.new_cdp_session(page)
        await _stroke(page, touch, (300, 80), (100, 85))
        await _stroke(page, touch, (100, 80), (300, 75))
        await _stroke(page, touch, (300, 230), (200, 230))
        await leave(site, page)
    swipes = said(site, SWIPE)
    assert [(way, px) for _, way, px, _ in swipes] == [(0, 200), (1, 200), (0, 100)]
    assert [key for key, *_ in swipes][2] == "#still"


async def test_what_scrolls_is_no_swipe(chromium: Browser) -> None:
    """The page up and down, also where it cannot go on, a row to its side, a slider, a tap, slow or crooked strokes."""
    async with watched_page(chromium, PAGE, **PHONE) as (site, page):
        touch = await page.context.new_cdp_session(page)
        await _stroke(page, touch, (200, 230), (200, 330))
        await _stroke(page, touch, (300, 380), (100, 380))
        await _stroke(page, touch, (50, 500), (250, 500))
        await _stroke(page, touch, (200, 80), (205, 82))
        await _stroke(page, touch, (300, 80), (200, 160))
        await _stroke(page, touch, (300, 80), (100, 80), pause_ms=900)
        await _stroke(page, touch, (200, 600), (200, 300))
        assert await page.evaluate("scrollY > 0 && row.scrollLeft > 0")
        await leave(site, page)
    assert said(site, SWIPE) == []


async def test_a_pinch_is_zoom_and_no_swipe(chromium: Browser) -> None:
    """The scale in percent once the fingers rest."""
    async with watched_page(chromium, PAGE, **PHONE) as (site, page):
        devtools = await page.context.new_cdp_session(page)
        await devtools.send("Emulation.setPageScaleFactor", {"pageScaleFactor": 2})
        await pause(page, ms=700)
        await leave(site, page)
    assert said(site, ZOOM) == [(None, 200, 0, "")]
    assert said(site, SWIPE) == []


async def _stroke(
    page: Page, touch: CDPSession, start: tuple[int, int], end: tuple[int, int], pause_ms: int = 0
) -> None:
    steps = 6
    points = [tuple(a + (b - a) * step / steps for a, b in zip(start, end, strict=True)) for step in range(steps + 1)]
    for index, (x, y) in enumerate(points):
        kind = "touchMove" if index else "touchStart"
        await touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        # A swipe is quick, however busy the machine is.
        if index == 1 and pause_ms:
            await pause(page, ms=pause_ms)
    await touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    await pause(page, frames=2, ms=250)
