"""What `jalki_debug` shows owners on their own page: what is recorded, what is answered, what is left out and why."""

import re
from typing import Any

import msgspec
import pytest
from playwright.async_api import Browser, CDPSession, Page, Route
from snippet_site import ROOT, SCRIPT, fresh_page, snippet_site

from collector.handlers import DropBody
from collector.ids import SignalKind
from collector.wire import Drop, DropReason

pytestmark = pytest.mark.browser

POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'none'; require-trusted-types-for 'script'"
)
PAGE = f"""<html><head>{SCRIPT}</head><body><main><h1>Shop</h1><button id="buy">Buy now</button>
<p data-jalki-ignore><a id="away" href="#x">Somebody's advertisement</a></p>
<p data-jalki-mask><a id="mine" href="#y">Anna's orders</a></p>
<input id="city" value="Secretville"></main></body></html>"""
QUERY = "?jalki_debug&mail=anna"
_SAYS = "Object.defineProperty(Navigator.prototype, '{}', {{ value: {} }})"


class _Overlay:
    """The closed shadow root, which only the browser's own tools may look into."""

    def __init__(self, page: Page, tools: CDPSession) -> None:
        self._page = page
        self._tools = tools

    async def text(self) -> str:
        """Return all that it shows, hidden lists included."""
        document = await self._tools.send("DOM.getDocument", {"depth": -1, "pierce": True})
        return re.sub(r"\s+", " ", " ".join(_texts(document["root"], is_inside=False)))

    async def wait_for(self, *words: str) -> str:
        """Return the text as soon as all of `words` stand in it."""
        for _ in range(200):
            text = await self.text()
            if all(word in text for word in words):
                return text
            await self._page.evaluate("() => new Promise(requestAnimationFrame)")
        raise AssertionError(f"not all of {words} in {text}")


def _texts(node: dict[str, Any], *, is_inside: bool) -> list[str]:
    """Return the texts of the overlay below a node of the protocol's tree."""
    is_inside = is_inside or node["nodeName"] == "JALKI-DEBUG"
    own = [node["nodeValue"]] if is_inside and node["nodeType"] == 3 else []
    children = [*node.get("children", []), *node.get("shadowRoots", [])]
    return own + [text for child in children for text in _texts(child, is_inside=is_inside)]


async def _open(page: Page, address: str) -> _Overlay:
    overlay = _Overlay(page, await page.context.new_cdp_session(page))
    await page.goto(address)
    await overlay.wait_for("jalki", "Under the pointer")
    return overlay


async def test_it_shows_what_is_recorded_as_it_is_recorded_under_a_strict_policy(chromium: Browser) -> None:
    """Key and words of an element; what is ignored, masked or typed; clicks, and batches that are only tried."""
    async with (
        snippet_site({"/a": PAGE}, headers={"Content-Security-Policy": POLICY}, settings="1") as site,
        fresh_page(chromium) as page,
    ):
        posted: list[str] = []
        page.on("request", lambda request: posted.append(request.url))
        overlay = await _open(page, f"{site.url}/a{QUERY}")
        await page.hover("#buy")
        await overlay.wait_for("recorded", "#buy", "Words taken: “Buy now”")
        await page.hover("#away")
        assert "#away" not in await overlay.wait_for("Nothing inside data-jalki-ignore is recorded")
        await page.hover("#mine")
        assert "Anna" not in await overlay.wait_for("words masked", "#mine")
        await page.hover("#city")
        assert "Secretville" not in await overlay.wait_for("what stands or is typed in it never is")
        await page.click("#buy")
        text = await overlay.wait_for("click, interactive", "204 taken", "1 click")
        styled = await page.evaluate("getComputedStyle(document.querySelector('jalki-debug')).position")
    assert styled == "fixed"
    assert "Query parameters: mail" in text
    assert "1 ignored part" in text
    assert "1 masked part" in text
    assert {url.partition("/v1/")[2] for url in posted if "/v1/" in url} <= {"events?d=1", "events?d=1&e=gzip"}


async def test_it_is_never_recorded_itself_and_closes(chromium: Browser) -> None:
    """Its buttons are no clicks of the page; Escape closes it, and the keyboard reaches every part of it."""
    async with snippet_site({"/a": PAGE}) as site, fresh_page(chromium) as page:
        await _open(page, f"{site.url}/a{QUERY}")
        for _ in range(5):  # past the button, the links and the field of the page
            await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.localName") == "jalki-debug"
        await page.keyboard.press("Enter")
        await page.mouse.click(1100, 780)
        await page.click("#buy")
        await site.wait_for(lambda site: site.clicks())
        for _ in range(4):
            await page.keyboard.press("Tab")
        await page.keyboard.press("Escape")
        assert await page.query_selector("jalki-debug") is None
    assert [click["key"] for click in site.clicks()] == ["#buy"]
    assert "jalki-debug" not in str(site.batches)


@pytest.mark.parametrize(
    ("script", "settings", "words"),
    [
        (_SAYS.format("globalPrivacyControl", "true"), "1", "Global Privacy Control"),
        (_SAYS.format("doNotTrack", "'1'"), "1", "Do Not Track"),
        ("", "2", "Waiting for consent"),
        ("window.jalki = function () {}; jalki.q = [['consent', 'denied']]", "0", "Consent denied"),
        ("window.jalki = function () {}; jalki.q = [['stop']]", "0", "Stopped"),
    ],
    ids=["gpc", "dnt", "consent-first", "denied", "stopped"],
)
async def test_it_says_why_nothing_is_recorded(chromium: Browser, script: str, settings: str, words: str) -> None:
    """And still tells what it knows of an element."""
    async with snippet_site({"/a": PAGE}, settings=settings) as site, fresh_page(chromium) as page:
        await page.add_init_script(script)
        overlay = await _open(page, f"{site.url}/a{QUERY}")
        await page.hover("#buy")
        await overlay.wait_for("not recording", words, "#buy")
    assert not any("c" in batch for batch in site.batches)


async def test_a_refusal_is_told_in_the_collectors_words(chromium: Browser) -> None:
    """The status alone helps nobody: the collector is asked why. Where nothing answers, it names likely causes."""
    drop = Drop(DropReason.ORIGIN_NOT_ALLOWED)

    async def refuse(route: Route) -> None:
        await route.fulfill(status=403, body=msgspec.json.encode(DropBody(drop.reason.value, drop.hint)))

    async with snippet_site({"/a": PAGE}) as site, fresh_page(chromium) as page:
        await page.route("**/v1/events*", refuse)
        overlay = await _open(page, f"{site.url}/a{QUERY}")
        await overlay.wait_for("403 origin_not_allowed", drop.hint)
        await page.unroute("**/v1/events*")
        site.answers.append((0, {}))
        await page.click("#buy")
        await overlay.wait_for("no answer", "connect-src")


def test_every_signal_has_words_of_its_own() -> None:
    """A new kind of signal is described before it can be seen."""
    journal = (ROOT / "js" / "src" / "debug" / "journal.ts").read_text()
    assert {kind.name for kind in SignalKind} <= set(re.findall(r"\[kinds\.([A-Z_]+)\]", journal))
