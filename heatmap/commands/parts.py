"""`jalki collector | dashboard | worker | migrate`: the parts of the service apart."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

import msgspec

from collector import db
from collector.settings import Settings
from heatmap.commands.patience import reach
from heatmap.commands.place import base_url, close_pool, open_place, settings_options
from heatmap.commands.running import log_to_stderr, run, run_until_stopped
from heatmap.commands.serving import serving_part
from heatmap.commands.terminal import command, json_option, print_answer
from heatmap.commands.web import bind_socket, bound_settings, wait_answering
from heatmap.commands.workers import Part, running_processes
from heatmap.worker import run_worker

_PROBES = {Part.COLLECTOR: "/readyz", Part.DASHBOARD: "/sign-in"}
_WORKER_POOL_SIZE = 4
_WORKER_STOP_S = 1.5


class Listening(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part that is at work, and where it answers."""

    part: str
    url: str = ""


class Migrated(msgspec.Struct, frozen=True):
    """What `migrate` did."""

    applied: list[str]


@command("collector", example="jalki collector --database-url postgresql://jalki@db/jalki --host 0.0.0.0")
@settings_options(listens=True, shares=True)
@json_option
def collector(settings: Settings, *, as_json: bool) -> None:
    """Run the part that receives what browsers send; it waits for a Postgres that is not there yet."""
    log_to_stderr(settings.log_format)
    run_until_stopped(_serve(Part.COLLECTOR, settings, as_json=as_json))


@command("dashboard", example="jalki dashboard --database-url postgresql://jalki@db/jalki --port 8101")
@settings_options(listens=True)
@json_option
def dashboard(settings: Settings, *, as_json: bool) -> None:
    """Run the part that people look at: pages, images and the API."""
    log_to_stderr(settings.log_format)
    run_until_stopped(_serve(Part.DASHBOARD, replace(settings, workers=1), as_json=as_json))


@command("worker", example="jalki worker --database-url postgresql://jalki@db/jalki")
@settings_options()
@json_option
def worker(settings: Settings, *, as_json: bool) -> None:
    """Run the part that turns facts into figures; any number of them may run at once."""
    log_to_stderr(settings.log_format)
    run_until_stopped(_work(settings, as_json=as_json))


@command("migrate", example="jalki migrate --database-url postgresql://jalki@db/jalki")
@settings_options()
@json_option
def migrate(settings: Settings, *, as_json: bool) -> None:
    """Bring the schema to this version; safe to repeat, and beside another one."""
    applied = run(_migrate(settings))
    text = "\n".join(f"applied {name}" for name in applied) or "the schema is up to date"
    print_answer(Migrated(applied), text, as_json=as_json)


async def _serve(part: Part, settings: Settings, *, as_json: bool) -> None:
    async with AsyncExitStack() as stack:
        sock = stack.enter_context(bind_socket(settings.host, settings.port))
        settings = bound_settings(settings, sock)
        if settings.workers > 1:
            settings = replace(settings, database_url=await _find_database(stack, settings))
            await stack.enter_async_context(running_processes(part, settings, sock))
        else:
            await stack.enter_async_context(serving_part(part, settings, sock))
        await wait_answering(sock, _PROBES[part])
        address = base_url(settings)
        print_answer(Listening(part.value, address), f"jalki {part.value} ready: {address}", as_json=as_json)
        await asyncio.Event().wait()


async def _find_database(stack: AsyncExitStack, settings: Settings) -> str:
    """Return the address of a Postgres for several processes; one that is named they wait for by themselves."""
    if settings.database_url:
        return settings.database_url
    return (await stack.enter_async_context(open_place(settings))).database_url


async def _work(settings: Settings, *, as_json: bool) -> None:
    async with AsyncExitStack() as stack:
        pool = await reach(lambda: _open_worker_pool(stack, settings))
        print_answer(Listening("worker"), "jalki worker ready", as_json=as_json)
        stop = asyncio.Event()
        work = asyncio.create_task(run_worker(pool, settings, stop))
        try:
            await asyncio.shield(work)
        finally:
            # What it has begun is finished first; a Postgres that says nothing would also not hear a cancellation.
            stop.set()
            if not (await asyncio.wait({work}, timeout=_WORKER_STOP_S))[0]:
                pool.terminate()
            await work


async def _open_worker_pool(stack: AsyncExitStack, settings: Settings) -> db.Pool:
    """Return a pool that `stack` closes; an attempt that fails leaves nothing on it."""
    async with AsyncExitStack() as trial:
        place = await trial.enter_async_context(open_place(settings))
        pool = await db.open_pool(
            place.database_url, size=_WORKER_POOL_SIZE, command_timeout=300.0, application="jalki worker"
        )
        trial.push_async_callback(close_pool, pool)
        stack.push_async_exit(trial.pop_all())
    return pool


async def _migrate(settings: Settings) -> list[str]:
    if settings.database_url:
        return await db.migrate(settings.database_url)
    async with open_place(settings) as place:
        return list(place.applied)
