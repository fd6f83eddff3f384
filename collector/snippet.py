"""The script that an owner's page loads: the built snippet filled with what belongs to the site, and its modules. Pure.

The address of a pinned script names the build and the settings in it, so that what lies behind one address never
changes, not even in a browser that has kept it.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag

from collector.errors import InvalidError, StorageError
from collector.scripts import Script, build_script, integrity_of

KEY_PLACE = "__JALKI_KEY__"
"""Stands once in the built snippet, where the site key belongs."""
SITE_PLACE = "__JALKI_SITE__"
"""Stands once in the built snippet, where the site's settings belong; builds from before there were any lack it."""
_VERSION_DIGITS = 12
"""Of the hash that names a build in a pinned address: tells some hundred builds apart, SRI does the rest."""
_MODULE_DIGITS = 8
"""The same for a module; `js/build.mjs` writes as many into the snippet."""
_MAX_SETTINGS = 1_000
"""Different settings whose versions are kept ready, of all sites together."""


MAX_PARAMS = 20
"""Query parameters of a site that are part of its pages' addresses: they stand in its script."""
_PARAM = re.compile(r"[A-Za-z0-9_.~-]{1,40}")


class SnippetFlag(IntFlag):
    """What a site has chosen for its script; the snippet reads the sum."""

    SIGNALS = 1
    """Load the module that watches for more than clicks, moves and scrolling."""
    CONSENT_FIRST = 2
    """Record nothing before the page has called `jalki('consent', …)`."""
    HASH_ROUTES = 4
    """A change of the address's hash is a change of the page."""
    IGNORE_GPC = 8
    """Record visitors with Global Privacy Control or Do Not Track as all others."""


@dataclass(frozen=True, slots=True)
class Filling:
    """What belongs to one site in its script."""

    key: str
    flags: int = SnippetFlag.SIGNALS
    params: tuple[str, ...] = ()
    """Query parameters that are part of a page's address."""

    @property
    def settings(self) -> str:
        """All but the key, as the script reads it: `FLAGS,param,param…`."""
        return ",".join((str(int(self.flags)), *self.params))


@dataclass(frozen=True, slots=True)
class Module:
    """A part of the snippet that is loaded later; `name` is what the snippet calls it."""

    name: str
    body: bytes

    @property
    def address(self) -> str:
        """What stands for it below `/s/m/`, without `.js`: its name and its hash."""
        return f"{self.name}.{hashlib.sha256(self.body).hexdigest()[:_MODULE_DIGITS]}"


@dataclass(frozen=True, slots=True)
class Bundles:
    """The built snippet of this version, builds of earlier ones that owners may have pinned, and the modules of all."""

    present: str
    earlier: Sequence[str] = ()
    modules: Sequence[Module] = ()


class ScriptShelf:
    """The scripts of the sites asked for lately, built once each; bounded."""

    def __init__(self, bundles: Bundles, max_scripts: int = 1_000) -> None:
        for source in (bundles.present, *bundles.earlier):
            if KEY_PLACE not in source:
                raise StorageError(f"a built snippet does not hold {KEY_PLACE}; build it again with `make js`")
        # The present one first: a release keeps it among the earlier ones, too.
        self._sources = (bundles.present, *bundles.earlier)
        self._max_scripts = max_scripts
        self._versions: OrderedDict[str, dict[str, str]] = OrderedDict()
        self._scripts: OrderedDict[tuple[Filling, str], Script] = OrderedDict()

    def present(self, settings: str) -> str:
        """Return the version of the present build with these settings."""
        return next(iter(self._versions_of(settings)))

    def is_known(self, settings: str, version: str) -> bool:
        """Return whether a pinned address of a site with these settings may name this version."""
        return version in self._versions_of(settings)

    def find(self, filling: Filling, version: str) -> Script | None:
        """Return a script that is ready; None: it has to be built first."""
        script = self._scripts.get((filling, version))
        if script is not None:
            self._scripts.move_to_end((filling, version))
        return script

    def build(self, filling: Filling, version: str) -> Script:
        """Return the script of a site that exists, of a version known with its settings, and keep it."""
        source = self._versions_of(filling.settings)[version]
        script = build_script(fill(source, filling).encode())
        self._scripts[filling, version] = script
        while len(self._scripts) > self._max_scripts:
            self._scripts.popitem(last=False)
        return script

    def _versions_of(self, settings: str) -> dict[str, str]:
        """Return every build by its version with these settings, the present one first."""
        versions = self._versions.get(settings)
        if versions is None:
            versions = {version_of(source, settings): source for source in self._sources}
            self._versions[settings] = versions
            while len(self._versions) > _MAX_SETTINGS:
                self._versions.popitem(last=False)
        return versions


