"""What the collector counts of itself, for Prometheus: outcomes, drops, flushes, latencies, the spool, the process.

Counting is adding plain ints; families and text are made when somebody asks. Each process has its own `Metrics`.
Where several share a port, each writes what it counted into a common folder every second, and whichever is asked adds
the others' files to its own figures: prometheus_client's own way of doing that takes no custom collectors and no gauges
that are only read when asked for. Names no site and no address.
"""

import asyncio
import logging
import os
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from collector import __version__
from collector.wire import DropReason

_log = logging.getLogger(__name__)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of what `render` returns."""
WRITE_S = 1.0
"""Pause between two writings of a process's figures: so much of them a `kill -9` can lose, in s."""
STALE_S = 5.0
"""A process whose file is older than this is gone: its counts stay in the sums, its gauges are left out, in s."""
_LAG_S = 0.25
"""Pause between two measurements of the event loop's lag."""
_OUTCOMES = ("stored", "duplicate", "spooled")
_STATES = ("storing", "spooling", "refusing")
_PREFIX = "jalki_collector_"
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_NUMBERS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0, 30_000.0)


class Histogram(msgspec.Struct):
    """Values counted by the upper bounds they do not exceed; the last count is of those above all bounds."""

    bounds: tuple[float, ...]
    counts: list[int]
    total: float = 0.0

    def observe(self, value: float, n: int = 1) -> None:
        """Count a value that was seen `n` times."""
        self.counts[bisect_left(self.bounds, value)] += n
        self.total += value * n

    def add(self, other: "Histogram") -> None:
        """Add the counts of another; one with other bounds, of another version, is left out."""
        if other.bounds == self.bounds:
            self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
            self.total += other.total

    def buckets(self) -> list[tuple[str, float]]:
        """Return (upper bound, values up to it)."""
        found, so_far = [], 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            so_far += count
            found.append(("+Inf" if bound == float("inf") else repr(bound), float(so_far)))
        return found


def _histogram(bounds: tuple[float, ...]) -> Histogram:
    return Histogram(bounds, [0] * (len(bounds) + 1))


class Counts(msgspec.Struct):
    """What only grows; of several processes it is added up."""

    answers: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(_OUTCOMES, 0))
    drops: dict[str, int] = msgspec.field(default_factory=lambda: {reason.value: 0 for reason in DropReason})
    flush_rows: Histogram = msgspec.field(default_factory=lambda: _histogram(_NUMBERS))
    flush_batches: Histogram = msgspec.field(default_factory=lambda: _histogram(_NUMBERS))
    flush_seconds: Histogram = msgspec.field(default_factory=lambda: _histogram(_SECONDS))
    commit_seconds: Histogram = msgspec.field(default_factory=lambda: _histogram(_SECONDS))
    loop_lag_seconds: Histogram = msgspec.field(default_factory=lambda: _histogram(_SECONDS))

    def add(self, other: "Counts") -> None:
        """Add what another process counted."""
        for mine, theirs in ((self.answers, other.answers), (self.drops, other.drops)):
            for name, n in theirs.items():
                mine[name] = mine.get(name, 0) + n
        for field in msgspec.structs.fields(Counts)[2:]:
            getattr(self, field.name).add(getattr(other, field.name))


class Gauges(msgspec.Struct, frozen=True):
    """What one process is like at this moment."""

    state: str = "storing"
    """`storing`, `spooling` or `refusing`: what becomes of a batch that comes in now."""
    queue_batches: int = 0
    connections: int = 0
    spool_records: int = 0
    spool_bytes: int = 0
    spool_age_s: float = 0.0
    """Age of the oldest record that waits in the spool."""
    spool_damaged: int = 0
    """Damaged places found in the spool since the process started."""
    has_spool: bool = False
    """A batch that Postgres does not take would go to disk."""


class Snapshot(msgspec.Struct):
    """The figures of one process, as its file holds them; `written_s` is on the machine's monotonic clock."""

    worker: int
    written_s: float
    uptime_s: float
    resident_bytes: int
    gauges: Gauges
    counts: Counts


