"""The disk spool: what it acknowledged is there after any crash, and a disk that fails hides nothing."""

import asyncio
import contextlib
import datetime
import os
import random
import resource
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from google_crc32c import value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spool_disk import Disk, holder, read_lines

from collector.errors import SpoolError, SpoolFullError
from collector.settings import Settings
from collector.slots import MAX_SLOTS, Slot, take_slot
from collector.spool import WAITING_MAX_BYTES, Record, Spool, SpoolClocks, name_database, open_spool
from collector.spool_files import KEPT_DAMAGE_BYTES

NOW = datetime.datetime(2026, 3, 4, 12, 0, tzinfo=datetime.UTC)
LIMIT = 1 << 30


class TurnableSeconds:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def clocks(self) -> SpoolClocks:
        return SpoolClocks(lambda: NOW + datetime.timedelta(seconds=self.now_s - 1_000), lambda: self.now_s)


@asynccontextmanager
async def opened(home: Path, max_bytes: int = LIMIT, disk: Disk | None = None) -> AsyncIterator[Spool]:
    spool = open_spool(home, max_bytes, clocks=TurnableSeconds().clocks(), open_file=(disk or Disk()).open)
    try:
        yield spool
    finally:
        await spool.close()


async def append_all(spool: Spool, payloads: list[bytes]) -> None:
    await asyncio.gather(*(spool.append(payload) for payload in payloads))


async def drain(spool: Spool) -> list[bytes]:
    """Read and release everything, a few records at a time."""
    found: list[bytes] = []
    while records := await spool.read(7, 1 << 20):
        found += [record.payload for record in records]
        await spool.release(records[-1])
    return found


def segments(home: Path, slot: int = 0) -> list[Path]:
    return sorted((home / f"{slot:02d}").glob("*.seg"))


async def test_what_is_appended_is_read_in_order_by_the_next_process(tmp_path: Path) -> None:
    """Records outlive their spool, and reading takes nothing away."""
    payloads = [b"%d" % nth * 50 for nth in range(100)]
    async with opened(tmp_path) as spool:
        await append_all(spool, payloads)
        assert (spool.depth, spool.oldest_at) == (100, NOW)
        assert spool.size_bytes == sum(path.stat().st_size for path in segments(tmp_path))

    async with opened(tmp_path) as spool:
        assert (spool.depth, spool.oldest_at) == (100, NOW)
        first = await spool.read(100, 1 << 20)
        again = await spool.read(100, 1 << 20)

    assert [record.payload for record in first] == payloads
    assert again == first


async def test_what_is_released_does_not_come_again(tmp_path: Path) -> None:
    """Neither in this process nor in the next one; what is not released does."""
    async with opened(tmp_path) as spool:
        await append_all(spool, [b"%d" % nth for nth in range(20)])
        await spool.release((await spool.read(12, 1 << 20))[-1])
        assert spool.depth == 8
        assert (await spool.read(1, 1))[0].payload == b"12"

    async with opened(tmp_path) as spool:
        assert spool.depth == 8
        assert await drain(spool) == [b"%d" % nth for nth in range(12, 20)]
        assert (spool.depth, spool.size_bytes, spool.oldest_at, segments(tmp_path)) == (0, 0, None, [])
        await spool.append(b"next")
        assert await drain(spool) == [b"next"]


async def test_reading_keeps_to_its_limits_but_always_goes_on(tmp_path: Path) -> None:
    """At most so many records and bytes, yet one record however large it is."""
    async with opened(tmp_path) as spool:
        await append_all(spool, [b"x" * 1_000] * 10)

        assert len(await spool.read(3, 1 << 20)) == 3
        assert len(await spool.read(10, 2_500)) == 2
        assert len(await spool.read(10, 1)) == 1


async def test_records_appended_while_reading_are_read_after_the_others(tmp_path: Path) -> None:
    """Draining goes on beside appending, in order."""
    async with opened(tmp_path) as spool:
        found = []
        for nth in range(40):
            await append_all(spool, [b"%d-a" % nth, b"%d-b" % nth])
            if nth % 3 == 0:
                records = await spool.read(3, 1 << 20)
                found += [record.payload for record in records]
                await spool.release(records[-1])
        found += await drain(spool)

    assert found == [b"%d-%c" % (nth, letter) for nth in range(40) for letter in b"ab"]


