"""What the browser keeps: nothing in the counting mode; with consent an id, and batches that could not be sent."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, Page
from snippet_site import SCRIPT, Batch, SnippetSite, fresh_page, snippet_site

pytestmark = pytest.mark.browser

STUB = "window.jalki = window.jalki || function () { (jalki.q = jalki.q || []).push(arguments) }"
BODY = '<body><h1>Shop</h1><button id="buy">Buy</button><input name="city"></body>'
PAGE = f"<html><head>{SCRIPT}</head>{BODY}</html>"
GRANTED = f"<html><head>{SCRIPT}<script>{STUB}; jalki('consent', 'granted')</script></head>{BODY}</html>"
PAGES = {"/plain": PAGE, "/granted": GRANTED, "/nothing": "<p>A page without the snippet"}
IS_ID = "/^[0-9a-f]{32}$/.test(localStorage.jalki ?? '')"
KEPT = """async () => ({
    local: {...localStorage}, session: {...sessionStorage}, cookie: document.cookie,
    databases: await indexedDB.databases(), caches: await caches.keys(),
})"""
NOTHING: dict[str, Any] = {"local": {}, "session": {}, "cookie": "", "databases": [], "caches": []}


def _sent_of(site: SnippetSite, path: str) -> list[Batch]:
    return [batch for batch in site.batches if batch["w"]["p"] == path]


async def _kept_batches(page: Page) -> list[Batch]:
    kept: list[Batch] = json.loads(await page.evaluate("localStorage.getItem('jalki.q') ?? '[]'"))
    return kept


async def _click_unanswered(page: Page, site: SnippetSite) -> list[Batch]:
    """Click while no answer comes, leave the page, and return what the browser kept of it."""
    await page.goto(f"{site.url}/granted")
    await site.wait_for(lambda site: any(batch["w"].get("u") for batch in site.batches))
    site.answers += [(0, {})] * 99
    await page.click("#buy")
    await site.wait_for(lambda site: site.clicks())
    await page.goto(f"{site.url}/nothing")
    site.answers.clear()
    return await _kept_batches(page)


async def test_nothing_is_written_to_the_browser_in_the_counting_mode(chromium: Browser) -> None:
    """With every module at work: no storage, no cookie, no database, no cache, before and after `counting` was said."""
    async with snippet_site(PAGES, settings="1") as site, fresh_page(chromium) as page:
        site.answers.append((204, {"X-Jalki-Want": "layout"}))
        await page.goto(f"{site.url}/plain")
        await page.click("#buy")
        await page.fill("input", "x")
        await site.wait_for(lambda site: any("l" in batch for batch in site.batches))
        before = await page.evaluate(KEPT)
        await page.evaluate("jalki('consent', 'counting')")
        await page.goto("about:blank")
        await page.goto(f"{site.url}/nothing")
        assert await page.evaluate(KEPT) == before == NOTHING
        assert await page.context.cookies() == []
    assert {"signals", "layout", "consent"} <= set(site.modules)
    assert not any("u" in batch["w"] for batch in site.batches)


async def test_the_id_is_the_same_on_the_next_page_and_day_and_denied_removes_it(chromium: Browser) -> None:
    """It is random, stands in every batch, and what is denied is forgotten at once; a second consent makes another."""
    async with snippet_site(PAGES) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/granted")
        await page.wait_for_function(IS_ID)
        await page.goto(f"{site.url}/plain")
        first = await site.wait_for(lambda site: _sent_of(site, "/plain"))
        state = await page.context.storage_state()
        async with fresh_page(chromium, storage_state=state) as later:
            await later.add_init_script("{ const now = Date.now; Date.now = () => now() + 25 * 3600000 }")
            await later.goto(f"{site.url}/plain?day=2")
            views = await site.wait_for(lambda site: len(site.views()) >= 3 and list(site.views().values()))
        await page.evaluate("jalki('consent', 'denied')")
        await page.wait_for_function("localStorage.length === 0")
        await page.click("#buy")
        await page.goto(f"{site.url}/granted")
        await page.wait_for_function(IS_ID)
        another = await page.evaluate("localStorage.jalki")
        assert len(site.clicks()) == 0
    known = first[0]["w"]["u"]
    assert {view["w"].get("u") for view in views if view["w"]["p"] == "/plain"} == {known}
    assert another != known


async def test_counting_removes_the_id_and_goes_on_without(chromium: Browser) -> None:
    """The same view is recorded further, and another tab that has the id lets go of it as well."""
    async with snippet_site(PAGES) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/granted")
        await page.wait_for_function(IS_ID)
        other = await page.context.new_page()
        await other.goto(f"{site.url}/plain")
        await site.wait_for(lambda site: any("u" in batch["w"] for batch in _sent_of(site, "/plain")))
        await page.evaluate("jalki('consent', 'counting')")
        await other.wait_for_function("localStorage.length === 0")
        for one in (page, other):
            await one.bring_to_front()
            await one.click("#buy")
        clicked = await site.wait_for(lambda site: len(site.clicks()) == 2 and [b for b in site.batches if "c" in b])
    assert [batch["w"].get("u") for batch in clicked] == [None, None]


async def test_batches_that_a_dead_network_left_unsent_arrive_from_the_next_page_once(chromium: Browser) -> None:
    """They are kept as they were, also when two tabs open at once, and forgotten once they were answered."""
    async with snippet_site(PAGES) as site, fresh_page(chromium) as page:
        kept = await _click_unanswered(page, site)
        tabs = [await page.context.new_page() for _ in range(2)]
        await asyncio.gather(*(tab.goto(f"{site.url}/plain") for tab in tabs))
        await page.wait_for_function("localStorage.getItem('jalki.q') === null")
        await site.wait_for(lambda site: len({batch["w"]["i"] for batch in _sent_of(site, "/plain")}) == 2)
    counts = Counter(batch["b"] for batch in site.batches if batch["answered"] == 204)
    assert any("c" in batch for batch in kept)
    assert {counts[batch["b"]] for batch in kept} == {1}
    assert len(site.clicks()) == 1


async def test_a_batch_that_may_have_been_stored_keeps_its_id_on_the_next_page(chromium: Browser) -> None:
    """So that the collector, which knows the ids that it stored, counts it once."""
    async with snippet_site(PAGES) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/granted")
        await site.wait_for(lambda site: any(batch["w"].get("u") for batch in site.batches))
        site.answers += [(503, {"Retry-After": "600"})] * 2
        await page.click("#buy")
        await site.wait_for(lambda site: any("c" in batch for batch in site.batches))
        await page.goto(f"{site.url}/plain")
        copies = await site.wait_for(
            lambda site: (
                [b for b in site.batches if "c" in b]
                if any("c" in b and b["answered"] == 204 for b in site.batches)
                else []
            )
        )
    assert len(copies) >= 2
    assert len({json.dumps({**batch, "t": 0, "answered": 0}) for batch in copies}) == 1


async def test_what_is_kept_is_bounded(chromium: Browser) -> None:
    """Twenty batches, the newest; what stood there of another site of the same origin is left to its own pages."""
    ids = [f"{number:032x}" for number in range(40)]
    seed = """ids => {
        const batches = ids.map(b => ({ v: 1, b, k: 'otherSite_1', w: { s: Date.now() } }));
        localStorage['jalki.q'] = JSON.stringify(batches);
    }"""
    async with snippet_site(PAGES) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/nothing")
        await page.evaluate(seed, ids)
        kept = await _click_unanswered(page, site)
    others = [batch["b"] for batch in kept if batch["k"] == "otherSite_1"]
    assert len(kept) == 20
    assert others == ids[-len(others) :]
    assert any("c" in batch for batch in kept)
    assert {batch["k"] for batch in site.batches} == {"demoKey_01"}


_FULL = """addEventListener('DOMContentLoaded', () => {
    let text = 'x'.repeat(1 << 22);
    for (let i = 0; text; i++) {
        try { localStorage['full' + i] = text } catch { text = text.slice(text.length / 2 + 0.5) }
    }
})"""
_CLOSED = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError') } })"
_GPC = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { value: true })"


@asynccontextmanager
async def _prepared(chromium: Browser, script: str) -> AsyncIterator[Page]:
    async with fresh_page(chromium) as page:
        await page.add_init_script(script)
        yield page


async def test_a_storage_that_is_closed_full_or_refused_changes_nothing_else(chromium: Browser) -> None:
    """An id that cannot be kept is none, and the page is counted; with Global Privacy Control none is given."""
    async with (
        snippet_site({"/closed": GRANTED, "/full": PAGE, "/gpc": GRANTED}) as site,
        _prepared(chromium, _CLOSED) as closed,
        _prepared(chromium, _FULL) as full,
        _prepared(chromium, _GPC) as gpc,
    ):
        await gpc.goto(f"{site.url}/gpc")
        await full.goto(f"{site.url}/full")
        await full.evaluate("jalki('consent', 'granted')")
        await closed.goto(f"{site.url}/closed")
        for page in (full, closed):
            await page.click("#buy")
        clicked = await site.wait_for(lambda site: len(site.clicks()) == 2 and [b for b in site.batches if "c" in b])
        assert await gpc.evaluate(KEPT) == NOTHING
        assert await full.evaluate("localStorage.jalki ?? null") is None
    assert [batch["w"].get("u") for batch in clicked] == [None, None]
    assert {batch["w"]["p"] for batch in site.batches} == {"/closed", "/full"}
