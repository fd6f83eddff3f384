"""Clicks land on the boxes of a layout: exactly, on an ancestor, or by page coordinates, and none gets lost."""

import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.ids import Device
from heatmap import grid
from heatmap.layout import Layout, Placed, choose_layout, project, synthesize_layout, typical_width_px

unhurried = settings(deadline=None)  # a busy machine is no fault of the code

CAPTURED = datetime.datetime(2026, 3, 4, tzinfo=datetime.UTC)


def layout_of(boxes, *, width=1000, height=2000, device=Device.DESKTOP, captured_at=CAPTURED):
    """Return a layout of {element: (x, y, w, h)}."""
    columns = np.array(list(boxes.values()), np.int32).reshape(-1, 4).T
    size = len(boxes)
    return Layout(
        device, captured_at, "Page", width, height, width, 800, np.array(list(boxes), np.int64), *columns,
        np.zeros(size, np.uint8), np.zeros(size, np.bool_), ("",) * size,
    )  # fmt: skip


def cells_of(rows, *, box=(100, 50, 40, 20), viewport_w_px=500):
    """Return the cells of clicks given as (element, x_frac, y_frac), all elements last seen in one box."""
    ids, x, y = (list(column) for column in zip(*rows, strict=True))
    n = len(ids)
    boxes = grid.build_boxes(ids, *([side] * n for side in box), [viewport_w_px] * n)
    return grid.build_cells(ids, x, y, [1] * n, boxes)


def test_a_known_element_is_hit_at_the_same_fraction_of_its_box():
    """A click's fraction of its element is the same fraction of the element's box in the layout, at any viewport."""
    layout = layout_of({7: (100, 400, 255, 510)})

    projection = project(cells_of([(7, 0, 0), (7, 51, 102), (7, 255, 255)]), layout, {})

    assert projection.x_px.tolist() == [100, 151, 355]
    assert projection.y_px.tolist() == [400, 604, 910]
    assert projection.placed.tolist() == [Placed.ELEMENT] * 3
    assert projection.anchoring_rate == 1


def test_an_unknown_element_is_moved_into_its_nearest_known_ancestor():
    """The nearest ancestor that the layout has holds the click: the box it was seen in is scaled and moved there."""
    layout = layout_of({1: (0, 0, 1000, 2000), 2: (600, 300, 200, 100)})

    projection = project(cells_of([(9, 0, 0), (9, 255, 255)]), layout, {9: 8, 8: 2, 2: 1})

    # Seen at (100, 50) of 500 px, 40 × 20: twice as wide here, then moved right and down by the least that is enough.
    assert projection.x_px.tolist() == [600, 680]
    assert projection.y_px.tolist() == [300, 320]
    assert projection.placed.tolist() == [Placed.ANCESTOR] * 2
    assert projection.anchoring_rate == 0


def test_a_box_larger_than_its_ancestor_shrinks_to_it():
    """Clicks on what was seen larger than the ancestor now is are spread over the ancestor, not beyond it."""
    projection = project(cells_of([(9, 0, 0), (9, 255, 255)]), layout_of({2: (600, 300, 20, 10)}), {9: 2})

    assert projection.x_px.tolist() == [600, 620]
    assert projection.y_px.tolist() == [300, 310]


def test_what_nobody_knows_lies_where_it_was_last_seen():
    """Without element or ancestor the last box stands, its x and width scaled to the layout's width."""
    projection = project(cells_of([(9, 0, 0), (9, 255, 0)]), layout_of({}), {9: 8})

    assert projection.x_px.tolist() == [200, 280]
    assert projection.y_px.tolist() == [50, 50]
    assert projection.placed.tolist() == [Placed.PAGE] * 2


def test_a_cycle_of_parents_ends():
    """Damaged dictionaries in which an element is its own ancestor fall back to page coordinates."""
    projection = project(cells_of([(9, 0, 0)]), layout_of({1: (0, 0, 10, 10)}), {9: 8, 8: 9})

    assert projection.placed_clicks == (0, 0, 1)


def test_clicks_outside_the_picture_are_put_on_its_edge():
    """A box below or left of the picture still has its clicks counted, on the border."""
    layout = layout_of({7: (-80, 2500, 60, 60)})

    projection = project(cells_of([(7, 128, 128)]), layout, {})

    assert (projection.x_px.tolist(), projection.y_px.tolist()) == ([0], [2000])


@unhurried
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 255), st.integers(0, 255)), min_size=1, max_size=40),
    st.sets(st.integers(1, 9)),
    st.dictionaries(st.integers(1, 9), st.integers(1, 9)),
)
def test_every_click_is_placed_once(rows, known, parents):
    """Clicks in = clicks placed, by kind, by element and by cell, all inside the picture."""
    layout = layout_of({element: (element * 40, element * 90, 30, 80) for element in known})

    projection = project(cells_of(rows), layout, parents)

    assert sum(projection.placed_clicks) == len(rows)
    assert projection.elements.clicks.sum() == projection.clicks.sum() == len(rows)
    assert projection.placed_clicks[Placed.ELEMENT] == sum(element in known for element, _, _ in rows)
    for at_px, side_px in ((projection.x_px, layout.width_px), (projection.y_px, layout.height_px)):
        assert at_px.min() >= 0
        assert at_px.max() <= side_px


def test_the_nearest_width_of_the_device_is_chosen():
    """Of the device's layouts the nearest in width; of equally near ones the newest."""
    older = CAPTURED - datetime.timedelta(days=1)
    wide, narrow = layout_of({}, width=1440), layout_of({}, width=1200, captured_at=older)
    phone = layout_of({}, width=390, device=Device.PHONE)

    assert choose_layout([narrow, wide, phone], Device.DESKTOP, 1100) is narrow
    assert choose_layout([narrow, wide, phone], Device.DESKTOP, 1320) is wide
    assert choose_layout([narrow, wide, phone], Device.DESKTOP, None) is wide
    assert choose_layout([narrow, wide, phone], Device.ALL, 400) is phone


def test_another_devices_layout_is_better_than_none():
    """Tablet clicks are anchored on a phone's layout where tablets have reported none; no layout at all gives None."""
    phone = layout_of({}, width=390, device=Device.PHONE)

    assert choose_layout([phone], Device.TABLET, 800) is phone
    assert choose_layout([], Device.TABLET, 800) is None


def test_a_page_without_a_layout_is_as_large_as_its_clicks_need():
    """The made-up layout holds the lowest box and claims no element."""
    cells = cells_of([(7, 1, 1)], box=(0, 5000, 10, 300))

    layout = synthesize_layout(cells.boxes, Device.PHONE, 390)

    assert (layout.width_px, layout.captured_at, layout.element_ids.size) == (390, None, 0)
    assert layout.height_px >= 5300
    assert project(cells, layout, {}).placed_clicks == (0, 0, 1)


@pytest.mark.parametrize(("narrow_clicks", "width"), [(1, 1440), (5, 390)])
def test_the_typical_width_is_that_of_the_median_click(narrow_clicks, width):
    """The picture is as wide as most clicking visitors saw the page."""
    narrow = cells_of([(1, 0, number) for number in range(narrow_clicks)], viewport_w_px=390)
    wide = cells_of([(2, 0, number) for number in range(3)], viewport_w_px=1440)

    assert typical_width_px(grid.merge_cells([narrow, wide])) == width
    assert typical_width_px(grid.merge_cells([])) is None
