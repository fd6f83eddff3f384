"""All parts of jalki as one service: Postgres, schema, partitions, collector and dashboard, worker.

Started in this order and stopped in the opposite one: nothing is accepted any more, what was accepted is committed,
then the worker ends, then Postgres.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from aiohttp import web

from collector import accounts, db
from collector.app import setup_collector
from collector.embedded import EmbeddedPostgres, start_postgres
from collector.errors import EmbeddedError
from collector.settings import Settings
from heatmap.commands.keeper import kept_worker
from heatmap.commands.place import base_url, kept_address, open_service_pool
from heatmap.commands.web import bind_socket, bound_settings, serve, wait_answering
from heatmap.commands.workers import Part, running_processes
from heatmap.dashboard import setup_dashboard


@dataclass(frozen=True, slots=True)
class Service:
    """A running jalki."""

    settings: Settings
    database_url: str
    pool: db.Pool
    postgres: EmbeddedPostgres | None

    @property
    def base_url(self) -> str:
        """Return its address, without a trailing slash."""
        return base_url(self.settings)

    async def sign_in_url(self) -> str:
        """Return a fresh one-time link to the dashboard."""
        async with self.pool.acquire() as conn:
            return await build_sign_in_url(conn, self.base_url)

    async def watch(self) -> None:
        """Wait for ever.

        Raises:
            EmbeddedError: the embedded Postgres ended by itself.
        """
        if self.postgres is None:
            await asyncio.Event().wait()
            return
        await self.postgres.ended()
        logs = self.postgres.cluster.logs
        raise EmbeddedError(f"Postgres ended with {self.postgres.process.returncode}; its log is in {logs}")


@asynccontextmanager
async def running_service(settings: Settings) -> AsyncIterator[Service]:
    """Yield the service once it answers."""
    async with AsyncExitStack() as stack:
        sock = stack.enter_context(bind_socket(settings.host, settings.port))
        settings = bound_settings(settings, sock)
        postgres = await _start_postgres(stack, settings)
        url = postgres.url if postgres else settings.database_url
        await db.migrate(url)
        await stack.enter_async_context(kept_worker(url))
        pool = await open_service_pool(stack, url)
        if settings.workers > 1:
            shared = replace(settings, database_url=url)
            await stack.enter_async_context(running_processes(Part.WHOLE, shared, sock))
        else:
            await stack.enter_async_context(serve(build_app(settings, pool), sock))
        await wait_answering(sock, "/readyz")
        if postgres:
            await stack.enter_async_context(kept_address(settings.data_path(), base_url(settings)))
        yield Service(settings, url, pool, postgres)


def build_app(settings: Settings, pool: db.Pool) -> web.Application:
    """Return collector and dashboard as one application."""
    app = web.Application(client_max_size=settings.body_max_bytes)
    setup_collector(app, settings, pool)
    setup_dashboard(app, settings, pool)
    return app


async def build_sign_in_url(conn: db.Conn, address: str) -> str:
    """Return a one-time link to the dashboard at `address`."""
    token = await accounts.create_sign_in_link(conn, secrets.token_bytes(accounts.SECRET_BYTES), datetime.now(UTC))
    return f"{address}/sign-in?token={token}"


async def _start_postgres(stack: AsyncExitStack, settings: Settings) -> EmbeddedPostgres | None:
    if settings.database_url:
        return None
    postgres = await start_postgres(settings.data_path())
    stack.push_async_callback(postgres.stop)
    return postgres
