"""Requests written by hand that are wrong around the body: each is answered as the table says, its neighbour stored.

Bodies that are wrong in themselves lie in `tests/contract/bad`.
"""

import asyncio
import gzip
import sys
import zlib
from pathlib import Path

import pytest
from wire_batches import KEY, encode, wire_batch

sys.path.insert(0, str(Path(__file__).parents[1] / "chaos"))
from raw_line import End, ask
from raw_requests import RawRequest, build_request

GOOD = encode(wire_batch())
SIZE = b"%d" % len(GOOD)
PACKED = gzip.compress(GOOD, mtime=0)
DAMAGED = PACKED[:40] + bytes((PACKED[40] ^ 0xFF,)) + PACKED[41:]
BOMB = gzip.compress(b" " * 20_000_000, mtime=0)
TYPE = b"Content-Type"
CODING = b"Content-Encoding"
LENGTH = b"Content-Length"
CHUNKS = b"Transfer-Encoding"


def whole(*headers: tuple[bytes, bytes], body: bytes = GOOD, method: bytes = b"POST", target: bytes = b"/v1/events"):
    """A request that is framed rightly: an answer is owed."""
    sent = build_request(body, *headers, method=method, target=target)
    return RawRequest("", sent, is_head=method == b"HEAD")


def broken(*headers: tuple[bytes, bytes], body: bytes = GOOD, method: bytes = b"POST", target: bytes = b"/v1/events"):
    """A request that is not: it is answered, or its connection closed."""
    return RawRequest("", build_request(body, *headers, method=method, target=target), is_whole=False)


def lines(*extra: bytes, first: bytes = b"POST /v1/events HTTP/1.1", host: bytes = b"Host: x"):
    """A request whose head is written out, with the good batch behind it."""
    head = b"\r\n".join((first, *([host] if host else []), *extra, b"Content-Length: " + SIZE))
    return RawRequest("", head + b"\r\n\r\n" + GOOD, is_whole=False)


def chunks(sent: bytes, *headers: tuple[bytes, bytes]):
    """A request whose body is sent in the chunks that are written out."""
    return RawRequest("", build_request(b"", (CHUNKS, b"chunked"), *headers) + sent, is_whole=False)


def chunk(part: bytes) -> bytes:
    """One chunk."""
    return b"%x\r\n%s\r\n" % (len(part), part)


END = b"0\r\n\r\n"

