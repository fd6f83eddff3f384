"""Reads stored facts as they come from Postgres: view reports into states; packed clicks, moves, signals into columns.

Pure. All rows and records have a constant size, so numpy reads them all at once; reports, some twelve times fewer than
the events in them, then become states one by one.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from collector.copied import read_rows
from collector.errors import StorageError
from collector.ids import BUTTON_MASK, Device, FlushId, PageId, SectionId, ViewId, VisitorKey
from collector.packing import CLICK_FIELDS, MOVE_FIELDS, SIGNAL_FIELDS
from collector.pgcopy import EPOCH_DAY
from collector.store import SECTION_FIELDS, VIEW_FIELDS, Packed, PackedSignals
from heatmap.visits import Sections, ViewState, Visit, join_sections, merge_states

Int64: TypeAlias = npt.NDArray[np.int64]

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # Postgres counts timestamps in µs from here
_UNUSED = {"navigation", "viewport_w_px", "doc_w_px", "flush_id"}
_CLICK = np.dtype(list(CLICK_FIELDS))
_MOVE = np.dtype(list(MOVE_FIELDS))
_SIGNAL = np.dtype(list(SIGNAL_FIELDS))
_STATE_FIELDS = tuple(name for name, _ in VIEW_FIELDS if name not in _UNUSED)


@dataclass(frozen=True, slots=True, eq=False)
class ClickRows:
    """Clicks as stored, one row each, by column; `view_of` is each click's place in `view_ids`, which are distinct.

    `view_flushes` has the flushes that hold clicks of a view.
    """

    view_ids: Int64
    view_flushes: dict[ViewId, list[FlushId]]
    view_clicks: Int64
    view_of: Int64
    element_ids: Int64
    at_ms: Int64
    x_px: Int64
    y_px: Int64
    element_w_px: Int64
    element_h_px: Int64
    viewport_w_px: Int64
    nth: Int64
    x_frac: Int64
    y_frac: Int64
    kinds: Int64


@dataclass(frozen=True, slots=True, eq=False)
class MoveRows:
    """Moves as stored, one row each, by column; `view_ids` names the view of each, whose moves lie in their order."""

    view_ids: Int64
    element_ids: Int64
    at_ms: Int64
    x_px: Int64
    y_px: Int64
    x_frac: Int64
    y_frac: Int64


@dataclass(frozen=True, slots=True, eq=False)
class SignalRows:
    """Signals as stored, one row each, by column; `view_ids` names the view of each.

    `element_ids` is 0 where a signal is about none, `kinds` are `ids.SignalKind` and may be some of a newer snippet.
    """

    view_ids: Int64
    element_ids: Int64
    at_ms: Int64
    kinds: Int64
    values: Int64
    extras: Int64
    texts: list[str]


def parse_clicks(stored: Packed) -> ClickRows:
    """Return the clicks of `store.load_clicks`: the primary ones, since others are none by their definition.

    Raises:
        StorageError: the bytes are something else.
    """
    all_rows, report_of = _read_records(stored, _CLICK, "clicks")
    is_primary = all_rows["kind"] & BUTTON_MASK == 0
    rows, report_of = all_rows[is_primary], report_of[is_primary]
    reports, place_of = np.unique(report_of, return_inverse=True)
    view_ids, view_of_report = np.unique(np.array(stored.view_ids, dtype=np.int64)[reports], return_inverse=True)
    view_of = view_of_report[place_of]
    return ClickRows(
        view_ids=view_ids,
        view_flushes=_group_flushes(stored, reports),
        view_clicks=np.bincount(view_of, minlength=view_ids.size),
        view_of=view_of,
        element_ids=_column(rows, "element_id"),
        at_ms=_column(rows, "at_ms"),
        x_px=_column(rows, "x_px"),
        y_px=_column(rows, "y_px"),
        element_w_px=_column(rows, "element_w_px"),
        element_h_px=_column(rows, "element_h_px"),
        viewport_w_px=_column(rows, "viewport_w_px"),
        nth=_column(rows, "nth"),
        x_frac=_column(rows, "x_frac"),
        y_frac=_column(rows, "y_frac"),
        kinds=_column(rows, "kind"),
    )


def parse_moves(stored: Packed) -> MoveRows:
    """Return the moves of `store.load_moves` or `load_page_moves`.

    Raises:
        StorageError: the bytes are something else.
    """
    rows, report_of = _read_records(stored, _MOVE, "moves")
    return MoveRows(
        view_ids=np.array(stored.view_ids, dtype=np.int64)[report_of],
        element_ids=_column(rows, "element_id"),
        at_ms=_column(rows, "at_ms"),
        x_px=_column(rows, "x_px"),
        y_px=_column(rows, "y_px"),
        x_frac=_column(rows, "x_frac"),
        y_frac=_column(rows, "y_frac"),
    )


def parse_signals(stored: PackedSignals) -> SignalRows:
    """Return the signals of `store.load_signals` or `load_page_signals`.

    Raises:
        StorageError: the bytes are something else, or not every signal has a text.
    """
    rows, report_of = _read_records(stored, _SIGNAL, "signals")
    if len(stored.texts) != rows.size:
        raise StorageError(f"{rows.size} signals have {len(stored.texts)} texts")
    return SignalRows(
        view_ids=np.array(stored.view_ids, dtype=np.int64)[report_of],
        element_ids=_column(rows, "element_id"),
        at_ms=_column(rows, "at_ms"),
        kinds=_column(rows, "kind"),
        values=_column(rows, "value"),
        extras=_column(rows, "extra"),
        texts=stored.texts,
    )


def _read_records(stored: Packed, record: np.dtype[np.void], name: str) -> tuple[npt.NDArray[np.void], Int64]:
    """Return all records, and of each the place of its report in `stored`."""
    lengths = np.array(stored.lengths, dtype=np.int64)
    if (lengths % record.itemsize).any() or lengths.sum() != len(stored.packed):
        raise StorageError(f"{len(stored.packed)} bytes do not hold {name} of {record.itemsize} bytes")
    report_of = np.repeat(np.arange(lengths.size), lengths // record.itemsize)
    return np.frombuffer(stored.packed, dtype=record), report_of


def _column(rows: npt.NDArray[np.void], name: str) -> Int64:
    return rows[name].astype(np.int64)


def _group_flushes(stored: Packed, reports: Int64) -> dict[ViewId, list[FlushId]]:
    by_view: defaultdict[ViewId, list[FlushId]] = defaultdict(list)
    places = {(stored.view_ids[report], stored.flush_ids[report]) for report in reports.tolist()}
    for view_id, flush_id in sorted(places):
        by_view[ViewId(view_id)].append(FlushId(flush_id))
    return by_view


def parse_views(reports: bytes, sections: bytes) -> dict[ViewId, ViewState]:
    """Return one state per view, without clicks, from streams of `store.copy_view_reports` and `copy_sections`.

    Where the reports of a view disagree on page, device or day, the one of the lowest `seq` names them; so with the
    visitor, unless a report has an id that the browser keeps.

    Raises:
        StorageError: the bytes are something else.
    """
    rows = read_rows(reports, VIEW_FIELDS)
    columns = [rows[name].tolist() for name in _STATE_FIELDS]
    by_view: defaultdict[ViewId, list[ViewState]] = defaultdict(list)
    for values in zip(*columns, strict=True):
        by_view[ViewId(values[0])].append(_state(values))
    read = _parse_sections(sections)
    return {view_id: join_sections(_merge(states), read.get(view_id, {})) for view_id, states in by_view.items()}


def _parse_sections(copied: bytes) -> dict[ViewId, Sections]:
    rows = read_rows(copied, SECTION_FIELDS)
    names = ("view_id", "section_id", "section_ms", "section_flags")
    by_view: defaultdict[ViewId, Sections] = defaultdict(dict)
    for view_id, section_id, time_ms, flags in zip(*(rows[name].tolist() for name in names), strict=True):
        known_ms, known_flags = by_view[view_id].get(section_id, (0, 0))
        by_view[view_id][section_id] = (max(known_ms, time_ms), known_flags | flags)
    return by_view


def _merge(states: Iterable[ViewState]) -> ViewState:
    first, *others = sorted(states, key=lambda state: state.seq)
    for other in others:
        first = merge_states(first, other)
    return first


def _state(values: tuple[int, ...]) -> ViewState:
    view_id, visitor_key, page_id, device, seq, started_us, local_day, active_ms, engaged_ms, *rest = values
    viewport_h_px, doc_h_px, depth_px, depth_doc_h_px, exit_section_id, bot_signs = rest
    visit = Visit(
        view_id=ViewId(view_id),
        visitor_key=VisitorKey(visitor_key),
        page_id=PageId(page_id),
        device=Device(device),
        local_day=EPOCH_DAY + timedelta(days=local_day),
        started_at=_EPOCH + timedelta(microseconds=started_us),
        active_ms=active_ms,
        engaged_ms=engaged_ms,
        clicks=0,
    )
    exit_id = SectionId(exit_section_id) if exit_section_id else None
    return ViewState(visit, seq, viewport_h_px, doc_h_px, depth_px, depth_doc_h_px, exit_id, {}, bot_signs)
