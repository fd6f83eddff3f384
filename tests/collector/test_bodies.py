"""Packed bodies: one gzip member, whole and within the limit; everything else has its own reason."""

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_batches import KEY, encode, wire_batch, wire_layout

from collector.bodies import Encoding, decompress, judge_type, read_encoding, read_key, unpack
from collector.wire import Drop, DropReason

MAX_BYTES = 65_536
TEXT = b'{"v":1}' * 100
PACKED = gzip.compress(TEXT, mtime=0)
BOMB = gzip.compress(b"\0" * 50_000_000, mtime=0)
"""48 KB that unpack to 50 MB."""


async def post(collector, address: str, body: bytes, headers: dict[str, str] | None = None):
    """Send bytes without a type, as a browser sends a blob."""
    return await collector.client.post(address, data=body, headers=headers, skip_auto_headers=["Content-Type"])


def reason_of(result: object) -> DropReason | None:
    return result.reason if isinstance(result, Drop) else None


@given(st.binary(max_size=5_000))
def test_what_was_packed_is_unpacked(body):
    """Any bytes come back as they were."""
    assert decompress(gzip.compress(body), MAX_BYTES) == body


@pytest.mark.parametrize("length", range(len(PACKED)))
def test_a_body_cut_at_any_byte_is_refused(length):
    """Half a body is not a short one."""
    result = decompress(PACKED[:length], MAX_BYTES)

    assert reason_of(result) is DropReason.MALFORMED


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"{}", "the body is not gzip"),
        (b"", "the gzip body ends early"),
        (zlib.compress(TEXT), "the body is not gzip"),
        (PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:], "the checksum of the gzip body is wrong"),
        (PACKED[:-4] + b"\0\0\0\0", "the checksum of the gzip body is wrong"),
        (PACKED + PACKED, "the gzip body has a second member"),
        (PACKED + b"\0", "bytes follow the gzip body"),
        (gzip.compress(b"", mtime=0)[:10] + b"\xff" * 20, "the gzip body is damaged"),
    ],
)
def test_what_is_wrong_with_a_packed_body_is_named(body, detail):
    """The sender learns which rule the body breaks, in words of ours."""
    result = decompress(body, MAX_BYTES)

    assert isinstance(result, Drop)
    assert (result.reason, result.detail) == (DropReason.MALFORMED, detail)


@given(st.binary(max_size=300), st.integers(0, len(PACKED)))
@settings(max_examples=300)
def test_no_bytes_break_the_unpacker(junk, at):
    """Bytes of any kind, alone or put into a good body, give a body or a reason."""
    for body in (junk, PACKED[:at] + junk + PACKED[at:]):
        result = decompress(body, MAX_BYTES)
        assert isinstance(result, bytes) or result.reason in {DropReason.MALFORMED, DropReason.TOO_LARGE}


def test_a_bomb_is_refused_and_never_unpacked_whole():
    """What would unpack to more than the limit is too large, as is what is larger than it while packed."""
    tracemalloc.start()
    result = unpack(BOMB, Encoding.GZIP, MAX_BYTES)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(BOMB) < MAX_BYTES
    assert reason_of(result) is DropReason.TOO_LARGE
    assert peak_bytes < 4 * MAX_BYTES
    assert reason_of(unpack(b"x" * 101, Encoding.GZIP, 100)) is DropReason.TOO_LARGE
    assert reason_of(unpack(b"x" * 101, Encoding.IDENTITY, 100)) is DropReason.TOO_LARGE


def test_the_limit_itself_is_allowed():
    """Exactly as many bytes as may be are read, packed or not."""
    body = b"x" * 1_000

    assert unpack(gzip.compress(body), Encoding.GZIP, 1_000) == body
    assert unpack(body, Encoding.IDENTITY, 1_000) == body
    assert reason_of(unpack(gzip.compress(body), Encoding.GZIP, 999)) is DropReason.TOO_LARGE


