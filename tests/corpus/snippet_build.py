"""Builds the snippet as the working tree has it, and a probe that says what the snippet would call an element.

JALKI_TEST_JS names another copy of js/ to try, as one with a fault put into it.
"""

import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
JS = ROOT / "js"
TRIED_JS = Path(os.environ.get("JALKI_TEST_JS", JS))
PACKAGES = JS / "node_modules"

_PROBE = """
import {{ createIdentify, pressedElement }} from '{source}/element';
export const nameOf = (element) => createIdentify()(element);
export const pressed = (innermost) => pressedElement(innermost);
"""
_TIMEOUT_S = 120


@cache
def build_snippet() -> Path:
    """Return a folder with `snippet.js` and `modules/`, built once in this process."""
    folder = Path(tempfile.mkdtemp(prefix="jalki-test-snippet-"))
    _run("node", str(TRIED_JS / "build.mjs"), str(folder))
    return folder


@cache
def build_probe() -> str:
    """Return JavaScript that declares `probe`, with `nameOf(element)` and `pressed(innermost)`."""
    with tempfile.TemporaryDirectory(prefix="jalki-test-") as folder:
        entry = Path(folder) / "probe.js"
        entry.write_text(_PROBE.format(source=(TRIED_JS / "src").as_posix()))
        options = ("--bundle", "--format=iife", "--global-name=probe", "--target=chrome90,firefox90")
        return _run("node", str(PACKAGES / "esbuild" / "bin" / "esbuild"), str(entry), *options)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, check=False, timeout=_TIMEOUT_S, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
