"""The script that pages load: its forms, its caching, its pinned builds, and what is said where there is none."""

import base64
import gzip
import hashlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_batches import KEY

from collector.bundles import load_bundles
from collector.errors import StorageError
from collector.scripts import Coding, choose_coding, has_tag
from collector.snippet import KEY_PLACE, Bundles, Filling, ScriptShelf, build_pinned_tag, build_tag, fill, version_of

PLAIN = {"Accept-Encoding": "identity"}
UNPACK = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}
DEFAULTS = Filling(KEY).settings
VERSION = version_of(load_bundles().present, DEFAULTS)


async def test_the_script_carries_the_key_of_its_site(collector):
    """The snippet of a site holds its key, and may be cached for minutes."""
    answer = await collector.client.get(f"/s/{KEY}.js", headers=PLAIN)
    text = (await answer.read()).decode()

    assert (answer.status, answer.content_type, answer.charset) == (200, "text/javascript", "utf-8")
    assert KEY in text
    assert KEY_PLACE not in text
    assert answer.headers["Cache-Control"] == "public, max-age=300, stale-while-revalidate=86400"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Vary"] == "Accept-Encoding"


async def test_each_coding_is_the_same_script_under_a_strong_tag_of_its_own(collector):
    """brotli is smaller than gzip and gzip than plain; all unpack to the same bytes; no two share a tag."""
    answers = [
        await collector.client.get(f"/s/{KEY}.js", headers={"Accept-Encoding": accepted})
        for accepted in ("gzip, deflate, br", "gzip, deflate", "identity")
    ]
    bodies = [await answer.read() for answer in answers]
    codings = [answer.headers.get("Content-Encoding") for answer in answers]

    assert codings == ["br", "gzip", None]
    assert len({UNPACK[coding](body) for coding, body in zip(codings, bodies, strict=True)}) == 1
    assert len(bodies[0]) < len(bodies[1]) < len(bodies[2])
    tags = {answer.headers["ETag"] for answer in answers}
    assert len(tags) == 3
    assert all(tag.startswith('"') for tag in tags)
    assert {answer.headers["Vary"] for answer in answers} == {"Accept-Encoding"}


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', '"other" , W/{},"x"', "*"])
async def test_who_has_the_script_is_not_sent_it_again(collector, form):
    """A list of tags, weak ones too, and `*` are answered 304 with the tag and without a body."""
    first = await collector.client.get(f"/s/{KEY}.js", headers=PLAIN)

    again = await collector.client.get(
        f"/s/{KEY}.js", headers={**PLAIN, "If-None-Match": form.format(first.headers["ETag"])}
    )

    assert (again.status, await again.read()) == (304, b"")
    for name in ("ETag", "Cache-Control", "Vary"):
        assert again.headers[name] == first.headers[name]


async def test_a_tag_of_another_coding_is_not_the_same(collector):
    """Who holds the plain form and asks for brotli is sent brotli; nor does a part of a tag match."""
    plain = await collector.client.get(f"/s/{KEY}.js", headers=PLAIN)
    tag = plain.headers["ETag"]

    answers = [
        await collector.client.get(f"/s/{KEY}.js", headers=headers)
        for headers in (
            {"Accept-Encoding": "br", "If-None-Match": tag},
            {**PLAIN, "If-None-Match": tag[:-1]},
            {**PLAIN, "If-None-Match": f'"x{tag[1:]}'},
        )
    ]

    assert [answer.status for answer in answers] == [200, 200, 200]


async def test_head_tells_what_get_would_send(collector):
    """HEAD has the headers of GET, its length included, and no body."""
    got = await collector.client.get(f"/s/{KEY}.js", headers={"Accept-Encoding": "br"})
    told = await collector.client.head(f"/s/{KEY}.js", headers={"Accept-Encoding": "br"})

    assert (told.status, await told.read()) == (200, b"")
    for name in ("ETag", "Content-Length", "Content-Encoding", "Content-Type", "Cache-Control", "Vary"):
        assert told.headers[name] == got.headers[name]


async def test_a_pinned_script_never_changes_and_fits_the_hash_of_its_tag(collector):
    """The address of a build is cached for ever, and its bytes are what `integrity` says."""
    source = load_bundles().present
    tag = build_pinned_tag("https://stats.example", Filling(KEY), source)

    answer = await collector.client.get(f"/s/{KEY}.{VERSION}.js", headers=PLAIN)
    body = await answer.read()

    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert f"sha384-{base64.b64encode(hashlib.sha384(body).digest()).decode()}" in tag
    assert f'src="https://stats.example/s/{KEY}.{VERSION}.js"' in tag
    assert 'crossorigin="anonymous"' in tag
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_a_version_that_is_not_kept_says_so_in_the_console(collector):
    """An owner who pinned a build that is gone finds the reason, and no other script runs in its place."""
    answer = await collector.client.get(f"/s/{KEY}.{'0' * 12}.js")

    assert (answer.status, answer.content_type) == (404, "text/javascript")
    assert b"site snippet" in await answer.read()
    assert answer.headers["Cache-Control"] == "public, max-age=60"


