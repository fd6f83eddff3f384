"""`jalki quarantine list | show | retry | drop`: the batches that Postgres refused."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import click
import msgspec

from collector import db
from collector.errors import NotFoundError, StorageError
from collector.ids import ShardKey
from collector.quarantine import Quarantined, count_quarantined, delete_quarantined, load_quarantined, sqlstate_of
from collector.rows import BatchRows
from collector.settings import Settings
from collector.store import Flush, write_parts
from heatmap.commands.place import open_place_pool, settings_options
from heatmap.commands.running import run
from heatmap.commands.spools import open_sink
from heatmap.commands.terminal import ExitCode, build_table, command, json_option, print_answer

_ALL = 100_000  # an entry is a fault of ours: there are few


class RefusedBatch(msgspec.Struct, frozen=True):
    """A batch that is kept, and why."""

    batch_id: str
    shard_key: int
    received_at: datetime
    quarantined_at: datetime
    sqlstate: str
    reason: str
    size_bytes: int


class RefusedList(msgspec.Struct, frozen=True):
    """The oldest batches that are kept, and how many there are in all."""

    batches: list[RefusedBatch]
    count: int


class RefusedDetail(msgspec.Struct, frozen=True):
    """One batch that is kept, with what is in it; nothing of a visitor. `is_readable` is False for another version."""

    batch: RefusedBatch
    is_readable: bool
    path: str | None
    clicks: int
    elements: list[str]
    has_layout: bool


class RetryAnswer(msgspec.Struct, frozen=True):
    """What became of batches that were written again."""

    stored: int
    duplicates: int
    refused: list[RefusedBatch]


class DropAnswer(msgspec.Struct, frozen=True):
    """How many batches were forgotten."""

    dropped: int


@click.group("quarantine")
def quarantine() -> None:
    """See, retry and drop the batches that Postgres refused."""


def _which(call: Callable[..., object]) -> Callable[..., object]:
    by_id = click.option("--batch-id", help="Which batch (jalki quarantine list).")
    return by_id(click.option("--all", "is_all", is_flag=True, help="All that are kept.")(call))


@command("list", example="jalki quarantine list")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Most batches to list.")
@settings_options()
@json_option
def list_refused(settings: Settings, limit: int, *, as_json: bool) -> None:
    """List the batches that Postgres refused, oldest first, and what it said."""
    found, count = run(_list(settings, limit))
    rows = [
        (one.batch_id, str(one.shard_key), f"{one.received_at:%Y-%m-%d %H:%M:%S}", one.sqlstate, one.reason)
        for one in found
    ]
    table = build_table(("BATCH", "SHARD KEY", "RECEIVED (UTC)", "SQLSTATE", "REASON"), rows)
    more = f"\n… and {count - len(found)} more" if count > len(found) else ""
    text = table + more if rows else "nothing was refused"
    print_answer(RefusedList([_answer(one) for one in found], count), text, as_json=as_json)


@command("show", example="jalki quarantine show --batch-id 0123456789abcdef0123456789abcdef")
@click.option("--batch-id", required=True, help="Which batch (jalki quarantine list).")
@settings_options()
@json_option
def show(settings: Settings, batch_id: str, *, as_json: bool) -> None:
    """Show what is in a batch that Postgres refused."""
    found = run(_load(settings, batch_id))[0]
    detail = _detail(found)
    text = "\n".join(
        (
            f"batch {found.batch_id} of shard key {found.shard_key}",
            f"received {found.received_at:%Y-%m-%d %H:%M:%S} UTC, refused {found.quarantined_at:%Y-%m-%d %H:%M:%S} UTC",
            f"SQLSTATE {found.sqlstate}: {found.reason}",
            f"page {detail.path or '(known before)'}, {detail.clicks} clicks, {len(detail.elements)} new elements"
            if detail.is_readable
            else "it was kept by a version of jalki whose format this one does not read",
        )
    )
    print_answer(detail, text, as_json=as_json)


@command("retry", example="jalki quarantine retry --all")
@_which
@settings_options()
@json_option
def retry(settings: Settings, batch_id: str | None, *, is_all: bool, as_json: bool) -> None:
    """Store batches that were refused, as if they came now; what is refused again stays."""
    _require_one(batch_id, is_all=is_all)
    answer = run(_retry(settings, batch_id))
    lines = [f"{answer.stored} batches stored, {answer.duplicates} were stored already"]
    lines += [f"batch {one.batch_id} was refused again: SQLSTATE {one.sqlstate}" for one in answer.refused]
    print_answer(answer, "\n".join(lines), as_json=as_json)
    if answer.refused:
        sys.exit(ExitCode.FAILED)


@command("drop", example="jalki quarantine drop --batch-id 0123456789abcdef0123456789abcdef")
@_which
@settings_options()
@json_option
def drop(settings: Settings, batch_id: str | None, *, is_all: bool, as_json: bool) -> None:
    """Forget batches that were refused, for good."""
    _require_one(batch_id, is_all=is_all)
    dropped = run(_drop(settings, batch_id))
    print_answer(DropAnswer(dropped), f"{dropped} batches dropped", as_json=as_json)


def _require_one(batch_id: str | None, *, is_all: bool) -> None:
    if (batch_id is None) != is_all:
        raise click.UsageError("say which with --batch-id, or --all")


async def _list(settings: Settings, limit: int) -> tuple[list[Quarantined], int]:
    async with open_place_pool(settings) as (_, pool), pool.acquire() as conn:
        return await load_quarantined(conn, limit), await count_quarantined(conn)


async def _load(settings: Settings, batch_id: str) -> list[Quarantined]:
    async with open_place_pool(settings) as (_, pool):
        return await _find(pool, batch_id)


async def _find(pool: db.Pool, batch_id: str | None) -> list[Quarantined]:
    """Return the batches of this id, of all shard keys; None: all that are kept."""
    async with pool.acquire() as conn:
        kept = await load_quarantined(conn, _ALL)
    found = [one for one in kept if batch_id is None or one.batch_id == batch_id.replace("-", "").lower()]
    if batch_id is not None and not found:
        raise NotFoundError(f"there is no batch {batch_id} in quarantine", "jalki quarantine list")
    return found


async def _retry(settings: Settings, batch_id: str | None) -> RetryAnswer:
    stored, duplicates, refused = 0, 0, []
    async with open_place_pool(settings) as (_, pool):
        for one in await _find(pool, batch_id):
            written = await _write_again(pool, one)
            if isinstance(written, Quarantined):
                refused.append(_answer(written))
                continue
            stored += written
            duplicates += not written
            await _forget(pool, [one])
    return RetryAnswer(stored, duplicates, refused)


async def _write_again(pool: db.Pool, one: Quarantined) -> "bool | Quarantined":
    """Return whether the batch is stored now, False where it was before; the batch itself where it is refused."""
    sink = await open_sink(pool)
    try:
        flush = Flush(sink.ids.make(), sink.today(), (one.rows(),))
    except StorageError:
        return one
    async for _, answer in write_parts(flush, sink.ids, sink.write):
        if isinstance(answer, Exception):
            return replace(one, sqlstate=sqlstate_of(answer))
        return bool(answer)
    return False


async def _drop(settings: Settings, batch_id: str | None) -> int:
    async with open_place_pool(settings) as (_, pool):
        return await _forget(pool, await _find(pool, batch_id))


async def _forget(pool: db.Pool, gone: Sequence[Quarantined]) -> int:
    ids: dict[ShardKey, list[str]] = {}
    for one in gone:
        ids.setdefault(one.shard_key, []).append(one.batch_id)
    async with pool.acquire() as conn:
        return sum([await delete_quarantined(conn, key, batch_ids) for key, batch_ids in ids.items()])


def _answer(one: Quarantined) -> RefusedBatch:
    return RefusedBatch(
        *(one.batch_id, one.shard_key, one.received_at, one.quarantined_at, one.sqlstate, one.reason, len(one.packed))
    )


def _detail(one: Quarantined) -> RefusedDetail:
    try:
        rows: BatchRows | None = one.rows()
    except StorageError:
        rows = None
    if rows is None:
        return RefusedDetail(_answer(one), is_readable=False, path=None, clicks=0, elements=[], has_layout=False)
    return RefusedDetail(
        _answer(one),
        is_readable=True,
        path=rows.page.path if rows.page else None,
        clicks=rows.clicks,
        elements=[element.key for element in rows.elements],
        has_layout=rows.layout is not None,
    )


quarantine.add_command(list_refused)
quarantine.add_command(show)
quarantine.add_command(retry)
quarantine.add_command(drop)