@pytest.mark.parametrize(
    ("headers", "query", "encoding"),
    [
        ([], "", Encoding.IDENTITY), (["identity"], "", Encoding.IDENTITY), (["gzip"], "", Encoding.GZIP),
        ([" GZIP "], "", Encoding.GZIP), ([], "e=gzip", Encoding.GZIP), ([], "a=b&e=gzip&c", Encoding.GZIP),
        (["identity"], "e=gzip", Encoding.GZIP), ([], "encoding=gzip", Encoding.IDENTITY),
        (["gzip, gzip"], "", None), (["gzip", "gzip"], "", None), (["gzip"], "e=gzip", None),
        ([], "e=gzip&e=gzip", None), (["br"], "", None), (["deflate"], "", None), (["x-gzip"], "", None),
        ([""], "", None), ([], "e=", None),
        ([], "e=br", None), (["gzip, identity, br"], "", None),
    ],
)  # fmt: skip
def test_the_encoding_is_said_once_in_header_or_address(headers, query, encoding):
    """Both places mean the same; what is unknown, or said twice, is refused."""
    result = read_encoding(headers, query)

    assert result is encoding if encoding else reason_of(result) is DropReason.UNSUPPORTED_ENCODING


@pytest.mark.parametrize(
    ("path", "key"),
    [("/v1/events", None), (f"/v1/events/{KEY}", KEY), ("/v1/events/", DropReason.UNKNOWN_SITE),
     ("/v1/events/short", DropReason.UNKNOWN_SITE), (f"/v1/events/{KEY}/x", DropReason.UNKNOWN_SITE),
     ("/v1/events/nul\0nul\0nul", DropReason.UNKNOWN_SITE), (f"/v1/events/{KEY}\n", DropReason.UNKNOWN_SITE)],
)  # fmt: skip
def test_a_key_in_the_address_is_read(path, key):
    """What can be no key is like one that no site has."""
    result = read_key(path)

    assert (reason_of(result) or result) == key


@pytest.mark.parametrize(
    ("content_type", "is_read"),
    [(None, True), ("", True), ("text/plain;charset=UTF-8", True), ("Application/JSON", True), ("text/html", False)],
)
def test_a_missing_type_is_fine(content_type, is_read):
    """text/plain, application/json or nothing is read, whatever its parameters."""
    assert (judge_type(content_type) is None) == is_read


@pytest.mark.parametrize(
    ("address", "headers"),
    [("/v1/events?e=gzip", {}), ("/v1/events", {"Content-Encoding": "gzip"}), (f"/v1/events/{KEY}?e=gzip", {})],
)
async def test_a_packed_batch_is_stored(collector, address, headers):
    """Either way of saying it, and with the key in the address, a packed batch is a batch."""
    body = gzip.compress(encode(wire_batch(l=wire_layout())))

    answer = await post(collector, address, body, headers)

    assert answer.status == 204
    assert await collector.count("view_reports") == 1
    assert await collector.count("layouts") == 1


@pytest.mark.parametrize(
    ("body", "headers", "status", "reason"),
    [
        (BOMB, {}, 413, "too_large"), (PACKED[:-1], {}, 400, "malformed"), (PACKED, {}, 400, "malformed"),
        (PACKED, {"Content-Encoding": "gzip"}, 415, "unsupported_encoding"),
    ],
    ids=["bomb", "cut", "no batch", "said twice"],
)  # fmt: skip
async def test_a_bad_packed_body_is_refused_with_its_reason(collector, body, headers, status, reason):
    """Bombs, halves and doubled encodings are told apart by status and reason."""
    answer = await post(collector, "/v1/events?e=gzip", body, headers)

    assert (answer.status, answer.headers["X-Jalki-Drop"]) == (status, reason)
    assert await collector.count("ledger") == 0


async def test_a_key_in_the_address_is_judged_before_the_body(start_collector):
    """An unknown key, a forbidden origin and an empty bucket are told though the body is none; keys must agree."""
    collector = await start_collector(site_rate=1)
    collector.clock.turn(seconds=1)

    unknown = await post(collector, "/v1/events/nosuchkey", b"no batch")
    other = await post(collector, f"/v1/events/{KEY}", encode(wire_batch(k="otherKey_1")))
    spent = [await post(collector, f"/v1/events/{KEY}", encode(wire_batch())) for _ in range(3)]
    limited = await post(collector, f"/v1/events/{KEY}", b"no batch")

    assert unknown.headers["X-Jalki-Drop"] == DropReason.UNKNOWN_SITE
    assert (other.status, other.headers["X-Jalki-Drop"]) == (400, DropReason.MALFORMED)
    assert "$.k" in (await other.json())["hint"]
    assert [answer.status for answer in spent] == [204, 204, 204], "a batch takes one token, not two"
    assert (limited.status, limited.headers["X-Jalki-Drop"]) == (429, DropReason.RATE_LIMITED)
