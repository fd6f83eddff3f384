"""The command line: what it prints, and how it fails."""

import asyncio
import json
import os
import re
import socket
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from collector.accounts import load_token_scope
from collector.cluster import choose_account
from collector.db import Pool
from heatmap.__main__ import _COMMANDS, main

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 90
GROUPS = {
    "site": ["add", "list", "edit", "snippet"],
    "token": ["add", "list", "remove"],
    "spool": ["list", "inspect", "drain"],
    "quarantine": ["list", "show", "retry", "drop"],
}
COMMANDS = [[name, *([sub] if sub else [])] for name in _COMMANDS for sub in GROUPS.get(name, [""])]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_shows_an_example_and_its_exit_codes(words: list[str]) -> None:
    """--help ends with a line to copy, and with what the command ends with."""
    done = CliRunner().invoke(main, [*words, "--help"])

    assert done.exit_code == 0
    assert f"jalki {' '.join(words)}" in done.output.split("Example:")[1]
    assert "Exit codes:" in done.output


async def test_a_site_is_added_and_listed(postgres_url: str) -> None:
    """The key and the tag to paste are printed, for programs as JSON."""
    added = await _json(postgres_url, "site", "add", "--name", "Shop", "--origin", "https://shop.example")
    listed = await _json(postgres_url, "site", "list")

    assert listed["sites"] == [added]
    assert added["snippet"] == f'<script async src="http://127.0.0.1:8100/s/{added["key"]}.js"></script>'
    assert added["origins"] == ["https://shop.example"]


async def test_the_tag_of_a_site_is_printed_plain_or_pinned(postgres_url: str) -> None:
    """The pinned one names the build in its address and has its hash; the plain one is what `site add` printed."""
    added = await _json(postgres_url, "site", "add", "--name", "Shop", "--origin", "https://shop.example")
    words = ("site", "snippet", "--site", str(added["site_id"]))
    plain, pinned = await _json(postgres_url, *words), await _json(postgres_url, *words, "--pin")

    assert (plain["snippet"], plain["pinned"]) == (added["snippet"], False)
    assert re.fullmatch(
        rf'<script async src="http://127\.0\.0\.1:8100/s/{added["key"]}\.[0-9a-f]{{12}}\.js" '
        r'integrity="sha384-[\w+/]{64}" crossorigin="anonymous"></script>',
        pinned["snippet"],
    )


async def test_a_site_may_have_an_age_limit_of_its_own(postgres_url: str) -> None:
    """It is set and given back with 0; more than the service allows is refused."""
    added = await _json(
        *(postgres_url, "site", "add", "--name", "Shop", "--origin", "https://shop.example", "--late-hours", "6")
    )
    edit = ["site", "edit", "--site", str(added["site_id"]), "--late-hours"]
    given_back = await _json(postgres_url, *edit, "0")
    refused = CliRunner().invoke(main, [*edit, "25"])

    assert (added["late_hours"], given_back["late_hours"]) == (6, 24)
    assert refused.exit_code == 2
    assert "JALKI_LATE_HOURS" in refused.stderr


async def test_tokens_and_links_are_made_for_people(postgres_url: str, pool: Pool) -> None:
    """A token's secret is shown once; the list has none."""
    site = await _json(postgres_url, "site", "add", "--name", "Shop", "--origin", "https://shop.example")
    made = await _json(postgres_url, "token", "add", "--site", str(site["site_id"]), "--scope", "export")
    listed = await _json(postgres_url, "token", "list")
    link = await _json(postgres_url, "sign-in-link")

    assert made["token"].startswith("jalki_")
    assert listed["tokens"] == [{name: value for name, value in made.items() if name != "token"}]
    assert re.fullmatch(r"http://127\.0\.0\.1:8100/sign-in\?token=[\w-]{43}", link["sign_in_url"])
    assert await pool.fetchval("select count(*) from sign_in_links") == 1


async def test_a_site_is_edited(postgres_url: str) -> None:
    """What is named is replaced, and the rest of the site stays, its key above all."""
    added = await _json(postgres_url, "site", "add", "--name", "Shop", "--origin", "https://shop.example")
    words = ("site", "edit", "--site", str(added["site_id"]))
    moved = await _json(postgres_url, *words, "--origin", "https://b.example", "--origin", "https://A.example:443")
    named = await _json(postgres_url, *words, "--name", "Store")
    listed = await _json(postgres_url, "site", "list")

    assert moved == added | {"origins": ["https://a.example", "https://b.example"]}
    assert named == moved | {"name": "Store"}
    assert listed["sites"] == [named]