async def test_an_append_is_answered_after_the_sync(tmp_path: Path) -> None:
    """Nobody is told that a record is stored while it may still be lost."""
    disk = Disk()
    async with opened(tmp_path, disk=disk) as spool:
        await spool.append(b"first")
        disk.may_sync.clear()
        try:
            waiting = spool.append(b"second")
            await asyncio.wait([waiting], timeout=0.05)
            assert not waiting.done()
        finally:
            disk.may_sync.set()
        await waiting


async def test_appends_of_one_moment_share_a_sync(tmp_path: Path) -> None:
    """Group commit: what waits is written and synced at once."""
    disk = Disk()
    async with opened(tmp_path, disk=disk) as spool:
        await append_all(spool, [b"x"] * 500)

        assert disk.syncs == 1


async def test_files_are_for_their_user_alone(tmp_path: Path) -> None:
    """Folders 0700, files 0600, whatever the process's mask is."""
    before = os.umask(0)
    try:
        async with opened(tmp_path / "deep" / "spool") as spool:
            await spool.append(b"x")
            await spool.release((await spool.read(1, 1))[0])
            await spool.append(b"y")
            await spool.keep_aside((await spool.read(1, 1))[0])
    finally:
        os.umask(before)

    home = tmp_path / "deep" / "spool"
    assert {path.stat().st_mode & 0o777 for path in home.rglob("*") if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in [home, *home.rglob("*")] if path.is_dir()} == {0o700}
    assert {path.name for path in home.rglob("*")} >= {"00", "lock", "cursor", "damaged"}


@pytest.mark.parametrize("part", [0, 30, 500])
@pytest.mark.parametrize("fails_cut", [False, True])
@pytest.mark.parametrize("fails_sync", [False, True])
async def test_a_failed_write_is_refused_and_hides_nothing(
    tmp_path: Path, part: int, fails_cut: bool, fails_sync: bool
) -> None:
    """Those who wait are refused; what was acknowledged before and after is read, also by the next process."""
    disk, time = Disk(part=part, fails_cut=fails_cut), TurnableSeconds()
    spool = open_spool(tmp_path, LIMIT, clocks=time.clocks(), open_file=disk.open)
    good, bad = [b"good %d" % nth * 9 for nth in range(30)], [b"bad %d" % nth * 30 for nth in range(6)]
    for nth in range(3):
        await append_all(spool, good[nth * 10 : nth * 10 + 5])
        disk.fails_sync, disk.fails_write = fails_sync, not fails_sync
        answers = await asyncio.gather(*(spool.append(one) for one in bad), return_exceptions=True)
        assert {type(answer) for answer in answers} == {SpoolFullError}
        disk.fails_sync = disk.fails_write = False
        time.now_s += 1
        await append_all(spool, good[nth * 10 + 5 : nth * 10 + 10])
    depth, here = spool.depth, [record.payload for record in await spool.read(3, 1 << 20)]
    await spool.close()

    async with opened(tmp_path) as spool:
        found = await drain(spool)

    assert depth == 30
    assert here == good[:3]
    assert [payload for payload in found if payload in good] == good
    assert set(found) <= {*good, *bad}
    if not fails_cut:
        assert found == good


async def test_a_record_that_was_refused_is_not_read_in_this_process(tmp_path: Path) -> None:
    """Bytes of a failed write that could not be cut off are behind the end of their segment."""
    disk = Disk(fails_cut=True)
    async with opened(tmp_path, disk=disk) as spool:
        await spool.append(b"good")
        disk.fails_sync = True
        with pytest.raises(SpoolFullError):
            await spool.append(b"bad")
        disk.fails_sync = False

        assert await drain(spool) == [b"good"]


