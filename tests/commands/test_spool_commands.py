"""`jalki spool` and `jalki quarantine`: what an operator sees of waiting and refused batches, and does about them."""

import asyncio
import datetime
import itertools
import json
from pathlib import Path

import asyncpg
import msgspec
import pytest
from click.testing import CliRunner, Result

from collector.catalog import Dictionaries
from collector.db import Pool
from collector.quarantine import count_quarantined, write_quarantined
from collector.rows import Arrival, BatchRows, RowBuilder, encode_rows
from collector.sites import NewSite, Site, add_site
from collector.spool import open_spool
from collector.wire import Batch, decode_batch
from heatmap.__main__ import main

NOW = datetime.datetime(2026, 3, 4, 12, 0, tzinfo=datetime.UTC)
ADDRESS, AGENT = "192.0.2.7", "Firefox"
_numbers = itertools.count(1)


async def stored_site(pool: Pool) -> Site:
    async with pool.acquire() as conn:
        return await add_site(conn, NewSite(name="Shop"), "demoKey_01", NOW)


def rows_of(site: Site) -> BatchRows:
    """The contract's sample as a batch of its own."""
    sample = json.loads((Path(__file__).parents[1] / "contract" / "view-with-clicks.json").read_text())
    number, now_ms = next(_numbers), int(NOW.timestamp() * 1000)
    sample |= {"k": site.key, "b": f"{number:032x}", "t": now_ms}
    sample["w"] |= {"s": now_ms - 5_000, "i": f"{number:016x}"}
    batch = decode_batch(json.dumps(sample).encode())
    assert isinstance(batch, Batch), batch
    return RowBuilder(Dictionaries()).build(batch, site, b"s" * 32, Arrival(now_ms, ADDRESS, AGENT))


def refused(rows: BatchRows) -> BatchRows:
    assert rows.page is not None
    return msgspec.structs.replace(rows, page=msgspec.structs.replace(rows.page, page_id=5, path="/\0"))


async def fill(home: Path, *payloads: bytes, database: str = "") -> None:
    """Leave a slot with these records behind that nobody holds."""
    spool = open_spool(home, 1 << 20, database=database)
    await asyncio.gather(*(spool.append(payload) for payload in payloads))
    await spool.close()


def segments(home: Path, slot: int) -> list[Path]:
    return sorted((home / f"{slot:02d}").glob("*.seg"))


async def jalki(home: Path, url: str, *words: str) -> Result:
    """Run a command in this process, in a thread and with an event loop of its own."""
    environ = {"JALKI_SPOOL_DIR": str(home), "JALKI_DATABASE_URL": url}
    return await asyncio.to_thread(CliRunner().invoke, main, list(words), env=environ)


async def answer(home: Path, url: str, *words: str, code: int = 0) -> dict:
    done = await jalki(home, url, *words, "--json")
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


async def test_slots_are_listed_with_their_holders(tmp_path: Path, postgres_url: str) -> None:
    """How much waits, since when, and which process has it; before there is a spool also."""
    nothing = await jalki(tmp_path / "none", postgres_url, "spool", "list")
    held = open_spool(tmp_path, 1 << 20)
    await fill(tmp_path, b"a", b"b" * 500)
    await held.append(b"c")
    listed = (await answer(tmp_path, postgres_url, "spool", "list"))["slots"]
    said = (await jalki(tmp_path, postgres_url, "spool", "list")).output
    await held.close()

    assert "nothing was ever spooled" in nothing.output
    assert not (tmp_path / "none").exists()
    assert [(one["slot"], one["batches"], one["holder_pid"] is None) for one in listed] == [(0, 1, False), (1, 2, True)]
    assert all(one["size_bytes"] > 0 and one["oldest_at"] and not one["damaged"] for one in listed)
    assert "nobody" in said.splitlines()[2]


async def test_listing_counts_damage_without_mending_it(tmp_path: Path, postgres_url: str) -> None:
    """Somebody who looks changes nothing."""
    await fill(tmp_path, *(b"%d" % nth * 100 for nth in range(9)))
    (path,) = segments(tmp_path, 0)
    data = bytearray(path.read_bytes())
    data[data.index(b"4444")] ^= 1
    path.write_bytes(data)

    (slot,) = (await answer(tmp_path, postgres_url, "spool", "list"))["slots"]

    assert (slot["batches"], slot["damaged"]) == (8, 1)
    assert path.read_bytes() == data


