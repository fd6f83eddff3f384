"""The sparse arrays in which rollups keep clicks and histograms, and their packed form.

Pure numpy: bytes or arrays in, values out. Nothing here knows a page, a layout or a table. The packed forms are what
`rollup_clicks.cells` and the histogram columns of the rollups hold, so a change of either needs a new version byte and
a reader for the old one.
"""

import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
UInt8 = npt.NDArray[np.uint8]

FRAC_STEPS = 255
"""A click's place in its element is stored as 0..255 of the element's width and height."""

MAX_CELL_CLICKS = 2**31 - 1
"""Most clicks of one packed cell: the code of a cell's two counts then fits 63 bits."""

_CELLS_VERSION = 1
_BINS_PLAIN = 1
_BINS_ZSTD = 2
_ZSTD_LEVEL = 1  # level 3 packs within 2 % of it at half the speed
_ZSTD_MIN_BYTES = 64  # below it a frame's header costs more than it saves
_BOX_COLUMNS = 5


@dataclass(frozen=True, slots=True, eq=False)
class ElementBoxes:
    """The box of each element at its most recent click, in CSS px of the document: one row an element, sorted by id."""

    element_ids: Int64
    x_px: Int32
    y_px: Int32
    w_px: Int32
    h_px: Int32
    viewport_w_px: Int32

    def take(self, rows: Int64) -> "ElementBoxes":
        """Return the given rows, in the given order."""
        columns = (self.x_px, self.y_px, self.w_px, self.h_px, self.viewport_w_px)
        return ElementBoxes(self.element_ids[rows], *(column[rows] for column in columns))


@dataclass(frozen=True, slots=True, eq=False)
class ClickCells:
    """Clicks of one page counted by cell: one row per non-zero cell, sorted by (element, x, y).

    `first_clicks` counts the clicks that were their view's first on the element, so its sum over an element's cells is
    the number of views that clicked it. `boxes` has exactly the elements that have cells.
    """

    element_ids: Int64
    x_frac: UInt8
    y_frac: UInt8
    clicks: Int64
    first_clicks: Int64
    boxes: ElementBoxes

    @property
    def total(self) -> int:
        """The number of clicks in all cells."""
        return int(self.clicks.sum())


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Counts by bin, sorted, without empty bins. Only a difference (see `build_histogram`) has negative counts."""

    bins: Int64
    counts: Int64

    @property
    def total(self) -> int:
        """The sum of all counts."""
        return int(self.counts.sum())


def build_boxes(element_ids: npt.ArrayLike, x_px: npt.ArrayLike, y_px: npt.ArrayLike, w_px: npt.ArrayLike,
                h_px: npt.ArrayLike, viewport_w_px: npt.ArrayLike) -> ElementBoxes:  # fmt: skip
    """Return the last box of each element; rows are clicks, oldest first, with the box that each one saw."""
    ids = np.asarray(element_ids, np.int64)
    columns = [np.asarray(column, np.int32) for column in (x_px, y_px, w_px, h_px, viewport_w_px)]
    return _last_of_each(ElementBoxes(ids, *columns))


def box_edge_px(click_px: npt.ArrayLike, frac: npt.ArrayLike, size_px: npt.ArrayLike) -> Int32:
    """Return where a box begins on one axis, from a click's position in the document and its fraction of the box."""
    inside = np.asarray(frac, np.float64) * np.asarray(size_px, np.float64) / FRAC_STEPS
    return np.rint(np.asarray(click_px, np.float64) - inside).astype(np.int32)


def build_cells(
    element_ids: npt.ArrayLike, x_frac: npt.ArrayLike, y_frac: npt.ArrayLike, nth: npt.ArrayLike, boxes: ElementBoxes
) -> ClickCells:
    """Return the cells of raw clicks, one row each in any order; `nth` is 1 for a view's first click on the element.

    `boxes` has a box of each element (see `build_boxes`) and may have more.
    """
    ids = np.asarray(element_ids, np.int64)
    first = np.asarray(nth) == 1
    elements = np.unique(ids)
    # One 64-bit code per click sorts four times as fast as an argsort of its columns.
    codes = np.searchsorted(elements, ids) << 17
    codes |= np.asarray(x_frac, np.int64) << 9 | np.asarray(y_frac, np.int64) << 1 | first
    codes.sort()
    starts = _starts(codes >> 1)
    clicks = np.diff(np.append(starts, codes.size))
    return _cells(elements, codes[starts] >> 1, clicks, _sum_runs(codes & 1, starts), _boxes_of(elements, boxes))


