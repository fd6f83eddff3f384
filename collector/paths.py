"""One spelling for each path of a site, so that a page is one page. Pure."""

import re
from urllib.parse import quote, unquote_to_bytes

_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SLASHES = re.compile(r"/{2,}")
_KEPT_ESCAPED = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029/?#%\\\ufeff]")


def canonical_path(path: str) -> str:
    """Return the path under which the visits of this page are counted.

    Query and fragment are dropped, dot segments resolved, slashes not repeated, no slash at the end; escapes that stand
    for readable characters are decoded, all others spelled in capitals. Calling it again changes nothing.
    """
    text = _BARE_PERCENT.sub("%25", path.partition("#")[0].partition("?")[0])
    text = _ESCAPES.sub(lambda match: _decode(match.group()), text)
    text = _KEPT_ESCAPED.sub(
        lambda match: match.group() if match.group() in "/%" else quote(match.group(), safe=""), text
    )
    return _resolve_dots(_SLASHES.sub("/", text))


def _decode(escapes: str) -> str:
    decoded = unquote_to_bytes(escapes)
    try:
        text = decoded.decode()
    except UnicodeDecodeError:
        return escapes.upper()
    return _KEPT_ESCAPED.sub(lambda match: quote(match.group(), safe=""), text)


def _resolve_dots(path: str) -> str:
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in {"", "."}:
            kept.append(segment)
    return "/" + "/".join(kept)