async def test_waiting_batches_are_shown_without_their_visitors(tmp_path: Path, postgres_url: str, pool: Pool) -> None:
    """Ids, times and sizes; what cannot be read is said to be so; the limit is for each slot."""
    site = await stored_site(pool)
    batches = [rows_of(site) for _ in range(3)]
    await fill(tmp_path, *map(encode_rows, batches), b"\xffnot a batch")

    shown = (await answer(tmp_path, postgres_url, "spool", "inspect"))["records"]
    first = (await answer(tmp_path, postgres_url, "spool", "inspect", "--slot", "0", "--limit", "1"))["records"]
    text = await jalki(tmp_path, postgres_url, "spool", "inspect")
    missing = await jalki(tmp_path, postgres_url, "spool", "inspect", "--slot", "9")

    assert [one["batch_id"] for one in shown] == [*(one.batch_id for one in batches), None]
    assert (shown[0]["shard_key"], shown[0]["clicks"]) == (batches[0].shard_key, batches[0].clicks)
    assert first == shown[:1]
    assert "cannot be read" in text.output
    assert ADDRESS not in text.output + json.dumps(shown)
    assert (missing.exit_code, "no slot 9" in missing.output) == (1, True)


async def test_drain_stores_what_nobody_holds(tmp_path: Path, postgres_url: str, pool: Pool) -> None:
    """Each batch once; what a running collector holds is left to it; what cannot be read is kept aside."""
    site = await stored_site(pool)
    batches = [rows_of(site) for _ in range(5)]
    held = open_spool(tmp_path, 1 << 20)
    await fill(tmp_path, *map(encode_rows, batches), encode_rows(refused(rows_of(site))), b"\xff")
    await held.append(encode_rows(rows_of(site)))
    drained = await answer(tmp_path, postgres_url, "spool", "drain")
    again = await answer(tmp_path, postgres_url, "spool", "drain")
    await held.close()

    assert drained == dict.fromkeys(drained, 0) | {"stored": 5, "quarantined": 1, "unreadable": 1, "held": 1}
    assert again == dict.fromkeys(drained, 0) | {"held": 1}
    assert await pool.fetchval("select count(*) from ledger") == 5
    assert segments(tmp_path, 1) == []


async def test_drain_leaves_what_is_for_another_database(tmp_path: Path, postgres_url: str, pool: Pool) -> None:
    """Unless the operator says that it has moved."""
    site = await stored_site(pool)
    await fill(tmp_path, encode_rows(rows_of(site)), database="old.example:5432/jalki")
    left = await answer(tmp_path, postgres_url, "spool", "drain")
    (slot,) = (await answer(tmp_path, postgres_url, "spool", "list"))["slots"]
    drained = await answer(tmp_path, postgres_url, "spool", "drain", "--any-database")

    assert (left["stored"], left["elsewhere"]) == (0, 1)
    assert (slot["database"], slot["batches"]) == ("old.example:5432/jalki", 1)
    assert (drained["stored"], drained["elsewhere"]) == (1, 0)


async def test_drain_without_a_spool_makes_none(tmp_path: Path, postgres_url: str) -> None:
    """An operator who asks in the wrong place leaves nothing behind."""
    drained = await answer(tmp_path / "none", postgres_url, "spool", "drain")

    assert drained["stored"] == 0
    assert not (tmp_path / "none").exists()


async def test_a_database_that_is_away_leaves_the_spool_as_it_is(tmp_path: Path) -> None:
    """One line says so, and everything still waits."""
    await fill(tmp_path, b"a", b"b")

    done = await jalki(tmp_path, "postgresql://127.0.0.1:1/none", "spool", "drain")
    (slot,) = (await answer(tmp_path, "", "spool", "list"))["slots"]

    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert slot["batches"] == 2


