"""Bytes on disk of a report, a click, a move and a signal: `pg_total_relation_size` after a real load, by difference.

Each load has a day, and so a partition, of its own. Run it with

    python tests/bench/disk.py [--reports 20000]
"""

import argparse
import asyncio
import json
import random
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from collector.catalog import Dictionaries
from collector.db import Conn, connection, migrate
from collector.embedded import start_postgres
from collector.ids import flush_id
from collector.rows import Arrival, BatchRows, RowBuilder
from collector.sites import NewSite, Site, add_site
from collector.store import Flush, ensure_partitions, write_batches
from collector.wire import Batch, decode_batch

FIRST_DAY = date(2026, 3, 2)
NOON_MS = int(datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp() * 1000)
REPORTS_A_FLUSH = 2_000
ELEMENTS = 60
TEXTS = ["", "", "", "", "", "", "", "TypeError", "partner.example", "checkout=short"]

SIZE = """
select pg_total_relation_size(inhrelid)
from pg_inherits
where inhparent = 'view_reports'::regclass
  and pg_get_expr((select relpartbound from pg_class where oid = inhrelid), inhrelid) like '%' || $1 || '%'
order by inhrelid desc
limit 1
"""


@dataclass(frozen=True, slots=True)
class Load:
    """How much each report of one day holds."""

    name: str
    clicks: int = 0
    moves: int = 0
    signals: int = 0

    @property
    def events(self) -> int:
        return self.clicks + self.moves + self.signals


LOADS = (
    Load("reports alone"),
    Load("1 click each", clicks=1),
    Load("5 clicks each", clicks=5),
    Load("20 clicks each", clicks=20),
    Load("20 moves each", moves=20),
    Load("50 moves each", moves=50),
    Load("300 moves each", moves=300),
    Load("5 signals each", signals=5),
    Load("50 signals each", signals=50),
)


def walk(rng: random.Random, moves: int) -> dict[str, list[int]]:
    """A pointer that rests and sweeps: some moves on an element, then a leap to another."""
    columns: dict[str, list[int]] = {name: [] for name in ("t", "e", "x", "y", "fx", "fy")}
    x_px, y_px, element = 0, 0, 0
    for _ in range(moves):
        is_leap = rng.random() < 0.2
        element = rng.randrange(ELEMENTS) if is_leap else element
        far = 300 if is_leap else 25
        to = [min(1440, max(0, x_px + rng.randint(-far, far))), min(4000, max(0, y_px + rng.randint(-far, far)))]
        row = {"t": rng.randint(100, 180), "e": element, "x": to[0] - x_px, "y": to[1] - y_px}
        x_px, y_px = to
        for name, value in (row | {"fx": rng.randrange(256), "fy": rng.randrange(256)}).items():
            columns[name].append(value)
    return columns


def click(rng: random.Random, n: int) -> dict[str, list[int]]:
    def column(low: int, high: int) -> list[int]:
        return [rng.randint(low, high) for _ in range(n)]

    columns = {"t": column(200, 2000), "e": column(0, ELEMENTS - 1), "x": column(0, 1440), "y": column(0, 4000)}
    columns |= {"fx": column(0, 255), "fy": column(0, 255), "w": column(40, 700), "h": column(20, 300)}
    return columns | {"g": [0] * n, "k": [16] * n, "n": [1] * n}


def tell(rng: random.Random, n: int) -> dict[str, list]:
    elements = [rng.randrange(-1, ELEMENTS) for _ in range(n)]
    numbers = {"t": sorted(rng.randrange(30_000) for _ in range(n)), "k": [rng.randint(1, 20) for _ in range(n)]}
    return numbers | {"e": elements, "v": [rng.randrange(3000) for _ in range(n)], "s": rng.choices(TEXTS, k=n)}


def make_rows(rng: random.Random, site: Site, load: Load, number: int) -> BatchRows:
    """Return one view's report as `load` has it."""
    started_ms = NOON_MS + number
    view = {
        "i": f"{rng.getrandbits(64):016x}",
        "s": started_ms,
        "q": 0,
        "n": 0,
        "p": f"/page/{rng.randrange(20)}",
        "c": 0,
    }
    body = {"v": 1, "b": f"{rng.getrandbits(128):032x}", "k": site.key, "t": started_ms + 40_000}
    body |= {"w": view | {"a": 20_000, "e": 9_000, "h": [900, 4_000], "x": 3}, "g": [[1440, 900, 1440, 4_000]]}
    body |= {"d": [[-1, f"#element-{place}"] for place in range(ELEMENTS)], "s": [[3, 4200, 1], [4, 900, 3]]}
    body |= {"c": click(rng, load.clicks)} if load.clicks else {}
    body |= {"m": walk(rng, load.moves)} if load.moves else {}
    body |= {"f": tell(rng, load.signals)} if load.signals else {}
    batch = decode_batch(json.dumps(body).encode())
    assert isinstance(batch, Batch), batch
    return RowBuilder(Dictionaries()).build(batch, site, b"s" * 32, Arrival(started_ms, "192.0.2.1", f"{number % 900}"))


async def measure(conn: Conn, site: Site, load: Load, day: date, reports: int) -> float:
    """Return the bytes that a report takes, with all that lies beside it."""
    rng = random.Random(1)
    await ensure_partitions(conn, day, day)
    known = Dictionaries()
    for start in range(0, reports, REPORTS_A_FLUSH):
        rows = tuple(make_rows(rng, site, load, number) for number in range(start, start + REPORTS_A_FLUSH))
        await write_batches(conn, Flush(flush_id(NOON_MS + start, day.toordinal() % 1000), day, rows), known)
    return float(await conn.fetchval(SIZE, str(day))) / reports


async def run(folder: Path, reports: int) -> None:
    server = await start_postgres(folder)
    try:
        await migrate(server.url)
        async with connection(server.url) as conn:
            site = await add_site(conn, NewSite("Bench"), "benchKey_01", datetime(2026, 3, 2, tzinfo=UTC))
            alone = 0.0
            for number, load in enumerate(LOADS):
                size = await measure(conn, site, load, FIRST_DAY + timedelta(days=2 * number), reports)
                alone = alone or size
                each = f"{(size - alone) / load.events:6.1f} B an event" if load.events else ""
                print(f"{load.name:16} {size:8.0f} B a report {each}")
            ledger = await conn.fetchval("select pg_total_relation_size('ledger')::float / count(*) from ledger")
            print(f"{'ledger':16} {ledger:8.0f} B a batch")
    finally:
        await server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=20_000)
    reports = parser.parse_args().reports
    folder = Path(tempfile.mkdtemp(prefix="jalki-bench-"))
    folder.chmod(0o755)
    try:
        asyncio.run(run(folder, reports))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