def merge_cells(parts: Sequence[ClickCells]) -> ClickCells:
    """Return the sum of several sets of cells, oldest first: the box of the last that has the element wins."""
    if len(parts) == 1:
        return parts[0]
    boxes = _last_of_each(_concatenate_boxes([part.boxes for part in parts]))
    elements = boxes.element_ids
    codes = np.concatenate([_codes(part, elements) for part in parts]) if parts else np.empty(0, np.int64)
    order = np.argsort(codes, kind="stable")
    codes = codes[order]
    starts = _starts(codes)
    clicks, first = (
        _sum_runs(np.concatenate([getattr(part, name) for part in parts] or [codes])[order], starts)
        for name in ("clicks", "first_clicks")
    )
    return _cells(elements, codes[starts], clicks, first, boxes)


def pack_cells(cells: ClickCells) -> bytes:
    """Return the cells in as few bytes as is cheap: empty for none, else a version byte and a zstd frame.

    A cell is written as its gap to the one before, counted in the grid of those x and y values that its element has at
    all (an 80-px link has 80 of the 256). Most cells hold one first click; only the others have their counts written.

    Raises:
        ValueError: a cell has no click, fewer clicks than first clicks, or more than `MAX_CELL_CLICKS`.
    """
    if cells.element_ids.size == 0:
        return b""
    if (
        np.any(cells.clicks < 1)
        or np.any(cells.clicks > MAX_CELL_CLICKS)
        or np.any(cells.first_clicks < 0)
        or np.any(cells.first_clicks > cells.clicks)
    ):
        raise ValueError("a cell's counts must be 0 <= first_clicks <= clicks, 1 <= clicks < 2**31")
    elements = cells.boxes.element_ids
    rank = np.searchsorted(elements, cells.element_ids)
    columns, column_of = np.unique(rank << 8 | cells.x_frac, return_inverse=True)
    rows, row_of = np.unique(rank << 8 | cells.y_frac, return_inverse=True)
    columns_n, rows_n = (np.bincount(keys >> 8, minlength=elements.size) for keys in (columns, rows))
    first_column, first_row = (np.cumsum(sizes) - sizes for sizes in (columns_n, rows_n))
    index = (column_of - first_column[rank]) * rows_n[rank] + row_of - first_row[rank]
    special = np.flatnonzero((cells.clicks != 1) | (cells.first_clicks != 1))
    numbers = np.concatenate([
        [cells.clicks.size, special.size],
        np.bincount(rank, minlength=elements.size), columns_n, rows_n,
        _gaps(columns & 255, columns >> 8), _gaps(rows & 255, rows >> 8), _gaps(index, rank),
        np.diff(special, prepend=-1) - 1,
        _count_codes(cells.clicks[special], cells.first_clicks[special]),
        *(_zigzag(column) for column in _box_columns(cells.boxes)),
    ])  # fmt: skip
    body = struct.pack("<I", elements.size) + elements.astype("<i8").tobytes() + _encode_varints(numbers)
    return bytes([_CELLS_VERSION]) + zstd.compress(body, _ZSTD_LEVEL)


def unpack_cells(packed: bytes) -> ClickCells:
    """Return what `pack_cells` packed.

    Raises:
        ValueError: the bytes are of another version or damaged.
    """
    if not packed:
        return merge_cells([])
    if packed[0] != _CELLS_VERSION:
        raise ValueError(f"click cells of version {packed[0]} cannot be read; this version reads {_CELLS_VERSION}")
    try:
        return _decode_cells(zstd.decompress(packed[1:]))
    except (zstd.ZstdError, struct.error, IndexError) as error:
        raise ValueError(f"{len(packed)} bytes of click cells are damaged") from error


def build_histogram(bins: npt.ArrayLike, counts: npt.ArrayLike) -> Histogram:
    """Return the sums of `counts` by bin, given in any order; counts may be negative, to take something away later."""
    keys = np.asarray(bins, np.int64)
    order = np.argsort(keys, kind="stable")
    starts = _starts(keys[order])
    sums = _sum_runs(np.asarray(counts, np.int64)[order], starts)
    kept = sums != 0
    return Histogram(keys[order][starts][kept], sums[kept])


def add_histograms(histograms: Sequence[Histogram]) -> Histogram:
    """Return the sum of all.

    Raises:
        ValueError: a bin would hold less than nothing: something is taken away that was never added.
    """
    if not histograms:
        return build_histogram([], [])
    bins, counts = (np.concatenate([getattr(each, name) for each in histograms]) for name in ("bins", "counts"))
    total = build_histogram(bins, counts)
    if np.any(total.counts < 0):
        raise ValueError(f"bin {total.bins[total.counts < 0][0]} of a histogram would become negative")
    return total


