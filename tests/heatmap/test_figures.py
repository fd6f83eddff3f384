"""The values that reports and images say."""

import pytest

from heatmap.figures import Share, build_share


@pytest.mark.parametrize(
    ("count", "n", "said"),
    [
        (0, 0, (0, 0, None)),
        (0, 4, (0, 4, 0.0)),
        (1, 4, (1, 4, 0.25)),
        (4, 4, (4, 4, 1.0)),
        (5, 4, (5, 5, 1.0)),
        (3, 0, (3, 3, 1.0)),
        (-1, 4, (0, 4, 0.0)),
        (-1, -1, (0, 0, None)),
    ],
)
def test_a_share_is_never_more_than_all_and_never_less_than_nothing(count: int, n: int, said: tuple):
    """Counts that exceed their sample, as hostile clients can make them, give a share and no error."""
    share = build_share(count, n)

    assert (share.count, share.n, share.value) == said


def test_a_share_lies_in_its_interval_and_an_empty_one_has_none():
    """A share of a sample carries its 95 % interval; without a sample nothing is claimed."""
    share = build_share(5, 4)

    assert share.low is not None
    assert share.high is not None
    assert 0 < share.low <= share.value <= share.high <= 1
    assert build_share(0, 0) == Share(0, 0, None, None, None)
