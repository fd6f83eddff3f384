"""Waits for a Postgres that is not there yet, as services start in any order, and answers browsers meanwhile."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
import msgspec
from aiohttp import web

from collector.errors import StorageError
from collector.wire import DropReason
from heatmap.commands.web import serve

_FIRST_PAUSE_S = 0.25
_LAST_PAUSE_S = 5.0
_SILENCE_S = 0.5  # a Postgres that answers sooner is not worth a word
_RETRY_AFTER_S = 5
_AWAY = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
)
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class _Body(msgspec.Struct):
    error: str
    hint: str


async def reach(attempt: Callable[[], Awaitable[_T]]) -> _T:
    """Return what `attempt` does, tried again and again while Postgres is away.

    Raises:
        StorageError: Postgres is there and refuses, which waiting would not mend.
    """
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            result = await attempt()
        except (StorageError, *_AWAY) as error:
            if not isinstance(error.__cause__ or error, _AWAY):
                raise
            pause_s = min(2 * pause_s, _LAST_PAUSE_S)
            _log.warning("%s; waiting for it, next try in %.1f s", error, pause_s)
        else:
            return result
        await asyncio.sleep(pause_s)


async def reach_while_answering(attempt: Callable[[], Awaitable[_T]], sock: socket.socket) -> _T:
    """Return as `reach` does; where that takes long, requests to `sock` are answered meanwhile.

    `/healthz` says that the process lives, everything else is told to come again.
    """
    task = asyncio.ensure_future(reach(attempt))
    try:
        done, _ = await asyncio.wait({task}, timeout=_SILENCE_S)
        if not done:
            async with serve(build_waiting_app(), sock.dup()):
                await asyncio.wait({task})
        return await task
    finally:
        task.cancel()
        await asyncio.wait({task})


def build_waiting_app() -> web.Application:
    """Return an application that has nothing but its life."""
    app = web.Application()
    app.router.add_get("/healthz", _tell_health)
    app.router.add_route("*", "/{rest:.*}", _refuse)
    return app


async def _tell_health(_request: web.Request) -> web.Response:
    return _close(web.json_response({"status": "ok"}))


async def _refuse(_request: web.Request) -> web.Response:
    reason = DropReason.UNAVAILABLE
    headers = {
        "Access-Control-Allow-Origin": "*",
        "Retry-After": str(_RETRY_AFTER_S),
        "X-Jalki-Drop": reason.value,
    }
    body = msgspec.json.encode(_Body(reason.value, reason.hint))
    return _close(web.Response(status=reason.status, body=body, content_type="application/json", headers=headers))


def _close(answer: web.Response) -> web.Response:
    """Return the answer as the last one of its connection: the next is for who comes after."""
    answer.force_close()
    return answer
