"""Starts `jalki` with one fault put into it: a run that does not notice the fault proves nothing.

    python mutants.py NAME[,NAME] collector --database-url URL

The switch is here and nowhere in the product. A fault names what it replaces; where the product no longer has it the
start fails, so that no mutant quietly becomes the product.
"""

import asyncio
import datetime
import sys
from collections.abc import Callable
from typing import Any

from collector import app, buffer, db, lane, segments, spool, spool_files, store
from collector.rows import BatchRows
from collector.wire import Drop
from heatmap.__main__ import main


def _replace(owner: Any, name: str, new: Any) -> Any:
    """Put `new` in the place of an attribute that is there, and return the old one."""
    old = getattr(owner, name)
    setattr(owner, name, new)
    return old


def answers_before_commit() -> None:
    """A batch is acknowledged as soon as it is in the queue."""

    def offer(self: buffer.Buffer, rows: BatchRows, tell: buffer.Tell) -> Drop | None:
        drop = old(self, rows, lambda _answer: None)
        if drop is None:
            tell(buffer.Outcome.STORED)
        return drop

    old = _replace(buffer.Buffer, "offer", offer)


def forgets_failed_flushes() -> None:
    """A flush that failed counts as stored: its rows are released before their COMMIT."""

    async def write(self: buffer.Buffer, flush: store.Flush, limit_s: float) -> frozenset[store.BatchKey]:
        try:
            return await old(self, flush, limit_s)
        except store.REFUSALS:
            raise
        except db.POSTGRES_ERRORS:
            return frozenset(batch.batch_key for batch in flush.batches)

    old = _replace(buffer.Buffer, "_write", write)


def ignores_the_ledger() -> None:
    """Every batch counts as new, so that one that is sent or written again is stored again."""

    async def write_entries(*arguments: Any) -> frozenset[store.BatchKey]:
        await old(*arguments)
        return frozenset((entry.shard_key, entry.batch_id) for entry in arguments[3])

    old = _replace(store, "write_entries", write_entries)


def skips_the_sync() -> None:
    """The spool never waits for the disk."""
    _replace(spool_files, "_sync_data", lambda _fd: None)


def acknowledges_before_the_disk() -> None:
    """The spool says at once that it has a batch."""

    def append(self: spool.Spool, payload: bytes) -> "asyncio.Future[None]":
        old(self, payload)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    old = _replace(spool.Spool, "append", append)


def writes_nothing_to_the_spool() -> None:
    """The spool's files stay empty."""
    _replace(spool_files.AppendedFile, "append", lambda _self, _data: None)


def acknowledges_on_a_full_disk() -> None:
    """What the disk refuses counts as stored."""

    def refuse(_self: spool.Spool, group: Any, _error: Exception) -> None:
        for one in group:
            if not one.done.done():
                one.done.set_result(None)

    _replace(spool.Spool, "_refuse", refuse)


def believes_any_checksum() -> None:
    """A frame of the spool is taken as it is, whatever its checksum says."""
    _replace(segments, "extend", lambda crc, _payload: _AnyChecksum(crc))


def holds_everything() -> None:
    """The buffer is never full."""
    _replace(buffer.Buffer, "is_full", property(lambda _self: False))


def waits_for_ever() -> None:
    """No connection is too slow."""
    _replace(lane, "HEAD_TIMEOUT_S", float("inf"))
    _replace(lane, "BODY_TIMEOUT_S", float("inf"))


class _AnyChecksum(int):
    """A number that equals every other."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


MUTANTS: dict[str, Callable[[], None]] = {
    fault.__name__: fault
    for fault in (
        answers_before_commit,
        forgets_failed_flushes,
        ignores_the_ledger,
        skips_the_sync,
        acknowledges_before_the_disk,
        writes_nothing_to_the_spool,
        acknowledges_on_a_full_disk,
        believes_any_checksum,
        holds_everything,
        waits_for_ever,
    )
}
"""The faults by name."""


def a_day_later() -> None:
    """No fault: the collector's clock is most of a day ahead, within JALKI_LATE_HOURS."""

    def clocks() -> app.Clocks:
        return old(now=lambda: datetime.datetime.now(datetime.UTC) + DAY)

    old = _replace(app, "Clocks", clocks)


DAY = datetime.timedelta(hours=23)
CONDITIONS: dict[str, Callable[[], None]] = {"a_day_later": a_day_later}
"""Circumstances that a run wants and no process can be put into from outside."""


if __name__ == "__main__":
    for change in sys.argv.pop(1).split(","):
        (MUTANTS | CONDITIONS)[change]()
    sys.argv[0] = "jalki"
    main()
