"""The disk spool: takes batches while Postgres is away, and gives them back in order once it is there again.

What is appended together is written and synced together; an append is answered once it is on the disk. All work on
files is done by one thread of the spool's own, one thing after the other, so that nothing is locked and the event loop
never waits for a disk. Each process holds one slot of the folder; slots that nobody holds are drained beside its own.
"""

import asyncio
import datetime
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

from collector.errors import SpoolError, SpoolFullError
from collector.segments import FRAME_BYTES, MAX_PAYLOAD_BYTES
from collector.settings import Settings
from collector.slots import MAX_SLOTS, SEGMENT_BYTES, OpenFile, Record, Slot, SlotState, slot_folder, take_slot
from collector.spool_files import AppendedFile, list_segments, sync_folder

__all__ = ["Record", "Spool", "SpoolClocks", "name_database", "open_spool"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

WAITING_MAX_BYTES = 64 << 20
"""Payloads in memory that are not on the disk yet; more are refused."""
_GROUP_BYTES = 4 << 20  # most that is written and synced at once
_SMALLEST_SEGMENT_BYTES = 64 << 10
_SEGMENTS = 8  # at least so many share the limit, so that space is given back in parts
_LARGE_BYTES = 64 << 10
_PAUSE_S = 0.5  # after the disk refused, nothing is tried for this long
_POSTGRES_PORT = 5432
_ADOPTION_PAUSE_S = 10.0  # between two looks for slots that nobody holds


@dataclass(frozen=True, slots=True)
class SpoolClocks:
    """The readings that decide: when a record is stored, and seconds that never go back."""

    now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC)
    monotonic: Callable[[], float] = time.monotonic


def name_database(settings: Settings) -> str:
    """Return what the spools of a collector with these settings are for: host, port and database, without a password.

    Postgres restarts elsewhere under the same name, and people run two services on one machine: the batches of one
    must not be drained into the database of the other. The embedded Postgres is "embedded", wherever its socket is.
    """
    try:
        parts = urlsplit(settings.database_url)
        port = parts.port or _POSTGRES_PORT
    except ValueError:  # several hosts
        return settings.database_url.partition("?")[0].rpartition("@")[2]
    if parts.hostname:
        return f"{parts.hostname}:{port}{parts.path}"
    socket = Path("".join(parse_qs(parts.query).get("host", [])))
    if not settings.database_url or socket.is_relative_to(settings.data_path()) or socket.name.startswith("jalki-"):
        return "embedded"
    return f"{socket}{parts.path}"


