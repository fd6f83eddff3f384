"""`jalki spool list | inspect | drain`: the batches that wait on disk."""

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import click
import msgspec

from collector import db
from collector.catalog import Dictionaries
from collector.draining import DrainResult, Sink, drain
from collector.errors import StorageError
from collector.quarantine import write_quarantined
from collector.rows import BatchRows, decode_rows
from collector.settings import Settings
from collector.slots import Record
from collector.spool import name_database, open_spool
from collector.spool_survey import SlotSurvey, read_waiting, survey_spool
from collector.store import BatchKey, Flush, FlushIds, ensure_partitions, load_writer, write_batches
from heatmap.commands.place import open_place_pool, settings_options
from heatmap.commands.running import run
from heatmap.commands.terminal import build_table, command, json_option, print_answer


class SlotAnswer(msgspec.Struct, frozen=True):
    """One slot; without a holder the next collector that runs here drains it, or `jalki spool drain`."""

    slot: int
    holder_pid: int | None
    database: str
    batches: int
    size_bytes: int
    oldest_at: datetime | None
    damaged: int
    kept_aside_bytes: int


class SpoolAnswer(msgspec.Struct, frozen=True):
    """All slots of the spool folder."""

    folder: str
    slots: list[SlotAnswer]


class RecordAnswer(msgspec.Struct, frozen=True):
    """A waiting batch, without what it says of a visitor; only its place and size where it cannot be read."""

    slot: int
    sequence: int
    stored_at: datetime
    size_bytes: int
    batch_id: str | None = None
    shard_key: int | None = None
    received_at: datetime | None = None
    clicks: int | None = None


class RecordList(msgspec.Struct, frozen=True):
    """Waiting batches, oldest first in each slot."""

    records: list[RecordAnswer]


class DrainAnswer(msgspec.Struct, frozen=True):
    """What became of drained batches; how many wait in slots that running collectors hold, and for other databases."""

    stored: int
    duplicates: int
    quarantined: int
    unreadable: int
    held: int
    elsewhere: int


@click.group("spool")
def spool() -> None:
    """See and drain the batches that wait on disk."""


@command("list", example="jalki spool list")
@settings_options()
@json_option
def list_slots(settings: Settings, *, as_json: bool) -> None:
    """List the slots of the spool: how much waits, since when, and which process holds them."""
    home = settings.spool_path()
    found = [_slot_answer(one) for one in survey_spool(home)]
    rows = [
        (
            f"{one.slot:02d}",
            _holder(one),
            one.database or "any",
            str(one.batches),
            f"{one.size_bytes / (1 << 20):.1f}",
            _time(one.oldest_at),
            *(str(one.damaged), f"{one.kept_aside_bytes / (1 << 20):.1f}"),
        )
        for one in found
    ]
    header = ("SLOT", "HELD BY", "DATABASE", "BATCHES", "MIB", "OLDEST (UTC)", "DAMAGED", "KEPT ASIDE, MIB")
    text = build_table(header, rows) if rows else f"nothing was ever spooled in {home}"
    print_answer(SpoolAnswer(str(home), found), text, as_json=as_json)


@command("inspect", example="jalki spool inspect --slot 0 --limit 5")
@click.option("--slot", type=click.IntRange(0, 63), help="Only this slot (jalki spool list).")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Most batches of each slot.")
@settings_options()
@json_option
def inspect(settings: Settings, slot: int | None, limit: int, *, as_json: bool) -> None:
    """Show the oldest waiting batches: ids, times and sizes, nothing of a visitor."""
    home = settings.spool_path()
    numbers = [one.number for one in survey_spool(home)] if slot is None else [slot]
    found = [_record_answer(record) for number in numbers for record in islice(read_waiting(home, number), limit)]
    rows = [
        (
            f"{one.slot:02d}",
            str(one.sequence),
            one.batch_id or "cannot be read",
            str(one.shard_key or "–"),
            _time(one.received_at),
            *("–" if one.clicks is None else str(one.clicks), str(one.size_bytes)),
        )
        for one in found
    ]
    header = ("SLOT", "NUMBER", "BATCH", "SHARD KEY", "RECEIVED (UTC)", "CLICKS", "BYTES")
    print_answer(RecordList(found), build_table(header, rows) if rows else "nothing waits", as_json=as_json)


