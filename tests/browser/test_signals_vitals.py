"""Web vitals of a view: as the web-vitals library has them on a page that is loaded, and anew with each route."""

from pathlib import Path

import pytest
from playwright.async_api import Browser
from signals_page import VITAL, leave, pause, said, watched_page
from snippet_site import ROOT, SnippetSite

pytestmark = pytest.mark.browser

LIBRARY = ROOT / "js" / "node_modules" / "web-vitals" / "dist" / "web-vitals.iife.js"
SLOW = (
    '<h1 style="font-size:60px">The largest thing on this page</h1><p id="first">a small one</p>'
    '<button id="slow" onclick="for (const end = performance.now() + 150; performance.now() < end;);">slow</button>'
    '<button id="quick">quick</button>'
)
SHIFT = (
    "() => new Promise((done) => { first.insertAdjacentHTML('beforebegin', '<div style=height:200px></div>');"
    " requestAnimationFrame(() => requestAnimationFrame(done)) })"
)
LISTEN = (
    "<script>window.seen = {}; for (const name of ['LCP', 'INP', 'CLS', 'FCP', 'TTFB'])"
    " webVitals['on' + name]((metric) => { seen[name] = metric.value }, { reportAllChanges: true })</script>"
)
CLS_UNITS = 10_000


async def test_a_load_has_the_vitals_that_the_library_finds(chromium: Browser) -> None:
    """LCP, FCP, TTFB, CLS and INP of one page, each equal to the library's but for the rounding."""
    library = f"<script>{_library().read_text()}</script>{LISTEN}"
    async with watched_page(chromium, f"{library}{SLOW}") as (site, page):
        await pause(page, ms=600)
        await page.evaluate(SHIFT)
        await pause(page, ms=300)
        await page.click("#quick")
        await page.click("#slow")
        await page.click("#quick")
        await pause(page, ms=600)
        theirs = await page.evaluate("seen")
        await leave(site, page)
    ours = _vitals(site)
    assert set(ours) == set(theirs) == {"LCP", "INP", "CLS", "FCP", "TTFB"}
    assert ours["INP"] >= 150
    assert ours["CLS"] > 0
    assert ours.pop("CLS") == round(theirs.pop("CLS") * CLS_UNITS)
    assert {name: abs(ours[name] - theirs[name]) <= 1 for name in theirs} == dict.fromkeys(theirs, True)


async def test_a_route_has_its_own_shifts_and_interactions_and_no_load(chromium: Browser) -> None:
    """What the view before had is not counted again; a route that nothing shifted and nobody touched has 0 and none."""
    async with watched_page(chromium, SLOW) as (site, page):
        await pause(page, ms=600)
        await page.evaluate(SHIFT)
        await page.click("#slow")
        await pause(page, ms=300)
        await page.evaluate("history.pushState(0, '', '/b')")
        await pause(page, ms=300)
        await leave(site, page, lambda site: len(_by_view(site)) == 2 and "CLS" in _by_view(site)[1])
    first, second = _by_view(site)
    assert set(first) == {"LCP", "INP", "CLS", "FCP", "TTFB"}
    assert first["CLS"] > 0
    assert second == {"CLS": 0}


async def test_a_page_without_the_browsers_help_says_what_is_left(chromium: Browser) -> None:
    """Where nothing can be observed the module says what it can and leaves the page alone."""
    bare = "<script>delete window.PerformanceObserver; delete window.requestIdleCallback</script><i id=b>b</i>"
    async with watched_page(chromium, f"{bare}{SLOW}") as (site, page):
        await page.click("#b")
        await leave(site, page, lambda site: site.clicks())
    assert set(_vitals(site)) <= {"TTFB"}


def _library() -> Path:
    if not LIBRARY.exists():
        pytest.skip("no node_modules")
    return LIBRARY


def _vitals(site: SnippetSite) -> dict[str, int]:
    return {name: value for _, value, _, name in said(site, VITAL)}


def _by_view(site: SnippetSite) -> list[dict[str, int]]:
    views: dict[str, dict[str, int]] = {}
    for row in site.rows("f"):
        if row["k"] == VITAL:
            views.setdefault(row["view"], {})[row["s"]] = row["v"]
    return list(views.values())
