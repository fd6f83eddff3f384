"""Who may come in: the client's address behind proxies, who reads the metrics, and how old a view of a site may be."""

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wire_batches import NOW, SITE, wire_batch

from collector.admission import client_address, may_read_metrics
from collector.errors import InvalidError
from collector.sites import NewSite, SiteChange, add_site, edit_site
from collector.wire import DropReason

PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
PROXY = "10.0.0.1"
CLIENT = "198.51.100.1"
HOUR_MS = 3_600_000

_words = st.sampled_from(
    ["for=", "for", "=", ";", ",", '"', "\\", " ", "\t", "[", "]", ":", "_hidden", "unknown", "by=", "proto=https",
     "10.2.2.2", CLIENT, "2001:db8::7", "[2001:db8::7]:4711", "\udcff", "%", "é", "0x7f.1"]
)  # fmt: skip
_headers = st.lists(st.lists(_words, max_size=12).map("".join), max_size=3)


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ([f"for={CLIENT}"], CLIENT),
        ([f"For={CLIENT};proto=https;by=203.0.113.43"], CLIENT),
        ([f'proto=https; for="{CLIENT}:4711"'], CLIENT),
        (['for="[2001:db8:cafe::17]:4711"'], "2001:db8:cafe::17"),
        (['for="[2001:db8:cafe::17]"'], "2001:db8:cafe::17"),
        ([f"for=203.0.113.9, for={CLIENT}"], CLIENT),
        ([f"for={CLIENT}, for=10.2.2.2"], CLIENT),
        ([f"for={CLIENT}", "for=10.2.2.2"], CLIENT),
        ([f"for={CLIENT}, for=unknown"], PROXY),
        ([f"for={CLIENT}, for=_hidden, for=10.2.2.2"], "10.2.2.2"),
        ([f"for={CLIENT}, proto=https"], PROXY),
        ([f"for={CLIENT}, for=1.1.1.1;for=2.2.2.2"], PROXY),
        ([f'for="{CLIENT}'], PROXY),
        ([f'for={CLIENT};x="', 'for="10.2.2.2"'], "10.2.2.2"),
        ([f'for={CLIENT};x=", for="[2001:db8::7]"'], PROXY),
        ([f'for=203.0.113.9;x="a,b;for={PROXY}", for="\\{CLIENT}"'], CLIENT),
        ([f", ,for={CLIENT},;,"], CLIENT),
        ([f"for = {CLIENT}"], PROXY),
        ([f'for={CLIENT}, "10.2.2.2'], PROXY),
        ([""], PROXY),
    ],
)
def test_forwarded_is_read_from_the_right(forwarded, address):
    """Quotes, ports, brackets, several elements and headers; what hides or cannot be read ends the search."""
    assert client_address(PROXY, [], PROXIES, forwarded) == address


def test_forwarded_of_who_is_no_proxy_is_not_believed():
    """A client cannot name itself."""
    assert client_address("192.0.2.9", [], PROXIES, [f"for={CLIENT}"]) == "192.0.2.9"
    assert client_address(PROXY, [], (), [f"for={CLIENT}"]) == PROXY


def test_x_forwarded_for_wins_and_the_two_are_never_mixed():
    """Where both are there, Forwarded counts for nothing, not even where X-Forwarded-For leads nowhere."""
    assert client_address(PROXY, [CLIENT], PROXIES, ["for=203.0.113.9"]) == CLIENT
    assert client_address(PROXY, ["unknown"], PROXIES, [f"for={CLIENT}"]) == PROXY
    assert client_address(PROXY, ["10.2.2.2"], PROXIES, [f"for={CLIENT}"]) == "10.2.2.2"


def test_a_proxy_on_a_socket_of_both_families_is_trusted():
    """`::ffff:10.0.0.1` is 10.0.0.1."""
    assert client_address("::ffff:10.0.0.1", [CLIENT], PROXIES) == CLIENT
    assert client_address(PROXY, [f"::ffff:{CLIENT}"], PROXIES) == CLIENT


@given(_headers, _headers, st.sampled_from([PROXY, "192.0.2.9", "fd00::1", "", "unix:"]))
@example([], ["for=" + '"' * 999], PROXY)
@example([], ["a=" * 4_000], PROXY)
def test_no_header_breaks_the_search_or_lets_a_stranger_choose(forwarded_for, forwarded, peer):
    """The result is the peer or an address; and the peer itself unless that is a trusted proxy."""
    address = client_address(peer, forwarded_for, PROXIES, forwarded)

    assert address == peer or ipaddress.ip_address(address)
    assert address == peer or peer in {PROXY, "fd00::1"}


