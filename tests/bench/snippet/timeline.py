"""What a browser's trace tells of one page's main thread: script, forced layouts, long tasks. Pure.

Times are CPU time of the thread (`tdur`), so that other programs on the machine are not counted; the slowing of the
CPU is, as the browser does it by keeping the thread busy. Script time is that of the outermost script events without
the style and layout work inside them, which is what Chrome calls scripting, too; that work is counted by itself, as
forced. Being traced costs a light script as much as it costs itself: these times tell parts of a whole from each
other, and are set beside no other script's. A long task is one of more than 50 ms that would not have been one without
the script in it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CATEGORIES = ["devtools.timeline", "disabled-by-default-devtools.timeline"]
LONG_MS = 50.0
_SCRIPT = {
    *("EvaluateScript", "FunctionCall", "RunMicrotasks", "v8.compile", "v8.compileModule", "v8.evaluateModule"),
    *("V8.EvaluateModule", "XHRReadyStateChange", "XHRLoad"),
}
_FORCED = {"Layout", "UpdateLayoutTree", "RecalculateStyles"}
_TASK = "RunTask"

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stretch:
    """One event of the main thread: when it began on the trace's clock, and its CPU time, µs."""

    name: str
    url: str
    begin_us: float
    end_us: float
    cpu_us: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """What is read of a trace: ms of CPU time."""

    script_ms: float
    evaluation_ms: float
    """Compiling and running the script's own file."""
    forced_ms: float
    forced: int
    forced_at_evaluation: int
    long_tasks: int
    longest_ms: float


def read_timeline(events: Iterable[Event], url: str) -> Timeline:
    """Return what the trace says of the page that evaluated `url`."""
    events = list(events)
    first = next(e for e in events if e.get("name") == "EvaluateScript" and _url_of(e) == url and e.get("ph") == "X")
    stretches = _stretches(events, first["pid"], first["tid"])
    scripts = [s for s in _outermost([s for s in stretches if s.name in _SCRIPT]) if not _is_harness(s)]
    forced = _inside(_outermost([s for s in stretches if s.name in _FORCED]), scripts)
    own = [s for s in stretches if s.url == url and s.name in ("EvaluateScript", "v8.compile")]
    evaluations = _outermost(own)
    tasks = [_Task(t, _inside(scripts, [t]), _inside(forced, [t])) for t in stretches if t.name == _TASK]
    long_ones = [task.ms for task in tasks if task.is_long]
    return Timeline(
        script_ms=(_cpu_us(scripts) - _cpu_us(forced)) / 1000,
        evaluation_ms=_cpu_us(evaluations) / 1000,
        forced_ms=_cpu_us(forced) / 1000,
        forced=len(forced),
        forced_at_evaluation=len(_inside(forced, evaluations)),
        long_tasks=len(long_ones),
        longest_ms=max(long_ones, default=0.0),
    )


@dataclass(frozen=True, slots=True)
class _Task:
    task: Stretch
    scripts: list[Stretch]
    forced: list[Stretch]

    @property
    def ms(self) -> float:
        return self.task.cpu_us / 1000

    @property
    def is_long(self) -> bool:
        # Forced work lies within the scripts.
        return self.ms > LONG_MS and self.ms - _cpu_us(self.scripts) / 1000 <= LONG_MS


def _stretches(events: Sequence[Event], pid: int, tid: int) -> list[Stretch]:
    whole = [e for e in events if e.get("ph") == "X" and e.get("pid") == pid and e.get("tid") == tid]
    return sorted(
        (Stretch(e["name"], _url_of(e), e["ts"], e["ts"] + e.get("dur", 0), e.get("tdur", 0)) for e in whole),
        key=lambda stretch: (stretch.begin_us, -stretch.end_us),
    )


def _is_harness(stretch: Stretch) -> bool:
    """Return whether this is an expression of ours, sent through DevTools: such code has no address."""
    return stretch.name == "EvaluateScript" and not stretch.url


def _url_of(event: Event) -> str:
    data = event.get("args", {}).get("data") or {}
    return str(data.get("url", "")) if isinstance(data, dict) else ""


def _outermost(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Return those that lie in no other; they are sorted by their beginning."""
    kept: list[Stretch] = []
    for stretch in stretches:
        if not kept or stretch.begin_us >= kept[-1].end_us:
            kept.append(stretch)
    return kept


def _inside(stretches: Sequence[Stretch], around: Sequence[Stretch]) -> list[Stretch]:
    """Return those that lie in one of `around`; both are sorted, and `around` do not overlap."""
    kept = []
    place = 0
    for stretch in stretches:
        while place < len(around) and around[place].end_us <= stretch.begin_us:
            place += 1
        if place < len(around) and around[place].begin_us <= stretch.begin_us:
            kept.append(stretch)
    return kept


def _cpu_us(stretches: Iterable[Stretch]) -> float:
    return sum(stretch.cpu_us for stretch in stretches)
