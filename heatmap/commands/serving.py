"""One part of the service, or all of it, on a socket: in this process alone, or as one of several."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web

from collector import db
from collector.app import setup_collector
from collector.metrics import Metrics
from collector.settings import Settings
from heatmap.commands.patience import reach_while_answering
from heatmap.commands.place import SERVICE_POOL_SIZE, open_place, open_service_pool
from heatmap.commands.web import serve
from heatmap.commands.workers import Part

_COLLECTOR_POOL_SIZE = 6  # one stores, one drains the spool, the others look things up; there may be many processes


@asynccontextmanager
async def serving_part(
    part: Part, settings: Settings, sock: socket.socket, metrics: Metrics | None = None
) -> AsyncIterator[None]:
    """Answer requests on `sock` while the block runs; entered once Postgres is there.

    `metrics` is given where several processes count together.
    """
    async with AsyncExitStack() as stack:
        size = _COLLECTOR_POOL_SIZE if part is Part.COLLECTOR else SERVICE_POOL_SIZE
        pool = await reach_while_answering(lambda: _open_pool(stack, settings, size), sock)
        app = web.Application(client_max_size=settings.body_max_bytes)
        if part in {Part.COLLECTOR, Part.WHOLE}:
            setup_collector(app, settings, pool, metrics=metrics)
        if part in {Part.DASHBOARD, Part.WHOLE}:
            # Here, as a collector alone needs no templates and pictures; and the last, as it answers all the rest.
            from heatmap.dashboard import setup_dashboard  # noqa: PLC0415

            setup_dashboard(app, settings, pool)
        await stack.enter_async_context(serve(app, sock))
        yield


async def _open_pool(stack: AsyncExitStack, settings: Settings, size: int) -> db.Pool:
    """Return a pool that `stack` closes; an attempt that fails leaves nothing on it."""
    async with AsyncExitStack() as trial:
        place = await trial.enter_async_context(open_place(settings))
        pool = await open_service_pool(trial, place.database_url, size)
        stack.push_async_exit(trial.pop_all())
    return pool