async def test_a_disk_that_refused_is_tried_again_within_a_second(tmp_path: Path) -> None:
    """In between appends are refused without touching it; then they are accepted, without a restart."""
    disk, time = Disk(fails_write=True), TurnableSeconds()
    spool = open_spool(tmp_path, LIMIT, clocks=time.clocks(), open_file=disk.open)
    with pytest.raises(SpoolFullError, match="No space left"):
        await spool.append(b"x")
    disk.fails_write = False
    assert spool.is_full
    with pytest.raises(SpoolFullError, match="refuses"):
        await spool.append(b"x")

    time.now_s += 1

    assert not spool.is_full
    await spool.append(b"y")
    assert await drain(spool) == [b"y"]
    await spool.close()


async def test_a_full_spool_accepts_again_once_records_are_released(tmp_path: Path) -> None:
    """The limit holds on disk, and space comes back in parts, not only when all is drained."""
    limit = 1 << 20
    async with opened(tmp_path, limit) as spool:
        accepted = 0
        while not spool.is_full and accepted < 1_000:
            await spool.append(b"x" * 10_000)
            accepted += 1
        with pytest.raises(SpoolFullError, match="limit"):
            await spool.append(b"x" * 70_000)
        assert limit * 0.9 < sum(path.stat().st_size for path in segments(tmp_path)) <= limit
        released = 0
        while spool.is_full:
            records = await spool.read(5, 1 << 20)
            released += len(records)
            await spool.release(records[-1])
        await spool.append(b"x" * 10_000)

        assert released < accepted / 4


async def test_more_than_the_disk_takes_in_time_is_refused(tmp_path: Path) -> None:
    """Memory stays bounded while a disk hangs."""
    disk = Disk()
    async with opened(tmp_path, disk=disk) as spool:
        disk.may_sync.clear()
        payload = b"x" * (WAITING_MAX_BYTES // 8)
        try:
            waiting = [spool.append(payload) for _ in range(9)]
            assert [one.done() for one in waiting] == [False] * 7 + [True] * 2
            assert all(isinstance(one.exception(), SpoolFullError) for one in waiting[7:])
        finally:
            disk.may_sync.set()
        await asyncio.gather(*waiting[:7])


async def test_a_full_disk_refuses_and_takes_again(small_disk: Path) -> None:
    """A real file system without space: refusals, no loss, and records are accepted once there is space."""
    time = TurnableSeconds()
    filler = small_disk / "filler"
    filler.write_bytes(bytes(500_000))
    spool = open_spool(small_disk / "spool", LIMIT, clocks=time.clocks())
    accepted: list[bytes] = []
    for nth in range(100):
        payload = b"%03d" % nth + b"x" * 20_000
        with contextlib.suppress(SpoolFullError):
            await spool.append(payload)
            accepted.append(payload)
        time.now_s += 1
    refused = 100 - len(accepted)
    filler.unlink()
    await spool.append(b"last")
    await spool.close()

    async with opened(small_disk / "spool") as spool:
        assert await drain(spool) == [*accepted, b"last"]
    assert 10 < refused < 90


async def test_a_full_disk_can_be_drained(small_disk: Path) -> None:
    """Nothing has to be written where nothing can be: the cursor moves on in place, and segments go."""
    async with opened(small_disk / "spool", 1 << 19) as spool:
        await append_all(spool, [b"x" * 20_000] * 12)
        await spool.release((await spool.read(1, 1))[0])
        with contextlib.suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4_096))

        assert len(await drain(spool)) == 11
        assert spool.size_bytes == 0


async def test_all_that_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """Kill -9 in the middle of appending, three times on the same folder: nothing is lost, nothing is wrong."""
    acknowledged: list[str] = []
    for turn in range(3):
        async with holder(tmp_path, 1_000_000, f"{turn}") as (process, slot):
            assert slot == 0
            acknowledged += await read_lines(process, 400)
            process.kill()
            acknowledged += await read_lines(process, 10_000)

    async with opened(tmp_path) as spool:
        found = await drain(spool)
        assert spool.damaged_frames == 0

    names = [payload.rstrip(b"\0").decode() for payload in found]
    assert len(acknowledged) >= 1_200
    assert set(acknowledged) <= set(names)
    assert len(set(names)) == len(names)
    assert all(
        len(payload) == len(name) + 200 * int(name.split("-")[1]) for payload, name in zip(found, names, strict=True)
    )


