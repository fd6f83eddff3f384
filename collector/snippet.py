"""The script that an owner's page loads: the built snippet with the site's key in it, in each form it is sent. Pure."""

import base64
import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import brotli  # type: ignore[import-untyped]  # the package ships no types

from collector.errors import StorageError

PLACEHOLDER = "__JALKI_KEY__"
"""Stands once in the built snippet, where the site key belongs."""
_VERSION_BYTES = 6
"""Of the hash that names a build in a pinned address: tells some hundred builds apart, SRI does the rest."""
_BROTLI_QUALITY = 11
_GZIP_LEVEL = 9


class Coding(StrEnum):
    """How a script's bytes are compressed, as `Content-Encoding` says it; the smallest first."""

    BROTLI = "br"
    GZIP = "gzip"
    IDENTITY = "identity"


_ETAG_ENDS = {Coding.BROTLI: "-br", Coding.GZIP: "-gz", Coding.IDENTITY: ""}


@dataclass(frozen=True, slots=True)
class Form:
    """A script as it is sent in one coding; `etag` is strong and differs from coding to coding."""

    body: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Script:
    """A script in all its forms; `integrity` is what an owner who pins it puts into the tag."""

    forms: Mapping[Coding, Form]
    integrity: str


@dataclass(frozen=True, slots=True)
class Bundles:
    """The built snippet of this version, and builds of earlier ones that owners may have pinned."""

    present: str
    earlier: Sequence[str] = ()


class ScriptShelf:
    """The scripts of the sites asked for lately, built once each; bounded."""

    def __init__(self, bundles: Bundles, max_scripts: int = 1_000) -> None:
        for source in (bundles.present, *bundles.earlier):
            if PLACEHOLDER not in source:
                raise StorageError(f"a built snippet does not hold {PLACEHOLDER}; build it again with `make js`")
        self.present = version_of(bundles.present)
        self._sources = {version_of(source): source for source in (*bundles.earlier, bundles.present)}
        self._max_scripts = max_scripts
        self._scripts: OrderedDict[tuple[str, str], Script] = OrderedDict()

    def is_known(self, version: str) -> bool:
        """Return whether a pinned address may name this version."""
        return version in self._sources

    def find(self, key: str, version: str) -> Script | None:
        """Return a script that is ready; None: it has to be built first."""
        script = self._scripts.get((key, version))
        if script is not None:
            self._scripts.move_to_end((key, version))
        return script

    def build(self, key: str, version: str) -> Script:
        """Return the script of a site that exists, of a known version, and keep it; takes some 50 ms of CPU."""
        script = build_script(fill_key(self._sources[version], key))
        self._scripts[key, version] = script
        while len(self._scripts) > self._max_scripts:
            self._scripts.popitem(last=False)
        return script


def version_of(source: str) -> str:
    """Return the name of a build in pinned addresses: 12 hexadecimal digits, the same for every site."""
    return hashlib.sha256(source.encode()).hexdigest()[: 2 * _VERSION_BYTES]


def fill_key(source: str, key: str) -> str:
    """Return a built snippet with a site's key in it."""
    return source.replace(PLACEHOLDER, key)


def build_script(source: str) -> Script:
    """Return a script with all its forms."""
    body = source.encode()
    bodies = {
        Coding.BROTLI: brotli.compress(body, mode=brotli.MODE_TEXT, quality=_BROTLI_QUALITY),
        Coding.GZIP: gzip.compress(body, _GZIP_LEVEL, mtime=0),
        Coding.IDENTITY: body,
    }
    tag = hashlib.blake2b(body, digest_size=12).hexdigest()
    forms = {coding: Form(packed, f'"{tag}{_ETAG_ENDS[coding]}"') for coding, packed in bodies.items()}
    return Script(forms, integrity_of(body))


def integrity_of(body: bytes) -> str:
    """Return the `integrity` attribute (Subresource Integrity) of a script."""
    return "sha384-" + base64.b64encode(hashlib.sha384(body).digest()).decode()


def build_tag(address: str, key: str) -> str:
    """Return the line that an owner pastes; the service at `address` may change the script with its version."""
    return f'<script async src="{address}/s/{key}.js"></script>'


def build_pinned_tag(address: str, key: str, source: str) -> str:
    """Return the line for an owner who wants exactly this build: browsers refuse any other."""
    integrity = integrity_of(fill_key(source, key).encode())
    place = f"{address}/s/{key}.{version_of(source)}.js"
    return f'<script async src="{place}" integrity="{integrity}" crossorigin="anonymous"></script>'


def choose_coding(accepted: str) -> Coding:
    """Return the coding for a sender of this `Accept-Encoding`: its weights count, then the size (RFC 9110, 12.5.3).

    Who forbids even `identity` gets it all the same, as the RFC allows: a page without its script helps nobody.
    """
    weights: dict[str, float] = {}
    for entry in accepted.lower().split(","):
        name, _, parameters = entry.partition(";")
        weights.setdefault(name.strip(), _read_weight(parameters))
    weights.setdefault("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    weights.setdefault("br", weights.get("*", 0.0))
    # Whoever names a weight for identity prefers it to what weighs less; unnamed, it is the last resort.
    weights.setdefault("identity", 0.0)
    best = max(Coding, key=lambda coding: weights[coding])
    return best if weights[best] > 0 else Coding.IDENTITY


def _read_weight(parameters: str) -> float:
    """Return the `q` of an entry: 1 where there is none, 0 where it is no weight."""
    text = parameters.strip()
    if not text:
        return 1.0
    name, _, value = text.partition("=")
    try:
        weight = float(value) if name.strip() == "q" else 0.0
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0


def has_tag(if_none_match: str, etag: str) -> bool:
    """Return whether an `If-None-Match` names this tag, `*`, or its weak form, which proxies make of it."""
    text = if_none_match.strip()
    return text == "*" or etag in {part.strip().removeprefix("W/") for part in text.split(",")}


UNKNOWN_SITE = (
    b'console.warn("jalki: no site has the key in this script\'s address; copy the tag from its install page");\n'
)
"""Sent in place of a snippet, so that the owner finds the reason in the browser's console."""
UNKNOWN_VERSION = (
    b'console.warn("jalki: this version of the script is not kept; '
    b'`jalki site snippet` prints the tag of the present one");\n'
)
"""Sent for a pinned version that is not there; a browser that checks `integrity` refuses it, and says so as well."""
