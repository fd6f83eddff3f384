"""What a flush stores, what it refuses to store twice, and what the rollup reads back."""

import asyncio
import datetime

import asyncpg
import msgspec
import numpy as np
import pytest
import pytest_asyncio
from wire_batches import NOW, NOW_MS, batch_rows, flush_of, wire_batch, wire_layout

from collector import store
from collector.catalog import Dictionaries, load_elements, load_page, load_pages
from collector.copied import read_rows
from collector.ids import Device, flush_id, text_id
from collector.layouts import load_layout_ages, load_layouts
from collector.packing import CLICK_FIELDS
from collector.pgcopy import EPOCH_DAY, EPOCH_MS

KEYS = [256]


@pytest_asyncio.fixture
async def conn(pool):
    async with pool.acquire() as conn:
        await store.ensure_partitions(conn, NOW.date(), NOW.date())
        yield conn


async def test_a_flush_is_read_back_as_it_was_sent(conn):
    """Every column of a view report, its sections and its clicks comes back with the value of the wire."""
    rows = batch_rows(wire_batch(age_ms=12_345))
    await store.write_batches(conn, flush_of(rows, flush_id=77), Dictionaries())
    pending = await store.load_pending_flushes(conn, KEYS[0], 10)

    views = read_rows(await store.copy_view_reports(conn, KEYS[0], pending), store.VIEW_FIELDS)
    sections = read_rows(await store.copy_sections(conn, KEYS[0], pending), store.SECTION_FIELDS)
    packed = await store.load_clicks(conn, KEYS[0], pending)
    clicks = np.frombuffer(packed.packed, dtype=np.dtype(list(CLICK_FIELDS)))

    assert pending == [store.PendingFlush(77, NOW.date(), 1)]
    [view] = views
    assert EPOCH_MS + int(view["started_us"]) // 1000 == NOW_MS - 12_345
    assert EPOCH_DAY + datetime.timedelta(days=int(view["local_day"])) == NOW.date()
    assert [int(view[name]) for name in ("device", "seq", "active_ms", "engaged_ms", "depth_px", "depth_doc_h_px")] == [
        Device.DESKTOP, 1, 12_000, 9_300, 1600, 4200
    ]  # fmt: skip
    assert [int(view[name]) for name in ("viewport_w_px", "viewport_h_px", "doc_w_px", "doc_h_px")] == [
        1440,
        900,
        1440,
        4200,
    ]
    assert int(view["exit_section_id"]) == text_id("main>section:2>h2")
    assert [(int(row["section_id"]), int(row["section_ms"]), int(row["section_flags"])) for row in sections] == [
        (text_id("main>section:2"), 4200, 1)
    ]
    assert [int(at) for at in clicks["at_ms"]] == [3200, 3610]
    assert [int(element) for element in clicks["element_id"]] == [text_id("#buy"), text_id("main>section:2>p:1")]
    assert [tuple(int(row[name]) for name in ("x_px", "y_px", "element_w_px", "element_h_px")) for row in clicks] == [
        (1020, 512, 180, 48), (300, 1204, 640, 96)
    ]  # fmt: skip
    assert [tuple(int(row[name]) for name in ("x_frac", "y_frac", "kind", "nth", "device")) for row in clicks] == [
        (127, 127, 0, 1, 1), (12, 200, 0, 1, 1)
    ]  # fmt: skip
    assert (packed.view_ids, packed.lengths) == ([int(view["view_id"])], [2 * 52])
    assert int(view["page_id"]) == text_id("/product/teapot")


async def test_packed_clicks_can_be_read_as_rows(conn):
    """The view `clicks` shows every click with the values of the wire and what its kind says, for people."""
    wire = wire_batch()
    wire["c"]["k"] = [0, 3 + 2 * 4 + 16 + 64]
    await store.write_batches(conn, flush_of(batch_rows(wire), flush_id=77), Dictionaries())

    rows = await conn.fetch("select * from clicks order by at_ms")

    view_id = await conn.fetchval("select view_id from view_reports")
    place = (KEYS[0], NOW.date(), 77, view_id, text_id("/product/teapot"))
    size = (1440, 900, 1440, 4200)
    plain, selecting = (0, 0, False, False, False, False), (3, 2, True, False, True, False)
    assert [tuple(row) for row in rows] == [
        (*place, text_id("#buy"), 3200, 1020, 512, 180, 48, *size, 1, 127, 127, 0, 1, *plain),
        (*place, text_id("main>section:2>p:1"), 3610, 300, 1204, 640, 96, *size, 1, 12, 200, 91, 1, *selecting),
    ]


