"""Whatever a batch says and the decoder accepts is what Postgres gives back, value by value.

The expectation is worked out here, from the JSON alone; only names (paths, ids, device classes) are the product's.
"""

import datetime
import zoneinfo
from collections import Counter
from dataclasses import dataclass

import asyncpg
import msgspec
import numpy as np
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire_batches import NOW, NOW_MS, SALT
from wire_strategies import SENDERS, SITES, WIRES, whole_key

from collector import store
from collector.catalog import Dictionaries
from collector.devices import device_class, width_class
from collector.ids import FlushId, PageId, shard_key, text_id
from collector.layouts import load_layouts
from collector.ledger import PendingFlush
from collector.names import canonical_page
from collector.packing import CLICK_FIELDS, MOVE_FIELDS, SIGNAL_FIELDS
from collector.rows import Arrival, RowBuilder, decode_rows, encode_rows
from collector.sites import Site, add_site
from collector.visitor import kept_visitor_key, visitor_key
from collector.wire import Batch, decode_batch

FLUSH = FlushId(7)
REPORT_COLUMNS = (
    "shard_key, flush_id, fact_day, view_id, visitor_key, page_id, device, navigation, seq, started_at, local_day,"
    " active_ms, engaged_ms, viewport_w_px, viewport_h_px, doc_w_px, doc_h_px, depth_px, depth_doc_h_px,"
    " referrer_host, exit_section_id, section_ids, section_ms, section_flags"
)
CLICK_COLUMNS = (
    "element_id, at_ms, x_px, y_px, element_w_px, element_h_px, viewport_w_px, viewport_h_px, doc_w_px, doc_h_px,"
    " nth, x_frac, y_frac, kind, device"
)


