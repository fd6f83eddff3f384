"""The pages about sites themselves: the list, the form for a new one, and how to install the snippet."""

import asyncio
import secrets
import zoneinfo
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

from collector.errors import InvalidError
from collector.ids import Device
from collector.origins import canonical_origin
from collector.sites import (
    KEY_BYTES,
    MAX_NAME_CHARS,
    NewSite,
    Site,
    add_site,
    build_site_key,
    load_first_event_at,
    load_sites,
)
from collector.snippet import SnippetFlag, build_pinned_tag, build_tag
from heatmap.dashboard.charts import CurveChart, build_sparkline
from heatmap.dashboard.desk import Desk
from heatmap.dashboard.gate import redirect
from heatmap.dashboard.recipes import build_rocket_loader_tag, load_consent_recipes, load_wordpress_recipe
from heatmap.reports import PageFigures, ReportQuery, load_site_report

CARD_DAYS = 7
"""Days of a card's figures; its change is against as many days before."""
_MAX_ORIGINS = 20


@dataclass(frozen=True, slots=True)
class SiteCard:
    """A site as the list shows it; `latest` says when the last view was, in words."""

    site: Site
    totals: PageFigures
    previous: PageFigures
    sparkline: CurveChart
    latest: str
    is_receiving: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """A setting of a site's script in words."""

    meaning: str
    value: str


@dataclass(frozen=True, slots=True)
class SiteForm:
    """What a person typed into the form, kept so that a refusal does not lose it."""

    name: str = ""
    origins: str = ""
    time_zone: str = "UTC"
    wrong: str = ""
    message: str = ""


async def show_sites(desk: Desk, _request: web.Request) -> web.Response:
    """Show every site with its last week."""
    async with desk.pool.acquire() as conn:
        sites = await load_sites(conn)
    cards = await asyncio.gather(*(_load_card(desk, site) for site in sites))
    return desk.page("sites.html", cards=cards, card_days=CARD_DAYS)


async def show_new_site(desk: Desk, _request: web.Request) -> web.Response:
    """Show the empty form."""
    return desk.page("new_site.html", form=SiteForm(), zones=_time_zones())


async def create_site(desk: Desk, request: web.Request) -> web.Response:
    """Store the site and lead on to its snippet, or show the form again with what is wrong."""
    posted = await request.post()
    form = SiteForm(*(str(posted.get(name, "")).strip() for name in ("name", "origins", "time_zone")))
    try:
        new = read_site_form(form)
    except InvalidError as error:
        form = SiteForm(form.name, form.origins, form.time_zone, error.hint, str(error))
        return desk.page("new_site.html", status=400, form=form, zones=_time_zones())
    async with desk.pool.acquire() as conn:
        site = await add_site(conn, new, build_site_key(secrets.token_bytes(KEY_BYTES)), desk.now())
    return redirect(f"/sites/{site.site_id}/install")


async def show_install(desk: Desk, request: web.Request) -> web.Response:
    """Show the tag to paste and whether an event has come in."""
    site = await desk.load_site(request)
    async with desk.pool.acquire() as conn:
        first_event_at = await load_first_event_at(conn, site)
    origin = desk.origin(request)
    return desk.page(
        "install.html",
        site=site,
        screen="install",
        first_event_at=first_event_at,
        origin=origin,
        snippet=build_tag(origin, site.key),
        pinned=build_pinned_tag(origin, site.filling, desk.script),
        rocket_loader=build_rocket_loader_tag(origin, site.key),
        wordpress=load_wordpress_recipe(origin, site.key),
        consent=load_consent_recipes(),
        choices=_list_choices(site),
        honours_gpc=SnippetFlag.IGNORE_GPC not in site.snippet_flags,
    )


def _list_choices(site: Site) -> list[Choice]:
    """Return the settings of a site's script, as the install page tells them."""
    flags = site.snippet_flags
    claims = {
        "Frames, forms, selections, downloads, web vitals and the like are watched": SnippetFlag.SIGNALS in flags,
        "Nothing is recorded before the visitor has agreed": SnippetFlag.CONSENT_FIRST in flags,
        "What follows # in an address is part of the page": SnippetFlag.HASH_ROUTES in flags,
        "Global Privacy Control and Do Not Track are honoured": SnippetFlag.IGNORE_GPC not in flags,
    }
    params = Choice("Query parameters that are part of an address", ", ".join(site.params) or "none")
    return [*(Choice(claim, "yes" if is_true else "no") for claim, is_true in claims.items()), params]


def read_site_form(form: SiteForm) -> NewSite:
    """Return the site that a form describes.

    Raises:
        InvalidError: a field cannot be used; `hint` is the field's name.
    """
    if not form.name or len(form.name) > MAX_NAME_CHARS:
        raise InvalidError(f"Give the site a name of at most {MAX_NAME_CHARS} characters.", "name")
    if form.time_zone not in zoneinfo.available_timezones():
        raise InvalidError("Choose a time zone from the list, for example Europe/Helsinki.", "time_zone")
    origins = form.origins.replace(",", " ").split()
    if not origins or len(origins) > _MAX_ORIGINS:
        raise InvalidError(f"Write one to {_MAX_ORIGINS} addresses, for example https://www.example.com.", "origins")
    return NewSite(name=form.name, origins=tuple(_read_origin(item) for item in origins), time_zone=form.time_zone)


def _read_origin(text: str) -> str:
    has_scheme = "://" in text
    try:
        origin = canonical_origin(text if has_scheme else f"https://{text}")
    except InvalidError as error:
        raise _wrong_origin(text) from error
    # A word alone is the rest of an address with a space in it, rather than a host.
    if not has_scheme and "." not in text and not text.startswith("localhost"):
        raise _wrong_origin(text)
    return origin


def _wrong_origin(text: str) -> InvalidError:
    wrong = f"{text[:80]!r} is not an address of a website; write it like https://www.example.com, without wildcards."
    return InvalidError(wrong, "origins")


async def _load_card(desk: Desk, site: Site) -> SiteCard:
    today = desk.today(site)
    query = ReportQuery(first_day=today - timedelta(days=CARD_DAYS - 1), last_day=today, device=Device.ALL)
    async with desk.pool.acquire() as conn:
        report = await load_site_report(conn, site, query)
        is_receiving = report.totals.views > 0 or await load_first_event_at(conn, site) is not None
    busy = [item.day for item in report.days if item.views]
    age = (today - max(busy)).days if busy else None
    latest = {None: f"no views in {CARD_DAYS} days", 0: "last view today", 1: "last view yesterday"}.get(
        age, f"last view {age} days ago"
    )
    return SiteCard(
        site=site,
        totals=report.totals,
        previous=report.previous,
        sparkline=build_sparkline([item.views for item in report.days]),
        latest=latest if is_receiving else "waiting for the first event",
        is_receiving=is_receiving,
    )


def _time_zones() -> list[str]:
    return sorted(zone for zone in zoneinfo.available_timezones() if "/" in zone or zone == "UTC")
