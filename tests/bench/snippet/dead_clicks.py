"""Dead clicks: eleven controls that work and three that do not, on still and on ticking pages, ours against PostHog's.

Each control is clicked as a person does, once, in a page of its own in a real Chromium, and who observes says whether
the click was dead. Run it with

    PYTHONPATH=tests .venv/bin/python -m bench.snippet.dead_clicks [--at-once 6]
"""

import argparse
import asyncio
from dataclasses import dataclass

from browser.dead_click_controls import CONTROLS, Control, control_page
from browser.responses_site import bundle_observers, responses_site
from find_browser import find_browser
from playwright.async_api import BrowserContext, async_playwright

from . import bundle

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
JUDGED_MS = 9_000
"""By then both have judged: ours after 7.5 s, PostHog after 2.5 s and at its next look, one a second."""
SETTLED_MS = 1_000
PRESS_MS = 80
POSTHOG = "posthog-js/dist/array.full.no-external.js"
POSTHOG_START = """
window.dead = false;
posthog.init('phc_bench', {
  api_host: location.origin, capture_dead_clicks: true, autocapture: true, advanced_disable_flags: true,
  disable_session_recording: true, disable_surveys: true, capture_pageview: false, persistence: 'memory',
  request_batching: false, opt_out_useragent_filter: true,
  before_send: (event) => { if (event.event === '$dead_click') window.dead = true; return null },
});
"""


@dataclass(frozen=True, slots=True)
class Observer:
    """Who judges: its script, and the expression that is true once it has called the click dead."""

    name: str
    script: str
    is_dead: str


@dataclass(frozen=True, slots=True)
class Case:
    """One control on one kind of page, under one observer."""

    observer: Observer
    control: Control
    is_ticking: bool

    def html(self) -> str:
        """Return its page."""
        return control_page(self.control, f"<script>{self.observer.script}</script>", is_ticking=self.is_ticking)


def build_observers() -> list[Observer]:
    """Return ours and PostHog's."""
    ours = Observer("jalki", bundle_observers(), "facts.some(({kind, ms}) => kind === 1 && ms === -1)")
    return [ours, Observer("PostHog", bundle.read_package(POSTHOG) + POSTHOG_START, "dead")]


async def judge(case: Case, context: BrowserContext, url: str) -> bool:
    """Return whether the observer called the click dead."""
    page = await context.new_page()
    await page.goto(url)
    await page.wait_for_timeout(SETTLED_MS)
    box = await page.locator("#it").bounding_box()
    assert box is not None
    await page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, delay=PRESS_MS)
    await page.wait_for_timeout(JUDGED_MS)
    is_dead = bool(await page.evaluate(case.observer.is_dead))
    await page.close()
    return is_dead


async def judge_all(cases: list[Case], at_once: int) -> dict[Case, bool]:
    """Return what was said in each case."""
    places = asyncio.Semaphore(at_once)
    pages = {f"/{place}": case.html() for place, case in enumerate(cases)}
    async with responses_site(pages) as url, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
        context = await browser.new_context(viewport={"width": 1200, "height": 800})

        async def one(place: int) -> bool:
            async with places:
                return await judge(cases[place], context, f"{url}/{place}")

        said = await asyncio.gather(*(one(place) for place in range(len(cases))))
        await browser.close()
    return dict(zip(cases, said, strict=True))


def show(said: dict[Case, bool], observers: list[Observer]) -> None:
    """Print the table and the sums."""
    columns = [(observer, is_ticking) for observer in observers for is_ticking in (False, True)]
    heads = [f"{observer.name}, {'ticking' if is_ticking else 'still'}" for observer, is_ticking in columns]
    print("| Control | Truth | " + " | ".join(heads) + " |")
    print("|---|---|" + "---|" * len(columns))
    right = [0] * len(columns)
    for control in CONTROLS:
        cells = []
        for place, (observer, is_ticking) in enumerate(columns):
            is_dead = said[Case(observer, control, is_ticking)]
            right[place] += is_dead == control.is_dead
            cells.append(("dead" if is_dead else "works") + ("" if is_dead == control.is_dead else " ✗"))
        print(f"| {control.name} | {'dead' if control.is_dead else 'works'} | " + " | ".join(cells) + " |")
    print("| right, of 14 | | " + " | ".join(map(str, right)) + " |")
    ours, theirs = sum(right[:2]), sum(right[2:])
    print(f"ratio {ours / theirs:.2f}" if theirs else f"{ours} against 0")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--at-once", type=int, default=6, help="pages that are open side by side")
    at_once = parser.parse_args().at_once
    observers = build_observers()
    cases = [
        Case(observer, control, ticks) for observer in observers for control in CONTROLS for ticks in (False, True)
    ]
    show(asyncio.run(judge_all(cases, at_once)), observers)


if __name__ == "__main__":
    main()
