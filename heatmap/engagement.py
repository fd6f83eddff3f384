"""Reading and attention: what the time and depth that views gave to a page say about its sections.

Pure: counts and histograms in, figures out. Every rule is one of DEFINITIONS, "Engagement".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from collector.ids import SectionId
from heatmap.grid import Histogram, add_histograms
from heatmap.stats import Estimate, quantile, quantile_interval
from heatmap.visits import DEPTH_BINS, TIME_BIN_MS

WORDS_A_MINUTE = 238
"""Silent reading of non-fiction in English (Brysbaert 2019, "How many words do we read per minute?")."""

IMAGE_MS = 3_000
"""Expected look at an image (DEFINITIONS, "expected time")."""

READ_FRACTION = 0.5
"""Share of the expected time that counts as reading to the end (DEFINITIONS, "read-through")."""

CURVE_POINTS = 101
"""Reach is drawn at each whole percent of the page from 0 to 100."""


@dataclass(frozen=True, slots=True)
class SectionFacts:
    """What is known of one section: its size where a layout shows it, and what views gave to it."""

    section_id: SectionId
    words: int
    images: int
    height_px: int
    seen_views: int
    time_ms: int
    exits: int
    seen_time: Histogram
    end_time: Histogram


@dataclass(frozen=True, slots=True)
class SectionAttention:
    """What the facts say about one section; None where nothing can be said."""

    median_time_ms: int | None
    expected_ms: int | None
    attention_share: float | None
    interest: Estimate | None
    readers: int


def build_reach_curve(depth: Histogram) -> list[float]:
    """Return the share of views that reached at least k % of the document, for k = 0..100; empty without views.

    The first point is 1.0 by definition: every view reached the top.
    """
    n = depth.total
    if n == 0:
        return []
    edges = np.arange(CURVE_POINTS) * (DEPTH_BINS // (CURVE_POINTS - 1))
    below = np.concatenate(([0], np.cumsum(depth.counts)))[np.searchsorted(depth.bins, edges, side="left")]
    shares = (n - below) / n
    shares[0] = 1.0
    return [float(share) for share in shares]


def median_depth(depth: Histogram, depth_fitting: Histogram) -> float | None:
    """Return the median scroll depth of all views as a fraction of the document; None without views."""
    position = quantile(add_histograms([depth, depth_fitting]), 0.5)
    return None if position is None else position / DEPTH_BINS


def measure_sections(sections: Sequence[SectionFacts]) -> list[SectionAttention]:
    """Return what each section's facts say, in the order given; the sections are all of one page."""
    total_ms = sum(section.time_ms for section in sections)
    pace_ms_a_px = _median_pace(sections)
    expected = [expected_ms(section, pace_ms_a_px) for section in sections]
    ratios = [_time_ratio(section, time_ms) for section, time_ms in zip(sections, expected, strict=True)]
    scale = median(known) if (known := [ratio.value for ratio in ratios if ratio]) else 0.0
    return [
        SectionAttention(
            median_time_ms=_median_ms(section.seen_time),
            expected_ms=None if time_ms is None else round(time_ms),
            attention_share=section.time_ms / total_ms if total_ms else None,
            interest=_scaled(ratio, scale),
            readers=_count_readers(section.end_time, time_ms),
        )
        for section, time_ms, ratio in zip(sections, expected, ratios, strict=True)
    ]


def expected_ms(section: SectionFacts, pace_ms_a_px: float | None) -> float | None:
    """Return the time a reader is expected to give to a section; None where neither text nor height is known."""
    if section.words > 0:
        return section.words / WORDS_A_MINUTE * 60_000 + section.images * IMAGE_MS
    if pace_ms_a_px and section.height_px > 0:
        return pace_ms_a_px * section.height_px
    return section.images * IMAGE_MS if section.images else None


def _median_pace(sections: Sequence[SectionFacts]) -> float | None:
    """Return the page's median time per px of height, over the sections that were seen and have a height."""
    paces = [
        time_ms / section.height_px
        for section in sections
        if section.height_px > 0 and (time_ms := _median_ms(section.seen_time)) is not None
    ]
    return median(paces) if paces else None


def _median_ms(histogram: Histogram) -> int | None:
    position = quantile(histogram, 0.5)
    return None if position is None else position * TIME_BIN_MS


def _time_ratio(section: SectionFacts, time_ms: float | None) -> Estimate | None:
    """Return the median of time in view ÷ expected time; a constant divisor keeps the order, so ranks carry over."""
    value_ms, ends = _median_ms(section.seen_time), quantile_interval(section.seen_time, 0.5)
    if value_ms is None or ends is None or not time_ms:
        return None
    return Estimate(value_ms / time_ms, ends[0] * TIME_BIN_MS / time_ms, ends[1] * TIME_BIN_MS / time_ms)


def _scaled(ratio: Estimate | None, scale: float) -> Estimate | None:
    if ratio is None or scale <= 0:
        return None
    return Estimate(ratio.value / scale, ratio.low / scale, ratio.high / scale)


def _count_readers(end_time: Histogram, time_ms: float | None) -> int:
    if time_ms is None:
        return 0
    enough = end_time.bins * TIME_BIN_MS >= time_ms * READ_FRACTION
    return int(end_time.counts[enough].sum())
