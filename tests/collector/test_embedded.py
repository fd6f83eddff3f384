"""The embedded Postgres: it keeps data through everything, and says what to do where it cannot start."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from collector import cluster
from collector.children import Account
from collector.embedded import EmbeddedPostgres, running_url, start_postgres
from collector.errors import EmbeddedError, FolderInUseError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run Postgres as another user")

CHILD = """
import asyncio, sys
from pathlib import Path
import asyncpg
from collector.embedded import start_postgres

async def main():
    server = await start_postgres(Path(sys.argv[1]))
    conn = await asyncpg.connect(server.url)
    await conn.execute("create table if not exists kept (x int)")
    for number in range(100_000):
        await conn.execute("insert into kept values ($1)", number)
        print(number, server.process.pid, flush=True)

asyncio.run(main())
"""


async def test_data_survives_a_restart(open_folder: Path) -> None:
    """What was committed before a stop is there after the next start."""
    await _execute(open_folder, "create table kept as select 42 as x")

    assert await _execute(open_folder, "select x from kept") == 42


async def test_it_listens_on_a_socket_only_and_keeps_every_commit(postgres: EmbeddedPostgres) -> None:
    """No network port, and a commit is on the disk before it is acknowledged."""
    conn = await asyncpg.connect(postgres.url)
    names = ("listen_addresses", "fsync", "synchronous_commit", "full_page_writes", "data_checksums", "server_encoding")
    found = {name: await conn.fetchval("select current_setting($1)", name) for name in names}
    await conn.close()

    assert found == {
        "listen_addresses": "",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
    }


async def test_a_running_server_is_found_by_others(open_folder: Path) -> None:
    """Another process learns the address while the server runs, and only then."""
    assert running_url(open_folder) is None
    server = await start_postgres(open_folder)

    assert running_url(open_folder) == server.url
    await server.stop()
    assert running_url(open_folder) is None


async def test_a_second_server_on_one_folder_is_refused(open_folder: Path) -> None:
    """The message names the process that holds the folder."""
    server = await start_postgres(open_folder)
    try:
        with pytest.raises(FolderInUseError, match=f"in use by process {os.getpid()}"):
            await start_postgres(open_folder)
    finally:
        await server.stop()


@pytest.mark.parametrize("name", ["with a space, and a comma", "å", "x" * 100 + "/" + "y" * 100, 'quo"te'])
async def test_any_path_will_do(open_folder: Path, name: str) -> None:
    """Spaces, commas, quotes, other alphabets and paths too long for a socket."""
    assert await _execute(open_folder / name, "select 1") == 1
    assert await _execute(open_folder / name, "select 2") == 2


async def test_data_of_another_major_version_is_refused(open_folder: Path) -> None:
    """The message says how to take the data along, and the data stay as they were."""
    await _execute(open_folder, "select 1")
    version = open_folder / "postgres" / "data" / "PG_VERSION"
    version.write_text("16\n")

    with pytest.raises(EmbeddedError, match=r"made by Postgres 16.*pg_dump.*pg_restore"):
        await start_postgres(open_folder)
    assert version.read_text() == "16\n"


async def test_a_folder_that_is_no_cluster_is_refused(open_folder: Path) -> None:
    """Something else in the place of the data is never overwritten."""
    data = open_folder / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "precious").write_text("mine")

    with pytest.raises(EmbeddedError, match="is not a Postgres data directory"):
        await start_postgres(open_folder)
    assert (data / "precious").read_text() == "mine"


async def test_an_interrupted_initdb_is_cleared_away(open_folder: Path) -> None:
    """A half-made cluster has another name than a whole one."""
    part = open_folder / "postgres" / "data.part-interrupted"
    part.mkdir(parents=True)
    (part / "PG_VERSION").write_text("18\n")

    assert await _execute(open_folder, "select 1") == 1
    assert not part.exists()


async def test_a_stale_pid_file_that_names_another_process_is_no_obstacle(open_folder: Path) -> None:
    """After a crash the number in postmaster.pid may belong to anyone."""
    await _execute(open_folder, "select 1")
    pid_file = open_folder / "postgres" / "data" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{pid_file.parent}\n1\n5432\n/nowhere\n\n0 0\nready\n")

    assert running_url(open_folder) is None
    assert await _execute(open_folder, "select 1") == 1


async def test_a_server_that_lost_its_parent_is_stopped_and_replaced(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the kernel does not end it with its parent, the next start does."""
    orphan = await start_postgres(open_folder)
    orphan.lock.close()

    server = await start_postgres(open_folder)

    assert orphan.process.wait(timeout=10) == 0
    assert running_url(open_folder) == server.url
    await server.stop()


