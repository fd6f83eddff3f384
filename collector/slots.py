"""One slot of the spool: a folder that one process holds, where records are appended, read in order and released.

Synchronous, for one thread at a time; `spool` brings it to the event loop. A write that failed ends its segment, so
that nothing it left behind can hide a later frame. A segment is read once it is written to no more.

    HOME/00/lock                         held by flock; the holder's process id
            cursor                       the last sequence number that was released, twice
            00000000000000000001.seg     segments, named by the first sequence number in them
            database                     which database the records are for
            damaged/                     bytes that could not be read, for a person to look at
"""

import contextlib
import fcntl
import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from collector.segments import Damage, Frame, encode_frames, is_readable, scan
from collector.spool_files import (
    Appendable,
    AppendedFile,
    Cursor,
    DamagedBytes,
    Owner,
    is_lost,
    list_segments,
    segment_path,
    sync_folder,
)

_log = logging.getLogger(__name__)

MAX_SLOTS = 64
SEGMENT_BYTES = 16 << 20
"""A segment of this size is written to no more; one is in memory while it is read."""
OpenFile = Callable[[Path], Appendable]


@dataclass(frozen=True, slots=True)
class Record:
    """What was appended; `slot` and `sequence` say where it stands, `stored_ms` is in ms since 1970."""

    slot: int
    sequence: int
    stored_ms: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class SlotState:
    """A slot in figures; `oldest_ms` is when the oldest waiting record was stored, 0 where none waits."""

    depth: int = 0
    size_bytes: int = 0
    oldest_ms: int = 0
    damaged_frames: int = 0
    damaged_bytes: int = 0


@dataclass(slots=True, eq=False)
class _Segment:
    number: int
    path: Path
    last: int
    """The last sequence number in it; below `number` where there is none."""
    size: int
    first_ms: int = 0


def take_slot(
    home: Path,
    number: int,
    segment_bytes: int = SEGMENT_BYTES,
    open_file: OpenFile = AppendedFile,
    database: str = "",
) -> "Slot | None":
    """Return a slot of `home`, made if it is new and recovered if it is not.

    None where another process holds it, or where it holds records for another database than `database`. Where either
    is "", any will do.

    Raises:
        OSError: the folder cannot be made or read.
    """
    folder = slot_folder(home, number)
    folder.mkdir(mode=0o700, exist_ok=True)
    lock_fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _claim(folder, database):
            with contextlib.suppress(OSError):  # the disk may be full; the lock holds without a name
                os.ftruncate(lock_fd, 0)
                os.pwrite(lock_fd, f"{os.getpid()}\n".encode(), 0)
            return Slot(folder, lock_fd, segment_bytes, open_file)
    except BlockingIOError:
        pass
    except BaseException:
        os.close(lock_fd)
        raise
    os.close(lock_fd)
    return None


def _claim(folder: Path, database: str) -> bool:
    """Return whether the slot's records, if there are any, are for `database`, which it is for from now on."""
    owner = Owner(folder / "database")
    of = owner.load()
    if not database or of == database:
        return True
    if of and list_segments(folder):
        _log.warning("spool slot %s holds records for database %s, not %s, and is left alone", folder, of, database)
        return False
    try:
        owner.write(database)
    except OSError:  # the disk may be full; a slot without a name is anybody's
        if of:
            raise
    return True


def slot_folder(home: Path, number: int) -> Path:
    """Return the folder of a slot."""
    return home / f"{number:02d}"


