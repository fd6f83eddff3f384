"""The snippet says what marks of automation its browser shows, and leaves the judging to the server."""

import pytest
from playwright.async_api import Browser
from snippet_site import SCRIPT, fresh_page, snippet_site

pytestmark = pytest.mark.browser

PAGE = f'<html><head>{SCRIPT}</head><body><button id="go">go</button><button id="other">other</button></body></html>'
NO_POINTER = "<script>addEventListener('pointerdown', (event) => event.stopImmediatePropagation(), true)</script>"
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
    async with snippet_site({"/a": PAGE}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        await site.wait_for(lambda site: site.batches)
        await page.evaluate("() => document.getElementById('go').click()")
        await page.goto("about:blank")
        await site.wait_for(lambda site: site.batches[-1]["w"].get("m") == SCRIPTED)
    assert site.clicks() == []


async def test_a_click_without_pointer_or_key_is_a_mark(chromium: Browser) -> None:
    """As assistive technology makes it, and extensions do."""
    async with snippet_site({"/a": NO_POINTER + PAGE}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        await page.click("#go")
        await site.wait_for(lambda site: site.clicks())
    assert site.batches[-1]["w"]["m"] == UNPROMPTED


async def test_a_driven_browser_says_so(driven_chromium: Browser) -> None:
    """Without the flags that make a visitor's of it, the first report has the mark."""
    async with snippet_site({"/a": PAGE}) as site, fresh_page(driven_chromium) as page:
        await page.goto(f"{site.url}/a")
        await site.wait_for(lambda site: site.batches)
    assert site.batches[0]["w"]["m"] & WEBDRIVER
