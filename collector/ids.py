"""The identifiers and closed sets that SQL, wire, Python and the web page share.

Nothing here reads a clock or a random source: callers pass both in, so that a test can fix them.
"""

import datetime
import hashlib
from enum import IntEnum, IntFlag
from typing import NewType

SiteId = NewType("SiteId", int)
ShardKey = NewType("ShardKey", int)
PageId = NewType("PageId", int)
ElementId = NewType("ElementId", int)
SectionId = NewType("SectionId", int)
ViewId = NewType("ViewId", int)
VisitorKey = NewType("VisitorKey", int)
FlushId = NewType("FlushId", int)

MAX_BUCKETS = 256
_FLUSH_COUNTER_BITS = 22
_FLUSH_EPOCH_MS = 1_577_836_800_000  # 2020-01-01 UTC: 41 bits of milliseconds from here last until September 2089

WHOLE_SITE = PageId(0)
"""The page id under which rollups keep the figures of the whole site; no path hashes to it."""


class Device(IntEnum):
    """The class of a visitor's screen; `ALL` stands only in questions, never in stored facts."""

    ALL = 0
    DESKTOP = 1
    TABLET = 2
    PHONE = 3


class Navigation(IntEnum):
    """How a view began; `ROUTE` also after a pause of half an hour, on the page that was left open."""

    LOAD = 0
    RESTORE = 1
    ROUTE = 2
    PRERENDER = 3


class ClickKind(IntEnum):
    """What made a click."""

    MOUSE = 0
    TOUCH = 1
    PEN = 2
    KEYBOARD = 3


class Audience(IntEnum):
    """Whose views a figure counts."""

    PEOPLE = 0
    BOTS = 1


class BotSign(IntFlag):
    """What speaks for a program as the sender of a view; stored as evidence, see `bots.score` for what it weighs.

    The four from `WEBDRIVER` on are the browser's own, bits 1, 2, 4 and 8 of the wire's `w.m`.
    """

    NONE = 0
    CRAWLER = 1
    """The user agent is on the list of crawlers."""
    NO_AGENT = 2
    """There was no user agent."""
    TOOL = 4
    """The user agent does not begin as every browser's does."""
    HEADLESS = 8
    """The user agent names a browser without a window."""
    WEBDRIVER = 16
    """`navigator.webdriver`: the browser says that a program drives it."""
    NO_WINDOW = 32
    """The browser has no language or its window no size."""
    SCRIPTED = 64
    """Clicks without trust were seen: a script made them. They are never counted as clicks."""
    UNPROMPTED = 128
    """A trusted click came before any pointer or key."""
    IMPOSSIBLE = 256
    """The times contradict each other or are faster than a hand."""
    DATACENTRE = 512
    """The address is in one of the operator's data-centre ranges."""


class Role(IntEnum):
    """What an element of a layout is to its reader; the wireframe draws each in its own way."""

    TEXT = 0
    LINK = 1
    BUTTON = 2
    FIELD = 3
    IMAGE = 4
    HEADING = 5
    LANDMARK = 6
    MEDIA = 7


FIXED_FLAG = 16
"""Added to a `Role` on the wire where the element does not scroll with the page."""


def text_id(text: str) -> int:
    """Return the signed 64-bit id of a path or an element key: the first 8 bytes of BLAKE2b; never 0."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True) or 1


def shard_key(site_id: SiteId, bucket: int) -> ShardKey:
    """Return the distribution key of one bucket of a site.

    Raises:
        ValueError: the bucket is outside 0..255.
    """
    if not 0 <= bucket < MAX_BUCKETS:
        raise ValueError(f"bucket {bucket} is outside 0..{MAX_BUCKETS - 1}")
    return ShardKey(site_id << 8 | bucket)


def site_of(key: ShardKey) -> SiteId:
    """Return the site that a shard key belongs to."""
    return SiteId(key >> 8)


def shard_keys(site_id: SiteId, buckets: int) -> list[ShardKey]:
    """Return the keys of all of a site's buckets, for `where shard_key = any($1)`."""
    return [shard_key(site_id, bucket) for bucket in range(buckets)]


def flush_id(unix_ms: int, counter: int) -> FlushId:
    """Return a time-ordered 63-bit id: ms since 2020 above, 22 bits of `counter` (process salt and sequence) below."""
    return FlushId(unix_ms - _FLUSH_EPOCH_MS << _FLUSH_COUNTER_BITS | counter & ((1 << _FLUSH_COUNTER_BITS) - 1))


def flush_instant(flush: FlushId) -> datetime.datetime:
    """Return when a flush was written, by its id."""
    return datetime.datetime.fromtimestamp(((flush >> _FLUSH_COUNTER_BITS) + _FLUSH_EPOCH_MS) / 1000, datetime.UTC)
