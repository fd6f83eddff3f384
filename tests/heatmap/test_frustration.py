import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.ids import BUTTON_SHIFT, Button, ClickFlag, SignalKind
from heatmap.frustration import (
    NO_GROUP,
    NO_RESPONSE,
    UNWATCHED,
    Clicks,
    Looks,
    Signals,
    Thresholds,
    find_dead,
    find_errors,
    find_misleading,
    find_quick_backs,
    find_rage,
    find_waits,
)

PRESSABLE = ClickFlag.LOOKS_INTERACTIVE.value
BODY, BUTTON, LABEL, OTHER = 1, 2, 3, 4
PARENTS = {BODY: 0, BUTTON: BODY, LABEL: BUTTON, OTHER: BODY}

Click = tuple[int, int, int, int, int, int]
"""View, element, x, y, ms, kind."""


def _clicks(*rows: Click) -> Clicks:
    view, element, x_px, y_px, at_ms, kind = np.array(rows, np.int64).reshape(-1, 6).T
    parents = np.array([PARENTS.get(int(one), 0) for one in element], np.int64)
    return Clicks(view, element, parents, x_px, y_px, at_ms, kind)


def _signals(*rows: tuple[int, int, int, int, int]) -> Signals:
    return Signals(*np.array(rows, np.int64).reshape(-1, 5).T)


def _quick(*at_ms: int, kind: int = PRESSABLE, element: int = BUTTON) -> list[Click]:
    return [(1, element, 100, 100, at, kind) for at in at_ms]


def test_three_quick_clicks_in_one_place_are_rage():
    """Of five clicks the first three are: the fourth came too late, and two are too few."""
    assert find_rage(_clicks(*_quick(0, 1000, 2000, 3001, 4001))).tolist() == [0, 0, 0, NO_GROUP, NO_GROUP]


def test_clicks_drift_without_end_but_never_jump():
    """Each is compared with the one before: 30 px away still counts, 31 does not."""
    drifting = _clicks(*((1, BUTTON, 30 * step, 0, 100 * step, 0) for step in range(4)), (1, BUTTON, 121, 0, 400, 0))

    assert find_rage(drifting).tolist() == [0, 0, 0, 0, NO_GROUP]


def test_a_click_beside_the_label_is_on_its_parent():
    """Element and parent are one target, an element and its neighbour are two."""
    mixed = _clicks(
        *((1, element, 5, 5, 9 * nth, 0) for nth, element in enumerate((LABEL, BUTTON, LABEL, OTHER, OTHER)))
    )

    assert find_rage(mixed).tolist() == [0, 0, 0, NO_GROUP, NO_GROUP]


def test_each_rage_has_its_number():
    """Two visitors rage at the same time, one of them twice; the rows come in no order."""
    rows = _quick(0, 1, 2, 9000, 9001, 9002) + [(2, BUTTON, 100, 100, at, 0) for at in (0, 1, 2)]
    groups = find_rage(_clicks(*reversed(rows)))

    assert groups.tolist() == [2, 2, 2, 1, 1, 1, 0, 0, 0]


@pytest.mark.parametrize("flag", [ClickFlag.REPEATS, ClickFlag.SELECTING])
def test_steppers_and_text_selection_are_no_rage(flag: ClickFlag):
    """However often a stepper is pressed, and however often a text is clicked to select it."""
    assert find_rage(_clicks(*_quick(0, 50, 100, 150, 200, kind=PRESSABLE | flag))).tolist() == [NO_GROUP] * 5


def test_a_double_click_that_selects_ends_the_chain():
    """The first of three clicks on a text selects nothing yet; it alone is no rage."""
    kinds = (0, 0, ClickFlag.SELECTING.value, 0, 0)
    rows = _clicks(*((1, BODY, 5, 5, 100 * nth, kind) for nth, kind in enumerate(kinds)))

    assert find_rage(rows).tolist() == [NO_GROUP] * 5


