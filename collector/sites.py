"""The sites whose pages report here: their rows, and the directory that answers without asking Postgres."""

import asyncio
import base64
import datetime
import re
import zoneinfo
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

import asyncpg
from asyncpg import Record

from collector.db import POSTGRES_ERRORS, Conn, Pool
from collector.errors import BusyError, InvalidError, NotFoundError, StorageError
from collector.ids import MAX_BUCKETS, ShardKey, SiteId, shard_keys
from collector.ledger import load_arrivals
from collector.origins import canonical_origin
from collector.snippet import Filling, SnippetFlag, canonical_params

KEY_BYTES = 9
"""Random bytes in a site key: 12 characters, too many to guess, few enough for a URL."""
REFRESH_S = 10.0
"""A change of a site reaches every collector within this time, in s."""
LOOK_UP_PAUSE_S = 1.0
"""Unknown keys make the directory look at most this often, in s; for so long one is known to be unknown."""
_LOOK_UP_TIMEOUT_S = 3
"""Longest time that somebody waits for a look-up: the pause before it, and a second or two for Postgres."""
_ACQUIRE_TIMEOUT_S = 5
_MAX_WAITING = 1_000
"""Requests with unknown keys that wait for the next look-up, some 10 KB each; more are sent away."""
MAX_NAME_CHARS = 80
"""Longest name of a site: more does not fit a card."""
_KEY = re.compile(r"[A-Za-z0-9_-]{8,32}")
_NO_FLAGS = SnippetFlag(0)

_LOAD_ALL: Final[LiteralString] = """\
-- sites.load_sites
select site_id, key, name, origins, time_zone, buckets, tablet_min_px, desktop_min_px, created_at, late_hours,
       params, snippet_flags
from sites
order by site_id
"""

_LOAD_ONE: Final[LiteralString] = """\
-- sites.load_site
select site_id, key, name, origins, time_zone, buckets, tablet_min_px, desktop_min_px, created_at, late_hours,
       params, snippet_flags
from sites
where site_id = $1
"""

_ADD: Final[LiteralString] = """\
-- sites.add_site
insert into sites (
    key, name, origins, time_zone, buckets, tablet_min_px, desktop_min_px, created_at, late_hours, params, snippet_flags
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
returning site_id, key, name, origins, time_zone, buckets, tablet_min_px, desktop_min_px, created_at, late_hours,
          params, snippet_flags
"""

_EDIT: Final[LiteralString] = """\
-- sites.edit_site
update sites
set name = coalesce($2, name),
    origins = coalesce($3, origins),
    late_hours = case when $4::smallint is null then late_hours else nullif($4, 0) end,
    params = coalesce($5, params),
    snippet_flags = snippet_flags & ~$7::smallint | $6::smallint
where site_id = $1
returning site_id, key, name, origins, time_zone, buckets, tablet_min_px, desktop_min_px, created_at, late_hours,
          params, snippet_flags
"""


@dataclass(frozen=True, slots=True)
class Site:
    """One site, as the collector and the reports see it."""

    site_id: SiteId
    key: str
    name: str
    origins: tuple[str, ...]
    time_zone: str
    buckets: int
    tablet_min_px: int
    desktop_min_px: int
    created_at: datetime.datetime
    late_hours: int | None = None
    """Oldest view whose batches it accepts, in hours; None: the service's own."""
    params: tuple[str, ...] = ()
    """Query parameters that are part of a page's address."""
    snippet_flags: SnippetFlag = SnippetFlag.SIGNALS

    @property
    def filling(self) -> Filling:
        """What stands in its script."""
        return Filling(self.key, self.snippet_flags, self.params)

    @property
    def shard_keys(self) -> list[ShardKey]:
        """The keys of all its buckets."""
        return shard_keys(self.site_id, self.buckets)

    def late_limit(self, most_hours: int) -> int:
        """Return the age in hours up to which it accepts views; `most_hours` is the service's own limit."""
        return min(self.late_hours or most_hours, most_hours)


@dataclass(frozen=True, slots=True)
class NewSite:
    """What a person says about a site; no origins means that pages of any origin may report."""

    name: str
    origins: tuple[str, ...] = ()
    time_zone: str = "UTC"
    buckets: int = 1
    tablet_min_px: int = 600
    desktop_min_px: int = 1024
    late_hours: int | None = None
    params: tuple[str, ...] = ()
    snippet_flags: SnippetFlag = SnippetFlag.SIGNALS