TYPES = {
    "type of a form": (whole((TYPE, b"multipart/form-data; boundary=x")), "415 unsupported_type"),
    "type of a plain form": (whole((TYPE, b"application/x-www-form-urlencoded")), "415 unsupported_type"),
    "type of a page": (whole((TYPE, b"text/html")), "415 unsupported_type"),
    "type of bytes": (whole((TYPE, b"application/octet-stream")), "415 unsupported_type"),
    "type of another JSON": (whole((TYPE, b"application/problem+json")), "415 unsupported_type"),
    "type beginning alike": (whole((TYPE, b"text/plainer")), "415 unsupported_type"),
    "type without a subtype": (whole((TYPE, b"text")), "415 unsupported_type"),
    "type of any kind": (whole((TYPE, b"*/*")), "415 unsupported_type"),
    "types in a list": (whole((TYPE, b"text/plain, application/json")), "415 unsupported_type"),
    "type of bytes that are no text": (whole((TYPE, b"\xff\xfe")), "415 unsupported_type"),
    "type of 4 KB": (whole((TYPE, b"a/" + b"b" * 4000)), "415 unsupported_type"),
    "type with an unknown charset": (whole((TYPE, b"text/plain; charset=no-such")), "204"),
    "type with another charset": (whole((TYPE, b"application/json; charset=utf-16")), "204"),
    "type with a broken parameter": (whole((TYPE, b'text/plain; x="')), "204"),
    "type in capitals": (whole((TYPE, b"TEXT/PLAIN")), "204"),
    "type left empty": (whole((TYPE, b"")), "204"),
    "type with a NUL": (broken((TYPE, b"text/plain\0")), "400"),
}
CODINGS = {
    "coding br": (whole((CODING, b"br"), body=PACKED), "415 unsupported_encoding"),
    "coding deflate": (whole((CODING, b"deflate"), body=zlib.compress(GOOD)), "415 unsupported_encoding"),
    "coding zstd": (whole((CODING, b"zstd"), body=PACKED), "415 unsupported_encoding"),
    "coding nobody knows": (whole((CODING, b"x-unknown")), "415 unsupported_encoding"),
    "coding with another name": (whole((CODING, b"x-gzip"), body=PACKED), "415 unsupported_encoding"),
    "coding with a parameter": (whole((CODING, b"gzip;level=9"), body=PACKED), "415 unsupported_encoding"),
    "coding left empty": (whole((CODING, b"")), "415 unsupported_encoding"),
    "coding of any kind": (whole((CODING, b"*")), "415 unsupported_encoding"),
    "codings in a list": (
        whole((CODING, b"gzip, gzip"), body=gzip.compress(PACKED, mtime=0)),
        "415 unsupported_encoding",
    ),
    "codings in two headers": (
        whole((CODING, b"gzip"), (CODING, b"gzip"), body=gzip.compress(PACKED, mtime=0)),
        "415 unsupported_encoding",
    ),
    "coding in header and address": (
        whole((CODING, b"gzip"), body=PACKED, target=b"/v1/events?e=gzip"),
        "415 unsupported_encoding",
    ),
    "coding in the address nobody knows": (whole(body=PACKED, target=b"/v1/events?e=br"), "415 unsupported_encoding"),
    "coding in the address twice": (
        whole(body=PACKED, target=b"/v1/events?e=gzip&e=gzip"),
        "415 unsupported_encoding",
    ),
    "gzip that is none": (whole((CODING, b"gzip")), "400 malformed"),
    "gzip that is zlib": (whole((CODING, b"gzip"), body=zlib.compress(GOOD)), "400 malformed"),
    "gzip of nothing at all": (whole((CODING, b"gzip"), body=b""), "400 malformed"),
    "gzip of an empty body": (whole((CODING, b"gzip"), body=gzip.compress(b"", mtime=0)), "400 malformed"),
    "gzip cut in its head": (whole((CODING, b"gzip"), body=PACKED[:7]), "400 malformed"),
    "gzip cut in half": (whole((CODING, b"gzip"), body=PACKED[: len(PACKED) // 2]), "400 malformed"),
    "gzip without its last byte": (whole((CODING, b"gzip"), body=PACKED[:-1]), "400 malformed"),
    "gzip with one byte wrong": (whole((CODING, b"gzip"), body=DAMAGED), "400 malformed"),
    "gzip with a wrong checksum": (
        whole((CODING, b"gzip"), body=PACKED[:-8] + bytes(4) + PACKED[-4:]),
        "400 malformed",
    ),
    "gzip with a wrong length": (whole((CODING, b"gzip"), body=PACKED[:-4] + bytes(4)), "400 malformed"),
    "gzip with reserved flags": (whole((CODING, b"gzip"), body=PACKED[:3] + b"\xe0" + PACKED[4:]), "400 malformed"),
    "gzip of another method": (whole((CODING, b"gzip"), body=PACKED[:2] + b"\x07" + PACKED[3:]), "400 malformed"),
    "gzip of two members": (whole((CODING, b"gzip"), body=PACKED + PACKED), "400 malformed"),
    "gzip with bytes behind it": (whole((CODING, b"gzip"), body=PACKED + b"\n"), "400 malformed"),
    "gzip within gzip": (whole((CODING, b"gzip"), body=gzip.compress(PACKED, mtime=0)), "400 malformed"),
    "gzip of a bomb": (whole((CODING, b"gzip"), body=BOMB), "413 too_large"),
    "gzip of a bomb by address": (whole(body=BOMB, target=b"/v1/events?e=gzip"), "413 too_large"),
    "gzip of a bomb within gzip": (whole((CODING, b"gzip"), body=gzip.compress(BOMB, mtime=0)), "400 malformed"),
    "gzip nobody announced": (whole(body=PACKED), "400 malformed"),
}
LENGTHS = {
    "length one too large": (broken((LENGTH, b"%d" % (len(GOOD) + 1))), "closed"),
    "length one too small": (broken((LENGTH, b"%d" % (len(GOOD) - 1))), "400"),
    "length zero": (broken((LENGTH, b"0")), "400"),
    "length over the limit": (whole((LENGTH, b"65537")), "413 too_large"),
    "length of 2 GB": (whole((LENGTH, b"2147483648")), "413 too_large"),
    "length of 63 bits": (whole((LENGTH, b"9223372036854775807")), "413 too_large"),
    "length beyond 64 bits": (broken((LENGTH, b"18446744073709551616")), "400"),
    "length negative": (broken((LENGTH, b"-1")), "400"),
    "length with a sign": (broken((LENGTH, b"+" + SIZE)), "400"),
    "length with an exponent": (broken((LENGTH, b"1e3")), "400"),
    "length in hexadecimal": (broken((LENGTH, b"0x10")), "400"),
    "length with an underscore": (broken((LENGTH, b"1_0")), "400"),
    "length left empty": (broken((LENGTH, b"")), "400"),
    "length as a word": (broken((LENGTH, b"many")), "400"),
    "length of other digits": (broken((LENGTH, "\u0661".encode())), "400"),
    "lengths in a list": (broken((LENGTH, SIZE + b", " + SIZE)), "400"),
    "lengths that agree": (broken((LENGTH, SIZE), (LENGTH, SIZE)), "400"),
    "lengths that differ": (broken((LENGTH, SIZE), (LENGTH, b"3")), "400"),
    "length and chunks": (broken((LENGTH, SIZE), (CHUNKS, b"chunked")), "400"),
    "no length and no chunks": (
        RawRequest("", b"POST /v1/events HTTP/1.1\r\nHost: x\r\n\r\n", is_whole=False),
        "400 malformed",
    ),
    "body over the limit": (broken(body=b" " * 65_537), "413 too_large"),
}
CHUNKED = {
    "chunk without a size": (chunks(b"\r\n" + GOOD + b"\r\n" + END), "400"),
    "chunk of a negative size": (chunks(b"-5\r\n" + GOOD + b"\r\n" + END), "400"),
    "chunk with 0x": (chunks(b"0x5\r\nhello\r\n" + END), "400"),
    "chunk of a size that is no number": (chunks(b"size\r\n" + GOOD + b"\r\n" + END), "400"),
    "chunk of a size beyond 64 bits": (chunks(b"f" * 17 + b"\r\n" + GOOD), "400"),
    "chunk larger than it says": (chunks(b"5\r\n" + GOOD + b"\r\n" + END), "400"),
    "chunk that ends with a line feed": (chunks(b"%x\n" % len(GOOD) + GOOD + b"\n0\n\n"), "400"),
    "chunks without an end": (chunks(chunk(GOOD)), "closed"),
    "chunks without their last line": (chunks(chunk(GOOD) + b"0\r\n"), "closed"),
    "chunk cut short": (chunks(b"%x\r\n" % (len(GOOD) + 9) + GOOD), "closed"),
    "chunks over the limit": (chunks(chunk(b" " * 16_384) * 5 + END), "413 too_large"),
    "chunk with an endless extension": (chunks(b"5;" + b"e" * 100_000), "closed"),
    "chunks of one byte": (chunks(b"".join(chunk(bytes((byte,))) for byte in GOOD) + END), "204"),
    "chunks of a cut batch": (chunks(chunk(GOOD[:100]) + END), "400 malformed"),
    "chunks with nothing in them": (chunks(END), "400 malformed"),
    "chunks twice": (broken((CHUNKS, b"chunked, chunked")), "400"),
    "chunks under gzip": (broken((CHUNKS, b"gzip, chunked")), "400"),
    "chunks not last": (broken((CHUNKS, b"chunked, gzip")), "400"),
    "transfer nobody knows": (broken((CHUNKS, b"xchunked")), "400"),
    "transfer as it is": (broken((CHUNKS, b"identity"), (LENGTH, SIZE)), "400"),
    "transfer with a space before the colon": (lines(b"Transfer-Encoding : chunked"), "400"),
}
METHODS = {
    **{
        f"method {name.decode()}": (whole(method=name), "405")
        for name in (b"GET", b"PUT", b"DELETE", b"PATCH", b"TRACE", b"PROPFIND")
    },
    "method HEAD with a body": (whole(method=b"HEAD"), "405"),
    "method in small letters": (broken(method=b"post"), "400"),
    "method nobody knows": (broken(method=b"SEND"), "400"),
    "method left out": (broken(method=b""), "400"),
    "method with a NUL": (broken(method=b"PO\0ST"), "400"),
    "method of 9 KB": (broken(method=b"P" * 9000), "400"),
    "method of HTTP/2": (RawRequest("", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", is_whole=False), "400"),
    "greeting of TLS": (
        RawRequest("", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(600), is_whole=False),
        "400",
    ),
    "greeting of SOCKS": (RawRequest("", b"\x05\x01\0", is_whole=False), "400"),
    "body without a head": (RawRequest("", GOOD, is_whole=False), "400"),
}
TARGETS = {
    "target with a slash behind": (whole(target=b"/v1/events/"), "404"),
    "target with a key nobody has": (whole(target=b"/v1/events/nosuchkey1"), "403 unknown_site"),
    "target with a key that can be none": (whole(target=b"/v1/events/a%00b"), "403 unknown_site"),
    "target with a deeper path": (whole(target=b"/v1/events/" + KEY.encode() + b"/x"), "404"),
    "target in capitals": (whole(target=b"/V1/EVENTS"), "404"),
    "target with two slashes": (whole(target=b"//v1/events"), "404"),
    "target with dots": (whole(target=b"/v1/../v1/events"), "404"),
    "target with a NUL in escapes": (whole(target=b"/v1/events%00"), "404"),
    "target with half an escape": (whole(target=b"/v1/events%"), "404"),
    "target of 7 KB": (whole(target=b"/v1/" + b"a" * 7000), "404"),
    "target of 200 KB": (broken(target=b"/v1/" + b"a" * 200_000), "400"),
    "target with a query of 7 KB": (whole(target=b"/v1/events?" + b"a" * 7000), "204"),
    "target with a raw byte": (broken(target=b"/v1/\xff"), "400"),
    "target with a NUL": (broken(target=b"/v1/\0"), "400"),
    "target with a space": (broken(target=b"/v1/events x"), "400"),
    "target with a port that is none": (broken(target=b"http://x:y/v1/events"), "400"),
    "target without a slash": (broken(target=b"v1/events"), "400"),
    "target left out": (broken(target=b""), "400"),
    "target of the server": (broken(target=b"*"), "400"),
}
HEADS = {
    "header without a colon": (lines(b"Header"), "400"),
    "header without a name": (lines(b": text"), "400"),
    "header with a space before the colon": (lines(b"X : y"), "400"),
    "header with a space before its name": (lines(b" X: y"), "400"),
    "header folded into two lines": (lines(b"X: y", b" z"), "400"),
    "header with a NUL": (lines(b"X: \0"), "400"),
    "header with a NUL in its name": (lines(b"X\0: y"), "400"),
    "header with a carriage return": (lines(b"X: y\rz"), "400"),
    "header with a byte in its name": (lines(b"X\xff: y"), "400"),
    "header with brackets in its name": (lines(b"X(): y"), "400"),
    "header of 100 KB": (lines(b"X: " + b"y" * 100_000), "400"),
    "header with a name of 100 KB": (lines(b"X" * 100_000 + b": y"), "400"),
    "headers without end": (lines(*(b"X%d: y" % number for number in range(30_000))), "400"),
    "host left out": (lines(host=b""), "400"),
    "host twice": (lines(b"Host: y"), "400"),
    "version of the future": (lines(first=b"POST /v1/events HTTP/9.9"), "400"),
    "version of the past": (lines(first=b"POST /v1/events HTTP/0.9"), "204"),
    "version that is none": (lines(first=b"POST /v1/events HTTP/x"), "400"),
    "version 1.0": (lines(first=b"POST /v1/events HTTP/1.0"), "204"),
    "lines that end with a line feed": (
        RawRequest("", b"POST /v1/events HTTP/1.1\nHost: x\nContent-Length: " + SIZE + b"\n\n" + GOOD, is_whole=False),
        "400",
    ),
    "head cut off": (RawRequest("", b"POST /v1/events HTTP/1.1\r\nHost: x\r\nX-", is_whole=False), "closed"),
    "nothing at all": (RawRequest("", b"", is_whole=False), "closed"),
    "only empty lines": (RawRequest("", b"\r\n" * 200, is_whole=False), "closed"),
    "expectation": (whole((b"Expect", b"100-continue")), "204"),
    "expectation nobody knows": (whole((b"Expect", b"200-ok")), "417"),
    "upgrade to WebSocket": (
        whole((b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), (b"Sec-WebSocket-Key", b"eA==")),
        "204",
    ),
    "origin that is none": (whole((b"Origin", b"\xff http://[")), "204"),
    "user agent of bytes": (whole((b"User-Agent", b"\xff\xfe\x80\xed\xa0\x80")), "204"),
    "user agent of 7 KB": (whole((b"User-Agent", b"x" * 7000)), "204"),
    "forwarded by nobody": (whole((b"X-Forwarded-For", b"[::1, ,;1.2.3.4:99999")), "204"),
    "range": (whole((b"Range", b"bytes=5-1,-x")), "204"),
    "cookie of 7 KB": (whole((b"Cookie", b'a="; ;' * 1000)), "204"),
}
CASES = TYPES | CODINGS | LENGTHS | CHUNKED | METHODS | TARGETS | HEADS


@pytest.mark.parametrize("fast_lane", [1, 0], ids=["fast", "ordinary"])
async def test_wrong_requests_are_answered_and_their_neighbours_stored(start_collector, fast_lane):
    """Each case gets its status and reason, or its connection closed; none gets 5xx, and no neighbour is lost."""
    collector = await start_collector(site_rate=10_000, address_rate=10_000, visitor_rate=10_000, fast_lane=fast_lane)
    at_once = asyncio.Semaphore(16)

    async def send(request: RawRequest) -> tuple[str, int]:
        async with at_once:
            reply, good = await asyncio.gather(ask(collector.client.port, request), collector.post(wire_batch()))
        if reply.end is not End.ANSWERED:
            return reply.end.value, good.status
        return f"{reply.statuses[0]} {reply.reasons[0]}".strip(), good.status

    collector.clock.turn(seconds=1)
    answers = dict(zip(CASES, await asyncio.gather(*(send(request) for request, _ in CASES.values())), strict=True))

    wrong = {name: (answers[name][0], wanted) for name, (_, wanted) in CASES.items() if answers[name][0] != wanted}
    assert wrong == {}
    assert {status for _, status in answers.values()} == {204}
    assert await collector.count("ledger") == len(CASES) + 1  # all whole ones carry one batch
