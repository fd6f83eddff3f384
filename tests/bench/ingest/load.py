"""The load: a process of its own that sends requests built beforehand and looks at each answer.

It reads jobs from stdin, one JSON object a line, and answers each with two lines: READY once the requests are built and
the connections open, and, after a line that says go, what became of them. Nothing but sockets is in its way: no HTTP
library, no parsing beyond the status line and the end of an answer.

- Closed loop (`rate` 0): each connection sends its next request when it has the answer to the last one.
- Open loop: requests leave at instants fixed beforehand (a Poisson process), on any free connection; latency counts
  from the instant at which a request was due, so that a server that stalls is charged for all who would have come.
"""

import asyncio
import gc
import sys
import time
from array import array
from collections import Counter, deque
from typing import cast

import msgspec
import numpy as np
import uvloop
from numpy.typing import NDArray

from .bodies import Order, build_requests

READY = b"ready\n"
GO = b"go\n"
STUCK_S = 20.0
"""Longest wait for the last answers; whoever got none then is counted as unanswered."""

_ACCEPTED = b"HTTP/1.1 204 "
_END = b"\r\n\r\n"
_TICK_S = 0.001  # uvloop's timers count in ms


class Job(msgspec.Struct, frozen=True):
    """One run: what to send, over how many connections, for how long, and (open loop) how many a second."""

    order: Order
    host: str
    port: int
    connections: int
    seconds: float
    rate: float = 0.0


class Report(msgspec.Struct, frozen=True):
    """What became of a run: the first `sent` requests of its order went out, `unacknowledged` of them got no 204."""

    sent: int
    acknowledged: int
    unacknowledged: list[int]
    answers: dict[str, int]
    """How many others than 204 came, by status; `broken` for connections lost, `unanswered` for none in time."""
    seconds: float
    cpu_s: float
    p50_ms: float
    p99_ms: float
    worst_ms: float

    @property
    def rate(self) -> float:
        """Acknowledged requests a second."""
        return self.acknowledged / self.seconds

    @property
    def cpu_share(self) -> float:
        """The part of one core that the load itself took."""
        return self.cpu_s / self.seconds


class Connection(asyncio.Protocol):
    """One browser: at most one request on its way."""

    __slots__ = ("due_s", "is_busy", "number", "rest", "run", "transport")

    def __init__(self, run: "Run") -> None:
        self.run = run
        self.rest = b""
        self.is_busy = False
        self.number = -1
        self.due_s = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit from it

    def data_received(self, data: bytes) -> None:
        """Look at an answer: it is a 204 and ends where the data ends, or it is looked at more closely."""
        if self.rest or data[:13] != _ACCEPTED or data.find(_END) != len(data) - 4 or not self.is_busy:
            self._read_slowly(data)
            return
        self.run.answered(self, "")

    def connection_lost(self, _error: Exception | None) -> None:
        """Count the request that was on its way as broken."""
        if self.transport is not None:
            self.transport = None
            self.run.lost(self)

    def _read_slowly(self, data: bytes) -> None:
        self.rest += data
        head, end, body = self.rest.partition(_END)
        if not end:
            return
        lines = head.decode("latin-1").split("\r\n")
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        missing = int(fields.get("content-length", "0")) - len(body)
        if missing > 0:
            return
        self.rest = b""
        status = lines[0].split(" ")[1] if lines[0].startswith("HTTP/1.1 ") else "not HTTP"
        is_right = missing == 0 and "transfer-encoding" not in fields and self.is_busy
        self.run.answered(self, ("" if status == "204" else status) if is_right else "more than an answer")


