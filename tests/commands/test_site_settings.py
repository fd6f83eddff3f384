"""The settings of a site's script on the command line: what they are called, what they say, and what they refuse."""

import asyncio
import json

import pytest
from click.testing import CliRunner

from heatmap.__main__ import main

NEW = ("site", "add", "--name", "Shop", "--origin", "https://shop.example")
DEFAULTS = {"params": [], "signals": True, "consent_first": False, "hash_routes": False, "honour_gpc": True}


async def jalki(url: str, *words: str) -> tuple[int, str, str]:
    """Run a command and return its exit code and what it said."""
    done = await asyncio.to_thread(CliRunner().invoke, main, [*words, "--database-url", url])
    return done.exit_code, done.stdout, done.stderr


async def jalki_json(url: str, *words: str) -> dict:
    code, out, err = await jalki(url, *words, "--json")
    assert code == 0, err
    return json.loads(out)


async def test_a_sites_script_is_set_and_edited(postgres_url: str) -> None:
    """What is named changes, the rest stays; each switch can be turned back."""
    plain = await jalki_json(postgres_url, *NEW)
    words = ("site", "edit", "--site", str(plain["site_id"]))
    chosen = await jalki_json(postgres_url, *words, "--params", "page, lang,page", "--consent-first", "--no-honour-gpc")
    turned = await jalki_json(postgres_url, *words, "--no-signals", "--hash-routes", "--no-consent-first")
    emptied = await jalki_json(postgres_url, *words, "--params", "", "--honour-gpc", "--signals", "--no-hash-routes")
    begun = await jalki_json(postgres_url, *NEW, "--params", "page", "--no-signals", "--consent-first")

    assert plain == plain | DEFAULTS
    assert chosen == plain | {"params": ["lang", "page"], "consent_first": True, "honour_gpc": False}
    assert turned == chosen | {"signals": False, "hash_routes": True, "consent_first": False}
    assert emptied == plain
    assert begun == begun | {**DEFAULTS, "params": ["page"], "signals": False, "consent_first": True}


async def test_an_edit_of_the_script_says_that_pinned_tags_are_for_the_old_one(postgres_url: str) -> None:
    """The answer names the command that prints the new one; a new name of the site changes no tag."""
    site = str((await jalki_json(postgres_url, *NEW))["site_id"])
    pin = ("site", "snippet", "--site", site, "--pin")
    before = (await jalki_json(postgres_url, *pin))["snippet"]
    _, renamed, _ = await jalki(postgres_url, "site", "edit", "--site", site, "--name", "Store")
    same = (await jalki_json(postgres_url, *pin))["snippet"]
    _, edited, _ = await jalki(postgres_url, "site", "edit", "--site", site, "--params", "page")

    assert same == before
    assert "--pin" not in renamed
    assert f"`jalki site snippet --site {site} --pin`" in edited
    assert "--params 'page' --signals --no-consent-first --no-hash-routes --honour-gpc" in edited


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ("page=1", "'page=1' is no query parameter"),
        ("a b", "'a b' is no query parameter"),
        (",".join(f"p{number}" for number in range(21)), "21 query parameters are more than 20"),
    ],
    ids=["value", "space", "many"],
)
async def test_params_that_cannot_be_are_refused(postgres_url: str, params: str, said: str) -> None:
    """One line says what is wrong, and nothing is added."""
    code, out, err = await jalki(postgres_url, *NEW, "--params", params)

    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert (await jalki_json(postgres_url, "site", "list"))["sites"] == []
