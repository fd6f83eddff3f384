from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from collector.ids import WHOLE_SITE, Audience, BotSign, Device, FlushId, PageId, SectionId, ViewId, VisitorKey
from heatmap.visits import (
    MAX_CLICK_FLUSHES,
    RowKey,
    SectionKey,
    Tally,
    ViewState,
    Visit,
    add_clicks,
    is_bounce,
    judge_audience,
    merge_states,
    split_sessions,
    tally_view,
    tally_visits,
)

DAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOME, SHOP = PageId(1), PageId(2)


def _visit(view_id: int, minute: float, page: PageId = HOME, device: Device = Device.DESKTOP, **figures: int) -> Visit:
    return Visit(
        view_id=ViewId(view_id),
        visitor_key=VisitorKey(figures.get("visitor", 7)),
        page_id=page,
        device=device,
        local_day=DAY,
        started_at=NOON + timedelta(minutes=minute),
        active_ms=figures.get("active_ms", 0),
        engaged_ms=figures.get("engaged_ms", 0),
        clicks=figures.get("clicks", 0),
    )


def _state(visit: Visit, seq: int = 0, **parts) -> ViewState:
    values = {
        "viewport_h_px": 800,
        "doc_h_px": 4000,
        "depth_px": 800,
        "depth_doc_h_px": 4000,
        "exit_section_id": None,
        "sections": {},
    }
    return ViewState(visit=visit, seq=seq, **(values | parts))


def test_a_pause_just_short_of_30_minutes_keeps_the_session():
    """The gap runs from the last activity, not from the start of the view before."""
    views = [_visit(1, 0, active_ms=60_000), _visit(2, 30.999)]

    assert len(split_sessions(views)) == 1


def test_a_pause_of_30_minutes_begins_a_session():
    """Exactly 30 minutes without activity is no longer less than 30 minutes."""
    views = [_visit(1, 0, active_ms=60_000), _visit(2, 31)]

    assert [[view.view_id for view in session] for session in split_sessions(views)] == [[1], [2]]


def test_a_tab_left_active_bridges_two_short_views():
    """The last activity of any view so far counts, also of one that began earlier."""
    views = [_visit(1, 0, active_ms=3_000_000), _visit(2, 5), _visit(3, 75)]

    assert len(split_sessions(views)) == 1


def test_a_bounce_is_one_short_view_without_a_click():
    """Ten engaged seconds, a click or a second view each make it a visit."""
    assert is_bounce([_visit(1, 0, engaged_ms=9_900)])
    assert not is_bounce([_visit(1, 0, engaged_ms=10_000)])
    assert not is_bounce([_visit(1, 0, clicks=1)])
    assert not is_bounce([_visit(1, 0), _visit(2, 1)])


def test_a_visitor_counts_once_a_page_and_once_the_site():
    """Two views of home and one of the shop: one visitor and one session everywhere, entered at home."""
    tally = Tally()

    tally_visits(tally, [_visit(2, 1, SHOP), _visit(1, 0), _visit(3, 2)], 1)

    figures = {key: (page.visitors, page.sessions, page.entries, page.bounces) for key, page in tally.pages.items()}
    assert figures == {
        RowKey(WHOLE_SITE, DAY, Device.DESKTOP): (1, 1, 1, 0),
        RowKey(HOME, DAY, Device.DESKTOP): (1, 1, 1, 0),
        RowKey(SHOP, DAY, Device.DESKTOP): (1, 1, 0, 0),
    }


def test_a_visitor_of_two_devices_counts_under_the_first():
    """A window made narrow does not make two visitors, and a row never has more visitors than views."""
    tally = Tally()

    tally_visits(tally, [_visit(1, 0), _visit(2, 1, SHOP, Device.PHONE), _visit(3, 2, HOME, Device.PHONE)], 1)

    visitors = {key: page.visitors for key, page in tally.pages.items() if page.visitors}
    assert visitors == {
        RowKey(WHOLE_SITE, DAY, Device.DESKTOP): 1,
        RowKey(HOME, DAY, Device.DESKTOP): 1,
        RowKey(SHOP, DAY, Device.PHONE): 1,
    }


def test_a_view_gives_its_figures_to_its_page_and_the_site():
    """Engaged time in bins of 100 ms, depth in thousandths, the fold only to the page."""
    tally = Tally()
    state = _state(_visit(1, 0, engaged_ms=2_500, clicks=3), depth_px=1_000)

    tally_view(tally, state, 1)

    page, site = (tally.pages[RowKey(key, DAY, Device.DESKTOP)] for key in (HOME, WHOLE_SITE))
    assert (page.views, page.clicks, page.engaged_ms, page.fold_sum_px) == (1, 3, 2_500, 800)
    assert (page.engaged, page.depth, page.depth_fitting) == (Counter({25: 1}), Counter({250: 1}), Counter())
    assert (site.views, site.clicks, site.engaged_ms, site.fold_sum_px, site.depth) == (1, 3, 2_500, 0, Counter())


def test_a_page_that_fits_the_viewport_counts_apart_as_wholly_seen():
    """There was nothing to scroll, so its depth is 1.0 in a histogram of its own."""
    tally = Tally()

    tally_view(tally, _state(_visit(1, 0), doc_h_px=800, depth_px=600, depth_doc_h_px=800), 1)

    page = tally.pages[RowKey(HOME, DAY, Device.DESKTOP)]
    assert (page.depth, page.depth_fitting) == (Counter(), Counter({1_000: 1}))


