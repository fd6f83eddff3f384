"""Drives a page as a visitor does, with real input, and notes what was done: the truth that arrivals are judged by."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from playwright.async_api import Browser, Page

from .arrivals import TIMEOUT_S, Arrivals, Key
from .corpus_site import SIGNALS, CorpusSite
from .snippet_build import build_probe

STILL_TIMEOUT_MS = 20_000
STILL_MS = 120
STILL_FRAMES = 8
"""What has not moved for so long, and in so many frames, stands."""

# Links that leave and forms that send would end the visit; the page's own listeners all come first.
_STAY = """
const stay = (event) => {
  const link = event.composedPath().find((node) => node.localName === 'a' && node.href);
  if (!link || !/^http/.test(link.href)) return;
  const [page, mark] = link.href.split('#');
  if (page !== location.href.split('#')[0] || mark === undefined) event.preventDefault();
};
addEventListener('click', stay);
addEventListener('auxclick', stay);
addEventListener('submit', (event) => event.preventDefault());
"""
_AIM = """
async (element, [xFrac, yFrac, timeoutMs]) => {
  %s
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const under = (x, y) => {
    let hit = document.elementFromPoint(x, y);
    for (let inner; (inner = hit?.shadowRoot?.elementFromPoint(x, y)) && inner !== hit; ) hit = inner;
    return hit;
  };
  const isPartOf = (node) => {
    while (node && node !== element) node = node.assignedSlot ?? node.parentNode ?? node.host;
    return node === element;
  };
  const look = () => {
    const {left, top, width, height} = element.getBoundingClientRect();
    const hit = under(left + width * xFrac, top + height * yFrac);
    const page = document.documentElement.scrollHeight;
    return {box: [left, top, width, height], page, isHit: isPartOf(hit), hit: hit?.outerHTML.slice(0, 160) ?? ''};
  };
  const show = () => element.scrollIntoView({block: 'center', inline: 'nearest', behavior: 'instant'});
  show();
  const until = performance.now() + timeoutMs;
  // Those of jQuery are its own: an accordion stands still while they run, and jumps once at their end.
  const isMoving = () => window.jQuery?.timers?.length > 0 || document.getAnimations().some(({playState, effect}) =>
    playState === 'running' && effect?.target?.contains(element));
  let seen = look();
  // What slides in, or lies under something that slides out, is pressed once it has stood free for a while.
  // In frames too: on a busy machine few are drawn in that time, and what moves has not begun to.
  for (let since = performance.now(), frames = 0; performance.now() < until; frames++) {
    if (performance.now() > since + %d && frames >= %d) break;
    await frame();
    const now = look();
    // A turn of the wheel may have gone on after it was shown.
    if (!now.isHit && String(now.box) === String(seen.box)) show();
    if (!now.isHit || String([now.box, now.page]) !== String([seen.box, seen.page]) || isMoving()) {
      since = performance.now();
      frames = 0;
    }
    seen = now;
  }
  return {...seen, key: probe.nameOf(element)};
}
"""
_FRAME_OFFSET = """(element) => {
  let [x, y] = [0, 0];
  for (let view = element.ownerDocument.defaultView; view.frameElement; view = view.parent) {
    const box = view.frameElement.getBoundingClientRect();
    x += box.left + view.frameElement.clientLeft;
    y += box.top + view.frameElement.clientTop;
  }
  return [x, y];
}"""


class Means(IntEnum):
    """How an element is pressed."""

    MOUSE = 0
    TOUCH = 1
    KEYBOARD = 3
    MIDDLE = 4
    SECONDARY = 8
    MODIFIED = 128


@dataclass(frozen=True, slots=True)
class Press:
    """An element to press; the point is a fraction of its box."""

    selector: str
    at: tuple[float, float] = (0.5, 0.5)
    frame: str = ""
    """Selector of the frame that holds it."""
    is_wide_only: bool = False
    """Only where the window is wide: narrow ones do not show it."""


@dataclass(frozen=True, slots=True)
class Type:
    """Text that is typed where the focus is."""

    text: str


@dataclass(frozen=True, slots=True)
class Wheel:
    """A turn of the wheel over an element."""

    selector: str
    by_px: int


@dataclass(frozen=True, slots=True)
class Window:
    """What the visitor looks through."""

    width: int
    height: int = 800
    scale: float = 1
    is_touch: bool = False
    pinch: float = 1
    """How far a phone's visitor has zoomed in."""


@dataclass(frozen=True, slots=True)
class MadeClick:
    """A press as it was made; px are of the document."""

    key: Key
    means: Means
    x_px: float
    y_px: float
    x_frac: float
    y_frac: float
    w_px: float
    h_px: float


