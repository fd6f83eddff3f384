"""Figures in words: what a page's readers were interested in and what they passed over. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from heatmap.dashboard.figures import FEW_VIEWS
from heatmap.naming import name_section
from heatmap.reports import SectionFigures

WARM_FROM = 1.25
"""Interest index from which a section is called interesting: a quarter above the page's median."""
COOL_TO = 0.8
"""Interest index up to which a section is called passed over: as far below the median as `WARM_FROM` is above."""
NAMED_FROM_MS = 10_000
"""Expected time from which a section is spoken of: shorter ones are headers, banners and footers' lists."""
LOW_REACH = 0.5
"""Share of views below which the headline says that most readers never got to a section."""
_STEPS = (0.5, 0.67, 0.8, 1.25, 1.5, 2.0)
"""Borders of the seven colours from cool to warm, each as far below 1 as its counterpart is above."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence's worth: the section, what is said of it, and the views that it rests on."""

    section: SectionFigures
    n: int


@dataclass(frozen=True, slots=True)
class Headline:
    """The report in a sentence or two; each part is None where the figures do not carry it."""

    warmest: Finding | None
    coolest: Finding | None
    unreached: Finding | None
    has_enough: bool


def build_headline(sections: Sequence[SectionFigures], views: int) -> Headline:
    """Return what stands out among the `sections` worth naming, resting only on those that at least 30 views saw."""
    named = [item for item in sections if (item.expected_ms or 0) >= NAMED_FROM_MS]
    solid = [item for item in named if item.interest_index is not None and item.reach.count >= FEW_VIEWS]
    ranked = sorted(solid, key=lambda item: item.interest_index or 0.0)
    warmest = ranked[-1] if ranked and _index(ranked[-1]) >= WARM_FROM else None
    coolest = ranked[0] if ranked and _index(ranked[0]) <= COOL_TO else None
    return Headline(
        warmest=Finding(warmest, warmest.reach.count) if warmest else None,
        coolest=Finding(coolest, coolest.reach.count) if coolest else None,
        unreached=_find_unreached(named, views),
        has_enough=views >= FEW_VIEWS,
    )


def interest_step(index: float | None) -> int:
    """Return the colour of an interest index: 0 coolest … 3 neither … 6 warmest; −1 where it is not known."""
    if index is None:
        return -1
    return sum(index >= border if border > 1 else index > border for border in _STEPS)


def section_name(section: SectionFigures) -> str:
    """Return what to call a section, also one without a title."""
    return name_section(section.key, section.title)


def _index(section: SectionFigures) -> float:
    return section.interest_index or 0.0


def _find_unreached(sections: Sequence[SectionFigures], views: int) -> Finding | None:
    """Return the first section in page order that less than half of the views saw."""
    if views < FEW_VIEWS:
        return None
    for section in sections:
        if section.is_placed and section.reach.value is not None and section.reach.value < LOW_REACH:
            return Finding(section, section.reach.n)
    return None
