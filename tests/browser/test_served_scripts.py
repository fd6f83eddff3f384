"""What a real collector serves, in a real Chromium: modules of another origin, settings, pinned tags, tried batches."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page
from real_collector import RealCollector, built_bundles, real_collector
from snippet_site import SITE_KEY, SnippetSite, fresh_page, snippet_site

from collector.db import Pool
from collector.snippet import SITE_PLACE, SnippetFlag, build_pinned_tag, build_tag

pytestmark = pytest.mark.browser


@asynccontextmanager
async def opened(
    chromium: Browser, real: RealCollector, tag: str, query: str = "", policy: str = ""
) -> AsyncIterator[tuple[Page, SnippetSite]]:
    """Open a page with this tag and a button."""
    html = f"<head>{tag}</head><body><h1>Page</h1><button id=button>Button</button></body>"
    headers = {"Content-Security-Policy": policy} if policy else {}
    async with fresh_page(chromium) as page, snippet_site({"/a": html}, headers=headers) as site:
        await page.goto(f"{site.url}/a{query}")
        yield page, site


async def test_modules_come_from_another_origin_under_a_strict_policy(chromium: Browser, pool: Pool) -> None:
    """One host in script-src and one in connect-src are all that a page has to allow, for modules as well."""
    async with real_collector(pool) as real:
        policy = f"default-src 'none'; script-src {real.url}; connect-src {real.url}"
        async with opened(chromium, real, build_tag(real.url, SITE_KEY), policy=policy) as (page, _):
            await page.click("#button")
            await real.wait_for(lambda: "signals" in real.modules and real.reports)

    assert real.modules["signals"] == 200
    assert real.reports[0].status == 204


async def test_a_site_may_do_without_the_signals(chromium: Browser, pool: Pool) -> None:
    """Where they are switched off, visits are recorded and nothing more is loaded."""
    async with (
        real_collector(pool, snippet_flags=SnippetFlag(0)) as real,
        opened(chromium, real, build_tag(real.url, SITE_KEY)) as (page, _),
    ):
        await page.click("#button")
        await real.wait_for(lambda: real.reports)
        await page.evaluate("() => new Promise((done) => requestIdleCallback(done, { timeout: 1000 }))")

    assert "signals" not in real.modules


async def test_a_site_that_asks_for_consent_first_records_nothing_before(chromium: Browser, pool: Pool) -> None:
    """What was clicked before the call is never told; what is clicked after it is stored."""
    async with (
        real_collector(pool, snippet_flags=SnippetFlag.CONSENT_FIRST) as real,
        opened(chromium, real, build_tag(real.url, SITE_KEY)) as (page, _),
    ):
        await page.click("#button")
        before = len(real.reports)
        await page.evaluate("jalki('consent', 'counting')")
        await page.click("h1")
        await real.wait_for(lambda: real.reports)
        await page.goto("about:blank")  # the last report leaves with the page

    assert before == 0
    assert {one.status for one in real.reports} == {204}
    assert await pool.fetchval("select count(*) from clicks") == 1


async def test_the_parameters_of_a_site_are_part_of_its_addresses(chromium: Browser, pool: Pool) -> None:
    """Only what the site names leaves the browser, in one order."""
    async with (
        real_collector(pool, params=("page", "lang")) as real,
        opened(chromium, real, build_tag(real.url, SITE_KEY), query="?token=secret&page=2&lang=fi") as (page, _),
    ):
        await page.click("#button")
        await real.wait_for(lambda: real.reports)

    assert await pool.fetchval("select path from pages") == "/a?lang=fi&page=2"


async def test_a_pinned_script_loads_its_modules(chromium: Browser, pool: Pool) -> None:
    """The tag of a site with settings of its own fits the script behind it, which finds what it loads later."""
    async with real_collector(pool, params=("page",)) as real:
        tag = build_pinned_tag(real.url, real.site.filling, built_bundles().present)
        async with opened(chromium, real, tag) as (page, _):
            await page.click("#button")
            await real.wait_for(lambda: "signals" in real.modules and real.reports)

    assert real.modules["signals"] == 200
    assert real.reports[0].status == 204


async def test_an_owner_who_looks_on_is_answered_and_not_counted(chromium: Browser, pool: Pool) -> None:
    """With `?jalki_debug` each batch is tried: the page may read what became of it, and no view is stored."""
    async with (
        real_collector(pool) as real,
        opened(chromium, real, build_tag(real.url, SITE_KEY), query="?jalki_debug") as (page, _),
    ):
        await page.click("#button")
        await real.wait_for(lambda: real.reports and "debug" in real.modules)

    assert {(one.status, one.answer.get("X-Jalki-Debug")) for one in real.reports} == {(204, "1")}
    assert all("d=1" in one.path.partition("?")[2].split("&") for one in real.reports)
    assert real.modules["debug"] == 200
    assert await pool.fetchval("select count(*) from ledger") == 0


def test_the_built_snippet_has_a_place_for_the_settings() -> None:
    """Without it a site's settings would be lost in silence."""
    assert SITE_PLACE in built_bundles().present


def test_every_module_that_the_snippet_names_is_served() -> None:
    """The hashes that the build puts into the core are those that the collector makes of the files."""
    bundles = built_bundles()

    assert {module.name for module in bundles.modules} == {"signals", "layout", "consent", "debug"}
    for name, hashed in (module.address.split(".") for module in bundles.modules):
        assert f'{name}:"{hashed}"' in bundles.present
