"""What clicks in a real browser come to: answered, dead, followed by a fault, rage or not."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from dead_click_controls import CONTROLS, DEAD, Control, control_page
from playwright.async_api import Browser, BrowserContext
from responses_site import bundle_observers, responses_site

from collector.ids import ClickFlag, SignalKind, text_id
from heatmap.frustration import NO_GROUP, Clicks, Signals, find_dead, find_errors, find_rage

pytestmark = pytest.mark.browser

_AT_ONCE = 16
_TIMEOUT_MS = 30_000

_TOAST = """<div id="toasts"></div><button id="it">Save</button><script>
  it.onclick = () => { toasts.append('saved'); setTimeout(() => { toasts.textContent = '' }, 3000) }</script>"""
_LABEL = """<button id="it">Copy</button><script>
  it.onclick = () => { it.textContent = 'Copied'; setTimeout(() => { it.textContent = 'Copy' }, 4000) }</script>"""
_COUNTER = """<button id="it">Like</button> <i id="n">0</i><script>
  it.onclick = () => { n.textContent = Number(n.textContent) + 1 }</script>"""
_UNJUDGED = """<input id="it" type="text"><select id="choice"><option>1</select>
<div style="position:relative"><iframe srcdoc="x" style="width:100%"></iframe>
<div id="over" style="position:absolute;inset:0;cursor:pointer"></div></div><button id="last">Last</button>"""
_FAULTS = """<button id="it">A</button><button id="b">B</button><button id="c">C</button><script>
  it.onclick = () => { null.x };
  b.onclick = () => { Promise.reject({name: 'Ada Lovelace'}) };
  c.onclick = () => { new Image().src = '/none.png'; c.title = 'x' }</script>"""
_MANY = """<input id="number" type="number" value="1"><button id="plus">+</button>
<div role="region" aria-roledescription="carousel"><button id="slide">2</button></div>
<button id="month" aria-label="Next month"><svg width="9" height="9"></svg></button>
<div class="ui-datepicker"><table><td id="day">14</td></table></div><input id="range" type="range">
<canvas id="game" width="99" height="40"></canvas><p id="text">Words that a reader selects by clicking them.</p>
<button id="buy">Buy</button>"""


@dataclass
class Visit:
    """One page with its script, and afterwards what was said of it."""

    html: str
    clicked: tuple[str, ...] = ("#it",)
    times: int = 1
    press_ms: int = 80
    """As long as a person's button is down; 0: all clicks at once, as fast as a person in a rage."""
    until: str = "facts.some(({kind}) => kind === 1)"
    facts: list[dict[str, Any]] = field(default_factory=list)
    clicks: list[dict[str, Any]] = field(default_factory=list)

    def waits(self) -> dict[str, int]:
        """Return the last RESPONSE about each element."""
        return {fact["id"]: fact["ms"] for fact in self.facts if fact["kind"] == SignalKind.RESPONSE}

    def columns(self) -> tuple[Clicks, Signals]:
        """Return what would be stored of it."""
        clicks = [(1, text_id(c["id"]), 0, c["x"], c["y"], c["atMs"], c["kind"]) for c in self.clicks]
        signals = [(1, text_id(f["id"]), f["atMs"], f["kind"], f["ms"]) for f in self.facts]
        return (
            Clicks(*np.array(clicks, np.int64).reshape(-1, 7).T),
            Signals(*np.array(signals, np.int64).reshape(-1, 5).T),
        )


def _control_visit(control: Control, *, is_ticking: bool) -> Visit:
    """Of what is opaque nothing may be said; what is said of the next click comes later than that would."""
    clicked = ("#it", "#last") if control.is_opaque else ("#it",)
    return Visit(control_page(control, is_ticking=is_ticking), clicked)


def _build_visits() -> dict[str, Visit]:
    controls = {
        f"{control.name}, {'ticking' if is_ticking else 'still'}": _control_visit(control, is_ticking=is_ticking)
        for control in CONTROLS
        for is_ticking in (False, True)
    }
    return controls | {
        "toast": Visit(_TOAST),
        "label": Visit(_LABEL),
        "rage": Visit(control_page(DEAD[0], is_ticking=True), times=3, press_ms=0),
        "fake": Visit('<div id="it" role="button">Order now, please</div>', times=3, press_ms=0),
        "counter": Visit(_COUNTER, times=3, press_ms=0),
        "unjudged": Visit(_UNJUDGED, ("#it", "#choice", "#over", "#last")),
        "faults": Visit(_FAULTS, ("#it", "#b", "#c"), until="facts.some(({kind, id}) => kind === 1 && id === 'c')"),
        "away": Visit('<a id="it" href="/stay">Away</a>'),
        "mail": Visit('<a id="it" href="mailto:info@example.org">Mail</a>'),
        "many": Visit(
            _MANY,
            ("#number", "#plus", "#slide", "#month", "#day", "#range", "#game", "#text", "#buy"),
            times=4,
            press_ms=0,
            until="clicks.length === 36",
        ),
    }


