"""The snippet is a guest: it breaks nothing, needs nothing but its tag, and leaves nothing behind."""

import pytest
from playwright.async_api import Browser
from snippet_site import SCRIPT, fresh_page, snippet_site

pytestmark = pytest.mark.browser

HOSTILE = {
    "array to-json": "Array.prototype.toJSON = String.prototype.toJSON = function () { return 'x' }",
    "fetch wrapped": "const real = fetch;"
    " window.fetch = (...args) => new Promise((go) => setTimeout(() => go(real(...args)), 50))",
    "prototypes frozen": "[Object, Array, Element, Document, History].forEach((one) => Object.freeze(one.prototype))",
    "history frozen": "Object.defineProperty(window, 'navigation', {value: undefined}); Object.freeze(history)",
    "clock jumps": "const now = Date.now; let jump = 0; Date.now = () => now() + (jump -= 3600000) + 0.5",
    "names taken": "addEventListener('DOMContentLoaded', () =>"
    " document.body.insertAdjacentHTML('beforeend', '<i id=jalki></i><i id=navigation></i>'))",
    "no observers": "delete window.ResizeObserver; delete window.requestIdleCallback",
    "replace storm": "onload = () => { for (let i = 0; i < 150; i++) history.replaceState(i, '', '/storm/' + i) }",
}
PAGE = (
    "<html><head><script>{hostile}</script>{tag}</head>"
    '<body><button id="go" onclick="this.textContent=\'done\'">go</button></body></html>'
)


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_a_hostile_page_is_recorded_and_not_disturbed(chromium: Browser, hostile: str) -> None:
    """Whatever the page has done to the browser's own functions, nothing is thrown into it and the click arrives."""
    html = PAGE.format(hostile=HOSTILE[hostile], tag=SCRIPT)
    async with snippet_site({"/a": html}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        await page.evaluate("() => new Promise((done) => setTimeout(done, 300))")
        await page.click("#go")
        clicks = await site.wait_for(lambda site: site.clicks())
        assert await page.text_content("#go") == "done"
    assert [click["key"] for click in clicks] == ["#go"]
    assert len(site.views()) == 1


@pytest.mark.parametrize("broken", ["window.fetch", "JSON.stringify"])
async def test_what_the_page_has_broken_does_not_reach_it(chromium: Browser, broken: str) -> None:
    """A page that has broken `fetch` or `JSON` is not recorded, and does not notice."""
    html = PAGE.format(hostile=f"{broken} = () => {{ throw new Error('no') }}", tag=SCRIPT)
    async with snippet_site({"/a": html}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        await page.click("#go")
        await page.evaluate("() => new Promise((done) => setTimeout(done, 1500))")
        assert await page.text_content("#go") == "done"
    assert site.batches == []


async def test_a_strict_content_security_policy_needs_two_entries(chromium: Browser) -> None:
    """`script-src` and `connect-src` of the collector are all that a strict policy has to allow."""
    policy = "default-src 'none'; script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'"
    html = f'<body>{SCRIPT}<button id="go">go</button></body>'
    headers = {"Content-Security-Policy": policy}
    messages: list[str] = []
    async with snippet_site({"/a": html}, headers=headers) as site, fresh_page(chromium) as page:
        page.on("console", lambda message: messages.append(message.text))
        site.answers.append((204, {"X-Jalki-Want": "layout"}))
        await page.goto(f"{site.url}/a")
        await page.click("#go")
        await site.wait_for(lambda site: site.clicks() and any("l" in batch for batch in site.batches))
    assert [message for message in messages if "favicon" not in message and "404" not in message] == []


async def test_nothing_is_stored_in_the_browser(chromium: Browser) -> None:
    """No cookie, no storage, no database, no cache, and the only new global is `jalki`."""
    html = f'<body><script>window.before = Object.keys(window)</script>{SCRIPT}<button id="go">go</button></body>'
    async with snippet_site({"/a": html}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        await page.click("#go")
        await site.wait_for(lambda site: site.clicks())
        stored = await page.evaluate(
            "async () => [document.cookie, localStorage.length, sessionStorage.length,"
            " (await indexedDB.databases()).length, (await caches.keys()).length,"
            " Object.keys(window).filter((name) => !before.includes(name) && name !== 'before')]"
        )
        assert await page.context.cookies() == []
    assert stored == ["", 0, 0, 0, 0, ["jalki"]]


async def test_a_script_in_the_head_runs_before_there_is_a_body(chromium: Browser) -> None:
    """A blocking tag at the very top records as well as an async one."""
    tag = SCRIPT.replace("async ", "")
    html = f'<html><head>{tag}</head><body><button id="go">go</button><h1>Title</h1></body></html>'
    async with snippet_site({"/a": html}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        await page.click("#go")
        await site.wait_for(lambda site: site.clicks())
        await page.goto("about:blank")
        await site.wait_for(lambda site: site.sections())
    assert "h1[~514]" in site.sections()