def pack_histogram(histogram: Histogram) -> bytes:
    """Return the histogram in few bytes; none for an empty one.

    Raises:
        ValueError: a count or a bin is negative.
    """
    if histogram.bins.size == 0:
        return b""
    if np.any(histogram.counts < 0) or np.any(histogram.bins < 0):
        raise ValueError("a histogram with negative counts or bins is a difference and cannot be stored")
    gaps = np.diff(histogram.bins, prepend=-1) - 1
    body = _encode_varints(np.concatenate([gaps, histogram.counts]))
    squeezed = zstd.compress(body, _ZSTD_LEVEL) if len(body) >= _ZSTD_MIN_BYTES else body
    return bytes([_BINS_ZSTD]) + squeezed if len(squeezed) < len(body) else bytes([_BINS_PLAIN]) + body


def unpack_histogram(packed: bytes) -> Histogram:
    """Return what `pack_histogram` packed.

    Raises:
        ValueError: the bytes are of another version or damaged.
    """
    if not packed:
        return build_histogram([], [])
    if packed[0] not in {_BINS_PLAIN, _BINS_ZSTD}:
        raise ValueError(f"a histogram of version {packed[0]} cannot be read; this version reads up to {_BINS_ZSTD}")
    try:
        body = zstd.decompress(packed[1:]) if packed[0] == _BINS_ZSTD else packed[1:]
    except zstd.ZstdError as error:
        raise ValueError(f"{len(packed)} bytes of a histogram are damaged") from error
    numbers = _decode_varints(np.frombuffer(body, np.uint8))
    if numbers.size % 2:
        raise ValueError(f"{len(packed)} bytes of a histogram are damaged")
    gaps, counts = np.split(numbers, 2)
    return Histogram(np.cumsum(gaps + 1) - 1, counts)


def _cells(elements: Int64, codes: Int64, clicks: Int64, first: Int64, boxes: ElementBoxes) -> ClickCells:
    x_frac, y_frac = (codes >> 8 & 255).astype(np.uint8), (codes & 255).astype(np.uint8)
    return ClickCells(elements[codes >> 16], x_frac, y_frac, clicks, first, boxes)


def _codes(cells: ClickCells, elements: Int64) -> Int64:
    """Return each cell's place in the order (element, x, y), with elements by their rank in `elements`."""
    rank = np.searchsorted(elements, cells.element_ids)
    return rank << 16 | cells.x_frac.astype(np.int64) << 8 | cells.y_frac


def _starts(sorted_keys: Int64) -> Int64:
    """Return where each run of equal keys begins."""
    changes = np.ones(sorted_keys.size, np.bool_)
    changes[1:] = sorted_keys[1:] != sorted_keys[:-1]
    return np.flatnonzero(changes)


def _sum_runs(values: Int64, starts: Int64) -> Int64:
    return np.add.reduceat(values, starts) if starts.size else np.empty(0, np.int64)


def _boxes_of(elements: Int64, boxes: ElementBoxes) -> ElementBoxes:
    rows = np.searchsorted(boxes.element_ids, elements)
    if np.any(rows == boxes.element_ids.size) or np.any(boxes.element_ids[rows] != elements):
        raise ValueError("each clicked element needs its box")
    return boxes.take(rows)


def _last_of_each(boxes: ElementBoxes) -> ElementBoxes:
    order = np.argsort(boxes.element_ids, kind="stable")
    starts = _starts(boxes.element_ids[order])
    return boxes.take(order[np.append(starts[1:], order.size) - 1] if order.size else order)


def _box_columns(boxes: ElementBoxes) -> tuple[Int32, ...]:
    return boxes.x_px, boxes.y_px, boxes.w_px, boxes.h_px, boxes.viewport_w_px


def _concatenate_boxes(parts: Sequence[ElementBoxes]) -> ElementBoxes:
    ids = np.concatenate([part.element_ids for part in parts] or [np.empty(0, np.int64)])
    columns = zip(*(_box_columns(part) for part in parts), strict=True) if parts else [()] * _BOX_COLUMNS
    return ElementBoxes(ids, *(np.concatenate(column or [np.empty(0, np.int32)]) for column in columns))


def _gaps(values: Int64, groups: Int64) -> Int64:
    """Return the number of values skipped before each one; every group counts from 0 anew."""
    starts = _starts(groups)
    gaps = np.diff(values, prepend=-1) - 1
    gaps[starts] = values[starts]
    return gaps


