"""Grid, smoothing and scale: mass is kept, peaks stay, one giant hides nobody."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heatmap import density as d

unhurried = settings(deadline=None)  # a busy machine is no fault of the code


def density_of(counts, sigma_px=d.SIGMA_PX):
    return d.build_density(np.array(counts, np.int64), sigma_px)


def spots(*hotspots, size=(200, 300)):
    """Return the density of hotspots given as (row, column, clicks)."""
    counts = np.zeros(size, np.int64)
    for row, column, clicks in hotspots:
        counts[row, column] += clicks
    return d.build_density(counts)


def test_points_are_counted_in_their_cells():
    """A point belongs to the 4-px cell it lies in, with its weight."""
    counts = d.build_counts([0, 3.9, 4, 19], [0, 0, 8, 19], [1, 2, 3, 4], (20, 20))

    expected = np.zeros((5, 5), np.int64)
    expected[0, 0], expected[2, 1], expected[4, 4] = 3, 3, 4
    assert counts.tolist() == expected.tolist()


@unhurried
@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.integers(1, 2**40)), max_size=30),
    st.integers(1, 90),
    st.integers(1, 90),
)
def test_the_grid_holds_all_clicks_exactly(points, width, height):
    """Whatever lies outside is counted at the edge: the grid's sum is the sum of the clicks."""
    x, y, clicks = ([point[axis] for point in points] for axis in range(3))

    assert d.build_counts(x, y, clicks, (width, height)).sum() == sum(clicks)


@pytest.mark.parametrize("shape", [(5, 5), (1, 1), (3, 200), (150, 70)])
def test_smoothing_keeps_the_mass_also_at_corners(shape):
    """Density times area adds up to the clicks, though some lie in corners and on grids smaller than the kernel."""
    counts = np.zeros(shape, np.int64)
    counts[0, 0], counts[-1, -1], counts[shape[0] // 2, 0] = 700, 50, 3

    assert density_of(counts).sum() * d.CELL_PX**2 == pytest.approx(counts.sum(), rel=1e-5)


def test_an_even_density_stays_even_inside():
    """Where clicks are spread evenly, the density is even away from the edges and within a third at them."""
    smooth = density_of(np.full((70, 130), 3)) * d.CELL_PX**2

    assert smooth[30:40, 30:100] == pytest.approx(3, rel=1e-5)
    assert smooth[0, 65] == pytest.approx(3, rel=0.35)


def test_smoothing_is_the_gaussian_of_its_width():
    """Around one click the density falls off as a Gaussian of the given σ, narrowed by c²/4 for cells and scaling."""
    smooth = spots((100, 150, 1))
    variance = d.SIGMA_PX**2 - d.CELL_PX**2 / 4
    at_px = (np.arange(300) - 150) * d.CELL_PX

    expected = np.exp(-(at_px**2) / (2 * variance)) / (2 * np.pi * variance)
    assert smooth[100] == pytest.approx(expected, abs=expected.max() * 2e-3)


@unhurried
@given(st.integers(0, 799), st.integers(0, 1199))
def test_a_peak_lies_in_the_cell_of_its_click(x_px, y_px):
    """The brightest cell of one click is the cell it was counted in, wherever on the page."""
    smooth = d.build_density(d.build_counts([x_px], [y_px], [1], (800, 1200)))

    assert np.unravel_index(smooth.argmax(), smooth.shape) == (y_px // d.CELL_PX, x_px // d.CELL_PX)


def test_peaks_are_the_cells_that_no_neighbour_exceeds():
    """A hand-made 5 × 5 surface has two hills."""
    surface = np.zeros((5, 5), np.float32)
    surface[1, 1], surface[1, 2], surface[4, 4] = 5, 4, 2

    assert sorted(d.find_peaks(surface).tolist()) == [2, 5]


def test_a_single_giant_does_not_hide_the_others():
    """While one hotspot grows to 91 % of all clicks, twenty others keep their place on the scale."""
    others = [(20 + 40 * (number // 5), 20 + 55 * (number % 5), 100 + 20 * number) for number in range(20)]

    def levels(giant):
        density = spots(*others, (190, 280, giant))
        found = d.build_scale(density).levels(density)
        return np.array([int(found[row, column]) for row, column, _ in others])

    assert np.abs(levels(60_000) - levels(1)).max() <= 16
    assert levels(60_000).min() > 100


def test_of_two_hotspots_the_weaker_stays_visible():
    """A thousandfold giant beside one other leaves it a quarter of the scale."""
    density = spots((50, 50, 1_000_000), (150, 250, 1_000))

    assert d.build_scale(density).levels(density)[150, 250] >= 63


def test_stray_clicks_look_weak():
    """Single clicks are far from the top colour, alone and beside a hotspot, however many there are."""
    strays = [(10 + 40 * (number % 5), 10 + 15 * (number // 5), 1) for number in range(80)]
    alone, beside = spots((50, 50, 1)), spots(*strays, (190, 290, 400))

    assert d.build_scale(alone).levels(alone).max() < 128
    assert d.build_scale(beside).levels(beside)[10, 10] < 32


@unhurried
@given(st.floats(1e-9, 1e6), st.integers(0, 255))
def test_the_legend_says_what_a_colour_stands_for(top, index):
    """Scaling the density of a palette index gives the index back."""
    scale = d.Scale(top)

    assert scale.levels(np.array([scale.density(index)], np.float32)).tolist() == [index]


def test_enlarging_interpolates_between_cell_centres():
    """Twice as large, a step of 0 to 4 passes through 1 and 3, and the last partial pixel column may be cut."""
    small = np.array([[0, 4], [0, 4]], np.float32)

    assert d.enlarge(small, 0, 4, 2, 3).tolist() == [[0, 1, 3]] * 4
