"""The built snippet in the repository is what its sources make, and holds to its promises."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from snippet_site import ROOT, SNIPPET

_BUILD_TIMEOUT_S = 60


def test_the_committed_snippet_is_what_the_sources_make(tmp_path: Path) -> None:
    """A rebuild gives the same bytes, so that nobody has to build to run, or to trust to read."""
    node = shutil.which("node")
    if node is None or not (ROOT / "js" / "node_modules" / "esbuild").exists():
        pytest.skip("needs Node.js and `npm ci` in js/")
    subprocess.run([node, "build.mjs", str(tmp_path)], cwd=ROOT / "js", check=True, timeout=_BUILD_TIMEOUT_S)
    assert (tmp_path / "snippet.js").read_bytes() == SNIPPET.read_bytes()


def test_the_snippet_has_one_place_for_the_site_key() -> None:
    """The collector replaces the placeholder when it serves the script."""
    assert SNIPPET.read_text().count("__JALKI_KEY__") == 1


def test_the_snippet_touches_no_storage_and_reads_no_values() -> None:
    """What it does not mention it cannot use."""
    text = SNIPPET.read_text()
    for word in (
        "localStorage",
        "sessionStorage",
        "indexedDB",
        ".cookie",
        "caches",
        "eval(",
        "innerHTML",
        "document.write",
    ):
        assert word not in text
    assert re.search(r"\.value\b", text) is None


def test_the_readme_names_every_field_of_the_wire_format() -> None:
    """The table in js/README.md and the schema say the same."""
    properties = json.loads((ROOT / "tests" / "contract" / "wire-v1.schema.json").read_text())["properties"]
    fields = set(properties) | {f"{part}.{name}" for part in "wcl" for name in properties[part]["properties"]}
    table = (ROOT / "js" / "README.md").read_text().partition("## Wire format")[2]
    named = set(re.findall(r"`([a-z]{1,2}(?:\.[a-z]{1,2})?)`", table))
    assert named - fields == set()
    assert fields - {"w"} - named == set()


def test_the_lock_file_names_no_registry() -> None:
    """Where packages come from is the installing machine's business."""
    assert "://" not in re.sub(r'"url": "[^"]*"', "", (ROOT / "js" / "package-lock.json").read_text())
