"""The wire format, version 1: bytes in, a `Batch` or the reason for refusing it out.

The contract is `tests/contract/wire-v1.schema.json`; the Structs below repeat its bounds. What a schema cannot say
(columns of one length, indices in range, no NUL) is checked afterwards, so that **every value of a `Batch` fits the
column it is stored in**: COPY is all or nothing, and one bad value would refuse its neighbours. Nothing here knows of
sites, clocks or addresses.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from collector.bounds import MAX_VIEW_MS, Byte, Count, DurationMs, Index, Px, SignedPx
from collector.ids import FIXED_FLAG, Role
from collector.traces import Moves, Signals, find_bad_move, find_bad_signal

VERSION = 1
MAX_KEY_DEPTH = 64
"""Steps of an element key; real pages nest about 30 deep below an anchor."""
MAX_KEY_LENGTH = 2_000
"""Characters of an element key, so that it stays below what a Postgres index or page can hold with ease."""
MAX_KEYS_LENGTH = 300_000
"""Characters of all element keys of a batch. A key repeats those above it: 64 KB of short steps could write 12 MB. The
snippet's largest layout has about 120,000."""


class DropReason(StrEnum):
    """Why a batch was refused; the value stands in the answer's `error` and in `X-Jalki-Drop`."""

    MALFORMED = "malformed"
    UNSUPPORTED_VERSION = "unsupported_version"
    UNSUPPORTED_ENCODING = "unsupported_encoding"
    UNSUPPORTED_TYPE = "unsupported_type"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    UNKNOWN_SITE = "unknown_site"
    ORIGIN_NOT_ALLOWED = "origin_not_allowed"
    RATE_LIMITED = "rate_limited"
    TOO_OLD = "too_old"
    FROM_FUTURE = "from_future"
    QUARANTINED = "quarantined"
    OVERLOADED = "overloaded"
    SPOOL_FULL = "spool_full"
    UNAVAILABLE = "unavailable"

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return _ANSWERS[self][0]

    @property
    def hint(self) -> str:
        """What the sender can do about it."""
        return _ANSWERS[self][1]

    @property
    def is_temporary(self) -> bool:
        """The same batch may be accepted later; the answer carries Retry-After."""
        return self.status in {429, 503}


_ANSWERS = {
    DropReason.MALFORMED: (400, "the body does not follow wire format 1, see js/README.md"),
    DropReason.UNSUPPORTED_VERSION: (400, "this collector reads version 1 of the wire format; load the snippet anew"),
    DropReason.UNSUPPORTED_ENCODING: (415, "send the body as it is or as one gzip, said once"),
    DropReason.UNSUPPORTED_TYPE: (415, "send the body as text/plain or application/json"),
    DropReason.TOO_LARGE: (413, "split the batch; JALKI_BODY_MAX_BYTES is the limit"),
    DropReason.TOO_SLOW: (408, "the body did not arrive in time; send it again"),
    DropReason.UNKNOWN_SITE: (403, "no site has this key; copy the snippet tag from the site's install page"),
    DropReason.ORIGIN_NOT_ALLOWED: (403, "add the page's scheme://host[:port] to the site's origins"),
    DropReason.RATE_LIMITED: (
        429,
        "send fewer batches; JALKI_SITE_RATE, JALKI_ADDRESS_RATE and JALKI_VISITOR_RATE are the limits",
    ),
    DropReason.TOO_OLD: (400, "the view began longer ago than the site's late hours or JALKI_LATE_HOURS"),
    DropReason.FROM_FUTURE: (400, "the view begins after the batch was sent; the sender's clock jumped"),
    DropReason.QUARANTINED: (400, "the database refused a value; the batch is kept, see `jalki quarantine list`"),
    DropReason.OVERLOADED: (503, "too many batches are waiting to be stored; send it again later"),
    DropReason.SPOOL_FULL: (503, "the database is away and the spool is full; send it again later"),
    DropReason.UNAVAILABLE: (503, "the database cannot be reached; send it again later"),
}


