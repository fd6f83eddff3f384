"""The files of a slot of the spool: what is only appended to, the cursor, the damaged bytes, the list of segments."""

import contextlib
import errno
import logging
import os
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from google_crc32c import value

_log = logging.getLogger(__name__)

KEPT_DAMAGE_BYTES = 16 << 20
"""Damaged bytes of one slot that are kept aside; more are counted alone."""
_CURSOR = struct.Struct("<4sQI")
_CURSOR_MAGIC = b"JkCu"
_CURSOR_PLACES = (0, 512)  # one sector each: a torn write leaves the other
_SUFFIX = ".seg"
_LOST_FILE = {errno.EIO, errno.ENOENT, getattr(errno, "EUCLEAN", errno.EIO), getattr(errno, "EBADMSG", errno.EIO)}


class Appendable(Protocol):
    """A file that is only appended to; every method raises OSError as the system does."""

    def append(self, data: bytes) -> None:
        """Write all of `data`."""

    def sync(self) -> None:
        """Return once what was written is on the disk."""

    def cut(self, size: int) -> None:
        """Drop what stands behind `size` bytes."""

    def close(self) -> None:
        """Close the file."""


class AppendedFile:
    """A new file of this user's alone."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def append(self, data: bytes) -> None:
        """Write all of `data`."""
        left = memoryview(data)
        while left:
            left = left[os.write(self._fd, left) :]

    def sync(self) -> None:
        """Return once what was written is on the disk."""
        _sync_data(self._fd)

    def cut(self, size: int) -> None:
        """Drop what stands behind `size` bytes."""
        os.ftruncate(self._fd, size)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


class Cursor:
    """The last sequence number that is stored elsewhere, kept in a file through crashes.

    It is written in place, so that it can be moved on while the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._nth = 0

    def load(self) -> int:
        """Return the number; 0 where none is kept, or its file cannot be read."""
        try:
            data = self._path.read_bytes()
        except OSError:
            return 0
        return max((_read_cursor(data[place : place + _CURSOR.size]) for place in _CURSOR_PLACES), default=0)

    def write(self, sequence: int) -> None:
        """Keep the number.

        Raises:
            OSError: after a crash the number of before may come back.
        """
        plain = struct.pack("<4sQ", _CURSOR_MAGIC, sequence)
        self._nth = 1 - self._nth
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(fd, _CURSOR.pack(_CURSOR_MAGIC, sequence, value(plain)), _CURSOR_PLACES[self._nth])
            _sync_data(fd)
        finally:
            os.close(fd)


class DamagedBytes:
    """Counts what could not be read and keeps it aside, up to `KEPT_DAMAGE_BYTES`, for a person to look at."""

    def __init__(self, folder: Path) -> None:
        self.frames = 0
        self.bytes = 0
        self._folder = folder
        self._met: set[str] = set()
        self._kept = sum(path.stat().st_size for path in folder.iterdir()) if folder.is_dir() else 0

    def keep(self, name: str, data: bytes, frames: int) -> bool:
        """Count these bytes and keep them; False where those of this name were met before."""
        if name in self._met:
            return False
        self._count(name, len(data), frames)
        if self._kept + len(data) <= KEPT_DAMAGE_BYTES:
            self._kept += len(data)
            self._write(name, data)
        return True

    def keep_file(self, path: Path, size: int, frames: int) -> None:
        """Count a whole file and move it here."""
        self._count(path.name, size, frames)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            path.rename(self._folder / path.name)
        except OSError as error:
            _log.warning("segment %s of the spool could not be kept: %s", path.name, error.strerror)

    def _write(self, name: str, data: bytes) -> None:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            path = self._folder / name
            path.touch(0o600)
            path.write_bytes(data)
        except OSError as error:
            _log.warning("damaged bytes of the spool could not be kept: %s", error.strerror)

    def _count(self, name: str, size: int, frames: int) -> None:
        self._met.add(name)
        self.frames += frames
        self.bytes += size


class Owner:
    """Which database the records of a slot are for, in a file beside them; "" where nobody has said."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> str:
        """Return the database; "" where none is named."""
        try:
            return self._path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""

    def write(self, database: str) -> None:
        """Name the database.

        Raises:
            OSError: the name of before stands.
        """
        part = self._path.with_suffix(".part")
        part.touch(0o600)
        part.write_text(f"{database}\n", encoding="utf-8")
        part.replace(self._path)
        sync_folder(self._path.parent)


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A segment on disk, named by the first sequence number in it."""

    number: int
    path: Path
    size: int


def segment_path(folder: Path, number: int) -> Path:
    """Return where segment `number` of a slot lies."""
    return folder / f"{number:020d}{_SUFFIX}"


def list_segments(folder: Path) -> list[SegmentFile]:
    """Return the segments of a slot, oldest first; another process may remove them meanwhile."""
    found = []
    for path in folder.glob(f"*{_SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):
            if path.stem.isdecimal():
                found.append(SegmentFile(int(path.stem), path, path.stat().st_size))
    return sorted(found, key=lambda segment: segment.number)


def is_lost(error: OSError) -> bool:
    """Return whether a file is gone or broken; otherwise, as where too many files are open, it may be read later."""
    return error.errno in _LOST_FILE


def sync_folder(folder: Path) -> None:
    """Return once the names in a folder are on the disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _read_cursor(raw: bytes) -> int:
    if len(raw) < _CURSOR.size:
        return 0
    magic, sequence, crc = _CURSOR.unpack(raw)
    is_whole = magic == _CURSOR_MAGIC and crc == value(raw[: _CURSOR.size - 4])
    return int(sequence) if is_whole else 0


def _sync_data(fd: int) -> None:
    if sys.platform == "darwin":
        import fcntl  # noqa: PLC0415  # the one call that reaches the disk there, fcntl(2)

        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(fd)