@pytest.mark.parametrize("kills_postgres_too", [False, True])
async def test_rows_survive_kill_minus_nine(open_folder: Path, *, kills_postgres_too: bool) -> None:
    """Whatever was acknowledged before the kill is there after the next start, and Postgres does not stay behind."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CHILD, str(open_folder)), stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    acknowledged, pid = -1, 0
    async with asyncio.timeout(60):
        while acknowledged < 30:
            acknowledged, pid = map(int, (await process.stdout.readline()).split())
    if kills_postgres_too:
        os.kill(pid, signal.SIGKILL)
    os.killpg(process.pid, signal.SIGKILL)
    async with asyncio.timeout(60):
        rest, _ = await process.communicate()
    acknowledged = max([acknowledged, *(int(line.split()[0]) for line in rest.splitlines() if b" " in line)])

    count = await _execute(open_folder, "select count(*) from kept where x <= $1", acknowledged)

    assert count == acknowledged + 1
    assert not _is_running(pid)


@as_root
async def test_a_folder_that_shuts_the_server_out_is_named(open_folder: Path) -> None:
    """Root learns which folder is in the way, and its permissions are left alone."""
    shut = open_folder / "shut"
    shut.mkdir(mode=0o700)

    with pytest.raises(EmbeddedError, match=rf"{shut} shuts that user out.*--data"):
        await start_postgres(shut / "data")
    assert shut.stat().st_mode & 0o777 == 0o700


@as_root
def test_binaries_out_of_reach_are_copied_once(open_folder: Path) -> None:
    """A virtual environment below /root is out of the server's reach; its Postgres is copied beside the data."""
    account = cluster.choose_account()
    assert account is not None
    wheel = cluster.find_binaries()
    hidden = open_folder / "hidden"
    hidden.mkdir(mode=0o700)
    (hidden / "pg").symlink_to(wheel.root)
    binaries = cluster.Binaries(hidden / "pg", wheel.version)

    copy = cluster.reachable_binaries(binaries, open_folder, account)
    stamp = copy.root.stat().st_ino

    assert copy.root == open_folder / f"postgres-bin-{wheel.version}"
    assert cluster.reachable_binaries(binaries, open_folder, account).root.stat().st_ino == stamp
    assert cluster.reachable_binaries(wheel, open_folder, account) == (wheel if _is_open(wheel.root) else copy)


@as_root
def test_a_child_runs_as_the_account_and_dies_with_its_parent() -> None:
    """The kernel's promise, which the change of user must not undo."""
    account = cluster.choose_account()
    assert isinstance(account, Account)
    script = f"""
import os, signal, subprocess
from collector.children import Account, follow_parent
prepare = follow_parent(signal.SIGKILL, Account({account.name!r}, {account.uid}, {account.gid}))
subprocess.Popen(["/bin/sh", "-c", "id -u; exec sleep 600"], preexec_fn=prepare).wait()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline().decode().strip() == str(account.uid)

        parent.kill()

        assert parent.stdout.read() == b""  # the pipe closes when the child, too, is gone


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _is_open(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


async def _execute(folder: Path, sql: str, *values: object) -> object:
    server = await start_postgres(folder)
    try:
        conn = await asyncpg.connect(server.url)
        try:
            return await conn.fetchval(sql, *values)
        finally:
            await conn.close()
    finally:
        await server.stop()