@dataclass(frozen=True)
class Said:
    """What one batch said, in the words of the tables."""

    wire: dict
    site: Site
    received_ms: int
    sender: tuple[str, str]

    @property
    def keys(self) -> list[str]:
        return [whole_key(self.wire["d"], index) for index in range(len(self.wire["d"]))]

    @property
    def ids(self) -> list[int]:
        return [text_id(key) for key in self.keys]

    @property
    def visitor(self) -> int:
        if "u" in self.wire["w"]:
            return kept_visitor_key(self.site.site_id, self.wire["w"]["u"])
        return visitor_key(SALT, self.site.site_id, *self.sender)

    @property
    def shard(self) -> int:
        return shard_key(self.site.site_id, self.visitor % self.site.buckets)

    @property
    def page(self) -> tuple[int, str]:
        path = canonical_page(self.site, self.wire["w"]["p"])
        return PageId(text_id(path)), path

    @property
    def view_id(self) -> int:
        return int.from_bytes(bytes.fromhex(self.wire["w"]["i"]), "big", signed=True)

    def device(self, geometry: list[int]) -> int:
        is_coarse = bool(self.wire["w"]["c"])
        return device_class(geometry[0], is_coarse, self.site.tablet_min_px, self.site.desktop_min_px)

    def report(self) -> tuple:
        view, geometry = self.wire["w"], self.wire["g"][-1]
        age = datetime.timedelta(milliseconds=max(0, self.wire["t"] - view["s"]))
        started = datetime.datetime.fromtimestamp(self.received_ms / 1000, datetime.UTC) - age
        sections: dict[int, tuple[int, int]] = {}
        for index, ms, flags in self.wire.get("s", []):
            known_ms, known_flags = sections.get(self.ids[index], (0, 0))
            sections[self.ids[index]] = max(known_ms, ms), known_flags | flags
        return (
            *(self.shard, FLUSH, NOW.date(), self.view_id, self.visitor, self.page[0], self.device(geometry)),
            *(view["n"], view["q"], started, started.astimezone(zoneinfo.ZoneInfo(self.site.time_zone)).date()),
            *(view["a"], view["e"], *geometry, *view["h"], view.get("r") or None),
            self.ids[view["x"]] if "x" in view else None,
            *(list(sections), [ms for ms, _ in sections.values()], [flags for _, flags in sections.values()]),
        )

    def clicks(self) -> list[tuple[int, ...]]:
        """The clicks in the order in which they were made."""
        columns = self.wire.get("c")
        if not columns:
            return []
        at_ms, rows = 0, []
        for t, e, x, y, w, h, fx, fy, g, k, n in zip(*(columns[name] for name in CLICK_ORDER), strict=True):
            at_ms += t
            geometry = self.wire["g"][g]
            rows.append((self.ids[e], at_ms, x, y, w, h, *geometry, n, fx, fy, k, self.device(geometry)))
        return rows

    def moves(self) -> list[tuple[int, ...]]:
        columns = self.wire.get("m")
        if not columns:
            return []
        at_ms = x_px = y_px = 0
        rows = []
        for t, e, x, y, fx, fy in zip(*(columns[name] for name in ("t", "e", "x", "y", "fx", "fy")), strict=True):
            at_ms, x_px, y_px = at_ms + t, x_px + x, y_px + y
            rows.append((self.ids[e], at_ms, x_px, y_px, fx, fy))
        return rows

    def signals(self) -> list[tuple]:
        """The signals, each with its text."""
        columns = self.wire.get("f")
        if not columns:
            return []
        n = len(columns["t"])
        both = zip(columns.get("w", [0] * n), columns.get("s", [""] * n), strict=True)
        head = zip(*(columns[name] for name in ("t", "k", "e", "v")), strict=True)
        return [
            (self.ids[e] if e >= 0 else 0, t, v, extra, k, text)
            for (t, k, e, v), (extra, text) in zip(head, both, strict=True)
        ]

    def elements(self) -> dict[str, set[int | None]]:
        """The parents that may stand beside each key that is used: one key may be spelled in two ways."""
        steps, parents = self.wire["d"], {}
        used = set(self.wire.get("c", {}).get("e", [])) | {section[0] for section in self.wire.get("s", [])}
        used |= {self.wire["w"]["x"]} if "x" in self.wire["w"] else set()
        used |= set(self.wire.get("m", {}).get("e", [])) | set(self.wire.get("f", {}).get("e", [])) - {-1}
        layout = self.wire.get("l", {"i": [], "s": []})
        used |= set(layout["i"]) | {box[0] for box in layout["s"]}
        while used:
            index = used.pop()
            if isinstance(steps[index], str):
                self._add_chain(steps[index], parents)
                continue
            parent = steps[index][0]
            parents.setdefault(self.keys[index], set()).add(None if parent < 0 else self.ids[parent])
            used |= {parent} - {-1}
        return parents

    @staticmethod
    def _add_chain(key: str, parents: dict[str, set[int | None]]) -> None:
        """A whole key brings all that stand above it."""
        while key:
            above = key.rpartition(">")[0]
            parents.setdefault(key, set()).add(text_id(above) if above else None)
            key = above

    def layout(self) -> tuple | None:
        """Title, size, boxes of elements and boxes of sections; of an element that is named twice the first."""
        layout = self.wire.get("l")
        if layout is None:
            return None
        names = ("i", "x", "y", "w", "h", "r", "t")
        boxes = {row[0]: row[1:] for row in reversed([*zip(*(layout[name] for name in names), strict=True)])}
        elements = {self.ids[index]: rest for index, rest in reversed(self._first(layout["i"], boxes))}
        sections = {self.ids[box[0]]: tuple(box[1:]) for box in reversed(layout["s"])}
        return layout["u"], tuple(self.wire["g"][-1]), elements, sections

    def _first(self, order: list[int], boxes: dict[int, tuple]) -> list[tuple[int, tuple]]:
        return [(index, boxes[index]) for index in dict.fromkeys(order)]

    @property
    def layout_key(self) -> tuple[int, int, int, int]:
        geometry = self.wire["g"][-1]
        return self.shard, self.page[0], self.device(geometry), width_class(geometry[0])