@dataclass(frozen=True, slots=True)
class Drop:
    """A refused batch."""

    reason: DropReason
    detail: str = ""
    """What exactly was wrong, without any value that the sender wrote."""
    retry_after_s: int = 1

    @property
    def hint(self) -> str:
        """The detail where there is one, and what to do about it."""
        return f"{self.detail}: {self.reason.hint}" if self.detail else self.reason.hint


_UnixMs = Annotated[int, Meta(ge=0, le=8_640_000_000_000)]
_Step = tuple[Annotated[int, Meta(ge=-1, le=4094)], Annotated[str, Meta(min_length=1, max_length=200)]]
_Label = Annotated[str, Meta(max_length=80)]
_ClickPixels = Annotated[list[SignedPx], Meta(max_length=500)]
_ClickBytes = Annotated[list[Byte], Meta(max_length=500)]
_BoxPixels = Annotated[list[SignedPx], Meta(max_length=1500)]

Geometry = tuple[Px, Px, Px, Px]
"""Viewport width and height, document width and height, in CSS px."""
SectionTime = tuple[Index, DurationMs, Annotated[int, Meta(ge=0, le=3)]]
"""Index in the dictionary, cumulative time in view in ms, 1 seen + 2 end seen."""
SectionBox = tuple[Index, SignedPx, SignedPx, SignedPx, SignedPx, Count, Annotated[int, Meta(ge=0, le=10_000)], _Label]
"""Index in the dictionary, x, y, width, height in px, words, images, title."""


