"""What was open or chosen when somebody clicked: dialogs, details, menus, tabs, slides."""

from itertools import accumulate

import pytest
from playwright.async_api import Browser
from signals_page import STATE, leave, pause, said, watched_page
from snippet_site import SnippetSite

pytestmark = pytest.mark.browser

OPENING = """
<button id="menu" aria-expanded="false"
 onclick="this.setAttribute('aria-expanded', this.getAttribute('aria-expanded') == 'false')">menu</button>
<details id="more"><summary id="sum">more</summary>text <button id="inside">in</button></details>
<button id="ask" onclick="box.showModal()">ask</button>
<dialog id="box"><button id="yes" onclick="box.close()">yes</button></dialog>
<button id="pop" onclick="document.body.insertAdjacentHTML('beforeend', portal)">pop</button>
<div id="shut" role="dialog" style="visibility:hidden">never shown</div>
<div role="tablist"><button role="tab" id="t1" aria-selected="true">1</button>
<button role="tab" id="t2" aria-selected="false"
 onclick="t1.setAttribute('aria-selected', false); this.setAttribute('aria-selected', true)">2</button></div>
<script>
const portal = '<div id=modal role=dialog aria-modal=true><button id=close onclick="modal.remove()">x</button></div>'
</script>
"""
CAROUSEL = """
<div id="show" role="region" aria-roledescription="carousel"><p><button id="next">next</button></p>
<div role="group" aria-roledescription="slide">A</div>
<div role="group" aria-roledescription="slide" aria-hidden="true">B</div>
<div role="group" aria-roledescription="slide" aria-hidden="true">C</div></div><button id="away">away</button>
<div id="snap" style="width:200px;height:100px;overflow:auto;display:flex;scroll-snap-type:x mandatory">
<p style="flex:0 0 200px;scroll-snap-align:start" id="s0">0</p><p style="flex:0 0 200px;scroll-snap-align:start">1</p>
<p style="flex:0 0 200px;scroll-snap-align:start">2</p></div>
<script>
const slides = [...document.querySelectorAll('[aria-roledescription=slide]')];
let at = 0;
const turn = () => { at = (at + 1) % 3; slides.forEach((slide, i) => slide.setAttribute('aria-hidden', i !== at)) };
next.onclick = turn;
</script>
"""


async def test_what_opens_and_closes_is_said(chromium: Browser) -> None:
    """A menu, details, a dialog, one that is put into the page, and tabs; what is hidden by style was never open."""
    async with watched_page(chromium, OPENING) as (site, page):
        await pause(page, ms=300)
        for button in ("menu", "sum", "menu", "ask", "yes", "pop", "close", "t2"):
            await page.click(f"#{button}")
            await pause(page, ms=350)
        await pause(page, ms=600)
        await leave(site, page)
    assert _states(site)[:8] == [
        ("#t1", 1),
        ("#menu", 1),
        ("#more", 1),
        ("#menu", 0),
        ("#box", 1),
        ("#box", 0),
        ("#modal", 1),
        ("#modal", 0),
    ]
    assert sorted(_states(site)[8:]) == [("#t1", 0), ("#t2", 1)]


async def test_the_state_at_each_click_can_be_derived_however_quick_it_is(chromium: Browser) -> None:
    """Clicks without a pause between them: what stood open at each, and nothing else, had opened before it."""
    async with watched_page(chromium, OPENING) as (site, page):
        await pause(page, ms=300)
        for button in ("sum", "inside", "ask", "yes", "pop", "close"):
            await page.click(f"#{button}")
        await leave(site, page)
    assert [_open_at(site, ms) for ms in _click_times(site)] == [
        {"#t1"},
        {"#t1", "#more"},
        {"#t1", "#more"},
        {"#t1", "#more", "#box"},
        {"#t1", "#more"},
        {"#t1", "#more", "#modal"},
    ]


async def test_a_carousel_says_its_slide_when_it_is_clicked_and_not_while_it_turns(chromium: Browser) -> None:
    """Turns by itself are silent; a click on its button is told the slide that stood there, and the one that came."""
    async with watched_page(chromium, CAROUSEL) as (site, page):
        for _ in range(4):
            await page.evaluate("turn()")
        await page.click("#away")
        await pause(page, ms=800)
        assert _states(site) == []
        await page.click("#next")
        await pause(page, ms=900)
        await leave(site, page)
    assert said(site, STATE) == [("#show", 1, 1, ""), ("#show", 2, 1, "")]


async def test_a_scroller_that_snaps_says_its_slide(chromium: Browser) -> None:
    """The index where it came to rest, at the end or with the next click, and nothing of where it passed."""
    async with watched_page(chromium, CAROUSEL) as (site, page):
        await page.evaluate("snap.scrollLeft = 190")
        await pause(page, ms=400)
        await page.evaluate("snap.scrollLeft = 400")
        await pause(page, ms=400)
        await leave(site, page)
    assert said(site, STATE) == [("#snap", 2, 1, "")]


def _states(site: SnippetSite) -> list[tuple[str | None, int]]:
    rows = sorted((row for row in site.rows("f") if row["k"] == STATE), key=lambda row: row["t"])
    return [(row["key"], row["v"]) for row in rows]


def _click_times(site: SnippetSite) -> list[int]:
    return [ms for batch in site.batches for ms in accumulate(batch.get("c", {"t": []})["t"])]


def _open_at(site: SnippetSite, at_ms: int) -> set[str | None]:
    now: dict[str | None, int] = {}
    for row in sorted(site.rows("f"), key=lambda row: row["t"]):
        if row["k"] == STATE and row["t"] <= at_ms:
            now[row["key"]] = row["v"]
    return {key for key, value in now.items() if value}