async def test_refused_batches_are_listed_shown_and_dropped(tmp_path: Path, postgres_url: str, pool: Pool) -> None:
    """With what Postgres said and what is in them, without the value and without the visitor."""
    site = await stored_site(pool)
    first, second = await quarantined(pool, rows_of(site)), await quarantined(pool, rows_of(site))
    listed = await answer(tmp_path, postgres_url, "quarantine", "list", "--limit", "1")
    shown = await answer(tmp_path, postgres_url, "quarantine", "show", "--batch-id", first.batch_id)
    text = (await jalki(tmp_path, postgres_url, "quarantine", "show", "--batch-id", first.batch_id)).output
    dropped = await answer(tmp_path, postgres_url, "quarantine", "drop", "--batch-id", first.batch_id)
    left = await answer(tmp_path, postgres_url, "quarantine", "list")
    missing = await jalki(tmp_path, postgres_url, "quarantine", "show", "--batch-id", first.batch_id)

    assert (listed["count"], [one["batch_id"] for one in listed["batches"]]) == (2, [first.batch_id])
    assert first.page is not None
    assert (shown["path"], shown["clicks"]) == (first.page.path, first.clicks)
    assert shown["batch"]["sqlstate"] == "22P05"
    assert ADDRESS not in text
    assert dropped == {"dropped": 1}
    assert [one["batch_id"] for one in left["batches"]] == [second.batch_id]
    assert missing.exit_code == 3


async def test_refused_batches_are_stored_once_they_can_be(tmp_path: Path, postgres_url: str, pool: Pool) -> None:
    """Retry stores what Postgres takes now and forgets it; what it refuses again stays, and the code says so."""
    site = await stored_site(pool)
    good = await quarantined(pool, rows_of(site))
    bad = await quarantined(pool, refused(rows_of(site)))

    one = await answer(tmp_path, postgres_url, "quarantine", "retry", "--batch-id", good.batch_id.upper())
    await quarantined(pool, good)
    rest = await answer(tmp_path, postgres_url, "quarantine", "retry", "--all", code=1)

    assert one == {"stored": 1, "duplicates": 0, "refused": []}
    assert (rest["stored"], rest["duplicates"]) == (0, 1)
    assert [entry["batch_id"] for entry in rest["refused"]] == [bad.batch_id]
    assert await pool.fetchval("select count(*) from ledger") == 1
    async with pool.acquire() as conn:
        assert await count_quarantined(conn) == 1


@pytest.mark.parametrize("words", [["retry"], ["drop"], ["drop", "--all", "--batch-id", "0" * 32]], ids=" ".join)
async def test_what_is_meant_must_be_said(tmp_path: Path, words: list[str]) -> None:
    """Neither all nor one by accident."""
    done = await jalki(tmp_path, "", "quarantine", *words)

    assert done.exit_code == 2
    assert "--batch-id, or --all" in done.output


async def quarantined(pool: Pool, rows: BatchRows) -> BatchRows:
    at = NOW + datetime.timedelta(seconds=next(_numbers))
    async with pool.acquire() as conn:
        await write_quarantined(conn, rows, asyncpg.UntranslatableCharacterError("unsupported Unicode"), at)
    return rows


async def test_doctor_says_what_is_wrong_with_the_spool(tmp_path: Path, postgres_url: str, pool: Pool) -> None:
    """Batches that nobody will drain, damage, a full spool, refused batches: each with its remedy."""
    spool, environ = tmp_path / "spool", {"JALKI_SPOOL_MAX_BYTES": "4096"}
    healthy = await checked(spool, postgres_url)
    await quarantined(pool, rows_of(await stored_site(pool)))
    await fill(spool, b"a" * 100, b"b" * 100)
    left = await checked(spool, postgres_url)
    (path,) = segments(spool, 0)
    path.write_bytes(path.read_bytes().replace(b"aaa", b"aba", 1))
    damaged = await checked(spool, postgres_url)
    await fill(spool, b"c" * 6_000)
    full = await checked(spool, postgres_url, **environ)

    assert (healthy["spool"]["is_ok"], healthy["quarantine"]["is_ok"]) == (True, True)
    assert "jalki spool drain" in left["spool"]["remedy"]
    assert "jalki quarantine list" in left["quarantine"]["remedy"]
    assert "1 are damaged" in damaged["spool"]["found"]
    assert "JALKI_SPOOL_MAX_BYTES" in full["spool"]["remedy"]
    assert not any(found["spool"]["is_ok"] for found in (left, damaged, full))


async def checked(home: Path, url: str, **environ: str) -> dict[str, dict]:
    """What `jalki doctor` finds, by the name of the check."""
    environ |= {"JALKI_SPOOL_DIR": str(home), "JALKI_DATABASE_URL": url, "JALKI_PORT": "0"}
    done = await asyncio.to_thread(CliRunner().invoke, main, ["doctor", "--json"], env=environ)
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}
