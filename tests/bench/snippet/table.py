"""What a run has found, as text: sizes, the visit, what is where, and each target beside its figure."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .measure import SLOWED, Inspection, Sample
from .rivals import Rival
from .script import Script
from .sizes import WHAT_IS_WHERE, Size

BASELINE = "nothing"
CORE = "jalki core"
INSIGHT = "Clarity without replay"
POSTHOG = "PostHog"


@dataclass(frozen=True, slots=True)
class Line:
    """One script's figures: medians of its visits, less the medians of the page alone."""

    name: str
    visits: int
    script_ms: float
    script_least_ms: float
    script_most_ms: float
    evaluation_ms: float
    start_ms: float
    layout_ms: float
    task_ms: float
    long_tasks: float
    heap_mb: float
    requests: float
    preflights: float
    body_bytes: float
    inspection: Inspection | None


def build_line(
    rival: Rival, samples: Sequence[Sample], baseline: Sequence[Sample], inspection: Inspection | None
) -> Line:
    """Return the figures of `samples`, each less what the page alone takes."""

    def over(read: Callable[[Sample], float]) -> float:
        return statistics.median(map(read, samples)) - statistics.median(map(read, baseline))

    base_ms = statistics.median(sample.script_ms for sample in baseline)
    return Line(
        name=rival.name,
        visits=len(samples),
        script_ms=over(lambda sample: sample.script_ms),
        script_least_ms=min(sample.script_ms for sample in samples) - base_ms,
        script_most_ms=max(sample.script_ms for sample in samples) - base_ms,
        evaluation_ms=over(lambda sample: sample.evaluation_ms),
        start_ms=over(lambda sample: sample.start_ms),
        layout_ms=over(lambda sample: sample.layout_ms),
        task_ms=over(lambda sample: sample.task_ms),
        long_tasks=over(lambda sample: sample.long_tasks),
        heap_mb=over(lambda sample: sample.heap_bytes) / 1e6,
        requests=over(lambda sample: sample.requests),
        preflights=over(lambda sample: sample.preflights),
        body_bytes=over(lambda sample: sample.body_bytes),
        inspection=inspection,
    )


def _spread(line: Line) -> str:
    if line.visits == 1:
        return f"{line.script_ms:.0f} (once)"
    return f"{line.script_ms:.0f} ({line.script_least_ms:.0f}–{line.script_most_ms:.0f})"


def _reads(inspection: Inspection | None) -> str:
    return "–" if inspection is None else f"{inspection.at_evaluation:,}, {inspection.at_start:,}"


def _forced(inspection: Inspection | None) -> str:
    if inspection is None:
        return "–"
    timeline = inspection.timeline
    return f"{timeline.forced_at_evaluation}, {timeline.forced}; {timeline.long_tasks}"


_COLUMNS: Sequence[tuple[str, Callable[[Line], str]]] = (
    ("Script", lambda line: line.name),
    ("script time added, ms (least–most)", _spread),
    ("evaluation, ms", lambda line: f"{line.evaluation_ms:.0f}"),
    ("first 2 s, ms", lambda line: f"{line.start_ms:.0f}"),
    ("style and layout, ms", lambda line: f"{line.layout_ms:.0f}"),
    ("whole thread, ms", lambda line: f"{line.task_ms:.0f}"),
    ("long tasks by the clock", lambda line: f"{line.long_tasks:.0f}"),
    ("heap, MB", lambda line: f"{line.heap_mb:.2f}"),
    ("requests + preflights", lambda line: f"{line.requests:.0f} + {line.preflights:.0f}"),
    ("body, B", lambda line: f"{line.body_bytes:,.0f}"),
    ("layout reads at evaluation, in 2 s", lambda line: _reads(line.inspection)),
    ("in 4 s: layouts forced at evaluation, at all; long tasks by CPU time", lambda line: _forced(line.inspection)),
)


