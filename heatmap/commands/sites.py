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
from collector.snippet import SnippetFlag, build_pinned_tag, build_tag
from heatmap.commands.place import open_place_pool, settings_options
from heatmap.commands.running import run
from heatmap.commands.script_options import SWITCHES, ScriptChoice, read_choice, script_options
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
    params: list[str]
    """Query parameters that are part of a page's address."""
    signals: bool
    consent_first: bool
    hash_routes: bool
    honour_gpc: bool
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
    script: ScriptChoice


_PINNED_ANEW = (
    "browsers load the new script within minutes, those that kept the old one within a day; a pinned tag is for the "
    "settings of before and finds no script now: `jalki site snippet --site {} --pin` prints the present one"
)
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
@script_options
@settings_options()
@json_option
def add(settings: Settings, *, as_json: bool, **asked: Any) -> None:  # click's signature
    """Add a site and print its key and the tag to paste into its pages."""
    named = (asked["name"], asked["origins"], asked["time_zone"])
    wanted = _Asked(*named, asked["late_hours"], read_choice(asked))
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
@script_options
@settings_options()
@json_option
def edit(settings: Settings, site_id: int, *, as_json: bool, **changes: Any) -> None:  # click's signature
    """Change a site's name, origins, oldest view or script; running collectors follow within 10 seconds.

    Browsers load a changed script within minutes, those that have it kept within a day. A pinned tag is for the
    settings of its time and has to be printed anew.
    """
    script = read_choice(changes)
    named = (changes["name"], changes["origins"] or None, changes["late_hours"])
    change = sites.SiteChange(*named, script.params, script.on, script.off)
    _check_late_hours(settings, change.late_hours)
    answer = run(_edit(settings, SiteId(site_id), change))
    text = (
        f"site {answer.site_id} is {answer.name}, origins {' '.join(answer.origins) or 'any'}, "
        f"views up to {answer.late_hours} hours old; its script: {_describe_script(answer)}"
    )
    if script.is_made:
        text += f"\n{_PINNED_ANEW.format(answer.site_id)}"
    print_answer(answer, text, as_json=as_json)


@command("snippet", example="jalki site snippet --site 1 --pin")
@_site_option
@click.option("--pin", is_flag=True, help="Name this build and its hash: browsers then run no other.")
@settings_options()
@json_option
def snippet(settings: Settings, site_id: int, *, pin: bool, as_json: bool) -> None:
    """Print the tag to paste into a site's pages.

    A pinned one is for this build and for the site's settings of today: after an edit of its script's settings, or to
    take a new version, print it anew.
    """
    tag = run(_load_tag(settings, SiteId(site_id), pin=pin))
    print_answer(TagAnswer(site_id, tag, pin), tag, as_json=as_json)


site.add_command(add)
site.add_command(list_sites)
site.add_command(edit)
site.add_command(snippet)


async def _add(settings: Settings, asked: _Asked) -> SiteAnswer:
    async with open_place_pool(settings) as (place, pool), pool.acquire() as conn:
        key = sites.build_site_key(secrets.token_bytes(sites.KEY_BYTES))
        new = sites.NewSite(
            *(asked.name, asked.origins, asked.time_zone),
            late_hours=asked.late_hours or None,
            params=tuple(asked.script.params or ()),
            snippet_flags=asked.script.new_flags,
        )
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
        filling = (await sites.load_site(conn, site_id)).filling
    if not pin:
        return build_tag(place.base_url, filling.key)
    return build_pinned_tag(place.base_url, filling, load_bundles().present)


def _check_late_hours(settings: Settings, hours: int | None) -> None:
    if hours is not None and not 0 <= hours <= settings.late_hours:
        message = f"--late-hours {hours} is not within 0 to {settings.late_hours}, which JALKI_LATE_HOURS allows"
        raise InvalidError(message, "raise JALKI_LATE_HOURS of the collectors, or write less")


def _build_answer(item: sites.Site, address: str, settings: Settings) -> SiteAnswer:
    return SiteAnswer(
        *(item.site_id, item.key, item.name, list(item.origins), item.time_zone),
        late_hours=item.late_limit(settings.late_hours),
        params=list(item.params),
        signals=SnippetFlag.SIGNALS in item.snippet_flags,
        consent_first=SnippetFlag.CONSENT_FIRST in item.snippet_flags,
        hash_routes=SnippetFlag.HASH_ROUTES in item.snippet_flags,
        honour_gpc=SnippetFlag.IGNORE_GPC not in item.snippet_flags,
        snippet=build_tag(address, item.key),
    )


def _describe_script(answer: SiteAnswer) -> str:
    """Return the settings of a site's script as options."""
    chosen = [switch.option.split("/")[not getattr(answer, switch.name)] for switch in SWITCHES]
    return " ".join([f"--params '{','.join(answer.params)}'", *chosen])
