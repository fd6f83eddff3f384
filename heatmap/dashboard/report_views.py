"""The pages with figures of one site: overview, heatmap viewer, engagement report."""

import hashlib
from dataclasses import dataclass, replace

from aiohttp import web

from collector.catalog import load_pages
from collector.db import Conn
from collector.errors import NotFoundError
from collector.ids import WHOLE_SITE
from collector.sites import Site, load_first_event_at
from heatmap.dashboard.api import build_heatmap_query, build_report_query
from heatmap.dashboard.charts import ColumnChart, CurveChart, build_columns, build_curve, build_daily
from heatmap.dashboard.desk import Desk
from heatmap.dashboard.figures import duration
from heatmap.dashboard.place import Place
from heatmap.dashboard.query import Picture, Selection, parse_selection
from heatmap.dashboard.viewer import Viewer, build_viewer
from heatmap.dashboard.wording import build_headline
from heatmap.images import load_heatmap
from heatmap.reports import PageReport, ReachCurve, SiteReport, load_audience, load_page_report, load_site_report
from heatmap.rollup import load_view_counts

MAX_CHOICES = 500
"""Pages in the picker, the most viewed: what its search can look through at once."""


@dataclass(frozen=True, slots=True)
class PageChoice:
    """A page that the picker offers."""

    path: str
    views: int


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at a report page: the site, what was asked, and the pages there are to choose from."""

    site: Site
    place: Place
    pages: list[PageChoice]


async def show_overview(desk: Desk, request: web.Request) -> web.Response:
    """Show a site's totals, days, devices and pages."""
    site = await desk.load_site(request)
    place = _find_place(desk, request, site, "")
    async with desk.pool.acquire() as conn:
        report = await load_site_report(conn, site, build_report_query(place.selection))
        is_waiting = not report.totals.views and await load_first_event_at(conn, site) is None
    return desk.page(
        "overview.html",
        screen="",
        site=site,
        place=place,
        report=report,
        chart=_chart_days(report),
        is_waiting=is_waiting,
    )


async def show_heatmap(desk: Desk, request: web.Request) -> web.Response:
    """Show the heatmap viewer of one page; without `page`, of the page with the most views."""
    visit = await _begin_visit(desk, request, "heatmap")
    if visit.place.selection.page is None:
        return await _answer_no_pages(desk, visit)
    try:
        viewer = await _load_viewer(desk, visit.site, visit.place)
    except NotFoundError:
        return _answer_unknown_page(desk, visit)
    return desk.page(
        "heatmap.html", site=visit.site, place=visit.place, pages=visit.pages, viewer=viewer, screen="heatmap"
    )


async def show_viewer(desk: Desk, request: web.Request) -> web.Response:
    """Answer the part of the viewer that changes, for the script that keeps it fresh; 304 where nothing did."""
    site = await desk.load_site(request)
    place = _find_place(desk, request, site, "heatmap")
    if place.selection.page is None:
        raise NotFoundError("The address names no page", "Open the heatmap again from the list of pages.")
    text = desk.render("viewer.html", site=site, place=place, viewer=await _load_viewer(desk, site, place))
    tag = hashlib.sha256(text.encode()).hexdigest()[:24]
    if request.if_none_match and any(item.value == tag for item in request.if_none_match):
        return web.Response(status=304, headers={"ETag": f'"{tag}"'})
    answer = web.Response(text=text, content_type="text/html")
    answer.etag = tag
    return answer


async def show_engagement(desk: Desk, request: web.Request) -> web.Response:
    """Show the engagement report of one page; without `page`, of the page with the most views."""
    visit = await _begin_visit(desk, request, "engagement")
    page = visit.place.selection.page
    if page is None:
        return await _answer_no_pages(desk, visit)
    try:
        async with desk.pool.acquire() as conn:
            report = await load_page_report(conn, visit.site, page, build_report_query(visit.place.selection))
    except NotFoundError:
        return _answer_unknown_page(desk, visit)
    return desk.page(
        "engagement.html",
        screen="engagement",
        site=visit.site,
        place=visit.place,
        pages=visit.pages,
        report=report,
        sections=report.sections,
        headline=build_headline(report.sections, report.figures.views),
        reach=build_curve(report.reach.shares),
        fewer=_chart_scrolling(report.reach),
        times=_chart_times(report),
    )


async def _answer_no_pages(desk: Desk, visit: Visit) -> web.Response:
    """Say that the range is empty and what to do next, which differs where nothing ever came in."""
    async with desk.pool.acquire() as conn:
        is_waiting = await load_first_event_at(conn, visit.site) is None
        query = build_report_query(visit.place.selection)
        audience = await load_audience(conn, visit.site.shard_keys, WHOLE_SITE, query)
    return desk.page(
        "no_pages.html",
        site=visit.site,
        place=visit.place,
        screen=visit.place.screen,
        is_waiting=is_waiting,
        audience=audience,
    )


def _answer_unknown_page(desk: Desk, visit: Visit) -> web.Response:
    """Say inside the site, its navigation and picker at hand, that no such page was ever viewed."""
    place = visit.place
    return desk.page(
        "unknown_page.html",
        status=404,
        site=visit.site,
        place=replace(place, selection=replace(place.selection, page=None)),
        asked=place.selection.page,
        pages=visit.pages,
        screen=place.screen,
    )


async def _load_viewer(desk: Desk, site: Site, place: Place) -> Viewer:
    query = build_heatmap_query(place.selection, Picture(width_px=None, scale=4, backdrop="none"))
    async with desk.pool.acquire() as conn:
        heatmap = await load_heatmap(conn, site, query)
    return build_viewer(heatmap, place, desk.now())


async def _begin_visit(desk: Desk, request: web.Request, screen: str) -> Visit:
    """Return the visit with the page with the most views chosen where the address names none."""
    site = await desk.load_site(request)
    place = _find_place(desk, request, site, screen)
    async with desk.pool.acquire() as conn:
        pages = await _load_choices(conn, site, place.selection)
    if place.selection.page is None and pages:
        place = replace(place, selection=replace(place.selection, page=pages[0].path))
    return Visit(site, place, pages)


async def _load_choices(conn: Conn, site: Site, selection: Selection) -> list[PageChoice]:
    """Return the most viewed pages of the selection's days and device, the first most of all."""
    views = await load_view_counts(conn, site.shard_keys, build_report_query(selection).span, MAX_CHOICES)
    paths = await load_pages(conn, site.shard_keys)
    return [PageChoice(paths.get(page_id, ""), count) for page_id, count in views.items()]


def _find_place(desk: Desk, request: web.Request, site: Site, screen: str) -> Place:
    today = desk.today(site)
    return Place(site.site_id, screen, parse_selection(request.query, today), today)


def _chart_days(report: SiteReport) -> ColumnChart:
    days = report.days
    return build_daily([item.day for item in days], [item.views for item in days], [item.visitors for item in days])


def _chart_scrolling(reach: ReachCurve) -> CurveChart | None:
    """Return the curve without the views whose page fits the screen; None where that is the same curve or none."""
    return build_curve(reach.shares_scrolling) if 0 < reach.n_scrolling < reach.n else None


def _chart_times(report: PageReport) -> ColumnChart:
    counts = [views for _, views in report.engaged_histogram]
    names = [f"≤ {duration(upper_ms)}" for upper_ms, _ in report.engaged_histogram]
    return build_columns(counts, [0] * len(counts), names)
