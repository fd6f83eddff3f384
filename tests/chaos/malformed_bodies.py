"""Mutated bodies through the collector's own functions, without HTTP: decoded or refused; what is decoded is stored.

Nothing may raise, every refusal is one of the closed list, no accepted batch may be refused by Postgres, and as many
reports, clicks, moves and signals are read back as were accepted.
"""

import datetime
import gzip
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg
from mutations import Mutated, Mutator

from collector import store
from collector.admission import judge_age
from collector.bodies import Encoding, unpack
from collector.catalog import Dictionaries
from collector.copied import read_rows
from collector.ids import ShardKey
from collector.ledger import PendingFlush
from collector.rows import Arrival, BatchRows, RowBuilder, decode_rows, encode_rows
from collector.sites import Site
from collector.wire import Batch, Drop, DropReason, decode_batch

MAX_BYTES = 65_536
_LATE_MS = 86_400_000
_SALT = b"s" * 32
_FLUSH_BATCHES = 500
_PACKED_SHARE = 0.05
_CLICK_BYTES, _MOVE_BYTES, _SIGNAL_BYTES = 52, 22, 21
_KIND_AT, _BUTTON = 50, 12
"""Where a packed click has its kind, and which bits of it are its button: 0 for the primary one."""
_AGENTS = ("", "Browser/1", "\udcff\udc80", "x" * 5000, "\U0001f600", "curl/8", "Mozilla/5.0 (X11; Linux x86_64)")
_ADDRESSES = ("192.0.2.7", "2001:db8::1", "fe80::1%eth0", "::ffff:1.2.3.4", "", "junk", "\udcff")


@dataclass(slots=True)
class BodiesSeen:
    """What became of the bodies; a fault is told with the body that made it."""

    outcomes: Counter[str] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    accepted_ways: Counter[str] = field(default_factory=Counter)
    stored: int = 0
    clicks: int = 0
    """Primary ones, which the maps must show."""
    faults: list[tuple[str, bytes]] = field(default_factory=list)


class BodiesRun:
    """Feeds bodies to one database; the sites are by key."""

    def __init__(self, conn: "asyncpg.Connection[asyncpg.Record]", sites: Sequence[Site], mutator: Mutator) -> None:
        self.seen = BodiesSeen()
        self._conn = conn
        self._sites = {site.key: site for site in sites}
        self._mutator = mutator
        self._rng: random.Random = mutator.rng
        self._known = Dictionaries()
        self._builder = RowBuilder(self._known)
        self._waiting: dict[store.BatchKey, tuple[BatchRows, bytes]] = {}
        self._ids = store.FlushIds(lambda: 1_770_000_000_000, 1)
        self._day = datetime.datetime.now(datetime.UTC).date()

    async def run(self, bodies: int) -> BodiesSeen:
        """Make, decode and store so many bodies."""
        await store.ensure_partitions(self._conn, self._day, self._day)
        for _ in range(bodies):
            mutated = self._mutator.make()
            rows = self._take(mutated)
            if rows is not None:
                self._waiting.setdefault(rows.batch_key, (rows, mutated.body))
            if len(self._waiting) >= _FLUSH_BATCHES:
                await self._flush()
        await self._flush()
        return self.seen

    def _take(self, mutated: Mutated) -> BatchRows | None:
        """Return the rows of a body that is accepted."""
        self.seen.ways.update(mutated.ways)
        try:
            outcome = self._judge(mutated.body)
        except Exception as error:  # noqa: BLE001  # whatever is raised is what this run looks for
            self.seen.faults.append((f"raised {error!r:.200}", mutated.body))
            return None
        is_dropped = isinstance(outcome, Drop)
        self.seen.outcomes[outcome.reason.value if is_dropped else "accepted"] += 1
        if isinstance(outcome, Drop):
            return None
        self.seen.accepted_ways.update(mutated.ways)
        return outcome

    def _judge(self, body: bytes) -> BatchRows | Drop:
        if self._rng.random() < _PACKED_SHARE:
            packed = bytearray(gzip.compress(body, 1))
            if self._rng.random() < 0.5:
                packed[self._rng.randrange(len(packed))] ^= 1 << self._rng.randrange(8)
            unpacked = unpack(bytes(packed), Encoding.GZIP, MAX_BYTES)
        else:
            unpacked = unpack(body, Encoding.IDENTITY, MAX_BYTES)
        batch = unpacked if isinstance(unpacked, Drop) else decode_batch(unpacked)
        if not isinstance(batch, Batch):
            assert isinstance(batch.reason, DropReason)
            batch.hint.encode()
            return batch
        return self._build(batch)

    def _build(self, batch: Batch) -> BatchRows | Drop:
        site = self._sites.get(batch.site_key)
        if site is None:
            return Drop(DropReason.UNKNOWN_SITE)
        drop = judge_age(batch, _LATE_MS)
        if drop is not None:
            return drop
        received_ms = int(datetime.datetime.now(datetime.UTC).timestamp() * 1000)
        arrival = Arrival(received_ms, self._rng.choice(_ADDRESSES), self._rng.choice(_AGENTS))
        rows = self._builder.build(batch, site, _SALT, arrival)
        # What the spool keeps is what was accepted.
        assert decode_rows(encode_rows(rows)) == rows
        return rows

    async def _flush(self) -> None:
        """Store what waits and read it back."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        flush = store.Flush(self._ids.make(), self._day, tuple(rows for rows, _ in waiting.values()))
        flushed: list[PendingFlush] = []
        expected: dict[ShardKey, list[BatchRows]] = {}
        async for part, result in store.write_parts(flush, self._ids, self._write):
            if isinstance(result, asyncpg.PostgresError):
                self.seen.faults.append((f"Postgres refused: {result}", waiting[part.batches[0].batch_key][1]))
                continue
            flushed.append(PendingFlush(part.flush_id, part.fact_day, len(part.batches)))
            for rows in part.batches:
                if rows.batch_key in result:
                    expected.setdefault(rows.shard_key, []).append(rows)
        for key, batches in expected.items():
            await self._read_back(key, flushed, batches)

    async def _write(self, flush: store.Flush) -> frozenset[store.BatchKey]:
        return await store.write_batches(self._conn, flush, self._known)

    async def _read_back(self, key: ShardKey, flushed: Sequence[PendingFlush], batches: Sequence[BatchRows]) -> None:
        clicks = await store.load_clicks(self._conn, key, flushed)
        moves = await store.load_moves(self._conn, key, flushed)
        signals = await store.load_signals(self._conn, key, flushed)
        reports = read_rows(await store.copy_view_reports(self._conn, key, flushed), store.VIEW_FIELDS)
        made = sum(rows.clicks for rows in batches)
        self.seen.stored += len(reports)
        self.seen.clicks += sum(kind & _BUTTON == 0 for kind in clicks.packed[_KIND_AT::_CLICK_BYTES])
        found = len(reports), sum(clicks.lengths), sum(moves.lengths), sum(signals.lengths), len(signals.texts)
        n_signals = sum(rows.signals for rows in batches)
        moved = _MOVE_BYTES * sum(rows.moves for rows in batches)
        if found != (len(batches), _CLICK_BYTES * made, moved, _SIGNAL_BYTES * n_signals, n_signals):
            self.seen.faults.append((f"{len(batches)} reports of {made} clicks were read back otherwise", b""))
