"""Facts into rollups, exactly once, and the rollups of any range back out.

`advance` is the only writer; the loaders cost the size of the rollups they read, never the number of events.
"""

from heatmap.rollup.cells import load_click_cells
from heatmap.rollup.ranks import load_view_counts, rank_pages
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
    "SectionTotals",
    "advance",
    "load_click_cells",
    "load_days",
    "load_devices",
    "load_page_totals",
    "load_pages_totals",
    "load_section_totals",
    "load_view_counts",
    "prune_states",
    "rank_pages",
]
