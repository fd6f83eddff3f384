"""Intervals and order statistics, so that no figure is shown without what it is worth.

Pure: numbers in, numbers out. Nothing here knows what is counted.
"""

import math
from dataclasses import dataclass

import numpy as np

from heatmap.grid import Histogram

MIN_VIEWS = 30
"""Figures of fewer views are greyed and say so (DEFINITIONS, "Honest numbers")."""

Z_95 = 1.959963984540054
"""The 97.5th percentile of the standard normal distribution: two-sided 95 %."""

_EXACT_N = 1_000
"""Up to this n the binomial tail is summed exactly; above it the normal approximation is off by less than one rank."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval, in the unit of what was measured."""

    value: float
    low: float
    high: float


def wilson_interval(count: int, n: int) -> tuple[float, float]:
    """Return the 95 % score interval of the share `count / n`; (0, 1) where n is 0.

    Source: Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA 22.

    Raises:
        ValueError: the count is outside 0..n.
    """
    if not 0 <= count <= n:
        raise ValueError(f"count {count} is outside 0..{n}")
    if n == 0:
        return 0.0, 1.0
    share, square = count / n, Z_95 * Z_95
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = Z_95 / (1 + square / n) * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    low = 0.0 if count == 0 else max(0.0, centre - half)
    high = 1.0 if count == n else min(1.0, centre + half)
    return low, high


def quantile(histogram: Histogram, fraction: float) -> int | None:
    """Return the bin that holds the `fraction` quantile (its smallest bin with that share at or below); None if empty.

    The value is a bin number: the caller multiplies by the width of its bins.
    """
    n = histogram.total
    if n == 0:
        return None
    return _bin_of_rank(histogram, max(1, math.ceil(fraction * n)))


def quantile_interval(histogram: Histogram, fraction: float) -> tuple[int, int] | None:
    """Return bins between which the `fraction` quantile lies with at least 95 % confidence; None if empty.

    Free of any assumption on the distribution: the ranks come from the binomial distribution of the number of values
    below the quantile (David and Nagaraja 2003, "Order Statistics", 7.1). With few values the interval is all of them.
    """
    n = histogram.total
    if n == 0:
        return None
    low_rank, high_rank = order_ranks(n, fraction)
    return _bin_of_rank(histogram, low_rank), _bin_of_rank(histogram, high_rank)


def order_ranks(n: int, fraction: float) -> tuple[int, int]:
    """Return the ranks (from 1) of the order statistics that enclose the `fraction` quantile of n values with 95 %."""
    if n > _EXACT_N:
        spread = Z_95 * math.sqrt(n * fraction * (1 - fraction))
        return max(1, math.floor(n * fraction - spread)), min(n, math.ceil(n * fraction + spread) + 1)
    below = _binomial_cdf(n, fraction)
    low = int(np.searchsorted(below, 0.025, side="right"))
    high = int(np.searchsorted(below, 0.975, side="left")) + 1
    return max(1, low), min(n, high)


def _binomial_cdf(n: int, fraction: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    log_factorials = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, n + 1, dtype=np.float64)))))
    k = np.arange(n + 1, dtype=np.float64)
    log_choose = log_factorials[n] - log_factorials - log_factorials[::-1]
    terms = np.exp(log_choose + k * math.log(fraction) + (n - k) * math.log1p(-fraction))
    cumulated: np.ndarray[tuple[int], np.dtype[np.float64]] = np.cumsum(terms)
    return cumulated


def _bin_of_rank(histogram: Histogram, rank: int) -> int:
    position = int(np.searchsorted(np.cumsum(histogram.counts), rank, side="left"))
    return int(histogram.bins[position])
