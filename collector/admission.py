"""May this batch come in: origin, age, and whose address it came from. Pure, the clock is passed in."""

import ipaddress
from collections.abc import Collection, Iterable, Sequence

from collector.wire import Batch, Drop, DropReason

_CLOCK_STEP_MS = 60_000
"""A browser's clock that is set back by less than this in mid-view is forgiven: the view then begins at receipt."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def judge_origin(origin: str | None, allowed: Collection[str]) -> Drop | None:
    """Return why a request from this page is refused; None lets it in.

    Origins are compared as they stand, `scheme://host[:port]`; none allowed means any is, and a request without the
    header (a beacon of an old browser, a server) passes: the write key is public, origins only stop accidents.
    """
    if origin is None or not allowed or origin in allowed:
        return None
    return Drop(DropReason.ORIGIN_NOT_ALLOWED)


def judge_age(batch: Batch, late_ms: int) -> Drop | None:
    """Return why a view of this age is refused; None lets it in.

    The age is the difference of two readings of the sender's own clock, so a clock that is wrong does not matter.
    """
    age_ms = batch.sent_ms - batch.view.started_ms
    if age_ms > late_ms:
        return Drop(DropReason.TOO_OLD)
    if age_ms < -_CLOCK_STEP_MS:
        return Drop(DropReason.FROM_FUTURE)
    return None


def started_ms(batch: Batch, received_ms: int) -> int:
    """Return when the view began by the clock that read `received_ms`, in Unix ms; never after receipt."""
    return received_ms - max(0, batch.sent_ms - batch.view.started_ms)


def client_address(peer: str, forwarded_for: Sequence[str], proxies: Iterable[Network]) -> str:
    """Return the address that speaks to us: the right-most one that is not a trusted proxy.

    `forwarded_for` holds the X-Forwarded-For headers in the order in which they came. They are read only while the one
    who wrote them is trusted; an entry that is no address ends the search at the proxy that wrote it.
    """
    trusted = tuple(proxies)
    address = peer
    hops = [hop.strip() for header in forwarded_for for hop in header.split(",")]
    while hops and _is_within(address, trusted):
        parsed = _parse_hop(hops.pop())
        if parsed is None:
            break
        address = parsed
    return address


def _is_within(address: str, networks: Sequence[Network]) -> bool:
    if not networks:
        return False
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def _parse_hop(hop: str) -> str | None:
    """Return the address of one entry, which may carry a port: `1.2.3.4:80`, `[::1]:80`."""
    bare = hop[1:].partition("]")[0] if hop.startswith("[") else hop
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return None
