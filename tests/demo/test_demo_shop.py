"""The sample shop: every page answers, carries the tag, and is quiet in a real browser."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, ConsoleMessage

from heatmap.demo.shop import ARTICLE, ShopLinks, list_paths, setup_sample_site

_KEY = "demoKey_01"


@pytest_asyncio.fixture
async def shop() -> AsyncIterator[str]:
    """The address of a shop whose snippet is an empty script."""
    app = web.Application()

    async def empty_script(_request: web.Request) -> web.Response:
        return web.Response(text="", content_type="text/javascript")

    app.router.add_get(f"/s/{_KEY}.js", empty_script)
    setup_sample_site(app, ShopLinks(f"/s/{_KEY}.js", "http://127.0.0.1:8100/sites/1/heatmap"))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_every_page_answers_and_carries_the_tag(shop: str) -> None:
    """Each page answers 200 with the snippet's tag once, and links to its own heatmap."""
    async with aiohttp.ClientSession() as http:
        for path in list_paths():
            async with http.get(shop + path) as answer:
                text = await answer.text()
                assert answer.status == 200, path
            assert text.count(f'<script async src="/s/{_KEY}.js"></script>') == 1, path
            assert f"/sites/1/heatmap?page={path}" in text


@pytest.mark.parametrize("path", ["/nothing", "/shop/nothing", "/finder/coffee", "/journal"])
async def test_an_unknown_page_is_404_and_looks_like_the_shop(shop: str, path: str) -> None:
    """An address without a page answers 404 with a way home."""
    async with aiohttp.ClientSession() as http, http.get(shop + path) as answer:
        assert answer.status == 404
        assert "Back to the front" in await answer.text()


async def test_the_article_is_a_long_read(shop: str) -> None:
    """The article has 1,200 words or more, several sections, figures and a pull quote."""
    async with aiohttp.ClientSession() as http, http.get(shop + ARTICLE) as answer:
        text = (await answer.text()).partition("<article")[2].partition("</article>")[0]
    paragraphs = [part.partition("</p>")[0] for part in text.split("<p")[1:]]
    assert sum(len(part.split()) for part in paragraphs) >= 1_200
    assert text.count("<h2 ") >= 6
    assert text.count("<figure") >= 4
    assert text.count('class="pull"') == 1


@pytest.mark.browser
@pytest.mark.parametrize("width_px", [1440, 820, 390])
async def test_no_page_complains_or_overflows(shop: str, chromium: Browser, width_px: int) -> None:
    """No page logs an error in a real browser, asks another host for anything, or scrolls sideways."""
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    context = await chromium.new_context(viewport={"width": width_px, "height": 844})
    page = await context.new_page()
    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(shop) else complaints.append(request.url))
    for path in list_paths():
        await page.goto(shop + path)
        overflow_px = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow_px <= 0, path
    await context.close()
    assert complaints == []


@pytest.mark.browser
async def test_the_finder_changes_routes_without_loading(shop: str, chromium: Browser) -> None:
    """A choice in the tea finder changes path, title and text in the same document, and back undoes it."""
    context = await chromium.new_context()
    page = await context.new_page()
    await page.goto(f"{shop}/finder")
    await page.evaluate("window.isSameDocument = true")
    await page.click("#mood-black")
    assert page.url == f"{shop}/finder/black"
    assert await page.title() == "Kaamos: It is dark and it is Monday · Savi & Lehti"
    await page.go_back()
    assert page.url == f"{shop}/finder"
    assert await page.is_visible("#mood-black")
    assert await page.evaluate("window.isSameDocument") is True
    await context.close()


@pytest.mark.browser
async def test_forms_never_leave_the_page(shop: str, chromium: Browser) -> None:
    """Placing an order sends no request; the page says that it is a sample."""
    context = await chromium.new_context()
    page = await context.new_page()
    await page.goto(f"{shop}/checkout")
    sent: list[str] = []
    # The browser looks for the icon when it likes.
    page.on("request", lambda request: None if "favicon" in request.url else sent.append(request.url))
    await page.fill("#first-name", "Aino")
    await page.click("#place-order")
    assert "Nothing was sent" in await page.inner_text("#checkout-form .said")
    await context.close()
    assert sent == []


@pytest.mark.browser
async def test_filters_show_only_their_kind(shop: str, chromium: Browser) -> None:
    """A filter leaves only the cards of its kind."""
    context = await chromium.new_context()
    page = await context.new_page()
    await page.goto(f"{shop}/shop")
    await page.click("#filter-ceramics")
    shown = await page.eval_on_selector_all("#grid > :not([hidden])", "cards => cards.map(card => card.dataset.kind)")
    assert shown == ["ceramics"] * 4
    assert await page.inner_text("#count") == "4 things"
    await context.close()
