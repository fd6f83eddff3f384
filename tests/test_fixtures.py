"""The fixtures that all tests rest on."""

import asyncpg
import pytest
from playwright.async_api import Browser


@pytest.mark.browser
async def test_chromium_renders_a_page(chromium: Browser) -> None:
    """The shared browser opens a page in a context of the test's own."""
    context = await chromium.new_context()
    page = await context.new_page()
    await page.set_content("<h1>Hei</h1>")

    assert await page.inner_text("h1") == "Hei"
    await context.close()


@pytest.mark.parametrize("attempt", [1, 2])
async def test_each_test_has_a_database_of_its_own(pool: "asyncpg.Pool[asyncpg.Record]", attempt: int) -> None:
    """What one test creates is not there for the next."""
    await pool.execute("create table only_mine (x int)")

    assert await pool.fetchval("select count(*) from only_mine") == 0
