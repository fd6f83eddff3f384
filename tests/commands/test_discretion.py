"""What the log of a service says of requests that failed: that they did, never who sent them or what for."""

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator

import pytest
from aiohttp import ClientSession, web
from aiohttp.http_exceptions import BadStatusLine
from aiohttp.test_utils import TestServer

from heatmap.commands.discretion import PAUSE_S, DiscreetFilter, build_formatter

TIMEOUT_S = 60
UNREADABLE = [
    b"GET /secret-path?mail=" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /secret-path HTTP/9.9x\r\nHost: x\r\n\r\n",
    b"GET /secret-path HTTP/1.1\r\nsecret-path\r\n\r\n",
]


@pytest.fixture
def discreet() -> Iterator[None]:
    """The log of aiohttp's server as a service writes it."""
    log, screen = logging.getLogger("aiohttp.server"), DiscreetFilter()
    log.addFilter(screen)
    yield
    log.removeFilter(screen)


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_what_cannot_be_read_leaves_no_address_in_the_log(postgres_url: str, log_format: str) -> None:
    """Overlong targets and bad lines, sent to a real process, are one line without peer, target or traceback."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JALKI_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "heatmap", "collector", "--database-url", postgres_url, "--port", "0", "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment | {"JALKI_LOG_FORMAT": log_format},
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(TIMEOUT_S):
            port = json.loads(await process.stdout.readline())["url"].rpartition(":")[2]
            answers = [await _exchange(int(port), sent) for sent in UNREADABLE * 3]
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = await process.communicate()

    assert all(b" 400 " in answer for answer in answers)
    assert log.count(b"could not be read") == 1
    assert b"secret-path" not in log
    assert b"from 127.0.0.1" not in log
    assert b"Traceback" not in log
    assert log_format == "text" or {"warning"} <= {json.loads(line)["level"] for line in log.splitlines()}


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_an_error_is_told_without_its_message(log_format: str) -> None:
    """Where an error was raised and what led to it stay; what it quotes does not, and JSON stays one line."""
    error = ValueError("?mail=ann\n")
    error.__cause__ = KeyError("192.0.2.7")
    record = logging.LogRecord("jalki", logging.ERROR, "", 1, "flush %d failed\n", (7,), (ValueError, error, None))

    text = build_formatter(log_format).format(record)

    assert "192.0.2.7" not in text
    assert "mail=ann" not in text
    assert "KeyError" in text
    assert "ValueError" in text
    assert "flush 7 failed" in text
    if log_format == "json":
        line = json.loads(text)
        assert "\n" not in text
        assert (line["level"], line["logger"], line["process"]) == ("error", "jalki", os.getpid())
        assert line["at"].endswith("+00:00")


async def test_a_bug_keeps_its_traceback_and_loses_what_it_quotes(
    discreet: None, caplog: pytest.LogCaptureFixture
) -> None:
    """The lines that failed are logged; the query in the error's message and the peer are not."""

    async def fail(request: web.Request) -> web.Response:
        raise ValueError(request.query_string + (request.remote or ""))

    app = web.Application()
    app.router.add_get("/", fail)
    async with (
        TestServer(app) as server,
        ClientSession() as client,
        client.get(server.make_url("/?mail=ann")) as answer,
    ):
        assert answer.status == 500

    assert "raise ValueError(request.query_string" in caplog.text
    assert "mail=ann" not in caplog.text
    assert "127.0.0.1" not in caplog.text


def test_unreadable_requests_are_told_once_a_minute_with_their_number() -> None:
    """A flood is one line; what it left out is counted in the next."""
    screen = DiscreetFilter()
    records = [_refusal(at) for at in (0.0, 1.0, 2.0, PAUSE_S)]

    told = [screen.filter(record) for record in records]

    assert told == [True, False, False, True]
    assert records[-1].getMessage().startswith("3 request")


def _refusal(at: float) -> logging.LogRecord:
    error = BadStatusLine("secret-path")
    record = logging.LogRecord("x", logging.ERROR, "", 1, "from %s", ("192.0.2.7",), (type(error), error, None))
    record.created = at
    return record


async def _exchange(port: int, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    answer = await reader.read(1_000)
    writer.close()
    return answer
