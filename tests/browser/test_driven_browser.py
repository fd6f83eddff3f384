"""A headless browser that says what it is: counted with the bots, left out of the map, shown on request."""

from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from dashboard_house import House, running_house
from playwright.async_api import Browser, Page, Response, Route, expect

from collector.ids import BotSign
from collector.sites import Site

pytestmark = pytest.mark.browser

DESKTOP = {"width": 1440, "height": 900}


@pytest_asyncio.fixture
async def house(pool):
    """The service with a client that is not signed in."""
    async with running_house(pool) as running:
        yield running


@asynccontextmanager
async def _opened(browser: Browser):
    context = await browser.new_context(viewport=DESKTOP)
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def _visit(browser: Browser, house: House, site: Site) -> None:
    """Open a page of the site and click on its button; return once the click is stored and rolled up."""
    html = f'<script async src="{house.url}/s/{site.key}.js"></script><body><button id="buy">Buy</button></body>'

    async def answer(route: Route) -> None:
        await route.fulfill(body=html, content_type="text/html")

    def brings_a_click(response: Response) -> bool:
        return "/v1/events" in response.url and response.ok and '"c":{' in (response.request.post_data or "")

    async with _opened(browser) as page:
        await page.route(f"{house.url}/shop", answer)
        async with page.expect_event("response", brings_a_click):
            await page.goto(f"{house.url}/shop", wait_until="networkidle")
            await page.click("#buy")
    await house.settle()


async def _figures(page: Page, text: str) -> None:
    await expect(page.locator("[data-part=figures]")).to_contain_text(text)


async def test_a_driven_browser_is_left_out_and_shown_on_request(
    chromium: Browser, driven_chromium: Browser, house: House
) -> None:
    """The map shows the visitor's click, says that one view was left out, and has both after one press."""
    site = await house.add_site()
    await _visit(chromium, house, site)
    await _visit(driven_chromium, house, site)

    async with _opened(chromium) as page:
        await page.goto(await house.sign_in_url())
        await page.goto(f"{house.url}/sites/{site.site_id}/heatmap?page=/shop")
        await _figures(page, "1 click in 1 view")
        await expect(page.locator(".bots-note")).to_contain_text("1 view by a bot is left out")
        await page.get_by_role("link", name="Show them").click()
        await _figures(page, "2 clicks in 2 views")
        await page.get_by_role("link", name="Show only them").click()
        await _figures(page, "1 click in 1 view")
        await page.get_by_role("link", name="Leave them out").click()
        await _figures(page, "1 click in 1 view")
    signs = await house.pool.fetch("select distinct bot_signs, bot_score from view_reports order by bot_score")
    assert [(row["bot_signs"], row["bot_score"]) for row in signs] == [
        (0, 0),
        (BotSign.HEADLESS | BotSign.WEBDRIVER, 99),
    ]
