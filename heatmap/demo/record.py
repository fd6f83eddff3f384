"""Records anew where real Chromium puts the elements of the sample shop: `python -m heatmap.demo.record`.

A developer's command, for use after a change of the shop or of the snippet's element keys. It runs the real thing, an
embedded Postgres, the collector and the shop, lets the collector ask for layouts as it does everywhere, and reads them
from the `layouts` table.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from aiohttp import web
from playwright.async_api import Browser, Response, async_playwright

from collector import catalog, db, layouts, store
from collector.app import setup_collector
from collector.embedded import start_postgres
from collector.ids import Device, ElementId, PageId, ShardKey, text_id
from collector.settings import Settings
from collector.sites import Site
from collector.wire import PageLayout
from heatmap.demo import DemoPlan, open_demo_site, serve_shop
from heatmap.demo.recording import RECORDING_PATH, RecordedPage, encode_recording
from heatmap.demo.shop import list_paths

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_TIMEOUT_MS = 20_000


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen to record on."""

    device: Device
    width_px: int
    height_px: int

    @property
    def is_coarse(self) -> bool:
        """It is touched."""
        return self.device != Device.DESKTOP


SCREENS = (Screen(Device.DESKTOP, 1440, 900), Screen(Device.TABLET, 820, 1180), Screen(Device.PHONE, 390, 844))


async def record_pages(
    pool: db.Pool, browser: Browser, paths: Sequence[str], screens: Sequence[Screen] = SCREENS
) -> list[RecordedPage]:
    """Return the layouts of these pages of the shop, as the snippet reports them to a collector on `pool`."""
    site = await open_demo_site(pool, datetime.now(UTC))
    async with _collector(pool) as base_url, serve_shop(DemoPlan(base_url, site_port=0), site) as address:
        for screen in screens:
            await _visit(browser, screen, [f"{address}{path}" for path in paths])
    async with pool.acquire() as conn:
        wanted = [(path, screen) for path in paths for screen in screens]
        return [await _load_page(conn, site, path, screen) for path, screen in wanted]


@asynccontextmanager
async def _collector(pool: db.Pool) -> AsyncIterator[str]:
    today = datetime.now(UTC).date()
    async with pool.acquire() as conn:
        await store.ensure_partitions(conn, today, today + timedelta(days=1))
    app = web.Application()
    setup_collector(app, Settings(), pool)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _visit(browser: Browser, screen: Screen, urls: Sequence[str]) -> None:
    context = await browser.new_context(
        viewport={"width": screen.width_px, "height": screen.height_px},
        has_touch=screen.is_coarse,
        is_mobile=screen.is_coarse,
        reduced_motion="reduce",
    )
    # Bodies that the snippet has packed cannot be read below.
    await context.add_init_script("delete window.CompressionStream")
    try:
        page = await context.new_page()
        for url in urls:
            async with page.expect_event("response", _brings_layout, timeout=_TIMEOUT_MS):
                await page.goto(url)
    finally:
        await context.close()


def _brings_layout(response: Response) -> bool:
    """Return whether this answer acknowledges a layout."""
    return response.url.endswith("/v1/events") and '"l":{' in (response.request.post_data or "") and response.ok


async def _load_page(conn: db.Conn, site: Site, path: str, screen: Screen) -> RecordedPage:
    found = await layouts.load_layouts(conn, site.shard_keys, PageId(text_id(path)))
    layout = next(item for item in found if item.device == screen.device)
    elements = await _load_elements(conn, site.shard_keys, [*layout.element_ids.tolist(), *layout.section_ids.tolist()])
    known = _Steps(elements)
    boxes = (layout.section_x_px, layout.section_y_px, layout.section_w_px, layout.section_h_px)
    columns = (*boxes, layout.section_words, layout.section_images)
    sections = zip(
        layout.section_ids.tolist(), *(column.tolist() for column in columns), layout.section_titles, strict=True
    )
    wire = PageLayout(
        title=layout.title,
        elements=[known.place(ElementId(one)) for one in layout.element_ids.tolist()],
        x_px=layout.x_px.tolist(),
        y_px=layout.y_px.tolist(),
        w_px=layout.w_px.tolist(),
        h_px=layout.h_px.tolist(),
        roles=layout.roles.tolist(),
        labels=list(layout.labels),
        sections=[(known.place(ElementId(section[0])), *section[1:]) for section in sections],
    )
    geometry = (layout.viewport_w_px, layout.viewport_h_px, layout.doc_w_px, layout.doc_h_px)
    return RecordedPage(path, screen.device, int(screen.is_coarse), geometry, known.steps, wire)


async def _load_elements(
    conn: db.Conn, keys: Sequence[ShardKey], ids: Sequence[int]
) -> dict[ElementId, catalog.Element]:
    """Return these elements and all their ancestors."""
    elements: dict[ElementId, catalog.Element] = {}
    missing: set[int] = set(ids)
    while missing:
        elements |= await catalog.load_elements(conn, keys, sorted(missing))
        missing = {int(item.parent_id) for item in elements.values() if item.parent_id} - set(elements)
    return elements


class _Steps:
    """The dictionary of one page, ancestors first."""

    def __init__(self, elements: dict[ElementId, catalog.Element]) -> None:
        self._elements = elements
        self._places: dict[ElementId, int] = {}
        self.steps: list[tuple[int, str]] = []

    def place(self, element_id: ElementId) -> int:
        """Return the place of an element in the dictionary."""
        if element_id not in self._places:
            element = self._elements[element_id]
            parent, step = -1, element.key
            if element.parent_id is not None:
                parent = self.place(element.parent_id)
                step = element.key.removeprefix(f"{self._elements[element.parent_id].key}>")
            self._places[element_id] = len(self.steps)
            self.steps.append((parent, step))
        return self._places[element_id]


@click.command()
@click.option("--browser", "browser_path", type=click.Path(exists=True), help="Chromium to use; else the one on PATH.")
def main(browser_path: str | None) -> None:
    """Write heatmap/demo/recording.json anew."""
    path = browser_path or next(filter(None, map(shutil.which, _BROWSERS)), None)
    pages = asyncio.run(_record_all(path))
    RECORDING_PATH.write_bytes(encode_recording(pages))
    click.echo(f"{len(pages)} layouts in {RECORDING_PATH}")


async def _record_all(browser_path: str | None) -> list[RecordedPage]:
    with tempfile.TemporaryDirectory(prefix="jalki-record-") as name:
        folder = Path(name)
        await asyncio.to_thread(folder.chmod, 0o755)  # as root, Postgres runs as another user
        server = await start_postgres(folder)
        try:
            await db.migrate(server.url)
            pool = await db.open_pool(server.url)
            try:
                async with async_playwright() as playwright:
                    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
                    browser = await playwright.chromium.launch(executable_path=browser_path, args=options)
                    return await record_pages(pool, browser, list_paths())
            finally:
                await pool.close()
        finally:
            await server.stop()


if __name__ == "__main__":
    main()
