"""How numbers, days and charts are written down."""

from datetime import UTC, date, datetime, timedelta

import pytest

from collector.ids import Device
from heatmap.dashboard import figures
from heatmap.dashboard.charts import build_columns, build_curve, nice_top
from heatmap.dashboard.csv_sheet import defuse
from heatmap.dashboard.place import Place
from heatmap.dashboard.query import Selection
from heatmap.dashboard.wording import interest_step

TODAY = date(2026, 11, 22)


def _place(**changes: object) -> Place:
    values = {
        "page": "/a",
        "kind": "click",
        "device": Device.ALL,
        "first_day": date(2026, 11, 16),
        "last_day": TODAY,
    } | changes
    return Place(7, "heatmap", Selection(**values), TODAY)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value_ms", "text"),
    [
        (None, "–"),
        (0, "0 s"),
        (420, "0.4 s"),
        (9_949, "9.9 s"),
        (59_400, "59 s"),
        (59_600, "1 m 00 s"),
        (84_000, "1 m 24 s"),
        (7_500_000, "2 h 05 m"),
    ],
)
def test_a_time_is_written_for_people(value_ms: int | None, text: str) -> None:
    """Seconds, minutes and hours, never 60 s."""
    assert figures.duration(value_ms).replace("\u202f", " ") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0 %"), (0.0001, "<0.1 %"), (0.083, "8.3 %"), (0.0996, "10 %"), (0.5, "50 %"), (1.0, "100 %")],
)
def test_a_share_is_written_as_per_cent(value: float | None, text: str) -> None:
    """One decimal below ten, and never 0 % for what happened."""
    assert figures.percent(value).replace("\u202f", " ") == text


def test_a_change_says_nothing_without_a_before() -> None:
    """From nothing to something is no percentage."""
    assert figures.change(10, 0) == figures.Change("", "flat")
    assert figures.change(112, 100).tone == "up"
    assert figures.change(88, 100).text.startswith("−12")


def test_compact_numbers_stay_short() -> None:
    """The axis of a chart has room for five characters."""
    assert [figures.compact(value) for value in (0, 999, 1_000, 1_240, 34_000, 5_600_000)] == [
        "0",
        "999",
        "1k",
        "1.2k",
        "34k",
        "5.6M",
    ]


def test_a_legend_has_two_digits_and_no_powers_of_ten() -> None:
    """Small values keep their zeros, large ones are rounded and have their thousands apart."""
    written = [figures.two_digits(value) for value in (0, 0.000012, 0.012, 1.84, 46, 183, 12_345)]
    assert written == ["0", "0.000012", "0.012", "1.8", "46", "180", "12,000"]


def test_a_range_is_written_without_repeating_itself() -> None:
    """Month and year stand once where both ends share them."""
    assert figures.span(date(2026, 11, 4), TODAY) == "4–22 Nov 2026"
    assert figures.span(date(2026, 10, 26), TODAY) == "26 Oct – 22 Nov 2026"
    assert figures.span(date(2025, 12, 30), date(2026, 1, 2)) == "30 Dec 2025 – 2 Jan 2026"
    assert figures.span(TODAY, TODAY) == "22 Nov 2026"


def test_an_age_is_written_in_its_largest_unit() -> None:
    """One hour is not 60 minutes."""
    now = datetime(2026, 11, 22, tzinfo=UTC)
    ages = (timedelta(seconds=59), timedelta(minutes=1), timedelta(hours=1), timedelta(days=3))
    assert [figures.ago(now - age, now) for age in ages] == ["just now", "1 minute ago", "1 hour ago", "3 days ago"]


def test_columns_fill_the_chart_and_stand_on_a_round_axis() -> None:
    """The axis ends above the highest column at a number whose quarters are whole."""
    chart = build_columns([10, 5], [4, 5], ["a", "b"])
    assert [tick.text for tick in chart.ticks] == ["0", "3", "6", "9", "12"]
    assert [column.outer for column in chart.columns] == [83.33, 41.67]
    assert chart.columns[0].inner == 33.33


def test_a_chart_of_nothing_is_an_empty_chart() -> None:
    """No day, no column, no division by nothing."""
    assert build_columns([], [], []).columns == []
    assert build_columns([0], [0], ["a"]).columns[0].outer == 0
    assert build_curve([]).line == ""


@pytest.mark.parametrize(
    ("value", "top"), [(0, 4), (4, 4), (5, 8), (33, 36), (41, 48), (321, 360), (480, 480), (601, 800), (10_001, 12_000)]
)
def test_an_axis_ends_at_a_round_number(value: int, top: int) -> None:
    """The smallest of the round numbers that holds the value."""
    assert nice_top(value) == top


def test_the_address_holds_the_state_and_nothing_that_is_default() -> None:
    """A shared link shows the same; a link to the last week moves on with time."""
    assert _place().href() == "/sites/7/heatmap?page=%2Fa"
    assert _place(kind="scroll", device=Device.PHONE, first_day=TODAY).href() == (
        "/sites/7/heatmap?page=%2Fa&kind=scroll&device=phone&from=2026-11-22&to=2026-11-22"
    )
    assert _place().href("") == "/sites/7"


def test_one_preset_is_marked_as_current() -> None:
    """The range that is shown is the range that is marked."""
    assert [preset.is_current for preset in _place().presets()] == [False, True, False, False]
    assert not any(preset.is_current for preset in _place(last_day=date(2026, 11, 21)).presets())


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_cell_of_a_sheet_runs(text: str) -> None:
    """A title that looks like a formula is text."""
    assert defuse(text) == "'" + text
    assert defuse("How we fire") == "How we fire"


def test_colours_of_interest_mirror_each_other() -> None:
    """As far below the median is as cool as so far above is warm."""
    assert [interest_step(index) for index in (0.4, 0.6, 0.75, 1.0, 1.3, 1.6, 2.5)] == [0, 1, 2, 3, 4, 5, 6]
    assert interest_step(None) == -1
