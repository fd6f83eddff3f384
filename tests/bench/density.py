"""Quarter scale against full: density, scale and PNG of the same clicks on a 1440 × 8000 page.

Run: python tests/bench/density.py
"""

import time
from collections.abc import Callable

import numpy as np

from heatmap.density import build_counts, build_density, build_scale
from heatmap.render import draw_click_map

SIZE = (1440, 8000)
HOTSPOTS = 150
ROUNDS = 9


def make_points(rng: np.random.Generator, clicks: int) -> tuple[np.ndarray, np.ndarray]:
    """Return clicks around hotspots of unequal weight, a twentieth of them anywhere."""
    x, y = rng.uniform(20, SIZE[0] - 20, HOTSPOTS), rng.uniform(20, SIZE[1] - 20, HOTSPOTS)
    weight = 1 / np.arange(1, HOTSPOTS + 1)
    of = rng.choice(HOTSPOTS, clicks, p=weight / weight.sum())
    at_x, at_y = x[of] + rng.normal(0, 30, clicks), y[of] + rng.normal(0, 12, clicks)
    at_x[: clicks // 20], at_y[: clicks // 20] = (rng.uniform(0, side, clicks // 20) for side in SIZE)
    return at_x, at_y


def best_ms(work: Callable[[], object]) -> float:
    """Return the shortest of a few runs: the machine's noise only ever adds."""
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times) * 1e3


def main() -> None:
    """Print what each step costs and the ratio of the two scales."""
    x, y = make_points(np.random.default_rng(7), 1_000_000)
    counts = build_counts(x, y, np.ones(x.size), SIZE)
    density = build_density(counts)
    scale = build_scale(density)
    print(
        f"smooth {best_ms(lambda: build_density(counts)):.1f} ms, scale {best_ms(lambda: build_scale(density)):.1f} ms"
    )
    drawn = {}
    for px_per_pixel in (4, 2, 1):
        drawn[px_per_pixel] = best_ms(lambda n=px_per_pixel: draw_click_map(density, scale, SIZE, n))
        size = len(draw_click_map(density, scale, SIZE, px_per_pixel))
        print(f"scale {px_per_pixel}: {drawn[px_per_pixel]:.1f} ms, {size / 1024:.0f} KB")
    print(f"full / quarter: {drawn[1] / drawn[4]:.1f} ×")


if __name__ == "__main__":
    main()