_snapshots = msgspec.msgpack.Decoder(Snapshot)


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds that never go back and are the same in every process of the machine."""

    monotonic: Callable[[], float] = time.monotonic


class Metrics:
    """The figures of this process, and through `run_dir` those of its siblings.

    `run_dir` is a folder that all collector processes of one service share and nobody else; None: there is one process.
    `worker` is this process's number, from 0. A process that takes over a number takes over its counts as well, so that
    sums never fall: whoever starts the service empties the folder first. Run `keep` beside the collector.
    """

    def __init__(self, run_dir: Path | None = None, worker: int = 0, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._started_s = self._clock.monotonic()
        self._run_dir = run_dir
        self._worker = worker
        self._look: Callable[[], Gauges] = Gauges
        self._before = _load(self._own_file).counts if self._own_file and self._own_file.exists() else Counts()
        self.counts = Counts()

    def watch(self, look: Callable[[], Gauges]) -> None:
        """Ask `look` for the gauges whenever they are needed; it must be quick."""
        self._look = look

    def gauges(self) -> Gauges:
        """Return what this process is like now."""
        return self._look()

    def count_answers(self, outcome: str, n: int = 1) -> None:
        """Count batches that were acknowledged: `stored`, `duplicate` or `spooled`."""
        answers = self.counts.answers
        answers[outcome] = answers.get(outcome, 0) + n

    def count_drop(self, reason: DropReason) -> None:
        """Count a refused batch."""
        self.counts.drops[reason.value] += 1

    def observe_flush(self, rows: int, batches: int, seconds: float) -> None:
        """Count a flush that was committed, and how long writing it took."""
        counts = self.counts
        counts.flush_rows.observe(rows)
        counts.flush_batches.observe(batches)
        counts.flush_seconds.observe(seconds)

    def observe_commit(self, seconds: float, n: int = 1) -> None:
        """Count `n` batches that waited `seconds` from their arrival to their answer."""
        self.counts.commit_seconds.observe(seconds, n)

    def observe_commits(self, seconds: Iterable[float]) -> None:
        """Count one batch for each of these times from its arrival to its answer."""
        histogram = self.counts.commit_seconds
        counts, bounds = histogram.counts, histogram.bounds
        for one in seconds:
            counts[bisect_left(bounds, one)] += 1
            histogram.total += one

    def observe_lag(self, seconds: float) -> None:
        """Count by how much the event loop was late."""
        self.counts.loop_lag_seconds.observe(max(0.0, seconds))

    def snapshot(self) -> Snapshot:
        """Return this process's figures, with those of whoever had its number before."""
        now_s = self._clock.monotonic()
        counts = Counts()
        counts.add(self._before)
        counts.add(self.counts)
        return Snapshot(self._worker, now_s, now_s - self._started_s, _resident_bytes(), self._look(), counts)

    def write(self) -> None:
        """Write this process's figures where its siblings find them."""
        if self._own_file is None:
            return
        fresh = self._own_file.with_suffix(".new")
        fresh.write_bytes(msgspec.msgpack.encode(self.snapshot()))
        fresh.replace(self._own_file)

    def render(self) -> bytes:
        """Return the figures of all processes in Prometheus' text format."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Exposition([self.snapshot(), *self._siblings()]))
        return generate_latest(registry)

    async def keep(self) -> None:
        """Measure the event loop's lag, and write the figures every `WRITE_S`; until it is cancelled."""
        loop = asyncio.get_running_loop()
        write_s = loop.time()
        while True:
            due_s = loop.time() + _LAG_S
            await asyncio.sleep(_LAG_S)
            self.observe_lag(loop.time() - due_s)
            if loop.time() >= write_s:
                write_s = loop.time() + WRITE_S
                self._try_to_write()

    def _try_to_write(self) -> None:
        try:
            self.write()
        except OSError as error:
            _log.warning("the figures of worker %d could not be written: %s", self._worker, type(error).__name__)

    @property
    def _own_file(self) -> Path | None:
        return self._run_dir and self._run_dir / f"worker-{self._worker}.metrics"

    def _siblings(self) -> list[Snapshot]:
        if self._run_dir is None:
            return []
        oldest_s = self._clock.monotonic() - STALE_S
        found = []
        for path in sorted(self._run_dir.glob("worker-*.metrics")):
            if path != self._own_file:
                snapshot = _load(path)
                found.append(snapshot if snapshot.written_s >= oldest_s else _buried(snapshot))
        return found


