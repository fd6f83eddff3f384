"""The script that an owner's page loads: the built snippet with the site's key in it. Pure."""

import gzip
import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from collector.errors import StorageError

PLACEHOLDER = "__JALKI_KEY__"
"""Stands once in the built snippet, where the site key belongs."""


@dataclass(frozen=True, slots=True)
class Script:
    """A script as it is sent; `etag` is strong and differs for the compressed form."""

    body: bytes
    gzipped: bytes
    etag: str
    gzipped_etag: str


class ScriptShelf:
    """The scripts of the sites asked for lately, built once each; bounded."""

    def __init__(self, source: str, max_scripts: int = 1_000) -> None:
        if PLACEHOLDER not in source:
            raise StorageError(f"the built snippet does not hold {PLACEHOLDER}; build it again with `make snippet`")
        self._source = source
        self._max_scripts = max_scripts
        self._scripts: OrderedDict[str, Script] = OrderedDict()

    def script_of(self, key: str) -> Script:
        """Return the script of a site; `key` is the key of a site that exists."""
        script = self._scripts.get(key)
        if script is None:
            script = self._scripts[key] = build_script(self._source.replace(PLACEHOLDER, key))
            if len(self._scripts) > self._max_scripts:
                self._scripts.popitem(last=False)
        return script


def build_script(source: str) -> Script:
    """Return a script with both its forms and their tags."""
    body = source.encode()
    tag = hashlib.blake2b(body, digest_size=12).hexdigest()
    return Script(body, gzip.compress(body, 9, mtime=0), f'"{tag}"', f'"{tag}-gz"')


UNKNOWN_SITE = build_script(
    'console.warn("jalki: no site has the key in this script\'s address; copy the tag from its install page");\n'
)
"""Sent in place of a snippet, so that the owner finds the reason in the browser's console."""