def test_a_bottom_missed_by_a_rounded_pixel_is_the_bottom():
    """Browsers round scroll positions: 3,999 of 4,000 px is the end of the page."""
    assert _state(_visit(1, 0), depth_px=3_999).depth_bin() == 1_000


def test_sections_count_time_always_and_views_only_once_seen():
    """Flags: 0 glimpsed, 1 seen, 3 seen to its end."""
    tally = Tally()
    sections = {SectionId(10): (900, 0), SectionId(11): (4_250, 1), SectionId(12): (300, 3)}

    tally_view(tally, _state(_visit(1, 0), sections=sections, exit_section_id=SectionId(11)), 1)

    row = RowKey(HOME, DAY, Device.DESKTOP)
    glimpsed, seen, ended = (tally.sections[SectionKey(row, SectionId(key))] for key in (10, 11, 12))
    assert (glimpsed.time_ms, glimpsed.seen_views, glimpsed.seen_time) == (900, 0, Counter())
    assert (seen.seen_views, seen.exits, seen.seen_time, seen.end_time) == (1, 1, Counter({42: 1}), Counter())
    assert (ended.seen_time, ended.end_time) == (Counter({3: 1}), Counter({3: 1}))


def test_taking_back_a_view_leaves_nothing():
    """What is added with 1 and taken back with −1 is zero in each figure."""
    tally = Tally()
    state = _state(
        _visit(1, 0, engaged_ms=700, clicks=2), sections={SectionId(3): (50, 3)}, exit_section_id=SectionId(3)
    )

    tally_view(tally, state, 1)
    tally_view(tally, state, -1)

    page = tally.pages[RowKey(HOME, DAY, Device.DESKTOP)]
    section = tally.sections[SectionKey(RowKey(HOME, DAY, Device.DESKTOP), SectionId(3))]
    assert (page.views, page.clicks, page.engaged_ms, page.fold_sum_px) == (0, 0, 0, 0)
    assert not any(page.engaged.values())
    assert (section.seen_views, section.time_ms, section.exits) == (0, 0, 0)


def test_merging_takes_present_values_from_the_newest_and_totals_from_the_greatest():
    """A late, older report still corrects a total, and never a present value."""
    newer = _state(_visit(1, 0, engaged_ms=500), seq=4, doc_h_px=5_000, sections={SectionId(1): (100, 1)})
    older = _state(
        _visit(1, -0.001, engaged_ms=900), seq=3, depth_px=2_000, sections={SectionId(1): (80, 2), SectionId(2): (5, 0)}
    )

    merged = merge_states(newer, older)

    assert (merged.seq, merged.doc_h_px, merged.depth_px, merged.visit.engaged_ms) == (4, 5_000, 2_000, 900)
    assert merged.visit.started_at == older.visit.started_at
    assert merged.sections == {SectionId(1): (100, 3), SectionId(2): (5, 0)}


@st.composite
def _reports(draw) -> ViewState:
    number = st.integers(0, 3)
    visit = _visit(1, draw(number), active_ms=draw(number), engaged_ms=draw(number))
    sections = draw(st.dictionaries(st.integers(1, 3).map(SectionId), st.tuples(number, number)))
    parts = {name: draw(number) for name in ("viewport_h_px", "doc_h_px", "depth_px", "depth_doc_h_px")}
    return _state(visit, draw(number), exit_section_id=SectionId(draw(st.integers(1, 3))), sections=sections, **parts)


@given(st.lists(_reports(), min_size=1, max_size=4))
def test_the_order_of_reports_does_not_show(reports: list[ViewState]):
    """Every order of merging gives one and the same state, also with two reports of one number."""
    results = []
    for order in permutations(reports):
        state = order[0]
        for other in order[1:]:
            state = merge_states(state, other)
        results.append(state)

    assert all(result == results[0] for result in results)


def test_adding_clicks_adds_to_what_was_known():
    """Clicks are events: they add up, where all else of a report is a total so far."""
    state = add_clicks(add_clicks(_state(_visit(1, 0)), 2, [FlushId(7)]), 3, [FlushId(8), FlushId(9)])

    assert (state.visit.clicks, state.click_flushes) == (5, (7, 8, 9))


def test_one_sign_in_any_report_makes_a_bot_of_the_view():
    """Signs add up over the reports of a view, whichever comes first; the threshold decides."""
    state = merge_states(_state(_visit(1, 0), bot_signs=BotSign.WEBDRIVER), _state(_visit(1, 0), seq=1))

    assert judge_audience(state, 50).visit.audience is Audience.BOTS
    assert judge_audience(state, 91).visit.audience is Audience.PEOPLE


def test_a_view_whose_clicks_cannot_be_found_stays_where_it_is():
    """With more flushes than are remembered the audience is final, so that figures and clicks never part."""
    state = add_clicks(_state(_visit(1, 0)), 2, [FlushId(number) for number in range(MAX_CLICK_FLUSHES + 1)])

    assert state.click_flushes is None
    assert judge_audience(replace(state, bot_signs=BotSign.WEBDRIVER), 50).visit.audience is Audience.PEOPLE


def test_what_a_bot_did_is_in_no_persons_session():
    """A visitor whose second view is a bot's counts once with people and once with bots."""
    tally = Tally()

    tally_visits(tally, [_visit(1, 0), replace(_visit(2, 1), audience=Audience.BOTS)], 1)

    for audience in Audience:
        page = tally.pages[RowKey(HOME, DAY, Device.DESKTOP, audience)]
        assert (page.visitors, page.sessions, page.entries, page.bounces) == (1, 1, 1, 1)
