"""Levels of a palette → PNG, and the recipes of the two overlays.

Pure: arrays in, bytes out. The pictures are small 8-bit palette images with alpha that a web page stacks over its
backdrop and scales; memory is bounded by drawing tall pictures band by band.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from heatmap.density import CELL_PX, Float32, Scale, enlarge
from heatmap.grid import UInt8
from heatmap.palette import (
    FOLD_INDEX,
    LINE_INDEX,
    SCROLL_TOP_INDEX,
    SHADOW_INDEX,
    Palette,
    build_click_palette,
    build_scroll_palette,
)

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BIT_DEPTH = 8
_PALETTE_COLOUR = 3
_FILTER_UP = 2  # a smooth map's rows differ little: a quarter smaller than unfiltered, at the same speed
_ZLIB_LEVEL = 1  # level 6 saves 15 % for five times the time
_BAND_ROWS = 512
_LINE_PX = 2
_DASH_PX = 16


def encode_palette_png(bands: Iterable[UInt8], size: tuple[int, int], palette: Palette) -> bytes:
    """Return a PNG of 8-bit palette indices; `bands` are uint8[rows, width] from top to bottom, `size` (width, height).

    Raises:
        ValueError: the bands do not add up to the size.
    """
    width, height = size
    header = struct.pack(">IIBBBBB", width, height, _BIT_DEPTH, _PALETTE_COLOUR, 0, 0, 0)
    chunks = [_SIGNATURE, _chunk(b"IHDR", header), _chunk(b"PLTE", palette[:, :3].tobytes())]
    if np.any(palette[:, 3] < 255):
        chunks.append(_chunk(b"tRNS", palette[:, 3].tobytes()))
    chunks.extend((_chunk(b"IDAT", b"".join(_deflate(bands, width, height))), _chunk(b"IEND", b"")))
    return b"".join(chunks)


def draw_click_map(density: Float32, scale: Scale, size_px: tuple[int, int], px_per_pixel: int) -> bytes:
    """Return the overlay of a density as PNG; `size_px` is the picture's (width, height) in CSS px.

    `px_per_pixel` is 1, 2 or 4: at 4 a cell is a pixel, below the density is enlarged.
    """
    width, height = image_size(size_px, px_per_pixel)
    factor = CELL_PX // px_per_pixel
    if factor == 1:
        bands: Iterable[UInt8] = [scale.levels(density[:height, :width])]
    else:
        bands = (
            scale.levels(enlarge(density, row, min(_BAND_ROWS, height - row), factor, width))
            for row in range(0, height, _BAND_ROWS)
        )
    return encode_palette_png(bands, (width, height), build_click_palette())


def draw_scroll_map(
    shares: npt.NDArray[np.float64],
    size_px: tuple[int, int],
    px_per_pixel: int,
    lines_px: Iterable[float],
    fold_px: float | None,
) -> bytes:
    """Return the overlay of scroll reach as PNG: a horizontal band per image row, reach lines, the fold dashed.

    `shares` is the share of views that reached each image row; the lines and the fold are in CSS px of the picture.
    """
    width, height = image_size(size_px, px_per_pixel)
    rows = np.rint(SCROLL_TOP_INDEX * shares).astype(np.uint8)
    special = _mark_rows(height, px_per_pixel, lines_px, fold_px)
    dashes = np.arange(width) * px_per_pixel // _DASH_PX % 2 == 0
    bands = _scroll_bands(rows, special, dashes)
    return encode_palette_png(bands, (width, height), build_scroll_palette())


def draw_nothing(size_px: tuple[int, int], px_per_pixel: int) -> bytes:
    """Return a fully transparent overlay, for a page of which nothing is known in the range."""
    width, height = image_size(size_px, px_per_pixel)
    bands = (np.zeros((min(_BAND_ROWS, height - row), width), np.uint8) for row in range(0, height, _BAND_ROWS))
    return encode_palette_png(bands, (width, height), np.zeros((1, 4), np.uint8))


def image_size(size_px: tuple[int, int], px_per_pixel: int) -> tuple[int, int]:
    """Return the (width, height) of the image of a picture; a last pixel may reach beyond the picture's edge."""
    return -(-size_px[0] // px_per_pixel), -(-size_px[1] // px_per_pixel)


def _scroll_bands(rows: UInt8, special: Mapping[int, int], dashes: npt.NDArray[np.bool_]) -> Iterator[UInt8]:
    for start in range(0, rows.size, _BAND_ROWS):
        band = np.repeat(rows[start : start + _BAND_ROWS, None], dashes.size, axis=1)
        for row in range(start, start + band.shape[0]):
            if special.get(row) == FOLD_INDEX:
                band[row - start, dashes] = FOLD_INDEX
            elif row in special:
                band[row - start] = special[row]
        yield band


def _mark_rows(height: int, px_per_pixel: int, lines_px: Iterable[float], fold_px: float | None) -> dict[int, int]:
    """Return the palette index of each row that is not a band: lines with a shadow below, and the fold."""
    thickness = max(1, _LINE_PX // px_per_pixel)
    marks = [(at, LINE_INDEX) for at in lines_px] + ([(fold_px, FOLD_INDEX)] if fold_px is not None else [])
    rows = [(min(max(int(at / px_per_pixel), thickness), height - 1), index) for at, index in marks]
    shadows = {row + 1: SHADOW_INDEX for row, index in rows if index == LINE_INDEX}
    return shadows | {row - step: index for row, index in rows for step in range(thickness)}


def _deflate(bands: Iterable[UInt8], width: int, height: int) -> Iterator[bytes]:
    packer = zlib.compressobj(_ZLIB_LEVEL)
    above = np.zeros(width, np.uint8)
    rows = 0
    for band in bands:
        if band.shape[1] != width:
            raise ValueError(f"a band is {band.shape[1]} wide in a picture of {width}")
        filtered = np.empty((band.shape[0], width + 1), np.uint8)
        filtered[:, 0] = _FILTER_UP
        np.subtract(band[0], above, out=filtered[0, 1:])
        np.subtract(band[1:], band[:-1], out=filtered[1:, 1:])
        above = band[-1]
        rows += band.shape[0]
        yield packer.compress(filtered.data)
    if rows != height:
        raise ValueError(f"{rows} rows were drawn of a picture of {height}")
    yield packer.flush()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
