"""Which part of an address is the page: the parameters that a site names, and the hash where it is a route."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_batches import SITE, batch_rows, flush_of, wire_batch

from collector.ids import shard_key
from collector.names import NameBook
from collector.paths import MAX_QUERY_CHARS, canonical_path
from collector.snippet import SnippetFlag
from collector.store import Dictionaries, ensure_partitions, write_batches

PARAMS = ("x", "y")


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/a?x=1&y=2", "/a?x=1&y=2"),
        ("/a?y=2&x=1", "/a?x=1&y=2"),
        ("/a/?utm=3&x=1&token=secret", "/a?x=1"),
        ("/a?token=secret", "/a"),
        ("/a?x=2&x=1", "/a?x=2&x=1"),
        ("/a?x", "/a?x="),
        ("/a?x=a+b", "/a?x=a%20b"),
        ("/a?x=a%20b", "/a?x=a%20b"),
        ("/a?x=1%2B1", "/a?x=1%2B1"),
        ("/a?x=1%26y=2", "/a?x=1%26y%3D2"),
        ("/a?%78=%C3%A4", "/a?x=ä"),
        ("/a?x=%2F?/", "/a?x=/?/"),
        ("/a?x=%zz%", "/a?x=%25zz%25"),
        ("/a?x=%00%0a\u2028", "/a?x=%00%0A%E2%80%A8"),
        ("/a?x=%ff", "/a?x=\ufffd"),
        ("/a?X=1", "/a"),
        ("/a#?x=1", "/a"),
        ("/a?&&=&x=1&", "/a?x=1"),
        (f"/a?x={'b' * MAX_QUERY_CHARS}&y=2", "/a"),
        ("/a?" + "&".join(f"x={number}" for number in range(30)), "/a?" + "&".join(f"x={n}" for n in range(20))),
    ],
)
def test_the_parameters_that_a_site_names_are_part_of_a_page(path, canonical):
    """Named parameters stay, sorted by name and spelled in one way; all others are dropped."""
    assert canonical_path(path, PARAMS) == canonical


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/a#/b", "/a#/b"),
        ("/a/?q=1#/b/./c/../?d=e", "/a#/b"),
        ("/a#//b%2f%c3%a4", "/a#/b%2Fä"),
        ("/a#/", "/a"),
        ("/a#b", "/a"),
        ("/a#", "/a"),
        ("/a#/b#/c", "/a#/b%23/c"),
    ],
)
def test_a_hash_is_a_route_where_the_site_says_so(path, canonical):
    """A hash that begins with a slash is spelled as a path is; without the setting all of them are dropped."""
    assert canonical_path(path, has_hash_routes=True) == canonical
    assert canonical_path(path) == "/a"


@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("?#&=+%xy/"), max_size=60), st.booleans())
def test_the_spelling_of_an_address_is_its_own(text, has_hash_routes):
    """Spelling twice changes nothing, and leaves no space and no control character."""
    canonical = canonical_path("/" + text, PARAMS, has_hash_routes=has_hash_routes)

    assert canonical_path(canonical, PARAMS, has_hash_routes=has_hash_routes) == canonical
    assert canonical.startswith("/")
    assert not any(character <= " " for character in canonical)


def test_a_change_of_the_settings_counts_from_the_next_batch():
    """What is remembered of an address is remembered for the settings under which it came."""
    book, key = NameBook(), shard_key(SITE.site_id, 0)
    named = dataclasses.replace(SITE, params=("x",))
    routed = dataclasses.replace(SITE, snippet_flags=SnippetFlag.HASH_ROUTES)

    pages = [book.page_of(key, "/a?x=1#/b", site).path for site in (SITE, named, routed, SITE)]

    assert pages == ["/a", "/a?x=1", "/a#/b", "/a"]


async def test_pages_that_differ_in_a_named_parameter_are_two(pool):
    """Their reports carry different pages; what the site does not name makes no difference."""
    site = dataclasses.replace(SITE, params=("x",))
    wires = [wire_batch() for _ in range(4)]
    for wire, path in zip(wires, ["/a?x=1", "/a?x=2", "/a?x=1&t=3", "/a"], strict=True):
        wire["w"]["p"] = path
    flush = flush_of(*(batch_rows(wire, site) for wire in wires))
    async with pool.acquire() as conn:
        await ensure_partitions(conn, flush.fact_day, flush.fact_day)
        await write_batches(conn, flush, Dictionaries())

        paths = await conn.fetch("select path, count(*) from view_reports join pages using (page_id) group by path")

    assert {tuple(row) for row in paths} == {("/a?x=1", 2), ("/a?x=2", 1), ("/a", 1)}
