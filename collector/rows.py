"""What one accepted batch becomes: one row of facts, packed as far as it can be before its flush is known. Pure.

Every column but the first three (shard key, day, flush) is packed here, once, in the request that brought it; a flush
then only joins bytes. Reading them back is `facts`', writing dictionaries `catalog`'s and `layouts`'.
"""

import datetime
import hashlib
import struct
import zoneinfo
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from collector.admission import started_ms
from collector.catalog import Dictionaries, ElementRow, PageRow
from collector.devices import device_class, width_class
from collector.errors import StorageError
from collector.ids import Device, ElementId, ShardKey, VisitorKey, shard_key
from collector.layouts import Boxes, LayoutKey, LayoutRow, LayoutSize
from collector.names import NameBook
from collector.packing import NO_TRACES, pack_clicks, pack_traces, used_elements
from collector.pgcopy import (
    BIGINT_OID,
    INT_OID,
    SMALLINT_OID,
    encode_bigint,
    encode_day,
    encode_empty_array,
    encode_instant,
    encode_text,
    instant,
)
from collector.sites import Site
from collector.visitor import kept_visitor_key, visitor_key
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
        "bot_signs",
        "bot_score",
    ),
    *("referrer_host", "exit_section_id", "section_ids", "section_ms", "section_flags", "clicks"),
    *("moves", "signals", "signal_texts"),
)
"""The order in which a view report is packed."""
_PREFIX = struct.Struct(">h iq ii iq")
_VIEW = struct.Struct(">iq iq iq ih ih ii iq ii ii ii ii ii ii ii ii ii ii ih")
_SPOOL_FORMAT = b"\x02"
"""First byte of an encoded batch; a change of `BatchRows` or of its tail takes the next number."""
_SPOOL_WITHOUT_TRACES = b"\x01"
"""The format before this one: reports that end with their clicks."""
_QUARTER_MS = 900_000
"""Since 1972 every zone differs from UTC by a multiple of 15 minutes: days begin with a quarter."""


class Arrival(Struct, frozen=True, gc=False):
    """When and from where a batch came; the address and the user agent end their way in `RowBuilder.build`."""

    received_ms: int
    address: str
    user_agent: str
    bot_signs: int = 0
    """`ids.BotSign`"""
    bot_score: int = 0


class BatchRows(Struct, frozen=True, array_like=True):
    """What one batch adds to the database; `tail` is its view report without the columns that `pack_prefix` makes.

    It carries neither the address nor the user agent of the sender, so it may be kept on disk.
    """

    shard_key: ShardKey
    batch_id: str
    received_ms: int
    visitor: VisitorKey
    layout_key: LayoutKey
    """What a layout sent with this batch is, or would be, stored under."""
    page: PageRow | None
    """None where the page is known to be stored; so are the elements that are left out."""
    elements: tuple[ElementRow, ...]
    layout: LayoutRow | None
    tail: bytes
    clicks: int
    moves: int = 0
    signals: int = 0

    @property
    def batch_key(self) -> tuple[ShardKey, str]:
        """What the ledger knows the batch by."""
        return self.shard_key, self.batch_id

    @property
    def received_at(self) -> datetime.datetime:
        """The instant of receipt."""
        return instant(self.received_ms)

    @property
    def weight(self) -> int:
        """What the batch adds to the work of its flush, in rows: a click costs an eighth of one, by its bytes."""
        return 1 + len(self.elements) + self.clicks // 8 + (self.moves + self.signals) // 20


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(BatchRows)


def encode_rows(rows: BatchRows) -> bytes:
    """Return a batch as bytes for the spool and the quarantine."""
    return _SPOOL_FORMAT + _encoder.encode(rows)


def decode_rows(data: bytes) -> BatchRows:
    """Return the batch that `encode_rows` made the bytes of, here or in the version before there were moves.

    Raises:
        StorageError: they are something else, or of a later version.
    """
    if data[:1] not in {_SPOOL_FORMAT, _SPOOL_WITHOUT_TRACES}:
        raise StorageError("the record is not of a format that this version reads")
    try:
        rows = _decoder.decode(memoryview(data)[1:])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StorageError(f"the record does not hold a batch: {error}") from error
    return rows if data[:1] == _SPOOL_FORMAT else replace(rows, tail=rows.tail + NO_TRACES)