async def test_each_process_has_a_slot_of_its_own(tmp_path: Path) -> None:
    """Two processes on one folder do not disturb each other; what a dead one left is drained by a living one."""
    async with opened(tmp_path) as spool, holder(tmp_path, 3) as (process, slot):
        assert (spool.slot, slot) == (0, 1)
        assert (await read_lines(process, 49))[-1] == "done"
        await spool.append(b"own")
        assert await drain(spool) == [b"own"]

        process.kill()
        await process.wait()
        assert await drain(spool) == []
    async with opened(tmp_path) as spool:
        assert len(await drain(spool)) == 48
        assert spool.depth == 0
        with take_slot_of(tmp_path, 1):
            assert segments(tmp_path, 1) == []


async def test_a_slot_that_nobody_holds_is_looked_for_again_after_a_while(tmp_path: Path) -> None:
    """A running process takes over what another left behind, ten seconds after it looked last."""
    time = TurnableSeconds()
    spool = open_spool(tmp_path, LIMIT, clocks=time.clocks())
    assert await drain(spool) == []
    async with opened(tmp_path) as other, opened(tmp_path) as another:
        await other.append(b"left")
        await another.append(b"behind")
    before = await drain(spool)
    time.now_s += 11
    records = await spool.read(1, 1)

    assert before == []
    assert (records[0].slot, records[0].payload, spool.depth) == (1, b"left", 1)
    await spool.release(records[0])
    assert await drain(spool) == [b"behind"]
    assert spool.depth == 0
    await spool.close()


async def test_records_for_another_database_are_left_alone(tmp_path: Path) -> None:
    """Two services on one folder: neither takes the other's slot nor drains it; an empty slot is anybody's."""
    for database in ("a:5432/jalki", "b:5432/jalki"):
        spool = open_spool(tmp_path, LIMIT, database=database)
        await spool.append(database.encode())
        await spool.close()

    spool = open_spool(tmp_path, LIMIT, database="b:5432/jalki")
    assert (spool.slot, await drain(spool)) == (1, [b"b:5432/jalki"])
    await spool.close()
    spool = open_spool(tmp_path, LIMIT, database="a:5432/jalki")
    assert (spool.slot, await drain(spool)) == (0, [b"a:5432/jalki"])
    await spool.close()
    spool = open_spool(tmp_path, LIMIT, database="c:5432/jalki")
    assert spool.slot == 0
    await spool.close()


@pytest.mark.parametrize("writes", ["", "a:5432/jalki"])
async def test_any_database_takes_any_record(tmp_path: Path, writes: str) -> None:
    """Where nobody has said whose the records are, and where somebody asks for all."""
    spool = open_spool(tmp_path, LIMIT, database=writes)
    await spool.append(b"x")
    await spool.close()

    spool = open_spool(tmp_path, LIMIT, database="" if writes else "b:5432/jalki")
    assert await drain(spool) == [b"x"]
    await spool.close()


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("", "embedded"),
        ("postgresql://jalki@/jalki?host=%2Fdata%2Fpostgres%2Frun&port=5432", "embedded"),
        ("postgresql://jalki@/jalki?host=%2Ftmp%2Fjalki-x1&port=5432", "embedded"),
        ("postgresql://jalki@/jalki?host=%2Fvar%2Frun%2Fpostgresql", "/var/run/postgresql/jalki"),
        ("postgresql://jalki:secret@db.example/jalki", "db.example:5432/jalki"),
        ("postgresql://jalki:secret@db.example:6432/jalki", "db.example:6432/jalki"),
        ("postgresql://jalki@a:5432,b:5433/jalki?password=secret", "a:5432,b:5433/jalki"),
    ],
)
def test_a_database_is_named_without_its_password(url: str, name: str) -> None:
    """The embedded one by one name wherever its socket is, others by their address."""
    assert name_database(Settings(database_url=url, data_dir="/data")) == name


