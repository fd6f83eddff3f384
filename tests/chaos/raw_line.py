"""Sends bytes to a server and says what came back before a deadline: answers, a closed connection, or nothing."""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from enum import Enum

from raw_requests import RawRequest

PATIENCE_S = 0.2
"""How long an answer to a request that is not whole may take before we say that no more comes from us."""
DEADLINE_S = 20.0
"""Longest time to the first answer, and from each to the next: of a pipeline each request waits for the one before it,
and the collector answers one within 10 s, with 503 at the worst."""
OWN_DEADLINE_S = 60.0
"""By then the collector has closed a connection on which neither headers nor body were completed: 10 s and 30 s."""
_READ_BYTES = 65_536


class End(Enum):
    """How the exchange ended."""

    ANSWERED = "answered"
    CLOSED = "closed"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; `reasons` are the `X-Jalki-Drop` headers, empty texts where there is none."""

    end: End
    statuses: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()
    body: bytes = b""
    """Of the last answer."""


async def ask(port: int, request: RawRequest, source: str = "127.0.0.1", *, waits: bool = False) -> Reply:
    """Return what a request brings on a connection of its own; `waits`: the collector's own deadline must end it."""
    exchange = _Exchange(request, OWN_DEADLINE_S if waits else DEADLINE_S)
    try:
        async with exchange.limit:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
            try:
                is_closed = await exchange.hold(reader, writer, waits=waits)
            finally:
                _drop(writer)
    except TimeoutError:
        return exchange.reply(End.STUCK)
    return exchange.reply(End.CLOSED if is_closed else End.ANSWERED)


class _Exchange:
    def __init__(self, request: RawRequest, deadline_s: float) -> None:
        self._request = request
        self._deadline_s = deadline_s
        self.limit = asyncio.timeout(deadline_s)
        self._received = b""
        self._answers: list[tuple[int, str, bytes]] = []

    def reply(self, end: End) -> Reply:
        is_answered = len(self._answers) >= self._request.answers
        return Reply(
            End.ANSWERED if is_answered else end,
            tuple(status for status, _, _ in self._answers),
            tuple(reason for _, reason, _ in self._answers),
            self._answers[-1][2] if self._answers else b"",
        )

    async def hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, waits: bool) -> bool:
        """Send and read until every answer is there, which gives False, or the connection is closed."""
        sending = asyncio.create_task(_send(writer, self._request.sent))
        try:
            if not self._request.is_whole and not waits:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE_S):
                        return await self._read(reader)
                with contextlib.suppress(OSError):
                    writer.write_eof()
            return await self._read(reader)
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await sending

    async def _read(self, reader: asyncio.StreamReader) -> bool:
        while len(self._answers) < self._request.answers:
            try:
                chunk = await reader.read(_READ_BYTES)
            except OSError:
                chunk = b""
            self._received += chunk
            self._parse(is_closed=not chunk)
            if not chunk:
                return True
        return False

    def _parse(self, *, is_closed: bool) -> None:
        while b"\r\n\r\n" in self._received:
            head, _, rest = self._received.partition(b"\r\n\r\n")
            status = int(head[9:12])
            if status < 200:
                self._received = rest
                continue
            length = _find(head, b"content-length")
            size = 0 if self._request.is_head or status in {204, 304} else int(length or len(rest))
            if len(rest) < size or (not length and not is_closed and status not in {204, 304}):
                return
            self._answers.append((status, _find(head, b"x-jalki-drop").decode(), rest[:size]))
            self._received = rest[size:]
            self.limit.reschedule(asyncio.get_running_loop().time() + self._deadline_s)


async def _send(writer: asyncio.StreamWriter, sent: bytes) -> None:
    # A server that has answered need not read the rest.
    with contextlib.suppress(OSError):
        writer.write(sent)
        await writer.drain()


def _drop(writer: asyncio.StreamWriter) -> None:
    """Close without leaving the port in TIME_WAIT: there are fewer ports than requests."""
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _find(head: bytes, name: bytes) -> bytes:
    """Return the value of a header, empty where it is missing."""
    for line in head.split(b"\r\n")[1:]:
        key, _, text = line.partition(b":")
        if key.strip().lower() == name:
            return text.strip()
    return b""
