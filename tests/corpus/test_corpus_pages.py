"""What the snippet sees of pages of others while a visitor only looks, and that the pages do not see the snippet."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from .arrivals import Move
from .corpus_site import CorpusSite
from .moves_truth import path_faults
from .pages import ARTICLE, PAGES, STICKY, TYPOGRAPHY, CorpusPage
from .snippet_build import build_probe
from .visitor import Visit, Window, side_by_side, visiting

pytestmark = pytest.mark.browser

WINDOW = Window(1440, 900)
PATH = ((150.0, 200.0), (900.0, 260.0), (400.0, 700.0), (1200.0, 800.0))
POINTS_A_LINE = 12
PACE_MS = 40
FEWEST_MOVES = 5
OFF_PX = 1.5
CORNER = (3, 3)
OWN_NAME = "jQuery"
"""jQuery makes a global of its own, which is called otherwise at each load."""
SECTIONS: dict[str, list[str]] = {
    "article": ["Article", "Heading", "Heading", "Heading", "Heading", "Heading", "Heading", "Heading"],
    "sticky": ["Sticky Navbar", "Section Primary with cards"],
    "modal": [
        "Modal",
        "Objects",
        "Scrollbar",
        "Sizes",
        "Center",
        "Media",
        "Dialogs",
        "Group",
        "Stack",
        "JavaScript Options",
    ],
    "countdown": ["Countdown", "Grid", "Grid + Label", "Text", "JavaScript Options"],
    "form": [
        "Form",
        "Horizontal",
        "Sizes",
        "Widths",
        "Icon",
        "Select",
        "Radio, Checkbox and Select",
        "Custom Controls",
        "File",
        "Select",
        "Stacked",
        "JavaScript Options",
    ],
    "switcher": [
        "Switcher",
        "Animations",
        "Fade",
        "Slide Bottom",
        "Slide Left",
        "Slide Right",
        "Slide Horiontal",
        "Slide Vertical",
        "Slide Left Small",
        "Slide Right Small",
        "Other Components",
        "Tab Left",
        "Tab Right",
        "Button",
        "Button Group",
        "Nav",
        "Subnav Pill",
        "JavaScript Options",
    ],
    "typography": ["SPECTRE", "Typography#", "H1 Heading 40px", "H2 Heading 32px", "H3 Heading 28px"],
    "carousel": ["SPECTRE", "Carousels#"],
    "milligram": ["Milligram", "#examples", "#contributing", "footer"],
    "widgets": [
        "Welcome to jQuery UI!",
        "YOUR COMPONENTS:",
        "Accordion",
        "First",
        "Second",
        "Third",
        "Autocomplete",
        "Button",
        "Checkboxradio",
        "Controlgroup",
        "Tabs",
        "Dialog",
        "Overlay and Shadow Classes",
        "Framework Icons (content color preview)",
        "Slider",
        "Datepicker",
        "Progressbar",
        "Selectmenu",
        "Spinner",
        "Menu",
        "Tooltip",
        "Highlight / Error",
    ],
    "todo": ["todos", "#info"],
    "editor": [
        "h1",
        "Congratulations!",
        "Customize Your Editor",
        "Toolbar Configuration",
        "More Samples!",
        "Developer's Guide",
        "CKEditor JavaScript API",
        "nav",
        "footer",
    ],
    "components": [
        "Dialog layouts",
        "Styling and positioning",
        "Position with positionTarget",
        "Transitions with neon-animation",
    ],
    "slides": ["The HTML Presentation Framework", "Hello There", "Vertical Slides", "aside"],
}
"""By hand: what a reader would name on each page, at this width, in its order."""
GLOBALS = "Object.getOwnPropertyNames(window).sort()"
BENEATH = """(places) => {
  %s
  return places.map(([x, y]) => {
    const element = probe.pressed(document.elementFromPoint(x - scrollX, y - scrollY));
    const {left, top, width, height} = element.getBoundingClientRect();
    return [probe.nameOf(element), x - scrollX - left, y - scrollY - top, width, height];
  });
}"""
TWINS = """() => {
  %s
  const named = new Map();
  const walk = (root) => {
    const controls = 'a,button,input,select,textarea,label,summary,[role=button],[role=tab]';
    for (const element of root.querySelectorAll(controls)) {
      if (!element.getClientRects().length) continue;
      const name = probe.nameOf(element);
      named.set(name, (named.get(name) ?? 0) + 1);
    }
    for (const element of root.querySelectorAll('*')) if (element.shadowRoot) walk(element.shadowRoot);
    for (const frame of root.querySelectorAll('iframe')) if (frame.contentDocument) walk(frame.contentDocument);
  };
  walk(document);
  return [...named].filter(([, count]) => count > 1).map(([name, count]) => `${count} × ${name}`);
}"""


@dataclass(frozen=True, slots=True)
class Look:
    """What one page showed with the snippet, and what differed without."""

    messages: set[str]
    globals: set[str]
    twins: list[str]
    sections: list[str]


@pytest_asyncio.fixture(scope="module")
async def looks(chromium: Browser, site: CorpusSite) -> dict[str, Look]:
    """Each page of the corpus, looked at once with the snippet and once without."""
    found = await side_by_side(*(_look(site, chromium, page) for page in PAGES), at_once=3)
    return dict(zip((page.name for page in PAGES), found, strict=True))


async def test_pages_do_not_notice_the_snippet(looks: dict[str, Look]) -> None:
    """No message more on the console, nothing thrown, and no global but `jalki`."""
    differences = {name: (look.messages, look.globals) for name, look in looks.items()}
    assert {name: more for name, more in differences.items() if more != (set(), {"jalki"})} == {}


async def test_no_two_controls_have_one_name(looks: dict[str, Look]) -> None:
    """Whatever can be pressed on a page can be told from all else there, also in shadow roots and frames."""
    assert {name: look.twins for name, look in looks.items() if look.twins} == {}


async def test_sections_are_those_that_a_reader_would_name(looks: dict[str, Look]) -> None:
    """On each page the parts that were found by hand, in the order of the page."""
    assert {name: looks[name].sections for name in SECTIONS} == SECTIONS


@pytest.mark.parametrize("page", [ARTICLE, STICKY, TYPOGRAPHY], ids=lambda page: page.name)
async def test_moves_lie_on_the_path_and_on_the_element_beneath(
    whole_chromium: Browser, site: CorpusSite, page: CorpusPage
) -> None:
    """At no more than ten a second, each at its place on the page and inside the element there."""
    async with visiting(site, whole_chromium, page.path, WINDOW) as visit:
        await visit.page.wait_for_selector(page.ready)
        await _wander(visit.page)
        await visit.arrivals.wait_for(lambda came: len(came.moves()) >= FEWEST_MOVES)
        places = [[move.x_px, move.y_px] for move in visit.arrivals.moves()]
        beneath = await visit.page.evaluate(BENEATH % build_probe(), places)
    moves = visit.arrivals.moves()[: len(beneath)]
    assert path_faults(moves, PATH) == []
    assert _beside(moves, beneath) == []


def _beside(moves: Sequence[Move], beneath: Sequence[Any]) -> list[str]:
    """Return in words which moves are anchored elsewhere."""
    return [
        f"{move} lies on {key}, {x}, {y} of {width} × {height}"
        for move, (key, x, y, width, height) in zip(moves, beneath, strict=True)
        if move.key != key
        or abs(move.x_frac * width - x) > width / 255 + OFF_PX
        or abs(move.y_frac * height - y) > height / 255 + OFF_PX
    ]


async def _wander(page: Page) -> None:
    await page.mouse.move(*PATH[0])
    for (x0, y0), (x1, y1) in pairwise(PATH):
        for step in range(1, POINTS_A_LINE + 1):
            share = step / POINTS_A_LINE
            await page.mouse.move(x0 + (x1 - x0) * share, y0 + (y1 - y0) * share)
            await page.wait_for_timeout(PACE_MS)


async def _look(site: CorpusSite, browser: Browser, page: CorpusPage) -> Look:
    async with visiting(site, browser, page.path, WINDOW, stays=False) as visit:
        await visit.page.wait_for_selector(page.ready)
        visit.arrivals.wants_layout = True
        # A click is reported soon, and the answer asks for the layout.
        await visit.page.mouse.click(*CORNER)
        await visit.arrivals.wait_for(lambda came: any("l" in batch for batch in came.batches))
        globals_with = set(await visit.page.evaluate(GLOBALS))
        twins = list(await visit.page.evaluate(TWINS % build_probe()))
    context = await browser.new_context(viewport={"width": WINDOW.width, "height": WINDOW.height})
    try:
        bare = Visit(await context.new_page(), visit.arrivals, WINDOW)
        bare.listen()
        await bare.page.goto(site.address(page.path))
        await bare.page.wait_for_selector(page.ready)
        globals_without = set(await bare.page.evaluate(GLOBALS))
    finally:
        await context.close()
    messages = set(visit.console) - set(bare.console)
    more = {name for name in globals_with - globals_without if not name.startswith(OWN_NAME)}
    return Look(messages, more, twins, visit.arrivals.section_titles())
