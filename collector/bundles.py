"""Reads the built snippets that ship with the package: the present one, and earlier ones that pages have pinned.

`dist/` is what js/ builds. `released/` keeps the builds of every release: a pinned page loads its own for as long as
it likes, and a browser may run a script that it has kept for a day after an update, which then asks for its modules.
"""

import importlib.resources
from collections.abc import Iterator
from importlib.resources.abc import Traversable

from collector.errors import StorageError
from collector.snippet import Bundles, Module


def load_bundles(package: Traversable | None = None) -> Bundles:
    """Return every build that is served; `package` is the folder that holds `dist` and `released`, ours unless given.

    Raises:
        StorageError: the present one is missing, or a kept module is not what its name says.
    """
    package = package or importlib.resources.files("collector")
    dist, released = package.joinpath("dist"), package.joinpath("released")
    try:
        present = dist.joinpath("snippet.js").read_text("utf-8")
    except FileNotFoundError as error:
        raise StorageError("collector/dist/snippet.js is missing; build it with `make js`") from error
    earlier = tuple(item.read_text("utf-8") for item in _scripts_in(released))
    modules = [_load_module(item) for folder in (released, dist) for item in _scripts_in(folder.joinpath("modules"))]
    return Bundles(present, earlier, tuple(modules))


def _scripts_in(folder: Traversable) -> Iterator[Traversable]:
    found = (item for item in folder.iterdir() if item.name.endswith(".js")) if folder.is_dir() else ()
    yield from sorted(found, key=lambda item: item.name)


def _load_module(item: Traversable) -> Module:
    """Return the module of `NAME.js` or, as releases keep it, `NAME.HASH.js`."""
    stem = item.name.removesuffix(".js")
    module = Module(stem.partition(".")[0], item.read_bytes())
    if stem not in {module.name, module.address}:
        raise StorageError(f"collector/released/modules/{item.name} is not what its name says; restore it from git")
    return module
