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

from collector import store
from collector.catalog import Dictionaries
from collector.devices import device_class, width_class
from collector.ids import FlushId, PageId, shard_key, text_id
from collector.layouts import load_layouts
from collector.ledger import PendingFlush
from collector.packing import CLICK_FIELDS
from collector.paths import canonical_path
from collector.rows import Arrival, RowBuilder, decode_rows, encode_rows
from collector.sites import NewSite, Site, add_site
from collector.visitor import visitor_key
from collector.wire import MAX_KEY_DEPTH, MAX_KEY_LENGTH, Batch, decode_batch

FLUSH = FlushId(7)
MAX_PX, MAX_MS, MAX_COUNT, MAX_UNIX_MS = 10_000_000, 604_800_000, 1_000_000, 8_640_000_000_000
REPORT_COLUMNS = (
    "shard_key, flush_id, fact_day, view_id, visitor_key, page_id, device, navigation, seq, started_at, local_day,"
    " active_ms, engaged_ms, viewport_w_px, viewport_h_px, doc_w_px, doc_h_px, depth_px, depth_doc_h_px,"
    " referrer_host, exit_section_id, section_ids, section_ms, section_flags"
)
CLICK_COLUMNS = (
    "element_id, at_ms, x_px, y_px, element_w_px, element_h_px, viewport_w_px, viewport_h_px, doc_w_px, doc_h_px,"
    " nth, x_frac, y_frac, kind, device"
)


def _between(low: int, high: int) -> st.SearchStrategy[int]:
    """Any whole number of a range, its ends more often than chance would have it."""
    return st.sampled_from([low, high]) | st.integers(low, high)


PX, SIGNED_PX, MS = _between(0, MAX_PX), _between(-MAX_PX, MAX_PX), _between(0, MAX_MS)
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
"""Every character but U+0000 and halves of surrogate pairs: astral ones, controls, marks that join."""
GEOMETRY = st.lists(PX, min_size=4, max_size=4)


def _texts(most: int, least: int = 0) -> st.SearchStrategy[str]:
    return st.text(LETTERS, min_size=least, max_size=min(most, 20)) | st.builds(
        lambda letter: letter * most, st.sampled_from("aä\u2028\U0001f600\U0010ffff")
    )


@st.composite
def _steps(draw: st.DrawFn) -> list[list]:
    """A dictionary of elements whose keys are neither too deep nor too long; some texts repeat or hold a `>`."""
    steps: list[list] = []
    sizes: list[tuple[int, int]] = []
    for index in range(draw(st.integers(0, 8))):
        text = draw(st.sampled_from(["a", "a>b", "b", "ä", "\U0001f600" * 200, "x" * 200]) | _texts(200, 1))
        parent = draw(st.integers(-1, index - 1))
        depth, length = (0, -1) if parent < 0 else sizes[parent]
        if depth + 1 > MAX_KEY_DEPTH or length + 1 + len(text) > MAX_KEY_LENGTH:
            parent, depth, length = -1, 0, -1
        steps.append([parent, text])
        sizes.append((depth + 1, length + 1 + len(text)))
    return steps


