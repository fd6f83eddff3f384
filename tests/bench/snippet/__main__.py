"""What the snippet weighs and what a visit with it costs, beside other people's scripts: one table from one run.

    PYTHONPATH=tests python -m bench.snippet [--quick] [--markdown] [--only NAME …] [--rounds 3] [--sizes] [--json FILE]

Each round makes the same scripted visit with every script, one after the other, in a real Chromium whose CPU is slowed
four times. Shown are medians, less those of the same visit with an empty script. The heaviest are measured once.

- Script time: Chromium's ScriptDuration and V8CompileDuration, without the style and layout work that script asks for.
  It is CPU time of the main thread (`threadTicks`), not time by the clock, so that other programs on the machine hardly
  matter. Nothing is traced meanwhile, as being traced costs more than a light script does.
- Style and layout, whole thread: what came on top of the page's own; the same work drawn in fewer or more frames moves
  both by tens of ms, so they are a check of the first and not a target.
- Long tasks: of more than 50 ms, as PerformanceObserver counts them, less the page's own.
- Layout reads, forced layouts, and long tasks by CPU time: counted in a short visit of its own, which is not timed.
- Body: bytes sent as they were sent, packed or not; a script that sends nothing ends the run with 1, a time never does.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
from find_browser import find_browser
from playwright.async_api import Browser

from . import bundle, sizes, table
from .measure import Inspection, Sample, inspect, measure, open_browser, open_page, read_script
from .rivals import BASELINE, Rival, list_ours, list_rivals
from .script import QUICK, WHOLE, Length
from .site_page import build_page
from .stub import Stub, run_stub

_QUICK_NAMES = ("nothing", "jalki", "Plausible", "Clarity without replay", "PostHog")
_LATE_S = 1.0
"""A visit that ended so much later than planned says little of time."""

Samples = dict[str, list[Sample]]


async def run(options: argparse.Namespace, built: Path) -> int:
    """Measure, print, and return 1 where a script sent nothing or failed."""
    ours = sizes.list_our_sizes(built)
    peers = [] if options.ours else sizes.list_peer_sizes()
    print(table.describe_sizes(ours, peers), "\n", flush=True)
    if options.markdown:
        print(table.describe_parts(ours), "\n")
    if options.sizes:
        return 0
    path = find_browser()
    if path is None:
        print("no Chromium found: install one, or set JALKI_TEST_CHROMIUM to its path", file=sys.stderr)
        return 1
    rivals = choose_rivals(options, built)
    length = QUICK if options.quick else WHOLE
    async with run_stub(build_page()) as stub, open_browser(path) as browser:
        print(await describe_machine(browser, stub, length), "\n", flush=True)
        samples = await measure_all(browser, stub, rivals, options.rounds, length)
        inspections = {rival.name: await inspect(browser, stub, rival) for rival in rivals if rival is not BASELINE}
    if options.json:
        options.json.write_bytes(msgspec.json.encode(samples))
    return report(rivals, samples, inspections, ours)


def report(
    rivals: Sequence[Rival], samples: Samples, inspections: dict[str, Inspection], ours: Sequence[sizes.Size]
) -> int:
    """Print the tables, and return 1 where something is wrong with them."""
    measured = [rival for rival in rivals if rival is not BASELINE and samples.get(rival.name)]
    lines = [
        table.build_line(rival, samples[rival.name], samples[BASELINE.name], inspections.get(rival.name))
        for rival in measured
    ]
    print("\n" + table.describe_visits(lines), "\n")
    print("\n".join(f"- {rival.name} records: {rival.records}" for rival in measured), "\n")
    print(table.describe_targets({line.name: line for line in lines}, ours))
    faults = find_faults(rivals, samples)
    late = sum(sample.late_s > _LATE_S for ones in samples.values() for sample in ones)
    if late:
        print(f"note: {late} visits ran late; times say little on a machine that does other things")
    print("\n".join(faults) or "every script was heard by its collector in every visit")
    return int(bool(faults))


def choose_rivals(options: argparse.Namespace, built: Path) -> list[Rival]:
    """Return who is measured, always with the page alone, which comes first."""
    rivals = [*list_ours(built), *list_rivals()]
    names = options.only or (_QUICK_NAMES if options.quick else ())
    is_part = bool(options.only)
    wanted = [
        rival for rival in rivals if not names or any(_matches(name, rival.name, is_part=is_part) for name in names)
    ]
    return [BASELINE, *wanted]


def _matches(wanted: str, name: str, *, is_part: bool) -> bool:
    if is_part or wanted == "jalki":
        return wanted.lower() in name.lower()
    return wanted == name


async def measure_all(browser: Browser, stub: Stub, rivals: Sequence[Rival], rounds: int, length: Length) -> Samples:
    """Return the visits of each script; a round is one visit with each, so that no one has the quiet hours alone."""
    samples: Samples = {}
    for number in range(rounds):
        for rival in rivals:
            if rival.rounds is not None and number >= rival.rounds:
                continue
            try:
                sample = await measure(browser, stub, rival, length)
            except bundle.MissingError as error:
                print(f"{rival.name}: left out: {error}", flush=True)
                continue
            samples.setdefault(rival.name, []).append(sample)
            print(_describe_sample(number, rival, sample), flush=True)
    return samples


def _describe_sample(number: int, rival: Rival, sample: Sample) -> str:
    late = f"  LATE by {sample.late_s:.1f} s" if sample.late_s > _LATE_S else ""
    return (
        f"round {number + 1}  {rival.name:24} script {sample.script_ms:6.0f} ms  start {sample.start_ms:5.0f} ms  "
        f"thread {sample.task_ms:6.0f} ms  long {sample.long_tasks}  {sample.requests:3} requests "
        f"{sample.body_bytes:8,} B  heap {sample.heap_bytes / 1e6:.2f} MB{late}"
    )


def find_faults(rivals: Sequence[Rival], samples: Samples) -> list[str]:
    """Return what was wrong, in words: page errors, unknown requests, silence, another scroll position."""
    faults = [f"{name}: {fault}" for name, ones in samples.items() for one in ones for fault in one.faults]
    for rival in rivals:
        for sample in samples.get(rival.name, ()):
            if rival is not BASELINE and not (sample.requests and sample.body_bytes):
                faults.append(f"{rival.name}: its collector heard nothing")
            if sample.scrolled_px != samples[BASELINE.name][0].scrolled_px:
                faults.append(f"{rival.name}: the page stood at {sample.scrolled_px} px at the end")
    return sorted(set(faults))


async def describe_machine(browser: Browser, stub: Stub, length: Length) -> str:
    """Return the browser, the page and the visit in two lines."""
    async with open_page(browser, stub) as visitor:
        elements = await visitor.evaluate("document.getElementsByTagName('*').length")
        height = await visitor.evaluate("document.documentElement.scrollHeight")
        script = await read_script(visitor, length)
    page = f"page of {elements:,} elements, {height:,} px high; Chromium {browser.version}"
    return f"{page}\n{table.describe_script(script)}"


def main() -> int:
    """Run as asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="a visit of 10 s with fewer scripts, one round: some two minutes"
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only scripts whose names contain one of these")
    parser.add_argument("--rounds", type=int, metavar="N", help="visits with each script; 3, with --quick 1")
    parser.add_argument("--sizes", action="store_true", help="sizes only")
    parser.add_argument("--ours", action="store_true", help="sizes of our own scripts only")
    parser.add_argument("--dist", action="store_true", help="take collector/dist instead of building js/")
    parser.add_argument("--js", type=Path, default=bundle.JS, help="the sources of another checkout: its js/")
    parser.add_argument("--markdown", action="store_true", help="print the table of js/README.md too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    with tempfile.TemporaryDirectory(prefix="jalki-bench-") as folder:
        built = bundle.ROOT / "collector" / "dist" if options.dist else bundle.build_ours(Path(folder), options.js)
        return asyncio.run(run(options, built))


if __name__ == "__main__":
    sys.exit(main())
