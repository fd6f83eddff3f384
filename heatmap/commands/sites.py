"""`jalki site add | list | edit`: the sites whose pages report here."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

import click
import msgspec

from collector import sites
from collector.ids import SiteId
from collector.settings import Settings
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
    snippet: str


class SiteList(msgspec.Struct, frozen=True):
    """All sites."""

    sites: list[SiteAnswer]


@dataclass(frozen=True, slots=True)
class _Asked:
    name: str
    origins: tuple[str, ...]
    time_zone: str


@click.group("site")
def site() -> None:
    """Add, list and edit sites."""


@command(
    "add",
    example='jalki site add --name "My shop" --origin https://shop.example --time-zone Europe/Helsinki',
)
@click.option("--name", required=True, help="What the dashboard calls it.")
@click.option("--origin", "origins", multiple=True, required=True, help="Whose pages may report; may be repeated.")
@click.option("--time-zone", default="UTC", show_default=True, help="Whose days the reports count in.")
@settings_options()
@json_option
def add(settings: Settings, name: str, origins: tuple[str, ...], time_zone: str, *, as_json: bool) -> None:
    """Add a site and print its key and the tag to paste into its pages."""
    answer = run(_add(settings, _Asked(name, origins, time_zone)))
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
@click.option("--site", "site_id", type=int, required=True, help="Number of the site (jalki site list).")
@click.option("--name", help="What the dashboard calls it from now on.")
@click.option(
    "--origin", "origins", multiple=True, help="Whose pages may report; replaces all others; may be repeated."
)
@settings_options()
@json_option
def edit(settings: Settings, site_id: int, name: str | None, origins: tuple[str, ...], *, as_json: bool) -> None:
    """Rename a site or replace its origins; running collectors follow within 10 seconds."""
    answer = run(_edit(settings, SiteId(site_id), name, origins or None))
    text = f"site {answer.site_id} is {answer.name}, origins {' '.join(answer.origins) or 'any'}"
    print_answer(answer, text, as_json=as_json)


site.add_command(add)
site.add_command(list_sites)
site.add_command(edit)


async def _add(settings: Settings, asked: _Asked) -> SiteAnswer:
    async with open_place_pool(settings) as (place, pool), pool.acquire() as conn:
        key = sites.build_site_key(secrets.token_bytes(sites.KEY_BYTES))
        new = sites.NewSite(asked.name, asked.origins, asked.time_zone)
        return _build_answer(await sites.add_site(conn, new, key, datetime.now(UTC)), place.base_url)


async def _edit(settings: Settings, site_id: SiteId, name: str | None, origins: tuple[str, ...] | None) -> SiteAnswer:
    async with open_place_pool(settings) as (place, pool), pool.acquire() as conn:
        return _build_answer(await sites.edit_site(conn, site_id, name, origins), place.base_url)


async def _load(settings: Settings) -> list[SiteAnswer]:
    async with open_place_pool(settings) as (place, pool), pool.acquire() as conn:
        return [_build_answer(item, place.base_url) for item in await sites.load_sites(conn)]


def _build_answer(item: sites.Site, address: str) -> SiteAnswer:
    tag = f'<script async src="{address}/s/{item.key}.js"></script>'
    return SiteAnswer(item.site_id, item.key, item.name, list(item.origins), item.time_zone, tag)
