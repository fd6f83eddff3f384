"""The parts of the snippet that are loaded later: where they lie, how they are sent, and what releases keep of them."""

import gzip
import hashlib
import subprocess
import sys
from pathlib import Path

import brotli
import pytest
from hatchling.builders.wheel import WheelBuilder

from collector.bundles import load_bundles
from collector.errors import StorageError
from collector.snippet import KEY_PLACE, ModuleShelf

ROOT = Path(__file__).parents[2]
UNPACK = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}
SIGNALS = b"export function start(host) { host.signal(1, null); }\n" * 20
EARLIER = b"export function start(host) { host.stop(); }\n"


def hash_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:8]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The folder of a package with one present module, and an earlier build of it that a release kept."""
    for folder in ("dist/modules", "released/modules"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "dist" / "snippet.js").write_text(f"k='{KEY_PLACE}'")
    (tmp_path / "released" / "0.1.js").write_text(f"old='{KEY_PLACE}'")
    (tmp_path / "dist" / "modules" / "signals.js").write_bytes(SIGNALS)
    (tmp_path / "released" / "modules" / f"signals.{hash_of(EARLIER)}.js").write_bytes(EARLIER)
    return tmp_path


async def test_a_module_is_served_by_its_name_and_hash(start_collector, package):
    """Each coding is the same file under a tag of its own, for ever, for every page, without a site key."""
    collector = await start_collector(bundles=load_bundles(package))
    answers = [
        await collector.client.get(f"/s/m/signals.{hash_of(SIGNALS)}.js", headers={"Accept-Encoding": accepted})
        for accepted in ("gzip, deflate, br", "gzip, deflate", "identity")
    ]
    bodies = [await answer.read() for answer in answers]
    codings = [answer.headers.get("Content-Encoding") for answer in answers]

    assert codings == ["br", "gzip", None]
    assert {UNPACK[coding](body) for coding, body in zip(codings, bodies, strict=True)} == {SIGNALS}
    assert len({answer.headers["ETag"] for answer in answers}) == 3
    for answer in answers:
        assert (answer.status, answer.content_type) == (200, "text/javascript")
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Vary"] == "Accept-Encoding"


async def test_who_has_a_module_is_not_sent_it_again(start_collector, package):
    """Its tag is answered 304 without a body."""
    collector = await start_collector(bundles=load_bundles(package))
    address = f"/s/m/signals.{hash_of(SIGNALS)}.js"
    first = await collector.client.get(address)

    again = await collector.client.get(address, headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status, await again.read()) == (304, b"")


async def test_modules_of_earlier_releases_are_served_beside_the_present_one(start_collector, package):
    """A pinned script, and one that a browser has kept, find the modules that they were built with."""
    collector = await start_collector(bundles=load_bundles(package))

    answer = await collector.client.get(f"/s/m/signals.{hash_of(EARLIER)}.js", headers={"Accept-Encoding": "identity"})

    assert (answer.status, await answer.read()) == (200, EARLIER)


@pytest.mark.parametrize(
    "name", ["signals", "signals.00000000", f"other.{hash_of(SIGNALS)}", "a/b", "", "..%2fsnippet", "signals."]
)
async def test_a_module_that_is_not_kept_is_a_comment(start_collector, package, name):
    """A page may read the answer, runs nothing of it, and asks again a minute later."""
    collector = await start_collector(bundles=load_bundles(package))

    answer = await collector.client.get(f"/s/m/{name}.js")

    assert (answer.status, answer.content_type) == (404, "text/javascript")
    assert (await answer.read()).startswith(b"// jalki")
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_every_module_of_the_folder_is_found(package):
    """Present and kept builds have the same name and different addresses; other files are left alone."""
    (package / "dist" / "modules" / "notes.txt").write_text("none")
    modules = load_bundles(package).modules

    assert [module.address for module in modules] == [f"signals.{hash_of(body)}" for body in (EARLIER, SIGNALS)]
    assert all(ModuleShelf(modules).is_known(module.address) for module in modules)


def test_a_kept_module_that_was_changed_is_refused(package):
    """A file that is not what its name says would be missing for those who pinned it: the collector does not start."""
    (package / "released" / "modules" / f"signals.{hash_of(EARLIER)}.js").write_bytes(EARLIER + b" ")

    with pytest.raises(StorageError, match="restore it from git"):
        load_bundles(package)


def test_a_release_keeps_what_is_built(package):
    """`make keep` puts the snippet and its modules where the builds of later versions are served beside them."""
    before = load_bundles(package)
    keep = [sys.executable, str(ROOT / ".ci" / "keep.py"), str(package)]
    kept, again = (
        subprocess.run(keep, check=True, capture_output=True, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}).stdout
        for _ in range(2)
    )
    (package / "dist" / "snippet.js").write_text(f"new='{KEY_PLACE}'")
    (package / "dist" / "modules" / "signals.js").write_bytes(SIGNALS + b"// new\n")
    after = load_bundles(package)

    assert (len(kept.splitlines()), again) == (2, "")
    assert set(after.earlier) == {before.present, *before.earlier}
    assert {module.address for module in before.modules} < {module.address for module in after.modules}


def test_the_wheel_holds_every_script_that_is_served():
    """What is installed from the built package serves what the checkout serves, and shows the same recipes."""
    packed = {item.distribution_path for item in WheelBuilder(str(ROOT)).recurse_included_files()}
    scripts = {
        path.relative_to(ROOT).as_posix()
        for folder in ("collector/dist", "collector/released", "heatmap/dashboard/recipes")
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix in {".js", ".php"}
    }

    assert {"collector/dist/snippet.js", "heatmap/dashboard/recipes/tcf.js"} <= scripts
    assert scripts - packed == set()
