"""Weighted points → a grid of cells → a smooth density → levels of a palette.

Pure numpy. The grid's sum is the number of clicks put in, and smoothing keeps it: a click near a border has its kernel
made larger by what the border cuts off. Mirroring would keep the sum too, but moves peaks within σ of a border onto it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heatmap.grid import Int64, UInt8

Float32 = npt.NDArray[np.float32]

CELL_PX = 4
"""Side of a cell: moves a peak by at most 2.2 px and errs by at most 0.34 % of the peak (8 px: up to 1.5 %)."""

SIGMA_PX = 14.0
"""Width of the Gaussian: a click's spot is about as wide as a small button, 2.355 σ = 33 px at half height."""

MIN_SAMPLE = 10.0
"""Effective sample below which a density's relative error is above 30 %; so few clicks never reach the top colour."""

TOP_INDEX = 255

_REACH_SIGMAS = 4  # beyond it the square root of the density is below 2 % of the top
_BLOCK = 64  # cells of a block of the band matrix; its halo is half as much again
# Cells across a block: 64 × 92 × 40 products are few enough for OpenBLAS to stay in one thread. Its threads wait for
# each other by spinning, which on busy cores made one blur take 500 ms instead of 8.
_STRIPE = 40
_PEAK_QUANTILE = 0.95
_MEDIAN_HEADROOM = 16  # the median hotspot keeps a quarter (a square root) of the scale, whatever the largest does


@dataclass(frozen=True, slots=True)
class Scale:
    """The invertible map between density and palette: index = 255 · √(density / top), clipped at 255.

    `top_density` is in clicks per CSS px². The square root keeps weak elements visible beside strong ones.
    """

    top_density: float

    def density(self, index: float) -> float:
        """Return the density that a palette index stands for."""
        return self.top_density * (index / TOP_INDEX) ** 2

    def levels(self, density: Float32) -> UInt8:
        """Return the palette index of each density, rounded to the nearest."""
        scaled: Float32 = np.sqrt(density * np.float32(TOP_INDEX**2 / self.top_density))
        np.minimum(scaled, TOP_INDEX, out=scaled)
        scaled += np.float32(0.5)
        levels: UInt8 = scaled.astype(np.uint8)
        return levels