@pytest.mark.parametrize("button", [Button.MIDDLE, Button.SECONDARY])
def test_other_buttons_make_no_clicks(button: Button):
    """What opens a context menu is neither rage nor dead nor an error."""
    clicks = _clicks(*_quick(0, 1, 2, kind=PRESSABLE | button << BUTTON_SHIFT))
    signals = _signals(
        *((1, BUTTON, at, SignalKind.RESPONSE, -1) for at in range(3)), (1, BUTTON, 0, SignalKind.ERROR, 5)
    )

    assert find_rage(clicks).tolist() == [NO_GROUP] * 3
    assert not find_dead(clicks, signals).any()
    assert not find_errors(clicks, signals).any()


def test_a_site_may_choose_when_rage_begins():
    """Four clicks are no rage where five are asked for, nor where they must come faster."""
    clicks = _clicks(*_quick(0, 500, 1000, 1500))

    assert find_rage(clicks).max() == 0
    assert find_rage(clicks, Thresholds(rage_clicks=5)).max() == NO_GROUP
    assert find_rage(clicks, Thresholds(rage_gap_ms=499)).max() == NO_GROUP


_COLUMNS = st.tuples(
    st.integers(1, 2), st.sampled_from([BODY, BUTTON, LABEL, OTHER]), st.integers(0, 60), st.integers(0, 60),
    st.integers(0, 4000), st.sampled_from([0, 16, 32, 48, 64, 128, 4, 16 | 8]),
)  # fmt: skip


@given(st.lists(_COLUMNS, max_size=25, unique_by=lambda row: (row[0], row[4])), st.randoms(use_true_random=False))
def test_rage_is_what_a_loop_over_the_definition_finds(rows: list[Click], random):
    """Vectorised and in any order of the rows, the answer is that of the definition read click by click."""
    chains: list[list[Click]] = []
    for row in sorted(rows, key=lambda row: (row[0], row[4])):
        if row[5] & (12 | 32 | 64):
            chains.append([])
        elif chains and chains[-1] and _is_near(chains[-1][-1], row):
            chains[-1].append(row)
        else:
            chains.append([row])
    expected = {row: nth for nth, chain in enumerate(each for each in chains if len(each) >= 3) for row in chain}
    random.shuffle(rows)

    assert find_rage(_clicks(*rows)).tolist() == [expected.get(row, NO_GROUP) for row in rows]


def _is_near(before: Click, row: Click) -> bool:
    (view, element, x, y, at, _), (view2, element2, x2, y2, at2, _) = before, row
    is_same = element == element2 or PARENTS[element] == element2 or PARENTS[element2] == element
    return view == view2 and at2 - at <= 1000 and (x2 - x) ** 2 + (y2 - y) ** 2 <= 900 and is_same


def test_dead_clicks_had_no_response_in_time_on_something_that_looks_interactive():
    """Answered, unanswered, unwatched, on plain text, with a modifier key: one of five is dead."""
    modified = PRESSABLE | ClickFlag.MODIFIED
    clicks = _clicks(*_quick(0, 100, 200), *_quick(300, kind=0), *_quick(400, kind=modified))
    answers = {0: 80, 100: NO_RESPONSE, 300: NO_RESPONSE, 400: NO_RESPONSE}
    signals = _signals(*((1, BUTTON, at, SignalKind.RESPONSE, ms) for at, ms in answers.items()))

    assert find_waits(clicks, signals).tolist() == [80, -1, UNWATCHED, -1, -1]
    assert find_dead(clicks, signals).tolist() == [False, True, False, False, False]


def test_a_site_may_call_slow_answers_dead():
    """The wait is stored, so that the past is judged by a shorter threshold as well; a longer one would be a guess."""
    clicks = _clicks(*_quick(0, 100))
    signals = _signals((1, BUTTON, 0, SignalKind.RESPONSE, 400), (1, BUTTON, 100, SignalKind.RESPONSE, 1600))

    assert not find_dead(clicks, signals).any()
    assert find_dead(clicks, signals, Thresholds(dead_ms=1000)).tolist() == [False, True]
    with pytest.raises(ValueError, match="2500 ms"):
        Thresholds(dead_ms=2501)
    with pytest.raises(ValueError, match="no rage"):
        Thresholds(rage_clicks=1)


