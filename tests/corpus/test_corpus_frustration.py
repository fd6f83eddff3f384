"""Rage, dead and error clicks on pages of others: where the script made them, and nowhere else."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from playwright.async_api import Browser

from collector.ids import text_id
from heatmap.frustration import NO_GROUP, Clicks, Signals, find_dead, find_errors, find_rage

from .arrivals import Arrivals
from .corpus_site import CorpusSite
from .pages import ARTICLE, CAROUSEL, COMPONENTS, COUNTDOWN, MODAL, SLIDER, TODO, WIDGETS, CorpusPage
from .visitor import Press, Type, Visit, Window, side_by_side, visiting

pytestmark = pytest.mark.browser

WINDOW = Window(1200, 800)
PAUSE_MS = 1_100
"""Longer than the gap that joins two clicks to a rage."""
JUDGED_MS = 8_000
"""How long the snippet watches what becomes of a click, and of a page that nobody clicks."""
FAULT = (
    "(selector) => document.querySelector(selector).addEventListener('click', () => { throw new TypeError('planted') })"
)


@dataclass(frozen=True, slots=True)
class Ordeal:
    """What is pressed, how often, and what is to be said of the clicks."""

    target: Press
    times: int = 1
    is_rage: bool = False
    is_error: bool = False
    answered: int = 1_000
    """How many of the clicks the page responds to, the first ones."""


def _calm(selector: str, times: int = 1, at: tuple[float, float] = (0.5, 0.5)) -> Ordeal:
    return Ordeal(Press(selector, at), times)


@dataclass(frozen=True, slots=True)
class Trial:
    """A page and what is done on it."""

    page: CorpusPage
    ordeals: tuple[Ordeal, ...]
    faulty: str = ""
    """Selector of an element into which the script plants a fault."""
    typed: Press | None = None
    """Where the page is given something to show first."""


TRIALS = (
    Trial(
        WIDGETS,
        (
            _calm(".ui-spinner-up >> nth=1", 5),
            _calm("a.ui-datepicker-next", 4),
            _calm(".ui-datepicker-calendar a >> nth=9"),
            _calm("#tabs a >> nth=1"),
            _calm("h3.ui-accordion-header >> nth=1"),
            Ordeal(Press("#button-icon"), is_error=True),
            # It shows by its classes that it was pressed, though it does nothing else.
            _calm("#button"),
        ),
        faulty="#button-icon",
    ),
    Trial(
        ARTICLE,
        (
            _calm("article p >> nth=4", 2, (0.2, 0.2)),
            _calm("article p >> nth=4", 3, (0.3, 0.4)),
            _calm("article p >> nth=2"),
            # A link to the page itself, which the script keeps from loading.
            Ordeal(Press(".uk-article-title a >> nth=0"), 4, is_rage=True, answered=0),
        ),
    ),
    Trial(COUNTDOWN, (_calm("h2 >> nth=0", 2, (0.02, 0.5)), _calm("h2 >> nth=1", 1, (0.02, 0.5)))),
    Trial(
        SLIDER,
        (_calm("a.uk-slidenav-next >> nth=0", 5), _calm(".uk-dotnav a >> nth=4"), _calm(".uk-dotnav a >> nth=2")),
    ),
    Trial(
        CAROUSEL,
        (_calm("label.item-next >> nth=0"), _calm("label.item-next >> nth=1"), _calm("label.nav-item >> nth=3")),
    ),
    Trial(
        MODAL,
        (
            _calm("a[href='#modal-sections']"),
            _calm("#modal-sections button.uk-button-default"),
            _calm("#js-modal-confirm"),
            _calm(".uk-modal-dialog .uk-button-primary:visible"),
        ),
    ),
    Trial(
        TODO,
        (
            _calm("#todo-list li:nth-child(2) .toggle"),
            _calm("#filters a >> nth=1"),
            _calm("#filters a >> nth=0"),
            _calm("#todo-list li:nth-child(1) .toggle"),
            # A label that labels nothing: it answers only to two clicks.
            Ordeal(Press("#todo-list li:nth-child(1) label", (0.1, 0.5)), answered=0),
        ),
        typed=Press("#new-todo"),
    ),
    Trial(
        COMPONENTS,
        (
            _calm("paper-button:has-text('dialog with actions')"),
            _calm("#actions paper-button:has-text('accept')"),
        ),
    ),
)


async def test_frustration_is_found_where_it_was_made(chromium: Browser, site: CorpusSite) -> None:
    """Steppers, calendars and carousels are no rage, selected text is not dead, and faults belong to their click."""
    visits = await side_by_side(*(_try(site, chromium, trial) for trial in TRIALS), at_once=len(TRIALS))
    found = {trial.page.name: _judge(trial, visit.arrivals) for trial, visit in zip(TRIALS, visits, strict=True)}
    assert found == {trial.page.name: _expect(trial) for trial in TRIALS}


async def _try(site: CorpusSite, browser: Browser, trial: Trial) -> Visit:
    async with visiting(site, browser, trial.page.path, WINDOW) as visit:
        page = visit.page
        await page.wait_for_selector(trial.page.ready)
        if trial.faulty:
            await page.evaluate(FAULT, trial.faulty)
        if trial.typed:
            await visit.press(trial.typed)
            await visit.do(Type("one\ntwo\nthree\n"))
        for ordeal in trial.ordeals:
            await page.wait_for_timeout(PAUSE_MS)
            await visit.hit(ordeal.target, ordeal.times)
        await page.wait_for_timeout(JUDGED_MS)
        await visit.leave()
    return visit


Verdict = tuple[str, bool, bool, bool]
"""What was pressed; rage, dead, error."""


def _expect(trial: Trial) -> list[Verdict]:
    return [(name, ordeal.is_rage, nth >= ordeal.answered, ordeal.is_error) for name, ordeal, nth in _clicks_of(trial)]


def _judge(trial: Trial, arrivals: Arrivals) -> list[Verdict]:
    """Return what the stored facts of a visit would be judged to be."""
    clicks, signals = _columns(arrivals)
    judged = zip(
        (find_rage(clicks) != NO_GROUP).tolist(),
        find_dead(clicks, signals).tolist(),
        find_errors(clicks, signals).tolist(),
        strict=True,
    )
    return [(name, *facts) for (name, *_), facts in zip(_clicks_of(trial), judged, strict=True)]


def _clicks_of(trial: Trial) -> list[tuple[str, Ordeal, int]]:
    first = [Ordeal(trial.typed)] if trial.typed else []
    return [(ordeal.target.selector, ordeal, nth) for ordeal in (*first, *trial.ordeals) for nth in range(ordeal.times)]


def _columns(arrivals: Arrivals) -> tuple[Clicks, Signals]:
    clicks, signals = arrivals.clicks(), arrivals.signals()
    return (
        Clicks(
            view_ids=_ids(click.view for click in clicks),
            element_ids=_ids(text_id(click.key) for click in clicks),
            parent_ids=_ids(text_id(click.key.rpartition(">")[0]) if ">" in click.key else 0 for click in clicks),
            x_px=_ids(click.x_px for click in clicks),
            y_px=_ids(click.y_px for click in clicks),
            at_ms=_ids(click.at_ms for click in clicks),
            kinds=_ids(click.kind for click in clicks),
        ),
        Signals(
            view_ids=_ids(signal.view for signal in signals),
            element_ids=_ids(text_id(signal.key) if signal.key else 0 for signal in signals),
            at_ms=_ids(signal.at_ms for signal in signals),
            kinds=_ids(signal.kind for signal in signals),
            values=_ids(signal.value for signal in signals),
        ),
    )


def _ids(values: Sequence[int] | object) -> np.ndarray:
    return np.array(list(values), np.int64)  # type: ignore[call-overload]