class Run:
    """The state of one run: which requests went out, and what became of them."""

    def __init__(self, job: Job, requests: list[bytes]) -> None:
        self._requests = requests
        self._seconds = job.seconds
        self._limit = len(requests)
        self._is_closed = not job.rate
        self._due: list[float] = []
        self._schedule = _build_schedule(job)
        self._next = 0
        self._busy = 0
        self._free: deque[Connection] = deque()
        self._latencies = array("d")
        self._unacknowledged: list[int] = []
        self._answers: Counter[str] = Counter()
        self._open = 0
        self._begun_s = self._end_s = self._last_s = 0.0
        self._done = asyncio.get_running_loop().create_future()

    async def play(self, connections: list[Connection]) -> None:
        """Send everything and return when the last answer is there, or is not coming."""
        self._open = len(connections)
        self._begun_s = time.perf_counter()
        self._end_s = self._begun_s + self._seconds
        if self._is_closed:
            for one in connections[: self._limit]:
                self._send(one, time.perf_counter())
        else:
            self._due = (self._begun_s + self._schedule).tolist()
            self._free.extend(connections)
            self._tick()
        try:
            async with asyncio.timeout(self._seconds + STUCK_S):
                await self._done
        except TimeoutError:
            stuck = [one.number for one in connections if one.is_busy]
            self._unacknowledged += stuck
            self._answers["unanswered"] += len(stuck)
            self._last_s = time.perf_counter()

    def answered(self, one: Connection, fault: str) -> None:
        """Note an answer (`fault` is empty for a 204) and send what comes next on this connection."""
        now_s = time.perf_counter()
        one.is_busy = False
        self._busy -= 1
        if fault:
            self._answers[fault] += 1
            self._unacknowledged.append(one.number)
        else:
            self._latencies.append(now_s - one.due_s)
        place = self._next
        if self._is_closed:
            if place < self._limit and now_s < self._end_s:
                self._send(one, now_s)
        elif place < self._limit and self._due[place] <= now_s:
            self._send(one, self._due[place])
        else:
            self._free.append(one)
        if not self._busy:
            self._finish_if_all_is_sent(now_s)

    def lost(self, one: Connection) -> None:
        """Note that a connection is gone; without any, nothing more can be sent."""
        self._open -= 1
        if one in self._free:
            self._free.remove(one)
        if one.is_busy:
            one.is_busy = False
            self._busy -= 1
            self._answers["broken"] += 1
            self._unacknowledged.append(one.number)
        if not self._busy:
            self._finish_if_all_is_sent(time.perf_counter())

    def report(self, cpu_s: float) -> Report:
        """Return what became of the run."""
        ms = np.array(self._latencies or [0.0]) * 1000
        p50, p99 = (float(value) for value in np.percentile(ms, (50, 99)))
        return Report(
            sent=self._next,
            acknowledged=len(self._latencies),
            unacknowledged=self._unacknowledged,
            answers=dict(self._answers),
            seconds=self._last_s - self._begun_s,
            cpu_s=cpu_s,
            p50_ms=p50,
            p99_ms=p99,
            worst_ms=float(ms.max()),
        )

    def _send(self, one: Connection, due_s: float) -> None:
        assert one.transport is not None
        one.due_s = due_s
        one.number = self._next
        one.is_busy = True
        self._busy += 1
        self._next += 1
        one.transport.write(self._requests[one.number])

    def _tick(self) -> None:
        """Send what is due while a connection is free; what finds none leaves with the next answer."""
        now_s = time.perf_counter()
        while self._free and self._next < self._limit and self._due[self._next] <= now_s:
            self._send(self._free.pop(), self._due[self._next])
        if self._next < self._limit and not self._done.done():
            asyncio.get_running_loop().call_later(_TICK_S, self._tick)

    def _finish_if_all_is_sent(self, now_s: float) -> None:
        if self._is_closed or self._next >= self._limit or not self._open:
            self._last_s = now_s
            if not self._done.done():
                self._done.set_result(None)


def _build_schedule(job: Job) -> NDArray[np.float64]:
    """Return the seconds at which the requests of an open loop are due."""
    gaps = np.random.default_rng(job.order.seed).exponential(1 / (job.rate or 1), job.order.count)
    return np.cumsum(gaps)


async def play(job: Job) -> Report:
    """Build and connect, say so, wait for the word, run, and return what became of it."""
    requests = build_requests(job.order, f"{job.host}:{job.port}")
    run = Run(job, requests)
    connections = [await _connect(run, job, number) for number in range(job.connections)]
    gc.collect()
    gc.freeze()
    gc.disable()
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    if sys.stdin.buffer.readline() != GO:  # nothing else happens in this process meanwhile
        sys.exit("the one who asked is gone")
    begun_s = time.process_time()
    await run.play(connections)
    cpu_s = time.process_time() - begun_s
    for one in connections:
        if one.transport is not None:
            one.transport.abort()
    gc.enable()
    gc.unfreeze()
    return run.report(cpu_s)


async def _connect(run: Run, job: Job, number: int) -> Connection:
    """Open a connection; on Linux the whole of 127/8 is this machine, so each can come from a network of its own."""
    own = (f"127.{1 + number // 200}.{1 + number % 200}.1", 0) if job.host.startswith("127.") else None
    loop = asyncio.get_running_loop()
    _, one = await loop.create_connection(lambda: Connection(run), job.host, job.port, local_addr=own)
    return one


def main() -> None:
    """Do what the jobs on stdin say, until it ends."""
    while line := sys.stdin.buffer.readline():
        job = msgspec.json.decode(line, type=Job)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            report = runner.run(play(job))
        sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
