"""Batches, sites and arrivals for the tests of the collector; each function takes only what a test cares about."""

import datetime
import itertools
import json
from pathlib import Path

from collector.catalog import Dictionaries
from collector.ids import FlushId, SiteId
from collector.rows import Arrival, BatchRows, RowBuilder
from collector.sites import NewSite, Site, add_site
from collector.store import Flush
from collector.wire import Batch, decode_batch

CONTRACT = Path(__file__).parent.parent / "contract"
NOW = datetime.datetime(2026, 3, 4, 12, 0, tzinfo=datetime.UTC)
NOW_MS = int(NOW.timestamp() * 1000)
SALT = b"s" * 32
KEY = "demoKey_01"

SITE = Site(
    site_id=SiteId(1), key=KEY, name="Sample", origins=(), time_zone="UTC", buckets=1, tablet_min_px=600,
    desktop_min_px=1024, created_at=NOW,
)  # fmt: skip

_numbers = itertools.count(1)


def wire_sample() -> dict:
    return json.loads((CONTRACT / "view-with-clicks.json").read_text())


def wire_batch(*, sent_ms: int = NOW_MS, age_ms: int = 12_345, **changes: object) -> dict:
    """The sample as sent at `sent_ms` by a view of its own, with its top-level members replaced by `changes`."""
    number = next(_numbers)
    sample = wire_sample()
    sample |= {"b": f"{number:032x}", "t": sent_ms}
    sample["w"] |= {"s": sent_ms - age_ms, "i": f"{number:016x}"}
    return sample | changes


def wire_layout() -> dict:
    """A layout of the sample's elements."""
    return {
        "u": "Teapot", "i": [0, 1, 3, 4], "x": [930, 0, 200, 200], "y": [490, 80, 300, 1180],
        "w": [180, 1440, 600, 640], "h": [48, 4000, 40, 96], "r": [2, 6, 5, 0], "t": ["Buy", "", "About it", ""],
        "s": [[2, 0, 280, 1440, 1200, 240, 2, "About it"]],
    }  # fmt: skip


def encode(wire: dict) -> bytes:
    return json.dumps(wire).encode()


def decoded(wire: dict) -> Batch:
    batch = decode_batch(encode(wire))
    assert isinstance(batch, Batch), batch
    return batch


def arrival(received_ms: int = NOW_MS, address: str = "192.0.2.7", user_agent: str = "Browser/1") -> Arrival:
    return Arrival(received_ms, address, user_agent)


def batch_rows(wire: dict | None = None, site: Site = SITE, received_ms: int = NOW_MS) -> BatchRows:
    return RowBuilder(Dictionaries()).build(decoded(wire or wire_batch()), site, SALT, arrival(received_ms))


def flush_of(*rows: BatchRows, flush_id: int = 0) -> Flush:
    return Flush(FlushId(flush_id or next(_numbers)), NOW.date(), rows)


async def stored_site(conn, *, key: str = KEY, **changes: object) -> Site:
    return await add_site(conn, NewSite(name="Sample", **changes), key, NOW)
