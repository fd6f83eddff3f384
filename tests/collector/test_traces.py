"""Moves, signals, kept visitor ids and structures of layouts, from the wire to the tables and back."""

import datetime
import json
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest_asyncio
from wire_batches import CONTRACT, NOW, NOW_MS, SALT, SITE, batch_rows, decoded, flush_of, wire_batch, wire_layout

from collector import store
from collector.catalog import Dictionaries, load_elements
from collector.facts import PageRange
from collector.ids import Device, SignalKind, SiteId, shard_keys, text_id
from collector.layouts import load_layout_versions
from collector.packing import MOVE_FIELDS, NO_TRACES, SIGNAL_FIELDS
from collector.rows import decode_rows, encode_rows
from collector.visitor import is_kept, kept_visitor_key, visitor_key
from collector.wire import Drop, decode_batch

ROOT = Path(__file__).parents[2]
KEYS = shard_keys(SITE.site_id, 1)
KEPT = "8f2b1c0d9e8a7b6c5d4e3f2a1b0c9d8e"
MOVES = {"t": [2000, 100], "e": [4, 0], "x": [300, 720], "y": [1204, -692], "fx": [12, 127], "fy": [200, 255]}
SIGNALS = {"t": [3200, 3300], "k": [1, 17], "e": [0, -1], "v": [-1, 0], "w": [0, 7], "s": ["", "added {}"]}


@pytest_asyncio.fixture
async def conn(pool):
    async with pool.acquire() as conn:
        await store.ensure_partitions(conn, NOW.date(), NOW.date())
        yield conn


async def test_moves_and_signals_can_be_read_as_rows(conn):
    """The views `moves` and `signals` show each with the values of the wire, for people who write SQL."""
    await store.write_batches(conn, flush_of(batch_rows(wire_batch(m=MOVES, f=SIGNALS))), Dictionaries())

    moves = await conn.fetch("select element_id, at_ms, x_px, y_px, x_frac, y_frac, device from moves order by at_ms")
    signals = await conn.fetch("select element_id, at_ms, kind, value, extra, text from signals order by at_ms")

    paragraph, buy = text_id("main>section:2>p:1"), text_id("#buy")
    assert [tuple(row) for row in moves] == [
        (paragraph, 2000, 300, 1204, 12, 200, 1), (buy, 2100, 1020, 512, 127, 255, 1)
    ]  # fmt: skip
    assert [tuple(row) for row in signals] == [(buy, 3200, 1, -1, 0, ""), (None, 3300, 17, 0, 7, "added {}")]


async def test_an_element_that_only_a_move_or_a_signal_names_is_in_the_dictionary(conn):
    """What moves and signals name can be looked up by its id, as clicked elements can."""
    wire = wire_batch(d=[[-1, "#moved"], [-1, "#told"], [1, "b"], [-1, "#unused"]], m=MOVES | {"e": [0, 0]})
    wire |= {"f": SIGNALS | {"e": [2, -1]}}
    for part in ("c", "s"):
        del wire[part]
    del wire["w"]["x"]

    await store.write_batches(conn, flush_of(batch_rows(wire)), Dictionaries())

    keys = ["#moved", "#told", "#told>b", "#unused"]
    found = await load_elements(conn, KEYS, [text_id(key) for key in keys])
    assert sorted(element.key for element in found.values()) == keys[:3]


async def test_the_traces_of_a_page_are_loaded_for_days_and_a_device(conn):
    """Pages, days and devices that were not asked for are left out; texts stand beside their signals."""
    wanted, late, phone, elsewhere, still = (wire_batch(m=MOVES, f=SIGNALS) for _ in range(5))
    late["w"]["s"] -= 86_400_000
    phone["g"] = [[390, 800, 390, 4200]]
    elsewhere["w"]["p"] = "/elsewhere"
    del still["m"]
    still["f"] = {name: column for name, column in SIGNALS.items() if name != "s"}
    flush = flush_of(*(batch_rows(wire) for wire in (wanted, late, phone, elsewhere, still)))
    await store.write_batches(conn, flush, Dictionaries())
    asked = PageRange(text_id("/product/teapot"), NOW.date(), NOW.date(), Device.DESKTOP)

    moves = await store.load_page_moves(conn, KEYS, asked)
    signals = await store.load_page_signals(conn, KEYS, asked)

    view_ids = [int(wire["w"]["i"], 16) for wire in (wanted, still)]
    assert moves.view_ids == view_ids[:1]
    assert np.frombuffer(moves.packed, dtype=list(MOVE_FIELDS))["x_px"].tolist() == [300, 1020]
    assert dict(zip(signals.view_ids, zip(signals.texts[::2], signals.texts[1::2], strict=True), strict=True)) == {
        view_ids[0]: ("", "added {}"), view_ids[1]: ("", "")
    }  # fmt: skip
    assert np.frombuffer(signals.packed, dtype=list(SIGNAL_FIELDS))["kind"].tolist() == [1, 17, 1, 17]
    everywhere = PageRange(asked.page_id, NOW.date() - datetime.timedelta(days=1), NOW.date())
    assert len((await store.load_page_moves(conn, KEYS, everywhere)).view_ids) == 3
    assert (await store.load_page_moves(conn, [255], everywhere)).view_ids == []


