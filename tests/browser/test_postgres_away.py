"""A browser keeps using the sample shop while Postgres is away: afterwards every click is on the heatmap, once.

JALKI_TEST_OUTAGE_S makes the outage longer, and then a frozen Postgres is tried besides a stopped one;
JALKI_TEST_SHOTS names a folder for a picture of the heatmap afterwards.
"""

import asyncio
import json
import os
import secrets
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from playwright.async_api import Browser, Page
from running_part import running_part

from collector import accounts, db
from collector.accounts import Scope
from collector.sites import NewSite, add_site
from heatmap.demo.shop import ShopLinks, setup_sample_site

sys.path.insert(0, str(Path(__file__).parents[1] / "chaos"))
from postgres_switch import SwitchedPostgres, switched_postgres

pytestmark = pytest.mark.browser

QUICK_OUTAGE_S = 3.0
OUTAGE_S = float(os.environ.get("JALKI_TEST_OUTAGE_S", QUICK_OUTAGE_S))
ABSENCES = ["stopped", "frozen"] if OUTAGE_S > QUICK_OUTAGE_S else ["stopped"]
SHOTS = os.environ.get("JALKI_TEST_SHOTS", "")
ARRIVAL_TIMEOUT_S = 60 + OUTAGE_S
KEY = "shopKey_01"
PRODUCT = "/shop/routa-teapot"
ROUND = (
    ("/", "#kiln-picture>svg[A wood-fired kiln glowing among birches at dusk]", "/"),
    ("/", "#hero-shop", "/shop"),  # a link: its click is reported by a page that goes away
    ("/shop", "#filter-ceramics", "/shop"),
    ("/shop", "#logo", "/"),
    (PRODUCT, "#more", PRODUCT),
    (PRODUCT, "#more", PRODUCT),
    (PRODUCT, "#add-to-basket", PRODUCT),
    (PRODUCT, "#care>summary[How to care for it]", PRODUCT),
    (PRODUCT, "#nav-basket", "/checkout"),
)
"""What one round clicks: the page, the element's key, which but for its end is a selector, and where that leads."""

Clicks = dict[str, Counter[str]]
"""By page, then by element."""


@dataclass(slots=True)
class Shop:
    """The sample shop in front of a collector, a worker and a dashboard, each a process of its own."""

    url: str
    dashboard_url: str
    collector_url: str
    token: str
    conn_url: str
    site_id: int
    made: Clicks = field(default_factory=dict)

    async def walk(self, page: Page) -> None:
        """Click through the shop once, and note what was clicked."""
        at = ""
        for path, key, leads_to in ROUND:
            if path != at:
                await page.goto(self.url + path)
            await page.click(key.partition("[")[0])
            self.made.setdefault(path, Counter())[key] += 1
            await page.wait_for_url(lambda address, leads_to=leads_to: urlsplit(address).path == leads_to)
            at = leads_to

    async def load_clicks(self) -> Clicks:
        """Return the clicks that the heatmaps of the visited pages show."""
        return {path: await self._load_page(path) for path in self.made}

    async def _load_page(self, path: str) -> Counter[str]:
        address = f"{self.dashboard_url}/api/v1/sites/{self.site_id}/heatmap.json"
        headers = {"Authorization": f"Bearer {self.token}"}
        params = {"page": path, "kind": "click"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(address, params=params) as answer,
        ):
            found = json.loads(await answer.read())
        if answer.status != 200:
            return Counter()
        shown = Counter({element["key"]: element["clicks"] for element in found["elements"]})
        assert shown.total() == found["clicks"]
        return shown

    async def wait_for_made(self) -> Clicks:
        """Return what the heatmaps show once they show as many clicks as were made and nothing waits any more."""
        shown: Clicks = {}
        conn = await asyncpg.connect(self.conn_url)
        try:
            async with asyncio.timeout(ARRIVAL_TIMEOUT_S):
                while _total(shown) < _total(self.made) or await self._is_settling(conn):
                    await asyncio.sleep(0.2)
                    shown = await self.load_clicks()
        except TimeoutError:
            return shown
        finally:
            await conn.close()
        return await self.load_clicks()

    async def _is_settling(self, conn: asyncpg.Connection) -> bool:
        return bool(await conn.fetchval("select exists (select from ledger where not settled)"))


