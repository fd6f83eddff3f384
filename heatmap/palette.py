"""The colour tables of the maps: 256 entries of red, green, blue and alpha.

A map is read by lightness alone, so that it survives every kind of colour blindness and a grey print; and because it
lies half-transparent over a page of any colour, what counts is the lightness after blending.
"""

import numpy as np
import numpy.typing as npt

Palette = npt.NDArray[np.uint8]

LINE_INDEX = 254
"""Entry of the scroll palette in which the reach lines are drawn."""

FOLD_INDEX = 255
"""Entry of the scroll palette in which the fold is drawn."""

SHADOW_INDEX = 253
"""Entry of the scroll palette below each line, so that it is seen on light bands as well."""

SCROLL_TOP_INDEX = 252
"""Entry of the scroll palette for rows that every view reached."""

# Nine colours at equal distances of matplotlib's inferno (CC0): lightness rises evenly from black to pale yellow.
_INFERNO = ("000004", "1f0c48", "550f6d", "88226a", "ba3655", "e35933", "f98c0a", "f9c932", "fcffa4")

# A ramp of alpha from 0 turns inferno's lightness around by 31 L* on white. From a veil of 0.60 it does not turn (steps
# of 8-bit alpha leave 0.3 L*, a third of what an eye can see), and 55 L* are left on a page of any colour.
_VEIL_ALPHA = 0.60
_TOP_ALPHA = 0.70

# Scroll bands cover the whole page: what everyone saw stays legible, what few saw sinks into the dark.
_SCROLL_VEIL_ALPHA = 0.78
_SCROLL_TOP_ALPHA = 0.34

_SHADOW_RGBA = (20, 12, 36, 200)
_LINE_RGBA = (255, 255, 255, 235)
_FOLD_RGBA = (64, 224, 255, 255)


def build_click_palette() -> Palette:
    """Return uint8[256, 4]: a black veil at index 0, then inferno up to pale yellow at 255."""
    steps = np.arange(256) / 255
    return _with_alpha(_ramp(steps), _VEIL_ALPHA + (_TOP_ALPHA - _VEIL_ALPHA) * steps)


def build_scroll_palette() -> Palette:
    """Return uint8[256, 4]: near black at 0, a light tint at `SCROLL_TOP_INDEX`, then the colours of the lines."""
    steps = np.minimum(np.arange(256) / SCROLL_TOP_INDEX, 1)
    palette = _with_alpha(_ramp(steps), _SCROLL_VEIL_ALPHA + (_SCROLL_TOP_ALPHA - _SCROLL_VEIL_ALPHA) * steps)
    palette[SHADOW_INDEX] = _SHADOW_RGBA
    palette[LINE_INDEX] = _LINE_RGBA
    palette[FOLD_INDEX] = _FOLD_RGBA
    return palette


def to_hex(palette: Palette, index: int) -> str:
    """Return an entry as `#rrggbbaa`, for legends in a web page."""
    return "#" + bytes(palette[index].tolist()).hex()


def _ramp(steps: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    anchors = np.array([list(bytes.fromhex(colour)) for colour in _INFERNO], np.float64)
    at = np.linspace(0, 1, len(_INFERNO))
    return np.stack([np.interp(steps, at, channel) for channel in anchors.T], axis=1)


def _with_alpha(rgb: npt.NDArray[np.float64], alpha: npt.NDArray[np.float64]) -> Palette:
    return np.rint(np.column_stack([rgb, 255 * alpha])).astype(np.uint8)
