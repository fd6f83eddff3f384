"""Where the elements of a page lie: the newest boxes that a real visitor's browser reported, per device and width."""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

import numpy as np
from asyncpg import Record
from msgspec import Struct
from msgspec.structs import astuple
from numpy.typing import NDArray

from collector.db import Conn
from collector.ids import Device, PageId, ShardKey

_ASK_EVERY_MS = 60_000
"""A layout that was asked for and did not come is asked for again after this time."""

_WRITE: Final[LiteralString] = """\
-- layouts.write_layouts
insert into layouts as stored (
    shard_key, page_id, device, width_class, captured_at, version, title,
    viewport_w_px, viewport_h_px, doc_w_px, doc_h_px,
    element_ids, x_px, y_px, w_px, h_px, roles, labels,
    section_ids, section_x_px, section_y_px, section_w_px, section_h_px,
    section_words, section_images, section_titles
)
values (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
    $19, $20, $21, $22, $23, $24, $25, $26
)
on conflict (shard_key, page_id, device, width_class) do update
set captured_at = excluded.captured_at, version = excluded.version, title = excluded.title,
    viewport_w_px = excluded.viewport_w_px, viewport_h_px = excluded.viewport_h_px,
    doc_w_px = excluded.doc_w_px, doc_h_px = excluded.doc_h_px,
    element_ids = excluded.element_ids, x_px = excluded.x_px, y_px = excluded.y_px,
    w_px = excluded.w_px, h_px = excluded.h_px, roles = excluded.roles, labels = excluded.labels,
    section_ids = excluded.section_ids, section_x_px = excluded.section_x_px, section_y_px = excluded.section_y_px,
    section_w_px = excluded.section_w_px, section_h_px = excluded.section_h_px,
    section_words = excluded.section_words, section_images = excluded.section_images,
    section_titles = excluded.section_titles
where stored.captured_at < excluded.captured_at
"""

_WRITE_VERSIONS: Final[LiteralString] = """\
-- layouts.write_layouts
insert into layout_versions as stored (shard_key, page_id, device, width_class, version, first_at, last_at)
select shard_key, page_id, device, width_class, version, min(captured_at), max(captured_at)
from unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::smallint[], $5::bigint[], $6::timestamptz[])
    as seen (shard_key, page_id, device, width_class, version, captured_at)
group by shard_key, page_id, device, width_class, version
order by shard_key, page_id, device, width_class, version
on conflict (shard_key, page_id, device, width_class, version) do update
set first_at = least(stored.first_at, excluded.first_at), last_at = greatest(stored.last_at, excluded.last_at)
"""

_LOAD_VERSIONS: Final[LiteralString] = """\
-- layouts.load_layout_versions
select device, width_class, version, min(first_at) as first_at, max(last_at) as last_at
from layout_versions
where shard_key = any($1::bigint[])
  and page_id = $2
group by device, width_class, version
order by first_at, device, width_class, version
"""

_LOAD: Final[LiteralString] = """\
-- layouts.load_layouts
select page_id, device, width_class, captured_at, version, title,
    viewport_w_px, viewport_h_px, doc_w_px, doc_h_px,
    element_ids, x_px, y_px, w_px, h_px, roles, labels,
    section_ids, section_x_px, section_y_px, section_w_px, section_h_px,
    section_words, section_images, section_titles
from layouts
where shard_key = any($1::bigint[])
  and page_id = $2
order by captured_at desc, device, width_class
"""

_LOAD_AGES: Final[LiteralString] = """\
-- layouts.load_layout_ages
select shard_key, page_id, device, width_class, captured_at
from layouts
where shard_key = any($1::bigint[])
  and captured_at > $2
"""


class LayoutKey(Struct, frozen=True, array_like=True, gc=False):
    """What one stored layout is for."""

    shard_key: ShardKey
    page_id: PageId
    device: Device
    width_class: int


