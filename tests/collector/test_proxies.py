"""The proxies of the README, as it writes them, before a real collector."""

import asyncio
import contextlib
import gzip
import os
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml
from wire_batches import KEY, encode, wire_batch

from collector.db import Pool
from collector.snippet import KEY_PLACE, Bundles, Module

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## Behind a proxy\n")[1].split("\n## ")[0]
TIMEOUT_S = 30
MODULE = Module("signals", b"export function start() {}\n" * 50)
NGINX_MAIN = """\
{user}
daemon off;
pid nginx.pid;
error_log stderr error;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off;
    gzip on;
    gzip_types *;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include jalki.conf;
}}
"""
CADDY_MAIN = "{\n    admin off\n    auto_https off\n}\n"


@dataclass(slots=True)
class Proxied:
    """A collector, and clients that reach it through a proxy."""

    collector: Any
    """As `start_collector` returns it."""
    url: str
    trust: ssl.SSLContext | None
    clients: contextlib.AsyncExitStack

    async def client(self, address: str = "127.0.0.1") -> aiohttp.ClientSession:
        """Return a client that speaks from a loopback address of its own."""
        connector = aiohttp.TCPConnector(local_addr=(address, 0), ssl=self.trust or True)
        session = aiohttp.ClientSession(self.url, connector=connector, auto_decompress=False)
        return await self.clients.enter_async_context(session)


async def _post(client: aiohttp.ClientSession, body: object, **headers: str) -> aiohttp.ClientResponse:
    data = encode(body) if isinstance(body, dict) else body
    sent = {"Content-Type": "text/plain", "User-Agent": "Browser/1"}
    sent |= {name.replace("_", "-"): text for name, text in headers.items()}
    async with client.post("/v1/events", data=data, headers=sent) as answer:
        await answer.read()
        return answer


@pytest_asyncio.fixture(params=["nginx", "caddy"])
async def start_proxied(request, start_collector, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Proxied]]]:
    """Start a collector with settings of the test's choice behind a proxy; skipped where the proxy is not installed."""
    program = _find_program(request.param)
    run = _running_nginx if request.param == "nginx" else _running_caddy
    async with contextlib.AsyncExitStack() as stack:

        async def start(**changes: object) -> Proxied:
            collector = await start_collector(**{"trusted_proxies": "127.0.0.1"} | changes)
            url, trust = await stack.enter_async_context(run(program, tmp_path, collector.client.port))
            return Proxied(collector, url, trust, stack)

        yield start


async def test_the_visitor_is_whom_a_trusted_proxy_names(start_proxied) -> None:
    """Two clients are two visitors, and neither becomes another one by writing the header itself."""
    proxied = await start_proxied()
    one, other = await proxied.client("127.1.0.2"), await proxied.client("127.2.0.2")
    answers = [
        await _post(one, wire_batch()),
        await _post(one, wire_batch(), X_Forwarded_For="203.0.113.9"),
        await _post(one, wire_batch(), X_Forwarded_For="203.0.113.9", Forwarded="for=203.0.113.9"),
        await _post(other, wire_batch()),
    ]

    assert [answer.status for answer in answers] == [204] * 4
    assert await _visitors(proxied.collector.pool) == [1, 3]


async def test_a_proxy_that_is_not_trusted_is_the_visitor(start_proxied) -> None:
    """Without JALKI_TRUSTED_PROXIES the header is not read, whoever wrote it."""
    proxied = await start_proxied(trusted_proxies="")
    answers = [await _post(await proxied.client(f"127.{number}.0.2"), wire_batch()) for number in (1, 2)]

    assert [answer.status for answer in answers] == [204] * 2
    assert await _visitors(proxied.collector.pool) == [2]


async def test_the_proxy_keeps_its_connections_open(start_proxied) -> None:
    """Twenty batches of twenty clients need one connection between the proxy and the collector."""
    proxied = await start_proxied()
    server = proxied.collector.client.server.runner.server
    seen = set()
    for _ in range(20):
        answer = await _post(await proxied.client(), wire_batch())
        assert answer.status == 204
        seen |= {connection.peername for connection in server.connections}

    assert len(seen) == 1


async def test_refusals_pass_with_what_they_say(start_proxied) -> None:
    """413, 429 and 503 are the collector's own, readable by pages, and say when to come again."""
    proxied = await start_proxied(address_rate=1, commit_timeout_s=1)
    client = await proxied.client()
    large = await _post(client, b"x" * 100_000)
    async with proxied.collector.pool.acquire() as conn, conn.transaction():
        await conn.execute("lock table ledger")
        unavailable = await _post(client, wire_batch())
    limited = [answer for answer in [await _post(client, wire_batch()) for _ in range(5)] if answer.status != 204][-1]

    answers = (large, limited, unavailable)
    assert [answer.status for answer in answers] == [413, 429, 503]
    assert [answer.headers["X-Jalki-Drop"] for answer in answers] == ["too_large", "rate_limited", "unavailable"]
    assert [answer.headers["Access-Control-Allow-Origin"] for answer in answers] == ["*"] * 3
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers[1:])


async def test_batches_pass_however_they_are_sent(start_proxied) -> None:
    """Compressed, as large as a batch may be, or in pieces: each is stored."""
    proxied = await start_proxied()
    client = await proxied.client()

    async def pieces() -> AsyncIterator[bytes]:
        for byte in encode(wire_batch()):
            yield bytes([byte])

    answers = [
        await _post(client, gzip.compress(encode(wire_batch())), Content_Encoding="gzip"),
        await _post(client, encode(wire_batch()).ljust(65_536)),
        await _post(client, pieces()),
    ]

    assert [answer.status for answer in answers] == [204] * 3
    assert await proxied.collector.count("ledger") == 3


