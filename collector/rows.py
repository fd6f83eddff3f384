"""What one accepted batch becomes: rows, packed as far as they can be before their flush is known. Pure.

Every column of a fact but the first three (shard key, day, flush) is packed here, once, in the request that brought it;
a flush then only joins bytes. Reading them back is `store`'s, writing dictionaries `catalog`'s and `layouts`'.
"""

import datetime
import hashlib
import struct
import zoneinfo
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec import UNSET

from collector.admission import started_ms
from collector.catalog import ElementRow, PageRow
from collector.devices import device_class, width_class
from collector.ids import Device, ElementId, PageId, ShardKey, shard_key, text_id
from collector.layouts import Boxes, LayoutKey, LayoutRow, LayoutSize
from collector.paths import canonical_path
from collector.pgcopy import (
    encode_bigint,
    encode_bigints,
    encode_day,
    encode_instant,
    encode_ints,
    encode_smallints,
    encode_text,
)
from collector.sites import Site
from collector.visitor import visitor_key
from collector.wire import Batch, Geometry, SectionBox

VIEW_REPORT_COLUMNS = (
    *("shard_key", "fact_day", "flush_id"),
    *("view_id", "visitor_key", "page_id", "device", "navigation", "seq", "started_at", "local_day"),
    *(
        "active_ms",
        "engaged_ms",
        "viewport_w_px",
        "viewport_h_px",
        "doc_w_px",
        "doc_h_px",
        "depth_px",
        "depth_doc_h_px",
    ),
    *("referrer_host", "exit_section_id", "section_ids", "section_ms", "section_flags"),
)
"""The order in which a view report is packed."""
CLICK_COLUMNS = (
    *("shard_key", "fact_day", "flush_id"),
    *("view_id", "page_id", "device", "viewport_w_px", "viewport_h_px", "doc_w_px", "doc_h_px"),
    *("element_id", "at_ms", "x_px", "y_px", "element_w_px", "element_h_px", "nth", "x_frac", "y_frac", "kind"),
)
"""The order in which a click is packed: first what all clicks of a batch or a geometry have in common."""

_PREFIX = struct.Struct(">h iq ii iq")
_VIEW = struct.Struct(">iq iq iq ih ih ii iq ii ii ii ii ii ii ii ii ii")
_CLICK_HEAD = struct.Struct(">iq iq ih ii ii ii ii")
_CLICK = struct.Struct(">iq ii ii ii ii ii ii ih ih ih")


@dataclass(frozen=True, slots=True)
class Arrival:
    """When and from where a batch came; the address ends its way in `build_rows`."""

    received_ms: int
    address: str
    user_agent: str

    @property
    def received_at(self) -> datetime.datetime:
        """The instant of receipt."""
        return datetime.datetime.fromtimestamp(self.received_ms / 1000, datetime.UTC)


@dataclass(frozen=True, slots=True)
class BatchRows:
    """The rows of one batch; `view_tail` and `click_tails` lack the columns that `pack_prefix` makes."""

    shard_key: ShardKey
    batch_id: str
    received_at: datetime.datetime
    layout_key: LayoutKey
    """What a layout sent with this batch is, or would be, stored under."""
    page: PageRow
    elements: tuple[ElementRow, ...]
    layout: LayoutRow | None
    view_tail: bytes
    click_tails: tuple[bytes, ...]

    @property
    def batch_key(self) -> tuple[ShardKey, str]:
        """What the ledger knows the batch by."""
        return self.shard_key, self.batch_id

    @property
    def weight(self) -> int:
        """Rows that the batch may add to its flush."""
        return 1 + len(self.click_tails) + len(self.elements)


@dataclass(frozen=True, slots=True)
class _Names:
    """The ids of the dictionary entries that a batch uses, by index; unused entries are left out."""

    ids: dict[int, ElementId]
    rows: tuple[ElementRow, ...]


def local_day(batch: Batch, site: Site, received_ms: int) -> datetime.date:
    """Return the day, in the site's time zone, on which the view began by the server's clock."""
    zone = zoneinfo.ZoneInfo(site.time_zone)
    return datetime.datetime.fromtimestamp(started_ms(batch, received_ms) / 1000, zone).date()


