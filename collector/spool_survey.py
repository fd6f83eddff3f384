"""Looks at the spools of a machine without holding them: for people, while collectors run or after they have ended."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from collector.errors import SpoolError
from collector.segments import Damage, Frame, is_readable, scan
from collector.slots import MAX_SLOTS, Record, slot_folder
from collector.spool_files import Cursor, Owner, SegmentFile, list_segments


@dataclass(frozen=True, slots=True)
class SlotSurvey:
    """A slot as it was found; `holder_pid` is 0 where nobody holds it, `oldest_ms` is 0 where no record waits;
    `database` is which one the records are for, "" where nobody has said.

    `damaged_frames` are records that cannot be read, in the segments as they lie there; `kept_bytes` is what was found
    damaged earlier and kept aside.
    """

    number: int
    holder_pid: int
    database: str
    depth: int
    size_bytes: int
    oldest_ms: int
    damaged_frames: int
    kept_bytes: int


def survey_spool(home: Path) -> list[SlotSurvey]:
    """Return every slot of a spool folder; none where there is no such folder. Reads all that is in it.

    Raises:
        SpoolError: it cannot be read.
    """
    with _said(home):
        return [_survey_slot(home, number) for number in range(MAX_SLOTS) if slot_folder(home, number).is_dir()]


def read_waiting(home: Path, number: int) -> Iterator[Record]:
    """Yield the records that wait in a slot, oldest first, without taking them out.

    Raises:
        SpoolError: there is no such slot, or it cannot be read.
    """
    folder = slot_folder(home, number)
    if not folder.is_dir():
        raise SpoolError(f"there is no slot {number} in the spool folder {home}")
    with _said(home):
        for found in _scan_waiting(folder):
            if isinstance(found, Frame):
                yield Record(number, found.sequence, found.stored_ms, found.payload)


def _survey_slot(home: Path, number: int) -> SlotSurvey:
    folder = slot_folder(home, number)
    depth = oldest_ms = damaged = 0
    for found in _scan_waiting(folder):
        if isinstance(found, Damage):
            damaged += found.frames
        else:
            oldest_ms = oldest_ms or found.stored_ms
            depth += 1
    size = sum(segment.size for segment in list_segments(folder))
    kept = sum(path.stat().st_size for path in (folder / "damaged").glob("*"))
    database = Owner(folder / "database").load()
    return SlotSurvey(number, _find_holder(folder), database, depth, size, oldest_ms, damaged, kept)


def _scan_waiting(folder: Path) -> Iterator[Frame | Damage]:
    released = Cursor(folder / "cursor").load()
    for segment in list_segments(folder):
        for found in _scan_segment(segment):
            if isinstance(found, Damage) or found.sequence > released:
                yield found


def _scan_segment(segment: SegmentFile) -> Iterator[Frame | Damage]:
    try:
        data = segment.path.read_bytes()
    except FileNotFoundError:  # its holder has drained it since
        return
    if is_readable(data):
        yield from scan(data, segment.number)
    else:
        yield Damage(0, len(data), 1)


def _find_holder(folder: Path) -> int:
    """Return the process id of who holds the slot; −1 where somebody does without having said who."""
    try:
        fd = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.read(fd, 32).strip()
        return int(text) if text.isdigit() else -1
    finally:
        os.close(fd)
    return 0


@contextlib.contextmanager
def _said(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SpoolError(f"the spool folder {home} cannot be read: {error.strerror}") from error
