"""CPU of storing batches of 20 clicks: group commit and packed COPY against one INSERT per request.

Both ways decode the same bodies, store them in the same tables of the same Postgres, and acknowledge a batch after its
COMMIT; both run with the same number of senders, in turns. CPU is that of this process and of Postgres, HTTP is left
out. Run it with

    python tests/bench/ingest.py [--batches 2000] [--senders 64]
"""

import argparse
import asyncio
import itertools
import json
import os
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from collector.buffer import Buffer, Outcome
from collector.db import Pool, migrate, open_pool
from collector.embedded import EmbeddedPostgres, start_postgres
from collector.ids import text_id
from collector.rows import Arrival, build_rows
from collector.settings import Settings
from collector.sites import NewSite, Site, add_site
from collector.store import FlushIds, ensure_partitions
from collector.wire import Batch, decode_batch

CONTRACT = Path(__file__).parent.parent / "contract"
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
CLICKS = 20
TURNS = 3
SALT = b"s" * 32
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")

INSERT_LEDGER = """
insert into ledger (shard_key, batch_id, flush_id, fact_day, received_at) values ($1, $2::text::uuid, $3, $4, $5)
on conflict do nothing
"""
INSERT_PAGE = "insert into pages (shard_key, page_id, path) values ($1, $2, $3) on conflict do nothing"
INSERT_VIEW = """
insert into view_reports (shard_key, fact_day, flush_id, view_id, visitor_key, page_id, device, navigation, seq,
    started_at, local_day, active_ms, engaged_ms, viewport_w_px, viewport_h_px, doc_w_px, doc_h_px, depth_px,
    depth_doc_h_px, section_ids, section_ms, section_flags)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
"""
INSERT_CLICK = """
insert into clicks (shard_key, fact_day, flush_id, view_id, page_id, element_id, at_ms, x_px, y_px, element_w_px,
    element_h_px, viewport_w_px, viewport_h_px, doc_w_px, doc_h_px, nth, x_frac, y_frac, kind, device)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, 1)
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """µs of CPU an event, and events a second by the clock."""

    own_us: float
    postgres_us: float
    events_s: float

    @property
    def total_us(self) -> float:
        return self.own_us + self.postgres_us


def build_bodies(n: int, numbers: "itertools.count[int]") -> list[bytes]:
    wire = json.loads((CONTRACT / "view-with-clicks.json").read_text())
    clicks = {name: [column[place % 2] for place in range(CLICKS)] for name, column in wire["c"].items()}
    bodies = []
    for number in itertools.islice(numbers, n):
        view = wire["w"] | {"i": f"{number:016x}", "s": NOW_MS - 12_345, "p": f"/product/{number % 50}"}
        body = wire | {"b": f"{number:032x}", "t": NOW_MS, "c": clicks, "w": view}
        bodies.append(json.dumps(body, separators=(",", ":")).encode())
    return bodies


async def send_all(bodies: list[bytes], senders: int, store: Callable[[bytes], Awaitable[None]]) -> None:
    waiting = iter(bodies)

    async def send() -> None:
        for body in waiting:
            await store(body)

    await asyncio.gather(*(send() for _ in range(senders)))


async def store_grouped(pool: Pool, site: Site, bodies: list[bytes], senders: int) -> None:
    ids = FlushIds(lambda: time.time_ns() // 1_000_000, 1)
    buffer = Buffer(pool, Settings(), ids, lambda: NOW)
    running = asyncio.create_task(buffer.run())

    async def store(body: bytes) -> None:
        batch = decode_batch(body)
        assert isinstance(batch, Batch)
        assert await buffer.put(build_rows(batch, site, SALT, Arrival(NOW_MS, "192.0.2.1", "A"))) is Outcome.STORED

    await send_all(bodies, senders, store)
    buffer.close()
    await running


async def store_inserted(pool: Pool, site: Site, bodies: list[bytes], senders: int) -> None:
    flushes = itertools.count(1)

    async def store(body: bytes) -> None:
        wire = json.loads(body)
        view, clicks, geometry = wire["w"], wire["c"], wire["g"][-1]
        key, flush, view_id = site.shard_keys[0], next(flushes), int(view["i"], 16)
        page = text_id(view["p"])
        rows, at_ms = [], 0
        for place, element in enumerate(clicks["e"]):
            at_ms += clicks["t"][place]
            box = [clicks[name][place] for name in ("x", "y", "w", "h")]
            rest = [clicks[name][place] for name in ("n", "fx", "fy", "k")]
            rows.append((key, NOW.date(), flush, view_id, page, element + 1, at_ms, *box, *geometry, *rest))
        sections = wire["s"]
        async with pool.acquire() as conn, conn.transaction():
            await conn.execute(INSERT_LEDGER, key, wire["b"], flush, NOW.date(), NOW)
            await conn.execute(INSERT_PAGE, key, page, view["p"])
            await conn.execute(
                INSERT_VIEW,
                *(key, NOW.date(), flush, view_id, 7, page, 1, view["n"], view["q"], NOW, NOW.date()),
                *(view["a"], view["e"], *geometry, *view["h"]),
                *([one[0] + 1 for one in sections], [one[1] for one in sections], [one[2] for one in sections]),
            )
            await conn.executemany(INSERT_CLICK, rows)

    await send_all(bodies, senders, store)


def postgres_cpu_s(server: EmbeddedPostgres) -> float:
    """CPU of the server, its living children, and those that it has outlived."""
    total = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(entry.name) == server.process.pid:
            total += sum(int(field) for field in fields[11:15])
        elif int(fields[1]) == server.process.pid:
            total += int(fields[11]) + int(fields[12])
    return total / TICKS_A_SECOND


async def measure(server: EmbeddedPostgres, events: int, work: Awaitable[None]) -> Cost:
    own, postgres, begun = time.process_time(), postgres_cpu_s(server), time.perf_counter()
    await work
    took = time.perf_counter() - begun
    own, postgres = time.process_time() - own, postgres_cpu_s(server) - postgres
    return Cost(own / events * 1e6, postgres / events * 1e6, events / took)


async def run(folder: Path, batches: int, senders: int) -> None:
    server = await start_postgres(folder)
    try:
        await migrate(server.url)
        pool = await open_pool(server.url, size=8)
        async with pool.acquire() as conn:
            site = await add_site(conn, NewSite(name="Bench"), "demoKey_01", NOW)
            await ensure_partitions(conn, NOW.date(), NOW.date())
        numbers, ways = itertools.count(1), {"INSERT per request": store_inserted, "group commit": store_grouped}
        least: dict[str, Cost] = {}
        for _ in range(TURNS):
            for name, way in ways.items():
                bodies = build_bodies(batches, numbers)
                cost = await measure(server, batches * CLICKS, way(pool, site, bodies, senders))
                least[name] = min(least.get(name, cost), cost, key=lambda one: one.total_us)
        await pool.close()
    finally:
        await server.stop()
    for name, cost in least.items():
        parts = f"{cost.own_us:.2f} here, {cost.postgres_us:.2f} in Postgres"
        print(f"{name}: {cost.total_us:.2f} µs of CPU an event ({parts}), {cost.events_s:,.0f} events/s")
    print(f"ratio {least['INSERT per request'].total_us / least['group commit'].total_us:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=2000)
    parser.add_argument("--senders", type=int, default=64)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="jalki-bench-"))
    folder.chmod(0o755)
    try:
        asyncio.run(run(folder, arguments.batches, arguments.senders))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
