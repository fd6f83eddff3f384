"""Reads the built snippets that ship with the package: the present one, and earlier ones that pages have pinned."""

import importlib.resources

from collector.errors import StorageError
from collector.snippet import Bundles


def load_bundles() -> Bundles:
    """Return every build that is served; `released/` holds one file for each earlier version.

    Raises:
        StorageError: the present one is missing.
    """
    package = importlib.resources.files("collector")
    try:
        present = package.joinpath("dist/snippet.js").read_text("utf-8")
    except FileNotFoundError as error:
        raise StorageError("collector/dist/snippet.js is missing; build it with `make js`") from error
    released = package.joinpath("released")
    names = sorted(item.name for item in released.iterdir() if item.name.endswith(".js")) if released.is_dir() else []
    return Bundles(present, tuple(released.joinpath(name).read_text("utf-8") for name in names))
