"""The report's headline speaks only of what a reader would name, and only where the figures carry it."""

from heatmap.dashboard.wording import build_headline, section_name
from heatmap.figures import SectionFigures, build_share

VIEWS = 200


def _section(
    title: str, *, index: float, expected_ms: int = 40_000, seen: int = 150, key: str = "h2[x]"
) -> SectionFigures:
    reach = build_share(seen, VIEWS)
    return SectionFigures(
        key=key, title=title, is_placed=True, top_px=0, height_px=500, words=150, images=0, reach=reach, time_ms=1,
        attention_share=0.1, expected_ms=expected_ms, median_time_ms=1, interest_index=index, interest_low=index,
        interest_high=index, read_through=reach, exits=build_share(1, VIEWS),
    )  # fmt: skip


def test_the_headline_names_the_warmest_and_the_coolest_section() -> None:
    """The ends of the scale, and the first section that most never reached."""
    sections = [
        _section("A", index=1.0),
        _section("B", index=2.0),
        _section("C", index=0.5),
        _section("D", index=1, seen=40),
    ]
    headline = build_headline(sections, VIEWS)
    found = (headline.warmest, headline.coolest, headline.unreached)
    assert [item and item.section.title for item in found] == ["B", "C", "D"]


def test_the_headline_leaves_out_what_takes_less_than_ten_seconds() -> None:
    """A banner or a footer's list is not passed over, lingered on or never reached: nobody reads it."""
    tiny = [
        _section("Banner", index=0.1, expected_ms=5_500),
        _section("Logo", index=9.0, expected_ms=9_999),
        _section("Links", index=0.2, expected_ms=2_000, seen=10),
    ]
    headline = build_headline([*tiny, _section("A", index=1.0), _section("B", index=1.5, expected_ms=10_000)], VIEWS)
    assert headline.warmest is not None
    assert headline.warmest.section.title == "B"
    assert (headline.coolest, headline.unreached) == (None, None)


def test_a_section_seen_by_few_is_no_finding() -> None:
    """Below 30 views the figures are shown in grey and the headline is silent."""
    headline = build_headline([_section("A", index=9.0, seen=29), _section("B", index=1.0)], VIEWS)
    assert headline.warmest is None
    assert headline.has_enough


def test_a_section_without_a_title_still_has_a_name() -> None:
    """Its key in words."""
    assert section_name(_section("", index=1, key="#top")) == "Top"
