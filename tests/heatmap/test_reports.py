from datetime import UTC, date, datetime, timedelta

import asyncpg
import msgspec
import pytest
import pytest_asyncio
from traffic import ZONE, Sent, add_test_site, store_flush

from collector.errors import InvalidError, NotFoundError
from collector.ids import Device
from collector.sites import Site
from heatmap.reports import PageReport, ReportQuery, SectionFigures, load_page_report, load_site_report
from heatmap.rollup import advance

Pool = asyncpg.Pool
MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)
NOON = datetime(2026, 3, 2, 12, tzinfo=ZONE)
NOW = datetime(2026, 3, 4, tzinfo=UTC)
STEPS = ["#intro", "#story", "#end", "#gone"]
LAYOUT = {
    "u": "A story",
    "i": [0],
    "x": [0],
    "y": [0],
    "w": [900],
    "h": [50],
    "r": [5],
    "t": ["Intro"],
    "s": [
        [0, 0, 0, 900, 500, 119, 0, "Intro"],
        [1, 0, 500, 900, 1500, 238, 0, "Story"],
        [2, 0, 2000, 900, 500, 0, 1, "End"],
    ],
}


def make_view(number: int, minute: int, path: str = "/story", **parts) -> Sent:
    """Return a view's one report: `e` engaged ms, `depth` px of 4,000, `s` sections, `x` exit section, `l` layout."""
    started_ms = int((NOON + timedelta(minutes=minute)).timestamp() * 1000)
    width, active_ms = parts.get("width", 1440), max(1_000, parts.get("e", 0))
    view = {"i": f"{number:016x}", "s": started_ms, "q": 0, "n": 0, "p": path, "c": int(width < 600), "a": active_ms}
    view |= {"e": parts.get("e", 0), "h": [parts.get("depth", 1_000), parts.get("doc", 4_000)]}
    if "x" in parts:
        view["x"] = parts["x"]
    body = {"v": 1, "b": f"{number:032x}", "k": "rollupTest01", "t": started_ms + active_ms, "w": view}
    body |= {"g": [[width, 800, width, parts.get("doc", 4_000)]], "d": [[-1, step] for step in STEPS]}
    body |= {name: parts[name] for name in ("s", "l", "c") if name in parts}
    return Sent(body, started_ms + active_ms, f"Mozilla/5.0 ({parts.get('who', number)})")


def make_clicks(count: int) -> dict:
    columns = {"t": 10, "e": 0, "x": 5, "y": 5, "fx": 9, "fy": 9, "w": 90, "h": 9, "g": 0, "k": 0}
    return {name: [value] * count for name, value in columns.items()} | {"n": list(range(1, count + 1))}


VIEWS = [
    # Monday: one visitor reads on a desktop and looks at the shop, one bounces on a phone. Tuesday: two on desktops.
    make_view(
        1, 0, e=60_000, depth=4_000, s=[[0, 30_000, 1], [1, 60_000, 3]], x=1, c=make_clicks(3), l=LAYOUT, who="Ann"
    ),
    make_view(2, 5, path="/shop", e=4_000, who="Ann", doc=600, depth=600),
    make_view(3, 0, e=2_000, depth=800, width=390, s=[[0, 2_000, 0]], x=0),
    make_view(4, 1440, e=30_000, depth=2_000, s=[[0, 60_000, 1], [1, 20_000, 3], [3, 1_000, 1]], x=3),
    make_view(5, 1440, e=10_000, depth=1_000, s=[[0, 15_000, 1], [2, 5_000, 1]], x=2),
]
BOTH_DAYS = ReportQuery(MONDAY, TUESDAY)


@pytest_asyncio.fixture
async def site(pool: Pool) -> Site:
    """A site whose five views are stored and rolled up."""
    async with pool.acquire() as conn:
        made = await add_test_site(conn)
        await store_flush(conn, made, VIEWS, 1)
        await advance(conn, made.shard_keys[0], NOW)
    return made


async def _load_story(pool: Pool, site: Site, query: ReportQuery = BOTH_DAYS) -> PageReport:
    async with pool.acquire() as conn:
        return await load_page_report(conn, site, "/story", query)


async def _load_sections(pool: Pool, site: Site) -> dict[str, SectionFigures]:
    return {section.key: section for section in (await _load_story(pool, site)).sections}


