import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heatmap.grid import Histogram, build_histogram
from heatmap.stats import order_ranks, quantile, quantile_interval, wilson_interval


def _histogram(*values: int) -> Histogram:
    return build_histogram(values, [1] * len(values))


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_wilson_interval_gives_published_values(count: int, n: int, low: float, high: float):
    """The last row is the example of Newcombe (1998), table I, method 3."""
    assert wilson_interval(count, n) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_wilson_interval_of_nothing_says_nothing():
    """Without a view any share is possible."""
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_wilson_interval_refuses_more_than_all():
    """A count above n is a mistake of the caller, not a share."""
    with pytest.raises(ValueError, match="outside"):
        wilson_interval(11, 10)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_its_share_and_stays_a_share(case: tuple[int, int]):
    """The interval lies in 0..1 and around the observed share."""
    low, high = wilson_interval(*case)
    assert 0 <= low <= case[0] / case[1] <= high <= 1


def test_quantiles_are_values_that_were_counted():
    """The median of four is the second, the upper quartile the third."""
    histogram = _histogram(10, 20, 20, 90)

    assert quantile(histogram, 0.5) == 20
    assert quantile(histogram, 0.75) == 20
    assert quantile(histogram, 1.0) == 90


def test_an_empty_histogram_has_no_quantile():
    """Nothing counted, nothing said."""
    assert quantile(_histogram(), 0.5) is None
    assert quantile_interval(_histogram(), 0.5) is None


def test_ten_values_enclose_the_median_between_the_second_and_the_ninth():
    """The textbook case: ranks 2 and 9 of 10 cover the median with 97.9 %."""
    assert order_ranks(10, 0.5) == (2, 9)
    assert quantile_interval(_histogram(*range(1, 11)), 0.5) == (2, 9)


def test_few_values_enclose_the_median_by_all_of_them():
    """Five values cannot reach 95 %; the interval is as wide as they are."""
    assert quantile_interval(_histogram(3, 4, 5, 6, 7), 0.5) == (3, 7)


@given(st.integers(6, 400), st.sampled_from([0.25, 0.5, 0.75]))
def test_each_side_of_the_interval_misses_the_quantile_in_at_most_2_5_percent(n: int, fraction: float):
    """Binomial tails summed independently; a side that cannot be that sure is the smallest or the largest value."""
    low, high = order_ranks(n, fraction)
    chances = [math.comb(n, k) * fraction**k * (1 - fraction) ** (n - k) for k in range(n + 1)]

    assert low == 1 or sum(chances[:low]) <= 0.025 + 1e-9
    assert high == n or sum(chances[high:]) <= 0.025 + 1e-9


def test_many_values_use_ranks_near_the_exact_ones():
    """Where the exact sum ends and the approximation begins the ranks do not jump."""
    exact, approximate = order_ranks(1_000, 0.5), order_ranks(1_001, 0.5)

    assert abs(exact[0] - approximate[0]) <= 2
    assert abs(exact[1] - approximate[1]) <= 2
