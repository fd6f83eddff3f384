"""Clicks known elements of a page in a real browser, and says what a heatmap of it must show."""

from collections.abc import Sequence
from dataclasses import dataclass

from playwright.async_api import Browser, BrowserContext, Page

TARGETS_PER_PAGE = 6
CLICK_AT = (0.3, 0.5)
"""Where in its box a target is clicked: off the middle, so that a map which only knows the element is told apart."""
GAP_PX = 160
"""Targets lie further apart than the kernel is wide, so that each makes a peak of its own."""

# What a person clicks: the ancestor that does something, else the block itself.
_CANDIDATES = """
([xFrac, yFrac]) => [...document.querySelectorAll('a[href], button, input, h1, h2, h3, p, li, img, label, summary')]
.map((node) => {
  const all = [...document.querySelectorAll('*')];
  node.scrollIntoView({block: 'center', behavior: 'instant'});
  const now = node.getBoundingClientRect();
  const hit = document.elementFromPoint(now.left + now.width * xFrac, now.top + now.height * yFrac);
  const isWhole = getComputedStyle(node).position !== 'fixed' && node.getClientRects().length === 1;
  return {index: all.indexOf(node), left: now.left + scrollX, top: now.top + scrollY,
          width: now.width, height: now.height, isHit: hit === node && isWhole};
}).filter((one) => one.isHit && one.width >= 24 && one.height >= 12 && one.width <= 900 && one.height <= 400)
"""
_BOX = """
(index) => {
  const node = document.querySelectorAll('*')[index];
  const box = node.getBoundingClientRect();
  return [box.left + scrollX, box.top + scrollY, box.width, box.height];
}
"""


@dataclass(frozen=True, slots=True)
class Box:
    """An element's box in document px."""

    left: float
    top: float
    width: float
    height: float

    def scale(self, ratio: float) -> "Box":
        """Return the box on a picture of the page that is `ratio` times as wide."""
        return Box(self.left * ratio, self.top * ratio, self.width * ratio, self.height * ratio)


@dataclass(frozen=True, slots=True)
class Target:
    """An element to click: its index in document order and how often it is clicked at each width."""

    index: int
    clicks: int


async def choose_targets(browser: Browser, url: str, widths: Sequence[int]) -> list[Target]:
    """Return elements that can be clicked at `CLICK_AT` at every width, well apart at every width."""
    seen = [await _candidates(browser, url, width) for width in widths]
    chosen: list[int] = []
    for index in seen[0]:
        if all(index in boxes and _is_apart(boxes, index, chosen) for boxes in seen):
            chosen.append(index)
    step = max(1, len(chosen) // TARGETS_PER_PAGE)
    return [Target(index, 1 + number % 3) for number, index in enumerate(chosen[::step][:TARGETS_PER_PAGE])]


async def click_targets(browser: Browser, url: str, width: int, targets: Sequence[Target]) -> BrowserContext:
    """Visit `url` at one width, click each target as often as it asks, and leave for another page.

    Close the context that is returned once the clicks have arrived: closing cuts off what is still on its way, as
    ending the whole browser would.
    """
    page = await _open_page(browser, url, width)
    for target in targets:
        for _ in range(target.clicks):
            handle = (await page.evaluate_handle("(i) => document.querySelectorAll('*')[i]", target.index)).as_element()
            assert handle is not None
            await handle.evaluate("(node) => node.scrollIntoView({block: 'center', behavior: 'instant'})")
            box = await handle.bounding_box()
            assert box is not None
            await page.mouse.click(box["x"] + box["width"] * CLICK_AT[0], box["y"] + box["height"] * CLICK_AT[1])
    await page.goto("about:blank")
    return page.context


async def measure_boxes(browser: Browser, url: str, width: int, targets: Sequence[Target]) -> list[Box]:
    """Return where the targets lie at one width, in document px."""
    page = await _open_page(browser, f"{url}#jalki-preview", width)
    boxes = [Box(*await page.evaluate(_BOX, target.index)) for target in targets]
    await page.context.close()
    return boxes


async def _candidates(browser: Browser, url: str, width: int) -> dict[int, Box]:
    page = await _open_page(browser, f"{url}#jalki-preview", width)
    found = await page.evaluate(_CANDIDATES, CLICK_AT)
    await page.context.close()
    return {one["index"]: Box(one["left"], one["top"], one["width"], one["height"]) for one in found}


def _is_apart(boxes: dict[int, Box], index: int, chosen: Sequence[int]) -> bool:
    return all(abs(_middle(boxes[index]) - _middle(boxes[other])) >= GAP_PX for other in chosen)


def _middle(box: Box) -> float:
    return box.top + box.height / 2


async def _open_page(browser: Browser, url: str, width: int) -> Page:
    """Open `url` with links and forms made harmless."""
    context = await browser.new_context(viewport={"width": width, "height": 800})
    await context.add_init_script("addEventListener('click', (event) => event.preventDefault())")
    page = await context.new_page()
    await page.goto(url, wait_until="load")
    return page