@pytest.mark.parametrize("path", ["/s/nosuchkey.js", f"/s/nosuchkey.{VERSION}.js", "/s/a.b.js"])
async def test_the_script_of_an_unknown_key_says_so_in_the_console(collector, path):
    """An owner who pasted a wrong key finds the reason in the browser's console."""
    collector.clock.turn(seconds=1)

    answer = await collector.client.get(path)

    assert (answer.status, answer.content_type) == (404, "text/javascript")
    assert b"console.warn(" in await answer.read()


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("", "identity"), ("gzip", "gzip"), ("br", "br"), ("gzip, deflate, br, zstd", "br"), ("GZIP", "gzip"),
        ("br;q=0, gzip", "gzip"), ("br;q=0.5, gzip;q=0.8", "gzip"), ("br;q=0.8,gzip;q=0.8", "br"), ("*", "br"),
        ("*;q=0", "identity"), ("br;q=0, *", "gzip"), ("gzip;q=0, br;q=0, *;q=0", "identity"), ("x-gzip", "gzip"),
        ("identity", "identity"), ("identity;q=1, br;q=0.5", "identity"), ("identity;q=0", "identity"),
        ("br;q=1.000", "br"), ("br;q=nan, gzip;q=0.1", "gzip"), ("br;q=7, gzip", "gzip"), ("br; q = 0", "identity"),
        ("deflate", "identity"), ("brotli, gzipped", "identity"), ("br;level=3", "identity"),
    ],
)  # fmt: skip
def test_the_senders_weights_choose_the_coding(accepted, coding):
    """Weights count first, then the size; what weighs nothing or cannot be read is not sent."""
    assert choose_coding(accepted) == coding


@given(st.text(max_size=60) | st.text("brgzip*;q=0.1, identity", max_size=60))
def test_any_text_chooses_a_coding(text):
    """Whatever a sender writes, one of the codings is chosen and a comparison of tags answers."""
    assert choose_coding(text) in Coding
    assert has_tag(text, '"a"') in {True, False}


def test_a_bounded_number_of_scripts_is_kept():
    """The script asked for the longest ago is built anew; the others are not."""
    shelf = ScriptShelf(Bundles(f"k='{KEY_PLACE}'"), max_scripts=2)
    version, (one, two, three) = shelf.present(DEFAULTS), (Filling(f"{name}Key_1") for name in ("one", "two", "three"))
    first = shelf.build(one, version)
    shelf.build(two, version)

    assert shelf.find(one, version) is first
    shelf.build(three, version)

    assert shelf.find(one, version) is first
    assert shelf.find(two, version) is None


def test_earlier_builds_are_served_beside_the_present_one():
    """An owner's pinned build outlives an update of the service, byte by byte."""
    old, new = f"old('{KEY_PLACE}')", f"new('{KEY_PLACE}')"
    shelf = ScriptShelf(Bundles(new, (old,)))
    version = version_of(old, DEFAULTS)

    assert shelf.present(DEFAULTS) == version_of(new, DEFAULTS)
    assert shelf.is_known(DEFAULTS, version)
    assert shelf.build(Filling(KEY), version).forms[Coding.IDENTITY].body == fill(old, Filling(KEY)).encode()
    assert not shelf.is_known(DEFAULTS, version_of("other", DEFAULTS))


def test_a_build_that_a_release_has_kept_stays_the_present_one():
    """What is served does not depend on where else the present build lies."""
    builds = [f"{name}('{KEY_PLACE}')" for name in ("one", "two", "three")]

    for present in builds:
        assert ScriptShelf(Bundles(present, builds)).present(DEFAULTS) == version_of(present, DEFAULTS)


def test_a_build_without_a_place_for_the_key_is_refused():
    """A collector that would send scripts without a key does not start."""
    with pytest.raises(StorageError):
        ScriptShelf(Bundles("no place"))


def test_the_plain_tag_names_no_build():
    """What most owners paste follows the service's version."""
    assert build_tag("https://a.example", KEY) == f'<script async src="https://a.example/s/{KEY}.js"></script>'