@dataclass(frozen=True, slots=True)
class LayoutSize:
    """Viewport and document at the moment of capture, in CSS px."""

    viewport_w_px: int
    viewport_h_px: int
    doc_w_px: int
    doc_h_px: int


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes in document px by column, all of one length; `ids` are element or section ids."""

    ids: Sequence[int]
    x_px: list[int]
    y_px: list[int]
    w_px: list[int]
    h_px: list[int]


@dataclass(frozen=True, slots=True)
class LayoutRow:
    """A layout as a batch brought it.

    `version` is the browser's hash of the page's structure where it sent one, else a hash of the sorted element ids.
    """

    key: LayoutKey
    captured_at: datetime.datetime
    version: int
    title: str
    size: LayoutSize
    elements: Boxes
    roles: list[int]
    labels: list[str]
    sections: Boxes
    section_words: list[int]
    section_images: list[int]
    section_titles: list[str]
    has_structure: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class StoredLayout:
    """A stored layout, px in the document; roles are `ids.Role`, + 16 where fixed. Element arrays share one length."""

    page_id: PageId
    device: Device
    width_class: int
    captured_at: datetime.datetime
    version: int
    title: str
    viewport_w_px: int
    viewport_h_px: int
    doc_w_px: int
    doc_h_px: int
    element_ids: NDArray[np.int64]
    x_px: NDArray[np.int32]
    y_px: NDArray[np.int32]
    w_px: NDArray[np.int32]
    h_px: NDArray[np.int32]
    roles: NDArray[np.uint8]
    labels: tuple[str, ...]
    section_ids: NDArray[np.int64]
    section_x_px: NDArray[np.int32]
    section_y_px: NDArray[np.int32]
    section_w_px: NDArray[np.int32]
    section_h_px: NDArray[np.int32]
    section_words: NDArray[np.int32]
    section_images: NDArray[np.int32]
    section_titles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LayoutVersion:
    """A structure that a page was seen with at one device and width class; `version` is the browser's hash of it."""

    device: Device
    width_class: int
    version: int
    first_at: datetime.datetime
    last_at: datetime.datetime


class LayoutAges:
    """Which layouts are stored, as far as this process knows, and which it has asked browsers for; bounded."""

    def __init__(self, max_age: datetime.timedelta, max_keys: int = 200_000) -> None:
        self._max_age = max_age
        self._max_age_ms = int(max_age.total_seconds() * 1000)
        self._max_keys = max_keys
        self._captured_ms: dict[LayoutKey, int] = {}
        self._asked_ms: dict[LayoutKey, int] = {}

    def ask(self, key: LayoutKey, now_ms: int) -> bool:
        """Claim that a browser should be asked for this layout: it is missing or old, and none was asked lately."""
        captured_ms = self._captured_ms.get(key)
        if captured_ms is not None and now_ms - captured_ms < self._max_age_ms:
            return False
        asked_ms = self._asked_ms.get(key)
        if asked_ms is not None and now_ms - asked_ms < _ASK_EVERY_MS:
            return False
        _remember(self._asked_ms, key, now_ms, self._max_keys)
        return True

    def note(self, key: LayoutKey, captured_ms: int) -> None:
        """Remember that this layout is stored."""
        self._asked_ms.pop(key, None)
        _remember(self._captured_ms, key, captured_ms, self._max_keys)

    async def load(self, conn: Conn, keys: Sequence[ShardKey], now: datetime.datetime) -> None:
        """Learn what all collectors have stored."""
        for key, captured_at in (await load_layout_ages(conn, keys, now - self._max_age)).items():
            self.note(key, int(captured_at.timestamp() * 1000))


def _remember(known: dict[LayoutKey, int], key: LayoutKey, unix_ms: int, max_keys: int) -> None:
    known.pop(key, None)
    known[key] = unix_ms
    if len(known) > max_keys:
        del known[next(iter(known))]


