"""Cells and histograms: exact sums, and packed forms that give back what they were given."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heatmap import grid

unhurried = settings(deadline=None)  # a busy machine is no fault of the code

IDS = [-(2**63), -5, 1, 7, 2**63 - 1]


def boxes_of(ids, **columns):
    """Return one box per id, at (10, 20), 100 × 50, seen at 1440."""
    n = len(ids)
    given_columns = {
        "x_px": [10] * n,
        "y_px": [20] * n,
        "w_px": [100] * n,
        "h_px": [50] * n,
        "viewport_w_px": [1440] * n,
    }
    return grid.build_boxes(ids, **(given_columns | columns))


def cells_of(rows):
    """Return the cells of raw clicks given as (element, x, y, nth)."""
    ids, x, y, nth = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [], [])
    return grid.build_cells(ids, x, y, nth, boxes_of(ids))


def as_rows(cells):
    """Return the cells as (element, x, y, clicks, first clicks)."""
    columns = (cells.element_ids, cells.x_frac, cells.y_frac, cells.clicks, cells.first_clicks)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def box_rows(boxes):
    """Return the boxes as (element, x, y, w, h, viewport width)."""
    columns = (boxes.element_ids, boxes.x_px, boxes.y_px, boxes.w_px, boxes.h_px, boxes.viewport_w_px)
    return list(zip(*(column.tolist() for column in columns), strict=True))


clicks_st = st.lists(
    st.tuples(
        st.sampled_from(IDS), st.integers(0, 255), st.integers(0, 255) | st.just(9), st.sampled_from([1, 1, 2, 3])
    ),
    max_size=60,
)
histogram_st = st.dictionaries(st.integers(0, 2**40) | st.integers(0, 30), st.integers(1, 2**40), max_size=30).map(
    lambda pairs: grid.build_histogram(list(pairs), list(pairs.values()))
)


def test_clicks_on_one_spot_share_a_cell():
    """Clicks with the same element and fractions are counted in one cell, first clicks apart."""
    cells = cells_of([(7, 3, 4, 1), (1, 0, 255, 1), (7, 3, 4, 2), (7, 3, 3, 1), (7, 3, 4, 1)])

    assert as_rows(cells) == [(1, 0, 255, 1, 1), (7, 3, 3, 1, 1), (7, 3, 4, 3, 2)]
    assert cells.total == 5


def test_the_last_box_of_an_element_is_kept():
    """An element's box is the one of its most recent click."""
    boxes = boxes_of([7, 1, 7], x_px=[1, 2, 3])

    assert box_rows(boxes) == [(1, 2, 20, 100, 50, 1440), (7, 3, 20, 100, 50, 1440)]


def test_a_click_without_a_box_is_a_fault():
    """A clicked element that has no box is refused, not given its neighbour's."""
    with pytest.raises(ValueError, match="box"):
        grid.build_cells([1, 2], [0, 0], [0, 0], [1, 1], boxes_of([1]))


def test_a_box_edge_lies_where_the_click_and_its_fraction_say():
    """A click at 1,020 px in the middle of a 180-px box means that the box begins near 930 px."""
    assert grid.box_edge_px([1020, 300], [127, 0], [180, 640]).tolist() == [930, 300]


@unhurried
@given(clicks_st)
def test_cells_hold_every_click_once(rows):
    """Cells in order, no cell twice, and their counts equal a count by hand."""
    counted = {}
    for element, x, y, nth in rows:
        clicks, first = counted.get((element, x, y), (0, 0))
        counted[element, x, y] = (clicks + 1, first + (nth == 1))

    assert as_rows(cells_of(rows)) == [(*key, *counted[key]) for key in sorted(counted)]


@unhurried
@given(st.lists(clicks_st, max_size=4))
def test_merging_parts_equals_counting_all_at_once(parts):
    """Counting in parts and adding up gives the cells of all clicks together."""
    merged = grid.merge_cells([cells_of(rows) for rows in parts])

    assert as_rows(merged) == as_rows(cells_of([row for rows in parts for row in rows]))


def test_merging_keeps_the_newest_box():
    """Of two parts the later one says where an element was last seen."""
    old = grid.build_cells([7, 1], [0, 0], [0, 0], [1, 1], boxes_of([7, 1], x_px=[1, 2]))
    new = grid.build_cells([7], [0], [0], [1], boxes_of([7], x_px=[3]))

    assert box_rows(grid.merge_cells([old, new]).boxes) == [(1, 2, 20, 100, 50, 1440), (7, 3, 20, 100, 50, 1440)]


@unhurried
@given(clicks_st)
def test_packed_cells_come_back(rows):
    """Unpacking gives the very cells and boxes that were packed."""
    cells = cells_of(rows)
    back = grid.unpack_cells(grid.pack_cells(cells))

    assert as_rows(back) == as_rows(cells)
    assert box_rows(back.boxes) == box_rows(cells.boxes)


