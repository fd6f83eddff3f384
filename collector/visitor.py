"""The key that counts one person once a day and cannot be followed into the next. Pure.

The address is used here and for rate limits, and goes no further.
"""

import hashlib
import ipaddress
import socket

from collector.ids import SiteId, VisitorKey

_IPV4_PREFIX = 24
_IPV6_PREFIX = 48


def visitor_key(salt: bytes, site_id: SiteId, address: str, user_agent: str) -> VisitorKey:
    """Return the visitor's key for the day of `salt`: a keyed hash of site, network prefix and user agent.

    `salt` has 16 to 64 bytes. An address that cannot be read counts as one network.
    """
    digest = hashlib.blake2b(site_id.to_bytes(8, "big"), digest_size=8, key=salt)
    digest.update(network_prefix(address))
    digest.update(user_agent.encode("utf-8", "surrogateescape"))
    return VisitorKey(int.from_bytes(digest.digest(), "big", signed=True))


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
