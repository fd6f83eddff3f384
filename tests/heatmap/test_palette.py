"""Palettes stay readable by lightness alone, whatever page lies beneath them."""

import numpy as np
import pytest

from heatmap.palette import SCROLL_TOP_INDEX, build_click_palette, build_scroll_palette, to_hex

PAGES = ["ffffff", "f5f0e6", "808080", "000000", "0b1f3a", "c0392b", "2ecc71", "3498db", "ffd400"]
VISIBLE = 0.5
"""Half of the least difference in L* that an eye can see; 8-bit alpha alone makes steps of 0.3."""


def lightness_on(palette, page):
    """Return CIE L* (D65) of each entry blended over a page colour in sRGB, as browsers blend."""
    alpha = palette[:, 3:] / 255
    blended = (palette[:, :3] * alpha + np.array(list(bytes.fromhex(page))) * (1 - alpha)) / 255
    linear = np.where(blended <= 0.04045, blended / 12.92, ((blended + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    return np.where(luminance > 216 / 24389, 116 * np.cbrt(luminance) - 16, luminance * 24389 / 27)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    ("palette", "top", "least"), [(build_click_palette(), 255, 55), (build_scroll_palette(), SCROLL_TOP_INDEX, 35)]
)
def test_more_is_lighter_on_any_page(palette, top, least, page):
    """Lightness after blending rises with the index without a visible reversal, over a wide range."""
    lightness = lightness_on(palette, page)[: top + 1]

    assert (np.maximum.accumulate(lightness) - lightness).max() < VISIBLE
    assert lightness[-1] - lightness[0] >= least


def test_nothing_is_a_black_veil():
    """Index 0 darkens the page and has no colour of its own."""
    assert to_hex(build_click_palette(), 0) == "#00000499"
