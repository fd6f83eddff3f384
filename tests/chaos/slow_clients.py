"""Connections that say nothing, half a head, or one byte a second: closed in time, and nobody else may notice them."""

import asyncio
import resource
import time
from dataclasses import dataclass
from typing import cast

from notes import percentile
from runs import Figure, Plan, RunResult
from stage import HOST, Stage, open_stage

NAME = "slow connections"
MUTANTS = ("waits_for_ever",)
_HEADERS_S = 10.0
_BODIES_S = 30.0
_IDLE_S = 75.0
_GRACE_S = 0.5  # the time until a closed connection is seen here
_OTHERS_S = 0.1
_HEAD = b"POST /v1/events HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\n"
_SPARE_FILES = 500
_PER_ADDRESS = 40
_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class _Manner:
    """How a slow client behaves: what it says at once, and what one byte a second; and when it must be closed."""

    name: str
    first: bytes
    drip: bytes
    limit_s: float


_MANNERS = (
    _Manner("idle", b"", b"", _IDLE_S),
    _Manner("half a head", _HEAD, b"", _HEADERS_S),
    _Manner("head, a byte a second", _HEAD, b"X-Slow: " + b"x" * 200, _HEADERS_S),
    _Manner("body, a byte a second", _HEAD + b"Content-Length: 500\r\n\r\n", b" " * 499, _BODIES_S),
)


class _SlowClient(asyncio.Protocol):
    """One connection; `lasted_s` stays None while it is open."""

    def __init__(self, manner: _Manner) -> None:
        self.manner = manner
        self.lasted_s: float | None = None
        self._began_s = 0.0
        self._dripped = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._began_s = time.monotonic()
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self.manner.first)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lasted_s = time.monotonic() - self._began_s
        self._transport = None

    def drip(self) -> None:
        """Send the next byte."""
        if self._transport is not None and self._dripped < len(self.manner.drip):
            self._transport.write(self.manner.drip[self._dripped : self._dripped + 1])
            self._dripped += 1

    def close(self) -> None:
        """Give up."""
        if self._transport is not None:
            self._transport.abort()


async def run(plan: Plan) -> RunResult:
    """Open them all, serve others meanwhile, and see when each slow one is closed."""
    wanted = plan.pick(80, 800, 10_000)
    wait_s = plan.pick(_HEADERS_S, _BODIES_S, _IDLE_S) + 2
    async with open_stage(plan) as stage:
        await stage.start_collector()
        clients = await _open(stage, min(wanted, _allowed_files()))
        began = time.monotonic()
        await stage.oracle.begin(stage.wave(senders=4, think_s=0.02, retry_share=0))
        await _drip(clients, began + wait_s)
        await stage.oracle.end()
        latencies = [reply.latency_s for reply in stage.oracle.notes().replies if reply.is_acknowledged]
        figures = _figures(clients, latencies, wait_s)
        for client in clients:
            client.close()
        return await stage.result(NAME, figures)


def _allowed_files() -> int:
    """Raise this process's limit of open files, which the collector inherits, and return how many may be used."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard - _SPARE_FILES


async def _open(stage: Stage, count: int) -> list[_SlowClient]:
    """Open so many connections, from so many addresses that no limit for one address is met."""
    loop = asyncio.get_running_loop()
    clients = [_SlowClient(_MANNERS[number % len(_MANNERS)]) for number in range(count)]
    for start in range(0, count, _AT_ONCE):
        await asyncio.gather(
            *(
                loop.create_connection(
                    lambda client=client: client,  # type: ignore[misc]
                    *(HOST, stage.port),
                    local_addr=(_address(start + number), 0),
                )
                for number, client in enumerate(clients[start : start + _AT_ONCE])
            )
        )
    return clients


def _address(number: int) -> str:
    """Return a loopback address that is not the one of the others."""
    return f"127.{1 + number // _PER_ADDRESS // 200}.1.{1 + number // _PER_ADDRESS % 200}"


async def _drip(clients: list[_SlowClient], until_s: float) -> None:
    while time.monotonic() < until_s:
        await asyncio.sleep(1)
        for client in clients:
            client.drip()


def _figures(clients: list[_SlowClient], latencies: list[float], wait_s: float) -> tuple[Figure, ...]:
    p99_s = percentile(latencies, 0.99)
    target = f"<= {_OTHERS_S * 1000:.0f} ms"
    judged = [manner for manner in _MANNERS if manner.limit_s <= wait_s]
    return (
        Figure("slow connections", f"{len(clients):,}", "-", ok=True),
        Figure("others' p99", f"{p99_s * 1000:.0f} ms", target, p99_s <= _OTHERS_S, is_timed=True),
        *(_judge(manner, [client.lasted_s for client in clients if client.manner is manner]) for manner in judged),
    )


def _judge(manner: _Manner, lasted: list[float | None]) -> Figure:
    still_open = sum(one is None for one in lasted)
    longest = max((one for one in lasted if one is not None), default=0.0)
    value = f"{longest:.1f} s" + (f", {still_open} still open" if still_open else "")
    is_in_time = not still_open and longest <= manner.limit_s + _GRACE_S
    return Figure(f"{manner.name}: closed in", value, f"<= {manner.limit_s:.0f} s", is_in_time)