def local_day(batch: Batch, site: Site, received_ms: int) -> datetime.date:
    """Return the day, in the site's time zone, on which the view began by the server's clock."""
    return _day_of(site.time_zone, started_ms(batch, received_ms) // _QUARTER_MS)


@lru_cache(1_024)
def _day_of(time_zone: str, quarter: int) -> datetime.date:
    return datetime.datetime.fromtimestamp(quarter * _QUARTER_MS / 1000, zoneinfo.ZoneInfo(time_zone)).date()


def pack_prefix(columns: Sequence[str], key: ShardKey, fact_day: datetime.date, flush_id: int) -> bytes:
    """Return the beginning of each row of one shard key in one flush: number of columns, shard key, day and flush."""
    return _PREFIX.pack(len(columns), 8, key, 4, encode_day(fact_day), 8, flush_id)


class RowBuilder:
    """Makes rows of batches; remembers the names it has met, and leaves out what `known` says is stored."""

    def __init__(self, known: Dictionaries) -> None:
        self._known = known
        self._names = NameBook()

    def build(self, batch: Batch, site: Site, salt: bytes, arrival: Arrival) -> BatchRows:
        """Return the rows of a batch; `salt` is that of its local day."""
        visitor = _visitor(batch, site, salt, arrival)
        key = shard_key(site.site_id, visitor % site.buckets)
        page = self._names.page_of(key, batch.view.path, site)
        devices = [_device(batch, site, geometry) for geometry in batch.geometries]
        layout_key = LayoutKey(key, page.page_id, devices[-1], width_class(batch.geometries[-1][0]))
        named = self._names.elements_of(key, batch.entries)
        ids = [row.element_id for row in named]
        day = local_day(batch, site, arrival.received_ms)
        return BatchRows(
            shard_key=key,
            batch_id=batch.batch_id,
            received_ms=arrival.received_ms,
            visitor=visitor,
            layout_key=layout_key,
            page=None if (key, page.page_id) in self._known.pages.keys else page,
            elements=self._fresh_elements(key, named, batch),
            layout=_build_layout(batch, layout_key, ids, arrival),
            tail=_pack_view(batch, layout_key, ids, _Begin(visitor, day, arrival))
            + pack_clicks(batch, ids, devices)
            + pack_traces(batch, ids),
            clicks=0 if batch.clicks is UNSET else len(batch.clicks.elements),
            moves=0 if batch.moves is UNSET else len(batch.moves.elements),
            signals=0 if batch.signals is UNSET else len(batch.signals.elements),
        )

    def _fresh_elements(self, key: ShardKey, named: Sequence[ElementRow], batch: Batch) -> tuple[ElementRow, ...]:
        """Return the elements that may not be stored yet and that the batch uses, or whose descendant it uses."""
        known = self._known.elements.keys
        for row in named:
            if (key, row.element_id) not in known:
                break
        else:
            return ()
        used = _used_indices(batch)
        for index in sorted(used, reverse=True):
            _add_ancestors(batch.entries, index, used)
        fresh: dict[ElementId, ElementRow] = {}
        for index in sorted(used):
            entry = batch.entries[index]
            rows = self._names.chain_of(key, entry) if isinstance(entry, str) else [named[index]]
            fresh.update((row.element_id, row) for row in rows)
        return tuple(row for row in fresh.values() if (key, row.element_id) not in known)


class _Begin(NamedTuple):
    visitor: int
    day: datetime.date
    arrival: Arrival


def _visitor(batch: Batch, site: Site, salt: bytes, arrival: Arrival) -> VisitorKey:
    kept = batch.view.kept_visitor
    if kept is not UNSET:
        return kept_visitor_key(site.site_id, kept)
    return visitor_key(salt, site.site_id, arrival.address, arrival.user_agent)


def _device(batch: Batch, site: Site, geometry: Geometry) -> Device:
    return device_class(geometry[0], bool(batch.view.pointer_is_coarse), site.tablet_min_px, site.desktop_min_px)


def _pack_view(batch: Batch, key: LayoutKey, ids: Sequence[ElementId], begin: _Begin) -> bytes:
    view = batch.view
    view_id = int.from_bytes(bytes.fromhex(view.view_id), "big", signed=True)
    started = encode_instant(started_ms(batch, begin.arrival.received_ms))
    viewport_w, viewport_h, doc_w, doc_h = batch.geometries[-1]
    # fmt: off
    fixed = _VIEW.pack(
        8, view_id, 8, begin.visitor, 8, key.page_id, 2, key.device, 2, view.navigation, 4, view.seq,
        8, started, 4, encode_day(begin.day), 4, view.active_ms, 4, view.engaged_ms,
        4, viewport_w, 4, viewport_h, 4, doc_w, 4, doc_h, 4, view.depth[0], 4, view.depth[1],
        4, begin.arrival.bot_signs, 2, begin.arrival.bot_score,
    )
    # fmt: on
    exit_id = None if view.exit_section is UNSET else ids[view.exit_section]
    referrer = encode_text(view.referrer_host or None)
    return b"".join((fixed, referrer, encode_bigint(exit_id), _pack_sections(batch, ids)))


def _pack_sections(batch: Batch, ids: Sequence[ElementId]) -> bytes:
    """Pack the three section columns; a section that is named twice is one, with the larger time and all its flags."""
    if batch.sections is UNSET or not batch.sections:
        return _NO_SECTIONS
    merged: dict[ElementId, tuple[int, int]] = {}
    for index, ms, flags in batch.sections:
        section = ids[index]
        if section in merged:
            known_ms, known_flags = merged[section]
            merged[section] = max(ms, known_ms), flags | known_flags
        else:
            merged[section] = ms, flags
    n = len(merged)
    values: list[int] = [20 + 12 * n, 1, 0, BIGINT_OID, n, 1]
    for section in merged:
        values += (8, section)
    values += (20 + 8 * n, 1, 0, INT_OID, n, 1)
    for ms, _ in merged.values():
        values += (4, ms)
    values += (20 + 6 * n, 1, 0, SMALLINT_OID, n, 1)
    for _, flags in merged.values():
        values += (2, flags)
    return _section_format(n).pack(*values)


@lru_cache(256)
def _section_format(n: int) -> struct.Struct:
    """Return the three arrays of `n` sections as one format: packed at once they cost half."""
    head = "iiiiii"
    return struct.Struct(f">{head}{'iq' * n}{head}{'ii' * n}{head}{'ih' * n}")


_NO_SECTIONS = b"".join(encode_empty_array(oid) for oid in (BIGINT_OID, INT_OID, SMALLINT_OID))


def _used_indices(batch: Batch) -> set[int]:
    used = used_elements(batch)
    if batch.sections is not UNSET:
        used.update(section[0] for section in batch.sections)
    if batch.view.exit_section is not UNSET:
        used.add(batch.view.exit_section)
    if batch.layout is not UNSET:
        used.update(batch.layout.elements)
        used.update(box[0] for box in batch.layout.sections)
    return used


def _add_ancestors(entries: Sequence[str | tuple[int, str]], index: int, used: set[int]) -> None:
    entry = entries[index]
    while not isinstance(entry, str) and entry[0] >= 0 and entry[0] not in used:
        used.add(entry[0])
        entry = entries[entry[0]]


def _build_layout(batch: Batch, key: LayoutKey, ids: Sequence[ElementId], arrival: Arrival) -> LayoutRow | None:
    layout = batch.layout
    if layout is UNSET:
        return None
    kept = _first_of_each(ids[index] for index in layout.elements)
    sections = [layout.sections[place] for place in _first_of_each(ids[box[0]] for box in layout.sections)]
    placed = [ids[layout.elements[place]] for place in kept]
    columns = (layout.x_px, layout.y_px, layout.w_px, layout.h_px)
    return LayoutRow(
        key=key,
        captured_at=instant(arrival.received_ms),
        version=_layout_version(placed) if layout.structure is UNSET else layout.structure,
        title=layout.title,
        size=LayoutSize(*batch.geometries[-1]),
        elements=Boxes(list(placed), *([column[place] for place in kept] for column in columns)),
        roles=[layout.roles[place] for place in kept],
        labels=[layout.labels[place] for place in kept],
        sections=_section_boxes(sections, ids),
        section_words=[box[5] for box in sections],
        section_images=[box[6] for box in sections],
        section_titles=[box[7] for box in sections],
        has_structure=layout.structure is not UNSET,
    )


def _section_boxes(sections: Sequence[SectionBox], ids: Sequence[ElementId]) -> Boxes:
    return Boxes(
        [ids[box[0]] for box in sections],
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