@st.composite
def _clicks(draw: st.DrawFn, n_steps: int, n_geometries: int) -> dict[str, list[int]]:
    size = draw(st.integers(0, 6)) if n_steps else 0

    def column(values: st.SearchStrategy[int]) -> list[int]:
        return draw(st.lists(values, min_size=size, max_size=size))

    return {
        "t": column(_between(0, MAX_MS // 6)),
        "e": column(st.integers(0, max(0, n_steps - 1))),
        **{name: column(SIGNED_PX) for name in ("x", "y", "w", "h")},
        **{name: column(_between(0, 255)) for name in ("fx", "fy")},
        "g": column(st.integers(0, n_geometries - 1)),
        "k": column(st.integers(0, 3)),
        "n": column(_between(1, MAX_COUNT)),
    }


@st.composite
def _layouts(draw: st.DrawFn, n_steps: int) -> dict[str, object]:
    size = draw(st.integers(0, 6)) if n_steps else 0
    index = st.integers(0, max(0, n_steps - 1))

    def column(values: st.SearchStrategy) -> list:
        return draw(st.lists(values, min_size=size, max_size=size))

    box = st.tuples(index, *[SIGNED_PX] * 4, _between(0, MAX_COUNT), _between(0, 10_000), _texts(80))
    return {
        "u": draw(_texts(120)),
        "i": column(index),
        **{name: column(SIGNED_PX) for name in ("x", "y", "w", "h")},
        "r": column(st.sampled_from([*range(8), *range(16, 24)])),
        "t": column(_texts(80)),
        "s": draw(st.lists(box, max_size=4 if n_steps else 0)),
    }


@st.composite
def _views(draw: st.DrawFn, sent_ms: int, n_steps: int) -> dict[str, object]:
    age_ms = draw(st.sampled_from([0, -60_000, 86_400_000]) | st.integers(-60_000, 86_400_000))
    view = {
        "i": draw(
            st.sampled_from(["0" * 16, "f" * 16, "8" + "0" * 15]) | st.integers(0, 2**64 - 1).map("{:016x}".format)
        ),
        "s": min(MAX_UNIX_MS, max(0, sent_ms - age_ms)),
        "q": draw(_between(0, MAX_COUNT)),
        "n": draw(st.integers(0, 3)),
        "p": "/"
        + draw(_texts(1023) | st.sampled_from(["", "a/../b", "%", "%2f%00%ff", "%C3%A4", "?q", "//", "\u2028" * 1023])),
        "c": draw(st.integers(0, 1)),
        "a": draw(MS),
        "e": draw(MS),
        "h": [draw(PX), draw(PX)],
    }
    if draw(st.booleans()):
        view["r"] = draw(_texts(253))
    if n_steps and draw(st.booleans()):
        view["x"] = draw(st.integers(0, n_steps - 1))
    if draw(st.booleans()):
        view["m"] = draw(_between(1, 255))
    return view


@st.composite
def _wires(draw: st.DrawFn) -> dict[str, object]:
    """One batch with all that the wire format allows in it."""
    sent_ms = draw(_between(0, MAX_UNIX_MS) | st.just(NOW_MS))
    steps = draw(_steps())
    geometries = draw(st.lists(GEOMETRY, min_size=1, max_size=4))
    wire = {"v": 1, "b": f"{draw(st.integers(0, 2**128 - 1)):032x}", "k": "demoKey_01", "t": sent_ms, "g": geometries}
    wire |= {"w": draw(_views(sent_ms, len(steps))), "d": steps}
    if draw(st.booleans()):
        wire["c"] = draw(_clicks(len(steps), len(geometries)))
    if draw(st.booleans()):
        section = st.tuples(st.integers(0, max(0, len(steps) - 1)), MS, st.integers(0, 3))
        wire["s"] = draw(st.lists(section, max_size=5 if steps else 0))
    if draw(st.booleans()):
        wire["l"] = draw(_layouts(len(steps)))
    return wire


def _of_one_page(wires: list[dict]) -> list[dict]:
    """Several views of one page in one window, so that they meet in the dictionaries and the layouts."""
    for wire in wires[1:]:
        wire["g"][-1] = wires[0]["g"][-1]
        wire["w"] |= {name: wires[0]["w"][name] for name in ("p", "c")}
        wire.setdefault("l", {"u": "empty", **{name: [] for name in "ixywhrts"}})
    return wires


WIRES = st.lists(_wires(), min_size=1, max_size=3, unique_by=lambda wire: wire["b"])
WIRES = WIRES | WIRES.map(_of_one_page)
SITES = st.builds(
    NewSite,
    name=st.just("Sample"),
    time_zone=st.sampled_from(["UTC", "Pacific/Kiritimati", "America/St_Johns", "Africa/Monrovia"]),
    buckets=st.sampled_from([1, 7, 256]),
    tablet_min_px=st.sampled_from([1, 600]),
    desktop_min_px=st.sampled_from([600, 1024, 32_767]),
)
SENDERS = st.tuples(
    st.sampled_from(["192.0.2.7", "2001:db8::1", "", "no address"]),
    st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace").decode("ascii", "surrogateescape")),
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
        keys: list[str] = []
        for parent, step in self.wire["d"]:
            keys.append(step if parent < 0 else f"{keys[parent]}>{step}")
        return keys

    @property
    def ids(self) -> list[int]:
        return [text_id(key) for key in self.keys]

    @property
    def visitor(self) -> int:
        return visitor_key(SALT, self.site.site_id, *self.sender)

    @property
    def shard(self) -> int:
        return shard_key(self.site.site_id, self.visitor % self.site.buckets)

    @property
    def page(self) -> tuple[int, str]:
        path = canonical_path(self.wire["w"]["p"])
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

    def elements(self) -> dict[str, set[int | None]]:
        """The parents that may stand beside each key that is used: one key may be spelled in two ways."""
        steps, parents = self.wire["d"], {}
        used = set(self.wire.get("c", {}).get("e", [])) | {section[0] for section in self.wire.get("s", [])}
        used |= {self.wire["w"]["x"]} if "x" in self.wire["w"] else set()
        layout = self.wire.get("l", {"i": [], "s": []})
        used |= set(layout["i"]) | {box[0] for box in layout["s"]}
        while used:
            index = used.pop()
            parent = steps[index][0]
            parents.setdefault(self.keys[index], set()).add(None if parent < 0 else self.ids[parent])
            used |= {parent} - {-1}
        return parents

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
    """Reports, clicks, elements, pages and layouts are what the batches said, stored at once or by way of the spool."""
    transaction = conn.transaction()
    await transaction.start()
    try:
        site = await add_site(conn, new_site, "demoKey_01", NOW)
        said = [Said(wire, site, NOW_MS + number, sender) for number, wire in enumerate(wires)]

        stored = await _store(conn, said, by_spool=by_spool)

        assert len(stored) == len(said)
        await _assert_reports(conn, said)
        await _assert_clicks(conn, said)
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
    packed: Counter = Counter()
    for key in {one.shard for one in said}:
        loaded = await store.load_clicks(conn, key, [PendingFlush(FLUSH, NOW.date(), len(said))])
        start = 0
        for view_id, length in zip(loaded.view_ids, loaded.lengths, strict=True):
            clicks = np.frombuffer(loaded.packed[start : start + length], dtype=list(CLICK_FIELDS))
            packed[view_id, *(tuple(click.tolist()) for click in clicks)] += 1
            start += length
        assert start == len(loaded.packed)
    assert packed == Counter((one.view_id, *one.clicks()) for one in said if one.clicks())


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


def _by_id(ids: np.ndarray, columns: tuple) -> dict[int, tuple]:
    assert len(set(ids.tolist())) == len(ids)
    return {int(key): tuple(row) for key, *row in zip(ids, *columns, strict=True)}
