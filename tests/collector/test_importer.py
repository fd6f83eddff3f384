"""Recordings: stored under their own days, once, and bad lines named."""

import datetime
import itertools
import json

import pytest
from msgspec.structs import replace
from wire_batches import NOW, NOW_MS, encode, stored_site, wire_batch, wire_sample

from collector import importer
from collector.importer import ImportFault, import_recording
from collector.rows import RowBuilder
from collector.wire import DropReason

DAY_MS = 86_400_000


def line(*, days_ago: int = 0, ip: str = "192.0.2.7", ua: str = "A", **changes: object) -> bytes:
    at = NOW_MS - days_ago * DAY_MS
    return json.dumps({"at": at, "ip": ip, "ua": ua, "body": wire_batch(sent_ms=at, **changes)}).encode() + b"\n"


async def test_batches_are_stored_under_the_days_of_their_receipt(pool):
    """Facts of past days get their own partitions, and views begin when the recording says."""
    site = await stored_site(pool)

    result = await import_recording(pool, site, [line(days_ago=days) for days in (0, 1, 13, 13)], clock=lambda: NOW)

    rows = await pool.fetch("select fact_day, count(*), min(started_at) from view_reports group by 1 order by 1")
    assert [(row[0], row[1]) for row in rows] == [
        (NOW.date() - datetime.timedelta(days=days), n) for days, n in ((13, 2), (1, 1), (0, 1))
    ]
    assert rows[0][2] == NOW - datetime.timedelta(days=13, milliseconds=12_345)
    assert (result.lines, result.stored, result.duplicates, result.dropped.total()) == (4, 4, 0, 0)


async def test_a_recording_imported_twice_is_stored_once(pool):
    """Copies within a recording and in a second import are counted as duplicates."""
    site = await stored_site(pool)
    lines = [line(days_ago=days) for days in (0, 5, 9)]

    first = await import_recording(pool, site, [*lines, lines[1]], clock=lambda: NOW)
    second = await import_recording(pool, site, lines, clock=lambda: NOW)

    assert (first.stored, first.duplicates) == (3, 1)
    assert (second.stored, second.duplicates) == (0, 3)
    assert await pool.fetchval("select count(*) from view_reports") == 3


async def test_bad_lines_are_skipped_and_named(pool):
    """Each refused line is named by number and reason; the good ones around it are stored."""
    site = await stored_site(pool)
    lines = [
        line(), b"not json\n", b"\n", line(k="otherKey_1"), line(v=9), line(days_ago=-1), line(g=[]),
        b'{"at":1}\n', line(),
    ]  # fmt: skip

    result = await import_recording(pool, site, lines, clock=lambda: NOW)

    assert (result.lines, result.stored) == (9, 2)
    assert [(fault.line, fault.reason) for fault in result.faults] == [
        (2, DropReason.MALFORMED), (4, DropReason.UNKNOWN_SITE), (5, DropReason.UNSUPPORTED_VERSION),
        (6, DropReason.FROM_FUTURE), (7, DropReason.MALFORMED), (8, DropReason.MALFORMED),
    ]  # fmt: skip
    assert isinstance(result.faults[0], ImportFault)
    assert result.dropped[DropReason.MALFORMED] == 3


async def test_a_batch_that_postgres_refuses_stops_no_import(pool, monkeypatch, caplog):
    """A value that only Postgres finds fault with costs its own batch: it is counted and logged, all others stored."""
    site = await stored_site(pool)
    lines = [line(days_ago=days) for days in (0, 0, 0, 0, 3)]
    numbers = itertools.count()

    class FaultyBuilder(RowBuilder):
        def build(self, *arguments):
            rows = super().build(*arguments)
            is_bad = next(numbers) == 2
            return replace(rows, page=replace(rows.page, page_id=5, path="/\0")) if is_bad else rows

    monkeypatch.setattr(importer, "RowBuilder", FaultyBuilder)

    result = await import_recording(pool, site, lines, clock=lambda: NOW)

    assert (result.stored, result.duplicates, result.dropped) == (4, 0, {DropReason.MALFORMED: 1})
    assert await pool.fetchval("select count(*) from view_reports") == 4
    assert json.loads(lines[2])["body"]["b"] in caplog.text


async def test_salts_of_past_days_are_thrown_away(pool):
    """Importing last week leaves no salt of it; a visitor of one day is one visitor, of two days two."""
    site = await stored_site(pool)
    lines = [line(days_ago=7), line(days_ago=7), line(days_ago=8), line(days_ago=7, ua="B"), line(), line()]

    await import_recording(pool, site, lines, clock=lambda: NOW)

    days = await pool.fetch("select day from salts")
    visitors = await pool.fetch("select local_day, count(distinct visitor_key) from view_reports group by 1 order by 1")
    assert [row[0] for row in days] == [NOW.date()]
    assert [row[1] for row in visitors] == [1, 2, 1]


async def test_flushes_are_bounded_and_progress_is_told(pool, monkeypatch):
    """A long recording is stored in several flushes, after each of which its progress is told."""
    site = await stored_site(pool)
    monkeypatch.setattr(importer, "_FLUSH_ROWS", 50)
    told: list[int] = []

    result = await import_recording(pool, site, (line() for _ in range(30)), told.append, clock=lambda: NOW)

    assert result.stored == sum(told) == 30
    assert told == [9, 21]  # names that are stored weigh nothing
    assert await pool.fetchval("select count(distinct flush_id) from view_reports") == 2


@pytest.mark.parametrize("page", ["/product/teapot", "/product//teapot/?size=2"])
async def test_an_import_and_a_live_batch_are_the_same_to_the_store(collector, page):
    """The same batch imported and sent over HTTP gives the same rows, but for receipt and visitor."""
    sent = wire_batch(w=wire_sample()["w"] | {"p": page, "s": NOW_MS - 5})
    recorded = sent | {"b": "f" * 32}

    await collector.post(encode(sent))
    await import_recording(
        collector.pool, collector.site,
        [json.dumps({"at": NOW_MS, "ip": "127.0.0.1", "ua": "x", "body": recorded}).encode()], clock=lambda: NOW,
    )  # fmt: skip

    columns = "shard_key, fact_day, view_id, page_id, device, seq, started_at, local_day, section_ids, section_ms"
    assert await collector.pool.fetchval(f"select count(distinct ({columns})) from view_reports") == 1
    assert await collector.pool.fetch("select path from pages") == [("/product/teapot",)]
