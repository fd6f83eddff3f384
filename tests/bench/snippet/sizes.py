"""What each script weighs: raw, gzip at level 9, brotli at quality 11, and the limits of our own parts."""

import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import brotli  # type: ignore[import-untyped]  # the package ships no types

from . import bundle

CORE_BYTES = 5_376
"""Most that the core may weigh, brotli. The project's target is 4,096, which is not reached yet."""
MODULE_BYTES = {"signals": 6_656, "layout": 4_352, "consent": 2_048, "debug": 10_240}
"""Most that each module may weigh, brotli."""
WHAT_IS_WHERE = {
    "snippet": (
        "on every page",
        "views, routes, clicks, moves, scroll depth, sections, engaged time, dead and error clicks, delivery",
    ),
    "signals": (
        "when idle, unless the site switched it off",
        "vitals, form fields, selections and copies, errors, swipes, links out, print, zoom, states",
    ),
    "layout": ("when the collector asks for it", "boxes of the page's elements and sections"),
    "consent": ("with a kept visitor id, or after `jalki('consent', …)`", "visitor id, batches kept across pages"),
    "debug": ("where the address has `jalki_debug`", "shows the owner what is captured"),
}


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of one script."""

    name: str
    raw: int
    gzip: int
    brotli: int
    note: str = ""

    @property
    def limit(self) -> int | None:
        """Most brotli bytes that it may have; None: it is another's."""
        return CORE_BYTES if self.name == "snippet" else MODULE_BYTES.get(self.name)


def size_of(name: str, text: str, note: str = "") -> Size:
    """Return the size of a script as it would be sent."""
    data = text.encode()
    packed = brotli.compress(data, mode=brotli.MODE_TEXT, quality=11)
    return Size(name, len(data), len(gzip.compress(data, 9)), len(packed), note)


def list_our_sizes(built: Path) -> list[Size]:
    """Return the sizes of the core and of each module that is built."""
    files = [built / "snippet.js", *(built / "modules" / f"{name}.js" for name in MODULE_BYTES)]
    return [size_of(file.stem, file.read_text("utf-8")) for file in files if file.exists()]


def list_peer_sizes() -> list[Size]:
    """Return the sizes of the others' scripts; who cannot be had here has a note instead."""
    return [_measure(name, note, read) for name, note, read in _PEERS]


def _package(path: str) -> Callable[[], str]:
    return lambda: bundle.read_package(path)


def _modules(entry: str) -> Callable[[], str]:
    return lambda: bundle.bundle_modules(entry)


_PEERS: Sequence[tuple[str, str, Callable[[], str]]] = (
    ("Umami", "2.10.0, tracker of the npm package, minified here", bundle.read_umami),
    ("Plausible", "@plausible-analytics/tracker 0.4.6", _package("@plausible-analytics/tracker/plausible.js")),
    ("Clarity without replay", "clarity-js 0.8.70, its insight build", _package("clarity-js/build/clarity.insight.js")),
    ("Clarity", "clarity-js 0.8.70", _package("clarity-js/build/clarity.min.js")),
    (
        "@rrweb/record",
        "2.1.6, bundled here",
        _modules("import { record } from '@rrweb/record'; window.record = record;"),
    ),
    ("Countly", "countly-sdk-web 26.1.1", _package("countly-sdk-web/lib/countly.min.js")),
    (
        "OpenReplay",
        "@openreplay/tracker 19.0.1, bundled here",
        _modules("import Tracker from '@openreplay/tracker/class'; window.Tracker = Tracker;"),
    ),
    ("PostHog", "posthog-js 1.449.2, array.js", _package("posthog-js/dist/array.js")),
    ("PostHog's recorder", "loaded later, beside array.js", _package("posthog-js/dist/posthog-recorder.js")),
)


def _measure(name: str, note: str, read: Callable[[], str]) -> Size:
    try:
        return size_of(name, read(), note)
    except bundle.MissingError as error:
        return Size(name, 0, 0, 0, f"left out: {error}")