@given(_headers)
@example(['for=203.0.113.9, "'])
def test_what_a_client_wrote_never_hides_what_the_proxy_added(written):
    """A proxy's own entry, on the right, is the answer or is lost with the header, but no other one is."""
    added = f'for="{CLIENT}:80";proto=https'
    joined = [*written[:-1], f"{written[-1]}, {added}"] if written else [added]

    assert client_address(PROXY, [], PROXIES, [*written, added]) == CLIENT
    assert client_address(PROXY, [], PROXIES, joined) in {CLIENT, PROXY}


LOCAL = {"Host": "127.0.0.1:8100"}


@pytest.mark.parametrize(
    ("peer", "headers", "may_read"),
    [
        ("127.0.0.1", LOCAL, True), ("127.0.0.1", {"Host": "localhost"}, True), ("::1", {"Host": "[::1]:8100"}, True),
        ("::ffff:127.0.0.1", LOCAL, True), ("192.0.2.1", LOCAL, False), ("", LOCAL, False),
        ("127.0.0.1", {"Host": "stats.example"}, False), ("127.0.0.1", {"Host": "127.0.0.1.evil.example"}, False),
        ("127.0.0.1", {}, False), ("127.0.0.1", LOCAL | {"X-Forwarded-For": "127.0.0.1"}, False),
        ("127.0.0.1", LOCAL | {"forwarded": "for=127.0.0.1"}, False), ("127.0.0.1", LOCAL | {"Via": "1.1 p"}, False),
        ("127.0.0.1", LOCAL | {"X-Forwarded-Proto": "https"}, False), ("127.0.0.1", LOCAL | {"X-Real-IP": "x"}, False),
    ],
)  # fmt: skip
def test_without_a_token_only_programs_of_the_machine_read_the_metrics(peer, headers, may_read):
    """What came through a proxy, from elsewhere, or asks for another host is turned away."""
    assert may_read_metrics("", "Bearer x", peer, headers) == may_read


@pytest.mark.parametrize(
    ("authorization", "may_read"),
    [("Bearer secret", True), ("", False), ("secret", False), ("Bearer secre", False), ("Bearer \udcff", False)],
)
def test_with_a_token_only_who_knows_it_reads_the_metrics(authorization, may_read):
    """The token opens them from anywhere, and being on the machine does not."""
    assert may_read_metrics("secret", authorization, "192.0.2.1", {}) == may_read
    assert may_read_metrics("secret", authorization, "127.0.0.1", LOCAL) == may_read


async def test_a_site_may_be_stricter_about_age_and_never_laxer(collector):
    """The smaller of the site's own limit and the service's counts; a view of exactly that age is accepted."""
    keys = {"strictKey_1": 2, "laxKey_1234": 100, "sameKey_123": None}
    async with collector.pool.acquire() as conn:
        for key, hours in keys.items():
            await add_site(conn, NewSite(name="Shop", late_hours=hours), key, NOW)
    collector.clock.turn(seconds=1)
    ages = (2 * HOUR_MS, 2 * HOUR_MS + 1, 24 * HOUR_MS, 24 * HOUR_MS + 1)

    answers = {key: [await collector.post(wire_batch(k=key, age_ms=age)) for age in ages] for key in keys}

    assert [answer.status for answer in answers["strictKey_1"]] == [204, 400, 400, 400]
    assert [answer.status for answer in answers["laxKey_1234"]] == [204, 204, 204, 400]
    assert [answer.status for answer in answers["sameKey_123"]] == [204, 204, 204, 400]
    assert answers["strictKey_1"][1].headers["X-Jalki-Drop"] == DropReason.TOO_OLD


async def test_a_sites_age_limit_is_set_kept_and_given_back(pool):
    """A change of something else leaves it, 0 gives it back, and what is no age is refused."""
    async with pool.acquire() as conn:
        site = await add_site(conn, NewSite(name="Shop", late_hours=6), "someKey_12", NOW)
        renamed = await edit_site(conn, site.site_id, SiteChange(name="Other"))
        changed = await edit_site(conn, site.site_id, SiteChange(late_hours=3))
        given_back = await edit_site(conn, site.site_id, SiteChange(late_hours=0))
        for hours in (-1, 2**15):
            with pytest.raises(InvalidError):
                await edit_site(conn, site.site_id, SiteChange(late_hours=hours))

    assert [one.late_hours for one in (site, renamed, changed, given_back)] == [6, 6, 3, None]
    assert SITE.late_limit(24) == 24
