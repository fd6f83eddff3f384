"""The fast lane: answers the one hot request inside aiohttp's protocol, and closes connections that only waste it.

A batch posted to /v1/events in one piece is judged as soon as its last byte is there, without Request, Response, task
or coroutine: half of what the application costs. A head that was parsed before is not parsed again (`heads`). All else,
and whatever must wait for Postgres to be asked, goes the ordinary way through `handlers`. aiohttp itself closes no
connection that is slow.

This file alone touches aiohttp's private names (`_waiter`, `_messages`, `_parser`, `_request_in_progress`,
`_handler_waiter`, `_next_keepalive_close_time`, `_make_server`); `tests/collector/test_lane.py` fails when a release
changes what it rests on, and JALKI_FAST_LANE=0 lets the application answer everything.
"""

import asyncio
import email.utils
import functools
import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import msgspec
from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler, _ErrInfo
from multidict import istr

from collector.admission import Network, client_address, is_within
from collector.bodies import judge_type
from collector.handlers import CORS, DropBody
from collector.heads import Frame, Head, KnownHeads, frame
from collector.intake import Accepted, Intake, Sender
from collector.metrics import Metrics
from collector.settings import Settings
from collector.wire import Drop, DropReason

_log = logging.getLogger(__name__)

PATH = "/v1/events"
HEAD_TIMEOUT_S = 9.5
"""Longest time from the first byte of a request to the end of its headers; 10 s with the pause between two looks."""
BODY_TIMEOUT_S = 29.5
"""Longest time a body may take; `handlers` answers 408 a little before for the bodies that it waits for."""
_SWEEP_S = 0.5
# Spelled once: a plain string would be folded at each look-up.
_ORIGIN, _USER_AGENT, _CONTENT_TYPE = istr("Origin"), istr("User-Agent"), istr("Content-Type")
_CONTENT_ENCODING, _EXPECT = istr("Content-Encoding"), istr("Expect")
_OVERLOADED = Drop(DropReason.OVERLOADED)
_FAULT = Drop(DropReason.UNAVAILABLE, "the collector met a fault of its own")


@dataclass(slots=True)
class Lane:
    """What the connections of one application share."""

    intake: Intake
    metrics: Metrics
    settings: Settings
    proxies: tuple[Network, ...]
    date: str = ""
    """The header of this second."""
    heads: KnownHeads = field(default_factory=KnownHeads)
    open_connections: int = 0
    of_address: Counter[str] = field(default_factory=Counter)


LANE: web.AppKey[Lane] = web.AppKey("lane", Lane)


class LaneRunner(web.AppRunner):
    """Runs an application; where `LANE` is in it, its connections are of the kind below."""

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        lane = self.app.get(LANE)
        return server if lane is None else _LaneServer(server, lane)


class _LaneServer(web.Server):
    """aiohttp's server with connections of ours; looks at all of them twice a second."""

    def __init__(self, server: web.Server, lane: Lane) -> None:
        super().__init__(server.request_handler, request_factory=server.request_factory, **server._kwargs)  # noqa: SLF001
        self._lane = lane
        self._sweeper = asyncio.ensure_future(self._sweep())

    def __call__(self) -> RequestHandler:
        return LaneConnection(self._lane, self, loop=self._loop, **self._kwargs)

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  # aiohttp's signature
        self._sweeper.cancel()
        await super().shutdown(timeout)

    async def _sweep(self) -> None:
        while True:
            self._lane.date = email.utils.formatdate(time.time(), usegmt=True)
            now_s = self._loop.time()
            for connection in self.connections:
                assert isinstance(connection, LaneConnection)
                connection.sweep(now_s)
            await asyncio.sleep(_SWEEP_S)


