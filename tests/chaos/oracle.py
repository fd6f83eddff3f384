"""The oracle: a process of its own that sends batches and writes down, append-only, what it sent and what came back.

    python oracle.py RECORD SEED

It outlives whatever is killed beside it. Orders come as one JSON object a line on stdin, see `Wave`. A second line ends
the wave at once where it is empty, else when it has nothing more to send; it is answered by one line once every request
is answered or given up and the record is on disk.

The record has one line per request before it is sent, `s SECONDS BATCH CLICKS`, and one per answer, `a SECONDS BATCH
STATUS LATENCY_S RETRY_AFTER REASON`; status 0 is a connection that failed. Seconds are of the monotonic clock, which
all processes of a machine share.
"""

import asyncio
import itertools
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import msgspec
import uvloop
from http_line import Answer, HttpLine

_FAILED = Answer(0, "", "")
_REFUSED_PAUSE_S = 0.005
_OPEN_TICK_S = 0.002
FLUSH_S = 0.2
"""The record lags behind by at most this."""
_MARKS = {name: f"@{name}@" for name in ("batch", "sent", "view", "started", "step")}


class Wave(msgspec.Struct, frozen=True):
    """How to send. With a `rate` batches leave by the clock, on a free line or not at all; else each sender waits."""

    host: str
    ports: tuple[int, ...]
    """The lines are dealt out to these in turn."""
    key: str
    senders: int = 16
    clicks: tuple[int, int] = (0, 5)
    rate: float = 0.0
    """Batches a second of all senders together; 0: as fast as the answers come."""
    think_s: float = 0.0
    retry_share: float = 0.5
    """How many of the refused or unanswered batches are sent again, until they are answered with 2xx or 4xx."""
    timeout_s: float = 15.0
    late_s: float = 0.0
    """How far the sender's clock is ahead of this machine's."""
    copies: int = 0
    """Each batch leaves so many times at once, on as many lines; 0: once."""
    is_repeat: bool = False
    """Send every batch of the record again instead of new ones; only with `copies`."""


def batch_view(batch: str) -> int:
    """Return the view id, as Postgres shows it, of the one view that a batch tells of."""
    return int.from_bytes(bytes.fromhex(batch[:16]), "big", signed=True)


def click_x(view_id: int) -> int:
    """Return where each click of a view lies, so that a click with wrong values shows."""
    return view_id & 1023


class Bodies:
    """Builds the bodies of one site's batches; each tells of a view of its own."""

    def __init__(self, key: str, late_s: float = 0.0) -> None:
        self._key = key
        self._late_ms = int(late_s * 1000)
        self._parts: dict[int, list[str]] = {}

    def build(self, batch: str, clicks: int) -> bytes:
        """Return the body of a batch with so many clicks."""
        view = batch_view(batch)
        now_ms = int(time.time() * 1000) + self._late_ms
        values = {
            "batch": batch,
            "sent": str(now_ms),
            "view": batch[:16],
            "started": str(now_ms - 1000),
            "step": f"#buy-{view & 63}",
        }
        parts = self._parts.get(clicks)
        if parts is None:
            parts = self._parts[clicks] = _split(_template(self._key, clicks))
        filled = [values.get(part, part) for part in parts]
        return "".join(filled).replace('"@x@"', str(click_x(view))).encode()


def _template(key: str, clicks: int) -> str:
    column = {"t": 10, "e": 0, "x": "@x@", "y": 50, "fx": 128, "fy": 128, "w": 80, "h": 20, "g": 0, "k": 0}
    columns = {name: [value] * clicks for name, value in column.items()} | {"n": list(range(1, clicks + 1))}
    view = {"i": "@view@", "s": "@started@", "q": 0, "n": 0, "p": "/", "c": 0, "a": 500, "e": 400, "h": [900, 2000]}
    text = json.dumps(
        {"v": 1, "b": "@batch@", "k": key, "t": "@sent@", "w": view}
        | {"g": [[1440, 900, 1440, 2000]], "d": [[-1, "@step@"]], "c": columns},
        separators=(",", ":"),
    )
    return text.replace('"@sent@"', "@sent@").replace('"@started@"', "@started@")


def _split(template: str) -> list[str]:
    for name, mark in _MARKS.items():
        template = template.replace(mark, f"\0{name}\0")
    return template.split("\0")


