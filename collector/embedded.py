"""The Postgres that `jalki up` starts for itself: start, wait, adopt nothing, stop.

It listens on a socket below the data folder only, for this user only. It must never run two servers on one folder,
lose a commit, or outlive the process that started it.
"""

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

import asyncpg

from collector.children import follow_parent
from collector.cluster import ROLE, Cluster, own, prepare_cluster, socket_folder
from collector.errors import EmbeddedError, FolderInUseError

_PORT = 5432  # only part of the socket's name
_START_TIMEOUT_S = 600.0  # recovery after a crash replays up to max_wal_size of log
_STOP_TIMEOUT_S = 60.0  # the checkpoint of a fast shutdown
_QUIT_TIMEOUT_S = 10.0
_POLL_S = 0.02
_WATCH_S = 0.5
_STARTING = (asyncpg.CannotConnectNowError, OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)

_SERVER = (
    "listen_addresses=",
    f"port={_PORT}",
    "unix_socket_permissions=0700",
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    "max_connections=64",
    "shared_buffers=128MB",
    "max_wal_size=2GB",
    "min_wal_size=128MB",
    "checkpoint_timeout=15min",
    "checkpoint_completion_target=0.9",
    "wal_compression=on",
    "autovacuum=on",
    "timezone=UTC",
    "log_timezone=UTC",
    "logging_collector=on",
    "log_filename=postgres-%a.log",
    "log_rotation_age=1d",
    "log_rotation_size=0",
    "log_truncate_on_rotation=on",
    "log_min_messages=warning",
    "log_checkpoints=off",
    "log_line_prefix=%m %a ",
)


@dataclass(slots=True)
class EmbeddedPostgres:
    """A running server; `stop` it before the process ends."""

    cluster: Cluster
    sockets: Path
    process: "subprocess.Popen[bytes]"
    lock: IO[str]

    @property
    def url(self) -> str:
        """Return the address of the database."""
        return self.database_url(ROLE)

    def database_url(self, name: str) -> str:
        """Return the address of another database of this server."""
        return socket_url(self.sockets, name)

    async def ended(self) -> None:
        """Return once the server is gone, whatever ended it."""
        while self.process.poll() is None:  # noqa: ASYNC110  # the kernel sets no event
            await asyncio.sleep(_WATCH_S)

    async def stop(self) -> None:
        """Stop the server: running statements are cancelled, everything committed is on disk.

        Raises:
            EmbeddedError: it is still there after every signal that leaves the data whole.
        """
        try:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGINT)
                if not await _ends(self.process, _STOP_TIMEOUT_S):
                    self.process.send_signal(signal.SIGQUIT)
                    if not await _ends(self.process, _QUIT_TIMEOUT_S):
                        raise EmbeddedError(
                            f"Postgres (process {self.process.pid}) does not stop; its data is in {self.cluster.data}"
                        )
        finally:
            _remove_sockets(self.sockets)
            self.lock.close()


async def start_postgres(data_path: Path) -> EmbeddedPostgres:
    """Return a running server on the data below `data_path`, made now if there is none.

    Call it from the main thread: the server follows the thread that starts it into death.

    Raises:
        EmbeddedError: the folder is in use, of another major version, or cannot be used; says what to do.
    """
    lock = take_lock(data_path)
    try:
        cluster = await asyncio.to_thread(prepare_cluster, absolute(data_path))
        await _stop_orphan(cluster)
        return await _launch(cluster, lock)
    except BaseException:
        lock.close()
        raise


def running_url(data_path: Path) -> str | None:
    """Return the address of the server that another process runs on `data_path`; None: there is none."""
    home = absolute(data_path)
    try:
        lines = _pid_file(home).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    if len(lines) < 8 or lines[7].strip() != "ready" or not _is_server(int(lines[0]), home / "postgres" / "data"):
        return None
    return socket_url(Path(lines[4]), ROLE)


def socket_url(sockets: Path, database: str) -> str:
    """Return the address of a database behind a socket folder; spaces and the like are escaped."""
    return f"postgresql://{ROLE}@/{database}?host={quote(str(sockets), safe='')}&port={_PORT}"


def absolute(data_path: Path) -> Path:
    """Return the data folder as a full path."""
    return data_path.expanduser().absolute()


def take_lock(data_path: Path) -> IO[str]:
    """Return the open lock file of the data folder; the kernel frees it when this process ends, however it ends.

    Raises:
        FolderInUseError: another process holds it.
        EmbeddedError: the folder cannot be made or written.
    """
    home = absolute(data_path)
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / "jalki.lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise EmbeddedError(
            f"the data folder {home} cannot be used: {error.strerror}; choose another with --data"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise FolderInUseError(
            f"the data folder {home} is in use by process {holder}: stop that one, or choose another folder with --data"
        ) from error
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