class View(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What is known of a view so far; all times but `started_ms` count from its beginning."""

    view_id: Annotated[str, Meta(min_length=16, max_length=16)] = field(name="i")
    started_ms: _UnixMs = field(name="s")
    seq: Count = field(name="q")
    navigation: Annotated[int, Meta(ge=0, le=3)] = field(name="n")
    path: Annotated[str, Meta(min_length=1, max_length=1024)] = field(name="p")
    pointer_is_coarse: Annotated[int, Meta(ge=0, le=1)] = field(name="c")
    active_ms: DurationMs = field(name="a")
    engaged_ms: DurationMs = field(name="e")
    depth: tuple[Px, Px] = field(name="h")
    referrer_host: Annotated[str, Meta(max_length=253)] | UnsetType = field(name="r", default=UNSET)
    exit_section: Index | UnsetType = field(name="x", default=UNSET)
    kept_visitor: Annotated[str, Meta(min_length=32, max_length=32)] | UnsetType = field(name="u", default=UNSET)
    """Random id that the browser keeps, with the visitor's consent only."""
    marks: Annotated[int, Meta(ge=1, le=255)] = field(name="m", default=0)
    """Signs of automation that the browser shows, see `ids.BotSign`."""


class Clicks(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """The clicks since the last acknowledged batch, by column."""

    delta_ms: Annotated[list[DurationMs], Meta(max_length=500)] = field(name="t")
    elements: Annotated[list[Index], Meta(max_length=500)] = field(name="e")
    x_px: _ClickPixels = field(name="x")
    y_px: _ClickPixels = field(name="y")
    x_frac: _ClickBytes = field(name="fx")
    y_frac: _ClickBytes = field(name="fy")
    w_px: _ClickPixels = field(name="w")
    h_px: _ClickPixels = field(name="h")
    geometries: Annotated[list[Annotated[int, Meta(ge=0, le=63)]], Meta(max_length=500)] = field(name="g")
    kinds: _ClickBytes = field(name="k")
    """Pointer, button and flags, see `ids.ClickKind`, `Button` and `ClickFlag`."""
    nth: Annotated[list[Annotated[int, Meta(ge=1, le=1_000_000)]], Meta(max_length=500)] = field(name="n")


class PageLayout(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Where the sender's browser put the page's elements and sections, by column."""

    title: Annotated[str, Meta(max_length=120)] = field(name="u")
    elements: Annotated[list[Index], Meta(max_length=1500)] = field(name="i")
    x_px: _BoxPixels = field(name="x")
    y_px: _BoxPixels = field(name="y")
    w_px: _BoxPixels = field(name="w")
    h_px: _BoxPixels = field(name="h")
    roles: Annotated[list[Annotated[int, Meta(ge=0, le=23)]], Meta(max_length=1500)] = field(name="r")
    labels: Annotated[list[_Label], Meta(max_length=1500)] = field(name="t")
    sections: Annotated[list[SectionBox], Meta(max_length=200)] = field(name="s")
    structure: Annotated[int, Meta(ge=0, le=2**32 - 1)] | UnsetType = field(name="v", default=UNSET)
    """Hash of the page's structure."""


class Batch(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One view's report: the view so far, and the clicks, moves and signals since the last acknowledged batch."""

    version: Literal[1] = field(name="v")
    batch_id: Annotated[str, Meta(min_length=32, max_length=32)] = field(name="b")
    site_key: Annotated[str, Meta(min_length=8, max_length=32)] = field(name="k")
    sent_ms: _UnixMs = field(name="t")
    view: View = field(name="w")
    geometries: Annotated[list[Geometry], Meta(min_length=1, max_length=64)] = field(name="g")
    entries: Annotated[list[str | _Step], Meta(max_length=4096)] = field(name="d")
    """The dictionary of elements and sections: whole keys, or pairs of an earlier entry (−1: none) and a step."""
    clicks: Clicks | UnsetType = field(name="c", default=UNSET)
    sections: Annotated[list[SectionTime], Meta(max_length=200)] | UnsetType = field(name="s", default=UNSET)
    layout: PageLayout | UnsetType = field(name="l", default=UNSET)
    moves: Moves | UnsetType = field(name="m", default=UNSET)
    signals: Signals | UnsetType = field(name="f", default=UNSET)


class _VersionOnly(Struct):
    v: int


_ROLES = frozenset(Role)
_UNKNOWN_FIELD = re.compile(r"unknown field `.*`(?=$| - at)", re.DOTALL)
"""The decoder quotes the name, which the sender wrote."""
_NUL_ESCAPE = rb"\u0000"
"""The only spelling of U+0000 that JSON allows; Postgres refuses the character in a text."""

_batches = msgspec.json.Decoder(Batch)
_versions = msgspec.json.Decoder(_VersionOnly)


def decode_batch(body: bytes) -> Batch | Drop:
    """Return the batch in `body`, every value of which fits its column, or why it was refused."""
    try:
        batch = _batches.decode(body)
    except msgspec.ValidationError as error:
        return _judge_version(body) or Drop(DropReason.MALFORMED, _UNKNOWN_FIELD.sub("unknown field", str(error))[:200])
    except msgspec.DecodeError as error:
        return Drop(DropReason.MALFORMED, str(error)[:200])
    except UnicodeDecodeError:
        return Drop(DropReason.MALFORMED, "the body is not UTF-8")
    except RecursionError:
        return Drop(DropReason.MALFORMED, "the body nests too deep")
    fault = (
        (b"\\" in body and _NUL_ESCAPE in body and _find_nul(batch))
        or _find_bad_name(batch)
        or _find_bad_step(batch)
        or _find_bad_click(batch)
        or _find_bad_section(batch)
        or _find_bad_layout(batch)
        or (batch.moves is not UNSET and find_bad_move(batch.moves, len(batch.entries)))
        or (batch.signals is not UNSET and find_bad_signal(batch.signals, len(batch.entries)))
    )
    return Drop(DropReason.MALFORMED, fault) if fault else batch


def _find_bad_name(batch: Batch) -> str:
    """Patterns are compared here: the decoder would call back into Python for each, at four times the price."""
    if not _is_hex(batch.batch_id + batch.view.view_id):
        return "$.b or $.w.i is not made of hexadecimal digits in lower case"
    if batch.view.kept_visitor is not UNSET and not _is_hex(batch.view.kept_visitor):
        return "$.w.u is not made of hexadecimal digits in lower case"
    if not _is_key(batch.site_key):
        return "$.k is not a site key"
    return "" if batch.view.path.startswith("/") else "$.w.p does not begin with a slash"


_is_key = lru_cache(1_024)(re.compile(r"[A-Za-z0-9_-]+").fullmatch)
_is_hex = re.compile(r"[0-9a-f]+").fullmatch


def _judge_version(body: bytes) -> Drop | None:
    try:
        version = _versions.decode(body).v
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return Drop(DropReason.UNSUPPORTED_VERSION) if version != VERSION else None


def _find_nul(batch: Batch) -> str:
    return "a text holds U+0000" if any("\0" in text for text in _texts(batch)) else ""


def _texts(batch: Batch) -> Iterator[str]:
    yield batch.view.path
    yield batch.view.referrer_host or ""
    for entry in batch.entries:
        yield entry if isinstance(entry, str) else entry[1]
    if batch.signals is not UNSET:
        yield from batch.signals.texts or ()
    if batch.layout is not UNSET:
        yield batch.layout.title
        yield from batch.layout.labels
        for section in batch.layout.sections:
            yield section[7]


def _find_bad_step(batch: Batch) -> str:
    depths: list[int] = []
    lengths: list[int] = []
    total = 0
    for index, entry in enumerate(batch.entries):
        if isinstance(entry, str):
            # Its length is judged here: msgspec 0.22 crashes on a bounded text beside a tuple.
            if ">>" in f">{entry}>":
                return f"$.d[{index}] has a step without a name"
            depth, length = entry.count(">") + 1, len(entry)
        else:
            parent, step = entry
            if parent >= index:
                return f"$.d[{index}] names a parent that does not come before it"
            depth, length = (1, len(step)) if parent < 0 else (depths[parent] + 1, lengths[parent] + 1 + len(step))
        if depth > MAX_KEY_DEPTH or length > MAX_KEY_LENGTH:
            return f"$.d[{index}] is deeper than {MAX_KEY_DEPTH} steps or longer than {MAX_KEY_LENGTH} characters"
        depths.append(depth)
        lengths.append(length)
        total += length
    return f"the keys of $.d are longer than {MAX_KEYS_LENGTH} characters in all" if total > MAX_KEYS_LENGTH else ""


def _find_bad_click(batch: Batch) -> str:
    clicks = batch.clicks
    if clicks is UNSET or not clicks.elements:
        return "" if clicks is UNSET or _one_length(clicks) else "the columns of $.c differ in length"
    if not _one_length(clicks):
        return "the columns of $.c differ in length"
    if max(clicks.elements) >= len(batch.entries):
        return "$.c.e names an element that $.d does not hold"
    if max(clicks.geometries) >= len(batch.geometries):
        return "$.c.g names a geometry that $.g does not hold"
    return "" if sum(clicks.delta_ms) <= MAX_VIEW_MS else f"the times of $.c.t exceed {MAX_VIEW_MS} ms"


def _one_length(clicks: Clicks) -> bool:
    n = len(clicks.elements)
    return (
        len(clicks.delta_ms) == n
        and len(clicks.x_px) == n
        and len(clicks.y_px) == n
        and len(clicks.x_frac) == n
        and len(clicks.y_frac) == n
        and len(clicks.w_px) == n
        and len(clicks.h_px) == n
        and len(clicks.geometries) == n
        and len(clicks.kinds) == n
        and len(clicks.nth) == n
    )


def _find_bad_section(batch: Batch) -> str:
    n_steps = len(batch.entries)
    if batch.view.exit_section is not UNSET and batch.view.exit_section >= n_steps:
        return "$.w.x names a section that $.d does not hold"
    if batch.sections is not UNSET:
        for section in batch.sections:
            if section[0] >= n_steps:
                return "$.s names a section that $.d does not hold"
    return ""


def _find_bad_layout(batch: Batch) -> str:
    layout = batch.layout
    if layout is UNSET:
        return ""
    columns = (layout.x_px, layout.y_px, layout.w_px, layout.h_px, layout.roles, layout.labels)
    if any(len(column) != len(layout.elements) for column in columns):
        return "the columns of $.l differ in length"
    if any(role % FIXED_FLAG not in _ROLES for role in layout.roles):
        return "$.l.r names a role that there is not"
    n_steps = len(batch.entries)
    if any(index >= n_steps for index in layout.elements) or any(box[0] >= n_steps for box in layout.sections):
        return "$.l names an element or a section that $.d does not hold"
    return ""