async def test_absent_parts_of_a_batch_are_stored_as_absent(conn):
    """A view without referrer, exit section, sections or clicks is one row with nulls and empty arrays."""
    wire = wire_batch()
    for part in ("c", "s"):
        del wire[part]
    for part in ("r", "x"):
        del wire["w"][part]

    await store.write_batches(conn, flush_of(batch_rows(wire)), Dictionaries())

    row = await conn.fetchrow(
        "select referrer_host, exit_section_id, section_ids, section_ms, section_flags from view_reports"
    )
    assert tuple(row) == (None, None, [], [], [])
    assert await conn.fetchval("select count(*) from clicks") == 0


async def test_dictionaries_name_every_id_and_its_ancestors(conn):
    """Pages, clicked elements, sections and all their ancestors can be looked up by id."""
    await store.write_batches(conn, flush_of(batch_rows()), Dictionaries())

    pages = await load_pages(conn, KEYS)
    ids = [text_id(key) for key in ("#buy", "main", "main>section:2", "main>section:2>h2", "main>section:2>p:1")]
    elements = await load_elements(conn, KEYS, [*ids, 12345])

    assert pages == {text_id("/product/teapot"): "/product/teapot"}
    assert [elements[element].parent_id for element in ids] == [None, None, ids[1], ids[2], ids[2]]
    assert elements[ids[4]].key == "main>section:2>p:1"
    assert len(elements) == 5


async def test_one_page_is_looked_up_by_its_key(conn):
    """A page is found in whichever bucket it was seen; nothing is said of others, nor of other sites."""
    await store.write_batches(conn, flush_of(batch_rows()), Dictionaries())
    page_id = text_id("/product/teapot")

    assert await load_page(conn, [255, *KEYS], page_id) == "/product/teapot"
    assert await load_page(conn, KEYS, text_id("/elsewhere")) is None
    assert await load_page(conn, [255], page_id) is None


async def test_a_stored_batch_is_not_stored_twice(conn):
    """The second copy of a batch is told from a fresh one and adds no facts."""
    first, second = batch_rows(), batch_rows()
    known = Dictionaries()
    await store.write_batches(conn, flush_of(first), known)

    stored = await store.write_batches(conn, flush_of(first, second), known)

    assert stored == {second.batch_key}
    assert await conn.fetchval("select count(*) from view_reports") == 2
    assert await conn.fetchval("select count(*) from clicks") == 4


async def test_a_flush_written_again_is_stored_once_and_says_so_again(conn):
    """After an ambiguous commit the retry finds its own batches: they count as stored, and no fact is doubled."""
    duplicate, fresh = batch_rows(), batch_rows()
    known = Dictionaries()
    await store.write_batches(conn, flush_of(duplicate), known)
    flush = flush_of(duplicate, fresh)

    first = await store.write_batches(conn, flush, known)
    again = await store.write_batches(conn, flush, known)

    assert first == again == {fresh.batch_key}
    assert await conn.fetchval("select count(*) from view_reports") == 2


async def test_two_writers_of_the_same_batches_neither_deadlock_nor_double(pool, conn):
    """Flushes that hold the same batches in opposite order, written at once, store each batch once."""
    rows = [batch_rows() for _ in range(50)]

    async def write(batches):
        async with pool.acquire() as own:
            return await store.write_batches(own, flush_of(*batches), Dictionaries())

    results = await asyncio.gather(*(write(rows if turn % 2 else rows[::-1]) for turn in range(6)))

    assert sum(len(stored) for stored in results) == 50
    assert await conn.fetchval("select count(*) from view_reports") == 50


async def test_a_failing_flush_stores_nothing(conn):
    """A value that Postgres refuses leaves neither facts nor a ledger row of the whole flush."""
    good, bad = batch_rows(), batch_rows()
    bad = msgspec.structs.replace(bad, page=msgspec.structs.replace(bad.page, page_id=5, path="/\0"))

    with pytest.raises(asyncpg.PostgresError):
        await store.write_batches(conn, flush_of(good, bad), Dictionaries())

    assert await conn.fetchval("select count(*) from ledger") == 0
    assert await conn.fetchval("select count(*) from pages") == 0


