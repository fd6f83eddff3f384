"""`jalki site add | list | edit | snippet`: the sites whose pages report here."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from collector import sites
from collector.bundles import load_bundles
from collector.errors import InvalidError
from collector.ids import SiteId
from collector.settings import Settings
from collector.snippet import build_pinned_tag, build_tag
from heatmap.commands.place import open_place_pool, settings_options
from heatmap.commands.running import run
from heatmap.commands.terminal import build_table, command, json_option, print_answer


class SiteAnswer(msgspec.Struct, frozen=True):
    """One site, as the commands print it."""

    site_id: int
    key: str
    name: str
    origins: list[str]
    time_zone: str
    late_hours: int
    """Oldest view whose batches are accepted."""
    snippet: str


class TagAnswer(msgspec.Struct, frozen=True):
    """The tag of a site; a pinned one names the build and its hash."""

    site_id: int
    snippet: str
    pinned: bool


class SiteList(msgspec.Struct, frozen=True):
    """All sites."""

    sites: list[SiteAnswer]


@dataclass(frozen=True, slots=True)
class _Asked:
    name: str
    origins: tuple[str, ...]
    time_zone: str
    late_hours: int | None


_site_option = click.option("--site", "site_id", type=int, required=True, help="Number of the site (jalki site list).")
_late_option = click.option(
    "--late-hours", type=int, help="Oldest view to accept, in hours; at most JALKI_LATE_HOURS; 0: that."
)


@click.group("site")
def site() -> None:
    """Add, list and edit sites; print their tags."""


@command(
    "add",
    example='jalki site add --name "My shop" --origin https://shop.example --time-zone Europe/Helsinki',
)
@click.option("--name", required=True, help="What the dashboard calls it.")
@click.option("--origin", "origins", multiple=True, required=True, help="Whose pages may report; may be repeated.")
@click.option("--time-zone", default="UTC", show_default=True, help="Whose days the reports count in.")
@_late_option
@settings_options()
@json_option
def add(settings: Settings, *, as_json: bool, **asked: Any) -> None:  # click's signature
    """Add a site and print its key and the tag to paste into its pages."""
    wanted = _Asked(**asked)
    _check_late_hours(settings, wanted.late_hours)
    answer = run(_add(settings, wanted))
    text = f"site {answer.site_id}, key {answer.key}\npaste into every page: {answer.snippet}"
    print_answer(answer, text, as_json=as_json)


@command("list", example="jalki site list --json")
@settings_options()
@json_option
def list_sites(settings: Settings, *, as_json: bool) -> None:
    """List all sites."""
    found = run(_load(settings))
    rows = [(str(item.site_id), item.key, item.name, " ".join(item.origins), item.time_zone) for item in found]
    text = build_table(("ID", "KEY", "NAME", "ORIGINS", "TIME ZONE"), rows) if rows else "no sites: jalki site add"
    print_answer(SiteList(found), text, as_json=as_json)


@command("edit", example='jalki site edit --site 1 --name "My shop" --origin https://shop.example')
@_site_option
@click.option("--name", help="What the dashboard calls it from now on.")
@click.option(
    "--origin", "origins", multiple=True, help="Whose pages may report; replaces all others; may be repeated."
)
@_late_option
@settings_options()
@json_option
def edit(settings: Settings, site_id: int, *, as_json: bool, **changes: Any) -> None:  # click's signature
    """Change a site's name, origins or oldest view; running collectors follow within 10 seconds."""
    change = sites.SiteChange(changes["name"], changes["origins"] or None, changes["late_hours"])
    _check_late_hours(settings, change.late_hours)
    answer = run(_edit(settings, SiteId(site_id), change))
    text = (
        f"site {answer.site_id} is {answer.name}, origins {' '.join(answer.origins) or 'any'}, "
        f"views up to {answer.late_hours} hours old"
    )
    print_answer(answer, text, as_json=as_json)


@command("snippet", example="jalki site snippet --site 1 --pin")
@_site_option
@click.option("--pin", is_flag=True, help="Name this build and its hash: browsers then run no other.")
@settings_options()
@json_option
def snippet(settings: Settings, site_id: int, *, pin: bool, as_json: bool) -> None:
    """Print the tag to paste into a site's pages."""
    tag = run(_load_tag(settings, SiteId(site_id), pin=pin))
    print_answer(TagAnswer(site_id, tag, pin), tag, as_json=as_json)


site.add_command(add)
site.add_command(list_sites)
site.add_command(edit)
site.add_command(snippet)


async def _add(settings: Settings, asked: _Asked) -> SiteAnswer:
    async with open_place_pool(settings) as (place, pool), pool.acquire() as conn:
        key = sites.build_site_key(secrets.token_bytes(sites.KEY_BYTES))
        new = sites.NewSite(asked.name, asked.origins, asked.time_zone, late_hours=asked.late_hours or None)
        added = await sites.add_site(conn, new, key, datetime.now(UTC))
        return _build_answer(added, place.base_url, settings)


async def _edit(settings: Settings, site_id: SiteId, change: sites.SiteChange) -> SiteAnswer:
    async with open_place_pool(settings) as (place, pool), pool.acquire() as conn:
        return _build_answer(await sites.edit_site(conn, site_id, change), place.base_url, settings)


async def _load(settings: Settings) -> list[SiteAnswer]:
    async with open_place_pool(settings) as (place, pool), pool.acquire() as conn:
        return [_build_answer(item, place.base_url, settings) for item in await sites.load_sites(conn)]


async def _load_tag(settings: Settings, site_id: SiteId, *, pin: bool) -> str:
    async with open_place_pool(settings) as (place, pool), pool.acquire() as conn:
        key = (await sites.load_site(conn, site_id)).key
    return build_pinned_tag(place.base_url, key, load_bundles().present) if pin else build_tag(place.base_url, key)


def _check_late_hours(settings: Settings, hours: int | None) -> None:
    if hours is not None and not 0 <= hours <= settings.late_hours:
        message = f"--late-hours {hours} is not within 0 to {settings.late_hours}, which JALKI_LATE_HOURS allows"
        raise InvalidError(message, "raise JALKI_LATE_HOURS of the collectors, or write less")


def _build_answer(item: sites.Site, address: str, settings: Settings) -> SiteAnswer:
    late_hours, tag = item.late_limit(settings.late_hours), build_tag(address, item.key)
    return SiteAnswer(item.site_id, item.key, item.name, list(item.origins), item.time_zone, late_hours, tag)
