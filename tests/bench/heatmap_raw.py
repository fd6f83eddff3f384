"""One million raw points → PNG: this project against the common way of stamping a disc per point.

The disc way is that of simpleheat and heatmap.js, in numpy: each point adds a stamp to a full-size canvas, which is
scaled to its maximum, coloured through a table and saved as RGBA. It is run on fewer points and scaled up.

Run: python tests/bench/heatmap_raw.py
"""

import io
import time

import numpy as np
from density import SIZE, best_ms, make_points
from PIL import Image

from heatmap.density import SIGMA_PX, build_counts, build_density, build_scale
from heatmap.palette import build_click_palette
from heatmap.render import draw_click_map

POINTS = 1_000_000
STAMPED = 20_000
RADIUS_PX = round(2 * SIGMA_PX)


def draw_ours(x: np.ndarray, y: np.ndarray) -> bytes:
    """Draw all points the project's way."""
    density = build_density(build_counts(x, y, np.ones(x.size), SIZE))
    return draw_click_map(density, build_scale(density), SIZE, 4)


def stamp(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Add a soft disc per point."""
    canvas = np.zeros((SIZE[1] + 2 * RADIUS_PX + 1, SIZE[0] + 2 * RADIUS_PX + 1), np.float32)
    side = np.arange(-RADIUS_PX, RADIUS_PX + 1)
    disc = np.exp(-(side[:, None] ** 2 + side**2) / (2 * SIGMA_PX**2)).astype(np.float32)
    columns, rows = np.clip(x, 0, SIZE[0]).astype(int), np.clip(y, 0, SIZE[1]).astype(int)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        canvas[row : row + disc.shape[0], column : column + disc.shape[1]] += disc
    return canvas[RADIUS_PX : RADIUS_PX + SIZE[1], RADIUS_PX : RADIUS_PX + SIZE[0]]


def colour(canvas: np.ndarray) -> bytes:
    """Scale to the maximum, look the colours up, save as RGBA."""
    levels = (canvas * (255 / canvas.max())).astype(np.uint8)
    picture = io.BytesIO()
    Image.fromarray(build_click_palette()[levels]).save(picture, "PNG", compress_level=1)
    return picture.getvalue()


def main() -> None:
    """Print both times and their ratio."""
    x, y = make_points(np.random.default_rng(7), POINTS)
    ours = best_ms(lambda: draw_ours(x, y))
    begun = time.perf_counter()
    canvas = stamp(x[-STAMPED:], y[-STAMPED:])
    stamped = (time.perf_counter() - begun) * 1e3 * POINTS / STAMPED
    begun = time.perf_counter()
    theirs_size = len(colour(canvas))
    coloured = (time.perf_counter() - begun) * 1e3
    print(f"ours: {ours:.1f} ms, {len(draw_ours(x, y)) / 1024:.0f} KB")
    print(f"a disc per point: {stamped + coloured:,.0f} ms, {theirs_size / 1024:,.0f} KB")
    print(f"ratio {(stamped + coloured) / ours:,.0f} ×")


if __name__ == "__main__":
    main()
