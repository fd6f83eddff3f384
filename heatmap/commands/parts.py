"""`jalki collector | dashboard | worker | migrate`: the parts of the service apart."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
from aiohttp import web

from collector import db
from collector.app import setup_collector
from collector.settings import Settings
from heatmap.commands.place import base_url, close_pool, open_place, settings_options
from heatmap.commands.running import log_to_stderr, run, run_until_stopped
from heatmap.commands.service import open_service_pool
from heatmap.commands.terminal import command, json_option, print_answer
from heatmap.commands.web import bind_socket, bound_settings, serve, wait_answering
from heatmap.dashboard import setup_dashboard
from heatmap.worker import run_worker

_Setup = Callable[[web.Application, Settings, db.Pool], None]
_WORKER_POOL_SIZE = 4


class Listening(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part that is at work, and where it answers."""

    part: str
    url: str = ""


class Migrated(msgspec.Struct, frozen=True):
    """What `migrate` did."""

    applied: list[str]


@command("collector", example="jalki collector --database-url postgresql://jalki@db/jalki --host 0.0.0.0")
@settings_options(listens=True)
@json_option
def collector(settings: Settings, *, as_json: bool) -> None:
    """Run the part that receives what browsers send."""
    log_to_stderr()
    run_until_stopped(_serve_part("collector", settings, setup_collector, "/readyz", as_json=as_json))


@command("dashboard", example="jalki dashboard --database-url postgresql://jalki@db/jalki --port 8101")
@settings_options(listens=True)
@json_option
def dashboard(settings: Settings, *, as_json: bool) -> None:
    """Run the part that people look at: pages, images and the API."""
    log_to_stderr()
    run_until_stopped(_serve_part("dashboard", settings, setup_dashboard, "/sign-in", as_json=as_json))


@command("worker", example="jalki worker --database-url postgresql://jalki@db/jalki")
@settings_options()
@json_option
def worker(settings: Settings, *, as_json: bool) -> None:
    """Run the part that turns facts into figures; any number of them may run at once."""
    log_to_stderr()
    run_until_stopped(_work(settings, as_json=as_json))


@command("migrate", example="jalki migrate --database-url postgresql://jalki@db/jalki")
@settings_options()
@json_option
def migrate(settings: Settings, *, as_json: bool) -> None:
    """Bring the schema to this version; safe to repeat, and beside another one."""
    applied = run(_migrate(settings))
    text = "\n".join(f"applied {name}" for name in applied) or "the schema is up to date"
    print_answer(Migrated(applied), text, as_json=as_json)


async def _serve_part(name: str, settings: Settings, setup: _Setup, probe: str, *, as_json: bool) -> None:
    async with AsyncExitStack() as stack:
        sock = stack.enter_context(bind_socket(settings.host, settings.port))
        settings = bound_settings(settings, sock)
        place = await stack.enter_async_context(open_place(settings))
        pool = await open_service_pool(stack, place.database_url)
        app = web.Application(client_max_size=settings.body_max_bytes)
        setup(app, settings, pool)
        await stack.enter_async_context(serve(app, sock))
        await wait_answering(sock, probe)
        address = base_url(settings)
        print_answer(Listening(name, address), f"jalki {name} ready: {address}", as_json=as_json)
        await asyncio.Event().wait()


async def _work(settings: Settings, *, as_json: bool) -> None:
    async with open_place(settings) as place, _worker_pool(place.database_url) as pool:
        print_answer(Listening("worker"), "jalki worker ready", as_json=as_json)
        stop = asyncio.Event()
        work = asyncio.create_task(run_worker(pool, settings, stop))
        try:
            await asyncio.shield(work)
        finally:
            # What it has begun is finished first.
            stop.set()
            await work


@asynccontextmanager
async def _worker_pool(url: str) -> AsyncIterator[db.Pool]:
    pool = await db.open_pool(url, size=_WORKER_POOL_SIZE, command_timeout=300.0, application="jalki worker")
    try:
        yield pool
    finally:
        await close_pool(pool)


async def _migrate(settings: Settings) -> list[str]:
    if settings.database_url:
        return await db.migrate(settings.database_url)
    async with open_place(settings) as place:
        return list(place.applied)
