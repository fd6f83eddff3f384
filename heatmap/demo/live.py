"""A trickle of live visitors, through the collector's real door, at the pace at which people read.

They follow the same habits as the recorded ones, and the protocol as the snippet does: one batch at a time, the same
batch again where the answer asks for that, a layout only where the collector wants one.
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import aiohttp
import msgspec
import numpy as np
from msgspec import UNSET

from heatmap.demo.batches import Report
from heatmap.demo.people import draw_person
from heatmap.demo.recording import Recording
from heatmap.demo.visitors import Session, draw_session

_log = logging.getLogger(__name__)

_MAX_VISITORS = 6
_FIRST_GAP_S, _LONGEST_GAP_S = 5.0, 150.0
"""Pause between two arrivals: short while a newcomer looks, then that of the two weeks before."""
_GAP_GROWTH = 0.1
_ANSWER_TIMEOUT_S = 10
_MAX_ATTEMPTS = 5
_TRY_AGAIN = frozenset({408, 429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Door:
    """Where live batches go."""

    base_url: str
    site_key: str
    origin: str
    """The shop's origin, which a browser would send."""


@dataclass(frozen=True, slots=True)
class Trickle:
    """What live visitors are made of; `now` is the clock."""

    door: Door
    recording: Recording
    rng: np.random.Generator
    now: Callable[[], datetime]


async def send_visitors(trickle: Trickle, stop: asyncio.Event) -> None:
    """Send one visitor after another, a few at a time, until `stop` is set."""
    begun_at = trickle.now()
    seats = asyncio.Semaphore(_MAX_VISITORS)
    async with asyncio.TaskGroup() as visitors:
        while not stop.is_set():
            async with seats:
                pass
            visitors.create_task(_visit_in_seat(trickle, seats, stop))
            elapsed_s = (trickle.now() - begun_at).total_seconds()
            gap_s = min(_LONGEST_GAP_S, _FIRST_GAP_S + _GAP_GROWTH * elapsed_s)
            await _pause(stop, float(trickle.rng.uniform(0.5, 1.5)) * gap_s)


async def _visit_in_seat(trickle: Trickle, seats: asyncio.Semaphore, stop: asyncio.Event) -> None:
    async with seats:
        await _visit(trickle, stop)


async def _visit(trickle: Trickle, stop: asyncio.Event) -> None:
    now = trickle.now()
    person = draw_person(trickle.rng, now.astimezone().hour, is_letter_day=False)
    session = draw_session(trickle.rng, trickle.recording, person, trickle.door.site_key, _unix_ms(now))
    headers = {"User-Agent": person.user_agent, "Origin": trickle.door.origin, "Content-Type": "text/plain"}
    timeout = aiohttp.ClientTimeout(total=_ANSWER_TIMEOUT_S)
    connector = aiohttp.TCPConnector(local_addr=_draw_source(trickle))
    async with aiohttp.ClientSession(headers=headers, timeout=timeout, connector=connector) as http:
        await _send_session(trickle, http, session, stop)


async def _send_session(trickle: Trickle, http: aiohttp.ClientSession, session: Session, stop: asyncio.Event) -> None:
    wants_layout: set[str] = set()
    for report in session.reports:
        if await _pause(stop, (report.at_ms - _unix_ms(trickle.now())) / 1000):
            return
        view_id = report.batch.view.view_id
        is_wanted = await _post(trickle, http, _cut_layout(report, is_wanted=view_id in wants_layout), stop)
        if is_wanted is None:
            return
        wants_layout |= {view_id} if is_wanted else set()


def _cut_layout(report: Report, *, is_wanted: bool) -> Report:
    """Return the report with its layout only where the collector asked for it."""
    if is_wanted or report.batch.layout is UNSET:
        return report
    return Report(report.at_ms, msgspec.structs.replace(report.batch, layout=UNSET))


async def _post(trickle: Trickle, http: aiohttp.ClientSession, report: Report, stop: asyncio.Event) -> bool | None:
    """Return whether the collector wants a layout, once it has the batch; None: give this visitor up."""
    for attempt in range(_MAX_ATTEMPTS):
        late_ms = max(0, _unix_ms(trickle.now()) - report.at_ms)
        batch = msgspec.structs.replace(report.batch, sent_ms=report.batch.sent_ms + late_ms)
        try:
            async with http.post(f"{trickle.door.base_url}/v1/events", data=msgspec.json.encode(batch)) as answer:
                if answer.ok:
                    return answer.headers.get("X-Jalki-Want") == "layout"
                if answer.status not in _TRY_AGAIN:
                    _log.warning("a live batch was refused: %s", answer.headers.get("X-Jalki-Drop", answer.status))
                    return None
                wait_s = float(answer.headers.get("Retry-After", "1"))
        except (aiohttp.ClientError, TimeoutError) as error:
            _log.info("a live batch found no answer: %s", type(error).__name__)
            wait_s = 2.0**attempt
        if await _pause(stop, wait_s):
            return None
    return None


async def _pause(stop: asyncio.Event, seconds: float) -> bool:
    """Wait; return whether it is time to stop."""
    try:
        await asyncio.wait_for(stop.wait(), max(0.0, seconds))
    except TimeoutError:
        return False
    return True


def _draw_source(trickle: Trickle) -> tuple[str, int] | None:
    """Return an address of the loopback network to speak from, so that live visitors are told apart; None: the usual.

    On Linux all of 127.0.0.0/8 is this machine; elsewhere only its first address can be used.
    """
    host = urlsplit(trickle.door.base_url).hostname or ""
    if host != "localhost" and not (_is_ipv4(host) and ipaddress.ip_address(host).is_loopback):
        return None
    address = f"127.{trickle.rng.integers(1, 255)}.{trickle.rng.integers(1, 255)}.1"
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return None
    return (address, 0)


def _is_ipv4(host: str) -> bool:
    return host.count(".") == 3 and host.replace(".", "").isdigit()


def _unix_ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
