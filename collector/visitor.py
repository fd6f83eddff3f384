"""The keys of visitors: one that cannot be followed from a day into the next, and one that stays, with consent. Pure.

The address is used here and for rate limits, and goes no further.
"""

import hashlib
import ipaddress
import socket

from collector.ids import SiteId, VisitorKey

_IPV4_PREFIX = 24
_IPV6_PREFIX = 48
_KEPT = b"kept visitor id"
"""Makes another hash function of BLAKE2b than that of a day: what one hashes is never what the other does."""
_SIGN = 1 << 63


def visitor_key(salt: bytes, site_id: SiteId, address: str, user_agent: str) -> VisitorKey:
    """Return the visitor's key for the day of `salt`: a keyed hash of site, network prefix and user agent.

    `salt` has 16 to 64 bytes. An address that cannot be read counts as one network. The key is negative.
    """
    digest = hashlib.blake2b(site_id.to_bytes(8, "big"), digest_size=8, key=salt)
    digest.update(network_prefix(address))
    digest.update(user_agent.encode("utf-8", "surrogateescape"))
    return VisitorKey(int.from_bytes(digest.digest(), "big") % _SIGN - _SIGN)


def kept_visitor_key(site_id: SiteId, kept: str) -> VisitorKey:
    """Return the key of a visitor id, 32 hexadecimal digits, that a browser keeps with consent: the same on all days.

    The id is the key of the hash and cannot be found from it. The key is not negative, and so never that of a day.
    """
    digest = hashlib.blake2b(site_id.to_bytes(8, "big"), digest_size=8, key=bytes.fromhex(kept), person=_KEPT)
    return VisitorKey(int.from_bytes(digest.digest(), "big") % _SIGN)


def is_kept(key: VisitorKey) -> bool:
    """Return whether a key is of an id that the browser keeps; half of those stored before there were any look so."""
    return key >= 0


def network_prefix(address: str) -> bytes:
    """Return 17 bytes that name the /24 (IPv4) or /48 (IPv6) of an address; zeros where it cannot be read."""
    # The quick way for nearly all: ipaddress takes ten times as long.
    try:
        return b"\x04" + socket.inet_pton(socket.AF_INET, address)[: _IPV4_PREFIX // 8].ljust(16, b"\0")
    except (OSError, ValueError):
        pass
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return bytes(17)
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return b"\x06" + parsed.packed[: _IPV6_PREFIX // 8].ljust(16, b"\0")
        parsed = parsed.ipv4_mapped
    return b"\x04" + parsed.packed[: _IPV4_PREFIX // 8].ljust(16, b"\0")