CLICK_ORDER = ("t", "e", "x", "y", "w", "h", "fx", "fy", "g", "k", "n")


@pytest_asyncio.fixture
async def conn(pool):
    async with pool.acquire() as conn:
        await store.ensure_partitions(conn, NOW.date(), NOW.date())
        yield conn


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(WIRES, SITES, SENDERS, st.booleans())
async def test_every_accepted_value_is_read_back_equal(conn, wires, new_site, sender, by_spool):
    """Reports, what lies beside them, names and layouts are what the batches said, at once or by way of the spool."""
    transaction = conn.transaction()
    await transaction.start()
    try:
        site = await add_site(conn, new_site, "demoKey_01", NOW)
        said = [Said(wire, site, NOW_MS + number, sender) for number, wire in enumerate(wires)]

        stored = await _store(conn, said, by_spool=by_spool)

        assert len(stored) == len(said)
        await _assert_reports(conn, said)
        await _assert_clicks(conn, said)
        await _assert_moves(conn, said)
        await _assert_signals(conn, said)
        await _assert_names(conn, said)
        await _assert_layouts(conn, said)
    finally:
        await transaction.rollback()


async def _store(conn: asyncpg.Connection, said: list[Said], *, by_spool: bool) -> frozenset[store.BatchKey]:
    known = Dictionaries()
    builder = RowBuilder(known)
    rows = []
    for one in said:
        batch = decode_batch(msgspec.json.encode(one.wire))
        assert isinstance(batch, Batch), batch.hint
        built = builder.build(batch, one.site, SALT, Arrival(one.received_ms, *one.sender))
        if by_spool:
            spooled = decode_rows(encode_rows(built))
            assert spooled == built
            built = spooled
        rows.append(built)
    return await store.write_batches(conn, store.Flush(FLUSH, NOW.date(), tuple(rows)), known)


async def _assert_reports(conn: asyncpg.Connection, said: list[Said]) -> None:
    found = [tuple(row) for row in await conn.fetch(f"select {REPORT_COLUMNS} from view_reports")]
    assert sorted(found, key=repr) == sorted((one.report() for one in said), key=repr)
    ledger = await conn.fetch("select shard_key, batch_id, received_at, settled from ledger")
    assert {(row[0], row[1].hex) for row in ledger} == {(one.shard, one.wire["b"]) for one in said}
    assert not any(row["settled"] for row in ledger)


async def _assert_clicks(conn: asyncpg.Connection, said: list[Said]) -> None:
    """As rows for people, and packed for the rollup, in order."""
    rows = await conn.fetch(f"select view_id, page_id, shard_key, {CLICK_COLUMNS} from clicks")
    made = [(one.view_id, one.page[0], one.shard, *click) for one in said for click in one.clicks()]
    assert Counter(map(tuple, rows)) == Counter(made)
    parts = "kind, pointer, button * 4, looks_interactive, is_repeated, is_selecting, is_modified"
    for row in await conn.fetch(f"select {parts} from clicks"):
        kind, *rest = row
        assert rest == [kind & 3, kind & 12, *(bool(kind & bit) for bit in (16, 32, 64, 128))]
    packed: Counter = Counter()
    for key in {one.shard for one in said}:
        packed += _unpack(await store.load_clicks(conn, key, _all_of(said)), CLICK_FIELDS)
    assert packed == Counter((one.view_id, *one.clicks()) for one in said if one.clicks())


def _all_of(said: list[Said]) -> list[PendingFlush]:
    return [PendingFlush(FLUSH, NOW.date(), len(said))]


def _unpack(loaded: store.Packed, fields: tuple) -> Counter:
    """Each report's view and records, in their order."""
    packed: Counter = Counter()
    start = 0
    for view_id, length in zip(loaded.view_ids, loaded.lengths, strict=True):
        records = np.frombuffer(loaded.packed[start : start + length], dtype=list(fields))
        packed[view_id, *(tuple(record.tolist()) for record in records)] += 1
        start += length
    assert start == len(loaded.packed)
    return packed