def _undo_gaps(gaps: Int64, sizes: Int64) -> Int64:
    starts = np.cumsum(sizes) - sizes
    sums = np.cumsum(gaps + 1)
    before = (sums - gaps - 1)[starts] if gaps.size else sums
    values: Int64 = sums - 1 - np.repeat(before, sizes)
    return values


def _count_codes(clicks: Int64, first_clicks: Int64) -> Int64:
    """Return the number of the pair (clicks, repeated clicks) in the triangle (1,0) (1,1) (2,0) (2,1) (2,2) (3,0) …."""
    return (clicks - 1) * (clicks + 2) // 2 + clicks - first_clicks


def _undo_count_codes(codes: Int64) -> tuple[Int64, Int64]:
    clicks = ((np.sqrt(8.0 * codes + 9.0) - 1.0) / 2.0).astype(np.int64)
    clicks -= (clicks - 1) * (clicks + 2) // 2 > codes  # the root of a large code may be rounded up, never down
    return clicks, clicks - (codes - (clicks - 1) * (clicks + 2) // 2)


def _zigzag(values: Int32) -> Int64:
    wide = values.astype(np.int64)
    folded: Int64 = wide << 1 ^ wide >> 63
    return folded


def _undo_zigzag(values: Int64) -> Int32:
    return (values >> 1 ^ -(values & 1)).astype(np.int32)


def _encode_varints(numbers: Int64) -> bytes:
    """Return the numbers in LEB128: seven bits a byte, lowest first, the high bit set on all but the last byte."""
    sizes = np.ones(numbers.size, np.int64)
    rest = numbers >> 7
    while np.any(rest):
        sizes += rest > 0
        rest = rest >> 7
    starts = np.cumsum(sizes) - sizes
    encoded = np.zeros(int(sizes.sum()), np.uint8)
    for step in range(int(sizes.max(initial=0))):
        longer = sizes > step
        more = (sizes[longer] > step + 1).astype(np.uint8) << 7
        encoded[starts[longer] + step] = (numbers[longer] >> 7 * step & 127).astype(np.uint8) | more
    return encoded.tobytes()


def _decode_varints(encoded: UInt8) -> Int64:
    ends = np.flatnonzero(encoded < 128)
    if encoded.size and (ends.size == 0 or ends[-1] != encoded.size - 1):
        raise ValueError("packed numbers end in the middle of one")
    starts = np.append(0, ends[:-1] + 1) if ends.size else ends
    numbers = (encoded[starts] & 127).astype(np.int64)
    sizes = ends - starts + 1
    for step in range(1, int(sizes.max(initial=1))):
        longer = np.flatnonzero(sizes > step)
        numbers[longer] |= (encoded[starts[longer] + step] & 127).astype(np.int64) << 7 * step
    return numbers


def _decode_cells(body: bytes) -> ClickCells:
    (elements_n,) = struct.unpack_from("<I", body)
    elements = np.frombuffer(body, "<i8", elements_n, 4).astype(np.int64)
    numbers = _Reader(_decode_varints(np.frombuffer(body, np.uint8, offset=4 + 8 * elements_n)))
    cells_n, special_n = numbers.take(2)
    sizes, columns_n, rows_n = (numbers.take(elements_n) for _ in range(3))
    columns, rows = (_undo_gaps(numbers.take(int(each.sum())), each) for each in (columns_n, rows_n))
    index = _undo_gaps(numbers.take(int(cells_n)), sizes)
    special = np.cumsum(numbers.take(int(special_n)) + 1) - 1
    clicks, first = np.ones(index.size, np.int64), np.ones(index.size, np.int64)
    clicks[special], first[special] = _undo_count_codes(numbers.take(int(special_n)))
    boxes = ElementBoxes(elements, *(_undo_zigzag(numbers.take(elements_n)) for _ in range(_BOX_COLUMNS)))
    rank = np.repeat(np.arange(elements_n), sizes)
    column, row = np.divmod(index, rows_n[rank])
    x_frac = columns[column + (np.cumsum(columns_n) - columns_n)[rank]].astype(np.uint8)
    y_frac = rows[row + (np.cumsum(rows_n) - rows_n)[rank]].astype(np.uint8)
    return ClickCells(elements[rank], x_frac, y_frac, clicks, first, boxes)


class _Reader:
    """Hands out the numbers of a packed body in order."""

    def __init__(self, numbers: Int64) -> None:
        self._numbers = numbers
        self._at = 0

    def take(self, size: int) -> Int64:
        """Return the next `size` numbers."""
        taken = self._numbers[self._at : self._at + size]
        if taken.size != size:
            raise IndexError(size)
        self._at += size
        return taken