@dataclass(slots=True)
class Recorder:
    """Writes the record and sends for it; one for the whole life of the oracle."""

    file: TextIO
    rng: random.Random
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    bodies: Bodies = field(default_factory=lambda: Bodies(""))
    sent: dict[str, int] = field(default_factory=dict)
    unsent: int = 0

    async def run_wave(self, wave: Wave) -> None:
        """Send until `ended`, and return when everything sent is answered or given up."""
        self.bodies = Bodies(wave.key, wave.late_s)
        ports = itertools.cycle(wave.ports)
        lines = [HttpLine(wave.host, next(ports), wave.timeout_s) for _ in range(wave.senders)]
        send = self._send_by_the_clock if wave.rate else self._send_copies if wave.copies else self._send_in_turn
        try:
            await send(wave, lines)
        finally:
            for line in lines:
                line.close()
            self.file.flush()

    async def _send_in_turn(self, wave: Wave, lines: list[HttpLine]) -> None:
        async with asyncio.TaskGroup() as group:
            for line in lines:
                group.create_task(self._keep_sending(wave, line))

    async def _keep_sending(self, wave: Wave, line: HttpLine) -> None:
        while not self.ended.is_set():
            await self._send(wave, line)
            if wave.think_s:
                await asyncio.sleep(self.rng.uniform(0, 2 * wave.think_s))

    async def _send_by_the_clock(self, wave: Wave, lines: list[HttpLine]) -> None:
        """Start what is due at each tick; what finds every line busy is counted and never sent."""
        free = list(lines)
        tasks: set[asyncio.Task[None]] = set()
        began, started = time.monotonic(), 0
        while not self.ended.is_set():
            due = int((time.monotonic() - began) * wave.rate) - started
            started += due
            self.unsent += max(0, due - len(free))
            for _ in range(min(due, len(free))):
                line = free.pop()
                task = asyncio.create_task(self._send(wave, line))
                tasks.add(task)
                task.add_done_callback(_give_back(free, line))
                task.add_done_callback(tasks.discard)
            await asyncio.sleep(_OPEN_TICK_S)
        await asyncio.gather(*tasks)

    async def _send_copies(self, wave: Wave, lines: list[HttpLine]) -> None:
        """Send each batch on a whole group of lines at once; of the record, or new ones until the end."""
        batches = iter(list(self.sent)) if wave.is_repeat else iter(self._new_batch, "")
        groups = [lines[start : start + wave.copies] for start in range(0, len(lines), wave.copies)]
        async with asyncio.TaskGroup() as tasks:
            for group in groups:
                tasks.create_task(self._keep_copying(wave, group, batches))

    async def _keep_copying(self, wave: Wave, group: list[HttpLine], batches: Iterator[str]) -> None:
        for batch in batches:
            if batch not in self.sent:
                self._note_sent(batch, self.rng.randint(*wave.clicks))
            await asyncio.gather(*(self._deliver(wave, line, batch) for line in group))
            if self.ended.is_set():
                return

    async def _send(self, wave: Wave, line: HttpLine) -> None:
        batch = self._new_batch()
        self._note_sent(batch, self.rng.randint(*wave.clicks))
        await self._deliver(wave, line, batch)

    def _new_batch(self) -> str:
        return f"{self.rng.getrandbits(128):032x}"

    def _note_sent(self, batch: str, clicks: int) -> None:
        self.sent[batch] = clicks
        self.file.write(f"s {time.monotonic():.4f} {batch} {clicks}\n")

    async def _deliver(self, wave: Wave, line: HttpLine, batch: str) -> None:
        body = self.bodies.build(batch, self.sent[batch])
        is_stubborn = self.rng.random() < wave.retry_share
        while True:
            answer = await self._ask(wave, line, batch, body)
            if answer.status not in {0, 429, 503} or not is_stubborn or self.ended.is_set():
                return

    async def _ask(self, wave: Wave, line: HttpLine, batch: str, body: bytes) -> Answer:
        began = time.monotonic()
        try:
            answer = await line.post("/v1/events", body)
        except (OSError, TimeoutError):
            answer = _FAILED
        ended = time.monotonic()
        said = f"{answer.status} {ended - began:.4f} {answer.retry_after or '-'} {answer.reason or '-'}"
        self.file.write(f"a {ended:.4f} {batch} {said}\n")
        if answer.status in {0, 429, 503} and not wave.rate:
            await asyncio.sleep(_REFUSED_PAUSE_S)
        return answer


def _give_back(free: list[HttpLine], line: HttpLine) -> Callable[[object], None]:
    return lambda _task: free.append(line)


async def _obey(record: Path, seed: int) -> None:
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    with record.open("a", encoding="ascii", buffering=1 << 16) as file:
        recorder = Recorder(file, random.Random(seed))
        flushing = asyncio.create_task(_keep_flushing(file))
        while order := (await orders.readline()).strip():
            recorder.ended.clear()
            wave = asyncio.create_task(recorder.run_wave(msgspec.json.decode(order, type=Wave)))
            if not (await orders.readline()).strip():
                recorder.ended.set()
            await wave
            print(recorder.unsent, flush=True)
        flushing.cancel()


async def _keep_flushing(file: TextIO) -> None:
    while True:
        await asyncio.sleep(FLUSH_S)
        file.flush()


if __name__ == "__main__":
    uvloop.run(_obey(Path(sys.argv[1]), int(sys.argv[2])))
