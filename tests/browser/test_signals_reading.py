"""What the signals say of reading: hesitation, selection, copies, inner scrollers, sections, print, zoom, turns."""

import pytest
from playwright.async_api import Browser
from signals_page import (
    COPY,
    FIRST_ACTION,
    HESITATION,
    INNER_DEPTH,
    ORIENTATION,
    PRINT,
    SELECTION,
    ZOOM,
    kinds,
    leave,
    pause,
    said,
    watched_page,
)

pytestmark = pytest.mark.browser

ARTICLE = (
    '<section id="top"><h2 id="head">Reading</h2><p id="p" style="font:20px monospace">Hello dear reader</p></section>'
    '<section data-jalki-section="buying"><h2>Buying</h2><button id="buy"><i>Buy</i> now</button></section>'
    '<p data-jalki-ignore><button id="secret">secret</button> hidden words</p>'
    '<div id="terms" style="height:100px;overflow:auto"><div style="height:1000px">terms</div></div>'
    '<div id="ticker" style="height:40px;overflow:auto"><div style="height:1000px">tick</div></div>'
)


async def test_a_page_that_is_only_looked_at_says_nothing_of_its_visitor(chromium: Browser) -> None:
    """A pointer that moves, a scroll of the page and a script that selects, scrolls and focuses are no signals."""
    script = (
        "getSelection().selectAllChildren(p); buy.focus(); document.execCommand('copy');"
        " scrollTo(0, 500); const one = new Event('submit'); document.body.dispatchEvent(one)"
    )
    async with watched_page(chromium, f'{ARTICLE}<div style="height:3000px"></div>') as (site, page):
        await page.mouse.move(200, 200)
        await page.mouse.move(50, 60)
        await page.evaluate(script)
        await pause(page, ms=600)
        await leave(site, page)
    assert kinds(site) - {COPY} == set()


async def test_a_hover_before_the_click_is_hesitation_once(chromium: Browser) -> None:
    """The time on the button counts, whatever part of it the pointer crosses; a second click has no new hover."""
    async with watched_page(chromium, ARTICLE) as (site, page):
        box = await page.locator("#buy").bounding_box()
        assert box is not None
        x, y = box["x"], box["y"]
        await page.mouse.move(x + 5, y + 8)
        await pause(page, ms=200)
        await page.mouse.move(x + box["width"] - 4, y + 8)
        await pause(page, ms=200)
        await page.mouse.down()
        await page.mouse.up()
        await page.mouse.down()
        await page.mouse.up()
        await leave(site, page)
    [(key, ms, _, _)] = said(site, HESITATION)
    assert key == "#buy"
    assert ms >= 400
    assert len(site.clicks()) == 2


async def test_selected_and_copied_text_is_counted_and_not_told(chromium: Browser) -> None:
    """A word by double click and its copy are five characters each; no word of them leaves the page."""
    async with watched_page(chromium, ARTICLE) as (site, page):
        await page.locator("#p").dblclick(position={"x": 10, "y": 10})
        await pause(page, ms=600)
        await page.keyboard.press("Control+c")
        await pause(page, ms=200)
        await leave(site, page)
    assert said(site, SELECTION) == [("#p", 5, 0, "")]
    assert said(site, COPY) == [("#p", 5, 0, "")]
    assert "Hello" not in str(site.batches)


async def test_inner_scrollers_say_how_deep_they_were_read(chromium: Browser) -> None:
    """Once, at the end, the greatest depth and the height; a box that is lower than a few lines says nothing."""
    async with watched_page(chromium, ARTICLE) as (site, page):
        for script in ("terms.scrollTop = 400", "terms.scrollTop = 0", "ticker.scrollTop = 300"):
            await page.evaluate(script)
            await pause(page, ms=350)
        await leave(site, page)
    assert said(site, INNER_DEPTH) == [("#terms", 500, 1000, "")]


async def test_sections_say_when_somebody_first_acted_in_them(chromium: Browser) -> None:
    """The first click or key in each section, and none for what is ignored."""
    async with watched_page(chromium, ARTICLE) as (site, page):
        await page.click("#buy")
        await page.click("#buy")
        await page.click("#secret")
        await page.click("#p")
        await leave(site, page)
    [(_, *_, mark), (head, *_)] = said(site, FIRST_ACTION)
    assert (mark, head) == ("buying", "#head")
    assert "secret" not in str(site.rows("f"))


async def test_print_zoom_and_turns_are_said(chromium: Browser) -> None:
    """A print; a zoom of the browser, a pinch, and no zoom where the window only grew; a turn of the device."""
    async with watched_page(chromium, ARTICLE) as (site, page):
        devtools = await page.context.new_cdp_session(page)

        async def emulate(width: int, ratio: float, angle: int = 0) -> None:
            await devtools.send(
                "Emulation.setDeviceMetricsOverride",
                {
                    "width": width,
                    "height": 600,
                    "deviceScaleFactor": ratio,
                    "mobile": False,
                    "screenOrientation": {"type": "landscapePrimary" if angle else "portraitPrimary", "angle": angle},
                },
            )
            await pause(page, ms=700)

        await page.evaluate("dispatchEvent(new Event('beforeprint'))")
        await emulate(1200, 1)
        await emulate(800, 1.5)
        await emulate(1000, 1.5)
        await emulate(1000, 2)
        await emulate(1000, 2, 90)
        await leave(site, page)
    assert said(site, PRINT) == [(None, 0, 0, "")]
    assert said(site, ZOOM) == [(None, 150, 0, "")]
    assert said(site, ORIENTATION) == [(None, 90, 0, "")]