def test_signals_of_other_clicks_say_nothing_of_this_one():
    """View, element and time must all be the click's own."""
    clicks = _clicks(*_quick(100))
    strangers = [(2, BUTTON, 100), (1, OTHER, 100), (1, BUTTON, 101)]
    signals = _signals(*((*one, SignalKind.RESPONSE, NO_RESPONSE) for one in strangers))

    assert not find_dead(clicks, signals).any()


def test_error_clicks_were_followed_by_a_fault():
    """Within the threshold, counted from the click; nothing else among the signals matters."""
    clicks = _clicks(*_quick(0, 5000, 9000))
    signals = _signals(
        (1, BUTTON, 0, SignalKind.ERROR, 1000),
        (1, BUTTON, 5000, SignalKind.RESPONSE, 3),
        (1, BUTTON, 9000, SignalKind.ERROR, 40),
    )

    assert find_errors(clicks, signals).tolist() == [True, False, True]
    assert find_errors(clicks, signals, Thresholds(error_ms=500)).tolist() == [False, False, True]


def test_three_quick_clicks_on_a_dead_button_are_rage_and_dead():
    """One does not hide the other."""
    clicks = _clicks(*_quick(0, 200, 400))
    signals = _signals(*((1, BUTTON, at, SignalKind.RESPONSE, NO_RESPONSE) for at in (0, 200, 400)))

    assert find_rage(clicks).tolist() == [0, 0, 0]
    assert find_dead(clicks, signals).all()


def test_an_element_misleads_where_three_visitors_click_it_in_vain():
    """Visitors are counted, not clicks; what looks interactive is dead instead, and what answers misleads nobody."""
    rows = [(view, element, 0, 0, element, 0) for view in (1, 2, 3) for element in (BODY, LABEL, OTHER)]
    clicks = _clicks(*rows, *((view, BUTTON, 0, 0, BUTTON, PRESSABLE) for view in (1, 2, 3)))
    answered = {(3, OTHER)}
    signals = _signals(
        *((view, element, at, SignalKind.RESPONSE, 10 if (view, element) in answered else NO_RESPONSE)
          for view, element, _, _, at, _ in [*rows, *((view, BUTTON, 0, 0, BUTTON, 0) for view in (1, 2, 3))])
    )  # fmt: skip
    visitors = np.where((clicks.element_ids == LABEL) & (clicks.view_ids == 2), 1, clicks.view_ids)

    assert find_misleading(clicks, signals, visitors).tolist() == [BODY]
    assert find_misleading(clicks, signals, visitors, Thresholds(misleading_visitors=2)).tolist() == [
        BODY,
        LABEL,
        OTHER,
    ]


def test_a_quick_back_returns_to_the_page_before_within_seven_seconds():
    """Page 1, page 2 for 7 s, page 1: that was one. Who clicks there, stays longer or goes on has not gone back."""

    def views(*rows: tuple[int, int, int, int]) -> list[bool]:
        return find_quick_backs(Looks(*np.array(rows, np.int64).T)).tolist()

    assert views((9, 1, 0, 0), (9, 2, 5000, 0), (9, 1, 12000, 0)) == [False, True, False]
    assert views((9, 1, 12000, 0), (9, 2, 5000, 0), (9, 1, 0, 0)) == [False, True, False]
    assert not any(views((9, 1, 0, 0), (9, 2, 5000, 1), (9, 1, 12000, 0)))
    assert not any(views((9, 1, 0, 0), (9, 2, 5000, 0), (9, 1, 12001, 0)))
    assert not any(views((9, 1, 0, 0), (9, 2, 5000, 0), (9, 3, 6000, 0)))
    assert not any(views((9, 1, 0, 0), (9, 1, 5000, 0), (9, 1, 6000, 0)))
    assert not any(views((9, 1, 0, 0), (8, 2, 5000, 0), (9, 1, 6000, 0)))


def test_nothing_is_judged_where_nothing_was_recorded():
    """Empty columns are columns, too."""
    clicks, signals = _clicks(), _signals()
    empty = np.empty(0, np.int64)

    assert find_rage(clicks).size == find_dead(clicks, signals).size == find_errors(clicks, signals).size == 0
    assert find_misleading(clicks, signals, empty).size == find_quick_backs(Looks(empty, empty, empty, empty)).size == 0