async def test_a_site_s_totals_are_those_of_its_views(pool: Pool, site: Site):
    """Five views of four visitors in four sessions, one of which bounced; medians are values that occurred."""
    async with pool.acquire() as conn:
        totals = (await load_site_report(conn, site, BOTH_DAYS)).totals

    assert (totals.views, totals.visitors, totals.sessions, totals.clicks) == (5, 4, 4, 3)
    assert (totals.bounces.count, totals.bounces.n, totals.bounces.value) == (1, 4, 0.25)
    assert (totals.engaged_total_ms, totals.engaged_median_ms, totals.engaged_p75_ms) == (106_000, 10_000, 30_000)


async def test_pages_are_ranked_by_engaged_time(pool: Pool, site: Site):
    """The story with 102 s comes before the shop with 4 s; the title comes from the layout."""
    async with pool.acquire() as conn:
        report = await load_site_report(conn, site, BOTH_DAYS)

    assert [(page.path, page.title, page.views) for page in report.pages] == [
        ("/story", "A story", 4),
        ("/shop", "", 1),
    ]
    assert report.pages_total == 2


async def test_every_day_of_the_range_is_listed(pool: Pool, site: Site):
    """A chart needs the empty days too."""
    async with pool.acquire() as conn:
        report = await load_site_report(conn, site, ReportQuery(MONDAY, TUESDAY + timedelta(days=1)))

    figures = [(day.day.day, day.views, day.visitors, day.clicks) for day in report.days]
    assert figures == [(2, 3, 2, 3), (3, 2, 2, 0), (4, 0, 0, 0)]


async def test_devices_add_up_to_the_whole(pool: Pool, site: Site):
    """The list shows all classes whatever device was asked for, and each class alone gives its own figures."""
    async with pool.acquire() as conn:
        report = await load_site_report(conn, site, msgspec.structs.replace(BOTH_DAYS, device=Device.PHONE))

    assert [(each.device, each.views, each.visitors) for each in report.devices] == [
        (Device.DESKTOP, 4, 3),
        (Device.PHONE, 1, 1),
    ]
    assert (report.totals.views, report.totals.visitors, report.totals.bounces.count) == (1, 1, 1)


async def test_the_previous_period_is_as_long_and_ends_the_day_before(pool: Pool, site: Site):
    """Tuesday is compared with Monday."""
    story = await _load_story(pool, site, ReportQuery(TUESDAY, TUESDAY))

    assert (story.figures.views, story.previous.views) == (2, 2)
    assert BOTH_DAYS.before() == ReportQuery(MONDAY - timedelta(days=2), MONDAY - timedelta(days=1))


async def test_the_reach_curve_has_all_views_and_those_that_could_scroll(pool: Pool, site: Site):
    """The story was read to 100 %, 50 %, 25 % and 20 %; the shop fits, so that no view of it scrolled."""
    story = await _load_story(pool, site)
    async with pool.acquire() as conn:
        shop = await load_page_report(conn, site, "/shop", BOTH_DAYS)

    assert (story.reach.n, story.reach.n_scrolling) == (4, 4)
    assert [story.reach.shares[k] for k in (0, 20, 21, 25, 26, 50, 51, 100)] == [1, 1, 0.75, 0.75, 0.5, 0.5, 0.25, 0.25]
    assert (shop.reach.n, shop.reach.shares[100], shop.reach.n_scrolling, shop.reach.shares_scrolling) == (
        1,
        1.0,
        0,
        [],
    )


async def test_the_fold_is_the_mean_viewport_over_the_layout(pool: Pool, site: Site):
    """800 px of 4,000."""
    story = await _load_story(pool, site)

    assert (story.fold_px, story.fold_frac, story.layout_device, story.layout_width) == (800, 0.2, Device.DESKTOP, 1440)


