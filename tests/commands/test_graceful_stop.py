"""SIGTERM and SIGINT: what was accepted is answered and stored, whatever clients and Postgres do, in a few seconds."""

import asyncio
import contextlib
import json
import resource
import signal
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from dashboard_house import make_view
from database_line import database_line
from processes import TIMEOUT_S, UNLIMITED, Running, ready

from collector.db import Pool
from collector.sites import NewSite, Site, add_site
from heatmap.commands.running import raise_file_limit
from heatmap.commands.web import bind_socket, serve

SENDERS = 32
ENOUGH = 300
CONNECTIONS = 1_000
TOO_LONG_S = 9  # before Compose kills what it stops; two are usual
COLLECTOR = ("collector", "--port", "0", "--database-url")


@dataclass(slots=True)
class Sent:
    """What became of the batches that were sent."""

    acknowledged: list[str] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    unanswered: int = 0
    is_busy: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Line:
    """A connection to a service."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, view: dict) -> None:
        """Send a batch; small as it is, it is in the kernel's hands at once."""
        body = json.dumps(view).encode()
        head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)

    async def status(self) -> int:
        """Return the status of the next answer."""
        async with asyncio.timeout(TIMEOUT_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
        return int(head.split()[1])


async def test_what_was_acknowledged_is_stored(postgres_url: str, pool: Pool) -> None:
    """Two processes, stopped under load as by Ctrl-C, end with 0, and every batch that got a 204 is in the database."""
    site, sent = await _add_site(pool), Sent()
    async with ready(*COLLECTOR, postgres_url, "--workers", "2", environ=UNLIMITED) as service:
        senders = [asyncio.create_task(_send_on(service.url, site, sent)) for _ in range(SENDERS)]
        await sent.is_busy.wait()
        code = await _timed_stop(service, signal.SIGINT)
        await asyncio.gather(*senders)

    print(f"{len(sent.acknowledged)} acknowledged, refused {sent.refused}, {sent.unanswered} without an answer")
    assert code == 0
    assert set(sent.acknowledged) <= await _stored(pool)


@pytest.mark.parametrize("is_silent", [True, False], ids=["silent", "gone"])
async def test_whoever_waits_for_postgres_gets_an_answer(
    postgres_url: str, pool: Pool, tmp_path: Path, *, is_silent: bool
) -> None:
    """A stop answers each open request with 204 or 503, and what got a 204 is stored once Postgres is back."""
    site = await _add_site(pool)
    environ = UNLIMITED | {"JALKI_DATA_DIR": str(tmp_path)}
    async with database_line(postgres_url) as database:
        await database.mend()
        async with ready(*COLLECTOR, database.url, environ=environ) as service, _lines(service, SENDERS) as lines:
            lines[0].send(make_view(site))
            assert await lines[0].status() == 204
            await (_hold(database) if is_silent else database.cut())
            views = [make_view(site) for _ in lines]
            for line, view in zip(lines, views, strict=True):
                line.send(view)
            if is_silent:
                await database.is_asked.wait()
            code = await _timed_stop(service)
            statuses = [await line.status() for line in lines]
        kept = {view["b"] for view, status in zip(views, statuses, strict=True) if status == 204}
        await database.mend()
        if is_silent:  # both ways it waits in the same spool
            async with ready(*COLLECTOR, database.url, environ=environ):
                await _until_stored(pool, kept)

    print(f"{statuses.count(204)} of {SENDERS} kept, the others refused")
    assert code == 0
    assert set(statuses) <= {204, 503}


async def test_a_worker_does_not_wait_for_a_silent_postgres(postgres_url: str) -> None:
    """What it has begun is rolled back when nobody answers, and it ends with 0."""
    async with database_line(postgres_url) as database:
        await database.mend()
        async with ready("worker", "--database-url", database.url) as service:
            database.hold()
            await database.is_asked.wait()
            async with asyncio.timeout(TOO_LONG_S):
                code = await _timed_stop(service)

    assert code == 0


async def test_connections_that_say_nothing_do_not_keep_it(postgres_url: str, pool: Pool) -> None:
    """A thousand idle, half-sent and unread connections are closed, and the collector ends with 0."""
    site = await _add_site(pool)
    raise_file_limit()
    async with ready(*COLLECTOR, postgres_url, environ=UNLIMITED) as service, _lines(service, CONNECTIONS) as lines:
        for line in lines[::3]:
            line.writer.write(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Le")
        for line in lines[1::3]:
            line.writer.write(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        with _greedy_client(service, f"/s/{site.key}.js"):
            code = await _timed_stop(service)

    assert code == 0


def test_a_service_may_have_as_many_connections_as_the_system_lets_it() -> None:
    """Each is an open file, of which systems allow 1,024 to those who do not ask for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        raise_file_limit()
        most = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_connection_that_the_kernel_accepted_is_answered() -> None:
    """Requests that wait in the socket when the stop begins get their answer, as the last one of their connection."""
    sock = bind_socket("127.0.0.1", 0)
    app = web.Application()
    app.router.add_get("/", _greet)
    async with serve(app, sock):
        # Nothing here gives the loop a turn before the stop.
        clients = [socket.create_connection(sock.getsockname()) for _ in range(20)]
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

    answers = [b"".join(iter(lambda client=client: client.recv(4096), b"")) for client in clients]
    for client in clients:
        client.close()
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    assert all(b"\r\nConnection: close\r\n" in answer for answer in answers)


async def _greet(_request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def _hold(database) -> None:
    database.hold()


async def _timed_stop(service: Running, number: signal.Signals = signal.SIGTERM) -> int:
    began = time.monotonic()
    code = await service.stop(number)
    print(f"stopped in {time.monotonic() - began:.2f} s")
    return code


async def _send_on(url: str, site: Site, sent: Sent) -> None:
    """Send batch after batch until the service is gone."""
    async with aiohttp.ClientSession() as http:
        while True:
            view = make_view(site)
            try:
                async with http.post(f"{url}/v1/events", json=view) as answer:
                    status = answer.status
            except aiohttp.ClientConnectorError:
                return
            except aiohttp.ClientError:
                sent.unanswered += 1
                continue
            if status == 204:
                sent.acknowledged.append(view["b"])
            else:
                sent.refused.append(status)
            if len(sent.acknowledged) >= ENOUGH:
                sent.is_busy.set()


@contextlib.asynccontextmanager
async def _lines(service: Running, count: int) -> AsyncIterator[list[Line]]:
    lines = []
    try:
        while len(lines) < count:
            lines += [Line(*await asyncio.open_connection("127.0.0.1", service.port))]
        yield lines
    finally:
        for line in lines:
            line.writer.close()
        for line in lines:
            with contextlib.suppress(ConnectionError):
                await line.writer.wait_closed()


@contextlib.contextmanager
def _greedy_client(service: Running, path: str):
    """A client that asks for a script hundreds of times and reads none."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", service.port))
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for _ in range(500):
                client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        yield


async def _add_site(pool: Pool) -> Site:
    async with pool.acquire() as conn:
        return await add_site(conn, NewSite(name="Shop"), "stoppingKey1", datetime.now(UTC))


async def _stored(pool: Pool) -> set[str]:
    return {row[0].hex for row in await pool.fetch("select batch_id from ledger")}


async def _until_stored(pool: Pool, batch_ids: set[str]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not batch_ids <= await _stored(pool):  # noqa: ASYNC110  # another process's transaction sets no event here
            await asyncio.sleep(0.05)