@dataclass(frozen=True, slots=True)
class SiteChange:
    """What becomes different about a site; None leaves what is there."""

    name: str | None = None
    origins: Sequence[str] | None = None
    late_hours: int | None = None
    """0: the service's own."""
    params: Sequence[str] | None = None
    on: SnippetFlag = _NO_FLAGS
    """What is switched on in its script."""
    off: SnippetFlag = _NO_FLAGS


def build_site_key(random: bytes) -> str:
    """Return a public write key made of `KEY_BYTES` random bytes."""
    return base64.urlsafe_b64encode(random).decode().rstrip("=")


async def load_sites(conn: Conn) -> list[Site]:
    """Return all sites, oldest first."""
    return [_build_site(row) for row in await conn.fetch(_LOAD_ALL)]


async def load_site(conn: Conn, site_id: SiteId) -> Site:
    """Return one site.

    Raises:
        NotFoundError: there is none with this id.
    """
    row = await conn.fetchrow(_LOAD_ONE, site_id) if 0 < site_id < 2**31 else None
    if row is None:
        raise NotFoundError(f"there is no site {site_id}", "`jalki site list` shows the sites")
    return _build_site(row)


async def add_site(conn: Conn, new: NewSite, key: str, now: datetime.datetime) -> Site:
    """Insert a site and return it; its origins are spelled as browsers spell them.

    Raises:
        InvalidError: a value has no meaning, or the key is taken.
    """
    _check(new, key)
    origins = _canonical_origins(new.origins)
    try:
        row = await conn.fetchrow(
            *(_ADD, key, new.name.strip(), origins, new.time_zone, new.buckets),
            *(new.tablet_min_px, new.desktop_min_px, now, new.late_hours),
            *(canonical_params(new.params), int(new.snippet_flags)),
        )
    except asyncpg.UniqueViolationError as error:
        raise InvalidError(f"the key {key} is taken", "add the site again, a new key is made each time") from error
    assert row is not None
    return _build_site(row)


async def edit_site(conn: Conn, site_id: SiteId, change: SiteChange) -> Site:
    """Change a site and return it.

    Raises:
        NotFoundError: there is none with this id.
        InvalidError: a value has no meaning, or there is nothing to change.
    """
    if change == SiteChange():
        raise InvalidError("there is nothing to change", "give a name, origins, hours or settings of the script")
    name, late_hours = change.name, change.late_hours
    if name is not None:
        _check_name(name)
    _check_late_hours(late_hours or None)
    origins = None if change.origins is None else _canonical_origins(change.origins)
    params = None if change.params is None else canonical_params(change.params)
    values = (name and name.strip(), origins, late_hours, params, int(change.on), int(change.off))
    row = await conn.fetchrow(_EDIT, site_id, *values) if 0 < site_id < 2**31 else None
    if row is None:
        raise NotFoundError(f"there is no site {site_id}", "`jalki site list` shows the sites")
    return _build_site(row)


async def load_first_event_at(conn: Conn, site: Site) -> datetime.datetime | None:
    """Return when the site's first batch was received, None before; imported ones count from their own time."""
    arrivals = await load_arrivals(conn, site.shard_keys)
    return arrivals.first_at if arrivals else None


async def load_last_event_at(conn: Conn, site: Site) -> datetime.datetime | None:
    """Return when the site's latest batch was received, None before the first."""
    arrivals = await load_arrivals(conn, site.shard_keys)
    return arrivals.last_at if arrivals else None


def _check(new: NewSite, key: str) -> None:
    if not _KEY.fullmatch(key):
        raise InvalidError("a site key has 8 to 32 letters, digits, - or _")
    _check_name(new.name)
    if new.time_zone not in zoneinfo.available_timezones():
        raise InvalidError(f"{new.time_zone!r} is not a time zone", "write an IANA name, for example Europe/Helsinki")
    if not 1 <= new.buckets <= MAX_BUCKETS:
        raise InvalidError(f"a site has 1 to {MAX_BUCKETS} buckets")
    if not 0 < new.tablet_min_px <= new.desktop_min_px < 2**15:
        raise InvalidError("the device borders must rise, tablet first, and stay below 32768 px")
    _check_late_hours(new.late_hours)


