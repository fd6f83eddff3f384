"""What the signals say of forms: which fields, how long, how often anew, sent or left; never a word that was typed."""

import json

import pytest
from playwright.async_api import Browser
from signals_page import COPY, FIELD, FORM, SELECTION, leave, pause, said, watched_page
from snippet_site import SnippetSite

pytestmark = pytest.mark.browser

FORM_PAGE = (
    '<form id="order" onsubmit="event.preventDefault()"><input id="name" name="name">'
    '<input id="mail" type="email" required><textarea id="note"></textarea>'
    '<select id="size"><option>S<option>M</select>'
    '<input id="secret" type="password"><button id="send">Send</button></form>'
    '<div id="free" contenteditable></div>'
    '<form id="other" data-jalki-ignore><input id="hidden" name="hidden"></form>'
)
HIDE = """() => {
    Object.defineProperty(document, 'hidden', { value: true, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
    delete document.hidden;
    document.dispatchEvent(new Event('visibilitychange'));
}"""
"""Hides the page and shows it again, as another tab does."""


async def test_a_field_says_how_long_it_was_focused_and_nothing_that_was_typed(chromium: Browser) -> None:
    """Words typed into every kind of field, selected and copied there, are in no batch; a field is said when left."""
    async with watched_page(chromium, FORM_PAGE) as (site, page):
        for field in ("name", "mail", "note", "secret", "free"):
            await page.click(f"#{field}")
            await page.keyboard.type("zebra7")
            await page.keyboard.press("Control+a")
            await page.keyboard.press("Control+c")
        await page.click("#hidden")
        await page.keyboard.type("zebra7")
        await pause(page, ms=500)
        await leave(site, page)
    fields = said(site, FIELD)
    assert [key for key, *_ in fields] == ["#name", "#mail", "#note", "#secret", "#free"]
    assert [refills for _, _, refills, _ in fields] == [0] * 5
    assert all(ms >= 0 for _, ms, _, _ in fields)
    assert said(site, SELECTION) == []
    assert {chars for _, chars, _, _ in said(site, COPY)} <= {0}
    _assert_nowhere(site, "zebra")


async def test_a_field_that_is_written_anew_was_refilled(chromium: Browser) -> None:
    """Deleting three characters or a word and writing again is a refill, as is writing in it later; a slip is none."""
    async with watched_page(chromium, FORM_PAGE) as (site, page):
        await page.click("#name")
        await page.keyboard.type("ab")
        await page.keyboard.press("Backspace")
        await page.keyboard.type("cdef")
        await page.click("#note")
        await page.keyboard.type("one two")
        await page.keyboard.press("Control+Backspace")
        await page.keyboard.type("three")
        await page.keyboard.press("Control+a")
        await page.keyboard.type("four")
        await page.click("#name")
        await page.keyboard.type("g")
        await page.click("#size")
        await leave(site, page)
    assert [(key, refills) for key, _, refills, _ in said(site, FIELD)] == [
        ("#name", 0),
        ("#note", 2),
        ("#name", 1),
        ("#size", 0),
    ]


async def test_a_form_that_is_sent_is_not_abandoned(chromium: Browser) -> None:
    """The form with the number of fields written to; an attempt that the browser refuses is not sent."""
    async with watched_page(chromium, FORM_PAGE) as (site, page):
        await page.click("#name")
        await page.keyboard.type("Anna")
        await page.click("#send")
        await page.click("#mail")
        await page.keyboard.type("a@b.fi")
        await page.click("#send")
        await leave(site, page)
    assert said(site, FORM) == [("#order", 1, 2, "")]


async def test_a_form_that_was_written_to_and_left_is_abandoned(chromium: Browser) -> None:
    """The last field written to, and how many; a form that was only looked at or that is ignored says nothing."""
    async with watched_page(chromium, FORM_PAGE) as (site, page):
        await page.click("#name")
        await page.keyboard.type("Anna")
        await page.click("#note")
        await page.keyboard.type("hello")
        await page.click("#secret")
        await page.click("#hidden")
        await page.keyboard.type("hello")
        await leave(site, page)
    assert said(site, FORM) == [("#note", 0, 2, "")]


async def test_who_comes_back_and_sends_the_form_has_sent_it(chromium: Browser) -> None:
    """A hidden page is taken for left, as nobody knows better then; the last that a form says is what became of it."""
    async with watched_page(chromium, FORM_PAGE) as (site, page):
        await page.click("#mail")
        await page.keyboard.type("a@b.fi")
        await page.evaluate(HIDE)
        await page.evaluate(HIDE)
        await page.click("#send")
        await leave(site, page, lambda site: len(said(site, FORM)) == 2)
    assert [(key, sent) for key, sent, _, _ in said(site, FORM)] == [("#mail", 0), ("#order", 1)]


def _assert_nowhere(site: SnippetSite, word: str) -> None:
    assert site.batches
    assert word not in json.dumps(site.batches)