def build_rows(batch: Batch, site: Site, salt: bytes, arrival: Arrival) -> BatchRows:
    """Return the rows of a batch; `salt` is that of its local day."""
    visitor = visitor_key(salt, site.site_id, arrival.address, arrival.user_agent)
    key = shard_key(site.site_id, visitor % site.buckets)
    path = canonical_path(batch.view.path)
    geometry = batch.geometries[-1]
    layout_key = LayoutKey(key, PageId(text_id(path)), _device(batch, site, geometry), width_class(geometry[0]))
    names = _name_elements(batch.steps, _used_indices(batch), key)
    return BatchRows(
        shard_key=key,
        batch_id=batch.batch_id,
        received_at=arrival.received_at,
        layout_key=layout_key,
        page=PageRow(key, layout_key.page_id, path),
        elements=names.rows,
        layout=_build_layout(batch, layout_key, names, arrival),
        view_tail=_pack_view(
            batch, layout_key, names, _Begin(visitor, local_day(batch, site, arrival.received_ms), arrival)
        ),
        click_tails=_pack_clicks(batch, site, layout_key.page_id, names),
    )


def pack_prefix(columns: Sequence[str], key: ShardKey, fact_day: datetime.date, flush_id: int) -> bytes:
    """Return the beginning of each row of one shard key in one flush: number of columns, shard key, day and flush."""
    return _PREFIX.pack(len(columns), 8, key, 4, encode_day(fact_day), 8, flush_id)


@dataclass(frozen=True, slots=True)
class _Begin:
    visitor: int
    day: datetime.date
    arrival: Arrival


def _device(batch: Batch, site: Site, geometry: Geometry) -> Device:
    return device_class(geometry[0], bool(batch.view.pointer_is_coarse), site.tablet_min_px, site.desktop_min_px)


def _view_id(batch: Batch) -> int:
    return int.from_bytes(bytes.fromhex(batch.view.view_id), "big", signed=True)


def _pack_view(batch: Batch, key: LayoutKey, names: _Names, begin: _Begin) -> bytes:
    view = batch.view
    started = encode_instant(started_ms(batch, begin.arrival.received_ms))
    fixed = _VIEW.pack(
        *(8, _view_id(batch), 8, begin.visitor, 8, key.page_id, 2, key.device, 2, view.navigation, 4, view.seq),
        *(8, started, 4, encode_day(begin.day), 4, view.active_ms, 4, view.engaged_ms),
        *(value for px in batch.geometries[-1] for value in (4, px)),
        *(4, view.depth[0], 4, view.depth[1]),
    )
    exit_id = None if view.exit_section is UNSET else names.ids[view.exit_section]
    return b"".join(
        (fixed, encode_text(view.referrer_host or None), encode_bigint(exit_id), _pack_sections(batch, names))
    )


def _pack_sections(batch: Batch, names: _Names) -> bytes:
    """Pack the three section columns; a section that is named twice is one, with the larger time and all its flags."""
    if batch.sections is UNSET or not batch.sections:
        return _NO_SECTIONS
    merged: dict[int, tuple[int, int]] = {}
    for index, ms, flags in batch.sections:
        known_ms, known_flags = merged.get(names.ids[index], (0, 0))
        merged[names.ids[index]] = max(ms, known_ms), flags | known_flags
    times = list(merged.values())
    return encode_bigints(list(merged)) + encode_ints([ms for ms, _ in times]) + encode_smallints([f for _, f in times])


_NO_SECTIONS = encode_bigints(()) + encode_ints(()) + encode_smallints(())


def _pack_clicks(batch: Batch, site: Site, page_id: PageId, names: _Names) -> tuple[bytes, ...]:
    clicks = batch.clicks
    if clicks is UNSET:
        return ()
    heads = [_pack_click_head(batch, site, page_id, geometry) for geometry in batch.geometries]
    pack, ids = _CLICK.pack, names.ids
    tails: list[bytes] = []
    at_ms = 0
    for delta, element, x, y, fx, fy, w, h, geometry, kind, nth in zip(
        *(clicks.delta_ms, clicks.elements, clicks.x_px, clicks.y_px, clicks.x_frac, clicks.y_frac),
        *(clicks.w_px, clicks.h_px, clicks.geometries, clicks.kinds, clicks.nth),
        strict=True,
    ):
        at_ms += delta
        tail = pack(8, ids[element], 4, at_ms, 4, x, 4, y, 4, w, 4, h, 4, nth, 2, fx, 2, fy, 2, kind)
        tails.append(heads[geometry] + tail)
    return tuple(tails)