@pytest_asyncio.fixture(scope="module")
async def visits(chromium: Browser) -> AsyncIterator[dict[str, Visit]]:
    """All visits, made and over; side by side, as most need some seconds in which nothing happens."""
    made = _build_visits()
    head = f"<script>{bundle_observers()}</script>"
    pages = {f"/{place}": f"<!doctype html>{head}{visit.html}" for place, visit in enumerate(made.values())}
    context = await chromium.new_context(viewport={"width": 1200, "height": 800})
    at_once = asyncio.Semaphore(_AT_ONCE)
    async with responses_site(pages) as url:
        await asyncio.gather(
            *(_make(visit, context, f"{url}/{place}", at_once) for place, visit in enumerate(made.values()))
        )
        await context.close()
        yield made


async def _make(visit: Visit, context: BrowserContext, url: str, at_once: asyncio.Semaphore) -> None:
    async with at_once:
        page = await context.new_page()
        await page.goto(url)
        for selector in visit.clicked:
            box = await page.locator(selector).bounding_box()
            assert box is not None
            x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            await page.mouse.click(x, y, click_count=visit.times, delay=visit.press_ms)
        await page.wait_for_function(visit.until, timeout=_TIMEOUT_MS)
        visit.facts, visit.clicks = await page.evaluate("[facts, clicks]")
        await page.close()


@pytest.mark.parametrize("how", ["still", "ticking"])
def test_working_and_dead_controls_are_told_apart(visits: dict[str, Visit], how: str) -> None:
    """Of eleven controls that work and three that are dead at least 13 are judged right, also where the page ticks."""
    wrong = []
    for control in CONTROLS:
        wait = visits[f"{control.name}, {how}"].waits().get("it")
        if (wait == -1) != control.is_dead or (wait is None) != control.is_opaque:
            wrong.append((control.name, wait))
    assert len(CONTROLS) == 14
    assert len(wrong) <= 1, wrong


@pytest.mark.parametrize("name", ["toast", "label"])
def test_what_is_undone_later_was_a_response(visits: dict[str, Visit], name: str) -> None:
    """A notice that goes and a label that returns change again by themselves, once, and are no clocks."""
    assert 0 <= visits[name].waits()["it"] < 2500


@pytest.mark.parametrize("name", ["away", "mail"])
def test_a_link_answers_as_it_is_followed(visits: dict[str, Visit], name: str) -> None:
    """Where no page comes, as none may for seconds, and where another program takes over."""
    assert 0 <= visits[name].waits()["it"] < 2500


def test_three_quick_clicks_on_a_dead_button_are_rage_and_dead(visits: dict[str, Visit]) -> None:
    """Each of them, although the page ticks."""
    clicks, signals = visits["rage"].columns()
    assert find_rage(clicks).tolist() == [0, 0, 0]
    assert find_dead(clicks, signals).tolist() == [True] * 3


def test_rage_on_what_only_looks_like_a_button_selects_its_text_and_is_rage(visits: dict[str, Visit]) -> None:
    """The browser selects a word at the second click; the visitor wanted something else."""
    clicks, signals = visits["fake"].columns()
    assert find_rage(clicks).tolist() == [0, 0, 0]
    assert find_dead(clicks, signals)[0]


def test_quick_clicks_that_are_answered_are_not_dead(visits: dict[str, Visit]) -> None:
    """Each click changes the number that the one before changed: it is no clock."""
    clicks, signals = visits["counter"].columns()
    assert find_rage(clicks).tolist() == [0, 0, 0]
    assert not find_dead(clicks, signals).any()


def test_steppers_calendars_carousels_and_selections_are_no_rage(visits: dict[str, Visit]) -> None:
    """Four quick clicks on each; only the ordinary button's are rage."""
    clicks, _ = visits["many"].columns()
    rage = {
        click["id"] for click, group in zip(visits["many"].clicks, find_rage(clicks), strict=True) if group != NO_GROUP
    }
    assert rage == {"buy"}
    assert {
        click["kind"] & ClickFlag.LOOKS_INTERACTIVE.value for click in visits["many"].clicks if click["id"] == "plus"
    } == {16}


def test_fields_choices_and_what_lies_on_frames_are_not_judged(visits: dict[str, Visit]) -> None:
    """What they do happens where no page can see it."""
    assert visits["unjudged"].waits() == {"last": -1}
    assert [click["id"] for click in visits["unjudged"].clicks] == ["it", "choice", "over", "last"]


def test_faults_after_a_click_are_told_by_the_name_of_their_error(visits: dict[str, Visit]) -> None:
    """A rejection by the class of what it holds and no more, and a picture that is missing not at all."""
    faults = {fact["id"]: fact["text"] for fact in visits["faults"].facts if fact["kind"] == SignalKind.ERROR}
    assert faults == {"it": "TypeError", "b": "Object"}
    clicks, signals = visits["faults"].columns()
    assert find_errors(clicks, signals).tolist() == [True, True, False]
