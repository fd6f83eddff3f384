"""Addresses of data centres: ranges that the operator keeps in files, and whether an address lies in one.

No list is shipped: providers change theirs daily and publish them themselves. Nothing here keeps an address.
"""

import ipaddress
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from collector.errors import SettingsError

_JSON_BLOCK = re.compile(r'"([0-9A-Fa-f:.]+/[0-9]{1,3})"')
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class AddressRanges:
    """Ranges of addresses as numbers, by IP version: first ones sorted, and the last one of each; none overlap."""

    firsts: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    lasts: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())

    def __bool__(self) -> bool:
        """There is any range."""
        return any(self.firsts)

    def __contains__(self, address: str) -> bool:
        """Return whether the address lies in a range, in O(log n); what is no address lies in none."""
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(found, ipaddress.IPv6Address):
            found = found.ipv4_mapped or found
        version, number = found.version == 6, int(found)
        place = bisect_right(self.firsts[version], number) - 1
        return place >= 0 and number <= self.lasts[version][place]


NO_RANGES = AddressRanges()


def build_ranges(networks: Iterable[_Network]) -> AddressRanges:
    """Return the ranges of these networks; neighbours and overlaps become one."""
    given = list(networks)
    v4 = ipaddress.collapse_addresses(net for net in given if isinstance(net, ipaddress.IPv4Network))
    v6 = ipaddress.collapse_addresses(net for net in given if isinstance(net, ipaddress.IPv6Network))
    spans = [[(int(net[0]), int(net[-1])) for net in family] for family in (v4, v6)]
    firsts = tuple(first for first, _ in spans[0]), tuple(first for first, _ in spans[1])
    return AddressRanges(firsts, (tuple(last for _, last in spans[0]), tuple(last for _, last in spans[1])))


def parse_ranges(text: str) -> list[_Network]:
    """Return the networks of a file: lines of one address or CIDR block, or a provider's own JSON.

    Of JSON (AWS `ip-ranges.json`, Google `cloud.json`, Azure `ServiceTags`) every string that is a block is taken.

    Raises:
        ValueError: names the line or string that is no network.
    """
    if text.lstrip().startswith(("{", "[")):
        return [ipaddress.ip_network(block, strict=False) for block in _JSON_BLOCK.findall(text)]
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [ipaddress.ip_network(line, strict=False) for line in lines if line]


def load_ranges(paths: str) -> AddressRanges:
    """Return the ranges of comma-separated files; none for no file.

    Raises:
        SettingsError: a file cannot be read, holds no range or something that is none; names it.
    """
    networks: list[_Network] = []
    for path in (part.strip() for part in paths.split(",")):
        if path:
            networks += _load_file(Path(path).expanduser())
    return build_ranges(networks)


def _load_file(path: Path) -> list[_Network]:
    try:
        networks = parse_ranges(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"JALKI_DATACENTRE_RANGES: {path} cannot be read as address ranges: {error}") from error
    if not networks:
        raise SettingsError(f"JALKI_DATACENTRE_RANGES: {path} holds no address range")
    return networks
