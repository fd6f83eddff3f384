"""Click rows a second into rollups: `rollup.advance` against one `insert … on conflict do update` per cell.

Both read the same stored flushes on the same Postgres in one run, in turns, and both leave exact sums. Run it with

    python tests/bench/rollup.py [--clicks 400000]
"""

import argparse
import asyncio
import json
import random
import shutil
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path

from collector.catalog import Dictionaries
from collector.db import Conn, connection, migrate
from collector.embedded import start_postgres
from collector.ids import flush_id
from collector.rows import Arrival, BatchRows, RowBuilder
from collector.sites import NewSite, Site, add_site
from collector.store import Flush, ensure_partitions, load_pending_flushes, write_batches
from collector.wire import Batch, decode_batch
from heatmap.rollup import advance

DAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 18, tzinfo=UTC)
NOON_MS = int(datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp() * 1000)
CLICKS_A_BATCH = 100
BATCHES_A_FLUSH = 200
PAGES = 20
ELEMENTS = 60
ROUNDS = 3

UPSERT = """
insert into upserted_cells (shard_key, page_id, local_day, device, element_id, x_frac, y_frac, clicks, first_clicks)
select $1, c.page_id, v.local_day, v.device, c.element_id, c.x_frac, c.y_frac,
    count(*), count(*) filter (where c.nth = 1)
from click_rows c
join (select distinct view_id, local_day, device from view_reports where shard_key = $1 and flush_id = any($2)) v
    using (view_id)
where c.shard_key = $1 and c.fact_day = $3 and c.flush_id = any($2)
group by 1, 2, 3, 4, 5, 6, 7
on conflict (shard_key, page_id, local_day, device, element_id, x_frac, y_frac) do update
set clicks = upserted_cells.clicks + excluded.clicks,
    first_clicks = upserted_cells.first_clicks + excluded.first_clicks
"""
CREATE_UPSERTED = """
create table upserted_cells (
    shard_key bigint, page_id bigint, local_day date, device smallint, element_id bigint, x_frac smallint,
    y_frac smallint, clicks bigint, first_clicks bigint,
    primary key (shard_key, page_id, local_day, device, element_id, x_frac, y_frac)
)
"""


def make_rows(rng: random.Random, site: Site, number: int) -> BatchRows:
    """Return one view's batch of `CLICKS_A_BATCH` clicks, most of them near the middle of their elements."""
    n = CLICKS_A_BATCH
    elements = [min(int(rng.expovariate(0.08)), ELEMENTS - 1) for _ in range(n)]
    fractions = [[min(255, max(0, int(rng.gauss(128, 50)))) for _ in range(n)] for _ in range(2)]
    started_ms = NOON_MS + number * 10
    view = {"i": f"{number + 1:016x}", "s": started_ms, "q": 0, "n": 0, "p": f"/page/{rng.randrange(PAGES)}", "c": 0}
    columns = {"t": [100] * n, "e": elements, "x": [500] * n, "y": [500] * n, "fx": fractions[0], "fy": fractions[1]}
    columns |= {"w": [180] * n, "h": [48] * n, "g": [0] * n, "k": [0] * n, "n": [1] * n}
    body = {"v": 1, "b": f"{number:032x}", "k": site.key, "t": started_ms + 20_000, "c": columns}
    body["w"] = view | {"a": 20_000, "e": 9_000, "h": [900, 4_000]}
    body |= {"g": [[1440, 900, 1440, 4_000]], "d": [[-1, f"#element-{place}"] for place in range(ELEMENTS)]}
    batch = decode_batch(json.dumps(body).encode())
    assert isinstance(batch, Batch), batch
    arrival = Arrival(started_ms + 20_000, "192.0.2.1", f"visitor {number % 5_000}")
    return RowBuilder(Dictionaries()).build(batch, site, b"s" * 32, arrival)


async def fill(conn: Conn, site: Site, clicks: int) -> None:
    rng = random.Random(1)
    await ensure_partitions(conn, DAY, DAY)
    known = Dictionaries()
    for start in range(0, clicks // CLICKS_A_BATCH, BATCHES_A_FLUSH):
        rows = tuple(make_rows(rng, site, number) for number in range(start, start + BATCHES_A_FLUSH))
        await write_batches(conn, Flush(flush_id(NOON_MS + start, 0), DAY, rows), known)


async def time_advance(conn: Conn, site: Site) -> tuple[float, int]:
    """Return seconds and clicks of rolling up everything from nothing."""
    await conn.execute("truncate view_states, rollup_clicks, rollup_pages, rollup_sections")
    await conn.execute("update ledger set settled = false")
    begun, clicks = time.perf_counter(), 0
    while (done := await advance(conn, site.shard_keys[0], NOW)).flushes:
        clicks += done.clicks
    return time.perf_counter() - begun, clicks


async def time_upsert(conn: Conn, site: Site) -> tuple[float, int]:
    """Return seconds and clicks of adding every flush to a table of one row per cell."""
    await conn.execute("truncate upserted_cells")
    await conn.execute("update ledger set settled = false")
    flushes = await load_pending_flushes(conn, site.shard_keys[0], 1_000_000)
    begun = time.perf_counter()
    for start in range(0, len(flushes), 25):
        ids = [flush.flush_id for flush in flushes[start : start + 25]]
        await conn.execute(UPSERT, site.shard_keys[0], ids, DAY)
    seconds = time.perf_counter() - begun
    return seconds, await conn.fetchval("select sum(clicks)::bigint from upserted_cells")


async def run(folder: Path, clicks: int) -> None:
    server = await start_postgres(folder)
    try:
        await migrate(server.url)
        async with connection(server.url) as conn:
            await conn.execute(CREATE_UPSERTED)
            site = await add_site(conn, NewSite("Bench"), "benchKey_01", NOW)
            await fill(conn, site, clicks)
            # The rival reads clicks as rows, one each, as it would have stored them.
            await conn.execute("create table click_rows as select * from clicks")
            await conn.execute("analyze")
            rates: dict[str, list[float]] = {"advance": [], "upsert": []}
            for _ in range(ROUNDS):
                for name, timed in (("advance", time_advance), ("upsert", time_upsert)):
                    seconds, counted = await timed(conn, site)
                    rates[name].append(counted / seconds)
            stored = await conn.fetchval("select sum(clicks)::bigint from rollup_clicks")
            cells = await conn.fetchval("select count(*) from upserted_cells")
            size = await conn.fetchval("select sum(length(cells))::bigint from rollup_clicks")
    finally:
        await server.stop()
    report(rates, stored == counted, cells, size)


def report(rates: dict[str, list[float]], is_exact: bool, cells: int, size: int) -> None:
    fast, slow = max(rates["advance"]), max(rates["upsert"])
    print(f"advance (with views, visits and totals): {fast / 1e6:.2f} M click rows/s")
    print(f"insert … on conflict do update per cell: {slow / 1e6:.2f} M click rows/s")
    print(
        f"ratio: {fast / slow:.1f}; sums agree: {is_exact}; {size / cells:.2f} B a non-zero cell, parts not yet merged"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=400_000)
    clicks = parser.parse_args().clicks
    folder = Path(tempfile.mkdtemp(prefix="jalki-bench-"))
    folder.chmod(0o755)
    try:
        asyncio.run(run(folder, clicks))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
