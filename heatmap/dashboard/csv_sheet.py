"""A page's engagement report as CSV: its sections, the page itself or its reach; pure.

Every row carries the page, the device, the range and the choice about bots that it is about, so that sheets of many
pages can be put together.
"""

import csv
import io
from collections.abc import Iterable, Sequence

from heatmap.engagement import CURVE_POINTS
from heatmap.reports import PageReport

_Cell = str | int | float | None
_SECTION_COLUMNS = (
    *("section", "title", "top_px", "height_px", "words", "images", "views", "seen_views"),
    *("reach", "reach_low", "reach_high", "time_ms", "attention_share", "expected_ms", "median_time_ms"),
    *("interest_index", "interest_low", "interest_high", "read_through", "read_through_low", "read_through_high"),
    *("exits", "exit_share"),
)
_REACH_COLUMNS = ("depth_percent", "n", "share", "n_scrolling", "share_scrolling")
_RANGE_COLUMNS = ("page", "page_title", "device", "first_day", "last_day", "bots")
_PAGE_COLUMNS = (
    *("page_views", "page_visitors", "page_sessions", "page_entries", "page_bounces", "page_bounce_share"),
    *("page_bounce_low", "page_bounce_high", "page_clicks"),
    *("page_engaged_total_ms", "page_engaged_median_ms", "page_engaged_p75_ms", "page_depth_median_frac"),
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def encode_sheet(report: PageReport, part: str) -> bytes:
    """Return a part of the report with a header; UTF-8, an empty cell where nothing can be said.

    `part` is one of `query.PARTS`: a row a section, one row for the page, or a row for each percent of its height.
    """
    if part == "page":
        return _encode(_RANGE_COLUMNS + _PAGE_COLUMNS, [[*_range_cells(report), *_page_cells(report)]])
    if part == "reach":
        return _encode(_REACH_COLUMNS + _RANGE_COLUMNS, _reach_rows(report))
    return _encode(_SECTION_COLUMNS + _RANGE_COLUMNS + _PAGE_COLUMNS, _section_rows(report))


def defuse(text: str) -> str:
    """Return `text` so that no spreadsheet runs it as a formula (OWASP ASVS 1.2.10)."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _encode(columns: Sequence[str], rows: Iterable[Sequence[_Cell]]) -> bytes:
    out = io.StringIO()
    sheet = csv.writer(out, lineterminator="\r\n")
    sheet.writerow(columns)
    sheet.writerows(rows)
    return out.getvalue().encode()


def _section_rows(report: PageReport) -> Iterable[Sequence[_Cell]]:
    """Yield the sections in page order, each with the figures of the page."""
    page = [*_range_cells(report), *_page_cells(report)]
    for item in report.sections:
        yield [
            defuse(item.key), defuse(item.title), item.top_px, item.height_px, item.words, item.images,
            item.reach.n, item.reach.count, item.reach.value, item.reach.low, item.reach.high,
            item.time_ms, item.attention_share, item.expected_ms, item.median_time_ms,
            item.interest_index, item.interest_low, item.interest_high,
            item.read_through.value, item.read_through.low, item.read_through.high,
            item.exits.count, item.exits.value,
            *page,
        ]  # fmt: skip


def _reach_rows(report: PageReport) -> Iterable[Sequence[_Cell]]:
    """Yield 0 to 100 %, with the views that reached it: of all, and of those that could scroll."""
    reach, place = report.reach, _range_cells(report)
    for percent in range(CURVE_POINTS):
        share = reach.shares[percent] if reach.shares else None
        scrolling = reach.shares_scrolling[percent] if reach.shares_scrolling else None
        yield [percent, reach.n, share, reach.n_scrolling, scrolling, *place]


def _range_cells(report: PageReport) -> list[_Cell]:
    return [
        defuse(report.figures.path),
        defuse(report.figures.title),
        report.device.name.lower(),
        report.first_day.isoformat(),
        report.last_day.isoformat(),
        report.audience.bots.value,
    ]


def _page_cells(report: PageReport) -> list[_Cell]:
    figures, bounces = report.figures, report.figures.bounces
    return [
        figures.views, figures.visitors, figures.sessions, bounces.n, bounces.count, bounces.value,
        bounces.low, bounces.high, figures.clicks,
        figures.engaged_total_ms, figures.engaged_median_ms, figures.engaged_p75_ms, figures.depth_median,
    ]  # fmt: skip
