"""What `jalki doctor` looks at: each check says what it found and, where that is wrong, how to mend it."""

import os
import pwd
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from collector import db, quarantine, store
from collector.cluster import check_version, choose_account, find_binaries
from collector.errors import AddressError, EmbeddedError, JalkiError, MigrationError, SpoolError
from collector.settings import Settings
from collector.spool_survey import survey_spool
from heatmap.commands.place import Database, open_database, require_schema
from heatmap.commands.web import bind_socket, is_answering

_MIN_PYTHON = (3, 11)
_MIN_FREE_BYTES = 1 << 30  # a day of a busy site, and Postgres stops when the disk is full
_MIN_SPOOL_BYTES = 64 << 20  # what a collector may have in memory for its spool
_NEARLY_FULL = 0.9
_MAX_CLOCK_SKEW_S = 5.0  # older than this, batches seem to come from the future
_MAX_LAG_S = 60.0  # the worker needs five seconds
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)  # a clock before this was never set
_FLUSH_COUNTER_BITS = 22  # ids.flush_id


class Check(msgspec.Struct, frozen=True):
    """One line of the report."""

    name: str
    is_ok: bool
    found: str
    remedy: str = ""


async def run_checks(settings: Settings, now: datetime) -> list[Check]:
    """Return every check that can be made; what depends on a broken thing is left out."""
    checks = [check_python(), await check_port(settings), check_spool(settings)]
    if not settings.database_url:
        checks += [check_binaries(), check_folder(settings.data_path()), check_disk(settings.data_path())]
        if not (settings.data_path() / "postgres" / "data").exists():
            return [*checks, Check("database", is_ok=True, found="not made yet; `jalki up` makes it")]
    if all(check.is_ok for check in checks if check.name in {"binaries", "data folder"}):
        checks += await _check_database(settings, now)
    return checks


def check_python() -> Check:
    """Return whether this Python is new enough."""
    found = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info >= _MIN_PYTHON, found, "install Python 3.11 or newer")


async def check_port(settings: Settings) -> Check:
    """Return whether the port is free, or jalki itself is behind it."""
    where = f"{settings.host}:{settings.port}"
    try:
        bind_socket(settings.host, settings.port).close()
    except AddressError as error:
        if await is_answering(settings.host, settings.port, "/healthz"):
            return Check("port", is_ok=True, found=f"jalki answers on {where}")
        return Check("port", is_ok=False, found=str(error), remedy="free it, or choose another with --port")
    return Check("port", is_ok=True, found=f"{where} is free")


def check_binaries() -> Check:
    """Return whether the embedded Postgres can run on this machine."""
    try:
        binaries = find_binaries()
    except EmbeddedError as error:
        return Check("binaries", is_ok=False, found="no Postgres for this machine", remedy=str(error))
    return Check("binaries", is_ok=True, found=f"Postgres {binaries.version} in {binaries.root}")


def check_folder(home: Path) -> Check:
    """Return whether the data folder belongs to whom it must and to this version."""
    data = home / "postgres" / "data"
    if not data.parent.exists():
        return Check("data folder", is_ok=True, found=f"{home} has no data yet")
    try:
        account = choose_account()
        uid = account.uid if account else os.geteuid()
        owner = data.parent.stat().st_uid
        if owner != uid:
            remedy = f"start jalki as the user who made it, or: chown -R {_name(uid)} {data.parent}"
            return Check("data folder", is_ok=False, found=f"{data.parent} belongs to {_name(owner)}", remedy=remedy)
        check_version(data, find_binaries())
    except (EmbeddedError, OSError) as error:
        return Check("data folder", is_ok=False, found=f"{home} cannot be used", remedy=str(error))
    return Check("data folder", is_ok=True, found=f"{home}, of user {_name(uid)}")


def check_disk(home: Path) -> Check:
    """Return whether there is room to write."""
    folder = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(folder).free
    remedy = f"free some space on the disk of {folder}, or move the data folder"
    return Check("disk", free >= _MIN_FREE_BYTES, f"{free / (1 << 30):.1f} GiB free", remedy)


