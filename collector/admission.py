"""May this batch come in: origin, age, and whose address it came from. Pure, the clock is passed in."""

import hmac
import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence

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


def client_address(
    peer: str, forwarded_for: Sequence[str], proxies: Sequence[Network], forwarded: Sequence[str] = ()
) -> str:
    """Return the address that speaks to us: the right-most one that is not a trusted proxy.

    `forwarded_for` and `forwarded` hold the X-Forwarded-For and the Forwarded (RFC 7239) headers in the order in which
    they came. They are read only while the one who wrote them is trusted; an entry that is no address, which an
    obfuscated identifier is not, ends the search at the proxy that wrote it. Where both kinds are there, only
    X-Forwarded-For counts: nginx and Caddy write that one and hand on whatever Forwarded the client sent.
    """
    if not proxies or not (forwarded_for or forwarded):
        return peer
    hops = [hop.strip() for header in forwarded_for for hop in header.split(",")]
    if not forwarded_for:
        hops = [hop for header in forwarded for hop in _read_forwarded(header)]
    address = peer
    while hops and is_within(address, proxies):
        parsed = _parse_hop(hops.pop())
        if parsed is None:
            break
        address = parsed
    return address


def may_read_metrics(token: str, authorization: str, peer: str, headers: Mapping[str, str]) -> bool:
    """Return whether one who asks for the metrics may have them.

    With a token, whoever sends it as `Authorization: Bearer`. Without one, a program on this machine that asks for it
    by its own name and comes through no proxy: one on this machine would make all the world look like it.
    """
    if token:
        sent = authorization.encode(errors="surrogateescape")
        return hmac.compare_digest(sent, f"Bearer {token}".encode())
    names = {name.lower() for name in headers}
    host = next((value for name, value in headers.items() if name.lower() == "host"), "")
    is_forwarded = bool(names & _PROXY_HEADERS) or any(name.startswith("x-forwarded-") for name in names)
    return not is_forwarded and _LOCAL_HOST.fullmatch(host) is not None and _is_loopback(peer)


_PROXY_HEADERS = {"forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"}
_LOCAL_HOST = re.compile(r"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?", re.IGNORECASE | re.ASCII)


def _is_loopback(address: str) -> bool:
    parsed = _parse_address(address)
    return parsed is not None and parsed.is_loopback


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Return whether an address lies in one of the networks; what is no address lies in none."""
    parsed = _parse_address(address)
    return parsed is not None and any(parsed in network for network in networks)


def _parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address; one of IPv4 that a socket of IPv6 has mapped is what it was."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _parse_hop(hop: str) -> str | None:
    """Return the address of one entry, which may carry a port: `1.2.3.4:80`, `[::1]:80`."""
    bare = hop[1:].partition("]")[0] if hop.startswith("[") else hop
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    address = _parse_address(bare)
    return str(address) if address else None


_PAIR = re.compile(r"""[ \t]*(?:([\w!#$%&'*+.^`|~-]+)=("(?:[^"\\]|\\.)*"|[^\s",;]+))?[ \t]*""", re.ASCII)
"""One `name=value` of a Forwarded header, or nothing, since one may be missing; ports and brackets need no quotes."""
_NO_ADDRESS = ""


def _read_forwarded(header: str) -> list[str]:
    """Return the `for` of each element; `_NO_ADDRESS` where there is none, and for a header that cannot be read."""
    hops: list[str] = []
    nodes: list[str] = []
    has_pair, at = False, 0
    while at <= len(header):
        pair = _PAIR.match(header, at)
        assert pair is not None  # everything in it may be missing
        if pair[1]:
            has_pair = True
            nodes += [_unquote(pair[2])] if pair[1].lower() == "for" else []
        end = header[pair.end() : pair.end() + 1]
        if end not in {"", ",", ";"}:
            return [_NO_ADDRESS]
        if end != ";" and has_pair:
            hops.append(nodes[0] if len(nodes) == 1 else _NO_ADDRESS)
        if end != ";":
            nodes, has_pair = [], False
        at = pair.end() + 1
    return hops


def _unquote(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