class ModuleShelf:
    """The modules of all builds, each packed when it is first asked for."""

    def __init__(self, modules: Sequence[Module]) -> None:
        self._modules = {module.address: module for module in modules}
        self._scripts: dict[str, Script] = {}

    def is_known(self, address: str) -> bool:
        """Return whether there is a module of this name and hash."""
        return address in self._modules

    def find(self, address: str) -> Script | None:
        """Return a module that is ready; None: it has to be built first."""
        return self._scripts.get(address)

    def build(self, address: str) -> Script:
        """Return a known module, and keep it."""
        self._scripts[address] = script = build_script(self._modules[address].body)
        return script


def version_of(source: str, settings: str) -> str:
    """Return the name of a build with a site's settings in pinned addresses: 12 digits, the same for every key."""
    return hashlib.sha256(source.replace(SITE_PLACE, settings).encode()).hexdigest()[:_VERSION_DIGITS]


def fill(source: str, filling: Filling) -> str:
    """Return a built snippet with what belongs to a site in it."""
    return source.replace(SITE_PLACE, filling.settings).replace(KEY_PLACE, filling.key)


def build_tag(address: str, key: str) -> str:
    """Return the line that an owner pastes; the service at `address` may change the script with its version."""
    return f'<script async src="{address}/s/{key}.js"></script>'


def build_pinned_tag(address: str, filling: Filling, source: str) -> str:
    """Return the line for an owner who wants exactly this build and these settings: browsers refuse any other."""
    integrity = integrity_of(fill(source, filling).encode())
    place = f"{address}/s/{filling.key}.{version_of(source, filling.settings)}.js"
    return f'<script async src="{place}" integrity="{integrity}" crossorigin="anonymous"></script>'


def canonical_params(names: Sequence[str]) -> list[str]:
    """Return names of query parameters, each once, in the order in which addresses are written with them.

    Raises:
        InvalidError: one cannot stand in a script, or there are too many.
    """
    named = sorted(set(names))
    for name in named:
        if not _PARAM.fullmatch(name):
            rule = "it has 1 to 40 letters, digits, '.', '_', '~' or '-'"
            raise InvalidError(f"{name[:80]!r} is no query parameter: {rule}", "write names without values: page,lang")
    if len(named) > MAX_PARAMS:
        message = f"{len(named)} query parameters are more than {MAX_PARAMS}"
        raise InvalidError(message, "name only those that make another page of an address")
    return named


UNKNOWN_SITE = (
    b'console.warn("jalki: no site has the key in this script\'s address; copy the tag from its install page");\n'
)
"""Sent in place of a snippet, so that the owner finds the reason in the browser's console."""
UNKNOWN_VERSION = (
    b"console.warn(\"jalki: this version of the script is not kept, or the site's settings are others by now; "
    b'`jalki site snippet --pin` prints the present tag");\n'
)
"""Sent for a pinned version that is not there; a browser that checks `integrity` refuses it, and says so as well."""
UNKNOWN_MODULE = b"// jalki: no build of the snippet that is kept has this module\n"
"""Sent for a module that is not there; the snippet goes on without it."""
