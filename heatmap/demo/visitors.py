"""Two weeks of believable visitors, as the lines of a recording that `collector.importer` reads.

Pure: the clock and chance are passed in; the same seed and `now` give the same bytes. Nothing here knows how batches
are counted, so that the dashboard's figures can be checked against what was sent.
"""

import datetime
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from collector.ids import Device, Navigation, PageId, text_id
from heatmap.demo.batches import Report, Visit, build_reports
from heatmap.demo.clicking import draw_clicks
from heatmap.demo.journeys import draw_journey, draw_navigation
from heatmap.demo.people import Person, draw_person
from heatmap.demo.reading import read_page, time_sections
from heatmap.demo.recording import Recording

DAYS = 14
_SESSIONS_A_DAY = 112
_WEEK = (1.0, 0.97, 1.02, 0.98, 0.88, 0.86, 1.29)
"""Monday to Sunday: people look at teapots on Sundays."""
_HOURS = np.array(
    [6, 3, 2, 1, 1, 3, 9, 20, 32, 30, 27, 29, 38, 33, 28, 27, 30, 37, 46, 58, 66, 60, 38, 17], dtype=float
)
_LETTER_DAYS_AGO = 5
_LETTER_FACTOR = 1.75
_RETURN_SHARE = 0.11
"""Visitors who come again later on the same day."""
_CRAWLS_A_DAY = 9
_CRAWLERS = (
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
)
"""Search engines open pages in real browsers, look for a second and click on nothing."""
_MS = 1000
_LAST_PAGE = ("/about", Device.TABLET)
LAST_SHOWN = (PageId(text_id(_LAST_PAGE[0])), _LAST_PAGE[1])
"""The page and device whose layout only the very last lines bring: where it is stored, the whole recording is."""


@dataclass(frozen=True, slots=True)
class Span:
    """What a recording covers."""

    site_key: str
    time_zone: str
    now: datetime.datetime


class _Line(msgspec.Struct, frozen=True):
    at: int
    ip: str
    ua: str
    body: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Session:
    """One visitor's reports of one session, in the order in which they reach the collector."""

    person: Person
    reports: list[Report]

    @property
    def ended_ms(self) -> int:
        """When the last report arrives."""
        return max(report.at_ms for report in self.reports)


class _Layouts:
    """Which layouts the collector wants: those it never had, and from yesterday on all of them once more."""

    def __init__(self, recording: Recording) -> None:
        self._all = set(recording.pages) - {_LAST_PAGE}
        self._never, self._wanted = set(self._all), set(self._all)

    def want_all(self) -> None:
        """Ask for every layout anew."""
        self._wanted = set(self._all)

    def take(self, visit: Visit) -> bool:
        """Return whether this view's layout is wanted and exactly true, and count it as given."""
        key = (visit.page.page.path, visit.page.page.device)
        is_given = visit.page.is_as_recorded and visit.reading.n_steps > 2 and key in self._wanted
        if is_given:
            self._wanted.discard(key)
            self._never.discard(key)
        return is_given

    @property
    def missing(self) -> list[tuple[str, Device]]:
        """Pages that nobody with the recorded screen has opened."""
        return sorted(self._never)


def generate(rng: np.random.Generator, recording: Recording, span: Span) -> Iterator[bytes]:
    """Yield NDJSON lines of fourteen local days up to `now`, in the order of their arrival."""
    zone = zoneinfo.ZoneInfo(span.time_zone)
    now_ms = int(span.now.timestamp() * _MS)
    today = span.now.astimezone(zone).date()
    layouts = _Layouts(recording)
    pending: list[tuple[int, bytes]] = []
    for ago in range(DAYS - 1, -1, -1):
        midnight = datetime.datetime.combine(today - datetime.timedelta(days=ago), datetime.time(), zone)
        next_midnight = datetime.datetime.combine(midnight.date() + datetime.timedelta(days=1), datetime.time(), zone)
        if ago == 1:
            layouts.want_all()
        sessions = list(
            _draw_day(rng, recording, layouts, span.site_key, midnight, is_letter_day=ago == _LETTER_DAYS_AGO)
        )
        if ago == 0:
            sessions += [_show(rng, recording, span, key) for key in layouts.missing]
        pending = sorted(pending + [line for session in sessions for line in _encode(session, now_ms)])
        end_ms = int(next_midnight.timestamp() * _MS)
        yield from (line for at, line in pending if at < end_ms)
        pending = [(at, line) for at, line in pending if at >= end_ms]
    if _LAST_PAGE in recording.pages:
        yield from (line for _, line in _encode(_show(rng, recording, span, _LAST_PAGE), now_ms))


