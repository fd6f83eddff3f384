"""The figures of a site and of a page over a range of local days: one function a report.

Reads rollups, dictionaries and layouts, never facts; each report is read in one snapshot, so that its parts agree.
Sums over days count a visitor of two days twice, because nothing links two days (DEFINITIONS, "visitor").
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec
import numpy as np

from collector.catalog import load_elements, load_pages
from collector.db import Conn
from collector.errors import InvalidError
from collector.ids import WHOLE_SITE, Audience, Device, PageId, SectionId, ShardKey
from collector.layouts import StoredLayout, load_layouts
from collector.sites import Site
from heatmap.engagement import SectionAttention, SectionFacts, build_reach_curve, measure_sections, median_depth
from heatmap.figures import (
    AudienceFigures,
    DayFigures,
    DeviceFigures,
    PageFigures,
    PageReport,
    ReachCurve,
    ReportQuery,
    SectionFigures,
    Share,
    SiteReport,
    build_share,
)
from heatmap.grid import Histogram, add_histograms
from heatmap.pages import find_page
from heatmap.rollup import (
    DayTotals,
    DeviceTotals,
    PageTotals,
    SectionTotals,
    load_audiences,
    load_days,
    load_devices,
    load_page_totals,
    load_pages_totals,
    load_section_totals,
    rank_pages,
)
from heatmap.stats import quantile
from heatmap.visits import TIME_BIN_MS

__all__ = [
    "DayFigures",
    "DeviceFigures",
    "PageFigures",
    "PageReport",
    "ReachCurve",
    "ReportQuery",
    "SectionFigures",
    "Share",
    "SiteReport",
    "load_page_report",
    "load_site_report",
]

MAX_PAGES = 100
"""Pages in a site report, those with the most engaged time; `pages_total` says how many there are."""

MAX_TITLED = 20
"""Pages of a site report whose title is looked up, each from its newest layout."""

MAX_DAYS = 366 * 2
"""Longest range of one report."""

_ENGAGED_EDGES_S = (1, 2, 5, 10, 20, 30, 60, 120, 180, 300, 600, 1_200, 1_800, 3_600)


async def load_site_report(conn: Conn, site: Site, query: ReportQuery) -> SiteReport:
    """Return the figures of a site; zeros where nothing was seen.

    Raises:
        InvalidError: the range is reversed or too long.
    """
    _check(query)
    keys, span = site.shard_keys, query.span
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        paths = await load_pages(conn, keys)
        totals = await load_page_totals(conn, keys, WHOLE_SITE, span)
        previous = await load_page_totals(conn, keys, WHOLE_SITE, query.before().span)
        ranked = await rank_pages(conn, keys, span)
        pages = await load_pages_totals(conn, keys, ranked[:MAX_PAGES], span)
        titles = {page_id: await _load_title(conn, site, page_id) for page_id in ranked[:MAX_TITLED]}
        days = await load_days(conn, keys, WHOLE_SITE, span)
        devices = await load_devices(conn, keys, WHOLE_SITE, span)
        audience = await load_audience(conn, keys, WHOLE_SITE, query)
    return SiteReport(
        first_day=query.first_day,
        last_day=query.last_day,
        audience=audience,
        totals=_page_figures("", "", totals),
        previous=_page_figures("", "", previous),
        days=_fill_days(query, days),
        devices=_device_figures(devices),
        pages=[_page_figures(paths.get(key, ""), titles.get(key, ""), page) for key, page in pages.items()],
        pages_total=len(ranked),
    )


async def load_page_report(conn: Conn, site: Site, page: str, query: ReportQuery) -> PageReport:
    """Return the figures of one page, named by its path; zeros where nothing was seen in the range.

    Raises:
        NotFoundError: the site never had a view of this page.
        InvalidError: the range is reversed or too long.
    """
    _check(query)
    keys, span = site.shard_keys, query.span
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        page_id, path = await find_page(conn, site, page)
        totals = await load_page_totals(conn, keys, page_id, span)
        previous = await load_page_totals(conn, keys, page_id, query.before().span)
        sections = await load_section_totals(conn, keys, page_id, span)
        days = await load_days(conn, keys, page_id, span)
        devices = await load_devices(conn, keys, page_id, span)
        audience = await load_audience(conn, keys, page_id, query)
        layouts = rank_layouts(await load_layouts(conn, keys, page_id), query.device, devices)
        names = await _load_names(conn, site, sections, layouts)
    layout = layouts[0] if layouts else None
    title = layout.title if layout else ""
    fold_px = round(totals.fold_sum_px / totals.views) if totals.views else None
    return PageReport(
        first_day=query.first_day,
        last_day=query.last_day,
        device=query.device,
        audience=audience,
        figures=_page_figures(path, title, totals),
        previous=_page_figures(path, title, previous),
        days=_fill_days(query, days),
        devices=_device_figures(devices),
        reach=_reach_curve(totals),
        fold_px=fold_px,
        fold_frac=min(1.0, fold_px / layout.doc_h_px) if fold_px is not None and layout and layout.doc_h_px else None,
        engaged_histogram=_engaged_histogram(totals.engaged),
        sections=build_sections(sections, layouts, names, totals.views),
        layout_device=layout.device if layout else None,
        layout_width=layout.doc_w_px if layout else None,
        layout_height=layout.doc_h_px if layout else None,
    )


async def load_audience(conn: Conn, keys: Sequence[ShardKey], page_id: PageId, query: ReportQuery) -> AudienceFigures:
    """Return whose views the query counts on a page, and how many there are of either."""
    views = await load_audiences(conn, keys, page_id, query.span)
    return AudienceFigures(query.bots, views[Audience.PEOPLE], views[Audience.BOTS])


def rank_layouts(
    layouts: Sequence[StoredLayout], device: Device, devices: Sequence[DeviceTotals]
) -> list[StoredLayout]:
    """Return the layouts, the best to describe sections with first.

    First those of the device asked for (of all devices, the one with the most views), of these the newest; one without
    sections comes after all that have some.
    """
    views = {each.device: each.views for each in devices}

    def rank(layout: StoredLayout) -> tuple[bool, bool, int]:
        return layout.section_ids.size == 0, layout.device != device, -views.get(layout.device, 0)

    return sorted(layouts, key=rank)


def build_sections(
    totals: Sequence[SectionTotals], layouts: Sequence[StoredLayout], names: Mapping[SectionId, str], views: int
) -> list[SectionFigures]:
    """Return the figures of every section that the first layout or any view knows, in page order.

    A section that the first layout lacks is described by the next that has it, and by its key alone if none has.
    """
    places = _find_places(layouts)
    known = {each.section_id: each for each in totals}
    shown = layouts[0].section_ids.tolist() if layouts else []
    ids = list(dict.fromkeys([*shown, *known]))
    facts = [_section_facts(section_id, known.get(section_id), places) for section_id in ids]
    bottom_px = layouts[0].doc_h_px if layouts else 0
    figures = [
        _section_figures(
            fact, attention, places.get(fact.section_id), (names.get(fact.section_id, ""), bottom_px, views)
        )
        for fact, attention in zip(facts, measure_sections(facts), strict=True)
    ]
    return sorted(figures, key=lambda figure: (not figure.is_placed, figure.top_px))


class _Place(msgspec.Struct, frozen=True):
    title: str
    top_px: int
    height_px: int
    words: int
    images: int


def _find_places(layouts: Sequence[StoredLayout]) -> dict[SectionId, _Place]:
    places: dict[SectionId, _Place] = {}
    for layout in reversed(layouts):
        columns = (layout.section_y_px, layout.section_h_px, layout.section_words, layout.section_images)
        rows = zip(layout.section_titles, *(column.tolist() for column in columns), strict=True)
        places |= {SectionId(key): _Place(*row) for key, row in zip(layout.section_ids.tolist(), rows, strict=True)}
    return places


def _section_facts(
    section_id: SectionId, totals: SectionTotals | None, places: Mapping[SectionId, _Place]
) -> SectionFacts:
    place = places.get(section_id)
    return SectionFacts(
        section_id=section_id,
        words=place.words if place else 0,
        images=place.images if place else 0,
        height_px=place.height_px if place else 0,
        seen_views=totals.seen_views if totals else 0,
        time_ms=totals.time_ms if totals else 0,
        exits=totals.exits if totals else 0,
        seen_time=totals.seen_time if totals else add_histograms([]),
        end_time=totals.end_time if totals else add_histograms([]),
    )


def _section_figures(
    facts: SectionFacts, attention: SectionAttention, place: _Place | None, page: tuple[str, int, int]
) -> SectionFigures:
    key, bottom_px, views = page
    interest = attention.interest
    return SectionFigures(
        key=key,
        title=place.title if place else "",
        is_placed=place is not None,
        top_px=place.top_px if place else bottom_px,
        height_px=facts.height_px,
        words=facts.words,
        images=facts.images,
        reach=build_share(facts.seen_views, views),
        time_ms=facts.time_ms,
        attention_share=attention.attention_share,
        expected_ms=attention.expected_ms,
        median_time_ms=attention.median_time_ms,
        interest_index=interest.value if interest else None,
        interest_low=interest.low if interest else None,
        interest_high=interest.high if interest else None,
        read_through=build_share(attention.readers, facts.seen_views),
        exits=build_share(facts.exits, views),
    )


def _check(query: ReportQuery) -> None:
    if query.first_day > query.last_day:
        message = f"the range {query.first_day} to {query.last_day} is reversed"
        raise InvalidError(message, "Put the earlier day first.")
    if (query.last_day - query.first_day).days >= MAX_DAYS:
        raise InvalidError(f"the range has more than {MAX_DAYS} days", "Ask for a shorter range.")
    if query.first_day.year < 1971:
        raise InvalidError(f"nothing was recorded on {query.first_day}", "Ask for later days.")


async def _load_title(conn: Conn, site: Site, page_id: PageId) -> str:
    layouts = await load_layouts(conn, site.shard_keys, page_id)
    return layouts[0].title if layouts else ""


async def _load_names(
    conn: Conn, site: Site, sections: Sequence[SectionTotals], layouts: Sequence[StoredLayout]
) -> dict[SectionId, str]:
    """Return the keys of all sections; one that no dictionary knows is named by its number."""
    ids = {each.section_id for each in sections}.union(*(layout.section_ids.tolist() for layout in layouts[:1]))
    elements = await load_elements(conn, site.shard_keys, list(ids))
    names = {SectionId(element_id): element.key for element_id, element in elements.items()}
    return {section_id: f"section {section_id}" for section_id in ids} | names


def _page_figures(path: str, title: str, totals: PageTotals) -> PageFigures:
    return PageFigures(
        path=path,
        title=title,
        views=totals.views,
        visitors=totals.visitors,
        sessions=totals.sessions,
        bounces=build_share(totals.bounces, totals.entries),
        clicks=totals.clicks,
        engaged_total_ms=totals.engaged_ms,
        engaged_median_ms=_quantile_ms(totals.engaged, 0.5),
        engaged_p75_ms=_quantile_ms(totals.engaged, 0.75),
        depth_median=median_depth(totals.depth, totals.depth_fitting),
    )


def _quantile_ms(histogram: Histogram, fraction: float) -> int | None:
    position = quantile(histogram, fraction)
    return None if position is None else position * TIME_BIN_MS


def _reach_curve(totals: PageTotals) -> ReachCurve:
    everything = add_histograms([totals.depth, totals.depth_fitting])
    return ReachCurve(
        everything.total, build_reach_curve(everything), totals.depth.total, build_reach_curve(totals.depth)
    )


def _engaged_histogram(engaged: Histogram) -> list[tuple[int, int]]:
    """Return views by engaged time, up to the last bound that any view needs; the longest view ends the last one."""
    if engaged.total == 0:
        return []
    longest_ms = int(engaged.bins[-1]) * TIME_BIN_MS
    edges = [second * 1_000 for second in _ENGAGED_EDGES_S]
    bounds = [edge for edge in edges if edge < longest_ms]
    bounds.append(next((edge for edge in edges if edge >= longest_ms), longest_ms))
    place = np.searchsorted(np.array(bounds), engaged.bins * TIME_BIN_MS, side="left")
    views = np.bincount(place, weights=engaged.counts, minlength=len(bounds)).astype(np.int64)
    return list(zip(bounds, views.tolist(), strict=True))


def _fill_days(query: ReportQuery, days: Sequence[DayTotals]) -> list[DayFigures]:
    """Return every day of the range in order, with zeros where nothing was seen."""
    known = {each.day: DayFigures(each.day, each.views, each.visitors, each.clicks) for each in days}
    length = (query.last_day - query.first_day).days + 1
    wanted = [query.first_day + timedelta(days=offset) for offset in range(length)]
    return [known.get(day) or DayFigures(day, 0, 0, 0) for day in wanted]


def _device_figures(devices: Sequence[DeviceTotals]) -> list[DeviceFigures]:
    return [DeviceFigures(each.device, each.views, each.visitors) for each in devices]