async def test_settled_flushes_are_pending_no_more(conn):
    """A shard key is pending until its flushes are settled, the oldest flush comes first."""
    for number in (12, 11):
        await store.write_batches(conn, flush_of(batch_rows(), flush_id=number), Dictionaries())

    before = [flush.flush_id for flush in await store.load_pending_flushes(conn, KEYS[0], 10)]
    settled = await store.settle(conn, KEYS[0], [11])
    after = [flush.flush_id for flush in await store.load_pending_flushes(conn, KEYS[0], 10)]

    assert (before, settled, after) == ([11, 12], 1, [12])
    assert await store.load_pending_shards(conn) == KEYS
    assert await store.settle(conn, KEYS[0], [11, 12]) == 1
    assert await store.load_pending_shards(conn) == []


async def test_pruning_spares_batches_that_are_not_rolled_up(conn):
    """Old ledger rows go, unless the rollup has not seen them."""
    for number in (1, 2):
        await store.write_batches(conn, flush_of(batch_rows(), flush_id=number), Dictionaries())
    await store.settle(conn, KEYS[0], [1])

    pruned = await store.prune_ledger(conn, NOW + datetime.timedelta(seconds=1))

    assert pruned == 1
    assert await conn.fetchval("select flush_id from ledger") == 2


async def test_pruning_goes_by_the_time_of_writing(conn):
    """What was received long ago and imported today is remembered as long as today's batches."""
    first_ms = NOW_MS - 30 * 86_400_000
    for received_ms, written_ms in ((first_ms, NOW_MS - 1), (first_ms, NOW_MS), (NOW_MS - 1, NOW_MS)):
        flush = flush_of(batch_rows(received_ms=received_ms), flush_id=flush_id(written_ms, 0))
        await store.write_batches(conn, flush, Dictionaries())
        await store.settle(conn, KEYS[0], [flush.flush_id])

    pruned = await store.prune_ledger(conn, NOW)

    assert pruned == 1
    assert await conn.fetchval("select count(*) from ledger where flush_id = $1", flush_id(NOW_MS, 0)) == 2


async def test_partitions_are_made_once_for_each_day(pool, conn):
    """Every day of the range gets both partitions, also when several processes ask at once."""
    first, last = datetime.date(2026, 12, 30), datetime.date(2027, 1, 2)

    async def ensure():
        async with pool.acquire() as own:
            return await store.ensure_partitions(own, first, last)

    await asyncio.gather(*(ensure() for _ in range(4)))

    assert await store.ensure_partitions(conn, first, last) == 0
    names = await conn.fetch(
        "select relname from pg_class where relkind = 'r' and relname like 'view_reports_y%' order by 1"
    )
    assert [row[0] for row in names] == [
        "view_reports_y2026m03d04", "view_reports_y2026m12d30", "view_reports_y2026m12d31",
        "view_reports_y2027m01d01", "view_reports_y2027m01d02",
    ]  # fmt: skip


async def test_only_a_newer_layout_replaces_a_stored_one(conn):
    """The newest layout of a page, device and width class is kept, whatever the order of arrival."""
    later, earlier = (wire_batch(l=wire_layout() | {"u": title}) for title in ("later", "earlier"))
    known = Dictionaries()
    await store.write_batches(conn, flush_of(batch_rows(later, received_ms=NOW_MS + 1000)), known)
    await store.write_batches(conn, flush_of(batch_rows(earlier)), known)

    [layout] = await load_layouts(conn, KEYS, text_id("/product/teapot"))
    ages = await load_layout_ages(conn, KEYS, NOW)

    assert (layout.title, layout.device, layout.width_class, layout.doc_h_px) == ("later", Device.DESKTOP, 9, 4200)
    assert layout.element_ids.tolist() == [
        text_id(key) for key in ("#buy", "main", "main>section:2>h2", "main>section:2>p:1")
    ]
    assert (layout.roles.tolist(), layout.labels) == ([2, 6, 5, 0], ("Buy", "", "About it", ""))
    assert layout.section_ids.tolist() == [text_id("main>section:2")]
    assert (layout.section_words.tolist(), layout.section_titles) == ([240], ("About it",))
    assert list(ages.values()) == [layout.captured_at]


async def test_a_layout_version_depends_on_the_elements_not_on_their_order(conn):
    """Two layouts with the same elements have one version, another element makes another."""
    full = wire_layout()
    turned = {name: column[::-1] if isinstance(column, list) else column for name, column in full.items()}
    shorter = {
        name: column[:3] if isinstance(column, list) and name != "s" else column for name, column in full.items()
    }

    versions = [batch_rows(wire_batch(l=layout)).layout.version for layout in (full, turned, shorter)]

    assert versions[0] == versions[1] != versions[2]
