"""Finds the Chromium that the browser tests drive, and with --install fetches one where there is none.

python tests/find_browser.py [--install]      prints its path; exit code 1 if there is none

Where there is also its headless shell, which is the same engine without the browser around it, most tests drive that:
a page costs 0.14 s of CPU there, and 0.95 s in the whole browser. JALKI_TEST_CHROMIUM names one for all of them.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

_SHELLS = ("chromium-headless-shell", "chrome-headless-shell")
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_MAC = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_CACHED_SHELLS = ("chromium_headless_shell-*/chrome-*/*headless*shell*",)
_CACHED = (
    "chromium-*/chrome-*/chrome",
    "chromium-*/chrome-*/Chromium.app/Contents/MacOS/Chromium",
)
_INSTALL_TIMEOUT_S = 900


def find_browser() -> str | None:
    """Return the path of a whole browser that starts: JALKI_TEST_CHROMIUM, one on PATH, one in Playwright's cache."""
    return os.environ.get("JALKI_TEST_CHROMIUM") or _first(_browsers())


def find_engine() -> str | None:
    """Return the path of a headless shell, and where there is none that of a whole browser."""
    return os.environ.get("JALKI_TEST_CHROMIUM") or _first(_shells()) or find_browser()


def install_browser() -> None:
    """Try the system's package manager, then Playwright's download; what fails is said on stderr."""
    playwright = [sys.executable, "-m", "playwright", "install"]
    for command in (*_apt_commands(), [*playwright, "--with-deps", "chromium"], [*playwright, "chromium"]):
        print("tests need a browser:", *command, file=sys.stderr)
        try:
            subprocess.run(
                command, stdout=sys.stderr, stdin=subprocess.DEVNULL, check=False, timeout=_INSTALL_TIMEOUT_S
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            print(error, file=sys.stderr)
        if find_browser():
            return


def _first(candidates: Iterator[str]) -> str | None:
    return next((path for path in candidates if _starts(path)), None)


def _shells() -> Iterator[str]:
    yield from _on_path(_SHELLS)
    yield from _in_cache(_CACHED_SHELLS)


def _browsers() -> Iterator[str]:
    yield from _on_path(_NAMES)
    yield from (path for path in _MAC if Path(path).exists())
    yield from _in_cache(_CACHED)


def _on_path(names: Sequence[str]) -> Iterator[str]:
    yield from filter(None, map(shutil.which, names))


def _in_cache(patterns: Sequence[str]) -> Iterator[str]:
    for folder in _playwright_folders():
        for pattern in patterns:
            yield from (str(path) for path in sorted(folder.glob(pattern), reverse=True) if os.access(path, os.X_OK))


def _playwright_folders() -> list[Path]:
    chosen = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    if chosen and chosen != "0":
        return [Path(chosen)]
    return [Path.home() / ".cache" / "ms-playwright", Path.home() / "Library" / "Caches" / "ms-playwright"]


def _starts(path: str) -> bool:
    # Ubuntu's chromium-browser may be a stub that only names the snap to install.
    try:
        return subprocess.run([path, "--version"], capture_output=True, check=False, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _apt_commands() -> Iterator[list[str]]:
    if not shutil.which("apt-get"):
        return
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if prefix and not shutil.which("sudo"):
        return
    yield [*prefix, "apt-get", "update", "-q"]
    install = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-q", "-y"]
    # Debian has a package of the shell; where there is none, the second command does.
    yield [*install, "chromium", "chromium-headless-shell"]
    yield [*install, "chromium"]


def main() -> int:
    """Print the browser's path."""
    path = find_browser()
    if path is None and "--install" in sys.argv[1:]:
        install_browser()
        path = find_browser()
    if path is None:
        print("no Chromium found: install one, or set JALKI_TEST_CHROMIUM to its path", file=sys.stderr)
        return 1
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
