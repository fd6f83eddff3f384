"""PNGs that any decoder reads back to the very pixels, and a wireframe that shows what the layout has."""

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from collector.ids import Device, Role
from heatmap import density as d
from heatmap import grid
from heatmap.layout import synthesize_layout
from heatmap.palette import (
    FOLD_INDEX,
    LINE_INDEX,
    SCROLL_TOP_INDEX,
    SHADOW_INDEX,
    build_click_palette,
    build_scroll_palette,
)
from heatmap.render import draw_click_map, draw_nothing, draw_scroll_map, encode_palette_png
from heatmap.wireframe import draw_wireframe

unhurried = settings(deadline=None)  # a busy machine is no fault of the code


def decode(png):
    """Return the PNG's pixels as uint8[height, width, 4]."""
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGBA"))


def grey_at(png, x, y):
    return int(decode(png)[y, x, :3].mean())


@unhurried
@given(
    st.integers(1, 40), st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(0, 2**32 - 1), st.booleans()
)
def test_pillow_reads_the_same_pixels(width, band_rows, seed, is_opaque):
    """Whatever the bands, the decoded picture is the palette's colours at the given indices."""
    random = np.random.default_rng(seed)
    levels = random.integers(0, 256, (sum(band_rows), width), np.uint8)
    palette = random.integers(0, 256, (256, 4), np.uint8)
    if is_opaque:
        palette[:, 3] = 255

    png = encode_palette_png(np.split(levels, np.cumsum(band_rows)[:-1]), (width, levels.shape[0]), palette)

    assert np.array_equal(decode(png), palette[levels])


@pytest.mark.parametrize("size", [(3, 4), (4, 3)])
def test_bands_of_another_size_are_refused(size):
    """Too few rows or rows of another width raise, so that no torn picture is sent."""
    with pytest.raises(ValueError, match="picture"):
        encode_palette_png([np.zeros((3, 3), np.uint8)], size, build_click_palette())


