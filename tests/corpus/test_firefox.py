"""What a script does in a stock Firefox arrives as it was done; skipped where there is none."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from .arrivals import Arrivals, Key
from .corpus_site import CorpusSite
from .engaged import Stopwatch
from .firefox import Firefox, find_firefox, running_firefox
from .moves_truth import path_faults
from .pages import ARTICLE
from .snippet_build import build_probe

WIDTH, HEIGHT = 1200, 800
MOVES = ((200, 150), (700, 400), (420, 620))
MOVE_MS = 500
AWAY_MS = 1_200
PRESSES = ((".uk-article-title a", 1), (".uk-article-title a", 2), ("a.uk-button-text", 7))
LOOK = "(() => { const element = document.querySelectorAll('%s')[%d]; %s return look(element); })()"
LOOKER = """
%s
const look = (element) => {
  element.scrollIntoView({block: 'center', behavior: 'instant'});
  const {left, top, width, height} = element.getBoundingClientRect();
  const [x, y] = [Math.round(left + width / 2), Math.round(top + height / 2)];
  return {x, y, key: probe.nameOf(element), scroll: [scrollX, scrollY]};
};
"""
STAY = "void addEventListener('click', (event) => event.preventDefault())"
AT_REST = """new Promise((done) => {
  let [top, still] = [-1, 0];
  const look = () => {
    still = scrollY === top ? still + 1 : 0;
    top = scrollY;
    if (still > 9) done(); else requestAnimationFrame(look);
  };
  look();
})"""
STARTED = "new Promise((done) => { const look = () => window.jalki ? done(1) : setTimeout(look, 10); look(); })"


@pytest_asyncio.fixture
async def firefox() -> AsyncIterator[Firefox]:
    """A Firefox of this test's own."""
    path = find_firefox()
    if path is None:
        pytest.skip("no Firefox on PATH")
    async with running_firefox(path) as browser:
        await browser.resize(WIDTH, HEIGHT)
        yield browser


async def test_a_visit_with_firefox_arrives_as_it_was_made(firefox: Firefox, site: CorpusSite) -> None:
    """Clicks, moves, scroll depth and engaged time of one visit, a part of which the page spends in a hidden tab."""
    key, arrivals = site.open_visit()
    await firefox.open(site.address(ARTICLE.path, key))
    await firefox.evaluate(STARTED)
    await firefox.evaluate(STAY)
    watch = Stopwatch(firefox.evaluate)
    for x, y in MOVES:
        async with watch.act():
            await firefox.move(x, y, MOVE_MS)
    made = []
    for selector, nth in PRESSES:
        async with watch.act():
            made.append(await _click(firefox, selector, nth))
    async with watch.act():
        await firefox.wheel(600, 400, 700)
        await firefox.evaluate(AT_REST)
    async with watch.away(firefox.look_elsewhere, firefox.look_back):
        assert await firefox.evaluate("document.visibilityState") == "hidden"
        await firefox.evaluate(f"new Promise((done) => setTimeout(done, {AWAY_MS}))")
    async with watch.act():
        await firefox.move(300, 300)
    height = await firefox.evaluate("document.documentElement.scrollHeight")
    reached = await firefox.evaluate("scrollY + innerHeight")
    await watch.end()
    await firefox.open("about:blank")
    await arrivals.wait_for(lambda came: came.batches and len(came.clicks()) >= len(made))
    assert [(click.key, click.x_px, click.y_px) for click in arrivals.clicks()] == made
    assert [tuple(view["w"]["h"]) for view in arrivals.views()] == [(reached, height)]
    assert watch.misses(arrivals.engaged_ms()) == []
    _assert_moves(arrivals)


def _assert_moves(arrivals: Arrivals) -> None:
    """Compare the moves up to the first click; the way to that click is a jump of the script's own."""
    first = arrivals.clicks()[0]
    moves = [
        move
        for move in arrivals.moves()
        if move.at_ms < first.at_ms and (move.x_px, move.y_px) != (first.x_px, first.y_px)
    ]
    assert len(moves) >= len(MOVES)
    assert path_faults(moves, [(0, 0), *MOVES]) == []


async def _click(firefox: Firefox, selector: str, nth: int) -> tuple[Key, int, int]:
    place = await firefox.evaluate(LOOK % (selector, nth, LOOKER % build_probe()))
    await firefox.click(place["x"], place["y"])
    return Key(place["key"]), place["x"] + place["scroll"][0], place["y"] + place["scroll"][1]
