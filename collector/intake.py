"""The way in: from the bytes of one request to its outcome. Knows nothing of HTTP."""

import datetime
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from collector.admission import judge_age, judge_origin
from collector.bots import find_signs, score
from collector.buffer import Answer, Buffer, Outcome
from collector.datacentres import NO_RANGES, AddressRanges
from collector.errors import BusyError, StorageError
from collector.layouts import LayoutAges
from collector.limits import TokenBuckets
from collector.privacy import SALT_BYTES, SaltBook
from collector.rows import Arrival, BatchRows, RowBuilder, local_day
from collector.sites import Site, SiteDirectory
from collector.visitor import network_prefix
from collector.wire import Batch, Drop, DropReason, decode_batch

_log = logging.getLogger(__name__)

_MS_PER_HOUR = 3_600_000
_LOOKING_UP = Drop(DropReason.OVERLOADED, "too many unknown site keys are being looked up")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a request; the address ends its way in `rows.RowBuilder`."""

    origin: str | None
    address: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A batch that is stored, now or since before."""

    outcome: Outcome
    wants_layout: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """Batches a second by site, network and visitor, and the oldest view in hours; `monotonic` never goes back."""

    sites: TokenBuckets
    networks: TokenBuckets
    visitors: TokenBuckets
    late_hours: int
    monotonic: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Memory:
    """What the collector knows without asking Postgres."""

    sites: SiteDirectory
    salts: SaltBook
    layouts: LayoutAges
    ranges: AddressRanges = NO_RANGES
    """Addresses of data centres."""


_ACCEPTED = {outcome: Accepted(outcome, wants_layout=False) for outcome in Outcome}
_WANTING = {outcome: Accepted(outcome, wants_layout=True) for outcome in Outcome}


