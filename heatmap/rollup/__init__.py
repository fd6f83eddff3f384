"""Facts into rollups, exactly once, and the rollups of any range back out.

`advance` and `rebuild` are the only writers; the loaders cost the size of the rollups that they read, never the number
of events.
"""

from heatmap.rollup.cells import load_click_cells
from heatmap.rollup.ranks import load_audiences, load_view_counts, rank_pages
from heatmap.rollup.rebuild import Rebuilt, Rule, rebuild
from heatmap.rollup.states import prune_states
from heatmap.rollup.step import Advanced, advance
from heatmap.rollup.totals import (
    DayTotals,
    DeviceTotals,
    PageTotals,
    SectionTotals,
    load_days,
    load_devices,
    load_page_totals,
    load_pages_totals,
    load_section_totals,
)

__all__ = [
    "Advanced",
    "DayTotals",
    "DeviceTotals",
    "PageTotals",
    "Rebuilt",
    "Rule",
    "SectionTotals",
    "advance",
    "load_audiences",
    "load_click_cells",
    "load_days",
    "load_devices",
    "load_page_totals",
    "load_pages_totals",
    "load_section_totals",
    "load_view_counts",
    "prune_states",
    "rank_pages",
    "rebuild",
]
