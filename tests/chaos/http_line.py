"""A keep-alive connection that posts one request at a time, with as little work as an honest load needs.

Python's HTTP clients cost more a request than the collector does; a generator made of them would be the limit.
"""

import asyncio
from dataclasses import dataclass
from typing import cast

_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request got; the texts are empty where the header is missing."""

    status: int
    retry_after: str
    reason: str


class HttpLine(asyncio.Protocol):
    """One line to one server; it connects when it must and again after a failure."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._address = (host, port)
        self._timeout_s = timeout_s
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._waiting: asyncio.Future[Answer] | None = None

    async def post(self, path: str, body: bytes, headers: str = "") -> Answer:
        """Return the answer.

        Raises:
            OSError, TimeoutError: the connection failed or the answer did not come in time.
        """
        async with asyncio.timeout(self._timeout_s):
            loop = asyncio.get_running_loop()
            if self._transport is None or self._transport.is_closing():
                await loop.create_connection(lambda: self, *self._address)
            assert self._transport is not None
            self._waiting = loop.create_future()
            head = (
                f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\n{headers}Content-Length: {len(body)}"
            )
            self._transport.write(head.encode() + _END + body)
            try:
                return await self._waiting
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not of asyncio's classes.
        self._transport, self._buffer = cast("asyncio.Transport", transport), b""

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionResetError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, rest = self._buffer.partition(_END)
        if not end:
            return
        length = int(_header(head, b"content-length") or 0)
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        if b"close" in _header(head, b"connection").lower() and self._transport is not None:
            self._transport.abort()
            self._transport = None
        answer = Answer(
            int(head[9:12]), _header(head, b"retry-after").decode(), _header(head, b"x-jalki-drop").decode()
        )
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(answer)


def _header(head: bytes, name: bytes) -> bytes:
    """Return the value of a header, empty where it is missing."""
    place = head.lower().find(b"\r\n" + name + b":")
    if place < 0:
        return b""
    start = place + len(name) + 3
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else len(head)].strip()
