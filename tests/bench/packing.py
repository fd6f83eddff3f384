"""Bytes of a non-zero click cell: packed cells against the same cells as coordinates and counts (COO).

Run: python tests/bench/packing.py
"""

import time

import numpy as np

from heatmap.grid import ClickCells, build_boxes, build_cells, pack_cells, unpack_cells

ELEMENTS = 120
COO_BYTES = 8  # element rank 2, x 1, y 1, clicks 2, first clicks 2
# (width, height, share of the elements) of links, buttons, cards, images, rows of text and the page's main area.
SIZES = [(80, 20, 0.40), (120, 40, 0.25), (320, 220, 0.15), (420, 300, 0.10), (700, 60, 0.08), (1200, 3000, 0.02)]


def make_cells(rng: np.random.Generator, clicks: int) -> ClickCells:
    """Return the cells of clicks at whole pixels around the middles of elements of unequal popularity."""
    kinds = rng.choice(len(SIZES), ELEMENTS, p=[share for *_, share in SIZES])
    w, h = (np.array([SIZES[kind][side] for kind in kinds]) for side in (0, 1))
    popularity = 1 / np.arange(1, ELEMENTS + 1) ** 0.8
    of = rng.choice(ELEMENTS, clicks, p=popularity / popularity.sum())
    x, y = (np.clip(rng.normal(0.5, 0.2, clicks), 0, 0.999) * side[of] // 1 / side[of] * 255 for side in (w, h))
    nth = np.where(rng.random(clicks) < 0.8, 1, 2)
    ids = rng.integers(-(2**63), 2**63 - 1, ELEMENTS)[of]
    boxes = build_boxes(ids, of, of * 9, w[of], h[of], np.full(clicks, 1440))
    return build_cells(ids, np.rint(x).astype(int), np.rint(y).astype(int), nth, boxes)


def main() -> None:
    """Print the bytes a cell and the time of packing and unpacking for days of different weight."""
    rng = np.random.default_rng(7)
    print("  clicks    cells  B/cell  COO/packed  pack ms  unpack ms")
    for clicks in (1_000, 10_000, 100_000, 1_000_000):
        cells = make_cells(rng, clicks)
        begun = time.perf_counter()
        packed = pack_cells(cells)
        packed_at = time.perf_counter()
        unpack_cells(packed)
        ended = time.perf_counter()
        size, times = cells.clicks.size, ((packed_at - begun) * 1e3, (ended - packed_at) * 1e3)
        each = len(packed) / size
        print(f"{clicks:8,} {size:8,} {each:7.2f} {COO_BYTES / each:11.1f} {times[0]:8.1f} {times[1]:10.1f}")


if __name__ == "__main__":
    main()
