"""Large reports travel as gzip and are stored, without a preflight; pinned scripts run only as they were pinned."""

import pytest
from playwright.async_api import Browser
from real_collector import built_bundles, real_collector
from snippet_site import SCRIPT, SITE_KEY, fresh_page, snippet_site

from collector.db import Pool
from collector.snippet import Filling, build_pinned_tag, build_tag

pytestmark = pytest.mark.browser

BUTTONS = "".join(f'<button id="button-{name}">Button {name}</button>' for name in map(chr, range(97, 123)))
PAGE = "<body>{tag}<h1>Buttons</h1>" + BUTTONS + "</body>"
HANGING = (
    "<script>CompressionStream = function () {"
    " return new TransformStream({ transform() {}, flush: () => new Promise(() => {}) }) }</script>"
)


async def test_a_large_report_arrives_packed_and_is_stored_without_a_preflight(chromium: Browser, pool: Pool) -> None:
    """A layout goes to another origin as gzip that the address announces; the browser never asks with OPTIONS."""
    async with (
        real_collector(pool) as real,
        fresh_page(chromium) as page,
        snippet_site({"/a": PAGE.format(tag=build_tag(real.url, SITE_KEY))}) as site,
    ):
        await page.goto(f"{site.url}/a")
        await page.click("#button-a")
        await real.wait_for(lambda: len(real.reports) >= 2)
        await page.click("#button-b")
        await real.wait_for(lambda: len(real.reports) >= 3)
    packed = [one for one in real.reports if one.path == "/v1/events?e=gzip"]
    assert packed
    assert {(one.method, one.content_type, one.status) for one in packed} == {("POST", "", 204)}
    assert {one.method for one in real.asked} == {"GET", "POST"}
    assert await pool.fetchval("select count(*) from layouts") == 1


async def test_a_batch_that_cannot_be_packed_goes_plain(chromium: Browser) -> None:
    """A browser that has no CompressionStream sends the same batches as text."""
    html = PAGE.format(tag=f"<script>delete window.CompressionStream</script>{SCRIPT}")
    async with snippet_site({"/a": html}) as site, fresh_page(chromium) as page:
        site.answers.append((204, {"X-Jalki-Want": "layout"}))
        await page.goto(f"{site.url}/a")
        batch = await site.wait_for(lambda site: next((one for one in site.batches if "l" in one), None))
    assert len(batch["l"]["i"]) > 26


async def test_a_page_that_is_left_does_not_wait_for_its_batch_to_be_packed(chromium: Browser) -> None:
    """Where packing never ends, what was clicked just before the page goes arrives all the same."""
    path = f"/{'long' * 250}"
    html = PAGE.format(tag=HANGING + SCRIPT)
    async with snippet_site({path: html, "/b": "<p>b"}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}{path}")
        await page.click("#button-a")
        await page.goto(f"{site.url}/b")
        clicks = await site.wait_for(lambda site: site.clicks())
    assert [click["key"] for click in clicks] == ["#button-a"]


async def test_a_pinned_script_runs_with_its_hash_and_finds_its_collector(chromium: Browser, pool: Pool) -> None:
    """The tag with `integrity` loads from another origin, and its reports are stored."""
    async with real_collector(pool) as real, fresh_page(chromium) as page:
        tag = build_pinned_tag(real.url, Filling(SITE_KEY), built_bundles().present)
        async with snippet_site({"/a": PAGE.format(tag=tag)}) as site:
            await page.goto(f"{site.url}/a")
            await page.click("#button-a")
            await real.wait_for(lambda: real.reports)
    first = real.reports[0]
    sent = (first.path, first.content_type, first.status)
    assert sent in [("/v1/events", "text/plain;charset=UTF-8", 204), ("/v1/events?e=gzip", "", 204)]


async def test_a_script_that_is_not_the_pinned_one_does_not_run(chromium: Browser, pool: Pool) -> None:
    """A browser refuses bytes that do not fit the hash of the tag."""
    messages: list[str] = []
    async with real_collector(pool) as real, fresh_page(chromium) as page:
        page.on("console", lambda message: messages.append(message.text))
        tag = build_pinned_tag(real.url, Filling("otherKey_1"), built_bundles().present)
        tag = tag.replace("otherKey_1", SITE_KEY)
        async with snippet_site({"/a": PAGE.format(tag=tag)}) as site:
            await page.goto(f"{site.url}/a", wait_until="load")
            assert await page.evaluate("typeof window.jalki") == "undefined"
    assert any("integrity" in message for message in messages)
