"""Where our snippet spends its time in the scripted visit: by function, what forces a layout, and who holds memory.

    PYTHONPATH=tests python -m bench.snippet.profile [--quick] [--signals] [--top 30]

Builds js/src without minifying, so that names are those of the sources, and makes the visit three times: with
Chromium's sampling profiler, with its trace, which knows what forced a layout, and with its sampling heap profiler,
which knows who made what is still held at the end. Nothing is compared with anything here.
"""

import argparse
import asyncio
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from find_browser import find_browser
from playwright.async_api import Browser

from . import bundle
from .measure import SLOWED, Visitor, open_browser, open_page, perform, prepare, put_script, read_script
from .rivals import Rival, list_ours
from .script import QUICK, WHOLE, Length
from .site_page import build_page
from .stub import Stub, run_stub
from .timeline import CATEGORIES

_INTERVAL_US = 100
_HEAP_INTERVAL_BYTES = 512
_TEXT_CHARS = 60
_STACKS = "disabled-by-default-devtools.timeline.stack"
_GUARD = "src/guard.ts"
"""Wraps every function that the browser calls; the one within says more."""
_FORCING = ("Layout", "UpdateLayoutTree")


@dataclass(frozen=True, slots=True)
class Sources:
    """The lines of an unminified script, and the source file that each came from; esbuild says so in comments."""

    lines: tuple[str, ...]
    files: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "Sources":
        """Return the sources of a script."""
        file, files = "", []
        lines = text.splitlines()
        for line in lines:
            file = match[1] if (match := re.match(r"\s*// (src/\S+\.ts)$", line)) else file
            files.append(file)
        return cls(tuple(lines), tuple(files))

    def name(self, frame: Mapping[str, Any]) -> str:
        """Return a function's name and file, without a name also its text; `frame` is one of a profile or a stack."""
        number = int(frame.get("lineNumber", 0))
        if not 0 <= number < len(self.lines):
            return "?"
        text = self.lines[number].strip()[:_TEXT_CHARS]
        return f"{frame.get('functionName') or f'«{text}»'} {self.files[number]}"


@dataclass(slots=True)
class Profile:
    """Time by function: `own` without and `within` with what it calls, ms; only stacks that hold the script."""

    own: Counter[str]
    within: Counter[str]
    entries: Counter[str]
    """By the function that the browser called."""

    @property
    def total_ms(self) -> float:
        """All time in which the script was on the stack."""
        return self.entries.total()


def read_profile(profile: Mapping[str, Any], urls: Mapping[str, Sources]) -> Profile:
    """Return what a `Profiler.stop` says about the scripts at `urls`."""
    nodes = {node["id"]: node for node in profile["nodes"]}
    parents = {child: node["id"] for node in profile["nodes"] for child in node.get("children", ())}
    result = Profile(Counter(), Counter(), Counter())
    for node_id, delta_us in zip(profile["samples"], profile["timeDeltas"], strict=True):
        stack = list(_stack(nodes, parents, node_id))
        ours = [urls[f["url"]].name(f) for f in stack if f["url"] in urls]
        if not ours:
            continue
        ms = max(0, delta_us) / 1000
        top = stack[0]
        is_native = top["url"] not in urls
        result.own[f"{ours[0]}{' → ' + top['functionName'] if is_native else ''}"] += ms  # type: ignore[assignment]
        result.entries[next((name for name in reversed(ours) if _GUARD not in name), ours[-1])] += ms  # type: ignore[assignment]
        for name in set(ours):
            result.within[name] += ms  # type: ignore[assignment]
    return result


def _stack(nodes: Mapping[int, Any], parents: Mapping[int, int], node_id: int) -> Iterator[Mapping[str, Any]]:
    place: int | None = node_id
    while place is not None:
        yield nodes[place]["callFrame"]
        place = parents.get(place)


def read_forced(events: Sequence[Mapping[str, Any]], urls: Mapping[str, Sources]) -> tuple[Counter[str], Counter[str]]:
    """Return ms and number of the layouts that our functions forced, by the function that read."""
    spent: Counter[str] = Counter()
    times: Counter[str] = Counter()
    for event in events:
        if event.get("name") not in _FORCING or event.get("ph") != "X":
            continue
        args = event.get("args", {})
        stack = args.get("beginData", {}).get("stackTrace") or args.get("data", {}).get("stackTrace") or []
        ours = [frame for frame in stack if frame.get("url") in urls]
        if ours:
            # Here lines begin at 1.
            frames = [urls[f["url"]].name({**f, "lineNumber": f["lineNumber"] - 1}) for f in ours[:3]]
            name = f"{event['name']}: {' ← '.join(frames)}"
            spent[name] += event.get("tdur", 0) / 1000
            times[name] += 1
    return spent, times