class Slot:
    """A held slot; `take_slot` makes it."""

    def __init__(self, folder: Path, lock_fd: int, segment_bytes: int, open_file: OpenFile) -> None:
        self.number = int(folder.name)
        self._folder = folder
        self._lock_fd = lock_fd
        self._segment_bytes = segment_bytes
        self._open_file = open_file
        self._writing: Appendable | None = None
        self._damage = DamagedBytes(folder / "damaged")
        self._cursor = Cursor(folder / "cursor")
        self._released = self._cursor.load()
        self._released_ms = 0
        self._next = self._released + 1
        self._reading: Iterator[Frame | Damage] | None = None
        self._ahead: deque[Record] = deque()
        self._segments: list[_Segment] = []
        self._recover()

    @property
    def state(self) -> SlotState:
        """Return the slot in figures.

        Of an earlier process's segments, numbers that failed writes or damage took count as waiting until they are met.
        """
        depth = sum(max(0, segment.last - max(segment.number - 1, self._released)) for segment in self._segments)
        return SlotState(
            depth,
            sum(segment.size for segment in self._segments),
            self._oldest_ms() if depth else 0,
            self._damage.frames,
            self._damage.bytes,
        )

    def append(self, payloads: Sequence[bytes], stored_ms: int) -> None:
        """Return once the payloads are on the disk.

        Raises:
            OSError: they may not be; none of them may be acknowledged.
        """
        sequence = self._next
        self._next += len(payloads)  # also where it fails: what stands on the disk after all keeps its numbers
        if self._writing is None:
            self._begin(sequence, stored_ms)
        segment, file = self._segments[-1], self._writing
        assert file is not None
        data = encode_frames(segment.number, segment.size, sequence, stored_ms, payloads)
        try:
            file.append(data)
            file.sync()
        except OSError:
            self._abandon(segment, file)
            raise
        segment.size += len(data)
        segment.last = sequence + len(payloads) - 1
        if segment.size >= self._segment_bytes:
            self._seal()

    def read(self, max_records: int, max_bytes: int) -> list[Record]:
        """Return the oldest records that are not released, at least one if there are any; all of one segment.

        Raises:
            OSError: a segment cannot be read now.
        """
        while self._segments:
            self._fill(max_records, max_bytes)
            if self._ahead:
                return _first_of(self._ahead, max_records, max_bytes)
            self._drop(self._segments[0])
        return []

    def release(self, sequence: int) -> None:
        """Forget what was read up to `sequence`; after a crash it may be read once more."""
        self._released = max(self._released, sequence)
        while self._ahead and self._ahead[0].sequence <= self._released:
            self._released_ms = self._ahead.popleft().stored_ms
        try:
            self._cursor.write(self._released)
        except OSError as error:
            _log.warning("the cursor of spool slot %02d could not be written: %s", self.number, error.strerror)
        first = self._segments[0] if self._segments else None
        if first is not None and first.last <= self._released and self._is_sealed(first):
            self._next_frame(first)  # the damage behind its last frame
            self._drop(first)

    def keep_aside(self, record: Record) -> None:
        """Keep a record that nobody can make sense of, and count it as damaged; releasing it is the caller's."""
        self._damage.keep(f"record-{record.sequence:020d}", record.payload, 1)

    def close(self) -> None:
        """Let others have the slot; what is in it stays."""
        self._seal()
        os.close(self._lock_fd)

    def _oldest_ms(self) -> int:
        return self._ahead[0].stored_ms if self._ahead else self._segments[0].first_ms or self._released_ms

    def _begin(self, number: int, stored_ms: int) -> None:
        path = segment_path(self._folder, number)
        file = self._open_file(path)
        try:
            sync_folder(self._folder)
        except OSError:
            file.close()
            path.unlink(missing_ok=True)
            raise
        self._writing = file
        self._segments.append(_Segment(number, path, number - 1, 0, stored_ms))

    def _abandon(self, segment: _Segment, file: Appendable) -> None:
        """End a segment whose last write failed; a crash may bring back some of that write, which harms nobody."""
        self._writing = None
        with contextlib.suppress(OSError):
            file.cut(segment.size)
        with contextlib.suppress(OSError):
            file.close()
        if segment.last < segment.number:
            self._drop(segment)

    def _seal(self) -> None:
        if self._writing is not None:
            with contextlib.suppress(OSError):  # all that was acknowledged is synced
                self._writing.close()
            self._writing = None

    def _is_sealed(self, segment: _Segment) -> bool:
        return self._writing is None or segment is not self._segments[-1]

    def _fill(self, max_records: int, max_bytes: int) -> None:
        """Read ahead in the first segment, until there is enough or it ends."""
        segment = self._segments[0]
        if not self._is_sealed(segment):
            self._seal()
        size = sum(len(record.payload) for record in self._ahead)
        while len(self._ahead) < max_records and size < max_bytes:
            frame = self._next_frame(segment)
            if frame is None:
                return
            self._ahead.append(Record(self.number, frame.sequence, frame.stored_ms, frame.payload))
            size += len(frame.payload)

    def _next_frame(self, segment: _Segment) -> Frame | None:
        """Return the next frame of the first segment that is not released; the damage before it is noted."""
        if self._reading is None:
            self._reading = self._scan(segment, self._load(segment))
        for found in self._reading:
            if isinstance(found, Frame) and found.sequence > self._released:
                return found
        return None

    def _scan(self, segment: _Segment, data: bytes) -> Iterator[Frame | Damage]:
        for found in scan(data, segment.number):
            if isinstance(found, Damage):
                self._note(segment, found, data)
            yield found

    def _load(self, segment: _Segment) -> bytes:
        """Return the bytes of a segment; none where it can never be read, and then it is kept aside."""
        frames = max(1, segment.last - max(segment.number - 1, self._released))
        try:
            data = segment.path.read_bytes()[: segment.size]  # less what a failed write may have left
        except OSError as error:
            if not is_lost(error):
                raise
            _log.error("segment %s of the spool cannot be read: %s", segment.path, error.strerror)
            self._damage.keep_file(segment.path, segment.size, frames)
            return b""
        if is_readable(data):
            return data
        _log.error("segment %s of the spool was written by another version of jalki", segment.path)
        self._damage.keep_file(segment.path, segment.size, frames)
        return b""

    def _note(self, segment: _Segment, damage: Damage, data: bytes) -> None:
        name = f"{segment.path.stem}-{damage.start}"
        if self._damage.keep(name, data[damage.start : damage.end], damage.frames):
            _log.error(
                "segment %s of the spool is damaged from byte %d to byte %d; records lost: %d",
                *(segment.path, damage.start, damage.end, damage.frames),
            )

    def _drop(self, segment: _Segment) -> None:
        if segment is self._segments[0]:
            self._reading = None
            self._ahead.clear()
        self._segments.remove(segment)
        with contextlib.suppress(OSError):
            segment.path.unlink(missing_ok=True)
            sync_folder(self._folder)

    def _recover(self) -> None:
        """Find the segments of an earlier process, and cut off what a crash has left behind their last frame."""
        files = list_segments(self._folder)
        ends = [following.number - 1 for _, following in pairwise(files)]
        self._segments = [
            _Segment(file.number, file.path, last, file.size)
            for file, last in zip(files, [*ends, 0][: len(files)], strict=True)
        ]
        if not self._segments:
            return
        self._recover_end(self._segments[-1])
        self._next = max(self._released, self._segments[-1].last) + 1
        for segment in list(self._segments):
            if segment.last <= self._released or segment.last < segment.number:
                self._drop(segment)
        if self._segments:
            first = self._segments[0]
            frames = (found for found in self._scan(first, self._load(first)) if isinstance(found, Frame))
            first.first_ms = next((frame.stored_ms for frame in frames if frame.sequence > self._released), 0)

    def _recover_end(self, segment: _Segment) -> None:
        segment.last, end = segment.number - 1, 0
        for found in self._scan(segment, self._load(segment)):
            end = found.end
            segment.last = found.sequence if isinstance(found, Frame) else segment.last + found.frames
        if 0 < end < segment.size:
            with contextlib.suppress(OSError):
                os.truncate(segment.path, end)
                segment.size = end


def _first_of(records: deque[Record], max_records: int, max_bytes: int) -> list[Record]:
    taken: list[Record] = []
    size = 0
    for record in records:
        if taken and (len(taken) >= max_records or size + len(record.payload) > max_bytes):
            break
        taken.append(record)
        size += len(record.payload)
    return taken
