"""Makes the scripts that are compared: ours from js/, the others' from their npm packages.

What a package ships as a browser script is taken as it is. What it ships as modules is bundled and minified by esbuild,
as a site would do. Umami is one Next.js application on npm; its tracker alone is taken out of that package, which npm
fetches once, and where it cannot be fetched Umami is left out.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
JS = ROOT / "js"
_PACKAGES = JS / "node_modules"
_TIMEOUT_S = 120
_CACHE = ROOT / "build" / "bench"
_UMAMI = "umami@2.10.0"
_UMAMI_SHA256 = "1544b6862a5bf5e19dc58c8c382f8de3fd9f3f1c2b4110fbf7de9d7f4bd58850"
_TARGETS = "--target=safari15,chrome90,edge90,firefox90"
_READABLE = ["--bundle", "--charset=utf8", "--loader=ts", "--log-level=error", _TARGETS]
_SIGNALS = """
import { asHost, type Offer } from './src/host';
import { start as startModule } from './src/signals/index.ts';
export const start = (offer: Offer) => startModule(asHost(offer));
"""


class MissingError(Exception):
    """A script cannot be made here; the message says why."""


def read_package(path: str) -> str:
    """Return the text of a file of an installed package, without the comment that names its source map.

    Raises:
        MissingError: `npm install` has not been run in js/.
    """
    file = _PACKAGES / path
    if not file.exists():
        raise MissingError(f"{path} is not in js/node_modules: run `sh .ci/js`")
    lines = file.read_text("utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("//# sourceMappingURL"))


@cache
def bundle_modules(entry: str) -> str:
    """Return `entry`, a module that imports from js/node_modules, as one minified classic script."""
    command = ["--bundle", "--minify", "--format=iife", "--legal-comments=none", "--log-level=error", _TARGETS]
    return _run_esbuild(command, entry)


@cache
def minify(source: str) -> str:
    """Return a classic script minified."""
    return _run_esbuild(["--minify", "--legal-comments=none", "--log-level=error", _TARGETS], source)


@cache
def read_umami() -> str:
    """Return Umami's tracker, minified.

    Raises:
        MissingError: npm cannot fetch the package, or it is not the one that is known.
    """
    archive = _CACHE / f"{_UMAMI.replace('@', '-')}.tgz"
    if not archive.exists():
        _fetch_umami()
    if not archive.exists() or hashlib.sha256(archive.read_bytes()).hexdigest() != _UMAMI_SHA256:
        raise MissingError(f"npm pack {_UMAMI} did not give the known package")
    with tarfile.open(archive) as files:
        member = files.extractfile("package/src/tracker/index.js")
        assert member is not None
        return minify(member.read().decode())


def _fetch_umami() -> None:
    _CACHE.mkdir(parents=True, exist_ok=True)
    command = [_find("npm"), "pack", _UMAMI, "--ignore-scripts", "--silent"]
    try:
        subprocess.run(command, cwd=_CACHE, check=False, capture_output=True, timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise MissingError(f"npm pack {_UMAMI} took longer than {_TIMEOUT_S} s") from error


def build_ours(folder: Path, js: Path = JS) -> Path:
    """Build the snippet and its modules from `js` into `folder`, and return it; says where one cannot be built."""
    command = [_find("node"), "build.mjs", str(folder)]
    done = subprocess.run(command, cwd=js, check=False, capture_output=True, text=True, timeout=_TIMEOUT_S)
    if not (folder / "snippet.js").exists():
        raise MissingError(f"js/build.mjs failed: {done.stderr.strip()[-2000:]}")
    if done.returncode:
        print(f"js/build.mjs could not build everything: {done.stderr.strip()[-500:]}", file=sys.stderr)
    return folder


def build_readable(folder: Path, js: Path = JS, *, with_signals: bool) -> Path:
    """Build the core, and the signals, as js/build.mjs does but with the names of the sources; return `folder`."""
    modules = {}
    if with_signals:
        (folder / "modules").mkdir(parents=True)
        file = folder / "modules" / "signals.js"
        file.write_text(_run_esbuild(["--format=esm", *_READABLE], _SIGNALS, js), "utf-8")
        modules = {"signals": hash_of(file)}
    options = ["--format=iife", f"--define:MODULES={json.dumps(modules)}", *_READABLE]
    (folder / "snippet.js").write_text(_run_esbuild(options, "import './src/snippet';", js), "utf-8")
    return folder


def hash_of(file: Path) -> str:
    """Return the part of a built module's hash that stands in its address."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:8]


def _run_esbuild(options: list[str], source: str, js: Path = JS) -> str:
    esbuild = _PACKAGES / ".bin" / "esbuild"
    if not esbuild.exists():
        raise MissingError("esbuild is not in js/node_modules: run `sh .ci/js`")
    done = subprocess.run(
        [str(esbuild), *options],
        cwd=js,
        input=source,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise MissingError(f"esbuild failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


def _find(program: str) -> str:
    found = shutil.which(program) or shutil.which(program, path=str(ROOT / ".venv" / "bin"))
    if found is None:
        raise MissingError(f"{program} is not on PATH")
    return found
