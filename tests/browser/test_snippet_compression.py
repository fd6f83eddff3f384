"""Large reports travel as gzip and are stored, without a preflight; pinned scripts run only as they were pinned."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser
from snippet_site import SCRIPT, SITE_KEY, fresh_page, snippet_site

from collector.app import build_app
from collector.bundles import load_bundles
from collector.db import Pool
from collector.settings import Settings
from collector.sites import NewSite, add_site
from collector.snippet import Filling, build_pinned_tag, build_tag

pytestmark = pytest.mark.browser

TIMEOUT_S = 60
BUTTONS = "".join(f'<button id="button-{name}">Button {name}</button>' for name in map(chr, range(97, 123)))
PAGE = "<body>{tag}<h1>Buttons</h1>" + BUTTONS + "</body>"
HANGING = (
    "<script>CompressionStream = function () {"
    " return new TransformStream({ transform() {}, flush: () => new Promise(() => {}) }) }</script>"
)


@dataclass
class RealCollector:
    """A collector on another origin than the pages, and what it was asked."""

    url: str = ""
    asked: list[tuple[str, str, str, int]] = field(default_factory=list)
    """Method, path with query, Content-Type and status of each request."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def wait_for(self, condition: Callable[[], object]) -> None:
        async with self.changed, asyncio.timeout(TIMEOUT_S):
            await self.changed.wait_for(condition)

    @property
    def reports(self) -> list[tuple[str, str, str, int]]:
        return [one for one in self.asked if one[1].startswith("/v1/")]


@asynccontextmanager
async def real_collector(pool: Pool) -> AsyncIterator[RealCollector]:
    real = RealCollector()

    @web.middleware
    async def note(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        answer = await handler(request)
        async with real.changed:
            content_type = request.headers.get("Content-Type", "")
            real.asked.append((request.method, request.path_qs, content_type, answer.status))
            real.changed.notify_all()
        return answer

    async with pool.acquire() as conn:
        await add_site(conn, NewSite(name="Shop"), SITE_KEY, datetime.now(UTC))
    app = build_app(Settings(spool_max_bytes=0), pool)
    app.middlewares.append(note)
    server = TestServer(app)
    await server.start_server(auto_decompress=False)
    real.url = f"http://127.0.0.1:{server.port}"
    try:
        yield real
    finally:
        await server.close()


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
    packed = [one for one in real.reports if one[1] == "/v1/events?e=gzip"]
    assert packed
    assert {(method, content_type, status) for method, _, content_type, status in packed} == {("POST", "", 204)}
    assert {method for method, *_ in real.asked} == {"GET", "POST"}
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
        tag = build_pinned_tag(real.url, Filling(SITE_KEY), load_bundles().present)
        async with snippet_site({"/a": PAGE.format(tag=tag)}) as site:
            await page.goto(f"{site.url}/a")
            await page.click("#button-a")
            await real.wait_for(lambda: real.reports)
    assert real.reports[0][1:] in [("/v1/events", "text/plain;charset=UTF-8", 204), ("/v1/events?e=gzip", "", 204)]


async def test_a_script_that_is_not_the_pinned_one_does_not_run(chromium: Browser, pool: Pool) -> None:
    """A browser refuses bytes that do not fit the hash of the tag."""
    messages: list[str] = []
    async with real_collector(pool) as real, fresh_page(chromium) as page:
        page.on("console", lambda message: messages.append(message.text))
        tag = build_pinned_tag(real.url, Filling("otherKey_1"), load_bundles().present)
        tag = tag.replace("otherKey_1", SITE_KEY)
        async with snippet_site({"/a": PAGE.format(tag=tag)}) as site:
            await page.goto(f"{site.url}/a", wait_until="load")
            assert await page.evaluate("typeof window.jalki") == "undefined"
    assert any("integrity" in message for message in messages)