def _canonical_origins(origins: Sequence[str]) -> list[str]:
    return sorted({canonical_origin(origin) for origin in origins})


def _check_name(name: str) -> None:
    if not name.strip() or len(name.strip()) > MAX_NAME_CHARS or "\0" in name:
        raise InvalidError(f"a site needs a name of at most {MAX_NAME_CHARS} characters")


def _check_late_hours(hours: int | None) -> None:
    if hours is not None and not 0 < hours < 2**15:
        raise InvalidError(f"{hours} is no age of a view in hours", "write at least 1, at most JALKI_LATE_HOURS")


def _build_site(row: Record) -> Site:
    return Site(
        site_id=SiteId(row["site_id"]),
        key=row["key"],
        name=row["name"],
        origins=tuple(row["origins"]),
        time_zone=row["time_zone"],
        buckets=row["buckets"],
        tablet_min_px=row["tablet_min_px"],
        desktop_min_px=row["desktop_min_px"],
        created_at=row["created_at"],
        late_hours=row["late_hours"],
        params=tuple(row["params"]),
        snippet_flags=SnippetFlag(row["snippet_flags"]),
    )


class SiteDirectory:
    """All sites by key, in memory; `monotonic` gives seconds that never go back."""

    def __init__(self, pool: Pool, monotonic: Callable[[], float]) -> None:
        self._pool = pool
        self._monotonic = monotonic
        self._sites: dict[str, Site] = {}
        self._missing: set[str] = set()
        self._looking = asyncio.Lock()
        self._looked_at = -LOOK_UP_PAUSE_S
        self._look_ups = 0
        self._is_answered = False
        self._waiting = 0

    @property
    def sites(self) -> list[Site]:
        """The sites known now."""
        return list(self._sites.values())

    def known(self, key: str) -> Site | None:
        """Return the site of a key as far as memory tells; None: ask `find`."""
        return self._sites.get(key)

    async def find(self, key: str) -> Site | None:
        """Return the site of a key: from memory; an unknown one waits for a look-up that begins after it was asked for.

        There is one look-up a second for all unknown keys together, so None is never said of a site that was added
        more than a second ago.

        Raises:
            BusyError: too many wait for that look-up already.
            StorageError: Postgres cannot be asked.
        """
        site = self._sites.get(key)
        if site is not None or self._is_missing(key):
            return site
        if self._waiting >= _MAX_WAITING:
            raise BusyError(f"{_MAX_WAITING} requests wait for the next look-up of sites")
        self._waiting += 1
        try:
            async with asyncio.timeout(_LOOK_UP_TIMEOUT_S):
                await self._look_up_after(self._look_ups)
        except TimeoutError as error:
            raise StorageError(f"the sites could not be loaded within {_LOOK_UP_TIMEOUT_S} s") from error
        finally:
            self._waiting -= 1
        if key not in self._sites:
            self._missing.add(key)
        return self._sites.get(key)

    async def refresh(self) -> None:
        """Load all sites anew and forget which keys were unknown.

        Raises:
            StorageError: Postgres cannot be asked; the sites known before remain.
        """
        async with self._looking:
            await self._load()

    def _is_missing(self, key: str) -> bool:
        return key in self._missing and self._monotonic() - self._looked_at < LOOK_UP_PAUSE_S

    async def _look_up_after(self, seen: int) -> None:
        """Return after a look-up later than the one numbered `seen`; the first in line makes it for all."""
        async with self._looking:
            if self._look_ups == seen:
                await asyncio.sleep(max(0.0, self._looked_at + LOOK_UP_PAUSE_S - self._monotonic()))
                await self._load()
            elif not self._is_answered:
                raise StorageError("the sites could not be loaded just now")

    async def _load(self) -> None:
        self._looked_at = self._monotonic()
        self._look_ups += 1
        self._is_answered = False
        self._missing.clear()
        try:
            async with self._pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as conn:
                sites = await load_sites(conn)
        except POSTGRES_ERRORS as error:
            raise StorageError(f"the sites could not be loaded: {type(error).__name__}") from error
        self._sites = {site.key: site for site in sites}
        self._is_answered = True
