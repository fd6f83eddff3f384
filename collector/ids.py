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
    """What made a click: the bits `POINTER_MASK` of its kind."""

    MOUSE = 0
    TOUCH = 1
    PEN = 2
    KEYBOARD = 3


class Button(IntEnum):
    """With which button a click was made: the bits `BUTTON_MASK` of its kind, moved by `BUTTON_SHIFT`."""

    PRIMARY = 0
    """The only ones that are clicks, by their definition: they alone count in maps and totals."""
    MIDDLE = 1
    SECONDARY = 2
    """It opened a context menu."""


class ClickFlag(IntFlag):
    """What else a click's kind says; the other four bits are its pointer and its button."""

    LOOKS_INTERACTIVE = 16
    """On a link, button, label or handler, or under a pointing cursor."""
    REPEATS = 32
    """On a control made for repetition: stepper, next and previous, carousel, slider, calendar, media, canvas."""
    SELECTING = 64
    """Text was selected or being selected."""
    MODIFIED = 128
    """A modifier key was held."""


POINTER_MASK = 3
BUTTON_MASK = 12
BUTTON_SHIFT = 2


class SignalKind(IntEnum):
    """What a signal says with its value, its extra number and its text; `js/src/kinds.ts` has the same numbers.

    The collector stores kinds up to `MAX_SIGNAL_KIND`, so that those of a newer snippet are not lost.
    """

    RESPONSE = 1
    """A click was watched; time and element are the click's. Value: ms to the page's first response, −1: none came."""
    ERROR = 2
    """An uncaught error or rejection. Time and element are of the click before, value: ms after it. Text: its name."""
    HESITATION = 3
    """Value: ms from hover to click; time and element are the click's."""
    SWIPE = 4
    """Value: 0 left, 1 right, 2 up, 3 down. Extra: px."""
    SELECTION = 5
    """Text was selected. Value: characters."""
    COPY = 6
    """Text was copied. Value: characters."""
    FIELD = 7
    """A field of a form was left. Value: ms focused. Extra: times it was filled again."""
    FORM = 8
    """Value: 1 submitted, the element is the form; 0 left, it is the last field touched. Extra: fields touched."""
    OUTBOUND = 9
    """A link to another site was followed. Text: its host."""
    DOWNLOAD = 10
    """Text: path of the file."""
    PRINT = 11
    """The page was printed."""
    ZOOM = 12
    """Value: per cent."""
    ORIENTATION = 13
    """Value: degrees."""
    VITAL = 14
    """Text: LCP, INP, CLS, FCP or TTFB. Value: ms, of CLS 10,000ths."""
    STATE = 15
    """The element opened (value 1) or closed (0), or with extra 1 shows the slide of index value."""
    VARIANT = 16
    """Text: `name=value` of an experiment."""
    EVENT = 17
    """Text: the site's name of it, then a space and its properties as JSON if it has any."""
    FIRST_ACTION = 18
    """The first click or key in a section, which is the element."""
    INNER_DEPTH = 19
    """The element scrolls. Value: greatest scroll top + height, px. Extra: its scroll height, px."""
    FAULT = 20
    """The snippet switched itself off. Text: name of the error."""


MAX_SIGNAL_KIND = 64


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
