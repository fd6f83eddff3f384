"""What views say about visits: merged states, sessions, and what each adds to the rollups.

Pure. The order in which reports arrive must not show in any result: merging takes maxima, minima and the highest `seq`,
so that it is commutative; sessions are always found again from all views of a visitor's day.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import NamedTuple, TypeAlias

from collector import bots
from collector.ids import WHOLE_SITE, Audience, Device, FlushId, PageId, SectionId, ViewId, VisitorKey
from collector.visitor import is_kept

SESSION_GAP = timedelta(minutes=30)
"""Views of one visitor with less than this between activities are one session (DEFINITIONS, "session")."""

BOUNCE_MAX_ENGAGED_MS = 10_000
"""A session of one view bounces when it was engaged for less than this and clicked nothing (DEFINITIONS, "bounce")."""

TIME_BIN_MS = 100
"""Width of the bins of engaged time and time in view: the resolution the browser measures with."""

DEPTH_BINS = 1_000
"""Bins of scroll depth: thousandths of the document."""

MAX_CLICK_FLUSHES = 1_000
"""Flushes with clicks of one view that are remembered; a view with more, hours of clicking, stays with its audience."""

SEEN = 1
END_SEEN = 2

Sections: TypeAlias = dict[SectionId, tuple[int, int]]
"""By section: time in view in ms, and flags of SEEN and END_SEEN."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What sessions need of a view. Page, device and day are those of its first stored report.

    So is the visitor, unless a later report has an id that the browser keeps. `audience` is the one under which the
    rollups count it.
    """

    view_id: ViewId
    visitor_key: VisitorKey
    page_id: PageId
    device: Device
    local_day: date
    started_at: datetime
    active_ms: int
    engaged_ms: int
    clicks: int
    audience: Audience = Audience.PEOPLE


@dataclass(frozen=True, slots=True)
class ViewState:
    """All that is known of a view so far.

    `click_flushes` are those that hold its clicks; without them it can not be moved, and its audience is final.
    """

    visit: Visit
    seq: int
    viewport_h_px: int
    doc_h_px: int
    depth_px: int
    depth_doc_h_px: int
    exit_section_id: SectionId | None
    sections: Sections
    bot_signs: int = 0
    click_flushes: tuple[FlushId, ...] | None = ()

    def fits(self) -> bool:
        """Return whether the document is no taller than the viewport, so that there was nothing to scroll."""
        return self.doc_h_px <= self.viewport_h_px

    def depth_bin(self) -> int:
        """Return the greatest depth in thousandths of the document as it was then, rounded to the nearest."""
        if self.fits() or self.depth_doc_h_px <= 0:
            return DEPTH_BINS
        height_px = self.depth_doc_h_px
        return min(DEPTH_BINS, (2 * DEPTH_BINS * self.depth_px + height_px) // (2 * height_px))


class RowKey(NamedTuple):
    """The row of `rollup_pages` that a figure belongs to."""

    page_id: PageId
    local_day: date
    device: Device
    audience: Audience = Audience.PEOPLE


class SectionKey(NamedTuple):
    """The row of `rollup_sections` that a figure belongs to."""

    row: RowKey
    section_id: SectionId


@dataclass(slots=True)
class PageTally:
    """A difference to a row of `rollup_pages`; histograms count per bin and may hold negative counts."""

    views: int = 0
    visitors: int = 0
    sessions: int = 0
    entries: int = 0
    bounces: int = 0
    clicks: int = 0
    engaged_ms: int = 0
    fold_sum_px: int = 0
    engaged: Counter[int] = field(default_factory=Counter)
    depth: Counter[int] = field(default_factory=Counter)
    depth_fitting: Counter[int] = field(default_factory=Counter)


@dataclass(slots=True)
class SectionTally:
    """A difference to a row of `rollup_sections`."""

    seen_views: int = 0
    time_ms: int = 0
    exits: int = 0
    seen_time: Counter[int] = field(default_factory=Counter)
    end_time: Counter[int] = field(default_factory=Counter)


@dataclass(slots=True)
class Tally:
    """Differences to all rows that an advance touches."""

    pages: defaultdict[RowKey, PageTally] = field(default_factory=lambda: defaultdict(PageTally))
    sections: defaultdict[SectionKey, SectionTally] = field(default_factory=lambda: defaultdict(SectionTally))


def merge_states(first: ViewState, other: ViewState) -> ViewState:
    """Return what both say together: `first` names page, device and day; clicks and audience are its own.

    It names the visitor, too, unless only the other has an id that the browser keeps: consent may come in mid-view.
    Present values come from the higher `seq`, totals never decrease, the earliest start is the least delayed one, and
    a sign once seen stays.
    """
    newest = max(first, other, key=_freshness)
    deepest = max(first, other, key=lambda state: (state.depth_px, -state.depth_doc_h_px))
    visit = replace(
        first.visit,
        visitor_key=_choose_visitor(first.visit.visitor_key, other.visit.visitor_key),
        started_at=min(first.visit.started_at, other.visit.started_at),
        active_ms=max(first.visit.active_ms, other.visit.active_ms),
        engaged_ms=max(first.visit.engaged_ms, other.visit.engaged_ms),
    )
    return ViewState(
        visit=visit,
        seq=newest.seq,
        viewport_h_px=newest.viewport_h_px,
        doc_h_px=newest.doc_h_px,
        depth_px=deepest.depth_px,
        depth_doc_h_px=deepest.depth_doc_h_px,
        exit_section_id=newest.exit_section_id,
        sections=_merge_sections(first.sections, other.sections),
        bot_signs=first.bot_signs | other.bot_signs,
        click_flushes=first.click_flushes,
    )


def _choose_visitor(first: VisitorKey, other: VisitorKey) -> VisitorKey:
    return other if is_kept(other) and not is_kept(first) else first


def add_clicks(state: ViewState, clicks: int, flushes: Iterable[FlushId]) -> ViewState:
    """Return the state with that many more clicks, which these flushes hold."""
    if not clicks:
        return state
    known = None if state.click_flushes is None else (*state.click_flushes, *flushes)
    if known is not None and len(known) > MAX_CLICK_FLUSHES:
        known = None
    visit = replace(state.visit, clicks=state.visit.clicks + clicks)
    return replace(state, visit=visit, click_flushes=known)


def judge_audience(state: ViewState, threshold: int) -> ViewState:
    """Return the state with the audience that its signs speak for, unless that is final."""
    if state.click_flushes is None:
        return state
    audience = bots.judge(state.bot_signs, threshold)
    return state if audience == state.visit.audience else replace(state, visit=replace(state.visit, audience=audience))


def join_sections(state: ViewState, sections: Sections) -> ViewState:
    """Return the state with what is known of its sections merged in."""
    return replace(state, sections=_merge_sections(state.sections, sections)) if sections else state


def row_key(visit: Visit) -> RowKey:
    """Return the row of the visit's page that it is counted in."""
    return RowKey(visit.page_id, visit.local_day, visit.device, visit.audience)


