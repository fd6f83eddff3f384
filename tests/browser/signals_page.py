"""A page that the snippet watches with its module of signals, and what was said of it once it is left.

Signals of one page are told apart by kind; the numbers are those of `js/src/kinds.ts`.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Page
from snippet_site import SCRIPT, SnippetSite, fresh_page, snippet_site

HESITATION, SWIPE, SELECTION, COPY, FIELD, FORM, OUTBOUND, DOWNLOAD, PRINT, ZOOM = range(3, 13)
ORIENTATION, VITAL, STATE, VARIANT, EVENT, FIRST_ACTION, INNER_DEPTH = range(13, 20)
WATCHED = "1"
"""Settings of a site whose pages load the module."""

Said = tuple[str | None, int, int, str]
"""The element's key, the value, the second number and the text of a signal."""


@asynccontextmanager
async def watched_page(
    browser: Browser, body: str, others: Mapping[str, str] | None = None, **options: Any
) -> AsyncIterator[tuple[SnippetSite, Page]]:
    """Open `/a` with this body, and go on when its signals are watched."""
    pages = {"/a": f"<body>{SCRIPT}{body}</body>", **(others or {})}
    async with snippet_site(pages, settings=WATCHED) as site, fresh_page(browser, **options) as page:
        async with page.expect_event("requestfinished", lambda request: "/s/m/signals." in request.url):
            await page.goto(f"{site.url}/a")
        # A module runs in the task after it came; two frames later it has begun.
        await pause(page, frames=2)
        yield site, page


async def pause(page: Page, frames: int = 1, ms: int = 0) -> None:
    """Let so many frames pass, and then the time by the page's clock that a signal which must not come would need."""
    await page.evaluate(
        """async ([frames, ms]) => {
            for (let i = 0; i < frames; i++) await new Promise((done) => requestAnimationFrame(done));
            await new Promise((done) => setTimeout(done, ms));
            // What was due by then may wait for an idle moment, half a second at most, and comes before this.
            if (ms) await new Promise((done) => requestIdleCallback(done, {timeout: 600}));
        }""",
        [frames, ms],
    )


async def leave(site: SnippetSite, page: Page, until: Callable[[SnippetSite], object] | None = None) -> None:
    """Leave the page; what it has left to say has then arrived, of which the layout shifts are the last but one."""
    await page.goto("about:blank")
    await site.wait_for(until or (lambda site: any(text == "CLS" for *_, text in said(site, VITAL))))


def said(site: SnippetSite, kind: int) -> list[Said]:
    """Return what was said of one kind, in the order of the batches."""
    return [(row["key"], row["v"], row.get("w", 0), row.get("s", "")) for row in site.rows("f") if row["k"] == kind]


def kinds(site: SnippetSite) -> set[int]:
    """Return the kinds that were said, but for what became of clicks and the web vitals, which every page has."""
    return {row["k"] for row in site.rows("f")} - {1, VITAL}