async def test_a_removed_token_lets_nobody_in(postgres_url: str, pool: Pool) -> None:
    """It is named by its id; other tokens of the site go on."""
    site = await _json(postgres_url, "site", "add", "--name", "Shop", "--origin", "https://shop.example")
    words = ("token", "add", "--site", str(site["site_id"]), "--scope", "read")
    gone, kept = await _json(postgres_url, *words), await _json(postgres_url, *words)
    removed = await _json(postgres_url, "token", "remove", "--token-id", gone["token_id"])

    assert removed["token_id"] == gone["token_id"]
    async with pool.acquire() as conn:
        assert await load_token_scope(conn, gone["token"]) is None
        assert await load_token_scope(conn, kept["token"]) is not None


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["token", "add", "--site", "77", "--scope", "read"], 3, "there is no site 77"),
        (["site", "add", "--name", "x", "--origin", "nonsense"], 2, "is not an origin"),
        (["import", "--site", "77", os.devnull], 3, "there is no site 77"),
        (["site", "add", "--name", "x", "--origin", "https://*.example.org"], 2, "there are no wildcards"),
        (["site", "add", "--name", "x" * 81, "--origin", "https://a.example"], 2, "at most 80 characters"),
        (["site", "edit", "--site", "77", "--name", "x"], 3, "there is no site 77"),
        (["site", "edit", "--site", "77"], 2, "nothing to change"),
        (["token", "remove", "--token-id", "0123456789ab"], 3, "there is no token 0123456789ab"),
    ],
    ids=["unknown site", "no origin", "import", "wildcard", "long name", "no site", "no change", "no token"],
)
async def test_an_error_is_one_line_with_a_code(postgres_url: str, words: list[str], code: int, said: str) -> None:
    """No traceback: one line on stderr says what is wrong."""
    ended, out, err = await _run(*words, "--database-url", postgres_url)

    assert (ended, out) == (code, "")
    assert said in err
    assert err.startswith("jalki: ")
    assert err.count("\n") == 1


async def test_an_unknown_setting_is_refused() -> None:
    """A misspelt variable is said instead of ignored."""
    ended, _, err = await _run("site", "list", JALKI_POTR="1")

    assert ended == 2
    assert "JALKI_POTR is not a setting" in err


async def test_a_schema_of_the_past_is_said(empty_postgres_url: str) -> None:
    """Commands on somebody else's Postgres never change its schema; they say which command does."""
    before = await _run("site", "list", "--database-url", empty_postgres_url)
    migrated = await _json(empty_postgres_url, "migrate")
    again = await _json(empty_postgres_url, "migrate")
    after = await _run("site", "list", "--database-url", empty_postgres_url)

    assert before[0] == 1
    assert "run `jalki migrate`" in before[2]
    assert "0001_create_schema" in migrated["applied"]
    assert again == {"applied": []}
    assert (after[0], after[1]) == (0, "no sites: jalki site add\n")


async def test_a_recording_is_imported_once(postgres_url: str, pool: Pool, tmp_path: Path) -> None:
    """Good lines beside a bad one are stored, the bad one is named, and a second import stores nothing."""
    site = await _json(postgres_url, "site", "add", "--name", "Shop", "--origin", "https://shop.example")
    body = json.loads((ROOT / "tests" / "contract" / "view-with-clicks.json").read_text())
    body["k"] = site["key"]
    line = {"at": body["t"], "ip": "192.0.2.7", "ua": "Firefox", "body": body}
    recording = tmp_path / "recording.ndjson"
    recording.write_text(json.dumps(line) + "\n{}\n")
    words = ("import", "--site", str(site["site_id"]), str(recording), "--database-url", postgres_url, "--json")

    first_code, first, _ = await _run(*words)
    second_code, second, _ = await _run(*words)

    assert (first_code, json.loads(first)["stored"]) == (1, 1)
    assert [fault["line"] for fault in json.loads(first)["faults"]] == [2]
    assert (second_code, json.loads(second)["duplicates"]) == (1, 1)
    assert await pool.fetchval("select count(*) from ledger") == 1


async def test_doctor_finds_nothing_wrong_with_a_healthy_service(postgres_url: str) -> None:
    """Every check is ok, and the exit code says so."""
    code, out, _ = await _run("doctor", "--database-url", postgres_url, "--port", "0", "--json")

    assert [check for check in json.loads(out)["checks"] if not check["is_ok"]] == []
    assert code == 0


async def test_doctor_says_what_is_wrong_and_how_to_mend_it(open_folder: Path, empty_postgres_url: str) -> None:
    """Data of another version, a taken port and an old schema are each found."""
    data = open_folder / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("15\n")
    if os.geteuid() == 0:
        os.chown(data.parent, *_postgres_account())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        old_code, old, _ = await _run("doctor", "--data", str(open_folder), "--port", port)
        bare_code, bare, _ = await _run("doctor", "--database-url", empty_postgres_url, "--port", "0")

    assert (old_code, bare_code) == (1, 1)
    assert re.search(r"wrong  port: .*in use", old)
    assert re.search(r"wrong  data folder: .*\n +to mend: .*Postgres 15.*pg_dump", old)
    assert re.search(r"wrong  schema: .*\n +to mend: .*jalki migrate", bare)


async def _json(url: str, *words: str) -> dict:
    code, out, err = await _run(*words, "--database-url", url, "--json")
    assert code == 0, err
    return json.loads(out)


async def _run(*words: str, **variables: str) -> tuple[int, str, str]:
    process = await _start(*words, **variables)
    async with asyncio.timeout(TIMEOUT_S):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def _start(*words: str, **variables: str) -> asyncio.subprocess.Process:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("JALKI_")}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "heatmap", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**clean, **variables},
        cwd=ROOT,
    )


def _postgres_account() -> tuple[int, int]:
    account = choose_account()
    assert account is not None
    return account.uid, account.gid