def describe_visits(lines: Sequence[Line]) -> str:
    """Return the table of the visit."""
    return _as_table([[name for name, _ in _COLUMNS], *([read(line) for _, read in _COLUMNS] for line in lines)])


def describe_sizes(ours: Sequence[Size], peers: Sequence[Size]) -> str:
    """Return the table of sizes; `!` marks one of ours over its limit."""
    rows = [["Script", "raw, B", "gzip, B", "brotli, B", "limit, B", ""]]
    rows += [[f"jalki {_part(size)}", *_bytes(size), _limit(size), size.note] for size in ours]
    rows += [[size.name, *_bytes(size), "", size.note] for size in peers]
    return _as_table(rows)


def describe_parts(ours: Sequence[Size]) -> str:
    """Return the table of js/README.md: which part has what, when it is loaded, and what it weighs."""
    rows = [["Part", "Has", "Loaded", "brotli (gzip), B", "at most"]]
    for size in ours:
        loaded, has = WHAT_IS_WHERE[size.name]
        rows.append([_part(size), has, loaded, f"{size.brotli:,} ({size.gzip:,})", f"{size.limit or 0:,}"])
    return _as_table(rows)


def describe_script(script: Script) -> str:
    """Return what the visitor does, in one line."""
    length = script.length
    pressed = ", ".join(f"{count} on {kind}" for kind, count in sorted(script.pressed.items()))
    return (
        f"visit of {length.seconds:.0f} s: {length.moves} moves, {length.clicks} clicks ({pressed}), "
        f"{length.wheels} turns of the wheel; CPU slowed {SLOWED} ×"
    )


def describe_targets(lines: Mapping[str, Line], ours: Sequence[Size]) -> str:
    """Return each target with its figure, `MISSED` where it is, and the ratios."""
    core = lines.get(CORE)
    if core is None:
        return "the core was not measured"
    weight = next(size.brotli for size in ours if size.name == "snippet")
    checks = [
        ("core, brotli", weight, 4_096, "B"),
        ("script time added", core.script_ms, 100, "ms"),
        ("evaluation", core.evaluation_ms, 10, "ms"),
        ("first 2 s, evaluation included", core.start_ms, 10, "ms"),
        ("long tasks by the clock", core.long_tasks, 0, ""),
        ("long tasks by CPU time in 4 s", core.inspection.timeline.long_tasks if core.inspection else 0, 0, ""),
        ("heap", core.heap_mb, 0.15, "MB"),
        ("requests", core.requests, 5, ""),
        ("body", core.body_bytes, 4_096, "B"),
        ("preflights", core.preflights, 0, ""),
        ("layout reads at evaluation", core.inspection.at_evaluation if core.inspection else 0, 0, ""),
    ]
    texts = [f"{name}: {_figure(value)} {unit} (target ≤ {_figure(most)})" for name, value, most, unit in checks]
    marks = ["" if round(value, 2) <= most else "  MISSED" for _, value, most, _ in checks]
    return "\n".join([text + mark for text, mark in zip(texts, marks, strict=True)] + _ratios(core, lines))


def _ratios(core: Line, lines: Mapping[str, Line]) -> list[str]:
    wanted = ((INSIGHT, 0.5), (POSTHOG, 1 / 6))
    found = [(name, core.script_ms / max(1e-9, lines[name].script_ms), most) for name, most in wanted if name in lines]
    return [
        f"ratio core / {name}, script time: {ratio:.2f} (target < {most:.2f}){'' if ratio < most else '  MISSED'}"
        for name, ratio, most in found
    ]


def _as_table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body])


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:.2f}"


def _part(size: Size) -> str:
    return "core" if size.name == "snippet" else size.name


def _limit(size: Size) -> str:
    if size.limit is None:
        return ""
    return f"{size.limit:,}{' !' if size.brotli > size.limit else ''}"


def _bytes(size: Size) -> list[str]:
    return [f"{value:,}" if value else "–" for value in (size.raw, size.gzip, size.brotli)]
