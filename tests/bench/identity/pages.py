"""Pages nobody here wrote, served from npm packages, and what a browser says of the names of their elements.

Used by the benchmark, which compares three ways to name elements, and by the test of the snippet's own.
"""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from playwright.async_api import Browser, Page

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ROOT / "js" / "node_modules"
WIDTHS = (1440, 1100, 390)
"""Two desktop widths and a phone's; names are made at the first."""

NAMINGS = ("jalki", "finder", "path")
CHANGES = ("classes", "insertion", "wrapping", "redesign", "copies", "order", "digits")
"""Ways to change a copy of a page, in `judge.js`; `redesign` is the three before it at once."""

PAGES = (
    "milligram/example.html",
    "spectre.css/docs/elements/typography.html",
    "spectre.css/docs/elements/forms.html",
    "spectre.css/docs/components/cards.html",
    "spectre.css/docs/components/panels.html",
    "spectre.css/docs/experimentals/timelines.html",
    "uikit/tests/article.html",
    "uikit/tests/index.html",
    "uikit/tests/card.html",
    "uikit/tests/table.html",
    "uikit/tests/form.html",
    "jquery-ui-dist/index.html",
    "mithril/examples/todomvc/index.html",
    "ckeditor4/samples/index.html",
    "reveal.js/demo.html",
)


@dataclass(slots=True)
class Counts:
    """Elements whose name led to themselves alone, to another as well, to none."""

    found: int = 0
    wrong: int = 0
    lost: int = 0

    def add(self, other: dict[str, int]) -> None:
        """Add what one page gave."""
        self.found += other["found"]
        self.wrong += other["wrong"]
        self.lost += other["lost"]

    @property
    def total(self) -> int:
        """All elements judged."""
        return self.found + self.wrong + self.lost

    @property
    def found_share(self) -> float:
        """The share found again."""
        return self.found / self.total

    @property
    def wrong_share(self) -> float:
        """The share whose name led to another element."""
        return self.wrong / self.total


@dataclass(slots=True)
class Clock:
    """Time spent on names: of all elements of a page in turn, and of single ones by a view that knows nothing yet."""

    together_ms: float = 0.0
    count: int = 0
    alone_ms: float = 0.0
    few: int = 0

    @property
    def together_us(self) -> float:
        """µs a name, when all elements of a page are named."""
        return self.together_ms * 1000 / self.count

    @property
    def alone_us(self) -> float:
        """µs for the first name of a view."""
        return self.alone_ms * 1000 / self.few


@dataclass(frozen=True, slots=True)
class Judged:
    """A page open in a browser with the judge in it, and which of its elements are judged."""

    page: Page
    seed: int
    chosen: Sequence[int]

    async def judge(self, naming: str, change: str) -> dict[str, int]:
        """Return how many elements are found again after one change of a copy of the page."""
        arguments = [naming, change, self.chosen, self.seed]
        return await self.page.evaluate("([n, c, e, s]) => identity.judge(n, c, e, s)", arguments)

    async def judge_width(self, naming: str, width: int) -> dict[str, int]:
        """Return how many elements keep their names when the window gets another width and the page reacts."""
        names = await self.page.evaluate("([n, e]) => identity.namesNow(n, e)", [naming, self.chosen])
        await self.page.set_viewport_size({"width": width, "height": 900})
        await self.page.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
        counts = await self.page.evaluate("([n, k]) => identity.judgeLive(n, k)", [naming, names])
        await self.page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        return counts

    async def clock(self, naming: str) -> Clock:
        """Return how long names take."""
        found = await self.page.evaluate("([n, e]) => identity.clock(n, e)", [naming, self.chosen])
        return Clock(found["together"], found["count"], found["alone"], found["few"])


def build_judge() -> str:
    """Return the script that judges, bundled with the present keys and @medv/finder; it defines `identity`."""
    command = [
        shutil.which("node") or "node",
        str(PACKAGES / "esbuild" / "bin" / "esbuild"),
        str(Path(__file__).with_name("judge.js")),
        "--bundle",
        "--format=iife",
        "--global-name=identity",
        f"--alias:@jalki/element={ROOT / 'js' / 'src' / 'element.ts'}",
    ]
    environment = os.environ | {"NODE_PATH": str(PACKAGES)}
    built = subprocess.run(command, env=environment, capture_output=True, check=True, text=True, timeout=60)
    return built.stdout.replace("var identity", "window.identity", 1)


@asynccontextmanager
async def serve_pages() -> AsyncIterator[str]:
    """Serve the packages on a free port of the loopback interface."""
    app = web.Application()
    app.router.add_static("/", PACKAGES, follow_symlinks=True)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def judge_pages(browser: Browser, url: str, script: str) -> AsyncIterator[Judged]:
    """Open one page after the other, with motion reduced."""
    context = await browser.new_context(viewport={"width": WIDTHS[0], "height": 900}, reduced_motion="reduce")
    try:
        page = await context.new_page()
        for seed, path in enumerate(PAGES, 1):
            await page.goto(f"{url}/{path}", wait_until="load")
            await page.evaluate(script)
            yield Judged(page, seed, await page.evaluate("identity.sample()"))
    finally:
        await context.close()