def _load(path: Path) -> Snapshot:
    """Return a process's figures; none where its file is of another version or not its own."""
    try:
        return _snapshots.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError) as error:
        _log.warning("the figures in %s could not be read: %s", path.name, type(error).__name__)
        return _buried(Snapshot(0, 0.0, 0.0, 0, Gauges(), Counts()))


def _buried(snapshot: Snapshot) -> Snapshot:
    """Return the figures of a process that is gone: what it counted."""
    return msgspec.structs.replace(snapshot, worker=-1)


def _resident_bytes() -> int:
    """Return the memory of this process; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


class _Exposition(Collector):
    """The families of one rendering."""

    def __init__(self, snapshots: list[Snapshot]) -> None:
        self._living = sorted((one for one in snapshots if one.worker >= 0), key=lambda one: one.worker)
        self._counts = Counts()
        for one in snapshots:
            self._counts.add(one.counts)

    def collect(self) -> Iterable[Metric]:
        """Yield every family."""
        yield _info()
        yield from self._counters()
        yield from self._histograms()
        yield from self._gauges()
        yield self._states()

    def _counters(self) -> Iterable[Metric]:
        answers, drops = self._counts.answers, self._counts.drops
        outcomes = {**answers, "dropped": sum(drops.values())}
        yield _counter("answers", "Batches answered, by outcome.", "outcome", outcomes)
        yield _counter("drops", "Batches refused, by reason.", "reason", drops)

    def _histograms(self) -> Iterable[Metric]:
        counts = self._counts
        for name, said, histogram in (
            ("flush_rows", "Fact rows of a flush.", counts.flush_rows),
            ("flush_batches", "Batches of a flush.", counts.flush_batches),
            ("flush_seconds", "Time that writing a flush took, until it was committed.", counts.flush_seconds),
            ("commit_seconds", "Time from a batch's arrival to its answer.", counts.commit_seconds),
            ("loop_lag_seconds", "Lateness of the event loop, measured 4 times a second.", counts.loop_lag_seconds),
        ):
            yield HistogramMetricFamily(_PREFIX + name, said, buckets=histogram.buckets(), sum_value=histogram.total)

    def _gauges(self) -> Iterable[Metric]:
        for name, said, read in _GAUGES:
            family = GaugeMetricFamily(_PREFIX + name, said, labels=["worker"])
            for one in self._living:
                family.add_metric([str(one.worker)], read(one))
            yield family

    def _states(self) -> Metric:
        said = "1 for what becomes of a batch that comes in now, else 0."
        family = GaugeMetricFamily(f"{_PREFIX}state", said, labels=["worker", "state"])
        for one in self._living:
            for state in _STATES:
                family.add_metric([str(one.worker), state], float(one.gauges.state == state))
        return family


_GAUGES: tuple[tuple[str, str, Callable[[Snapshot], float]], ...] = (
    ("queue_batches", "Batches in memory: waiting or being written.", lambda one: one.gauges.queue_batches),
    ("connections", "Open HTTP connections.", lambda one: one.gauges.connections),
    ("spool_records", "Batches that wait in the spool.", lambda one: one.gauges.spool_records),
    ("spool_bytes", "Size of the spool on disk.", lambda one: one.gauges.spool_bytes),
    ("spool_age_seconds", "Age of the oldest batch in the spool.", lambda one: one.gauges.spool_age_s),
    ("spool_damaged", "Damaged places found in the spool since the start.", lambda one: one.gauges.spool_damaged),
    ("resident_bytes", "Memory of the process.", lambda one: one.resident_bytes),
    ("uptime_seconds", "Time since the process started.", lambda one: one.uptime_s),
)


def _info() -> Metric:
    family = GaugeMetricFamily(f"{_PREFIX}info", "1, with the version that runs.", labels=["version"])
    family.add_metric([__version__], 1)
    return family


def _counter(name: str, said: str, label: str, counts: dict[str, int]) -> Metric:
    family = CounterMetricFamily(_PREFIX + name, said, labels=[label])
    for value, n in counts.items():
        family.add_metric([value], n)
    return family