async def test_no_more_processes_than_slots(tmp_path: Path) -> None:
    """The folder is said to be in use, instead of two processes sharing a slot."""
    with contextlib.ExitStack() as stack:
        for number in range(MAX_SLOTS):
            stack.enter_context(take_slot_of(tmp_path, number))
        with pytest.raises(SpoolError, match="all 64 slots"):
            open_spool(tmp_path, LIMIT)


async def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    """The message names the folder and the setting."""
    (tmp_path / "file").write_text("")

    with pytest.raises(SpoolError, match=r"file.*JALKI_SPOOL_DIR"):
        open_spool(tmp_path / "file", LIMIT)


async def test_damage_is_counted_kept_aside_and_passed_over(tmp_path: Path) -> None:
    """One flipped bit: its record is lost and counted, its bytes are kept, all others are read."""
    payloads = [b"%03d" % nth + b"x" * 900 for nth in range(200)]
    async with opened(tmp_path) as spool:
        await append_all(spool, payloads)
    (path,) = segments(tmp_path)
    data = bytearray(path.read_bytes())
    place = data.index(payloads[77][:300])
    data[place + 200] ^= 4
    path.write_bytes(data)

    async with opened(tmp_path) as spool:
        found = await drain(spool)
        assert (spool.damaged_frames, spool.depth) == (1, 0)
        assert spool.damaged_bytes >= 900

    assert found == [payload for payload in payloads if payload != payloads[77]]
    (kept,) = (tmp_path / "00" / "damaged").iterdir()
    assert bytes(data[place : place + 300]) in kept.read_bytes()


async def test_damage_that_is_kept_aside_is_bounded(tmp_path: Path) -> None:
    """More is counted, but does not fill the disk."""
    async with opened(tmp_path) as spool:
        await append_all(spool, [b"x" * 6_000_000] * 4)
        for _ in range(4):
            record = (await spool.read(1, 1))[0]
            await spool.keep_aside(record)
            await spool.release(record)
        assert (spool.damaged_frames, spool.damaged_bytes) == (4, 24_000_000)

    assert sum(path.stat().st_size for path in (tmp_path / "00" / "damaged").iterdir()) <= KEPT_DAMAGE_BYTES


async def test_a_torn_tail_is_cut_off_and_not_counted(tmp_path: Path) -> None:
    """What a crash left of a write that nobody was told of is no damage."""
    async with opened(tmp_path) as spool:
        await append_all(spool, [b"a" * 500, b"b" * 500, b"c" * 500])
    (path,) = segments(tmp_path)
    os.truncate(path, path.stat().st_size - 300)

    async with opened(tmp_path) as spool:
        size = path.stat().st_size
        assert (spool.depth, spool.damaged_frames) == (2, 0)
        await spool.append(b"d")
        assert await drain(spool) == [b"a" * 500, b"b" * 500, b"d"]
    assert 1_000 < size < 1_200


async def test_a_segment_of_another_version_is_kept_aside_whole(tmp_path: Path) -> None:
    """It is not read, not deleted and not met again."""
    async with opened(tmp_path) as spool:
        await spool.append(b"a")
    (path,) = segments(tmp_path)
    data = bytearray(path.read_bytes())
    other = other_version(bytes(data))
    path.write_bytes(other)

    async with opened(tmp_path) as spool:
        await spool.append(b"b")
        assert await drain(spool) == [b"b"]
        assert spool.damaged_frames == 1

    assert (tmp_path / "00" / "damaged" / path.name).read_bytes() == other


async def test_what_cannot_be_read_or_written_now_can_be_later(tmp_path: Path) -> None:
    """Too many open files are no damage: reading fails, appending is refused, and later both go on."""
    async with opened(tmp_path) as spool:
        await append_all(spool, [b"a", b"b"])
    time = TurnableSeconds()
    spool = open_spool(tmp_path, LIMIT, clocks=time.clocks())
    await spool.release((await spool.read(1, 1))[0])
    await spool.close()
    spool = open_spool(tmp_path, LIMIT, clocks=time.clocks())
    await spool.release(Record(slot=63, sequence=1, stored_ms=1, payload=b""))  # its thread runs now

    with no_more_files():
        with pytest.raises(SpoolError, match="Too many open files"):
            await spool.read(1, 1)
        with pytest.raises(SpoolFullError, match="Too many open files"):
            await spool.append(b"c")
    time.now_s += 1

    await spool.append(b"d")
    assert await drain(spool) == [b"b", b"d"]
    assert spool.damaged_frames == 0
    await spool.close()