async def test_a_record_of_the_spool_from_before_there_were_traces_is_stored(conn):
    """What an earlier version has left on the disk still drains: its report has no moves and no signals."""
    rows = batch_rows()
    fields = msgspec.structs.astuple(rows)[:-2]
    old = (*fields[:8], rows.tail.removesuffix(NO_TRACES), *fields[9:])
    record = b"\x01" + msgspec.msgpack.encode(old)

    read = decode_rows(record)
    await store.write_batches(conn, flush_of(read), Dictionaries())

    assert read == rows
    assert tuple(await conn.fetchrow("select length(clicks), moves, signals, signal_texts from view_reports")) == (
        104, b"", b"", []
    )  # fmt: skip


def test_a_batch_with_traces_weighs_more_and_survives_the_spool():
    """Long moves make a flush large, too; the record of the spool holds all of them."""
    many = {name: [0] * 600 for name in MOVES}
    plain, heavy = batch_rows(), batch_rows(wire_batch(m=many, f=SIGNALS))

    assert heavy.weight == plain.weight + 30
    assert decode_rows(encode_rows(heavy)) == heavy


def test_a_kept_id_gives_one_key_on_all_days_and_never_that_of_a_day():
    """The key depends on the site and the id alone; keys of a day are negative, kept ones are not."""
    keys = {kept_visitor_key(SITE.site_id, f"{number:032x}") for number in range(500)}
    daily = {visitor_key(SALT, SITE.site_id, f"192.0.{number}.7", "Browser/1") for number in range(256)}

    assert len(keys) == 500
    assert all(map(is_kept, keys))
    assert not any(map(is_kept, daily))
    assert kept_visitor_key(SiteId(2), KEPT) != kept_visitor_key(SITE.site_id, KEPT)
    assert kept_visitor_key(SITE.site_id, KEPT) == kept_visitor_key(SITE.site_id, KEPT)


async def test_only_a_hash_of_the_kept_id_is_stored(conn):
    """Two reports of one id, from two networks and days, are one visitor's, and no table holds the id."""
    wires = [wire_batch(), wire_batch(age_ms=86_400_000)]
    for wire in wires:
        wire["w"]["u"] = KEPT
    rows = [batch_rows(wire) for wire in wires]

    await store.write_batches(conn, flush_of(*rows), Dictionaries())

    stored = await conn.fetch("select visitor_key from view_reports")
    assert [row["visitor_key"] for row in stored] == [kept_visitor_key(SITE.site_id, KEPT)] * 2
    assert all(KEPT.encode() not in encode_rows(row) and bytes.fromhex(KEPT) not in row.tail for row in rows)


async def test_the_structures_that_a_page_had_are_remembered(conn):
    """Each has the instants when it was first and last seen, however often a flush is written; without one there is
    nothing to remember."""
    hour_ms = 3_600_000
    seen = [(7, 1), (7, 3), (9, 2), (9, 2), (None, 0)]
    for structure, hours in seen:
        layout = wire_layout() | ({} if structure is None else {"v": structure})
        rows = batch_rows(wire_batch(sent_ms=NOW_MS, l=layout), received_ms=NOW_MS + hours * hour_ms)
        await store.write_batches(conn, flush_of(rows), Dictionaries())

    versions = await load_layout_versions(conn, KEYS, text_id("/product/teapot"))

    assert [
        (one.version, one.device, one.width_class, (one.first_at - NOW).seconds, (one.last_at - NOW).seconds)
        for one in versions
    ] == [(7, Device.DESKTOP, 9, 3600, 3 * 3600), (9, Device.DESKTOP, 9, 2 * 3600, 2 * 3600)]
    assert await conn.fetchval("select version from layouts") == 7


def test_a_fault_of_a_trace_names_its_place_and_no_value():
    """Positions that add up to too much are told from times that do."""
    far = decode_batch(json.dumps(wire_batch(m=MOVES | {"x": [10_000_000, 1]})).encode())
    slow = decode_batch(json.dumps(wire_batch(m=MOVES | {"t": [604_800_000, 1]})).encode())

    assert isinstance(far, Drop)
    assert far.detail == "the positions of $.m.x or $.m.y exceed 10000000 px"
    assert isinstance(slow, Drop)
    assert slow.detail == "the times of $.m.t exceed 604800000 ms"


def test_both_sides_number_the_kinds_of_signals_alike():
    """The snippet's constants, the collector's enumeration and the table for readers say the same."""
    source = (ROOT / "js" / "src" / "kinds.ts").read_text()
    table = (ROOT / "js" / "README.md").read_text().partition("| `f.k` | Signal |")[2]

    kinds = {kind.name: kind.value for kind in SignalKind}

    assert {name: int(number) for name, number in re.findall(r"export const (\w+) = (\d+);", source)} == kinds
    assert {name: int(number) for number, name in re.findall(r"^\| (\d+) \| ([A-Z_]+)", table, re.MULTILINE)} == kinds


def test_the_samples_hold_every_kind_of_signal():
    """A sample of the contract shows each kind once, so that both sides meet it."""
    batch = decoded(json.loads((CONTRACT / "view-with-signals.json").read_text()))

    assert set(batch.signals.kinds) == set(SignalKind)
