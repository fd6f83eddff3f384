"""The snippet's benchmark reads traces truly, and makes the same visit of the same page in every run."""

from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import count, pairwise
from typing import Any

import pytest
from bench.snippet.script import QUICK, WHOLE, Input, Kind, Length, Spot, write_script
from bench.snippet.site_page import ELEMENTS, build_page
from bench.snippet.timeline import read_timeline

_URL = "http://127.0.0.1:1/script.js"
_SPOTS = [Spot(kind, 300.0, y, False) for y in range(100, 12_000, 40) for kind in ("dead", "button", "link")]


class _Counter(HTMLParser):
    elements = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.elements += 1


def _trace(*spans: tuple[str, float, float, float], url: str = _URL) -> Iterator[dict[str, Any]]:
    """Yield events of the main thread from (name, begin ms, length ms, CPU ms); the first is the script's."""
    for number, (name, begin_ms, length_ms, cpu_ms) in zip(count(), spans, strict=False):
        yield {
            "name": name,
            "ph": "X",
            "pid": 7,
            "tid": 7,
            "ts": begin_ms * 1000,
            "dur": length_ms * 1000,
            "tdur": cpu_ms * 1000,
            "args": {"data": {"url": url if number == 0 else "http://page/"}},
        }


def test_the_page_has_as_many_elements_as_it_says() -> None:
    """A reader of HTML counts 5,000 elements, and two builds are the same."""
    counter = _Counter()
    counter.feed(build_page())
    assert counter.elements == ELEMENTS
    assert build_page() == build_page()


@pytest.mark.parametrize("length", [WHOLE, QUICK])
def test_a_visit_has_the_inputs_that_it_promises(length: Length) -> None:
    """Moves, clicks and wheel turns are as many as stated, in order, within the time, and the same in every run."""
    script = write_script(_SPOTS, length)
    kinds = [step.kind for step in script.inputs]
    assert [kinds.count(kind) for kind in (Kind.MOVE, Kind.CLICK, Kind.WHEEL)] == [
        *(length.moves, length.clicks, length.wheels)
    ]
    due = [step.at_s for step in script.inputs]
    assert due == sorted(due)
    assert due[0] >= 2
    assert due[-1] < length.seconds
    assert script == write_script(_SPOTS, length)


def test_a_click_lies_where_the_pointer_rests() -> None:
    """Each click comes after a move that ended on the same spot within the viewport."""
    steps = [step for step in write_script(_SPOTS, WHOLE).inputs if step.kind is not Kind.WHEEL]
    pairs = [(before, step) for before, step in pairwise(steps) if step.kind is Kind.CLICK]
    assert len(pairs) == 13
    assert all(_distance(*pair) <= 1 for pair in pairs)
    assert all(0 < click.y < 800 for _, click in pairs)


def test_script_time_is_counted_once_and_without_the_layout_in_it() -> None:
    """Nested script counts with what it lies in; forced layout is told apart; idle layout is nobody's."""
    timeline = read_timeline(
        _trace(
            *(("EvaluateScript", 0, 10, 8), ("v8.compile", 1, 2, 2), ("FunctionCall", 100, 20, 20)),
            *(("FunctionCall", 101, 5, 5), ("Layout", 110, 5, 4), ("Layout", 200, 30, 30)),
        ),
        _URL,
    )
    assert (timeline.script_ms, timeline.evaluation_ms) == (24, 8)
    assert (timeline.forced_ms, timeline.forced, timeline.forced_at_evaluation) == (4, 1, 0)


def test_a_long_task_is_the_scripts_only_if_it_would_be_short_without() -> None:
    """A task that is long by itself is the page's, whatever the script adds to it."""
    timeline = read_timeline(
        _trace(
            *(("EvaluateScript", 0, 1, 1), ("RunTask", 10, 80, 70), ("FunctionCall", 11, 40, 30)),
            *(("RunTask", 100, 200, 190), ("FunctionCall", 101, 20, 20), ("RunTask", 400, 40, 40)),
        ),
        _URL,
    )
    assert (timeline.long_tasks, timeline.longest_ms) == (1, 70)


def test_expressions_of_the_harness_are_not_counted() -> None:
    """What DevTools evaluates has no address."""
    harness = {
        "name": "EvaluateScript",
        "ph": "X",
        "pid": 7,
        "tid": 7,
        "ts": 5000,
        "dur": 9000,
        "tdur": 9000,
        "args": {},
    }
    assert read_timeline([*_trace(("EvaluateScript", 0, 1, 1)), harness], _URL).script_ms == 1


def _distance(one: Input, other: Input) -> float:
    return max(abs(one.x - other.x), abs(one.y - other.y))
