"""One view as the wire batches that the snippet would send: cumulative reports, each complete in itself. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from collector.ids import Navigation
from collector.traces import Moves, Signals
from collector.wire import Batch, Clicks, PageLayout, SectionTime, View
from heatmap.demo.clicking import Click
from heatmap.demo.people import Person
from heatmap.demo.reading import STEP_MS, Reading, SectionTimes
from heatmap.demo.recording import FittedPage
from heatmap.demo.tracing import Move, Signal, click_flags, draw_moves, draw_signals


@dataclass(frozen=True, slots=True)
class Visit:
    """One view, wholly decided."""

    person: Person
    page: FittedPage
    navigation: Navigation
    started_ms: int
    """By a true clock, in Unix ms."""
    reading: Reading
    sections: SectionTimes
    clicks: list[Click]
    is_entry: bool


@dataclass(frozen=True, slots=True)
class Report:
    """A batch and when it reaches the collector, in Unix ms."""

    at_ms: int
    batch: Batch

    def encode(self) -> bytes:
        """Return the body of the request."""
        return msgspec.json.encode(self.batch)


class _Dictionary:
    """The entries of one batch: only what it names, and the ancestors of that."""

    def __init__(self, steps: Sequence[tuple[int, str]]) -> None:
        self._steps = steps
        self._places: dict[int, int] = {}
        self.entries: list[str | tuple[int, str]] = []

    def place(self, index: int) -> int:
        """Return the place of a recorded step in this batch."""
        if index not in self._places:
            parent, step = self._steps[index]
            parent_place = self.place(parent) if parent >= 0 else -1
            self._places[index] = len(self.entries)
            self.entries.append((parent_place, step))
        return self._places[index]


def build_reports(rng: np.random.Generator, visit: Visit, site_key: str, *, wants_layout: bool = False) -> list[Report]:
    """Return the view's reports, 2 to 4 but for the shortest; the second carries the layout where it is wanted."""
    view_id = rng.bytes(8).hex()
    reports: list[Report] = []
    last = -1
    for seq, step in enumerate(_draw_cuts(rng, visit.reading.n_steps)):
        layout_here = wants_layout and seq == 1
        latency_ms = int(rng.integers(30, 420))
        batch = _build_batch(
            visit, (site_key, rng.bytes(16).hex(), view_id), seq, (last, step), with_layout=layout_here
        )
        sent_ms = visit.started_ms + int(visit.reading.wall_ms[step])
        reports.append(Report(sent_ms + latency_ms, batch))
        last = step
    return reports


def _draw_cuts(rng: np.random.Generator, n_steps: int) -> list[int]:
    """Return the steps after which a report is sent: early, perhaps in the middle, and at the end."""
    cuts = {0, n_steps - 1} if n_steps < 12 else {int(rng.integers(4, 10)), n_steps - 1}
    if n_steps > 40:
        cuts |= {int(value) for value in rng.integers(20, n_steps, size=int(rng.integers(1, 3)))}
    return sorted(cuts)


def _build_batch(
    visit: Visit, ids: tuple[str, str, str], seq: int, span: tuple[int, int], *, with_layout: bool
) -> Batch:
    site_key, batch_id, view_id = ids
    known = _Dictionary(visit.page.page.steps)
    clicks = [click for click in visit.clicks if span[0] < click.step <= span[1]]
    columns = _build_clicks(visit, known, clicks) if clicks else UNSET
    moves = draw_moves(visit.page, clicks)
    signals = draw_signals(visit.page, clicks, view_id, is_first=seq == 0)
    sections = _build_sections(visit, known, span)
    started_ms = visit.started_ms + visit.person.skew_ms
    view = _build_view(visit, known, view_id, seq, span[1])
    return Batch(
        version=1,
        batch_id=batch_id,
        site_key=site_key,
        sent_ms=started_ms + int(visit.reading.wall_ms[span[1]]),
        view=view,
        geometries=[visit.page.geometry],
        clicks=columns,
        sections=sections or UNSET,
        layout=_build_layout(visit.page.page.layout, known) if with_layout else UNSET,
        moves=_build_moves(visit, known, moves) if moves else UNSET,
        signals=_build_signals(visit, known, signals) if signals else UNSET,
        entries=known.entries,
    )