async def _assert_moves(conn: asyncpg.Connection, said: list[Said]) -> None:
    columns = "view_id, page_id, shard_key, element_id, at_ms, x_px, y_px, x_frac, y_frac"
    rows = await conn.fetch(f"select {columns} from moves")
    made = [(one.view_id, one.page[0], one.shard, *move) for one in said for move in one.moves()]
    assert Counter(map(tuple, rows)) == Counter(made)
    packed: Counter = Counter()
    for key in {one.shard for one in said}:
        packed += _unpack(await store.load_moves(conn, key, _all_of(said)), MOVE_FIELDS)
    assert packed == Counter((one.view_id, *one.moves()) for one in said if one.moves())


async def _assert_signals(conn: asyncpg.Connection, said: list[Said]) -> None:
    columns = "view_id, page_id, shard_key, coalesce(element_id, 0), at_ms, value, extra, kind, text"
    rows = await conn.fetch(f"select {columns} from signals")
    made = [(one.view_id, one.page[0], one.shard, *signal) for one in said for signal in one.signals()]
    assert Counter(map(tuple, rows)) == Counter(made)
    found: Counter = Counter()
    for key in {one.shard for one in said}:
        loaded = await store.load_signals(conn, key, _all_of(said))
        records = np.frombuffer(loaded.packed, dtype=list(SIGNAL_FIELDS))
        view_ids = np.repeat(loaded.view_ids, [length // records.itemsize for length in loaded.lengths]).tolist()
        found.update((v, *r.tolist(), text) for v, r, text in zip(view_ids, records, loaded.texts, strict=True))
    assert found == Counter((one.view_id, *signal) for one in said for signal in one.signals())


async def _assert_names(conn: asyncpg.Connection, said: list[Said]) -> None:
    pages = {tuple(row) for row in await conn.fetch("select shard_key, page_id, path from pages")}
    assert pages == {(one.shard, *one.page) for one in said}
    parents: dict[str, set[int | None]] = {}
    for one in said:
        for key, possible in one.elements().items():
            parents.setdefault(key, set()).update(possible)
    rows = await conn.fetch("select element_id, parent_id, key from elements")
    assert {row["key"] for row in rows} == parents.keys()
    for row in rows:
        assert row["element_id"] == text_id(row["key"])
        assert row["parent_id"] in parents[row["key"]]


async def _assert_layouts(conn: asyncpg.Connection, said: list[Said]) -> None:
    """Of two layouts of one page, device and width the later one is kept."""
    newest = {one.layout_key: one.layout() for one in said if "l" in one.wire}
    found = {}
    for shard, page, _, _ in newest:
        for layout in await load_layouts(conn, [shard], page):
            columns = (layout.x_px, layout.y_px, layout.w_px, layout.h_px, layout.roles, layout.labels)
            sections = (layout.section_x_px, layout.section_y_px, layout.section_w_px, layout.section_h_px)
            words = (layout.section_words, layout.section_images, layout.section_titles)
            found[shard, page, layout.device, layout.width_class] = (
                layout.title,
                (layout.viewport_w_px, layout.viewport_h_px, layout.doc_w_px, layout.doc_h_px),
                _by_id(layout.element_ids, columns),
                _by_id(layout.section_ids, (*sections, *words)),
            )
    assert found == newest
    assert await conn.fetchval("select count(*) from layouts") == len(newest)
    columns = "shard_key, page_id, device, width_class, version"
    versions = await conn.fetch(f"select {columns} from layout_versions")
    assert sorted(map(tuple, versions)) == sorted(
        {(*one.layout_key, one.wire["l"]["v"]) for one in said if "v" in one.wire.get("l", {})}
    )


def _by_id(ids: np.ndarray, columns: tuple) -> dict[int, tuple]:
    assert len(set(ids.tolist())) == len(ids)
    return {int(key): tuple(row) for key, *row in zip(ids, *columns, strict=True)}
