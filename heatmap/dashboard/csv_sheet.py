"""A page's sections as CSV; pure."""

import csv
import io

from heatmap.reports import PageReport

_COLUMNS = (
    *("section", "title", "top_px", "height_px", "words", "images", "views", "seen_views"),
    *("reach", "reach_low", "reach_high", "time_ms", "attention_share", "expected_ms", "median_time_ms"),
    *("interest_index", "interest_low", "interest_high", "read_through", "read_through_low", "read_through_high"),
    *("exits", "exit_share"),
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def encode_sections(report: PageReport) -> bytes:
    """Return the report's sections in page order, one row each, with a header; UTF-8."""
    out = io.StringIO()
    sheet = csv.writer(out, lineterminator="\r\n")
    sheet.writerow(_COLUMNS)
    for item in report.sections:
        sheet.writerow([
            defuse(item.key), defuse(item.title), item.top_px, item.height_px, item.words, item.images,
            item.reach.n, item.reach.count, item.reach.value, item.reach.low, item.reach.high,
            item.time_ms, item.attention_share, item.expected_ms, item.median_time_ms,
            item.interest_index, item.interest_low, item.interest_high,
            item.read_through.value, item.read_through.low, item.read_through.high,
            item.exits.count, item.exits.value,
        ])  # fmt: skip
    return out.getvalue().encode()


def defuse(text: str) -> str:
    """Return `text` so that no spreadsheet runs it as a formula (OWASP ASVS 1.2.10)."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