@dataclass(slots=True)
class Visit:
    """One visit to one page."""

    page: Page
    arrivals: Arrivals
    window: Window
    made: list[MadeClick] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    """What the page wrote to the console and threw."""

    def listen(self) -> None:
        """Keep from now on what the page writes to the console, and what is thrown there."""
        self.page.on("console", lambda message: self.console.append(message.text))
        self.page.on("pageerror", lambda error: self.console.append(str(error)))

    async def press(self, target: Press, means: Means | None = None) -> None:
        """Press an element once it stands still, and note it."""
        chosen = means if means is not None else Means.TOUCH if self.window.is_touch else Means.MOUSE
        root = self.page.frame_locator(target.frame) if target.frame else self.page
        place = root.locator(target.selector).first
        await place.wait_for(state="visible")
        element = await place.element_handle()
        assert element is not None
        found = await element.evaluate(_AIM % (build_probe(), STILL_MS, STILL_FRAMES), [*target.at, STILL_TIMEOUT_MS])
        assert found["isHit"], f"{target} is covered by {found['hit']}"
        name = await self._name_in_frame(target) if target.frame else found["key"]
        offset = await element.evaluate(_FRAME_OFFSET)
        left, top, width, height = found["box"]
        at = (0.5, 0.5) if chosen is Means.KEYBOARD else target.at
        x, y = offset[0] + left + width * at[0], offset[1] + top + height * at[1]
        scrolled = await self.page.evaluate("[scrollX, scrollY]")
        # A phone may show a part of what the page takes for its window, and input counts from that part's corner.
        seen = await self.page.evaluate("[visualViewport.offsetLeft, visualViewport.offsetTop]")
        await self._act(element, chosen, x - seen[0], y - seen[1])
        self.made.append(MadeClick(Key(name), chosen, x + scrolled[0], y + scrolled[1], at[0], at[1], width, height))

    async def do(self, step: "Step") -> None:
        """Take one step of a script."""
        if isinstance(step, Type):
            await self.page.keyboard.type(step.text)
        elif isinstance(step, Wheel):
            await self.page.locator(step.selector).first.hover()
            await self.page.mouse.wheel(0, step.by_px)
        elif self.window.width >= 1000 or not step.is_wide_only:
            await self.press(step)

    async def show_truly(self) -> None:
        """Let the page know when another window is in front; driven pages all believe that they have the focus."""
        session = await self.page.context.new_cdp_session(self.page)
        await session.send("Emulation.setFocusEmulationEnabled", {"enabled": False})

    async def leave(self) -> None:
        """Go elsewhere, so that the last report is sent, and wait until no click is missing."""
        await self.page.goto("about:blank")
        await self.arrivals.wait_for(lambda came: came.batches and len(came.clicks()) >= len(self.made))

    async def _name_in_frame(self, target: Press) -> str:
        """Ask the page that holds the frame, as the snippet does: there the frame is a part of the name."""
        ask = "(frame, selector) => { %s return probe.nameOf(frame.contentDocument.querySelector(selector)) }"
        name = await self.page.locator(target.frame).evaluate(ask % build_probe(), target.selector)
        return str(name)

    async def _act(self, element: Any, means: Means, x: float, y: float) -> None:
        page = self.page
        if means is Means.TOUCH:
            await page.touchscreen.tap(x, y)
        elif means is Means.KEYBOARD:
            await element.focus()
            await page.keyboard.press("Enter")
        elif means is Means.MODIFIED:
            await page.keyboard.down("Control")
            await page.mouse.click(x, y)
            await page.keyboard.up("Control")
        else:
            button = {Means.MIDDLE: "middle", Means.SECONDARY: "right"}.get(means, "left")
            await page.mouse.click(x, y, button=button)  # type: ignore[arg-type]

    async def hit(self, target: Press, times: int) -> None:
        """Click as fast as a hand can, as many times."""
        before = len(self.made)
        await self.press(target)
        made = self.made[before]
        for nth in range(2, times + 1):
            await self.page.mouse.down(click_count=nth)
            await self.page.mouse.up(click_count=nth)
            self.made.append(made)


Step = Press | Type | Wheel


@asynccontextmanager
async def visiting(
    site: CorpusSite, browser: Browser, path: str, window: Window, *, flags: int = SIGNALS, stays: bool = True
) -> AsyncIterator[Visit]:
    """Open a page with the snippet in a profile of its own; the snippet has started."""
    key, arrivals = site.open_visit(flags)
    context = await browser.new_context(
        viewport={"width": window.width, "height": window.height},
        device_scale_factor=window.scale,
        has_touch=window.is_touch,
        is_mobile=window.is_touch,
    )
    try:
        if stays:
            await context.add_init_script(_STAY)
        page = await context.new_page()
        visit = Visit(page, arrivals, window)
        visit.listen()
        page.set_default_timeout(TIMEOUT_S * 1000)
        await page.goto(site.address(path, key), wait_until="load")
        await page.wait_for_function("typeof window.jalki === 'function'")
        if window.pinch != 1:
            session = await context.new_cdp_session(page)
            await session.send("Emulation.setPageScaleFactor", {"pageScaleFactor": window.pinch})
        yield visit
    finally:
        await context.close()


async def side_by_side(*visits: Any, at_once: int = 4) -> list[Any]:
    """Run visits beside each other, so many at once, and return what each returned."""
    places = asyncio.Semaphore(at_once)

    async def run(visit: Any) -> Any:
        async with places:
            return await visit

    return await asyncio.gather(*(run(visit) for visit in visits))
