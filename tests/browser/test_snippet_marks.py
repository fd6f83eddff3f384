"""The snippet says what marks of automation its browser shows, and leaves the judging to the server."""

import pytest
from playwright.async_api import Browser
from snippet_site import SCRIPT, fresh_page, snippet_site

pytestmark = pytest.mark.browser

PAGE = f'<html><head>{SCRIPT}</head><body><button id="go">go</button><button id="other">other</button></body></html>'
NO_POINTER = "<script>addEventListener('pointerdown', (event) => event.stopImmediatePropagation(), true)</script>"
PAUSE = "() => new Promise((resolve) => setTimeout(resolve, 400))"
"""Longer than a click's echo: the page itself waits."""
WEBDRIVER, SCRIPTED, UNPROMPTED = 1, 4, 8


async def test_a_visitors_browser_shows_no_mark(chromium: Browser) -> None:
    """A click of the mouse and one of the keyboard come with nothing that speaks of a program."""
    async with snippet_site({"/a": PAGE}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        await page.click("#go")
        await page.focus("#other")
        await page.keyboard.press("Enter")
        await site.wait_for(lambda site: len(site.clicks()) == 2)
    assert [batch["w"].get("m") for batch in site.batches] == [None] * len(site.batches)


async def test_a_click_made_by_a_script_is_a_mark_and_no_click(chromium: Browser) -> None:
    """It is reported with the view, also where nothing else has changed since."""
    async with snippet_site({"/a": PAGE}, settings="1") as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        await site.wait_for(lambda site: site.batches and site.modules)
        await page.evaluate("setInterval(() => document.getElementById('go').click(), 50)")
        await page.evaluate(PAUSE)
        await page.goto("about:blank")
        await site.wait_for(lambda site: site.batches[-1]["w"].get("m") == SCRIPTED)
    assert site.clicks() == []


async def test_a_click_without_pointer_or_key_is_a_mark(chromium: Browser) -> None:
    """As assistive technology makes it, and extensions do; the click on a label's control is its label's."""
    pages = {"/a": NO_POINTER + PAGE, "/b": PAGE + '<label id="label">Gift <input type="checkbox"></label>'}
    async with snippet_site(pages, settings="1") as site, fresh_page(chromium) as page:
        for path, target in (("/a", "#go"), ("/b", "#label")):
            await page.goto(site.url + path)
            await site.wait_for(lambda site, path=path: path in dict(site.paths()) and site.modules)
            for _ in range(3):
                await page.click(target)
                await page.evaluate(PAUSE)
        await page.goto("about:blank")
        await site.wait_for(lambda site: len(site.clicks()) == 6)
    assert [view["w"].get("m") for view in site.views().values()] == [UNPROMPTED, None]


async def test_a_driven_browser_says_so(driven_chromium: Browser) -> None:
    """Without the flags that make a visitor's of it, the first report has the mark."""
    async with snippet_site({"/a": PAGE}) as site, fresh_page(driven_chromium) as page:
        await page.goto(f"{site.url}/a")
        await site.wait_for(lambda site: site.batches)
    assert site.batches[0]["w"]["m"] & WEBDRIVER
