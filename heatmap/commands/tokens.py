"""`jalki token add | list | remove` and `jalki sign-in-link`: what lets programs and people in."""

import secrets
from datetime import UTC, datetime

import click
import msgspec

from collector import accounts
from collector.accounts import ApiToken, Scope
from collector.ids import SiteId
from collector.settings import Settings
from heatmap.commands.place import open_place_pool, settings_options
from heatmap.commands.running import run
from heatmap.commands.service import build_sign_in_url
from heatmap.commands.terminal import build_table, command, json_option, print_answer


class TokenAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One token; its secret only where it was just made."""

    token_id: str
    site_id: int
    scope: str
    created_at: datetime
    token: str | None = None


class TokenList(msgspec.Struct, frozen=True):
    """All tokens, without their secrets."""

    tokens: list[TokenAnswer]


class LinkAnswer(msgspec.Struct, frozen=True):
    """A one-time link."""

    sign_in_url: str


@click.group("token")
def token() -> None:
    """Add, list and remove API tokens."""


@command("add", example="jalki token add --site 1 --scope read")
@click.option("--site", "site_id", type=int, required=True, help="Number of the site (jalki site list).")
@click.option("--scope", type=click.Choice([scope.value for scope in Scope]), required=True, help="What it allows.")
@settings_options()
@json_option
def add(settings: Settings, site_id: int, scope: str, *, as_json: bool) -> None:
    """Make an API token and print it; it cannot be read again.

    "read" sees figures and images, "export" also downloads.
    """
    made, secret = run(_add(settings, SiteId(site_id), Scope(scope)))
    text = f"token {made.token_id} for site {site_id} ({scope}), shown only now:\n{secret}"
    print_answer(_build_answer(made, secret), text, as_json=as_json)


@command("list", example="jalki token list")
@settings_options()
@json_option
def list_tokens(settings: Settings, *, as_json: bool) -> None:
    """List all API tokens, without their secrets."""
    found = run(_load(settings))
    rows = [(item.token_id, str(item.site_id), item.scope.value, f"{item.created_at:%Y-%m-%d %H:%M}") for item in found]
    text = build_table(("ID", "SITE", "SCOPE", "MADE (UTC)"), rows) if rows else "no tokens: jalki token add"
    print_answer(TokenList([_build_answer(item) for item in found]), text, as_json=as_json)


@command("remove", example="jalki token remove --token-id 0123456789ab")
@click.option("--token-id", required=True, help="Which token (jalki token list).")
@settings_options()
@json_option
def remove(settings: Settings, token_id: str, *, as_json: bool) -> None:
    """Remove an API token; it lets nobody in from now on."""
    gone = run(_remove(settings, token_id))
    text = f"removed token {gone.token_id} of site {gone.site_id} ({gone.scope.value})"
    print_answer(_build_answer(gone), text, as_json=as_json)


@command("sign-in-link", example="jalki sign-in-link")
@settings_options()
@json_option
def sign_in_link(settings: Settings, *, as_json: bool) -> None:
    """Print a link that signs one browser in; it works once, within 24 hours."""
    link = run(_link(settings))
    print_answer(LinkAnswer(link), link, as_json=as_json)


token.add_command(add)
token.add_command(list_tokens)
token.add_command(remove)


async def _add(settings: Settings, site_id: SiteId, scope: Scope) -> tuple[ApiToken, str]:
    secret = secrets.token_bytes(accounts.SECRET_BYTES)
    async with open_place_pool(settings) as (_, pool), pool.acquire() as conn:
        return await accounts.add_api_token(conn, site_id, scope, secret, datetime.now(UTC))


async def _load(settings: Settings) -> list[ApiToken]:
    async with open_place_pool(settings) as (_, pool), pool.acquire() as conn:
        return await accounts.load_api_tokens(conn)


async def _remove(settings: Settings, token_id: str) -> ApiToken:
    async with open_place_pool(settings) as (_, pool), pool.acquire() as conn:
        return await accounts.remove_api_token(conn, token_id)


async def _link(settings: Settings) -> str:
    async with open_place_pool(settings) as (place, pool), pool.acquire() as conn:
        return await build_sign_in_url(conn, place.base_url)


def _build_answer(item: ApiToken, secret: str | None = None) -> TokenAnswer:
    return TokenAnswer(item.token_id, item.site_id, item.scope.value, item.created_at, secret)