async def _launch(cluster: Cluster, lock: IO[str]) -> EmbeddedPostgres:
    sockets = socket_folder(cluster)
    start_log = cluster.logs / "start.log"
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        process = _spawn(cluster, sockets, start_log)
        server = EmbeddedPostgres(cluster, sockets, process, lock)
        try:
            if await _accepts(server, deadline):
                await _ensure_database(server)
                return server
        except BaseException:
            await server.stop()
            raise
        said = start_log.read_text(encoding="utf-8", errors="replace").strip()
        # The backends of a postmaster that was killed need a moment to notice.
        if "shared memory block" not in said or time.monotonic() > deadline:
            _remove_sockets(sockets)
            raise EmbeddedError(f"Postgres does not start on {cluster.data}: {_last_words(said, cluster.logs)}")
        await asyncio.sleep(_POLL_S * 10)


def _spawn(cluster: Cluster, sockets: Path, start_log: Path) -> "subprocess.Popen[bytes]":
    settings = (*_SERVER, f"unix_socket_directories={_quoted(sockets)}", f"log_directory={cluster.logs}")
    command = [cluster.binaries.program("postgres"), "-D", str(cluster.data)]
    for setting in settings:
        command += ["-c", setting]
    with start_log.open("wb") as output:
        own(start_log, cluster.account)
        return subprocess.Popen(  # noqa: S603  # a fixed program, no shell
            command,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=follow_parent(signal.SIGINT, cluster.account),  # noqa: PLW1509  # system calls only
        )


async def _accepts(server: EmbeddedPostgres, deadline: float) -> bool:
    """Return whether the server came up; False: it ended by itself."""
    while server.process.poll() is None:
        try:
            conn = await asyncpg.connect(server.database_url("postgres"), timeout=5)
        except _STARTING as error:
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"Postgres on {server.cluster.data} is not ready after {_START_TIMEOUT_S:.0f} s: {error}"
                ) from error
        else:
            await conn.close(timeout=5)
            return True
        await asyncio.sleep(_POLL_S)
    return False


async def _ensure_database(server: EmbeddedPostgres) -> None:
    conn = await asyncpg.connect(server.database_url("postgres"), timeout=5)
    try:
        if not await conn.fetchval("-- embedded.ensure_database\nselect 1 from pg_database where datname = $1", ROLE):
            await conn.execute(f"-- embedded.ensure_database\ncreate database {ROLE}")
    finally:
        await conn.close(timeout=5)


async def _stop_orphan(cluster: Cluster) -> None:
    """Stop a server that an earlier, killed process left behind: this process holds the lock, so nobody else owns it.

    Raises:
        EmbeddedError: it does not stop.
    """
    file = _pid_file(cluster.home)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    lines = text.splitlines()
    pid = int(lines[0]) if lines and lines[0].strip().isdigit() else 0
    for number, timeout_s in ((signal.SIGINT, _STOP_TIMEOUT_S), (signal.SIGQUIT, _QUIT_TIMEOUT_S)):
        deadline = time.monotonic() + timeout_s
        if _is_server(pid, cluster.data):
            os.kill(pid, number)
        while _is_server(pid, cluster.data):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(_POLL_S)
        else:
            # The number in a stale file may be another process by now, or one that is dead and not yet reaped; Postgres
            # would take both for a server.
            file.unlink(missing_ok=True)
            for stale in (cluster.home / "postgres" / "run").iterdir():
                stale.unlink()
            if len(lines) > 4:
                _remove_sockets(Path(lines[4]))
            return
    raise EmbeddedError(
        f"an earlier Postgres (process {pid}) on {cluster.data} does not stop: kill it, then start again"
    )


def _is_server(pid: int, data: Path) -> bool:
    """Return whether `pid` is a live postmaster on `data`, which is its working directory."""
    if pid <= 0:
        return False
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == data.resolve()
    except FileNotFoundError:
        if Path("/proc/self/cwd").exists():
            return False
    except PermissionError:
        return False
    return str(data) in _command_line(pid)


def _command_line(pid: int) -> str:
    command = ["ps", "-p", str(pid), "-o", "command="]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=10).stdout  # noqa: S603  # fixed


async def _ends(process: "subprocess.Popen[bytes]", timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while process.poll() is None:
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_POLL_S)
    return True


def _remove_sockets(sockets: Path) -> None:
    """Remove a short socket folder of ours; the usual one stays."""
    if sockets.name.startswith("jalki-") and sockets.parent == Path(tempfile.gettempdir()):
        shutil.rmtree(sockets, ignore_errors=True)


def _pid_file(home: Path) -> Path:
    return home / "postgres" / "data" / "postmaster.pid"


def _quoted(path: Path) -> str:
    # unix_socket_directories is a list of identifiers: quotes keep spaces and capitals.
    return '"{}"'.format(str(path).replace('"', '""'))


def _last_words(said: str, logs: Path) -> str:
    newest = max(logs.glob("postgres-*.log"), key=lambda path: path.stat().st_mtime, default=None)
    later = newest.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:] if newest else []
    return " / ".join([*said.splitlines()[-3:], *later]) or "it said nothing"