class LaneConnection(RequestHandler):
    """One connection of a browser or a proxy."""

    __slots__ = ("_address", "_answering", "_body", "_is_clean", "_is_counted", "_is_started", "_lane", "_since_s")

    def __init__(self, lane: Lane, manager: web.Server, **options: Any) -> None:  # what aiohttp hands on
        super().__init__(manager, **options)
        self._lane = lane
        self._address = ""
        self._is_counted = False
        self._is_started = False
        self._is_clean = True
        """Every piece so far was one whole request, so that the parser stands between two of them."""
        self._answering = False
        """A batch of this connection waits for its answer."""
        self._body: StreamReader | None = None
        """Body of the request that came last."""
        self._since_s = 0.0
        """When the part of a request that is still arriving began; 0 where none is."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection, and close it where there are too many."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self._address = peer[0] if isinstance(peer, tuple) else ""
        self._is_counted = True
        self._lane.open_connections += 1
        self._lane.of_address[self._address] += 1
        if self._is_too_many():
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        if self._is_counted:
            self._is_counted = False
            self._lane.open_connections -= 1
            self._lane.of_address[self._address] -= 1
            if not self._lane.of_address[self._address]:
                del self._lane.of_address[self._address]

    async def start(self) -> None:
        """Answer the requests that the fast lane leaves, one after the other."""
        self._is_started = True
        await super().start()

    def data_received(self, data: bytes) -> None:
        """Parse what came, and answer it at once if it is a whole batch and the only request."""
        if not data:  # aiohttp asks itself to parse what it had put aside
            super().data_received(data)
            if self._messages or self._body is not None:
                self._watch()  # else the end of a body that began here would be taken for the start of a head
            return
        framed = frame(data) if self._is_clean else None
        if framed is not None and self._is_free(len(data) - framed.body_at):
            head = self._lane.heads.find(framed)
            if head is not None:
                self._take(head, self._address, data[framed.body_at :])
                return
        self._parse(data, framed)
        self._watch()
        self._go_on(framed)

    def _parse(self, data: bytes, framed: Frame | None) -> None:
        """Let aiohttp parse, and note whether it stands between two requests afterwards."""
        before = len(self._messages)
        # The base class wakes the ordinary way for each request: it is held back until the request has been looked at.
        waiter, self._waiter = self._waiter, None
        super().data_received(data)
        self._waiter = waiter
        is_one = framed is not None or data.find(b"\r\n\r\n") == len(data) - 4
        is_read = len(self._messages) == before + 1 and self._messages[-1][1].is_eof()
        self._is_clean = self._is_clean and is_one and is_read

    def _is_free(self, body_bytes: int) -> bool:
        """Return whether a batch that is known to be whole may be answered without the parser."""
        is_open = not self._close and not self._force_close
        settings = self._lane.settings
        is_fast = bool(settings.fast_lane) and body_bytes <= settings.body_max_bytes
        return is_open and is_fast and not self._messages and self._is_idle()

    def sweep(self, now_s: float) -> None:
        """Close the connection where a request takes too long to arrive."""
        if not self._since_s or self._answering:
            return
        if self._messages and self._is_idle():
            self._wake()  # a body that does not come in one piece: the ordinary way waits for it
        is_body = self._body is not None and not self._body.is_eof()
        if now_s - self._since_s > (BODY_TIMEOUT_S if is_body else HEAD_TIMEOUT_S):
            self.force_close()

    def _is_too_many(self) -> bool:
        lane, settings = self._lane, self._lane.settings
        if lane.open_connections > settings.max_connections:
            return True
        if lane.of_address[self._address] <= settings.max_connections_per_address:
            return False
        return bool(self._address) and not is_within(self._address, lane.proxies)

    def _watch(self) -> None:
        """Note since when a request has been arriving in part."""
        if self._messages:
            self._body = self._messages[-1][1]
        if self._body is None:
            self._since_s = self._since_s or self._loop.time()  # a part of a head
        elif self._body.is_eof():
            self._since_s, self._body = 0.0, None
        else:
            self._since_s = self._since_s or self._loop.time()

    def _is_idle(self) -> bool:
        """Return whether the ordinary way waits for a request and the fast lane has none under way."""
        if self._answering:
            return False
        return not self._waiter.done() if self._waiter is not None else not self._is_started

    def _go_on(self, framed: Frame | None) -> None:
        """Answer the next request here, leave it until its body is whole, or wake the ordinary way for it."""
        if not self._messages or not self._is_idle():
            return
        message, body = self._messages[0]
        is_alone = len(self._messages) == 1 and not self._buffer_paused
        is_fast = self._lane.settings.fast_lane
        if not is_fast or not is_alone or not _is_hot(message) or self._is_odd(body):
            self._wake()
        elif body.is_eof():
            self._messages.popleft()
            if self._parser is not None:
                self._parser.message_consumed()
            head = _read_head(message)
            if framed is not None and self._is_clean:
                self._lane.heads.learn(framed, head)
            self._take(head, self._find_address(message), body.read_nowait())

    def _is_odd(self, body: StreamReader) -> bool:
        return body.exception() is not None or body.total_bytes > self._lane.settings.body_max_bytes

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _take(self, head: Head, address: str, body: bytes) -> None:
        self._answering = self._request_in_progress = True
        self._since_s, self._body = 0.0, None
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        lane = self._lane
        sender = Sender(head.origin, address, head.user_agent)
        tell = functools.partial(self._tell, head.should_close)
        try:
            drop = head.drop or (_OVERLOADED if lane.intake.is_full else lane.intake.admit_address(address))
            if drop is not None:
                tell(drop)
            elif not lane.intake.try_accept(body, sender, tell):
                task = self._loop.create_task(lane.intake.accept(body, sender))
                task.add_done_callback(lambda done: tell(_result(done)))
        # A bug met one batch: its sender is told and keeps it, and the connection goes on.
        except Exception:  # noqa: BLE001
            _log.exception("a batch could not be judged")
            tell(_FAULT)

    def _find_address(self, message: RawRequestMessage) -> str:
        if not self._lane.proxies:
            return self._address
        headers = message.headers
        hops, forwarded = headers.getall("X-Forwarded-For", []), headers.getall("Forwarded", [])
        return client_address(self._address, hops, self._lane.proxies, forwarded)

    def _tell(self, should_close: bool, result: Accepted | Drop) -> None:  # noqa: FBT001  # bound by partial
        """Write the answer and go on with what has come meanwhile."""
        is_last = should_close or self._force_close or self._close
        if isinstance(result, Drop):
            self._lane.metrics.count_drop(result.reason)
        if self.transport is not None:
            self.transport.write(_encode(result, self._lane.date, is_last=is_last))
        self._answering = self._request_in_progress = False
        if self._handler_waiter is not None and not self._handler_waiter.done():
            self._handler_waiter.set_result(None)
        if is_last:
            self.force_close()
        elif self._messages:
            self._wake()


def _read_head(message: RawRequestMessage) -> Head:
    headers = message.headers
    drop = judge_type(headers.get(_CONTENT_TYPE))
    return Head(headers.get(_ORIGIN), headers.get(_USER_AGENT, ""), drop, message.should_close)


def _is_hot(message: RawRequestMessage | _ErrInfo) -> TypeGuard[RawRequestMessage]:
    return (
        type(message) is RawRequestMessage
        and message.path == PATH
        and message.method == "POST"
        and message.version == (1, 1)
        and not message.upgrade
        and _CONTENT_ENCODING not in message.headers
        and _EXPECT not in message.headers
    )


def _result(done: "asyncio.Task[Accepted | Drop]") -> Accepted | Drop:
    if done.cancelled() or done.exception() is not None:
        return _FAULT
    return done.result()


_CORS_LINES = "".join(f"{name}: {value}\r\n" for name, value in CORS.items())
_REASONS = {
    204: "No Content",
    400: "Bad Request",
    403: "Forbidden",
    408: "Request Timeout",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


@functools.lru_cache(64)
def _encode_accepted(date: str, *, wants_layout: bool, is_last: bool) -> bytes:
    want = "X-Jalki-Want: layout\r\n" if wants_layout else ""
    close = "Connection: close\r\n" if is_last else ""
    return f"HTTP/1.1 204 No Content\r\n{_CORS_LINES}{want}Date: {date}\r\n{close}\r\n".encode()


def _encode(result: Accepted | Drop, date: str, *, is_last: bool) -> bytes:
    if isinstance(result, Accepted):
        return _encode_accepted(date, wants_layout=result.wants_layout, is_last=is_last)
    reason = result.reason
    body = msgspec.json.encode(DropBody(reason.value, result.hint))
    retry = f"Retry-After: {result.retry_after_s}\r\n" if reason.is_temporary else ""
    close = "Connection: close\r\n" if is_last else ""
    head = (
        f"HTTP/1.1 {reason.status} {_REASONS[reason.status]}\r\n{_CORS_LINES}X-Jalki-Drop: {reason.value}\r\n{retry}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nDate: {date}\r\n{close}\r\n"
    )
    return head.encode() + body
