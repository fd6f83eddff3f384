"""Where a command works: its settings, and the database it finds or starts for itself."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path

import click

from collector import db
from collector.embedded import running_url, start_postgres
from collector.errors import FolderInUseError, MigrationError
from collector.partitions import ensure_partitions
from collector.settings import Settings, load_settings

_STARTING_TIMEOUT_S = 60.0  # another process holds the data folder and is not ready yet
_STARTING_PAUSE_S = 0.1
_ADDRESS_FILE = "address"
_COMMAND_POOL_SIZE = 4
SERVICE_POOL_SIZE = 12
"""Connections of a process that people ask for pages."""
_PARTITION_DAYS = 8
_CLOSE_TIMEOUT_S = 0.5


@dataclass(frozen=True, slots=True)
class Database:
    """A Postgres that answers; `is_ours` where this process started it and its schema is ours to change."""

    url: str
    is_ours: bool


@dataclass(frozen=True, slots=True)
class Place:
    """An open database, and the address of the service on it as far as this command can know."""

    database_url: str
    base_url: str
    applied: tuple[str, ...] = ()
    """Migrations that opening it has applied."""


def settings_options(
    *, listens: bool = False, shares: bool = False
) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Return a decorator that adds --data and --database-url (--host, --port; --workers) and passes one `settings`.

    An option wins over its environment variable; --data alone also over JALKI_DATABASE_URL.
    """

    def decorate(call: Callable[..., object]) -> Callable[..., object]:
        @wraps(call)
        def with_settings(*, data: str | None, database_url: str | None, **options: object) -> object:
            own = {name: options.pop(name, None) for name in ("host", "port", "workers")}
            chosen = {"data_dir": data, "database_url": database_url, **own}
            if data is not None and database_url is None:
                chosen["database_url"] = ""
            given = {name: value for name, value in chosen.items() if value is not None}
            settings = replace(load_settings(os.environ), **given)  # type: ignore[arg-type]  # click parsed each value
            return call(settings=settings, **options)

        decorated: Callable[..., object] = with_settings
        for option in reversed((*_OPTIONS, *(_ADDRESS if listens else ()), *(_SHARING if shares else ()))):
            decorated = option(decorated)
        return decorated

    return decorate


_OPTIONS = (
    click.option("--data", metavar="DIR", help="Folder of the embedded Postgres."),
    click.option("--database-url", metavar="URL", help="Use this Postgres instead of the embedded one."),
)
_ADDRESS = (
    click.option("--host", metavar="H", help="Address to listen on."),
    click.option("--port", metavar="N", type=click.IntRange(0, 65535), help="Port to listen on; 0: any free one."),
)
_SHARING = (click.option("--workers", metavar="N", type=click.IntRange(1, 64), help="Processes that share the port."),)


@asynccontextmanager
async def open_place(settings: Settings) -> AsyncIterator[Place]:
    """Yield the database that `settings` name, else the embedded one, started now if nobody runs it.

    Raises:
        MigrationError: the schema of a Postgres that is not ours to change is not of this version.
        StorageError, EmbeddedError: it cannot be reached or started.
    """
    async with open_database(settings) as database:
        applied = await db.migrate(database.url) if database.is_ours else []
        await require_schema(database.url)
        known = None if settings.database_url else _load_address(settings.data_path())
        yield Place(database.url, known or base_url(settings), tuple(applied))


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """Yield the database that `settings` name, or the embedded one, whatever its schema is.

    Raises:
        StorageError, EmbeddedError: it cannot be reached or started.
    """
    if settings.database_url:
        yield Database(settings.database_url, is_ours=False)
        return
    async with _embedded_database(settings.data_path()) as database:
        yield database


@asynccontextmanager
async def open_place_pool(settings: Settings) -> AsyncIterator[tuple[Place, db.Pool]]:
    """Yield the place and a small pool on its database."""
    async with open_place(settings) as place:
        pool = await db.open_pool(place.database_url, size=_COMMAND_POOL_SIZE, application="jalki command")
        try:
            yield place, pool
        finally:
            await close_pool(pool)


async def open_service_pool(stack: AsyncExitStack, url: str, size: int = SERVICE_POOL_SIZE) -> db.Pool:
    """Return a pool for serving, with the partitions of the coming days in place."""
    pool = await db.open_pool(url, size=size, application="jalki")
    stack.push_async_callback(close_pool, pool)
    today = datetime.now(UTC).date()
    async with pool.acquire() as conn:
        await ensure_partitions(conn, today - timedelta(days=1), today + timedelta(days=_PARTITION_DAYS))
    return pool


async def close_pool(pool: db.Pool) -> None:
    """Close the pool, giving running statements half a second."""
    try:
        await asyncio.wait_for(pool.close(), _CLOSE_TIMEOUT_S)
    except TimeoutError:
        pool.terminate()


async def require_schema(url: str) -> None:
    """Check that the schema is of this version.

    Raises:
        MigrationError: it is older (says to migrate) or newer.
    """
    async with db.connection(url) as conn:
        applied = await db.load_applied(conn)
    pending = db.pending_migrations(db.load_migrations(db.migrations_path()), applied)
    if pending:
        raise MigrationError(f"the database lacks migration {pending[0].name}: run `jalki migrate` on it first")


def base_url(settings: Settings) -> str:
    """Return the address under which browsers reach the service, without a trailing slash."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104  # compared only
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


@asynccontextmanager
async def kept_address(home: Path, address: str) -> AsyncIterator[None]:
    """Let other commands on this data folder know where the running service answers."""
    file = home / _ADDRESS_FILE
    file.write_text(f"{address}\n", encoding="utf-8")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _load_address(home: Path) -> str | None:
    try:
        return (home / _ADDRESS_FILE).read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


@asynccontextmanager
async def _embedded_database(home: Path) -> AsyncIterator[Database]:
    deadline = time.monotonic() + _STARTING_TIMEOUT_S
    while True:
        url = running_url(home)
        if url:
            yield Database(url, is_ours=False)
            return
        try:
            server = await start_postgres(home)
            break
        except FolderInUseError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(_STARTING_PAUSE_S)
    (home / _ADDRESS_FILE).unlink(missing_ok=True)  # of a service that was killed
    try:
        yield Database(server.url, is_ours=True)
    finally:
        await server.stop()
