"""From the spool to Postgres: everything once, bad records out of the way, nothing released that is not stored."""

import dataclasses
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import msgspec
import pytest
import pytest_asyncio
from wire_batches import NOW, batch_rows

from collector.catalog import Dictionaries
from collector.draining import MAX_FLUSH_ROWS, DrainResult, Sink, drain, drain_some
from collector.quarantine import write_quarantined
from collector.rows import BatchRows, encode_rows
from collector.spool import Spool, open_spool
from collector.store import BatchKey, Flush, FlushIds, ensure_partitions, write_batches


class Store:
    """A sink that writes to Postgres, and can be told to fail before or after its commit."""

    def __init__(self, conn: asyncpg.Connection) -> None:
        self.conn = conn
        self.flushes: list[Flush] = []
        self.quarantined: list[BatchRows] = []
        self.fails_before = self.fails_after = False
        ticks = itertools.count(1)
        self.sink = Sink(FlushIds(lambda: next(ticks), 1), NOW.date, self._write, self._quarantine)
        self._known = Dictionaries()

    async def _write(self, flush: Flush) -> frozenset[BatchKey]:
        if self.fails_before:
            raise OSError("the connection is lost")
        self.flushes.append(flush)
        await ensure_partitions(self.conn, flush.fact_day, flush.fact_day)
        stored = await write_batches(self.conn, flush, self._known)
        if self.fails_after:
            raise OSError("the connection is lost")
        return stored

    async def _quarantine(self, rows: BatchRows, error: asyncpg.PostgresError) -> None:
        assert error.sqlstate
        self.quarantined.append(rows)

    async def stored(self) -> list[str]:
        return [row[0] for row in await self.conn.fetch("select replace(batch_id::text, '-', '') from ledger")]


@pytest_asyncio.fixture
async def store(postgres_url: str) -> AsyncIterator[Store]:
    conn = await asyncpg.connect(postgres_url)
    yield Store(conn)
    await conn.close()


@pytest_asyncio.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    opened = open_spool(tmp_path, 1 << 30)
    yield opened
    await opened.close()


async def append(spool: Spool, *batches: BatchRows) -> None:
    for batch in batches:
        await spool.append(encode_rows(batch))


def heavy(rows: BatchRows) -> BatchRows:
    return msgspec.structs.replace(rows, clicks=8 * MAX_FLUSH_ROWS // 3)


def refused(rows: BatchRows) -> BatchRows:
    return msgspec.structs.replace(rows, page=msgspec.structs.replace(rows.page, page_id=5, path="/\0"))


async def test_what_is_spooled_is_stored_in_order_and_in_bounded_flushes(spool: Spool, store: Store) -> None:
    """Each batch once, oldest first, and no flush above the limit of rows."""
    batches = [heavy(batch_rows()) for _ in range(7)]
    await append(spool, *batches)

    result = await drain(spool, store.sink)

    assert result == DrainResult(stored=7)
    assert [one.batch_id for flush in store.flushes for one in flush.batches] == [one.batch_id for one in batches]
    assert all(sum(one.weight for one in flush.batches) <= MAX_FLUSH_ROWS for flush in store.flushes)
    assert sorted(await store.stored()) == sorted(one.batch_id for one in batches)
    assert spool.depth == 0
    assert await drain_some(spool, store.sink) is None


async def test_a_batch_that_was_spooled_twice_is_stored_once(spool: Spool, store: Store) -> None:
    """In one flush and in two."""
    first, second = batch_rows(), batch_rows()
    await append(spool, first, second, first)
    assert await drain(spool, store.sink) == DrainResult(stored=2, duplicates=1)
    await append(spool, second)

    assert await drain(spool, store.sink) == DrainResult(duplicates=1)
    assert len(await store.stored()) == 2


@pytest.mark.parametrize("when", ["fails_before", "fails_after"])
async def test_what_may_not_be_stored_stays_in_the_spool(spool: Spool, store: Store, when: str) -> None:
    """A connection lost before or after the commit: the records come again, and each is stored once."""
    batches = [batch_rows() for _ in range(5)]
    await append(spool, *batches)
    setattr(store, when, True)
    with pytest.raises(OSError, match="lost"):
        await drain(spool, store.sink)
    depth = spool.depth
    setattr(store, when, False)

    result = await drain(spool, store.sink)

    assert depth == 5
    assert result.stored + result.duplicates == 5
    assert sorted(await store.stored()) == sorted(one.batch_id for one in batches)


async def test_a_refused_batch_leaves_its_neighbours_alone(spool: Spool, store: Store) -> None:
    """It goes to the quarantine, the others are stored, and the spool is empty."""
    batches = [batch_rows() for _ in range(6)]
    batches[2] = refused(batches[2])
    await append(spool, *batches)

    result = await drain(spool, store.sink)

    assert result == DrainResult(stored=5, quarantined=1)
    assert [one.batch_id for one in store.quarantined] == [batches[2].batch_id]
    assert spool.depth == 0


async def test_records_that_cannot_be_decoded_are_kept_aside(spool: Spool, store: Store, tmp_path: Path) -> None:
    """Of another version or no batch at all: counted, kept, and passed over for good."""
    good = batch_rows()
    await spool.append(b"\xff" + encode_rows(good)[1:])
    await append(spool, good)
    await spool.append(encode_rows(good)[:-4])
    await spool.append(b"")

    result = await drain(spool, store.sink)

    assert result == DrainResult(stored=1, unreadable=3)
    assert (spool.damaged_frames, spool.depth) == (3, 0)
    assert len(list((tmp_path / "00" / "damaged").iterdir())) == 3
    assert await drain(spool, store.sink) == DrainResult()


async def test_a_record_that_nothing_takes_does_not_hold_up_the_others(spool: Spool, store: Store) -> None:
    """A batch that neither its table nor the quarantine takes is kept aside, and those behind it are handed on."""
    batches = [batch_rows() for _ in range(4)]
    batches[1] = msgspec.structs.replace(batches[1], shard_key=2**63 - 1, received_ms=2**62)
    await append(spool, *batches)

    async def quarantine(rows: BatchRows, error: Exception) -> None:
        await write_quarantined(store.conn, rows, error, NOW)

    result = await drain(spool, dataclasses.replace(store.sink, quarantine=quarantine))

    assert result == DrainResult(stored=3, unreadable=1)
    assert (spool.damaged_frames, spool.depth) == (1, 0)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda tail: tail[:-3],
        lambda tail: tail + b"\0",
        lambda tail: b"\0\0\0\x09" + tail[4:],
        lambda tail: b"\0\0\0\x07" + tail[4:],
        lambda tail: b"\x7f\xff\xff\xff" + tail[4:],
        lambda tail: b"\x80\0\0\0" + tail[4:],
        lambda tail: b"\xff\xff\xff\xff" + tail[4:],
        lambda tail: b"",
    ],
)
async def test_packed_rows_that_are_no_rows_are_quarantined(spool: Spool, store: Store, spoil) -> None:
    """Whatever Postgres says of a row whose bytes do not add up, its neighbours are stored and it is kept."""
    batches = [batch_rows() for _ in range(4)]
    batches[1] = msgspec.structs.replace(batches[1], tail=spoil(batches[1].tail))
    await append(spool, *batches)

    result = await drain(spool, store.sink)

    assert result == DrainResult(stored=3, quarantined=1)
    assert spool.depth == 0
