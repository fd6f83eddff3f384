"""The pure parts that judge and name: paths, devices, visitors, origins, ages, addresses, limits, sites."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_batches import NOW, SALT, decoded, wire_batch

from collector.admission import client_address, judge_age, judge_origin, started_ms
from collector.devices import device_class, width_class
from collector.errors import InvalidError, NotFoundError
from collector.ids import Device, SiteId
from collector.limits import TokenBuckets
from collector.origins import canonical_origin
from collector.paths import canonical_path
from collector.sites import NewSite, add_site, build_site_key, load_site
from collector.visitor import network_prefix, visitor_key
from collector.wire import DropReason

PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/", "/"),
        ("/a/", "/a"),
        ("//a///b", "/a/b"),
        ("/a?x=1#y", "/a"),
        ("/a#b?c", "/a"),
        ("/a/./b/../c", "/a/c"),
        ("/../../a", "/a"),
        ("/%7euser", "/~user"),
        ("/%c3%a4iti", "/äiti"),
        ("/äiti", "/äiti"),
        ("/a%2fb%3Fc%23d", "/a%2Fb%3Fc%23d"),
        ("/%20a b", "/%20a%20b"),
        ("/100%", "/100%25"),
        ("/%ff%c3", "/%FF%C3"),
        ("/\u200b", "/\u200b"),
    ],
)
def test_one_page_has_one_path(path, canonical):
    """Spellings of one path become one; what would change its meaning stays escaped."""
    assert canonical_path(path) == canonical


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60).map(lambda text: "/" + text))
def test_a_canonical_path_is_its_own(path):
    """Canonicalising twice changes nothing, and leaves no query, no control character and no doubled slash."""
    canonical = canonical_path(path)

    assert canonical_path(canonical) == canonical
    assert canonical.startswith("/")
    assert not any(character in canonical for character in "?#\0\n ")
    assert "//" not in canonical


@given(
    st.lists(
        st.sampled_from(["%", "%2", "2", "5", "%25", "61", "/", ".", "%2e", "%2F", "ä", "%c3", "%a4"]), max_size=12
    )
)
def test_escapes_of_escapes_stay_what_they_are(parts):
    """No spelling is decoded a second time."""
    canonical = canonical_path("/" + "".join(parts))

    assert canonical_path(canonical) == canonical


@pytest.mark.parametrize(
    ("width_px", "is_coarse", "device"),
    [
        (599, False, Device.PHONE), (599, True, Device.PHONE), (600, True, Device.TABLET), (1023, True, Device.TABLET),
        (600, False, Device.DESKTOP), (1024, True, Device.DESKTOP), (0, False, Device.PHONE),
    ],
)  # fmt: skip
def test_devices_are_told_by_width_and_pointer(width_px, is_coarse, device):
    """The borders belong to the wider class; a tablet has a coarse pointer."""
    assert device_class(width_px, is_coarse, 600, 1024) is device


def test_width_classes_fit_their_column():
    """A class spans 160 px; absurd widths share the last one."""
    assert [width_class(width) for width in (0, 159, 160, 1440, 10_000_000)] == [0, 0, 1, 9, 32_767]


def test_a_visitor_is_one_network_and_browser_of_one_site_and_day():
    """Neighbours in a /24 or /48 with one user agent share a key; salt, site, network and agent each change it."""
    key = visitor_key(SALT, SiteId(1), "192.0.2.7", "A")

    assert key == visitor_key(SALT, SiteId(1), "192.0.2.200", "A")
    assert key == visitor_key(SALT, SiteId(1), "::ffff:192.0.2.9", "A")
    assert visitor_key(SALT, SiteId(1), "2001:db8:1::1", "A") == visitor_key(SALT, SiteId(1), "2001:db8:1:ffff::2", "A")
    others = {
        visitor_key(b"t" * 32, SiteId(1), "192.0.2.7", "A"),
        visitor_key(SALT, SiteId(2), "192.0.2.7", "A"),
        visitor_key(SALT, SiteId(1), "192.0.3.7", "A"),
        visitor_key(SALT, SiteId(1), "192.0.2.7", "B"),
        visitor_key(SALT, SiteId(1), "2001:db8:2::1", "A"),
        key,
    }
    assert len(others) == 6
    assert all(-(2**63) <= one < 2**63 for one in others)


def test_addresses_that_cannot_be_read_count_as_one_network():
    """A socket without an address does not break the key."""
    assert network_prefix("") == network_prefix("unix:") == bytes(17)


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        (None, True), ("https://shop.example", True), ("https://shop.example:8443", False),
        ("http://shop.example", False), ("https://Shop.example", False), ("null", False), ("", False),
    ],
)  # fmt: skip
def test_origins_are_compared_as_they_stand(origin, is_allowed):
    """Scheme, host and port must match; a request without an origin passes."""
    drop = judge_origin(origin, ("https://shop.example",))

    assert (drop is None) == is_allowed
    assert judge_origin(origin, ()) is None


@pytest.mark.parametrize(
    ("age_ms", "reason"),
    [(0, None), (1000, None), (1001, DropReason.TOO_OLD), (-60_000, None), (-60_001, DropReason.FROM_FUTURE)],
)
def test_the_age_of_a_view_is_bounded(age_ms, reason):
    """The bound itself is allowed, one ms more is not."""
    drop = judge_age(decoded(wire_batch(age_ms=age_ms)), 1000)

    assert (drop.reason if drop else None) is reason


def test_a_view_begins_by_the_clock_of_the_server():
    """A sender's clock that is off by years moves nothing; one that went back makes the view begin at receipt."""
    late = decoded(wire_batch(sent_ms=1_000_000, age_ms=250))
    jumped = decoded(wire_batch(age_ms=-5))

    assert (started_ms(late, 5_000_000), started_ms(jumped, 5_000_000)) == (4_999_750, 5_000_000)


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.1"], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.1, 10.2.2.2"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9", "198.51.100.1", "10.2.2.2"], "198.51.100.1"),
        ("10.0.0.1", ["10.3.3.3"], "10.3.3.3"),
        ("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("fd00::1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_the_client_is_the_right_most_untrusted_address(peer, forwarded_for, address):
    """What an untrusted hop wrote is not believed."""
    assert client_address(peer, forwarded_for, PROXIES) == address


def test_buckets_empty_and_fill_with_time():
    """A key may spend what a few seconds fill, then waits; others are not touched."""
    buckets = TokenBuckets(rate=2)

    spent = [buckets.take(b"a", 10.0) for _ in range(9)]

    assert spent == [0.0] * 8 + [0.5]
    assert buckets.take(b"b", 10.0) == 0.0
    assert buckets.take(b"a", 10.5) == 0.0
    assert buckets.take(b"a", 10.5) > 0
    assert buckets.take(b"a", 5.0) > 0, "a clock that goes back fills nothing"


def test_buckets_take_bounded_memory():
    """With too many keys those not used lately are forgotten, and one that is used is not."""
    buckets = TokenBuckets(rate=1, max_keys=4)
    for key in (b"a", b"b", b"c", b"a", b"d"):
        for _ in range(4):
            buckets.take(key, 1.0)

    assert buckets.take(b"a", 1.0) > 0
    assert buckets.take(b"b", 1.0) == 0.0
    for number in range(1_000):
        buckets.take(number, 1.0)
        assert len(buckets) <= 4


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://Shop.Example/", "https://shop.example"), ("http://a.example:80/x", "http://a.example"),
        ("http://localhost:3000", "http://localhost:3000"), ("https://äiti.example", "https://xn--iti-pla.example"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)  # fmt: skip
def test_origins_are_spelled_as_browsers_do(text, origin):
    """What a person writes becomes what stands in the Origin header."""
    assert canonical_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        *("", "shop.example", "ftp://a.example", "https://", "https://u@a.example", "http://a:b"),
        *("https://*.example.org", "http://exa mple", "http://a_b.example", "http://a..b", "https://ex%61mple.org"),
    ],
)
def test_what_is_no_origin_is_refused(text):
    """An origin that no browser sends is refused when the site is added, with a hint."""
    with pytest.raises(InvalidError) as refusal:
        canonical_origin(text)

    assert "https://" in refusal.value.hint


