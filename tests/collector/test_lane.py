"""The fast lane: the same answers as the ordinary way, in the same order, and no patience with slow connections."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web_protocol
from aiohttp.http_parser import HttpRequestParser
from hypothesis import given
from hypothesis import strategies as st
from wire_batches import encode, stored_site, wire_batch

from collector import lane
from collector.heads import Head, KnownHeads, frame
from collector.intake import Intake
from collector.wire import DropReason


@dataclass(slots=True)
class Line:
    """A bare connection to a collector."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the next answer."""
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 20)).decode()
        first, *lines = head.strip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(first.split()[1]), headers, body

    async def is_closed(self) -> bool:
        """Return once the other side has closed the connection without another word."""
        try:
            return await asyncio.wait_for(self.reader.read(), 60) == b""
        except ConnectionError:  # it was closed while we were still sending
            return True


@asynccontextmanager
async def line_to(collector) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection(collector.client.host, collector.client.port)
    try:
        yield Line(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(writer.wait_closed(), 20)


def request(body: bytes, *headers: str, target: str = "/v1/events", version: str = "1.1") -> bytes:
    lines = [f"POST {target} HTTP/{version}", "Host: a", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture
def ordinary(monkeypatch) -> list[str]:
    """The paths of the requests that went the ordinary way."""
    seen: list[str] = []
    original = lane._LaneServer.__init__

    def watch(self, server, shared):
        original(self, server, shared)
        build = self.request_factory

        def note(message, *rest):
            seen.append(getattr(message, "path", ""))
            return build(message, *rest)

        self.request_factory = note

    monkeypatch.setattr(lane._LaneServer, "__init__", watch)
    return seen


async def test_a_whole_batch_takes_the_fast_lane(ordinary, collector):
    """A batch that is posted as browsers do is stored and answered without aiohttp's application."""
    answer = await collector.post(wire_batch(), Origin="https://a.example")

    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Date" in answer.headers
    assert await collector.count("view_reports") == 1
    assert ordinary == []


async def test_the_lane_can_be_switched_off(ordinary, start_collector):
    """With JALKI_FAST_LANE=0 the application answers, the same."""
    collector = await start_collector(fast_lane=0)

    answer = await collector.post(wire_batch())

    assert answer.status == 204
    assert await collector.count("view_reports") == 1
    assert ordinary == ["/v1/events"]


@pytest.mark.parametrize("fast_lane", [0, 1])
@pytest.mark.parametrize(
    ("body", "headers", "status", "reason"),
    [
        (b"{}", {}, 400, "malformed"),
        (b"{}", {"Content-Type": "image/png"}, 415, "unsupported_type"),
        (b"", {}, 400, "malformed"),
        (encode(wire_batch(k="nobodysKey")), {}, 403, "unknown_site"),
        (b" " * 70_000, {}, 413, "too_large"),
    ],
)
async def test_both_ways_refuse_alike(start_collector, fast_lane, body, headers, status, reason):
    """Status, body and headers of a refusal do not depend on the way that a request took."""
    collector = await start_collector(fast_lane=fast_lane)

    answer = await collector.client.post("/v1/events", data=body, headers={"Content-Type": "text/plain"} | headers)

    told = json.loads(await answer.read())
    assert (answer.status, told["error"], answer.headers["X-Jalki-Drop"]) == (status, reason, reason)
    assert told["hint"]
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert ("Retry-After" in answer.headers) == DropReason(reason).is_temporary


async def test_a_body_in_pieces_is_stored(ordinary, collector):
    """Head and body may come apart, byte by byte: the batch takes the fast lane when its last byte is there."""
    data = request(encode(wire_batch()))
    async with line_to(collector) as line:
        for place in range(0, len(data), 97):
            line.send(data[place : place + 97])
            await line.writer.drain()
            await asyncio.sleep(0)

        status, _, _ = await line.answer()

    assert status == 204
    assert await collector.count("view_reports") == 1


async def test_a_head_that_was_parsed_is_not_parsed_again(monkeypatch, collector):
    """The second batch with the same head is stored without aiohttp's parser, and with its own sender's marks."""
    parsed: list[bytes] = []  # asked for nothing now and then, aiohttp's parser only looks at what it put aside
    parse = web_protocol.RequestHandler.data_received

    def note(self, data):
        parsed.append(data)
        parse(self, data)

    monkeypatch.setattr(web_protocol.RequestHandler, "data_received", note)
    async with line_to(collector) as line:
        for agent in ("A", "A", "B", "A", "B"):
            line.send(request(encode(wire_batch()), f"User-Agent: {agent}"))
            assert (await line.answer())[0] == 204

    assert len([data for data in parsed if data]) == 2
    visitors = "select count(*) from view_reports group by visitor_key order by 1"
    assert [row[0] for row in await collector.pool.fetch(visitors)] == [2, 3]


async def test_a_known_head_does_not_lift_the_limit(collector):
    """A body over the limit is refused also where its head was parsed before."""
    async with line_to(collector) as line:
        line.send(request(encode(wire_batch())))
        assert (await line.answer())[0] == 204
        line.send(request(b" " * 65_537))

        assert (await line.answer())[0] == 413


@pytest.mark.parametrize("cut", [0, 1, 100])
async def test_a_request_inside_a_body_is_no_request(collector, cut):
    """Bytes that look like a batch, sent where a body goes on, are that body's: nothing of them is stored."""
    known = request(encode(wire_batch()))
    inner = request(encode(wire_batch()))
    outer = request(b" " * cut + inner)
    async with line_to(collector) as line:
        line.send(known)
        assert (await line.answer())[0] == 204
        line.send(known)
        assert (await line.answer())[0] == 204
        line.send(outer[: -len(inner)])
        await line.writer.drain()
        await asyncio.sleep(0.05)
        line.send(inner)

        assert (await line.answer())[0] == 400

        line.send(inner)
        assert (await line.answer())[0] == 204
    assert await collector.count("view_reports") == 2


@pytest.mark.parametrize(
    "header",
    [
        "Transfer-Encoding: chunked",
        "Content-Length: 5",
        "Expect: 100-continue",
        "Content-Encoding: gzip",
        "Upgrade: h2c",
    ],
)
def test_heads_of_a_kind_that_varies_are_not_remembered(header):
    """What changes how a body is read, or who sent it, is never taken from memory."""
    known = KnownHeads()
    framed = frame(request(b"{}", header))
    if framed is not None:
        known.learn(framed, Head(None, "", None, should_close=False))

    assert len(known) == 0


@given(st.binary(max_size=300), st.binary(max_size=60))
def test_only_a_request_alone_is_known(before, after):
    """Whatever is put before or behind a request whose head is known, nothing but that request is taken from memory."""
    data = request(b"{}")
    known, framed = KnownHeads(), frame(data)
    assert framed is not None
    known.learn(framed, Head(None, "", None, should_close=False))

    assert known.find(framed) is not None
    for other in (before + data, data + after, before, data[: len(before)], before + after):
        found = frame(other)
        assert other == data or found is None or known.find(found) is None


async def test_pipelined_requests_are_answered_in_order(collector):
    """Requests of both ways sent without waiting get their answers in the order in which they were sent."""
    script = b"GET /s/demoKey_01.js HTTP/1.1\r\nHost: a\r\n\r\n"
    sent = [
        part
        for _ in range(3)
        for part in (request(encode(wire_batch())), script, request(b"{}"), request(encode(wire_batch())), script)
    ]
    async with line_to(collector) as line:
        line.send(b"".join(sent))

        answers = [await line.answer() for _ in range(15)]

    assert [status for status, _, _ in answers] == [204, 200, 400, 204, 200] * 3
    assert await collector.count("view_reports") == 6


async def test_a_connection_serves_one_request_after_the_other(ordinary, collector):
    """Batches on a kept connection all take the fast lane, also after a request that did not."""
    async with line_to(collector) as line:
        statuses = []
        for _ in range(3):
            line.send(request(encode(wire_batch())))
            statuses.append((await line.answer())[0])
        line.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        statuses.append((await line.answer())[0])
        line.send(request(encode(wire_batch())))
        statuses.append((await line.answer())[0])

    assert statuses == [204, 204, 204, 200, 204]
    assert ordinary == ["/healthz"]


async def test_close_is_honoured(collector):
    """A request that asks for it is the last of its connection, and so it is told."""
    async with line_to(collector) as line:
        line.send(request(encode(wire_batch()), "Connection: close"))

        status, headers, _ = await line.answer()

        assert (status, headers["connection"]) == (204, "close")
        assert await line.is_closed()


@pytest.mark.parametrize(
    "data",
    [
        request(encode(wire_batch()), "Expect: 100-continue"),
        request(encode(wire_batch()), version="1.0"),
        request(encode(wire_batch()), target="/v1/events/demoKey_01"),
        request(encode(wire_batch()), target="http://a/v1/events"),
    ],
)
async def test_what_is_not_simple_goes_the_ordinary_way(ordinary, collector, data):
    """Requests that the lane leaves alone are answered all the same."""
    async with line_to(collector) as line:
        line.send(data)
        status, _, _ = await line.answer()
        status = (await line.answer())[0] if status == 100 else status

    assert status == 204
    assert len(ordinary) == 1


async def test_a_site_added_a_moment_ago_is_found(collector):
    """A key that memory does not know is looked up, and the batch is stored on the same connection."""
    async with collector.pool.acquire() as conn:
        await stored_site(conn, key="freshKey_02")

    answer = await collector.post(wire_batch(k="freshKey_02"))

    assert answer.status == 204


async def test_heads_and_bodies_that_do_not_come_are_given_up(monkeypatch, start_collector):
    """A head or a body sent byte by byte is cut off at its deadline, whatever trickles in; others are served on."""
    monkeypatch.setattr(lane, "HEAD_TIMEOUT_S", 1.0)
    monkeypatch.setattr(lane, "BODY_TIMEOUT_S", 1.5)
    monkeypatch.setattr(lane, "_SWEEP_S", 0.1)
    collector = await start_collector()
    body = request(encode(wire_batch()))
    async with line_to(collector) as head, line_to(collector) as slow_body, line_to(collector) as other:

        async def trickle(line: Line, data: bytes) -> None:
            for place in range(len(data)):
                line.send(data[place : place + 1])
                await asyncio.sleep(0.05)
                if line.reader.at_eof():
                    return

        slow_body.send(body[:-200])
        trickles = asyncio.gather(trickle(head, body), trickle(slow_body, body[-200:]), return_exceptions=True)
        assert await head.is_closed()
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(slow_body.reader.read(), 20)
        other.send(body)
        assert (await other.answer())[0] == 204
        await trickles


async def test_an_idle_connection_is_left_its_time(monkeypatch, start_collector):
    """A connection that waits between two requests is no slow head."""
    monkeypatch.setattr(lane, "HEAD_TIMEOUT_S", 0.2)
    monkeypatch.setattr(lane, "_SWEEP_S", 0.05)
    collector = await start_collector()
    async with line_to(collector) as line:
        await asyncio.sleep(0.6)
        line.send(request(encode(wire_batch())))
        assert (await line.answer())[0] == 204
        await asyncio.sleep(0.6)
        line.send(request(encode(wire_batch())))
        assert (await line.answer())[0] == 204


async def test_the_rest_of_a_long_pipeline_is_no_slow_head(monkeypatch, start_collector):
    """A body that began behind more requests than aiohttp queues, and ends late, leaves its connection open."""
    monkeypatch.setattr(lane, "HEAD_TIMEOUT_S", 0.5)
    monkeypatch.setattr(lane, "_SWEEP_S", 0.05)
    collector = await start_collector()
    data = request(encode(wire_batch()))
    async with line_to(collector) as line:
        line.send(data * (web_protocol.MAX_MSG_QUEUE_SIZE + 8) + data[:-50])
        for _ in range(web_protocol.MAX_MSG_QUEUE_SIZE + 8):
            assert (await line.answer())[0] == 204
        await asyncio.sleep(0.1)  # the ordinary way waits for the body by now
        line.send(data[-50:])
        assert (await line.answer())[0] == 204
        await asyncio.sleep(1.0)
        line.send(data)
        assert (await line.answer())[0] == 204


async def test_connections_of_one_address_are_bounded(start_collector):
    """More connections than an address may have are closed at once; when one ends there is room again."""
    collector = await start_collector(max_connections_per_address=2)
    async with line_to(collector) as first, line_to(collector) as second:
        for line in (first, second):
            line.send(request(encode(wire_batch())))
            assert (await line.answer())[0] == 204
        async with line_to(collector) as third:
            assert await third.is_closed()
    async with asyncio.timeout(20):
        while True:
            async with line_to(collector) as line:
                line.send(request(encode(wire_batch())))
                try:
                    assert (await line.answer())[0] == 204
                except (asyncio.IncompleteReadError, ConnectionError):
                    continue
                break


async def test_connections_of_a_trusted_proxy_are_bounded_in_all_only(start_collector):
    """A proxy brings everybody: only the number of all connections counts for it."""
    collector = await start_collector(max_connections_per_address=1, max_connections=3, trusted_proxies="127.0.0.1")
    async with line_to(collector) as first, line_to(collector) as second, line_to(collector) as third:
        for line in (first, second, third):
            line.send(request(encode(wire_batch())))
            assert (await line.answer())[0] == 204
        async with line_to(collector) as fourth:
            assert await fourth.is_closed()


async def test_a_sender_that_leaves_does_not_lose_its_batch(collector):
    """A browser that closes the connection after the last byte has its batch stored all the same."""
    async with line_to(collector) as line:
        line.send(request(encode(wire_batch())))
        await line.writer.drain()
    async with asyncio.timeout(20):
        while not await collector.count("view_reports"):  # noqa: ASYNC110  # another process's rows
            await asyncio.sleep(0.01)


async def test_a_bug_is_told_and_the_connection_goes_on(monkeypatch, collector, caplog):
    """A batch that meets a fault of ours is answered 503, so that its sender keeps it, and the next one is stored."""
    real, faults = Intake.try_accept, iter([1])

    def fail_once(self, *arguments):
        for _ in faults:
            raise ZeroDivisionError
        return real(self, *arguments)

    monkeypatch.setattr(Intake, "try_accept", fail_once)
    async with line_to(collector) as line:
        line.send(request(encode(wire_batch())))
        unlucky = await line.answer()
        line.send(request(encode(wire_batch())))
        next_one = await line.answer()

    assert (unlucky[0], json.loads(unlucky[2])["error"]) == (503, "unavailable")
    assert "retry-after" in unlucky[1]
    assert next_one[0] == 204


def test_aiohttp_is_what_the_lane_rests_on():
    """Each private name that the lane uses is there, and aiohttp's parser is the compiled one."""
    handler = web_protocol.RequestHandler
    slots = {name for kind in handler.__mro__ for name in getattr(kind, "__slots__", ())}

    assert {
        "_waiter", "_messages", "_parser", "_request_in_progress", "_handler_waiter", "_next_keepalive_close_time",
        "_keepalive_timeout", "_force_close", "_close", "_buffer_paused",
    } <= slots  # fmt: skip
    assert hasattr(aiohttp.web.AppRunner, "_make_server")
    assert hasattr(HttpRequestParser, "message_consumed")
    assert HttpRequestParser.__module__ == "aiohttp._http_parser"
