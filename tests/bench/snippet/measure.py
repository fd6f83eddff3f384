"""One scripted visit in a real Chromium with one script, and what it took.

The page is loaded and left to come to rest without the script; then the CPU is slowed and the script is put in as an
async tag, so that all that follows is its own. The page's baseline is a visit with an empty script.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec
from playwright.async_api import Browser, BrowserContext, CDPSession, Page, async_playwright

from .reads import COUNT_READS, READS_SO_FAR
from .rivals import COLLECTOR, Rival
from .script import SHORT, VIEWPORT, Input, Kind, Length, Script, Spot, write_script
from .stub import BLANK, Stub
from .timeline import CATEGORIES, Timeline, read_timeline

SLOWED = 4
"""How many times slower than this machine the CPU is made."""
_FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-dev-shm-usage", "--disable-smooth-scrolling", "--disable-blink-features=AutomationControlled"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
"""Peers send nothing for a browser that says that it is driven."""
_QUIET_S = 0.7
"""A collector that heard nothing for so long after the page has gone has heard all."""
_SCRIPT = ("ScriptDuration", "V8CompileDuration")
_LAYOUT = ("LayoutDuration", "RecalcStyleDuration")

_FIND_SPOTS = """(() => [...document.querySelectorAll('[data-press]')].map((element) => {
  const { left, top, width, height } = element.getBoundingClientRect();
  return [element.dataset.press, left + width / 2, top + height / 2, Boolean(element.closest('header'))];
}))()"""
_REST = "new Promise((done) => requestAnimationFrame(() => requestIdleCallback(() => setTimeout(done, 300))))"
_LONG_TASKS = """new Promise((done) => {
  let count = 0;
  const look = (list) => { for (const task of list.getEntries()) if (task.startTime >= %f) count++; };
  new PerformanceObserver(look).observe({ type: 'longtask', buffered: true });
  setTimeout(() => done(count), 50);
})"""
_PUT = """new Promise((done, fail) => {
  const script = document.createElement('script');
  script.async = true;
  for (const [name, value] of Object.entries(%s)) script.setAttribute(name, value);
  script.onload = () => done();
  script.onerror = () => fail(new Error('the script did not load'));
  document.head.append(script);
})"""


class Sample(msgspec.Struct, frozen=True):
    """What one visit took; ms of CPU time, bytes as sent."""

    script_ms: float
    """Chromium's own count of running and compiling script, up to the moment before the page is left."""
    evaluation_ms: float
    """The same, until the script's file has been evaluated."""
    start_ms: float
    """The same, up to the first input."""
    layout_ms: float
    """Style and layout, whoever asked for them."""
    task_ms: float
    """All that the main thread did."""
    long_tasks: int
    """Of more than 50 ms, as a page sees them."""
    heap_bytes: float
    requests: int
    preflights: int
    body_bytes: int
    script_requests: int
    scrolled_px: float
    late_s: float
    """By how much the last input came later than the script says: the machine, or the script, was too slow."""
    faults: list[str]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is counted in a short visit of its own, as counting takes time.

    Layout reads while the script's file is evaluated and in its first two seconds; its trace.
    """

    at_evaluation: int
    at_start: int
    named: list[str]
    timeline: Timeline


@dataclass(slots=True)
class Visitor:
    """One page in a profile of its own, and the line to its browser."""

    context: BrowserContext
    page: Page
    line: CDPSession
    faults: list[str]

    async def evaluate(self, expression: str) -> object:
        """Return the value of `expression`, awaited if it is a promise."""
        options = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        answer = await self.line.send("Runtime.evaluate", options)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression[:80]}: {answer['exceptionDetails']['text']}")
        return answer["result"].get("value")

    async def read_metrics(self) -> dict[str, float]:
        """Return Chromium's own counts; durations are CPU time of the main thread, in s."""
        metrics = (await self.line.send("Performance.getMetrics"))["metrics"]
        return {metric["name"]: metric["value"] for metric in metrics}


@asynccontextmanager
async def open_browser(path: str) -> AsyncIterator[Browser]:
    """Start Chromium without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


async def measure(browser: Browser, stub: Stub, rival: Rival, length: Length) -> Sample:
    """Return one visit with `rival`'s script; nothing traces it, as that costs more than a light script."""
    prepare(stub, rival)
    async with open_page(browser, stub) as visitor:
        script = await read_script(visitor, length)
        await visitor.line.send("Emulation.setCPUThrottlingRate", {"rate": SLOWED})
        begun_ms = await visitor.evaluate("performance.now()")
        before = await visitor.read_metrics()
        begun_at = time.monotonic()
        await put_script(visitor, stub, rival)
        evaluated = await visitor.read_metrics()
        await _sleep_until(begun_at + script.inputs[0].at_s)
        started = await visitor.read_metrics()
        late_s = await perform(visitor, script.inputs, begun_at)
        await _sleep_until(begun_at + length.seconds)
        after = await visitor.read_metrics()
        long_tasks = await visitor.evaluate(_LONG_TASKS % begun_ms)
        pressed, scrolled_px = json.loads(str(await visitor.evaluate("JSON.stringify([pressed, scrollY])")))
        heap_bytes = await _read_heap(visitor)
        await _leave(visitor, stub)
        faults = visitor.faults + [f"no answer is known for {path}" for path in stub.unexpected]
        if Counter(pressed) != script.pressed:
            faults.append(f"pressed {', '.join(pressed)}")
    sent = [call for call in stub.calls if not call.is_script]
    preflights = sum(call.method == "OPTIONS" for call in sent)
    return Sample(
        script_ms=_spent_ms(before, after, _SCRIPT),
        evaluation_ms=_spent_ms(before, evaluated, _SCRIPT),
        start_ms=_spent_ms(before, started, _SCRIPT),
        layout_ms=_spent_ms(before, after, _LAYOUT),
        task_ms=_spent_ms(before, after, ("TaskDuration",)),
        long_tasks=int(str(long_tasks)),
        heap_bytes=heap_bytes,
        requests=len(sent) - preflights,
        preflights=preflights,
        body_bytes=sum(len(call.body) for call in sent),
        script_requests=sum(call.is_script for call in stub.calls),
        scrolled_px=scrolled_px,
        late_s=late_s,
        faults=faults,
    )


