"""A line from TCP to the tests' Postgres that can be cut and held: Postgres away or silent, for one service only."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit


@dataclass(slots=True)
class DatabaseLine:
    """Forwards between 127.0.0.1:`port` and a socket of Postgres."""

    socket_path: str
    user: str
    database: str
    port: int
    is_asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a service says something that is held."""
    _is_open: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _connections: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def url(self) -> str:
        """The address for a service."""
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/{self.database}"

    async def mend(self) -> None:
        """Accept connections, at the same port as before, and forward what they say."""
        self._is_open.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    def hold(self) -> None:
        """Keep every connection open and forward nothing more."""
        self.is_asked.clear()
        self._is_open.clear()

    async def cut(self) -> None:
        """Refuse connections and close those that are open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            far_reader, far_writer = await asyncio.open_unix_connection(self.socket_path)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._forward(reader, far_writer))
                    group.create_task(self._forward(far_reader, writer))
            finally:
                far_writer.close()
        # asyncio's own server task must not end as cancelled.
        except asyncio.CancelledError:
            return
        finally:
            writer.close()
            self._connections.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                if not self._is_open.is_set():
                    self.is_asked.set()
                    await self._is_open.wait()
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()


@asynccontextmanager
async def database_line(postgres_url: str) -> AsyncIterator[DatabaseLine]:
    """Yield a line to the database of `postgres_url` that forwards nothing before it is mended."""
    parts = urlsplit(postgres_url)
    query = parse_qs(parts.query)
    with held_port() as port:
        path = f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"
        line = DatabaseLine(path, parts.username or "", parts.path.lstrip("/"), port)
        try:
            yield line
        finally:
            await line.cut()


@contextmanager
def held_port() -> Iterator[int]:
    """Yield a port that nobody listens on and nobody is given by chance; who knows its number may listen on it."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]
