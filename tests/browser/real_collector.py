"""A real collector on another origin than the pages, which serves what the sources of the snippet make."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from snippet_site import SITE_KEY, built_folder

from collector.app import build_app
from collector.db import Pool
from collector.settings import Settings
from collector.sites import NewSite, Site, add_site
from collector.snippet import Bundles, Module

TIMEOUT_S = 60


@lru_cache
def built_bundles() -> Bundles:
    """Return the snippet and its modules as their sources make them now."""
    folder = built_folder()
    modules = [Module(path.stem, path.read_bytes()) for path in sorted((folder / "modules").glob("*.js"))]
    return Bundles((folder / "snippet.js").read_text(), modules=modules)


@dataclass(frozen=True)
class Asked:
    """One request and how it was answered."""

    method: str
    path: str
    """With the query."""
    content_type: str
    status: int
    answer: dict[str, str]
    """Headers of the answer."""


@dataclass
class RealCollector:
    """A collector on another origin than the pages, and what it was asked."""

    site: Site
    pool: Pool
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def wait_for(self, condition: Callable[[], object]) -> None:
        """Return as soon as the condition holds."""
        async with self.changed, asyncio.timeout(TIMEOUT_S):
            await self.changed.wait_for(condition)

    @property
    def reports(self) -> list[Asked]:
        """The batches that were posted."""
        return [one for one in self.asked if one.path.startswith("/v1/")]

    @property
    def modules(self) -> dict[str, int]:
        """The status of each module that was asked for, by its name."""
        prefix = "/s/m/"
        named = [one for one in self.asked if one.path.startswith(prefix)]
        return {one.path.removeprefix(prefix).partition(".")[0]: one.status for one in named}


@asynccontextmanager
async def real_collector(pool: Pool, **site: Any) -> AsyncIterator[RealCollector]:
    """Run one with a site of these properties, whose key is `SITE_KEY`."""
    async with pool.acquire() as conn:
        real = RealCollector(await add_site(conn, NewSite(name="Shop", **site), SITE_KEY, datetime.now(UTC)), pool)

    @web.middleware
    async def note(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        answer = await handler(request)
        async with real.changed:
            content_type = request.headers.get("Content-Type", "")
            real.asked.append(Asked(request.method, request.path_qs, content_type, answer.status, dict(answer.headers)))
            real.changed.notify_all()
        return answer

    app = build_app(Settings(spool_max_bytes=0), pool, bundles=built_bundles())
    app.middlewares.append(note)
    server = TestServer(app)
    await server.start_server(auto_decompress=False)
    real.url = f"http://127.0.0.1:{server.port}"
    try:
        yield real
    finally:
        await server.close()