def tally_view(tally: Tally, state: ViewState, sign: int) -> None:
    """Add (`sign` 1) or take back (−1) what one view gives to its page, the whole site and its sections."""
    visit = state.visit
    row = row_key(visit)
    for page_id in (visit.page_id, WHOLE_SITE):
        page = tally.pages[row._replace(page_id=page_id)]
        page.views += sign
        page.clicks += sign * visit.clicks
        page.engaged_ms += sign * visit.engaged_ms
        page.engaged[visit.engaged_ms // TIME_BIN_MS] += sign
    page = tally.pages[row]
    page.fold_sum_px += sign * state.viewport_h_px
    (page.depth_fitting if state.fits() else page.depth)[state.depth_bin()] += sign
    _tally_sections(tally, row, state, sign)


def tally_visits(tally: Tally, visits: Iterable[Visit], sign: int) -> None:
    """Add (`sign` 1) or take back (−1) the visitors, sessions, entries and bounces of all visits given.

    `visits` must be complete for each (visitor, day) in it. A visitor and a session count under the device of their
    first view in the row's scope, so that devices add up to the page and a row never has more visitors than views.
    Each audience is counted by itself: what a bot did is in no person's session.
    """
    groups: defaultdict[tuple[VisitorKey, date, Audience], list[Visit]] = defaultdict(list)
    for visit in visits:
        groups[visit.visitor_key, visit.local_day, visit.audience].append(visit)
    for group in groups.values():
        group.sort(key=lambda visit: (visit.started_at, visit.view_id))
        for key in _first_rows(group):
            tally.pages[key].visitors += sign
        for session in split_sessions(group):
            _tally_session(tally, session, sign)


def split_sessions(visits: Sequence[Visit]) -> list[list[Visit]]:
    """Return the sessions of one visitor's visits, which are sorted by start."""
    sessions: list[list[Visit]] = []
    last_active_at: datetime | None = None
    for visit in visits:
        if last_active_at is None or visit.started_at - last_active_at >= SESSION_GAP:
            sessions.append([])
        sessions[-1].append(visit)
        active_at = visit.started_at + timedelta(milliseconds=visit.active_ms)
        last_active_at = active_at if last_active_at is None else max(last_active_at, active_at)
    return sessions


def is_bounce(session: Sequence[Visit]) -> bool:
    """Return whether the session left after one view without engaging or clicking."""
    first = session[0]
    return len(session) == 1 and first.engaged_ms < BOUNCE_MAX_ENGAGED_MS and first.clicks == 0


def _freshness(state: ViewState) -> tuple[int, int, int, int]:
    # Two reports of one seq come only from a broken sender; the further fields make even then one winner in any order.
    return (state.seq, state.doc_h_px, state.viewport_h_px, state.exit_section_id or 0)


def _merge_sections(first: Sections, other: Sections) -> Sections:
    merged = dict(first)
    for section_id, (time_ms, flags) in other.items():
        known_ms, known_flags = merged.get(section_id, (0, 0))
        merged[section_id] = (max(known_ms, time_ms), known_flags | flags)
    return merged


def _tally_sections(tally: Tally, row: RowKey, state: ViewState, sign: int) -> None:
    for section_id, (time_ms, flags) in state.sections.items():
        section = tally.sections[SectionKey(row, section_id)]
        section.time_ms += sign * time_ms
        if flags & SEEN:
            section.seen_views += sign
            section.seen_time[time_ms // TIME_BIN_MS] += sign
        if flags & SEEN and flags & END_SEEN:
            section.end_time[time_ms // TIME_BIN_MS] += sign
    if state.exit_section_id is not None:
        tally.sections[SectionKey(row, state.exit_section_id)].exits += sign


def _tally_session(tally: Tally, session: Sequence[Visit], sign: int) -> None:
    for key in _first_rows(session):
        tally.pages[key].sessions += sign
    entry = session[0]
    for page_id in (entry.page_id, WHOLE_SITE):
        page = tally.pages[row_key(entry)._replace(page_id=page_id)]
        page.entries += sign
        page.bounces += sign * is_bounce(session)


def _first_rows(visits: Sequence[Visit]) -> list[RowKey]:
    """Return the row of the first visit to each page, and that of the whole site."""
    firsts: dict[PageId, RowKey] = {}
    for visit in visits:
        row = row_key(visit)
        firsts.setdefault(WHOLE_SITE, row._replace(page_id=WHOLE_SITE))
        firsts.setdefault(visit.page_id, row)
    return list(firsts.values())
