"""One listening socket and the aiohttp application behind it."""

import asyncio
import errno
import gc
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
from aiohttp import web

from collector.app import KEEPALIVE_TIMEOUT_S
from collector.errors import AddressError, StorageError
from collector.lane import LaneRunner
from collector.settings import Settings
from heatmap.commands.stopping import Ending

_BACKLOG = 1024
_DRAIN_S = 1.0  # longest wait at the end for requests that are being answered, and again for those that were cut off
_READY_TIMEOUT_S = 60.0
_READY_PAUSE_S = 0.02
_COLLECT_AFTER = (
    50_000  # allocations between two looks for cyclic garbage; the default of 2,000 costs a third of the CPU
)
MAX_TARGET_BYTES = 65_536
"""Longest target of a request: a page of 1,024 characters takes 12,288 bytes in a URL, more than aiohttp's own limit of
8,190; and what is longer than it may be is told so by the handler, which knows how its errors look."""
_REASONS = {
    errno.EADDRINUSE: "it is in use; stop the other program, or choose another with --port",
    errno.EACCES: "this user may not; choose a port above 1023 with --port",
    errno.EADDRNOTAVAIL: "the address is not of this machine; choose another with --host",
}


def bind_socket(host: str, port: int) -> socket.socket:
    """Return a socket that holds the address; browsers are refused until it is served.

    Raises:
        AddressError: the address is taken, forbidden or not of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise AddressError(f"cannot listen on {host}: {error.strerror}") from error
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise _address_error(host, port, error) from error
    return sock


def bound_settings(settings: Settings, sock: socket.socket) -> Settings:
    """Return the settings with the port that the socket really has."""
    return replace(settings, port=sock.getsockname()[1])


@asynccontextmanager
async def serve(app: web.Application, sock: socket.socket) -> AsyncIterator[None]:
    """Answer requests on `sock`; at the end stop accepting, answer what was accepted, and close the application.

    Raises:
        AddressError: another program listens on the address since it was bound.
    """
    ending = Ending()
    app.on_response_prepare.append(ending.mark)
    runner = LaneRunner(
        app,
        access_log=None,
        shutdown_timeout=_DRAIN_S,
        keepalive_timeout=KEEPALIVE_TIMEOUT_S,
        max_line_size=MAX_TARGET_BYTES,
        auto_decompress=False,  # the collector unpacks bodies itself, with a cap
    )
    try:
        await runner.setup()
        # What start-up made lives as long as the process: the collector of garbage need not walk it again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER, 20, 100)
        host, port = sock.getsockname()[:2]
        try:
            await web.SockSite(runner, sock, backlog=_BACKLOG).start()
        except OSError as error:
            raise _address_error(host, port, error) from error
        yield
    finally:
        if runner.server is not None:
            await ending.announce(runner.server, sock)
        await runner.cleanup()
        sock.close()


async def wait_answering(sock: socket.socket, path: str) -> None:
    """Return once a request to `path` on the socket is answered with 200.

    Raises:
        StorageError: it is not within a minute; names the last answer.
    """
    url = _local_url(sock.getsockname()[0], sock.getsockname()[1], path)
    deadline = time.monotonic() + _READY_TIMEOUT_S
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        while True:
            said = await _answer(session, url)
            if said is None:
                return
            if time.monotonic() > deadline:
                raise StorageError(f"{path} is not answered with 200 after {_READY_TIMEOUT_S:.0f} s: {said}")
            await asyncio.sleep(_READY_PAUSE_S)


async def is_answering(host: str, port: int, path: str) -> bool:
    """Return whether a request is answered with 200."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        return await _answer(session, _local_url(host, port, path)) is None


def _local_url(host: str, port: int, path: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared only
    return f"http://[{host}]:{port}{path}" if ":" in host else f"http://{host}:{port}{path}"


async def _answer(session: aiohttp.ClientSession, url: str) -> str | None:
    try:
        async with session.get(url) as response:
            return None if response.status == 200 else f"{response.status} {(await response.text())[:200]}"
    except (aiohttp.ClientError, TimeoutError) as error:
        return str(error) or type(error).__name__


def _address_error(host: str, port: int, error: OSError) -> AddressError:
    return AddressError(f"cannot listen on {host}:{port}: {_REASONS.get(error.errno or 0, error.strerror)}")
