"""The origins of pages, spelled as browsers spell them. Pure."""

import ipaddress
import re
from urllib.parse import urlsplit

from collector.errors import InvalidError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_QUOTED = 80  # characters of what was typed that a refusal repeats
_HOST = re.compile(r"(?!-)[a-z0-9-]+(?:\.[a-z0-9-]+)*\.?")


def canonical_origin(text: str) -> str:
    """Return an origin as browsers write it: `scheme://host[:port]`, lower case, without a default port.

    Raises:
        InvalidError: it is not the address of a web page.
    """
    hint = "write scheme://host[:port], for example https://shop.example"
    try:
        parts = urlsplit(text.strip())
        port = parts.port
        host = parts.hostname or ""
    except ValueError as error:
        raise InvalidError(f"{text[:_MAX_QUOTED]!r} is not an origin", hint) from error
    if parts.scheme not in _DEFAULT_PORTS or not host or parts.username is not None:
        raise InvalidError(f"{text[:_MAX_QUOTED]!r} is not an origin", hint)
    host = f"[{_canonical_v6(host)}]" if ":" in host else _canonical_host(host)
    return f"{parts.scheme}://{host}" + ("" if port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{port}")


def _canonical_host(host: str) -> str:
    """Return a host as browsers send it, in Punycode; one that no browser can send would never match."""
    try:
        name = host.encode("idna").decode().lower()
    except UnicodeError:
        name = ""
    if not _HOST.fullmatch(name):
        message = f"{host[:_MAX_QUOTED]!r} is not the name of a host: it has letters, digits, '-' and '.' only"
        raise InvalidError(message, "write each host out, there are no wildcards: https://www.shop.example")
    return name


def _canonical_v6(host: str) -> str:
    try:
        return ipaddress.IPv6Address(host).compressed
    except ValueError as error:
        raise InvalidError(f"{host[:_MAX_QUOTED]!r} is not an IPv6 address", "for example http://[::1]:8080") from error