def draw_session(
    rng: np.random.Generator, recording: Recording, person: Person, site_key: str, started_ms: int
) -> Session:
    """Return one session of a person from `started_ms` on."""
    return _draw_session(rng, recording, None, person, (site_key, started_ms))


def _draw_day(
    rng: np.random.Generator,
    recording: Recording,
    layouts: _Layouts,
    site_key: str,
    midnight: datetime.datetime,
    *,
    is_letter_day: bool,
) -> Iterator[Session]:
    factor = _WEEK[midnight.weekday()] * (_LETTER_FACTOR if is_letter_day else 1.0)
    for _ in range(rng.poisson(_SESSIONS_A_DAY * factor)):
        hour = int(rng.choice(24, p=_HOURS / _HOURS.sum()))
        person = draw_person(rng, hour, is_letter_day=is_letter_day)
        begun_s = midnight.timestamp() + hour * 3600 + rng.uniform(0, 3600)
        session = _draw_session(rng, recording, layouts, person, (site_key, int(begun_s * _MS)))
        yield session
        if rng.random() < _RETURN_SHARE:
            again_ms = session.ended_ms + int(rng.uniform(0.7, 5) * 3_600_000)
            yield _draw_session(rng, recording, layouts, person, (site_key, again_ms))
    # Chance of their own, so that people are the same with them and without.
    chance = rng.spawn(1)[0]
    for _ in range(chance.poisson(_CRAWLS_A_DAY)):
        yield _draw_crawl(chance, recording, site_key, int((midnight.timestamp() + chance.uniform(0, 86_400)) * _MS))


def _draw_crawl(rng: np.random.Generator, recording: Recording, site_key: str, started_ms: int) -> Session:
    """Return a crawler's look at one page."""
    crawler = replace(
        draw_person(rng, 12, is_letter_day=False), user_agent=str(rng.choice(_CRAWLERS)), referrer_host="", skew_ms=0
    )
    path = str(rng.choice(sorted({path for path, _ in recording.pages})))
    visit = _draw_visit(rng, recording, crawler, (path, ""), (Navigation.LOAD, started_ms))
    reading = replace(visit.reading, scroll_px=visit.reading.scroll_px[:2] * 0, wall_ms=visit.reading.wall_ms[:2])
    visit = replace(visit, reading=reading, sections=time_sections(visit.page, reading), clicks=[])
    return Session(crawler, build_reports(rng, visit, site_key))


def _draw_session(
    rng: np.random.Generator, recording: Recording, layouts: _Layouts | None, person: Person, start: tuple[str, int]
) -> Session:
    site_key, at_ms = start
    paths = draw_journey(rng, person.source)
    reports: list[Report] = []
    for place, path in enumerate(paths):
        navigation = draw_navigation(rng, path, paths[:place])
        next_path = paths[place + 1] if place + 1 < len(paths) else ""
        visit = _draw_visit(rng, recording, person, (path, next_path), (navigation, at_ms), is_entry=place == 0)
        wants_layout = layouts is not None and layouts.take(visit)
        reports += build_reports(rng, visit, site_key, wants_layout=wants_layout)
        at_ms += int(visit.reading.wall_ms[-1]) + int(rng.integers(250, 1800))
    return Session(person, reports)


def _draw_visit(
    rng: np.random.Generator,
    recording: Recording,
    person: Person,
    paths: tuple[str, str],
    begin: tuple[Navigation, int],
    *,
    is_entry: bool = True,
) -> Visit:
    page = recording.fit(paths[0], person.device, person.viewport)
    reading = read_page(rng, page, person)
    clicks = draw_clicks(rng, page, person, reading, paths[1])
    return Visit(person, page, begin[0], begin[1], reading, time_sections(page, reading), clicks, is_entry)


def _show(rng: np.random.Generator, recording: Recording, span: Span, key: tuple[str, Device]) -> Session:
    """Return a visit that brings the layout of one page and ends before `now`."""
    page = recording.pages[key]
    person = draw_person(rng, 12, is_letter_day=False)
    while person.device != page.device:
        person = draw_person(rng, 12, is_letter_day=False)
    person = replace(person, viewport=page.geometry[:2])
    visit = _draw_visit(rng, recording, person, (page.path, ""), (Navigation.LOAD, 0))
    started_ms = int(span.now.timestamp() * _MS) - int(visit.reading.wall_ms[-1]) - _MS
    return Session(person, build_reports(rng, replace(visit, started_ms=started_ms), span.site_key, wants_layout=True))


def _encode(session: Session, now_ms: int) -> Iterator[tuple[int, bytes]]:
    for report in session.reports:
        if report.at_ms <= now_ms:
            line = _Line(report.at_ms, session.person.address, session.person.user_agent, msgspec.Raw(report.encode()))
            yield report.at_ms, msgspec.json.encode(line)
