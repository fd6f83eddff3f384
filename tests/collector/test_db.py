"""The pool's session settings and the migrations."""

import asyncio

import asyncpg
import pytest

from collector import db
from collector.errors import MigrationError, StorageError


async def test_pool_connections_run_in_utc_without_jit(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    """Every connection of a pool has the session settings that the SQL relies on."""
    row = await pool.fetchrow(
        "select current_setting('TimeZone') as zone, current_setting('jit') as jit,"
        " current_setting('application_name') as application"
    )

    assert dict(row) == {"zone": "UTC", "jit": "off", "application": "jalki"}


async def test_migrate_applies_everything_once(empty_postgres_url: str) -> None:
    """A second run finds nothing to do."""
    names = [migration.name for migration in db.load_migrations(db.migrations_path())]

    assert await db.migrate(empty_postgres_url) == names
    assert await db.migrate(empty_postgres_url) == []


async def test_two_migrators_at_once_apply_each_migration_once(empty_postgres_url: str) -> None:
    """The advisory lock makes the second migrator wait, and it then finds nothing to do."""
    applied = await asyncio.gather(*(db.migrate(empty_postgres_url) for _ in range(4)))

    assert sorted(map(len, applied)) == [0, 0, 0, len(db.load_migrations(db.migrations_path()))]


async def test_a_migration_that_fails_leaves_nothing_and_can_be_run_again(
    empty_postgres_url: str, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration and its mark are one transaction."""
    (tmp_path / "0001_create_a.sql").write_text("create table a (x int);")
    broken = tmp_path / "0002_create_b.sql"
    broken.write_text("create table b (x int); select 1 / 0;")
    monkeypatch.setattr(db, "migrations_path", lambda: tmp_path)

    with pytest.raises(MigrationError, match="0002_create_b"):
        await db.migrate(empty_postgres_url)
    broken.write_text("create table b (x int);")

    assert await db.migrate(empty_postgres_url) == ["0002_create_b"]


async def test_an_edited_migration_is_refused(
    empty_postgres_url: str, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a database had is compared by digest, not by name alone."""
    file = tmp_path / "0001_create_a.sql"
    file.write_text("create table a (x int);")
    monkeypatch.setattr(db, "migrations_path", lambda: tmp_path)
    await db.migrate(empty_postgres_url)
    file.write_text("create table a (x bigint);")

    with pytest.raises(MigrationError, match="was edited"):
        await db.migrate(empty_postgres_url)


async def test_a_database_of_a_newer_version_is_refused(
    empty_postgres_url: str, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration that is not known here says that the program is too old."""
    newer = tmp_path / "9999_add_future.sql"
    newer.write_text("select 1;")
    with monkeypatch.context() as patch:
        patch.setattr(db, "migrations_path", lambda: tmp_path)
        await db.migrate(empty_postgres_url)

    with pytest.raises(MigrationError, match="update jalki"):
        await db.migrate(empty_postgres_url)


@pytest.mark.parametrize(
    "url", ["postgresql://someone:secret@127.0.0.1:1/x", "postgresql:///x?host=/nowhere", "nonsense"]
)
async def test_an_unreachable_postgres_is_a_storage_error_without_the_password(url: str) -> None:
    """Whatever is wrong with the address, the message says so and keeps the password to itself."""
    with pytest.raises(StorageError) as failure:
        await db.open_pool(url)

    assert "secret" not in str(failure.value)
