"""Elements found again after a page has changed: the snippet's keys against @medv/finder and a full path, in one run.

found: the name leads to exactly the same element · wrong: to another one, alone or as well. A selector of @medv/finder
is asked of the changed page, which is kinder than to make it anew. The full path has tags, classes and places.

Run: PYTHONPATH=tests python -m bench.identity
"""

import asyncio
from collections import defaultdict

from bench.identity.pages import CHANGES, NAMINGS, PAGES, WIDTHS, Clock, Counts, build_judge, judge_pages, serve_pages
from find_browser import find_browser
from playwright.async_api import async_playwright

_MEAN = ("classes", "insertion", "wrapping", "widths")
_FLAGS = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


async def measure() -> tuple[dict[tuple[str, str], Counts], dict[str, Clock]]:
    """Return the counts by naming and change, and the clocks by naming."""
    counts: dict[tuple[str, str], Counts] = defaultdict(Counts)
    clocks: dict[str, Clock] = defaultdict(Clock)
    async with async_playwright() as playwright, serve_pages() as url:
        browser = await playwright.chromium.launch(executable_path=find_browser(), args=_FLAGS)
        async for judged in judge_pages(browser, url, build_judge()):
            for naming in NAMINGS:
                clock, total = await judged.clock(naming), clocks[naming]
                total.together_ms += clock.together_ms
                total.count += clock.count
                total.alone_ms += clock.alone_ms
                total.few += clock.few
                for change in CHANGES:
                    counts[naming, change].add(await judged.judge(naming, change))
                for width in WIDTHS[1:]:
                    counts[naming, "widths"].add(await judged.judge_width(naming, width))
        await browser.close()
    return counts, clocks


def main() -> None:
    """Print the table."""
    counts, clocks = asyncio.run(measure())
    print(f"{clocks[NAMINGS[0]].count} elements of {len(PAGES)} pages; found % / wrong %")
    print(f"{'':10}" + "".join(f"{naming:>16}" for naming in NAMINGS))
    for change in (*CHANGES, "widths"):
        cells = [counts[naming, change] for naming in NAMINGS]
        print(f"{change:10}" + "".join(f"{one.found_share:9.1%}{one.wrong_share:7.1%}" for one in cells))
    for title, share in (("mean found", "found_share"), ("mean wrong", "wrong_share")):
        means = [sum(getattr(counts[naming, change], share) for change in _MEAN) / len(_MEAN) for naming in NAMINGS]
        print(f"{title:10}" + "".join(f"{mean:16.1%}" for mean in means) + f"   over {', '.join(_MEAN)}")
    print(f"{'µs a key':10}" + "".join(f"{clocks[naming].together_us:16.0f}" for naming in NAMINGS))
    print(f"{'first key':10}" + "".join(f"{clocks[naming].alone_us:16.0f}" for naming in NAMINGS))
    print(f"ratio {clocks['finder'].together_us / clocks['jalki'].together_us:.0f} ×")


if __name__ == "__main__":
    main()