def _total(clicks: Clicks) -> int:
    return sum(page.total() for page in clicks.values())


@pytest.mark.parametrize("absence", ABSENCES)
async def test_nothing_is_missing_from_the_heatmap_after_an_outage(
    chromium: Browser, open_folder: Path, absence: str
) -> None:
    """Clicks made before, during and after are all shown on their elements, and none of them twice."""
    async with switched_postgres(open_folder) as postgres, _open_shop(postgres, open_folder) as shop:
        context = await chromium.new_context(viewport={"width": 1280, "height": 800})
        page = await context.new_page()
        if SHOTS:
            await _leave_layouts(page, shop)
        await shop.walk(page)
        rounds_away = await _walk_without_postgres(shop, page, postgres, absence)
        await shop.walk(page)
        await page.goto(f"{shop.url}/about")

        shown = await shop.wait_for_made()
        await context.close()

        assert rounds_away > 0
        assert shown == shop.made
        await _take_shot(chromium, shop, absence)


async def _walk_without_postgres(shop: Shop, page: Page, postgres: SwitchedPostgres, absence: str) -> int:
    """Use the shop for as long as Postgres is away; return how many rounds that were."""
    rounds, until = 0, time.monotonic() + OUTAGE_S
    try:
        if absence == "frozen":
            postgres.freeze()
        else:
            await postgres.stop()
        while time.monotonic() < until:
            await shop.walk(page)
            rounds += 1
    finally:
        await postgres.restore()
    return rounds


@asynccontextmanager
async def _open_shop(postgres: SwitchedPostgres, folder: Path) -> AsyncIterator[Shop]:
    """Yield the shop on a fresh database; the parts keep their spool below `folder`."""
    url = await postgres.create_database()
    door = socket.create_server(("127.0.0.1", 0))
    shop_url = f"http://127.0.0.1:{door.getsockname()[1]}"
    async with db.connection(url) as conn:
        site = await add_site(conn, NewSite("Shop", origins=(shop_url,)), KEY, datetime.now(UTC))
        _, token = await accounts.add_api_token(
            conn, site.site_id, Scope.READ, secrets.token_bytes(accounts.SECRET_BYTES), datetime.now(UTC)
        )
    async with AsyncExitStack() as stack:
        place = ("--database-url", url)
        environ = {"JALKI_DATA_DIR": str(folder / "collector")}
        parts = await asyncio.gather(
            *(
                stack.enter_async_context(running_part(name, *place, *more, environ=environ))
                for name, more in (("collector", ("--port", "0")), ("dashboard", ("--port", "0")), ("worker", ()))
            )
        )
        app = web.Application()
        setup_sample_site(app, ShopLinks(f"{parts[0].url}/s/{KEY}.js", f"{parts[1].url}/"))
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        await web.SockSite(runner, door).start()
        stack.push_async_callback(runner.cleanup)
        yield Shop(shop_url, parts[1].url, parts[0].url, token, url, site.site_id)


async def _take_shot(browser: Browser, shop: Shop, absence: str) -> None:
    if not SHOTS:
        return
    async with db.connection(shop.conn_url) as conn:
        link = await accounts.create_sign_in_link(conn, secrets.token_bytes(accounts.SECRET_BYTES), datetime.now(UTC))
    context = await browser.new_context(viewport={"width": 1440, "height": 1000})
    page = await context.new_page()
    await page.goto(f"{shop.dashboard_url}/sign-in?token={link}")
    for number, path in enumerate(shop.made):
        await page.goto(f"{shop.dashboard_url}/sites/{shop.site_id}/heatmap?page={path}")
        await page.wait_for_load_state("networkidle")
        await page.screenshot(path=Path(SHOTS) / f"after-{absence}-{number}.png")
    await context.close()


async def _leave_layouts(page: Page, shop: Shop) -> None:
    """Stay on each page until its layout is stored: the first visitors of a page are asked for it."""
    stored = "select exists (select from layouts join pages using (shard_key, page_id) where path = $1)"
    async with db.connection(shop.conn_url) as conn, asyncio.timeout(ARRIVAL_TIMEOUT_S):
        for path in dict.fromkeys(path for path, _, _ in ROUND):
            await page.goto(shop.url + path)
            while not await conn.fetchval(stored, path):  # noqa: ASYNC110  # another process sets no event here
                await asyncio.sleep(0.2)
