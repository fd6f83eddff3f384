from collections.abc import Mapping

import pytest

from collector.ids import SectionId
from heatmap.engagement import SectionFacts, build_reach_curve, expected_ms, measure_sections, median_depth
from heatmap.grid import Histogram, build_histogram


def _histogram(counts: Mapping[int, int]) -> Histogram:
    return build_histogram(list(counts.keys()), list(counts.values()))


def _section(
    section_id: int, seen: Mapping[int, int], ended: Mapping[int, int] | None = None, **size: int
) -> SectionFacts:
    return SectionFacts(
        section_id=SectionId(section_id),
        words=size.get("words", 0),
        images=size.get("images", 0),
        height_px=size.get("height_px", 0),
        seen_views=sum(seen.values()),
        time_ms=size.get("time_ms", 0),
        exits=0,
        seen_time=_histogram(seen),
        end_time=_histogram(ended or {}),
    )


def test_reach_is_the_share_of_views_at_least_that_deep():
    """Four views that ended at 20 %, 50 %, 50 % and the bottom."""
    curve = build_reach_curve(_histogram({200: 1, 500: 2, 1_000: 1}))

    assert len(curve) == 101
    assert (curve[0], curve[20], curve[21], curve[50], curve[51], curve[100]) == (1.0, 1.0, 0.75, 0.75, 0.25, 0.25)


def test_the_top_of_the_page_is_reached_by_all():
    """Also by a view that reported no depth at all."""
    assert build_reach_curve(_histogram({0: 3}))[:2] == [1.0, 0.0]


def test_no_views_make_no_curve():
    """An empty curve is drawn as an empty state, not as a line at zero."""
    assert build_reach_curve(_histogram({})) == []


def test_the_median_depth_counts_fitting_views_as_whole():
    """Two views at 30 %, three that had nothing to scroll: the third of five is 1.0."""
    assert median_depth(_histogram({300: 2}), _histogram({1_000: 3})) == 1.0
    assert median_depth(_histogram({300: 2}), _histogram({})) == 0.3
    assert median_depth(_histogram({}), _histogram({})) is None


def test_expected_time_is_238_words_a_minute_and_3_s_an_image():
    """238 words and two images take 66 s."""
    assert expected_ms(_section(1, {}, words=238, images=2), None) == pytest.approx(66_000)


def test_sections_without_text_expect_the_page_s_median_pace():
    """200 px at a median of 10 ms a px take 2 s; without any pace only images are left to go by."""
    assert expected_ms(_section(1, {}, height_px=200), 10.0) == pytest.approx(2_000)
    assert expected_ms(_section(1, {}, images=1), 10.0) == 3_000
    assert expected_ms(_section(1, {}), None) is None


def test_the_interest_index_is_scaled_to_a_page_median_of_one():
    """238 words expect 60 s; medians of 30 s, 60 s and 120 s are 0.5, 1 and 2."""
    sections = [_section(n, {median: 5}, words=238) for n, median in enumerate((300, 600, 1_200))]

    values = [section.interest.value for section in measure_sections(sections) if section.interest]

    assert values == pytest.approx([0.5, 1.0, 2.0])


def test_the_interest_interval_comes_from_the_order_statistics():
    """Ten views of 1..10 times 6 s: ranks 2 and 9 bound the median, in the scale of the page."""
    measured = measure_sections([_section(1, {60 * n: 1 for n in range(1, 11)}, words=238)])

    interest = measured[0].interest

    assert interest is not None
    assert (interest.value, interest.low, interest.high) == pytest.approx((1.0, 0.4, 1.8))


def test_attention_is_shared_out_completely():
    """1 s and 3 s of time in view are a quarter and three quarters."""
    measured = measure_sections([_section(1, {}, time_ms=1_000), _section(2, {}, time_ms=3_000)])

    assert [section.attention_share for section in measured] == [0.25, 0.75]


def test_readers_saw_the_end_and_spent_half_of_the_expected_time():
    """Half of 60 s: the view of 29.9 s saw the end and did not read, those of 30 s and 90 s did."""
    measured = measure_sections([_section(1, {100: 1, 299: 1, 300: 1, 900: 1}, {299: 1, 300: 1, 900: 1}, words=238)])

    assert measured[0].readers == 2


def test_a_section_nobody_saw_says_nothing():
    """No median, no index, and no share where there is no time at all."""
    measured = measure_sections([_section(1, {}, words=10)])[0]

    assert (measured.median_time_ms, measured.interest, measured.attention_share) == (None, None, None)