def _spent_ms(before: Mapping[str, float], after: Mapping[str, float], names: Sequence[str]) -> float:
    return sum(after[name] - before[name] for name in names) * 1000


async def inspect(browser: Browser, stub: Stub, rival: Rival) -> Inspection:
    """Return what a short visit shows of `rival`'s script that cannot be counted in one that is timed."""
    prepare(stub, rival)
    async with open_page(browser, stub, COUNT_READS) as visitor:
        script = await read_script(visitor, SHORT)
        await visitor.line.send("Emulation.setCPUThrottlingRate", {"rate": SLOWED})
        await browser.start_tracing(page=visitor.page, categories=CATEGORIES)
        await visitor.evaluate("readsBegin()")
        begun_at = time.monotonic()
        await put_script(visitor, stub, rival)
        await _sleep_until(begun_at + script.inputs[0].at_s)
        at_evaluation, at_start, named = json.loads(str(await visitor.evaluate(READS_SO_FAR)))
        await perform(visitor, script.inputs, begun_at)
        trace = json.loads(await browser.stop_tracing())["traceEvents"]
    return Inspection(at_evaluation, at_start, named, read_timeline(trace, _address(stub, rival)))


def prepare(stub: Stub, rival: Rival) -> None:
    """Let `stub` serve `rival`'s scripts and answer for its collector."""
    text = {rival.path: rival.source()} if rival.attributes or rival.replies else {}
    scripts = {
        path: source.replace(COLLECTOR, stub.collector_url) for path, source in {**rival.loads(), **text}.items()
    }
    stub.clear(scripts, rival.replies)


@asynccontextmanager
async def open_page(browser: Browser, stub: Stub, first: str = "") -> AsyncIterator[Visitor]:
    """Open the page in a profile of its own, and let it come to rest; `first` runs in it before its own scripts."""
    context = await browser.new_context(
        viewport={"width": VIEWPORT[0], "height": VIEWPORT[1]}, user_agent=_AGENT, locale="en-GB"
    )
    faults: list[str] = []
    context.on("weberror", lambda error: faults.append(f"page error: {error.error}"))
    try:
        page = await context.new_page()
        line = await context.new_cdp_session(page)
        visitor = Visitor(context, page, line, faults)
        if first:
            await page.add_init_script(first)
        await page.goto(f"{stub.page_url}/")
        await visitor.evaluate(_REST)
        # CPU time of the thread, not time by the clock: other programs on the machine do not count.
        await line.send("Performance.enable", {"timeDomain": "threadTicks"})
        yield visitor
    finally:
        await context.close()


async def read_script(visitor: Visitor, length: Length) -> Script:
    """Return the visit for the page as it stands."""
    spots = await visitor.evaluate(_FIND_SPOTS)
    assert isinstance(spots, list)
    return write_script([Spot(*spot) for spot in spots], length)


async def put_script(visitor: Visitor, stub: Stub, rival: Rival) -> None:
    """Put `rival`'s tag into the page, and return once the script has been evaluated."""
    attributes = {"src": _address(stub, rival), **rival.attributes}
    text = json.dumps({name: value.replace(COLLECTOR, stub.collector_url) for name, value in attributes.items()})
    await visitor.evaluate(_PUT % text)


async def perform(visitor: Visitor, inputs: Sequence[Input], begun_at: float) -> float:
    """Send each input when it is due, counted from `begun_at`, or at once if late; return how late the last was, s."""
    position = (VIEWPORT[0] / 2, VIEWPORT[1] / 2)
    for step in inputs:
        await _sleep_until(begun_at + step.at_s)
        if step.kind is Kind.WHEEL:
            wheel = {"type": "mouseWheel", "x": position[0], "y": position[1], "deltaX": 0, "deltaY": step.y}
            await visitor.line.send("Input.dispatchMouseEvent", wheel)
            continue
        position = (step.x, step.y)
        await _send_mouse(visitor, "mouseMoved", position)
        if step.kind is Kind.CLICK:
            await _send_mouse(visitor, "mousePressed", position)
            await _send_mouse(visitor, "mouseReleased", position)
    return time.monotonic() - begun_at - inputs[-1].at_s


async def _send_mouse(visitor: Visitor, what: str, position: tuple[float, float]) -> None:
    button = {} if what == "mouseMoved" else {"button": "left", "clickCount": 1}
    await visitor.line.send("Input.dispatchMouseEvent", {"type": what, "x": position[0], "y": position[1], **button})


async def _sleep_until(due: float) -> None:
    await asyncio.sleep(max(0.0, due - time.monotonic()))


async def _read_heap(visitor: Visitor) -> float:
    for _ in range(2):
        await visitor.line.send("HeapProfiler.collectGarbage")
    return (await visitor.read_metrics())["JSHeapUsedSize"]


async def _leave(visitor: Visitor, stub: Stub) -> None:
    """Go to another page of the site, as visitors do, and wait until the collector hears no more."""
    await visitor.page.goto(f"{stub.page_url}/left")
    while True:
        stub.heard.clear()
        try:
            await asyncio.wait_for(stub.heard.wait(), _QUIET_S)
        except TimeoutError:
            return


def _address(stub: Stub, rival: Rival) -> str:
    return stub.collector_url + (rival.path if rival.replies else BLANK)
