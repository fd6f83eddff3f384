"""A collector and a dashboard on one loopback port, as `jalki up` serves them, for tests over HTTP and in browsers."""

import itertools
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from collector import accounts, store
from collector.app import setup_collector
from collector.db import Pool
from collector.importer import import_recording
from collector.settings import Settings
from collector.sites import NewSite, Site, add_site
from heatmap.commands.web import MAX_TARGET_BYTES
from heatmap.dashboard import setup_dashboard
from heatmap.rollup import advance

SAMPLE = json.loads((Path(__file__).parent / "contract" / "view-with-clicks.json").read_text())
HOSTILE = "<script>document.title='ran'</script>"
_numbers = itertools.count(1)


@dataclass(slots=True)
class House:
    """A running service; `url` has no trailing slash, `http` is a client with a cookie jar of its own."""

    url: str
    pool: Pool
    http: aiohttp.ClientSession

    async def add_site(self, name: str = "Savi & Lehti", **changes: object) -> Site:
        """Store a site."""
        async with self.pool.acquire() as conn:
            key = f"houseKey{next(_numbers):04}"
            return await add_site(conn, NewSite(name=name, **changes), key, datetime.now(UTC))

    async def sign_in_url(self) -> str:
        """Return a fresh one-time link."""
        async with self.pool.acquire() as conn:
            token = await accounts.create_sign_in_link(conn, secrets.token_bytes(32), datetime.now(UTC))
        return f"{self.url}/sign-in?token={token}"

    async def sign_in(self) -> None:
        """Sign the client in, as the form does."""
        token = (await self.sign_in_url()).partition("token=")[2]
        async with self.http.post(f"{self.url}/sign-in", data={"token": token}, headers={"Origin": self.url}) as answer:
            assert answer.status == 200, await answer.text()

    async def add_token(self, site: Site, scope: str) -> dict[str, str]:
        """Return the header of a new API token."""
        async with self.pool.acquire() as conn:
            _, secret = await accounts.add_api_token(
                conn, site.site_id, accounts.Scope(scope), secrets.token_bytes(32), datetime.now(UTC)
            )
        return {"Authorization": f"Bearer {secret}"}

    async def send_view(self, site: Site, user_agent: str = "Mozilla/5.0", **changes: object) -> None:
        """Store a view through the decoder, as an import of what a browser sent, and roll it up."""
        batch = make_view(site, **changes)
        line = json.dumps({"at": batch["t"], "ip": "192.0.2.7", "ua": user_agent, "body": batch})
        result = await import_recording(self.pool, site, [line.encode()])
        assert result.stored == 1, result
        await self.settle()

    async def settle(self) -> None:
        """Roll up everything that is stored."""
        async with self.pool.acquire() as conn:
            while pending := await store.load_pending_shards(conn):
                for shard_key in pending:
                    await advance(conn, shard_key, datetime.now(UTC))


@asynccontextmanager
async def running_house(pool: Pool) -> AsyncIterator[House]:
    """Yield the service on a free loopback port."""
    today = datetime.now(UTC).date()
    async with pool.acquire() as conn:
        await store.ensure_partitions(conn, today - timedelta(days=1), today + timedelta(days=1))
    app = web.Application(client_max_size=65_536)
    setup_collector(app, Settings(spool_max_bytes=0), pool)
    setup_dashboard(app, Settings(), pool)
    server = TestServer(app)
    await server.start_server(auto_decompress=False, access_log=None, max_line_size=MAX_TARGET_BYTES)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        try:
            yield House(str(server.make_url("")).rstrip("/"), pool, http)
        finally:
            await server.close()


def make_view(site: Site, *, path: str = "/product/teapot", label: str = "Buy", with_layout: bool = True) -> dict:
    """Return a batch of a view of its own that began a moment ago: two clicks, one on `#buy`, and the page's layout."""
    now_ms, number = int(datetime.now(UTC).timestamp() * 1000), next(_numbers)
    batch = json.loads(json.dumps(SAMPLE)) | {"b": secrets.token_hex(16), "k": site.key, "t": now_ms}
    batch["w"] |= {"i": f"{number:016x}", "s": now_ms - 12_345, "p": path, "x": 2}
    if with_layout:
        batch["l"] = make_layout(label)
    return batch


def make_layout(label: str) -> dict:
    """Return the layout of the sample's elements, with a label of the test's choice on the button."""
    return {
        "u": f"Teapot {label}",
        "i": [0, 1, 3, 4],
        "x": [930, 0, 200, 200],
        "y": [490, 80, 300, 1180],
        "w": [180, 1440, 600, 640],
        "h": [48, 4000, 40, 96],
        "r": [2, 6, 5, 0],
        "t": [label[:80], "", "About it", ""],
        "s": [[2, 0, 280, 1440, 1200, 240, 2, "About it"]],
    }