class Intake:
    """Judges, prepares and stores batches; `clock` gives the instant of receipt."""

    def __init__(self, memory: Memory, buffer: Buffer, limits: Limits, clock: Callable[[], datetime.datetime]) -> None:
        self._memory = memory
        self._buffer = buffer
        self._builder = RowBuilder(buffer.known)
        self._limits = limits
        self._clock = clock

    @property
    def is_full(self) -> bool:
        """Whether every batch would be refused now for want of room: ask it before reading one."""
        return self._buffer.is_full

    def admit_address(self, address: str) -> Drop | None:
        """Return why nothing more is read from this address now; None lets it go on."""
        wait_s = self._limits.networks.take(_rate_key(address), self._limits.monotonic())
        return _rate_limited(wait_s) if wait_s else None

    async def admit_key(self, key: str, sender: Sender) -> Drop | None:
        """Return why nothing is read for the site of this key now; None lets it go on, and takes one of its tokens."""
        try:
            site = await self._memory.sites.find(key)
        except BusyError:
            return _LOOKING_UP
        except StorageError:
            return Drop(DropReason.UNAVAILABLE)
        if site is None:
            return Drop(DropReason.UNKNOWN_SITE)
        return judge_origin(sender.origin, site.origins) or self._take_token(site)

    def try_accept(self, body: bytes, sender: Sender, tell: Callable[[Accepted | Drop], None]) -> bool:
        """Judge a body and `tell` once what became of it, now or later; all without waiting.

        Where Postgres has to be asked first, for a site or for a salt, nothing is done and False returned.
        """
        batch = decode_batch(body)
        if isinstance(batch, Drop):
            tell(batch)
            return True
        site = self._memory.sites.known(batch.site_key)
        if site is None:
            return False
        received_ms = self._now_ms()
        salt = self._memory.salts.known(local_day(batch, site, received_ms))
        if salt is None:
            return False
        result = self._judge(batch, site, sender, is_admitted=False) or self._prepare(
            batch, site, salt, sender, received_ms
        )
        if isinstance(result, BatchRows):
            rows = result
            drop = self._buffer.offer(rows, lambda answer: tell(self._conclude(rows, answer)))
            if drop is not None:
                tell(drop)
        else:
            tell(result)
        return True

    async def accept(self, body: bytes, sender: Sender, key: str | None = None) -> Accepted | Drop:
        """Return the outcome of a body, once it is stored, or why it was refused; `key` was admitted before."""
        rows = await self._admit(body, sender, key, self._memory.salts.salt_of)
        return rows if isinstance(rows, Drop) else self._conclude(rows, await self._buffer.put(rows))

    async def judge(self, body: bytes, sender: Sender, key: str | None = None) -> Drop | None:
        """Return why a body would be refused, None if it would be stored; nothing is written, not even a day's salt."""

        async def find_salt(day: datetime.date) -> bytes:
            return self._memory.salts.known(day) or bytes(SALT_BYTES)

        rows = await self._admit(body, sender, key, find_salt)
        return rows if isinstance(rows, Drop) else None

    async def _admit(  # noqa: PLR0911  # guards
        self, body: bytes, sender: Sender, key: str | None, find_salt: Callable[[datetime.date], Awaitable[bytes]]
    ) -> BatchRows | Drop:
        """Return what a body adds to the database, or why it adds nothing."""
        batch = decode_batch(body)
        if isinstance(batch, Drop):
            return batch
        if key is not None and key != batch.site_key:
            return Drop(DropReason.MALFORMED, "the address names another site key than $.k")
        try:
            site = await self._memory.sites.find(batch.site_key)
            if site is None:
                return Drop(DropReason.UNKNOWN_SITE)
            drop = self._judge(batch, site, sender, is_admitted=key is not None)
            if drop is not None:
                return drop
            received_ms = self._now_ms()
            salt = await find_salt(local_day(batch, site, received_ms))
        except BusyError:
            return _LOOKING_UP
        except StorageError as error:
            _log.warning("site or salt of batch %s is missing: %s", batch.batch_id, error)
            return Drop(DropReason.UNAVAILABLE)
        return self._prepare(batch, site, salt, sender, received_ms)

    def _now_ms(self) -> int:
        return int(self._clock().timestamp() * 1000)

    def _judge(self, batch: Batch, site: Site, sender: Sender, *, is_admitted: bool) -> Drop | None:
        late_ms = site.late_limit(self._limits.late_hours) * _MS_PER_HOUR
        drop = judge_origin(sender.origin, site.origins) or judge_age(batch, late_ms)
        return drop if drop or is_admitted else self._take_token(site)

    def _take_token(self, site: Site) -> Drop | None:
        wait_s = self._limits.sites.take(site.site_id, self._limits.monotonic())
        return _rate_limited(wait_s) if wait_s else None

    def _prepare(self, batch: Batch, site: Site, salt: bytes, sender: Sender, received_ms: int) -> BatchRows | Drop:
        signs = find_signs(sender.user_agent, sender.address, batch, self._memory.ranges)
        arrival = Arrival(received_ms, sender.address, sender.user_agent, signs, score(signs))
        rows = self._builder.build(batch, site, salt, arrival)
        wait_s = self._limits.visitors.take(rows.visitor, self._limits.monotonic())
        return _rate_limited(wait_s) if wait_s else rows

    def _conclude(self, rows: BatchRows, answer: Answer) -> Accepted | Drop:
        if isinstance(answer, Drop):
            return answer
        layouts = self._memory.layouts
        if rows.layout is not None:
            layouts.note(rows.layout_key, rows.received_ms)
            return _ACCEPTED[answer]
        # Asked when it came in, not when it was stored: the clock is read once.
        return _WANTING[answer] if layouts.ask(rows.layout_key, rows.received_ms) else _ACCEPTED[answer]


def _rate_limited(wait_s: float) -> Drop:
    return Drop(DropReason.RATE_LIMITED, retry_after_s=int(wait_s) + 1)


def _rate_key(address: str) -> bytes:
    """Return the address; of IPv6 the network, since one sender has the whole of it."""
    return network_prefix(address) if ":" in address else address.encode()