async def test_engaged_time_is_counted_up_to_the_longest_view(pool: Pool, site: Site):
    """2 s, 10 s, 30 s and 60 s each lie in the bar that ends with them."""
    story = await _load_story(pool, site)

    bars = [(upper_ms // 1000, views) for upper_ms, views in story.engaged_histogram]
    assert bars == [(1, 0), (2, 1), (5, 0), (10, 1), (20, 0), (30, 1), (60, 1)]


async def test_sections_stand_in_page_order_with_their_layout(pool: Pool, site: Site):
    """One that no layout shows stands at the end, under its key."""
    story = await _load_story(pool, site)

    rows = [(each.key, each.title, each.is_placed, each.top_px, each.words) for each in story.sections]
    assert rows == [
        ("#intro", "Intro", True, 0, 119),
        ("#story", "Story", True, 500, 238),
        ("#end", "End", True, 2_000, 0),
        ("#gone", "", False, 4_000, 0),
    ]


async def test_reach_and_exits_are_shares_of_the_page_s_views(pool: Pool, site: Site):
    """Three of four views saw the intro, and one of four ended there."""
    intro = (await _load_sections(pool, site))["#intro"]

    assert (intro.reach.count, intro.reach.n, intro.reach.value) == (3, 4, 0.75)
    assert intro.reach.low == pytest.approx(0.3006, abs=1e-4)
    assert (intro.exits.count, intro.exits.value) == (1, 0.25)


async def test_interest_compares_time_with_what_the_text_expects(pool: Pool, site: Site):
    """Intro: 30 s of 30 s expected; story: 20 s, the lower median of two, of 60 s; end: 5 s at 40 ms a px of 500 px.

    The ratios are 1, 1/3 and 1/2.67, so the page's median is that of the end.
    """
    sections = await _load_sections(pool, site)

    expected = {key: sections[key].expected_ms for key in ("#intro", "#story")}
    assert expected == {"#intro": 30_000, "#story": 60_000}
    assert (sections["#intro"].median_time_ms, sections["#story"].median_time_ms) == (30_000, 20_000)
    pace = sorted([30_000 / 500, 20_000 / 1_500, 5_000 / 500])[1]
    assert sections["#end"].expected_ms == round(pace * 500)
    ratios = {"#intro": 1.0, "#story": 1 / 3, "#end": 5_000 / (pace * 500)}
    middle = sorted(ratios.values())[1]
    assert {key: sections[key].interest_index for key in ratios} == pytest.approx(
        {key: ratio / middle for key, ratio in ratios.items()}
    )


async def test_attention_counts_time_of_all_views_seen_or_not(pool: Pool, site: Site):
    """193 s in sections, of which the phone's 2 s were in an intro it never saw by the rule."""
    sections = await _load_sections(pool, site)

    assert sections["#intro"].time_ms == 107_000
    assert sections["#intro"].attention_share == pytest.approx(107 / 193)
    assert sum(each.attention_share or 0 for each in sections.values()) == pytest.approx(1)


async def test_reading_through_takes_half_of_the_expected_time(pool: Pool, site: Site):
    """Both views of the story saw its end; one gave it 60 s of 60 s, the other only 20 s."""
    story = (await _load_sections(pool, site))["#story"]

    assert (story.read_through.count, story.read_through.n, story.read_through.value) == (1, 2, 0.5)


async def test_a_range_without_views_gives_zeros_and_no_shares(pool: Pool, site: Site):
    """An empty state can be drawn from it: sections are listed, and nothing is claimed."""
    story = await _load_story(pool, site, ReportQuery(date(2026, 5, 1), date(2026, 5, 2)))

    assert (story.figures.views, story.figures.engaged_median_ms, story.figures.depth_median) == (0, None, None)
    assert (story.reach.n, story.reach.shares, story.engaged_histogram, story.fold_frac) == (0, [], [], None)
    assert next((each.title, each.reach.n, each.reach.value) for each in story.sections) == ("Intro", 0, None)


async def test_an_unknown_page_is_not_found(pool: Pool, site: Site):
    """The message names the page and the site."""
    async with pool.acquire() as conn:
        with pytest.raises(NotFoundError, match="/nowhere"):
            await load_page_report(conn, site, "/nowhere", BOTH_DAYS)


@pytest.mark.parametrize(
    ("first_day", "last_day"), [(TUESDAY, MONDAY), (date(2020, 1, 1), TUESDAY), (date(1, 1, 1), date(1, 1, 2))]
)
async def test_a_range_without_a_meaning_is_refused(pool: Pool, site: Site, first_day: date, last_day: date):
    """Reversed, longer than two years, or before anything could have been recorded."""
    async with pool.acquire() as conn:
        with pytest.raises(InvalidError):
            await load_site_report(conn, site, ReportQuery(first_day, last_day))


async def test_reports_can_be_encoded(pool: Pool, site: Site):
    """The API answers with the Structs as they are."""
    story = await _load_story(pool, site)

    assert msgspec.json.decode(msgspec.json.encode(story), type=PageReport) == story
