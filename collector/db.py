"""Pools, migrations and readiness of Postgres.

The only module that opens connections, so that every one of them runs with the same session settings. It knows no table
but `schema_migrations`.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString, TypeAlias
from urllib.parse import urlsplit

import asyncpg
import asyncpg.pool

from collector.errors import MigrationError, StorageError
from collector.pgcopy import HEADER, TRAILER

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Conn: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
"""A connection, whether opened alone or borrowed from a pool."""

POSTGRES_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
"""What asyncpg raises when Postgres refuses, is away, or does not answer in time."""

_MIGRATION_LOCK = 0x6A616C6B69  # "jalki": every migrator of one database asks for the same advisory lock
_MIGRATION_LOCK_TIMEOUT_S = 600  # a migrator waits this long for another one
_CONNECT_TIMEOUT_S = 10.0
_RETRY_PAUSE_S = 0.05
_CONNECT_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

_LOCK: LiteralString = """
-- db.migrate
select pg_advisory_lock($1)
"""
_CREATE_LIST: LiteralString = """
-- db.migrate
create table if not exists schema_migrations (
    name text primary key,
    digest bytea not null,
    applied_at timestamptz not null default now()
)
"""
_LOAD_LIST: LiteralString = """
-- db.load_applied
select name, digest
from schema_migrations
order by name
"""
_HAS_LIST: LiteralString = """
-- db.load_applied
select to_regclass('schema_migrations') is not null
"""
_WRITE_APPLIED: LiteralString = """
-- db.migrate
insert into schema_migrations (name, digest)
values ($1, $2)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of the migrations folder."""

    name: str
    sql: str

    def digest(self) -> bytes:
        """Return the SHA-256 of the file, which tells an edited migration from the one that was applied."""
        return hashlib.sha256(self.sql.encode()).digest()


async def open_pool(url: str, *, size: int = 8, command_timeout: float = 30.0, application: str = "jalki") -> Pool:
    """Return a pool of at most `size` connections; each statement may take `command_timeout` seconds.

    Raises:
        StorageError: Postgres cannot be reached or refuses the connection.
    """
    try:
        pool = await asyncpg.create_pool(
            url,
            min_size=0,  # asyncpg logs every vain try to keep one, with its traceback, while Postgres is away
            max_size=size,
            timeout=_CONNECT_TIMEOUT_S,
            command_timeout=command_timeout,
            server_settings=_session_settings(application),
        )
        async with pool.acquire():
            return pool
    except (*_CONNECT_ERRORS, ValueError) as error:
        raise StorageError(f"Postgres at {public_address(url)} cannot be used: {_reason(error)}") from error


@asynccontextmanager
async def connection(url: str, *, application: str = "jalki") -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """Yield one connection outside any pool, without a limit on how long its statements take.

    Raises:
        StorageError: Postgres cannot be reached or refuses the connection.
    """
    try:
        conn = await asyncpg.connect(url, timeout=_CONNECT_TIMEOUT_S, server_settings=_session_settings(application))
    except (*_CONNECT_ERRORS, ValueError) as error:
        raise StorageError(f"Postgres at {public_address(url)} cannot be used: {_reason(error)}") from error
    try:
        yield conn
    finally:
        await conn.close(timeout=_CONNECT_TIMEOUT_S)


async def wait_ready(url: str, *, timeout_s: float = 60.0) -> None:
    """Return once Postgres answers a query.

    Raises:
        StorageError: it did not within `timeout_s`; names the last reason.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            async with connection(url) as conn:
                await conn.execute("-- db.wait_ready\nselect 1")
                return
        except StorageError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(_RETRY_PAUSE_S)


async def migrate(url: str) -> list[str]:
    """Bring the schema to this version and return the names applied now; a second migrator waits for the first.

    Each migration is one transaction together with its row in `schema_migrations`, so that an interrupted one leaves
    nothing behind and is applied by the next run.

    Raises:
        MigrationError: a migration failed, was edited after it was applied, or the database is of a newer version.
        StorageError: Postgres cannot be reached.
    """
    wanted = load_migrations(migrations_path())
    async with connection(url, application="jalki migrate") as conn:
        try:
            await conn.execute(f"set lock_timeout = '{_MIGRATION_LOCK_TIMEOUT_S}s'")
            # Held on the control connection and given back when it closes, whatever happens in between.
            await conn.execute(_LOCK, _MIGRATION_LOCK)
            await conn.execute(_CREATE_LIST)
            pending = pending_migrations(wanted, await load_applied(conn))
        except asyncpg.PostgresError as error:
            raise MigrationError(f"the list of migrations cannot be read: {_reason(error)}") from error
        for migration in pending:
            await _apply(conn, migration)
    return [migration.name for migration in pending]


async def load_applied(conn: Conn) -> dict[str, bytes]:
    """Return the digest of each migration that this database has had, by name; empty for a new database."""
    if not await conn.fetchval(_HAS_LIST):
        return {}
    return {row["name"]: row["digest"] for row in await conn.fetch(_LOAD_LIST)}


def pending_migrations(wanted: list[Migration], applied: Mapping[str, bytes]) -> list[Migration]:
    """Return what is still to be applied, in order.

    Raises:
        MigrationError: a migration was edited after it was applied, or the database has one that is not known here.
    """
    known = {migration.name: migration for migration in wanted}
    for name, digest in applied.items():
        if name not in known:
            raise MigrationError(f"the database has migration {name}, which this version does not know: update jalki")
        if known[name].digest() != digest:
            raise MigrationError(f"migration {name} was edited after this database had it; add a new one instead")
    return [migration for migration in wanted if migration.name not in applied]


async def copy_in(conn: Conn, table: str, columns: Sequence[str], rows: Iterable[bytes]) -> None:
    """Add rows in the binary COPY format, inside the caller's transaction."""

    # A generator, not a file: asyncpg would hand each read to another thread.
    async def stream() -> AsyncIterator[bytes]:
        yield b"".join((HEADER, *rows, TRAILER))

    await conn.copy_to_table(table, source=stream(), columns=list(columns), format="binary")


def load_migrations(folder: Path) -> list[Migration]:
    """Return every migration of `folder` in the order of application."""
    return [Migration(path.stem, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("[0-9]*.sql"))]


def migrations_path() -> Path:
    """Return the folder of the migrations: inside the installed package, else beside it in a checkout.

    Raises:
        MigrationError: neither is there.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "migrations", package.parent / "migrations"):
        if folder.is_dir():
            return folder
    raise MigrationError(f"no migrations beside {package}; install the package again")


def public_address(url: str) -> str:
    """Return host, port and database of `url` for messages, without the user and password."""
    try:
        parts = urlsplit(url)
        host = f"{parts.hostname}:{parts.port or 5432}" if parts.hostname else "its socket"
    except ValueError:
        return "an address that cannot be read"
    return f"{host}{parts.path}"


async def _apply(conn: Conn, migration: Migration) -> None:
    try:
        async with conn.transaction():
            await conn.execute(migration.sql)
            await conn.execute(_WRITE_APPLIED, migration.name, migration.digest())
    except asyncpg.PostgresError as error:
        raise MigrationError(f"migration {migration.name} failed and left nothing behind: {_reason(error)}") from error


def _session_settings(application: str) -> dict[str, str]:
    # jit: plans of short statements that are compiled anew each time cost more than they save.
    return {"timezone": "UTC", "jit": "off", "application_name": application}


def _reason(error: BaseException) -> str:
    return str(error).strip() or type(error).__name__
