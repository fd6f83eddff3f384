"""A view is one look at one page, however the browser or the site's own code brought it about."""

import pytest
from playwright.async_api import Browser
from snippet_site import SCRIPT, SITE_KEY, fresh_page, snippet_site, undriven_browser

pytestmark = pytest.mark.browser

LOAD, RESTORE, ROUTE, PRERENDER = range(4)
APP = f'<body>{SCRIPT}<main><h1>App</h1><button id="go">go</button></main></body>'
WITHOUT_NAVIGATION_API = "Object.defineProperty(window, 'navigation', {value: undefined})"
READY = "typeof jalki === 'function'"
PAUSE = "() => new Promise((resolve) => setTimeout(resolve, 150))"
"""A look is longer than a redirect: the page itself waits, so that the routes are held as a person would hold them."""


@pytest.mark.parametrize("script", ["", WITHOUT_NAVIGATION_API], ids=["navigation-api", "acts-alone"])
async def test_each_path_of_an_application_is_a_view(chromium: Browser, script: str) -> None:
    """A path change begins a view of its own; query and fragment do not; going back does."""
    async with snippet_site({"/app": APP}) as site, fresh_page(chromium) as page:
        await page.add_init_script(script)
        await page.goto(f"{site.url}/app")
        await page.evaluate(PAUSE)
        await page.evaluate("history.pushState(null, '', '/app/one')")
        await page.mouse.move(10, 10)
        await page.evaluate(PAUSE)
        await page.click("#go")
        await page.evaluate("history.replaceState(null, '', '/app/one?page=2#top')")
        await page.evaluate(PAUSE)
        await page.evaluate("history.replaceState(null, '', '/app/two')")
        await page.mouse.move(20, 20)
        await page.evaluate(PAUSE)
        await page.go_back()
        await page.mouse.move(30, 30)
        paths = await site.wait_for(lambda site: len(site.paths()) == 4 and site.clicks() and site.paths())
        views = list(site.views().values())
    assert paths == [("/app", LOAD), ("/app/one", ROUTE), ("/app/two", ROUTE), ("/app", ROUTE)]
    [clicked] = {batch["w"]["i"] for batch in site.batches if "c" in batch}
    assert clicked == views[1]["w"]["i"]


async def test_a_route_that_is_left_at_once_is_no_view(chromium: Browser) -> None:
    """An application that rewrites its first address has one view, of the address where it came to rest."""
    html = f"<body>{SCRIPT}<script>onload = () => history.replaceState(null, '', '/home')</script></body>"
    async with snippet_site({"/": html}) as site, fresh_page(chromium) as page:
        await page.goto(site.url)
        await page.mouse.click(5, 5)
        await site.wait_for(lambda site: site.clicks())
    assert site.paths() == [("/home", LOAD)]


async def test_a_page_restored_from_the_back_forward_cache_is_a_new_view() -> None:
    """Going back to a page that the browser kept alive is another look at it."""
    there = "<script>onpageshow = (event) => event.persisted || setTimeout(() => { location = '/b' }, 500)</script>"
    back = "<script>onpageshow = () => setTimeout(() => history.back(), 500)</script>"
    pages = {"/a": f"<body>{SCRIPT}{there}a", "/b": f"<body>{SCRIPT}{back}b"}
    async with snippet_site(pages) as site, undriven_browser(f"{site.url}/a"):
        paths = await site.wait_for(lambda site: len(site.paths()) == 3 and site.paths())
    assert paths == [("/a", LOAD), ("/b", LOAD), ("/a", RESTORE)]
    assert site.requested.count("/a") == 1


async def test_a_prerendered_page_is_a_view_once_it_is_shown() -> None:
    """A page that the browser prepared in advance counts when it is shown, and says so."""
    rules = '{"prerender": [{"source": "list", "urls": ["/b"], "eagerness": "immediate"}]}'
    go = "<script>setTimeout(() => { location = '/b' }, 3000)</script>"
    prepared = "<script>if (document.prerendering) fetch('/prepared')</script>"
    pages = {
        "/a": f'<body>{SCRIPT}{go}<script type="speculationrules">{rules}</script>a',
        "/b": f"<body>{SCRIPT}{prepared}b",
        "/prepared": "",
    }
    async with snippet_site(pages) as site, undriven_browser(f"{site.url}/a"):
        await site.wait_for(lambda site: "/prepared" in site.requested and site.views())
        assert site.paths() == [("/a", LOAD)]
        paths = await site.wait_for(lambda site: len(site.paths()) == 2 and site.paths())
    assert paths == [("/a", LOAD), ("/b", PRERENDER)]


async def test_a_referrer_is_named_only_where_it_is_another_site(chromium: Browser) -> None:
    """The host of another site is recorded; the way through one's own pages is not."""
    async with snippet_site({"/a": APP, "/b": APP}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a", referer="https://search.example/q?secret=1")
        await page.evaluate("location = '/b'")
        await page.wait_for_url("**/b")
        await site.wait_for(lambda site: len(site.views()) == 2)
    assert [batch["w"].get("r") for batch in site.views().values()] == ["search.example", None]


async def test_a_preview_is_never_a_view(chromium: Browser) -> None:
    """The fragment, and a frame that says so, keep a page out of the figures."""
    pages = {"/a": APP, "/frame": '<body><iframe name="jalki-preview" src="/a"></iframe></body>', "/b": APP}
    async with snippet_site(pages) as site, fresh_page(chromium) as page:
        for address in ("/a#jalki-preview", "/frame", "/b"):
            await page.goto("about:blank")
            await page.goto(site.url + address)
        await site.wait_for(lambda site: site.views())
    assert site.paths() == [("/b", LOAD)]


async def test_global_privacy_control_keeps_the_snippet_silent(chromium: Browser) -> None:
    """A browser that says it does not want to be followed sends nothing."""
    async with snippet_site({"/a": APP, "/b": APP}) as site:
        async with fresh_page(chromium) as page:
            await page.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})")
            await page.goto(f"{site.url}/a")
            await page.click("#go")
            await page.goto("about:blank")
        async with fresh_page(chromium) as page:
            await page.goto(f"{site.url}/b")
            await site.wait_for(lambda site: site.views())
    assert site.paths() == [("/b", LOAD)]


async def test_a_script_that_is_loaded_twice_records_once(chromium: Browser) -> None:
    """Two tags on one page make one view and one click."""
    html = f'<body>{SCRIPT}<script src="/s/{SITE_KEY}.js?again"></script><button id="go">go</button></body>'
    async with snippet_site({"/a": html}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        await page.click("#go")
        await page.goto("about:blank")
        await site.wait_for(lambda site: site.clicks())
    assert len(site.views()) == 1
    assert len(site.clicks()) == 1


async def test_stop_ends_the_recording(chromium: Browser) -> None:
    """After `jalki('stop')` nothing more is recorded, and what was is sent."""
    async with snippet_site({"/a": APP, "/b": APP}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        await page.click("#go")
        await page.evaluate("jalki('stop')")
        await page.click("#go")
        await page.evaluate("history.pushState(null, '', '/elsewhere')")
        await page.goto(f"{site.url}/b")
        await site.wait_for(lambda site: len(site.views()) == 2)
    assert [path for path, _ in site.paths()] == ["/a", "/b"]
    assert len(site.clicks()) == 1
