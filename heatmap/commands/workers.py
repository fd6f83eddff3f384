"""Several processes on one port: each has its own listening socket, and the kernel spreads new connections over them.

The parent binds the sockets and serves nothing. It keeps them open while it starts a process anew, so that connections
made in between wait for the new one instead of being refused; the ones a killed process had accepted are lost with it.
"""

import asyncio
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from enum import Enum

from collector.errors import SettingsError
from collector.settings import Settings, dump_settings
from heatmap.commands.keeper import Keeper, Program

_STOP_TIMEOUT_S = 4.5  # a stop takes less than 5 s in all


class Part(Enum):
    """What a process serves."""

    COLLECTOR = "collector"
    DASHBOARD = "dashboard"
    WHOLE = "whole"


@asynccontextmanager
async def running_processes(part: Part, settings: Settings, sock: socket.socket) -> AsyncIterator[None]:
    """Keep `settings.workers` processes serving `part` on the address of `sock` while the block runs.

    Entered once all of them answer. The database's address in `settings` must be set.

    Raises:
        ProcessError: one ended before it was ready.
        SettingsError: processes cannot share a port here.
    """
    sockets = share_port(sock, settings.workers)
    with tempfile.TemporaryDirectory(prefix="jalki-run-", ignore_cleanup_errors=True) as run_dir:
        environ = dump_settings(share_out(settings))
        keepers = [Keeper(_describe(part, number, one, environ, run_dir)) for number, one in enumerate(sockets)]
        async with _kept(keepers, sockets):
            yield


@asynccontextmanager
async def _kept(keepers: Sequence[Keeper], sockets: Sequence[socket.socket]) -> AsyncIterator[None]:
    """Run the keepers while the block runs; entered once each has a process that answers."""
    tasks = [asyncio.create_task(keeper.keep(is_needed=True)) for keeper in keepers]
    try:
        for keeper, task in zip(keepers, tasks, strict=True):
            await _wait_ready(keeper, task)
        yield
    finally:
        for keeper in keepers:
            keeper.stop.set()
        # Before the processes are told: while one of these were open, connections would go on waiting in it.
        for one in sockets:
            one.close()
        await asyncio.gather(*tasks, return_exceptions=True)


def share_port(sock: socket.socket, count: int) -> list[socket.socket]:
    """Return `count` sockets bound to the address of `sock`, which must be bound and not listen.

    Raises:
        SettingsError: this system does not spread connections.
    """
    # Elsewhere SO_REUSEPORT is missing, or gives every connection to the socket that was bound last.
    if not sys.platform.startswith("linux"):
        raise SettingsError(
            f"JALKI_WORKERS is {count}, but only Linux spreads connections over processes that share a port; "
            "leave it at 1, and put several collectors behind a proxy"
        )
    # Only now, so that binding it was refused where another program has the address.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return [_bind_beside(sock) for _ in range(count)]


def share_out(settings: Settings) -> Settings:
    """Return the settings of each process: the batches that a site may send are shared out, as its visitors are.

    What bounds a sender is not, because its connection stays with one process; nor what bounds a process.
    """
    return replace(settings, site_rate=-(-settings.site_rate // settings.workers))


def _bind_beside(sock: socket.socket) -> socket.socket:
    beside = socket.socket(sock.family, sock.type, sock.proto)
    beside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    beside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    beside.bind(sock.getsockname())
    return beside


def _describe(part: Part, number: int, sock: socket.socket, environ: dict[str, str], run_dir: str) -> Program:
    words = ("-m", "heatmap.commands.process", part.value, str(sock.fileno()), str(number), run_dir)
    return Program(f"{part.value} process {number}", words, environ, _STOP_TIMEOUT_S, (sock.fileno(),))


async def _wait_ready(keeper: Keeper, task: "asyncio.Task[None]") -> None:
    ready = asyncio.create_task(keeper.is_ready.wait())
    await asyncio.wait({ready, task}, return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    if task.done():
        task.result()
