"""The collector as an aiohttp application, or as part of one: routes, and what lives as long as the process does."""

import asyncio
import contextlib
import datetime
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass

import msgspec
from aiohttp import web

from collector.buffer import CLOSE_TIMEOUT_S, Buffer, Keeping
from collector.bundles import load_bundles
from collector.catalog import Dictionaries
from collector.datacentres import load_ranges
from collector.db import POSTGRES_ERRORS, Pool
from collector.errors import StorageError
from collector.handlers import Handlers
from collector.intake import Intake, Limits, Memory
from collector.lane import LANE, Lane
from collector.layouts import LayoutAges
from collector.limits import TokenBuckets
from collector.metrics import Gauges, Metrics
from collector.privacy import SaltBook
from collector.probes import Probes
from collector.settings import Settings
from collector.sites import REFRESH_S, SiteDirectory
from collector.snippet import Bundles, ModuleShelf, ScriptShelf
from collector.spool import name_database, open_spool
from collector.standby import Standby, StandbyTools
from collector.store import FlushIds, load_writer

_log = logging.getLogger(__name__)

KEEPALIVE_TIMEOUT_S = 75.0
"""Connections whose next request's headers are not complete by then are closed; aiohttp's own default is an hour, and
each costs 5 to 11 KB."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """The readings that decide: the instant of receipt, and seconds that never go back."""

    now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC)
    monotonic: Callable[[], float] = time.monotonic


def build_app(
    settings: Settings, pool: Pool, clocks: Clocks | None = None, bundles: Bundles | None = None
) -> web.Application:
    """Return an application that is the collector alone."""
    app = web.Application(client_max_size=settings.body_max_bytes)
    setup_collector(app, settings, pool, clocks, bundles=bundles)
    return app


def setup_collector(
    app: web.Application,
    settings: Settings,
    pool: Pool,
    clocks: Clocks | None = None,
    metrics: Metrics | None = None,
    bundles: Bundles | None = None,
) -> None:
    """Add the collector's routes to `app`, and its tasks to the life of `app`.

    When `app` ends, what was accepted is stored before the tasks end. The pool stays the caller's, and open until then.
    `metrics` is given where several processes count together, `bundles` where the served scripts are not the package's.
    """
    clocks, metrics, bundles = clocks or Clocks(), metrics or Metrics(), bundles or load_bundles()
    house = _build_house(settings, pool, clocks, metrics)
    proxies = settings.proxy_networks()
    scripts, modules = ScriptShelf(bundles), ModuleShelf(bundles.modules)
    _add_routes(app, Handlers(settings, proxies, house.intake, house.memory.sites, scripts, modules, metrics))
    _add_probes(app, Probes(settings, pool, metrics))
    app[LANE] = lane = Lane(house.intake, metrics, settings, proxies)
    metrics.watch(lambda: _read_gauges(house, lane))

    async def live(_app: web.Application) -> AsyncIterator[None]:
        house.open_spool()
        await _learn(pool, house.memory, clocks)
        async with pool.acquire(timeout=REFRESH_S) as conn:
            house.ids.writer = await load_writer(conn)
        async with _running(_keep_fresh(pool, house.memory, clocks)), _running(metrics.keep()), _storing(house):
            yield

    async def hurry(_app: web.Application) -> None:
        house.buffer.hurry()

    app.cleanup_ctx.append(live)
    app.on_shutdown.append(hurry)


@dataclass(slots=True)
class _House:
    """The parts of one collector; the spool is there once it runs."""

    settings: Settings
    ids: FlushIds
    memory: Memory
    standby: Standby
    buffer: Buffer
    intake: Intake

    def open_spool(self) -> None:
        if self.settings.spool_max_bytes:
            self.standby.spool = open_spool(
                self.settings.spool_path(), self.settings.spool_max_bytes, database=name_database(self.settings)
            )


def _build_house(settings: Settings, pool: Pool, clocks: Clocks, metrics: Metrics) -> _House:
    memory = Memory(
        SiteDirectory(pool, clocks.monotonic),
        SaltBook(pool, os.urandom),
        LayoutAges(datetime.timedelta(hours=settings.layout_hours)),
        load_ranges(settings.datacentre_ranges),
    )
    ids = FlushIds(lambda: int(clocks.now().timestamp() * 1000))
    tools = StandbyTools(pool, ids, Dictionaries(), clocks.now)
    standby = Standby(tools)
    buffer = Buffer(Keeping(tools, standby, metrics), settings)
    limits = Limits(
        sites=TokenBuckets(settings.site_rate),
        networks=TokenBuckets(settings.address_rate),
        visitors=TokenBuckets(settings.visitor_rate),
        late_hours=settings.late_hours,
        monotonic=clocks.monotonic,
    )
    return _House(settings, ids, memory, standby, buffer, Intake(memory, buffer, limits, clocks.now))


def _read_gauges(house: _House, lane: Lane) -> Gauges:
    spool = house.standby.spool
    gauges = Gauges(
        state=house.buffer.state,
        queue_batches=house.buffer.held,
        connections=lane.open_connections,
        has_spool=spool is not None,
    )
    if spool is None:
        return gauges
    age = datetime.datetime.now(datetime.UTC) - spool.oldest_at if spool.oldest_at else datetime.timedelta()
    return msgspec.structs.replace(
        gauges,
        spool_records=spool.depth,
        spool_bytes=spool.size_bytes,
        spool_age_s=age.total_seconds(),
        spool_damaged=spool.damaged_frames,
    )


def _add_routes(app: web.Application, handlers: Handlers) -> None:
    for path in ("/v1/events", "/v1/events/{key}"):
        app.router.add_post(path, handlers.collect)
        app.router.add_options(path, handlers.preflight)
        # Answered here, as in one application with the dashboard they would be led to its sign-in page.
        app.router.add_route("*", path, handlers.refuse_method)
    app.router.add_route("*", "/v1/{rest:.*}", handlers.refuse_address)
    app.router.add_get("/s/m/{address:.*}.js", handlers.serve_module)
    # In one folder with the present one, so that a pinned script, too, finds the collector at ../v1/events.
    app.router.add_get("/s/{key:[^./]+}.{version:[0-9a-f]+}.js", handlers.serve_pinned)
    app.router.add_get("/s/{key}.js", handlers.serve_script)


def _add_probes(app: web.Application, probes: Probes) -> None:
    app.router.add_get("/healthz", probes.tell_health)
    app.router.add_get("/readyz", probes.tell_readiness)
    app.router.add_get("/metrics", probes.tell_metrics)


async def _learn(pool: Pool, memory: Memory, clocks: Clocks) -> None:
    """Load the sites, which of their layouts are stored, and the salts of the days that begin or end soon somewhere."""
    await memory.sites.refresh()
    today = clocks.now().date()
    for days in (-1, 0, 1):
        # Tomorrow's is wanted before its first batch comes: Postgres may be away by then.
        await memory.salts.salt_of(today + datetime.timedelta(days=days))
    keys = [key for site in memory.sites.sites for key in site.shard_keys]
    async with pool.acquire(timeout=REFRESH_S) as conn:
        await memory.layouts.load(conn, keys, clocks.now())


async def _keep_fresh(pool: Pool, memory: Memory, clocks: Clocks) -> None:
    """Learn anew every `REFRESH_S`; while Postgres is away what was known before remains."""
    while True:
        await asyncio.sleep(REFRESH_S)
        try:
            await _learn(pool, memory, clocks)
        except (StorageError, *POSTGRES_ERRORS) as error:
            _log.warning("sites and layouts could not be loaded anew: %s", type(error).__name__)


@contextlib.asynccontextmanager
async def _running(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def _storing(house: _House) -> AsyncIterator[None]:
    """Run the buffer; at the end let it store what waits, and close the spool."""
    task = asyncio.ensure_future(house.buffer.run())
    try:
        yield
    finally:
        house.buffer.close()
        _, pending = await asyncio.wait([task], timeout=CLOSE_TIMEOUT_S)
        if pending:
            _log.error("%d batches could not be stored before the end; none was acknowledged", house.buffer.held)
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if house.standby.spool is not None:
            await house.standby.spool.close()