@pytest.mark.parametrize("encoding", ["br", "gzip", "identity"])
@pytest.mark.parametrize("path", [f"/s/{KEY}.js", f"/s/m/{MODULE.address}.js"], ids=["snippet", "module"])
async def test_scripts_pass_as_the_collector_compressed_them(start_proxied, path: str, encoding: str) -> None:
    """The bytes, their encoding and their tag are the collector's own, where the proxy compresses other answers too."""
    proxied = await start_proxied(bundles=Bundles(KEY_PLACE * 50, modules=(MODULE,)))
    asked = {"Accept-Encoding": encoding}
    async with (
        (await proxied.client()).get(path, headers=asked) as through,
        proxied.collector.client.get(path, headers=asked) as direct,
    ):
        assert through.status == 200
        assert through.headers.get("Content-Encoding") == (None if encoding == "identity" else encoding)
        assert await through.read() == await direct.read()
        assert through.headers["ETag"] == direct.headers["ETag"]
        assert through.headers["Cache-Control"] == direct.headers["Cache-Control"]


async def _visitors(pool: Pool) -> list[int]:
    """Return how many views each visitor has, fewest first."""
    rows = await pool.fetch("select count(*) from view_reports group by visitor_key order by 1")
    return [row[0] for row in rows]


async def test_the_compose_file_believes_a_proxy_before_its_own(start_collector, tmp_path: Path) -> None:
    """Its Caddy hands batches to the collector, and on whom a proxy with a private address names."""
    program, port = _find_program("caddy"), _free_port()
    collector = await start_collector(trusted_proxies="127.0.0.1")
    text = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["configs"]["caddyfile"]["content"]
    changes = {":80 ": f"http://127.0.0.1:{port} ", "collector:8100": f"127.0.0.1:{collector.client.port}"}
    async with (
        _running_caddyfile(program, tmp_path, _change(text, changes), port),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
    ):
        answers = [await _post(client, wire_batch(), X_Forwarded_For=f"203.0.{number}.9") for number in (1, 2, 2)]

    assert [answer.status for answer in answers] == [204] * 3
    assert await _visitors(collector.pool) == [1, 2]


def _find_program(name: str) -> str:
    program = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip(f"{name} is not installed, so its documented configuration is not tested here")
    return program


@contextlib.asynccontextmanager
async def _running_nginx(
    program: str, folder: Path, collector_port: int
) -> AsyncIterator[tuple[str, ssl.SSLContext | None]]:
    port, certificate = _free_port(), await _make_certificate(folder)
    changes = {
        "127.0.0.1:8100": f"127.0.0.1:{collector_port}",
        "listen 443": f"listen 127.0.0.1:{port}",
        "/etc/letsencrypt/live/stats.example.org/fullchain.pem": str(certificate),
        "/etc/letsencrypt/live/stats.example.org/privkey.pem": str(certificate),
    }
    (folder / "jalki.conf").write_text(_change(_snippet("nginx"), changes))
    (folder / "nginx.conf").write_text(NGINX_MAIN.format(user="user root;" if os.geteuid() == 0 else ""))
    async with _running([program, "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"], port):
        trust = ssl.create_default_context(cafile=certificate)
        trust.check_hostname = False
        yield f"https://127.0.0.1:{port}", trust


@contextlib.asynccontextmanager
async def _running_caddy(program: str, folder: Path, collector_port: int) -> AsyncIterator[tuple[str, None]]:
    port = _free_port()
    changes = {
        "127.0.0.1:8100": f"127.0.0.1:{collector_port}",
        # Without the certificate, for which it asks an authority on the network.
        "stats.example.org": f"http://127.0.0.1:{port}",
    }
    async with _running_caddyfile(program, folder, CADDY_MAIN + _change(_snippet("caddyfile"), changes), port):
        yield f"http://127.0.0.1:{port}", None


@contextlib.asynccontextmanager
async def _running_caddyfile(program: str, folder: Path, text: str, port: int) -> AsyncIterator[None]:
    (folder / "Caddyfile").write_text(text)
    words = [program, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    async with _running(words, port, XDG_CONFIG_HOME=str(folder), XDG_DATA_HOME=str(folder), HOME=str(folder)):
        yield


def _snippet(language: str) -> str:
    """Return the README's configuration."""
    return SECTION.split(f"```{language}\n")[1].split("```")[0]


def _change(text: str, changes: dict[str, str]) -> str:
    """Return a configuration with its addresses changed to those of the test."""
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


async def _make_certificate(folder: Path) -> Path:
    """Return a file with a key and its own certificate."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed, so nginx gets no certificate for this test")
    file = folder / "certificate.pem"
    process = await asyncio.create_subprocess_exec(
        *(program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
        *("-subj", "/CN=stats.example.org", "-keyout", str(file), "-out", str(folder / "public.pem")),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0
    file.write_text(file.read_text() + (folder / "public.pem").read_text())
    return file


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.asynccontextmanager
async def _running(words: list[str], port: int, **environ: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, env={**os.environ, **environ}
    )
    assert process.stderr is not None
    log = asyncio.create_task(process.stderr.read())
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while not await _is_listening(port):  # another program's socket sets no event here
                assert process.returncode is None, (await log).decode()
                await asyncio.sleep(0.02)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await log


async def _is_listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