def _build_view(visit: Visit, known: _Dictionary, view_id: str, seq: int, step: int) -> View:
    viewport_h, doc_h = visit.page.geometry[1], visit.page.geometry[3]
    referrer = visit.person.referrer_host if visit.is_entry else ""
    return View(
        view_id=view_id,
        started_ms=visit.started_ms + visit.person.skew_ms,
        seq=seq,
        navigation=int(visit.navigation),
        path=visit.page.page.path,
        pointer_is_coarse=int(visit.person.is_coarse),
        active_ms=int(visit.reading.wall_ms[step]),
        engaged_ms=(step + 1) * STEP_MS,
        depth=(min(doc_h, int(visit.reading.scroll_px[: step + 1].max()) + viewport_h), doc_h),
        referrer_host=referrer or UNSET,
        exit_section=_find_exit(visit, known, step),
    )


def _find_exit(visit: Visit, known: _Dictionary, step: int) -> int | UnsetType:
    """Return the section that fills most of the viewport; the smaller one where two fill it alike."""
    shown = visit.sections.shown_px[step]
    if not len(shown) or shown.max() <= 0:
        return UNSET
    filling = np.flatnonzero(shown >= shown.max() - 1)
    section = int(filling[np.argmin(visit.page.sections[filling, 3])])
    return known.place(visit.page.page.layout.sections[section][0])


def _build_clicks(visit: Visit, known: _Dictionary, clicks: Sequence[Click]) -> Clicks:
    times = np.diff([0, *(click.at_ms for click in clicks)])
    sizes = [visit.page.elements[click.element, 2:] for click in clicks]
    return Clicks(
        delta_ms=[int(value) for value in times],
        elements=[known.place(visit.page.page.layout.elements[click.element]) for click in clicks],
        x_px=[click.x_px for click in clicks],
        y_px=[click.y_px for click in clicks],
        x_frac=[click.x_frac for click in clicks],
        y_frac=[click.y_frac for click in clicks],
        w_px=[round(size[0]) for size in sizes],
        h_px=[round(size[1]) for size in sizes],
        geometries=[0] * len(clicks),
        kinds=[click.kind | click_flags(visit.page, click) for click in clicks],
        nth=[click.nth for click in clicks],
    )


def _build_moves(visit: Visit, known: _Dictionary, moves: Sequence[Move]) -> Moves:
    return Moves(
        delta_ms=_deltas([move.at_ms for move in moves]),
        elements=[known.place(visit.page.page.layout.elements[move.element]) for move in moves],
        delta_x_px=_deltas([move.x_px for move in moves]),
        delta_y_px=_deltas([move.y_px for move in moves]),
        x_frac=[move.x_frac for move in moves],
        y_frac=[move.y_frac for move in moves],
    )


def _deltas(values: Sequence[int]) -> list[int]:
    return [value - before for value, before in zip(values, [0, *values], strict=False)]


def _build_signals(visit: Visit, known: _Dictionary, signals: Sequence[Signal]) -> Signals:
    elements = visit.page.page.layout.elements
    return Signals(
        at_ms=[signal.at_ms for signal in signals],
        kinds=[int(signal.kind) for signal in signals],
        elements=[known.place(elements[signal.element]) if signal.element >= 0 else -1 for signal in signals],
        values=[signal.value for signal in signals],
        texts=[signal.text for signal in signals] if any(signal.text for signal in signals) else UNSET,
    )


def _build_sections(visit: Visit, known: _Dictionary, span: tuple[int, int]) -> list[SectionTime]:
    """Return the sections whose figures changed since the report before."""
    last, step = span
    times, flags = visit.sections.time_ms[step], visit.sections.flags[step]
    changed = (times > 0) | (flags > 0)
    if last >= 0:
        changed &= (times > visit.sections.time_ms[last]) | (flags != visit.sections.flags[last])
    indices = [section[0] for section in visit.page.page.layout.sections]
    return [(known.place(indices[one]), int(times[one]), int(flags[one])) for one in np.flatnonzero(changed)]


def _build_layout(layout: PageLayout, known: _Dictionary) -> PageLayout:
    sections = [(known.place(section[0]), *section[1:]) for section in layout.sections]
    return msgspec.structs.replace(layout, elements=_place_all(known, layout.elements), sections=sections)


def _place_all(known: _Dictionary, indices: Iterable[int]) -> list[int]:
    return [known.place(index) for index in indices]