@pytest.mark.parametrize(
    "changes",
    [
        {"name": " "}, {"time_zone": "Mars/Olympus"}, {"buckets": 0}, {"buckets": 257},
        {"tablet_min_px": 1200}, {"desktop_min_px": 40_000}, {"origins": ("x",)},
    ],
)  # fmt: skip
async def test_a_site_without_meaning_is_refused(pool, changes):
    """A value that cannot be used is refused before it is stored."""
    async with pool.acquire() as conn:
        with pytest.raises(InvalidError):
            await add_site(conn, NewSite(**{"name": "Shop"} | changes), "someKey_1", NOW)

        assert await conn.fetchval("select count(*) from sites") == 0


async def test_sites_are_found_by_id_and_keys_are_unique(pool):
    """A site is loaded as it was added; an unknown id and a taken key are refused."""
    key = build_site_key(bytes(range(9)))
    async with pool.acquire() as conn:
        site = await add_site(conn, NewSite(name="Shop", origins=("http://b.example/", "http://a.example")), key, NOW)

        assert await load_site(conn, site.site_id) == site
        assert site.origins == ("http://a.example", "http://b.example")
        assert len(key) == 12
        with pytest.raises(InvalidError):
            await add_site(conn, NewSite(name="Again"), key, NOW)
        for unknown in (site.site_id + 1, 0, -1, 2**40):
            with pytest.raises(NotFoundError):
                await load_site(conn, SiteId(unknown))