def read_heap(head: Mapping[str, Any], urls: Mapping[str, Sources]) -> Counter[str]:
    """Return bytes still held by the function of ours that made them; `head` is a sampling heap profile's tree."""
    held: Counter[str] = Counter()
    waiting = [(head, "")]
    while waiting:
        node, above = waiting.pop()
        frame = node["callFrame"]
        owner = urls[frame["url"]].name(frame) if frame["url"] in urls else above
        if owner:
            held[owner] += node["selfSize"]
        waiting += [(child, owner) for child in node["children"]]
    return held


@dataclass(frozen=True, slots=True)
class Findings:
    """What the three visits gave, as Chromium gives it."""

    profile: Mapping[str, Any]
    trace: Sequence[Mapping[str, Any]]
    heap: Mapping[str, Any]


async def visit(browser: Browser, stub: Stub, rival: Rival, length: Length) -> Findings:
    """Make the three visits."""
    prepare(stub, rival)
    async with open_page(browser, stub) as visitor:
        await visitor.line.send("Profiler.enable")
        await visitor.line.send("Profiler.setSamplingInterval", {"interval": _INTERVAL_US})
        await visitor.line.send("Profiler.start")
        await _visit(visitor, stub, rival, length)
        profile = (await visitor.line.send("Profiler.stop"))["profile"]
    prepare(stub, rival)
    async with open_page(browser, stub) as visitor:
        await browser.start_tracing(page=visitor.page, categories=[*CATEGORIES, _STACKS])
        await _visit(visitor, stub, rival, length)
        trace = json.loads(await browser.stop_tracing())["traceEvents"]
    prepare(stub, rival)
    async with open_page(browser, stub) as visitor:
        await visitor.line.send("HeapProfiler.enable")
        await visitor.line.send("HeapProfiler.startSampling", {"samplingInterval": _HEAP_INTERVAL_BYTES})
        await _visit(visitor, stub, rival, length)
        await visitor.line.send("HeapProfiler.collectGarbage")
        heap = (await visitor.line.send("HeapProfiler.stopSampling"))["profile"]["head"]
    return Findings(profile, trace, heap)


async def _visit(visitor: Visitor, stub: Stub, rival: Rival, length: Length) -> None:
    script = await read_script(visitor, length)
    await visitor.line.send("Emulation.setCPUThrottlingRate", {"rate": SLOWED})
    begun_at = asyncio.get_running_loop().time()
    await put_script(visitor, stub, rival)
    await perform(visitor, script.inputs, begun_at)
    await asyncio.sleep(max(0.0, begun_at + length.seconds - asyncio.get_running_loop().time()))


async def run(options: argparse.Namespace) -> None:
    """Profile and print."""
    path = find_browser()
    if path is None:
        raise SystemExit("no Chromium found: install one, or set JALKI_TEST_CHROMIUM to its path")
    with tempfile.TemporaryDirectory(prefix="jalki-bench-") as folder:
        built = bundle.build_readable(Path(folder), options.js, with_signals=options.signals)
        rival = list_ours(built)[int(options.signals)]
        async with run_stub(build_page()) as stub, open_browser(path) as browser:
            findings = await visit(browser, stub, rival, QUICK if options.quick else WHOLE)
            scripts = {stub.collector_url + path: Sources.of(text) for path, text in stub.scripts.items() if text}
    _print_profile(read_profile(findings.profile, scripts), options.top)
    _print_forced(*read_forced(findings.trace, scripts), options.top)
    _print_heap(read_heap(findings.heap, scripts), options.top)


def _print_profile(profile: Profile, top: int) -> None:
    print(f"{profile.total_ms:.0f} ms with the script on the stack, CPU slowed {SLOWED} ×")
    tables = (
        ("by what the browser called", profile.entries),
        ("itself", profile.own),
        ("with all it calls", profile.within),
    )
    for title, counts in tables:
        print(f"\n{'ms':>8}  {title}")
        for name, ms in counts.most_common(top):
            print(f"{ms:8.1f}  {name}")


def _print_forced(spent: Counter[str], times: Counter[str], top: int) -> None:
    print(f"\n{'ms':>8}  {'times':>5}  forced style and layout, by who read")
    for name, ms in spent.most_common(top):
        print(f"{ms:8.1f}  {times[name]:5}  {name}")


def _print_heap(held: Counter[str], top: int) -> None:
    print(f"\n{'bytes':>8}  still held at the end, by who made it: {held.total():,} B")
    for name, size in held.most_common(top):
        print(f"{size:8,}  {name}")


def main() -> int:
    """Run as asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a visit of 10 s")
    parser.add_argument("--signals", action="store_true", help="with the signals' module")
    parser.add_argument("--js", type=Path, default=bundle.JS, help="the sources of another checkout: its js/")
    parser.add_argument("--top", type=int, default=30)
    asyncio.run(run(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