def build_counts(x_px: npt.ArrayLike, y_px: npt.ArrayLike, weights: npt.ArrayLike, size_px: tuple[int, int]) -> Int64:
    """Return clicks by cell, int64[rows, columns], of a picture of `size_px` (width, height).

    Points outside are counted in the nearest cell of the edge, so that the sum is always the sum of the weights.
    """
    columns, rows = (-(-side // CELL_PX) for side in size_px)
    column = np.clip((np.asarray(x_px, np.float64) / CELL_PX).astype(np.int64), 0, columns - 1)
    row = np.clip((np.asarray(y_px, np.float64) / CELL_PX).astype(np.int64), 0, rows - 1)
    # bincount adds in float64, which is exact up to 2**53 clicks in one cell.
    counts = np.bincount(row * columns + column, weights=np.asarray(weights, np.float64), minlength=rows * columns)
    return counts.astype(np.int64).reshape(rows, columns)


def build_density(counts: Int64, sigma_px: float = SIGMA_PX) -> Float32:
    """Return clicks per CSS px² around each cell; its sum times the cell's area is the sum of `counts`."""
    kernel = _kernel(sigma_px)
    grid = counts.astype(np.float32)
    grid /= _coverage(grid.shape[0], kernel)[:, None] * np.float32(CELL_PX**2)
    grid /= _coverage(grid.shape[1], kernel)
    return _blur_columns(_blur_rows(grid, kernel), kernel)


def build_scale(density: Float32, sigma_px: float = SIGMA_PX) -> Scale:
    """Return the scale whose top is the 95th percentile of the hotspots, the local maxima with an adequate sample.

    A page's one giant does not darken the rest: the top is also at most 16 times the median hotspot. And it is at least
    the density of an effective sample of 10 (density · 4πσ²), so that a handful of clicks does not look hot.
    """
    floor = MIN_SAMPLE / (4 * np.pi * sigma_px**2)
    peaks = find_peaks(density)
    hot = np.sort(peaks[peaks > floor])
    if hot.size == 0:
        return Scale(floor)
    median = hot[(hot.size - 1) // 2]
    return Scale(float(min(np.quantile(hot, _PEAK_QUANTILE), _MEDIAN_HEADROOM * median)))


def find_peaks(density: Float32) -> Float32:
    """Return the densities of all cells that none of their eight neighbours exceeds, where there is any."""
    if density.size == 0:
        return density.ravel()
    highest = density.copy()
    np.maximum(highest[:, 1:], density[:, :-1], out=highest[:, 1:])
    np.maximum(highest[:, :-1], density[:, 1:], out=highest[:, :-1])
    across = highest.copy()
    np.maximum(highest[1:], across[:-1], out=highest[1:])
    np.maximum(highest[:-1], across[1:], out=highest[:-1])
    peaks: Float32 = density[(density == highest) & (density > 0)]
    return peaks


def enlarge(density: Float32, first_row: int, rows: int, factor: int, width: int) -> Float32:
    """Return image rows `first_row` … + `rows` of the density enlarged `factor` times, bilinear, `width` px wide.

    Cell centres keep their place, as in a browser that scales the small image.
    """
    at_rows = (np.arange(first_row, first_row + rows) + 0.5) / factor - 0.5
    at_columns = (np.arange(width) + 0.5) / factor - 0.5
    row, row_part = _split(at_rows, density.shape[0])
    column, column_part = _split(at_columns, density.shape[1])
    lines, below = density[row], density[np.minimum(row + 1, density.shape[0] - 1)]
    lines = lines + (below - lines) * row_part[:, None]
    left, right = lines[:, column], lines[:, np.minimum(column + 1, density.shape[1] - 1)]
    enlarged: Float32 = left + (right - left) * column_part
    return enlarged


def _split(at: npt.NDArray[np.float64], size: int) -> tuple[Int64, Float32]:
    bounded = np.clip(at, 0, size - 1)
    whole = bounded.astype(np.int64)
    return whole, (bounded - whole).astype(np.float32)


def _kernel(sigma_px: float) -> Float32:
    """Return the Gaussian by cell, of sum 1; cells and bilinear scaling widen it by c²/4, which is taken off here."""
    sigma = np.sqrt(max(sigma_px**2 - CELL_PX**2 / 4, CELL_PX**2 / 4)) / CELL_PX
    reach = int(np.ceil(_REACH_SIGMAS * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.asarray(weights / weights.sum(), np.float32)


def _band(kernel: Float32) -> Float32:
    """Return the matrix that takes a block with its halo to the blurred block, float32[block + halo, block]."""
    band = np.zeros((_BLOCK + kernel.size - 1, _BLOCK), np.float32)
    for column in range(_BLOCK):
        band[column : column + kernel.size, column] = kernel
    return band


def _coverage(size: int, kernel: Float32) -> Float32:
    """Return how much of the kernel around each of `size` cells lies inside."""
    reach = kernel.size // 2
    sums = np.concatenate([[0], np.cumsum(kernel, dtype=np.float64)])
    first = np.maximum(reach - np.arange(size), 0)
    last = np.minimum(reach + size - np.arange(size), kernel.size)
    inside: Float32 = (sums[last] - sums[first]).astype(np.float32)
    return inside


def _blur_rows(grid: Float32, kernel: Float32) -> Float32:
    band, halo = _band(kernel), kernel.size - 1
    padded = np.pad(grid, ((0, 0), (halo // 2, halo // 2)))
    blurred = np.empty_like(grid)
    for start, size in _blocks(grid.shape[1], _BLOCK):
        for row, rows in _blocks(grid.shape[0], _STRIPE):
            source = padded[row : row + rows, start : start + size + halo]
            np.matmul(source, band[: size + halo, :size], out=blurred[row : row + rows, start : start + size])
    return blurred


def _blur_columns(grid: Float32, kernel: Float32) -> Float32:
    band, halo = np.ascontiguousarray(_band(kernel).T), kernel.size - 1
    padded = np.pad(grid, ((halo // 2, halo // 2), (0, 0)))
    blurred = np.empty_like(grid)
    for start, size in _blocks(grid.shape[0], _BLOCK):
        for column, columns in _blocks(grid.shape[1], _STRIPE):
            source = padded[start : start + size + halo, column : column + columns]
            np.matmul(band[:size, : size + halo], source, out=blurred[start : start + size, column : column + columns])
    return blurred


def _blocks(size: int, block: int) -> Iterator[tuple[int, int]]:
    return ((start, min(block, size - start)) for start in range(0, size, block))