@unhurried
@given(
    st.lists(
        st.integers(1, grid.MAX_CELL_CLICKS).flatmap(lambda clicks: st.tuples(st.just(clicks), st.integers(0, clicks))),
        min_size=1,
        max_size=20,
    ),
    st.integers(-(2**31), 2**31 - 1),
)
def test_counts_and_boxes_of_any_size_are_packed_exactly(counts, edge_px):
    """Large counts and boxes outside the page come back exactly."""
    clicks, first = np.array(counts, np.int64).T
    ids = np.full(clicks.size, 7, np.int64)
    x, y = np.arange(clicks.size, dtype=np.uint8), np.zeros(clicks.size, np.uint8)
    cells = grid.ClickCells(ids, x, y, clicks, first, boxes_of([7], x_px=[edge_px]))
    back = grid.unpack_cells(grid.pack_cells(cells))

    assert as_rows(back) == as_rows(cells)
    assert box_rows(back.boxes) == box_rows(cells.boxes)


def test_no_cells_need_no_bytes():
    """An empty set of cells is packed as nothing, and nothing is unpacked as an empty set."""
    assert grid.pack_cells(cells_of([])) == b""
    assert as_rows(grid.unpack_cells(b"")) == []


@pytest.mark.parametrize(
    "damage", [lambda packed: b"\xff" + packed[1:], lambda packed: packed[:-3], lambda packed: packed[:1]]
)
def test_damaged_cells_are_refused(damage):
    """Bytes of another version or cut short raise instead of giving wrong counts."""
    packed = grid.pack_cells(cells_of([(7, 3, 4, 1), (1, 0, 255, 2)]))

    with pytest.raises(ValueError, match=r"damaged|version"):
        grid.unpack_cells(damage(packed))


def test_impossible_counts_are_not_packed():
    """More first clicks than clicks are a fault of the caller."""
    cells = cells_of([(7, 3, 4, 1)])
    wrong = grid.ClickCells(cells.element_ids, cells.x_frac, cells.y_frac, cells.clicks, cells.clicks + 1, cells.boxes)

    with pytest.raises(ValueError, match="first_clicks"):
        grid.pack_cells(wrong)


@unhurried
@given(st.lists(histogram_st, max_size=4))
def test_adding_histograms_adds_their_counts(histograms):
    """Each bin of the sum holds the sum of that bin."""
    expected = {}
    for histogram in histograms:
        for key, count in zip(histogram.bins.tolist(), histogram.counts.tolist(), strict=True):
            expected[key] = expected.get(key, 0) + count
    total = grid.add_histograms(histograms)

    assert dict(zip(total.bins.tolist(), total.counts.tolist(), strict=True)) == expected
    assert total.bins.tolist() == sorted(expected)


@unhurried
@given(histogram_st, histogram_st)
def test_what_was_added_can_be_taken_away(stored, added):
    """Adding a histogram and its negative gives back what was there before."""
    negative = grid.build_histogram(added.bins, -added.counts)
    back = grid.add_histograms([grid.add_histograms([stored, added]), negative])

    assert back.bins.tolist() == stored.bins.tolist()
    assert back.counts.tolist() == stored.counts.tolist()


def test_taking_away_what_is_not_there_is_a_fault():
    """A bin below zero raises, so that a wrong difference is seen and not stored."""
    with pytest.raises(ValueError, match="bin 3"):
        grid.add_histograms([grid.build_histogram([3], [1]), grid.build_histogram([3], [-2])])


@unhurried
@given(histogram_st)
def test_packed_histograms_come_back(histogram):
    """Unpacking gives the very bins and counts that were packed."""
    back = grid.unpack_histogram(grid.pack_histogram(histogram))

    assert back.bins.tolist() == histogram.bins.tolist()
    assert back.counts.tolist() == histogram.counts.tolist()


def test_an_empty_histogram_is_empty_bytes():
    """The default of the rollup's columns reads as an empty histogram, and is what one is written as."""
    assert grid.unpack_histogram(b"").total == 0
    assert grid.pack_histogram(grid.build_histogram([4], [0])) == b""


def test_differences_and_damage_are_not_stored_or_read():
    """A negative count is not packed, and a cut or foreign histogram is not unpacked."""
    with pytest.raises(ValueError, match="difference"):
        grid.pack_histogram(grid.build_histogram([1], [-1]))
    packed = grid.pack_histogram(grid.build_histogram(range(90), range(1, 91)))
    for damaged in (packed[:-2], b"\x09" + packed[1:], b"\x01\x80", b"\x01\x01"):
        with pytest.raises(ValueError, match=r"damaged|version|middle"):
            grid.unpack_histogram(damaged)