@pytest.mark.parametrize("px_per_pixel", [1, 2, 4])
def test_the_brightest_pixel_lies_on_the_click(px_per_pixel):
    """At each scale the peak of the picture is within one cell of the click, and the picture has its size."""
    size = (402, 1203)
    density = d.build_density(d.build_counts([161], [702], [50], size))

    pixels = decode(draw_click_map(density, d.build_scale(density), size, px_per_pixel))

    assert pixels.shape[:2] == (-(-size[1] // px_per_pixel), -(-size[0] // px_per_pixel))
    light = pixels[:, :, :3].sum(axis=2)
    brightest = (np.argwhere(light == light.max()) + 0.5).mean(axis=0) * px_per_pixel
    assert brightest == pytest.approx([702, 161], abs=d.CELL_PX)
    assert pixels[0, 0].tolist() == build_click_palette()[0].tolist()


def test_a_scroll_map_has_a_band_for_each_share():
    """Rows take the colour of their reach; reach lines run through, the fold is dashed."""
    shares = np.array([1, 1, 0.5, 0.5, 0, 0, 0, 0, 0, 0])
    palette = build_scroll_palette()

    pixels = decode(draw_scroll_map(shares, (160, 40), 4, [28.0], 36.0))

    assert pixels[0, 0].tolist() == palette[SCROLL_TOP_INDEX].tolist()
    assert pixels[2, 9].tolist() == palette[round(SCROLL_TOP_INDEX / 2)].tolist()
    assert pixels[5, 0].tolist() == palette[0].tolist()
    assert (pixels[7] == palette[LINE_INDEX]).all()
    assert (pixels[8] == palette[SHADOW_INDEX]).all()
    assert pixels[9, 0].tolist() == palette[FOLD_INDEX].tolist()
    assert pixels[9, 4].tolist() == palette[0].tolist()


def test_an_empty_overlay_is_transparent():
    """Where nothing is known nothing is drawn, not even the veil."""
    assert not decode(draw_nothing((1000, 5000), 4)).any()


def test_a_wireframe_draws_roles_in_their_own_way():
    """Buttons are tinted in an ink border, for heat to show on; images tinted, headings inked, the rest light."""
    layout = page_layout(
        (Role.LANDMARK, 0, 0, 800, 600, ""),
        (Role.HEADING, 40, 40, 500, 60, "Tea made slowly"),
        (Role.BUTTON, 40, 200, 160, 48, ""),
        (Role.IMAGE, 400, 200, 300, 200, ""),
    )

    png = draw_wireframe(layout, (800, 600), 1)

    assert decode(png).shape == (600, 800, 4)
    assert grey_at(png, 120, 224) in range(195, 225)
    assert decode(png)[224, 38:44, :3].mean(axis=1).min() < 130
    assert grey_at(png, 420, 300) in range(200, 250)
    assert decode(png)[45:95, 40:400, :3].mean(axis=2).min() < 80
    assert grey_at(png, 20, 580) == 255


def test_a_link_as_tall_as_a_button_is_filled_unless_it_is_one_of_a_menu():
    """Calls to action look like buttons; three links alike in a row are a menu; a wide button is the head of a row."""
    layout = page_layout(
        (Role.LINK, 40, 300, 160, 48, "Buy"),
        *((Role.LINK, x, 20, 90, 40, "Shop") for x in (40, 140, 240)),
        (Role.BUTTON, 40, 500, 600, 48, "Care"),
    )

    png = draw_wireframe(layout, (800, 600), 1)

    assert grey_at(png, 60, 324) in range(195, 225)
    assert [grey_at(png, x + 10, 40) for x in (40, 140, 240)] == [255] * 3
    assert grey_at(png, 500, 524) == 255


@pytest.mark.parametrize("px_per_pixel", [1, 2, 4])
def test_a_wireframe_is_scaled_with_its_picture(px_per_pixel):
    """A picture of half the layout's width has its boxes at half their places, at each scale."""
    layout = page_layout((Role.BUTTON, 400, 400, 200, 80, ""))

    pixels = decode(draw_wireframe(layout, (400, 300), px_per_pixel))

    assert pixels.shape[:2] == (300 // px_per_pixel, 400 // px_per_pixel)
    dark = np.argwhere(pixels[:, :, :3].mean(axis=2) < 226)
    assert (dark.mean(axis=0) + 0.5) * px_per_pixel == pytest.approx([220, 250], abs=3)


@pytest.mark.parametrize("label", ["", "日本語の見出し", "a" * 80, " ", "many short words " * 5])
@pytest.mark.parametrize("role", list(Role))
def test_any_box_can_be_drawn(role, label):
    """Boxes of no size to speak of, outside the page, larger than it, with any label, do not stop the drawing."""
    layout = page_layout(
        *(
            (role, x, y, w, h, label)
            for x, y in ((-50, -90), (10, 10), (790, 590))
            for w, h in ((1, 1), (60, 9), (3000, 900))
        )
    )

    assert decode(draw_wireframe(layout, (800, 600), 4)).shape == (150, 200, 4)


def test_a_page_without_a_layout_is_an_empty_sheet():
    """A layout made up from clicks has no boxes, and is drawn as one even tone."""
    layout = synthesize_layout(no_boxes(), Device.DESKTOP, None)

    assert len(np.unique(decode(draw_wireframe(layout, (layout.width_px, layout.height_px), 4)))) <= 4


def page_layout(*elements):
    """Return an 800 × 600 layout of elements given as (role, x, y, w, h, label)."""
    empty = synthesize_layout(no_boxes(), Device.DESKTOP, 800)
    roles, x, y, w, h, labels = zip(*elements, strict=True)
    columns = {
        name: np.array(values, np.int32) for name, values in (("x_px", x), ("y_px", y), ("w_px", w), ("h_px", h))
    }
    size = len(elements)
    return replace(
        empty, height_px=600, element_ids=np.arange(1, size + 1) * 7919, **columns, roles=np.array(roles, np.uint8),
        is_fixed=np.zeros(size, np.bool_), labels=labels,
    )  # fmt: skip


def no_boxes():
    return grid.build_boxes([], [], [], [], [], [])