async def test_a_lost_cursor_brings_records_again(tmp_path: Path) -> None:
    """Too much is read rather than too little: the ledger knows what is stored."""
    async with opened(tmp_path) as spool:
        await append_all(spool, [b"a", b"b"])
        await spool.release((await spool.read(1, 1))[0])
    (tmp_path / "00" / "cursor").write_bytes(os.urandom(540))

    async with opened(tmp_path) as spool:
        assert await drain(spool) == [b"a", b"b"]


async def test_numbers_rise_when_every_segment_is_gone(tmp_path: Path) -> None:
    """A record is never mistaken for one that was released before."""
    async with opened(tmp_path) as spool:
        await append_all(spool, [b"a", b"b", b"c"])
        await drain(spool)
    async with opened(tmp_path) as spool:
        await spool.append(b"d")
        (record,) = await spool.read(1, 1)

    assert record.sequence == 4


async def test_a_closed_spool_refuses(tmp_path: Path) -> None:
    """What was appended before is written first."""
    spool = open_spool(tmp_path, LIMIT)
    waiting = spool.append(b"a")
    await spool.close()

    await waiting
    with pytest.raises(SpoolFullError, match="closed"):
        await spool.append(b"b")
    async with opened(tmp_path) as again:
        assert await drain(again) == [b"a"]


_steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 5)),
        st.tuples(st.just("refuse"), st.integers(1, 3)),
        st.tuples(st.just("read"), st.integers(1, 6)),
        st.tuples(st.just("reopen"), st.just(0)),
        st.tuples(st.just("tear"), st.integers(1, 60)),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_steps)
def test_a_slot_behaves_like_a_list(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]) -> None:
    """Whatever the order of appends, failures, reads, crashes and torn tails: in order, each once, none lost."""
    home = tmp_path_factory.mktemp("slots")
    disk, made, waiting = Disk(), 0, []
    slot = take(home, disk)
    for what, amount in steps:
        if what in {"append", "refuse"}:
            payloads = [b"%d" % (made + nth) + b"x" * 150 for nth in range(amount)]
            made += amount
            disk.fails_sync = what == "refuse"
            with contextlib.suppress(OSError):
                slot.append(payloads, 1)
                waiting += payloads
        elif what == "read":
            records = slot.read(amount, 1 << 20)
            assert [record.payload for record in records] == waiting[: len(records)]
            assert bool(records) == bool(waiting)
            if records:
                slot.release(records[-1].sequence)
                del waiting[: len(records)]
        else:
            slot.close()
            for path in segments(home)[-1:] if what == "tear" else []:
                path.write_bytes(path.read_bytes() + b"JkFr" + random.Random(amount).randbytes(20)[: amount % 20])
            slot = take(home, disk)
        refused = sum(amount for what, amount in steps if what == "refuse")
        assert len(waiting) <= slot.state.depth <= len(waiting) + refused
    slot.close()
    slot = take(home, disk)
    found = []
    while records := slot.read(3, 1 << 20):
        found += [record.payload for record in records]
        slot.release(records[-1].sequence)
    depth = slot.state.depth
    slot.close()

    assert found == waiting
    assert depth == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("only root can mount a small disk; failing writes are tested without one as well")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextlib.contextmanager
def no_more_files() -> Iterator[None]:
    """Let this process open no file."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def take_slot_of(home: Path, number: int) -> Iterator[Slot]:
    slot = take_slot(home, number)
    assert slot is not None
    try:
        yield slot
    finally:
        slot.close()


def take(home: Path, disk: Disk) -> Slot:
    slot = take_slot(home, 0, 2_000, disk.open)
    assert slot is not None
    return slot


def other_version(data: bytes) -> bytes:
    """The same segment as a later version might begin it."""
    head = data[:4] + (2).to_bytes(2, "little") + data[6:20]
    return head + value(head).to_bytes(4, "little") + data[24:]
