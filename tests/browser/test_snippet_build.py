"""The built scripts are what their sources make, hold to their promises, and weigh no more than they may."""

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from bench.snippet.sizes import CORE_BYTES, MODULE_BYTES, WHAT_IS_WHERE, list_our_sizes
from snippet_site import ROOT

_BUILD_TIMEOUT_S = 60
_DIST = ROOT / "collector" / "dist"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a fresh build of the core and all its modules."""
    node = shutil.which("node")
    if node is None or not (ROOT / "js" / "node_modules" / "esbuild").exists():
        pytest.skip("needs Node.js and `npm ci` in js/")
    folder = tmp_path_factory.mktemp("built")
    subprocess.run([node, "build.mjs", str(folder)], cwd=ROOT / "js", check=True, timeout=_BUILD_TIMEOUT_S)
    return folder


@pytest.fixture(scope="module")
def sizes(built: Path) -> dict[str, int]:
    """Bytes of each built script, brotli at quality 11."""
    return {size.name: size.brotli for size in list_our_sizes(built)}


def test_the_committed_scripts_are_what_the_sources_make(built: Path) -> None:
    """A rebuild gives the same files with the same bytes, so that nobody has to build to run, or to trust to read."""
    files = {path.relative_to(built): path.read_bytes() for path in built.rglob("*.js")}
    assert files == {path.relative_to(_DIST): path.read_bytes() for path in _DIST.rglob("*.js")}


def test_the_core_weighs_at_most_4_kib(sizes: dict[str, int]) -> None:
    """What every page loads stays as small as it was promised to be."""
    assert sizes["snippet"] <= CORE_BYTES


@pytest.mark.parametrize("name", MODULE_BYTES)
def test_a_module_weighs_no_more_than_it_may(sizes: dict[str, int], name: str) -> None:
    """What is loaded later has a limit of its own."""
    assert sizes[name] <= MODULE_BYTES[name]


def test_every_built_script_has_a_limit_and_a_line_in_the_readme(built: Path) -> None:
    """No part is added without saying what it has and what it may weigh."""
    names = {path.stem for path in built.rglob("*.js")}
    assert names == {"snippet", *MODULE_BYTES} == set(WHAT_IS_WHERE)
    table = (ROOT / "js" / "README.md").read_text().partition("## Sizes")[2].partition("\n## ")[0]
    listed = set(re.findall(r"^\| ([a-z]+) \|", table, re.MULTILINE))
    assert listed == {"core", *MODULE_BYTES}


def test_the_core_names_every_module_by_the_hash_of_its_file(built: Path) -> None:
    """A page that has an older core never runs a newer module, and caches may keep both for ever."""
    core = (built / "snippet.js").read_text()
    for file in (built / "modules").glob("*.js"):
        assert f'{file.stem}:"{_hash(file)}"' in core


def test_the_snippet_has_one_place_for_the_site_key(built: Path) -> None:
    """The collector replaces the placeholder when it serves the script."""
    assert (built / "snippet.js").read_text().count("__JALKI_KEY__") == 1


def test_the_core_reads_one_kept_value_and_stores_nothing(built: Path) -> None:
    """Without consent nothing is written to the browser: what a script does not mention it cannot use."""
    core = (built / "snippet.js").read_text()
    assert re.findall(r"localStorage\W\w*", core) == ["localStorage.getItem"]
    assert "setItem" not in core


@pytest.mark.parametrize(
    "word", ["sessionStorage", "indexedDB", ".cookie", "caches", "eval(", "innerHTML", "document.write"]
)
def test_no_script_mentions_what_it_must_not_use(built: Path, word: str) -> None:
    """What a script does not mention it cannot use."""
    assert [path.name for path in built.rglob("*.js") if word in path.read_text()] == []


@pytest.mark.parametrize("name", ["snippet.js", "modules/layout.js", "modules/consent.js", "modules/debug.js"])
def test_no_script_reads_a_value(built: Path, name: str) -> None:
    """A field's content is never looked at; the signals have a `value` of their own, which is no field's."""
    assert re.search(r"\.value\b", (built / name).read_text()) is None


def test_the_readme_names_every_field_of_the_wire_format() -> None:
    """The table in js/README.md and the schema say the same."""
    properties = json.loads((ROOT / "tests" / "contract" / "wire-v1.schema.json").read_text())["properties"]
    fields = set(properties) | {f"{part}.{name}" for part in "wclmf" for name in properties[part]["properties"]}
    table = (ROOT / "js" / "README.md").read_text().partition("## Wire format")[2]
    named = set(re.findall(r"`([a-z]{1,2}(?:\.[a-z]{1,2})?)`", table))
    assert named - fields == set()
    assert fields - {"w"} - named == set()


def test_the_lock_file_names_no_registry() -> None:
    """Where packages come from is the installing machine's business."""
    assert "://" not in re.sub(r'"url": "[^"]*"', "", (ROOT / "js" / "package-lock.json").read_text())


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:8]