@command("drain", example="jalki spool drain")
@click.option("--any-database", is_flag=True, help="Also what was spooled for a database of another address.")
@settings_options()
@json_option
def drain_slots(settings: Settings, *, any_database: bool, as_json: bool) -> None:
    """Store what waits in slots that no running collector holds; the others drain by themselves.

    May be interrupted and repeated: what is stored already is not stored again.
    """
    answer = run(_drain(settings, "" if any_database else name_database(settings)))
    print_answer(answer, _drain_text(answer), as_json=as_json)


async def _drain(settings: Settings, database: str) -> DrainAnswer:
    home = settings.spool_path()
    found = survey_spool(home)
    ours = [one for one in found if not database or one.database in {"", database}]
    result = DrainResult()
    if any(one.size_bytes and not one.holder_pid for one in ours):
        async with open_place_pool(settings) as (_, pool):
            result = await _drain_into(pool, home, database)
    return DrainAnswer(
        *(result.stored, result.duplicates, result.quarantined, result.unreadable),
        held=sum(one.depth for one in ours if one.holder_pid),
        elsewhere=sum(one.depth for one in found if one not in ours),
    )


async def open_sink(pool: db.Pool) -> Sink:
    """Return a way into the database for batches that were received before, over connections of the pool."""
    known = Dictionaries()

    async def write(flush: Flush) -> frozenset[BatchKey]:
        async with pool.acquire() as conn:
            await ensure_partitions(conn, flush.fact_day, flush.fact_day)
            return await write_batches(conn, flush, known)

    async def quarantine(rows: BatchRows, error: Exception) -> None:
        async with pool.acquire() as conn:
            await write_quarantined(conn, rows, error, _now())

    async with pool.acquire() as conn:
        ids = FlushIds(lambda: int(_now().timestamp() * 1000), await load_writer(conn))
    return Sink(ids, lambda: _now().date(), write, quarantine)


async def _drain_into(pool: db.Pool, home: Path, database: str) -> DrainResult:
    opened = open_spool(home, 0, database=database)  # takes nothing in; its own slot is the first that nobody holds
    try:
        return await drain(opened, await open_sink(pool))
    finally:
        await opened.close()


def _slot_answer(one: SlotSurvey) -> SlotAnswer:
    oldest_at = _instant(one.oldest_ms) if one.oldest_ms else None
    return SlotAnswer(
        *(one.number, one.holder_pid or None, one.database, one.depth, one.size_bytes, oldest_at),
        *(one.damaged_frames, one.kept_bytes),
    )


def _record_answer(record: Record) -> RecordAnswer:
    place = (record.slot, record.sequence, _instant(record.stored_ms), len(record.payload))
    try:
        rows = decode_rows(record.payload)
    except StorageError:
        return RecordAnswer(*place)
    return RecordAnswer(*place, rows.batch_id, rows.shard_key, rows.received_at, rows.clicks)


def _drain_text(answer: DrainAnswer) -> str:
    lines = [f"{answer.stored} batches stored, {answer.duplicates} were stored already"]
    if answer.quarantined:
        lines.append(f"{answer.quarantined} refused by Postgres: jalki quarantine list")
    if answer.unreadable:
        lines.append(f"{answer.unreadable} cannot be read and are kept aside in the slots' damaged/ folders")
    if answer.held:
        lines.append(f"{answer.held} wait in slots that running collectors hold, which drain them by themselves")
    if answer.elsewhere:
        lines.append(
            f"{answer.elsewhere} wait for other databases: jalki spool list, and drain --any-database if it moved"
        )
    return "\n".join(lines)


def _holder(one: SlotAnswer) -> str:
    if one.holder_pid is None:
        return "nobody"
    return f"process {one.holder_pid}" if one.holder_pid > 0 else "a process"


def _instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _now() -> datetime:
    return datetime.now(UTC)


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else "–"


spool.add_command(list_slots)
spool.add_command(inspect)
spool.add_command(drain_slots)