def open_spool(
    home: Path,
    max_bytes: int,
    *,
    database: str = "",
    clocks: SpoolClocks | None = None,
    open_file: OpenFile = AppendedFile,
) -> "Spool":
    """Return a spool on the first free slot of `home`, which is made if it is not there; reads a segment or two.

    Slots with records for another database than `database` (`name_database`) are left alone; "" takes any.

    Raises:
        SpoolError: the folder cannot be used, or there is no slot to take.
    """
    segment_bytes = min(SEGMENT_BYTES, max(_SMALLEST_SEGMENT_BYTES, max_bytes // _SEGMENTS))
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(MAX_SLOTS):
            slot = take_slot(home, number, segment_bytes, open_file, database)
            if slot is not None:
                sync_folder(home)
                sync_folder(home.parent)
                return Spool(_House(home, database, max_bytes), slot, clocks or SpoolClocks())
    except OSError as error:
        raise SpoolError(f"the spool folder {home} cannot be used: {error.strerror}; set JALKI_SPOOL_DIR") from error
    raise SpoolError(f"all {MAX_SLOTS} slots of the spool folder {home} are held by other processes or databases")


@dataclass(frozen=True, slots=True)
class _House:
    home: Path
    database: str
    max_bytes: int


@dataclass(frozen=True, slots=True)
class _Waiting:
    payload: bytes
    done: asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class _Figures:
    """All slots together; `own_bytes` is what counts against the limit."""

    own_bytes: int = 0
    total: SlotState = field(default_factory=SlotState)


class Spool:
    """The slot of this process and the orphans it drains; `open_spool` makes it, one event loop uses it."""

    def __init__(self, house: _House, own: Slot, clocks: SpoolClocks) -> None:
        self._house = house
        self._own = own
        self._adopted: Slot | None = None
        self._clocks = clocks
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="jalki-spool")
        self._queue: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._writer: asyncio.Task[None] | None = None
        self._is_closed = False
        self._refused_until = float("-inf")
        self._adopt_at = float("-inf")
        self._adopt_next = 0
        self._past = SlotState()
        self._figures = _Figures()
        self._count()

    @property
    def slot(self) -> int:
        """The number of this process's slot."""
        return self._own.number

    @property
    def depth(self) -> int:
        """Records on the disk that wait to be stored elsewhere."""
        return self._figures.total.depth

    @property
    def size_bytes(self) -> int:
        """Bytes of all segments that this process holds."""
        return self._figures.total.size_bytes

    @property
    def oldest_at(self) -> datetime.datetime | None:
        """When the oldest waiting record was appended; None where none waits."""
        oldest_ms = self._figures.total.oldest_ms
        return datetime.datetime.fromtimestamp(oldest_ms / 1000, datetime.UTC) if oldest_ms else None

    @property
    def damaged_frames(self) -> int:
        """Records lost to damage that this process has met."""
        return self._figures.total.damaged_frames

    @property
    def damaged_bytes(self) -> int:
        """Damaged bytes that this process has met."""
        return self._figures.total.damaged_bytes

    @property
    def is_full(self) -> bool:
        """Whether a large append would be refused now: the limit is near, or the disk refused half a second ago."""
        return self._refusal(min(_LARGE_BYTES, self._house.max_bytes // _SEGMENTS)) is not None

    def append(self, payload: bytes) -> asyncio.Future[None]:
        """Return a future that is done once the payload is on the disk.

        Its exception is a SpoolFullError where the spool takes nothing now: then it is not stored, and nobody may be
        told that it is.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        refusal = self._refusal(len(payload))
        if refusal is not None:
            done.set_exception(SpoolFullError(refusal))
            return done
        self._queue.append(_Waiting(payload, done))
        self._waiting_bytes += len(payload) + FRAME_BYTES
        if self._writer is None:
            # It begins after what is ready to run now, so that appends of one turn of the loop share a sync.
            self._writer = loop.create_task(self._write_waiting())
        return done

    async def read(self, max_records: int, max_bytes: int) -> Sequence[Record]:
        """Return the oldest records, which stay until they are released; all of one slot, none where none waits.

        What this process has appended comes first, then, looked for every ten seconds, what other processes left.

        Raises:
            SpoolError: the disk cannot be read now.
        """
        return await self._run(lambda: self._read(max_records, max_bytes))

    async def release(self, record: Record) -> None:
        """Forget what was read up to and with `record`; after a crash some of it may be read once more."""
        await self._run(lambda: self._slot_of(record.slot, lambda slot: slot.release(record.sequence)))

    async def keep_aside(self, record: Record) -> None:
        """Keep a record that cannot be decoded in `damaged/` and count it; it still has to be released."""
        await self._run(lambda: self._slot_of(record.slot, lambda slot: slot.keep_aside(record)))

    async def close(self) -> None:
        """Write what waits, then let others have the slots; what is in them stays."""
        self._is_closed = True
        if self._writer is not None:
            await self._writer
        await self._run(self._close_slots)
        self._thread.shutdown(wait=False)

    def _refusal(self, size: int) -> str | None:
        if self._is_closed:
            return "the spool is closed"
        if size > MAX_PAYLOAD_BYTES:
            return f"a record of {size} bytes is larger than a record may be"
        if self._figures.own_bytes + self._waiting_bytes + size >= self._house.max_bytes:
            return "the spool has reached its limit"
        if self._waiting_bytes + size > WAITING_MAX_BYTES:
            return "too much waits to be written to the spool"
        return "the spool's disk refuses" if self._clocks.monotonic() < self._refused_until else None

    async def _write_waiting(self) -> None:
        while self._queue:
            group = self._take()
            payloads = [one.payload for one in group]
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._append, payloads)
            # Whatever went wrong, those who wait are told; a bug also, since the spool goes on for everybody else.
            except Exception as error:  # noqa: BLE001
                self._refuse(group, error)
            else:
                for one in group:
                    if not one.done.done():
                        one.done.set_result(None)
            finally:
                self._waiting_bytes -= sum(map(len, payloads)) + FRAME_BYTES * len(payloads)
        self._writer = None

    def _take(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        size = 0
        while self._queue and size < _GROUP_BYTES:
            group.append(self._queue.popleft())
            size += len(group[-1].payload)
        return group

    def _refuse(self, group: Sequence[_Waiting], error: Exception) -> None:
        reason = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
        _log.error("%d records could not be written to the spool: %s", len(group), reason, exc_info=_bug(error))
        self._refused_until = self._clocks.monotonic() + _PAUSE_S
        for one in group:
            if not one.done.done():
                one.done.set_exception(SpoolFullError(f"the spool's disk refuses: {reason}"))

    async def _run(self, work: Callable[[], _T]) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._counted, work)
        except OSError as error:
            raise SpoolError(f"the spool folder {self._house.home} cannot be read: {error.strerror}") from error

    # What follows runs in the spool's thread.

    def _append(self, payloads: Sequence[bytes]) -> None:
        self._counted(lambda: self._own.append(payloads, int(self._clocks.now().timestamp() * 1000)))

    def _counted(self, work: Callable[[], _T]) -> _T:
        try:
            return work()
        finally:
            self._count()

    def _count(self) -> None:
        own = self._own.state
        others = [self._past, *([self._adopted.state] if self._adopted else [])]
        self._figures = _Figures(own.size_bytes, _sum([own, *others]))

    def _read(self, max_records: int, max_bytes: int) -> list[Record]:
        records = self._own.read(max_records, max_bytes)
        while not records and self._has_adopted():
            assert self._adopted is not None
            records = self._adopted.read(max_records, max_bytes)
            if not records:
                self._give_back()
        return records

    def _has_adopted(self) -> bool:
        """Return whether there is an orphan to drain, and adopt the next one if it is time."""
        if self._adopted is None and self._clocks.monotonic() >= self._adopt_at:
            self._adopted = self._adopt()
        return self._adopted is not None

    def _adopt(self) -> Slot | None:
        """Return the next slot with segments that nobody holds; None, and a pause, after the last."""
        for number in range(self._adopt_next, MAX_SLOTS):
            if number == self._own.number or not list_segments(slot_folder(self._house.home, number)):
                continue
            try:
                slot = take_slot(self._house.home, number, database=self._house.database)
            except OSError as error:
                _log.warning("slot %02d of the spool cannot be read: %s", number, error.strerror)
                continue
            if slot is not None:
                _log.info("draining slot %02d of the spool, which no process holds", number)
                self._adopt_next = number + 1
                return slot
        self._adopt_next = 0
        self._adopt_at = self._clocks.monotonic() + _ADOPTION_PAUSE_S
        return None

    def _give_back(self) -> None:
        assert self._adopted is not None
        state = self._adopted.state
        self._past = _sum([self._past, SlotState(0, 0, 0, state.damaged_frames, state.damaged_bytes)])
        self._adopted.close()
        self._adopted = None

    def _slot_of(self, number: int, work: Callable[[Slot], None]) -> None:
        for slot in (self._own, self._adopted):
            if slot is not None and slot.number == number:
                work(slot)

    def _close_slots(self) -> None:
        if self._adopted is not None:
            self._give_back()
        self._own.close()


def _bug(error: Exception) -> Exception | None:
    return None if isinstance(error, OSError) else error


def _sum(states: Sequence[SlotState]) -> SlotState:
    return SlotState(
        sum(state.depth for state in states),
        sum(state.size_bytes for state in states),
        min((state.oldest_ms for state in states if state.oldest_ms), default=0),
        sum(state.damaged_frames for state in states),
        sum(state.damaged_bytes for state in states),
    )