def _pack_click_head(batch: Batch, site: Site, page_id: PageId, geometry: Geometry) -> bytes:
    """A click belongs to the device class of the window it was made in, which may have been resized since."""
    device = _device(batch, site, geometry)
    sizes = (value for px in geometry for value in (4, px))
    return _CLICK_HEAD.pack(8, _view_id(batch), 8, page_id, 2, device, *sizes)


def _used_indices(batch: Batch) -> set[int]:
    used: set[int] = set()
    if batch.clicks is not UNSET:
        used.update(batch.clicks.elements)
    if batch.sections is not UNSET:
        used.update(section[0] for section in batch.sections)
    if batch.view.exit_section is not UNSET:
        used.add(batch.view.exit_section)
    if batch.layout is not UNSET:
        used.update(batch.layout.elements)
        used.update(box[0] for box in batch.layout.sections)
    return used


def _name_elements(steps: Sequence[tuple[int, str]], used: set[int], key: ShardKey) -> _Names:
    """Name the used entries and their ancestors; parents come before their children."""
    for index in sorted(used, reverse=True):
        _add_ancestors(steps, index, used)
    keys: dict[int, str] = {}
    ids: dict[int, ElementId] = {}
    rows: dict[ElementId, ElementRow] = {}
    for index in sorted(used):
        parent, step = steps[index]
        keys[index] = step if parent < 0 else f"{keys[parent]}>{step}"
        ids[index] = ElementId(text_id(keys[index]))
        rows[ids[index]] = ElementRow(key, ids[index], None if parent < 0 else ids[parent], keys[index])
    return _Names(ids, tuple(rows.values()))


def _add_ancestors(steps: Sequence[tuple[int, str]], index: int, used: set[int]) -> None:
    parent = steps[index][0]
    while parent >= 0 and parent not in used:
        used.add(parent)
        parent = steps[parent][0]


def _build_layout(batch: Batch, key: LayoutKey, names: _Names, arrival: Arrival) -> LayoutRow | None:
    layout = batch.layout
    if layout is UNSET:
        return None
    kept = _first_of_each(names.ids[index] for index in layout.elements)
    sections = [layout.sections[place] for place in _first_of_each(names.ids[box[0]] for box in layout.sections)]
    ids = [names.ids[layout.elements[place]] for place in kept]
    columns = (layout.x_px, layout.y_px, layout.w_px, layout.h_px)
    return LayoutRow(
        key=key,
        captured_at=arrival.received_at,
        version=_layout_version(ids),
        title=layout.title,
        size=LayoutSize(*batch.geometries[-1]),
        elements=Boxes(list(ids), *([column[place] for place in kept] for column in columns)),
        roles=[layout.roles[place] for place in kept],
        labels=[layout.labels[place] for place in kept],
        sections=_section_boxes(sections, names),
        section_words=[box[5] for box in sections],
        section_images=[box[6] for box in sections],
        section_titles=[box[7] for box in sections],
    )


def _section_boxes(sections: Sequence[SectionBox], names: _Names) -> Boxes:
    return Boxes(
        [names.ids[box[0]] for box in sections],
        [box[1] for box in sections],
        [box[2] for box in sections],
        [box[3] for box in sections],
        [box[4] for box in sections],
    )


def _first_of_each(ids: Iterable[ElementId]) -> list[int]:
    """Return the place of the first of each id: one element has one box."""
    places: dict[ElementId, int] = {}
    for place, element_id in enumerate(ids):
        places.setdefault(element_id, place)
    return list(places.values())


def _layout_version(ids: Iterable[ElementId]) -> int:
    """Return the hash of the sorted ids: it changes when elements come or go, not when they move."""
    ordered = sorted(ids)
    digest = hashlib.blake2b(struct.pack(f">{len(ordered)}q", *ordered), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
