"""Frames of the page's own origin belong to its view; others, previews and those with a snippet of their own do not."""

import json

import pytest
from playwright.async_api import Browser
from signals_page import FIELD, SELECTION, leave, pause, said, watched_page
from snippet_site import SCRIPT

pytestmark = pytest.mark.browser

INSIDE = (
    "<!doctype html><body style='margin:0'><div style='height:50px'></div>"
    "<button id='in' style='width:100px;height:40px'>in</button><input id='field'><p id='words'>Hello frame</p></body>"
)
FRAME = (
    '<iframe id="{0}" src="{1}" style="position:absolute;left:{2}px;top:100px;width:300px;height:200px;'
    'border:5px solid"></iframe>'
)
OUTSIDE = f'<div style="height:2000px"></div>{FRAME.format("frame", "/inner", 100)}'


async def test_clicks_and_signals_in_a_frame_belong_to_the_page(chromium: Browser) -> None:
    """A click lies where it was on the page, under a key below the frame's; its fields and selections are said."""
    async with watched_page(chromium, OUTSIDE, {"/inner": INSIDE}) as (site, page):
        frame = page.frame_locator("#frame")
        await pause(page, ms=300)
        await frame.locator("#in").click(position={"x": 50, "y": 20})
        await frame.locator("#field").click()
        await page.keyboard.type("zebra")
        await frame.locator("#words").dblclick(position={"x": 10, "y": 8})
        await pause(page, ms=600)
        await leave(site, page)
    click = next(click for click in site.clicks() if click["key"].endswith("#in"))
    assert (click["x"], click["y"], click["w"], click["h"]) == (157, 177, 100, 40)
    assert [_last(key) for key, *_ in said(site, FIELD)] == ["#field"]
    assert [(_last(key), chars) for key, chars, *_ in said(site, SELECTION)] == [("#words", 5)]
    assert "zebra" not in json.dumps(site.batches)
    assert len(site.views()) == 1


async def test_a_frame_is_followed_when_it_comes_and_when_it_is_written_anew(chromium: Browser) -> None:
    """A frame put into the page later, one that loads another page, one that a script writes over: each click once."""
    add = f"() => {{ document.body.insertAdjacentHTML('beforeend', `{FRAME.format('late', '/inner', 500)}`) }}"
    write = "(html) => { const {contentDocument: d} = late; d.open(); d.write(html); d.close() }"
    async with watched_page(chromium, OUTSIDE, {"/inner": INSIDE, "/other": INSIDE}) as (site, page):
        for change in (add, "() => { late.src = '/other' }", write):
            await page.evaluate(change, INSIDE)
            await page.frame_locator("#late").locator("#in").wait_for()
            await pause(page, ms=400)
            await page.frame_locator("#late").locator("#in").click()
        await leave(site, page)
    assert [_last(click["key"]) for click in site.clicks()] == ["#in"] * 3


async def test_frames_of_others_are_left_alone(chromium: Browser) -> None:
    """Ignored, previewed, of another origin, or with a snippet of its own, which reports a view of its own."""
    frames = "".join(
        FRAME.format(name, source, left).replace("<iframe", f"<iframe {attribute}")
        for name, source, left, attribute in (
            ("ignored", "/inner", 0, "data-jalki-ignore"),
            ("preview", "/inner", 310, 'name="jalki-preview"'),
            ("sandboxed", "/inner", 620, 'sandbox="allow-scripts"'),
            ("own", "/own", 930, ""),
        )
    )
    async with watched_page(chromium, frames, {"/inner": INSIDE, "/own": INSIDE + SCRIPT}) as (site, page):
        await pause(page, ms=400)
        for name in ("ignored", "preview", "sandboxed", "own"):
            await page.frame_locator(f"#{name}").locator("#in").click()
        await leave(site, page, lambda site: site.clicks())
    assert [click["key"] for click in site.clicks()] == ["#in"]
    assert {batch["w"]["p"] for batch in site.batches if batch.get("c")} == {"/own"}


def _last(key: str | None) -> str | None:
    """The step of the element itself; how the frame's key is put above it is told where keys are made."""
    return key and key.rpartition(">")[2]
