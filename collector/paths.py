"""One spelling for each path of a site, so that a page is one page. Pure."""

import re
from collections.abc import Sequence
from urllib.parse import quote, unquote_to_bytes

MAX_PARAMS = 20
"""Query parameters of one address that are kept; one name may stand in it several times."""
MAX_QUERY_CHARS = 500
"""Of them together; what does not fit is dropped as a whole."""

_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SLASHES = re.compile(r"/{2,}")
_KEPT_ESCAPED = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029/?#%\\\ufeff]")
_ESCAPED_IN_QUERY = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029&=+#%\\\ufeff]")


def canonical_path(path: str, params: Sequence[str] = (), *, has_hash_routes: bool = False) -> str:
    """Return the path under which the visits of this page are counted.

    Dot segments are resolved, slashes not repeated, no slash is at the end; escapes that stand for readable characters
    are decoded, all others spelled in capitals. Of the query what `params` names is kept, sorted by name, of the
    fragment a path of its own where it is a route. All else is dropped. Calling it again changes nothing.
    """
    before, _, fragment = path.partition("#")
    bare, _, query = before.partition("?")
    text = _spell_path(bare)
    if query and params:
        text += _spell_query(query, params)
    if has_hash_routes and fragment.startswith("/"):
        route = _spell_path(fragment.partition("?")[0])
        text += "" if route == "/" else f"#{route}"
    return text


def _spell_path(path: str) -> str:
    text = _BARE_PERCENT.sub("%25", path)
    text = _ESCAPES.sub(lambda match: _decode(match.group()), text)
    text = _KEPT_ESCAPED.sub(
        lambda match: match.group() if match.group() in "/%" else quote(match.group(), safe=""), text
    )
    return _resolve_dots(_SLASHES.sub("/", text))


def _spell_query(query: str, params: Sequence[str]) -> str:
    """Return the named parameters with a `?` before them, or nothing; values of one name stay in their order."""
    pairs = [tuple(_spell_value(part) for part in pair.split("=", 1)) for pair in query.split("&")]
    kept: list[str] = []
    chars = 0
    for name, *value in sorted((pair for pair in pairs if pair[0] in params), key=lambda pair: pair[0]):
        text = f"{name}={value[0] if value else ''}"
        chars += 1 + len(text)
        if len(kept) == MAX_PARAMS or chars > MAX_QUERY_CHARS:
            break
        kept.append(text)
    return "?" + "&".join(kept) if kept else ""


def _spell_value(text: str) -> str:
    """Return a name or value of a query as it is written here; bytes that are no text become U+FFFD."""
    decoded = unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "replace")
    return _ESCAPED_IN_QUERY.sub(lambda match: quote(match.group(), safe=""), decoded)


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
