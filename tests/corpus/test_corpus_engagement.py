"""Engaged time of visits to pages of others is what the script spent there, also where it ticks, slides or routes."""

import pytest
from playwright.async_api import Browser, Page

from .arrivals import Arrivals
from .corpus_site import CorpusSite
from .engaged import Stopwatch
from .pages import ARTICLE, COUNTDOWN, EDITOR, SLIDER, STICKY, TODO, WIDGETS, CorpusPage
from .visitor import Window, side_by_side, visiting

pytestmark = pytest.mark.browser

WINDOW = Window(1200, 800)
READING_MS = 900
IDLE_MS = 5_600
AWAY_MS = 1_200


async def test_engaged_time_is_what_the_script_spent(whole_chromium: Browser, site: CorpusSite) -> None:
    """Reading counts, idling beyond five seconds and another window in front do not, whatever moves on the page."""
    pages = (ARTICLE, STICKY, SLIDER, COUNTDOWN, WIDGETS, TODO, EDITOR)
    found = await side_by_side(*(_spend(site, whole_chromium, page) for page in pages), at_once=len(pages))
    misses = {
        page.name: watch.misses(arrivals.engaged_ms()) for page, (watch, arrivals) in zip(pages, found, strict=True)
    }
    assert {name: faults for name, faults in misses.items() if faults} == {}


async def _spend(site: CorpusSite, browser: Browser, page: CorpusPage) -> tuple[Stopwatch, Arrivals]:
    async with visiting(site, browser, page.path, WINDOW) as visit:
        await visit.page.wait_for_selector(page.ready)
        await visit.show_truly()
        other = await visit.page.context.new_page()
        await visit.page.bring_to_front()
        watch = Stopwatch(visit.page.evaluate)
        await _read(watch, visit.page)
        await visit.page.wait_for_timeout(IDLE_MS)
        async with watch.act():
            await visit.page.keyboard.press("Shift")
        await visit.page.wait_for_timeout(READING_MS)
        async with watch.away(other.bring_to_front, visit.page.bring_to_front):
            assert not await visit.page.evaluate("document.hasFocus()")
            await other.wait_for_timeout(AWAY_MS)
        async with watch.act():
            await visit.page.mouse.move(300, 400)
        await visit.page.wait_for_timeout(READING_MS)
        await watch.end()
        await visit.leave()
    return watch, visit.arrivals


async def _read(watch: Stopwatch, page: Page) -> None:
    for x in (200, 260, 320):
        async with watch.act():
            await page.mouse.move(x, 300)
        await page.wait_for_timeout(READING_MS / 3)
    async with watch.act():
        await page.mouse.wheel(0, 120)
        await page.wait_for_timeout(READING_MS)