def check_spool(settings: Settings) -> Check:
    """Return whether batches could wait on disk, and whether any wait that nobody will drain."""
    home, limit = settings.spool_path(), settings.spool_max_bytes
    folder = next(folder for folder in (home, *home.parents) if folder.exists())
    try:
        slots = survey_spool(home)
    except SpoolError as error:
        return Check("spool", is_ok=False, found=str(error), remedy="let this user read it, or set JALKI_SPOOL_DIR")
    left, damaged = sum(one.depth for one in slots if not one.holder_pid), sum(one.damaged_frames for one in slots)
    found = f"{home}: {sum(one.depth for one in slots)} batches wait, {left} of them in slots that nobody holds"
    if limit and not os.access(folder, os.W_OK):
        return Check("spool", is_ok=False, found=f"{folder} cannot be written to", remedy="set JALKI_SPOOL_DIR")
    if limit and (any(one.size_bytes > limit * _NEARLY_FULL for one in slots) or _free(folder) < _MIN_SPOOL_BYTES):
        remedy = f"is Postgres away? free some space on the disk of {folder}, or raise JALKI_SPOOL_MAX_BYTES"
        return Check("spool", is_ok=False, found=f"{found}; it is full", remedy=remedy)
    if damaged:
        return Check("spool", is_ok=False, found=f"{found}; {damaged} are damaged", remedy="check the disk")
    return Check("spool", is_ok=not left, found=found, remedy="start a collector here, or: jalki spool drain")


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


async def _check_database(settings: Settings, now: datetime) -> list[Check]:
    try:
        async with open_database(settings) as database:
            checks = [Check("database", is_ok=True, found=f"answers at {db.public_address(database.url)}")]
            checks += [await _check_clock(database, now), await _check_schema(database)]
            if checks[-1].is_ok:
                checks += [await _check_lag(database, now), await _check_quarantine(database)]
            return checks
    except JalkiError as error:
        return [Check("database", is_ok=False, found="cannot be used", remedy=str(error))]


async def _check_schema(database: Database) -> Check:
    try:
        await require_schema(database.url)
    except MigrationError as error:
        return Check("schema", is_ok=False, found="is not of this version", remedy=str(error))
    return Check("schema", is_ok=True, found="is of this version")


async def _check_clock(database: Database, now: datetime) -> Check:
    async with db.connection(database.url) as conn:
        theirs = await conn.fetchval("-- doctor.check_clock\nselect clock_timestamp()")
    skew_s = (theirs - now).total_seconds()
    is_ok = now > _EPOCH and -_MAX_CLOCK_SKEW_S < skew_s < _MAX_CLOCK_SKEW_S
    found = f"{now:%Y-%m-%d %H:%M:%S} UTC, {skew_s:+.1f} s from the database's"
    return Check("clock", is_ok, found, "set the clocks of this machine and the database's by NTP")


async def _check_lag(database: Database, now: datetime) -> Check:
    """Return whether facts wait for the worker; a flush id carries the time it was made."""
    async with db.connection(database.url) as conn:
        waiting = [
            flush.flush_id >> _FLUSH_COUNTER_BITS
            for key in await store.load_pending_shards(conn)
            for flush in await store.load_pending_flushes(conn, key, 1)
        ]
    lag_s = max(0.0, now.timestamp() - min(waiting) / 1000) if waiting else 0.0
    found = f"the oldest waiting facts are {lag_s:.0f} s old" if waiting else "no facts wait"
    remedy = "is a worker running? `jalki up`, or `jalki worker`, and look at its log"
    return Check("rollups", lag_s <= _MAX_LAG_S, found, remedy)


async def _check_quarantine(database: Database) -> Check:
    async with db.connection(database.url) as conn:
        count = await quarantine.count_quarantined(conn)
    return Check("quarantine", count == 0, f"{count} batches were refused by Postgres", "jalki quarantine list")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
