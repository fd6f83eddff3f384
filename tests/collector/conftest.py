"""A collector on a loopback port, with a clock that a test can turn."""

import asyncio
import datetime
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import asyncpg
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from wire_batches import NOW, encode, stored_site

from collector.app import KEEPALIVE_TIMEOUT_S, Clocks, build_app
from collector.db import Pool, open_pool
from collector.lane import LaneRunner
from collector.settings import Settings
from collector.sites import Site
from collector.snippet import Bundles


@dataclass(slots=True)
class TurnableClock:
    """Gives the instant that a test has set."""

    now: datetime.datetime = NOW
    turned_s: float = field(default=0.0)

    def turn(self, **delta: float) -> None:
        step = datetime.timedelta(**delta)
        self.now += step
        self.turned_s += step.total_seconds()

    def clocks(self) -> Clocks:
        return Clocks(lambda: self.now, lambda: 1_000.0 + self.turned_s)


@dataclass(slots=True)
class Collector:
    """A running collector and what it stores into."""

    client: TestClient
    pool: Pool
    site: Site
    clock: TurnableClock

    async def post(self, body: dict | bytes, **headers: str):
        """Send a batch as the snippet does and return the answer."""
        data = encode(body) if isinstance(body, dict) else body
        sent = {"Content-Type": "text/plain;charset=UTF-8"} | {
            name.replace("_", "-"): text for name, text in headers.items()
        }
        return await self.client.post("/v1/events", data=data, headers=sent)

    async def count(self, table: str) -> int:
        return await self.pool.fetchval(f"select count(*) from {table}")


@pytest_asyncio.fixture(scope="session")
async def collectors_url(postgres) -> str:
    """The address of the one database of all tests that start a collector: to create one takes a third of a second."""
    control = await asyncpg.connect(postgres.database_url("postgres"))
    await control.execute("create database test_collectors template template_jalki")
    await control.close()
    return postgres.database_url("test_collectors")


@pytest_asyncio.fixture
async def emptied_pool(collectors_url) -> AsyncIterator[Pool]:
    """A pool on that database, every table of which is empty."""
    pool = await open_pool(collectors_url)
    # In the order of their names: api_tokens go before the sites that they refer to.
    tables = await pool.fetch(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
        " and not relispartition and relname <> 'schema_migrations' order by relname"
    )
    await pool.execute("; ".join(f"delete from {table[0]}" for table in tables))
    await pool.execute("alter sequence sites_site_id_seq restart")
    yield pool
    await asyncio.wait_for(pool.close(), 10)


class LaneTestServer(TestServer):
    """A server whose connections are the product's."""

    async def _make_runner(self, **kwargs: object) -> LaneRunner:
        return LaneRunner(self.app, shutdown_timeout=1.5, **kwargs)


@pytest_asyncio.fixture
async def start_collector(emptied_pool) -> AsyncIterator:
    """Start a collector with settings of the test's choice; it is stopped in the end."""
    pool = emptied_pool
    clients: list[TestClient] = []

    async def start(
        keepalive_s: float = KEEPALIVE_TIMEOUT_S, bundles: Bundles | None = None, **changes: object
    ) -> Collector:
        clock = TurnableClock()
        async with pool.acquire() as conn:
            site = await stored_site(conn)
        settings = replace(Settings(), **{"spool_max_bytes": 0} | changes)
        app = build_app(settings, pool, clock.clocks(), bundles)
        server = LaneTestServer(app)
        await server.start_server(auto_decompress=False, keepalive_timeout=keepalive_s, access_log=None)
        client = TestClient(server, auto_decompress=False)
        clients.append(client)
        return Collector(client, pool, site, clock)

    yield start
    await asyncio.gather(*(client.close() for client in clients))


@pytest_asyncio.fixture
async def collector(start_collector) -> Collector:
    """A collector with the default settings."""
    return await start_collector()