async def write_layouts(conn: Conn, rows: Iterable[LayoutRow]) -> None:
    """Store each layout that is newer than the stored one of its key, in the order of the keys, and all structures."""
    newest: dict[LayoutKey, LayoutRow] = {}
    seen: list[tuple[object, ...]] = []
    for row in rows:
        if row.has_structure:
            seen.append((*astuple(row.key), row.version, row.captured_at))
        known = newest.get(row.key)
        if known is None or known.captured_at < row.captured_at:
            newest[row.key] = row
    ordered = sorted(
        newest.values(), key=lambda row: (row.key.shard_key, row.key.page_id, row.key.device, row.key.width_class)
    )
    for row in ordered:
        await conn.execute(_WRITE, *_columns(row))
    if seen:
        await conn.execute(_WRITE_VERSIONS, *zip(*seen, strict=True))


def _columns(row: LayoutRow) -> list[object]:
    key, size, elements, sections = row.key, row.size, row.elements, row.sections
    return [
        *(key.shard_key, key.page_id, key.device, key.width_class, row.captured_at, row.version, row.title),
        *(size.viewport_w_px, size.viewport_h_px, size.doc_w_px, size.doc_h_px),
        *(elements.ids, elements.x_px, elements.y_px, elements.w_px, elements.h_px, row.roles, row.labels),
        *(sections.ids, sections.x_px, sections.y_px, sections.w_px, sections.h_px),
        *(row.section_words, row.section_images, row.section_titles),
    ]


async def load_layouts(conn: Conn, keys: Sequence[ShardKey], page_id: PageId) -> list[StoredLayout]:
    """Return the newest layout of each device and width class of a page, newest first."""
    found: dict[tuple[int, int], StoredLayout] = {}
    for row in await conn.fetch(_LOAD, keys, page_id):
        found.setdefault((row["device"], row["width_class"]), _build_layout(row))
    return list(found.values())


async def load_layout_versions(conn: Conn, keys: Sequence[ShardKey], page_id: PageId) -> list[LayoutVersion]:
    """Return the structures that a page was seen with, the first seen first."""
    rows = await conn.fetch(_LOAD_VERSIONS, keys, page_id)
    return [
        LayoutVersion(Device(row["device"]), row["width_class"], row["version"], row["first_at"], row["last_at"])
        for row in rows
    ]


async def load_layout_ages(
    conn: Conn, keys: Sequence[ShardKey], since: datetime.datetime
) -> dict[LayoutKey, datetime.datetime]:
    """Return when the layouts captured after `since` were captured."""
    rows = await conn.fetch(_LOAD_AGES, keys, since)
    return {
        LayoutKey(row["shard_key"], row["page_id"], Device(row["device"]), row["width_class"]): row["captured_at"]
        for row in rows
    }


def _build_layout(row: Record) -> StoredLayout:
    return StoredLayout(
        page_id=PageId(row["page_id"]),
        device=Device(row["device"]),
        width_class=row["width_class"],
        captured_at=row["captured_at"],
        version=row["version"],
        title=row["title"],
        viewport_w_px=row["viewport_w_px"],
        viewport_h_px=row["viewport_h_px"],
        doc_w_px=row["doc_w_px"],
        doc_h_px=row["doc_h_px"],
        element_ids=np.array(row["element_ids"], dtype=np.int64),
        x_px=np.array(row["x_px"], dtype=np.int32),
        y_px=np.array(row["y_px"], dtype=np.int32),
        w_px=np.array(row["w_px"], dtype=np.int32),
        h_px=np.array(row["h_px"], dtype=np.int32),
        roles=np.array(row["roles"], dtype=np.uint8),
        labels=tuple(row["labels"]),
        section_ids=np.array(row["section_ids"], dtype=np.int64),
        section_x_px=np.array(row["section_x_px"], dtype=np.int32),
        section_y_px=np.array(row["section_y_px"], dtype=np.int32),
        section_w_px=np.array(row["section_w_px"], dtype=np.int32),
        section_h_px=np.array(row["section_h_px"], dtype=np.int32),
        section_words=np.array(row["section_words"], dtype=np.int32),
        section_images=np.array(row["section_images"], dtype=np.int32),
        section_titles=tuple(row["section_titles"]),
    )
