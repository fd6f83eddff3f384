"""Requests as bytes: right ones around wrong bodies, and ones that are wrong in every way HTTP can be. Pure, seeded."""

import gzip
import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

EVENTS = b"/v1/events"
_BOMB = gzip.compress(b" " * 40_000_000, 9)
_DEFLATE_BOMB = zlib.compress(b"[" * 40_000_000, 9)
_NESTED_BOMB = gzip.compress(_BOMB, 9)

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class RawRequest:
    """Bytes to send, and what is owed for them."""

    way: str
    sent: bytes
    is_whole: bool = True
    """It is framed as HTTP wants it: `answers` are owed without a further byte. Else an answer or a closed line is."""
    answers: int = 1
    is_head: bool = False
    """Asked by HEAD: the answer has no body."""


@dataclass(frozen=True, slots=True)
class Bodies:
    """What a request may carry: a mutated body, and a valid batch nobody else sends."""

    mutated: bytes
    valid: bytes


def build_request(body: bytes, *headers: Header, method: bytes = b"POST", target: bytes = EVENTS) -> bytes:
    """Return a request as it should be, but for what is given."""
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: stats.example"]
    lines += [name + b": " + text for name, text in headers]
    if not any(name.lower() in {b"content-length", b"transfer-encoding"} for name, _ in headers):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join((*lines, b"", body))


def plain(body: bytes) -> RawRequest:
    """Return a body sent as the snippet sends it."""
    return RawRequest("plain", build_request(body, (b"Content-Type", b"text/plain;charset=UTF-8")))


def draw_request(rng: random.Random, bodies: Bodies) -> RawRequest:
    """Return a request with something wrong around its body."""
    return rng.choice(_WAYS)(rng, bodies)


def _header(rng: random.Random, bodies: Bodies) -> RawRequest:
    chosen = rng.choice(_HEADERS)
    body = bodies.valid if rng.random() < 0.5 else bodies.mutated
    return RawRequest("header " + _label(chosen[0][0]), build_request(body, *chosen))


_TYPES = (
    b"", b" ", b"text/plain", b"TEXT/PLAIN", b"application/json", b"application/json; charset=utf-16", b"text/html",
    b"text/plain; charset=no-such", b"multipart/form-data", b"multipart/form-data; boundary=", b"/", b";", b"text",
    b"application/x-www-form-urlencoded", b"text/plain, application/json", b"text/plain\x00", b"\xff\xfe", b"a/b" * 900,
    b'text/plain; x="', b"application/problem+json", b"*/*", b"text/plain;" * 300,
)  # fmt: skip
_HEADERS: Sequence[tuple[Header, ...]] = (
    *(((b"Content-Type", text),) for text in _TYPES),
    ((b"Content-Type", b"text/plain"), (b"Content-Type", b"text/html")),
    *(((b"Origin", text),) for text in (b"null", b"", b"\xff", b"https://[", b"http://" + b"a" * 5000, b"x y", b"%00")),
    *(((b"User-Agent", text),) for text in (b"", b"\xff\xfe\x80", b"\xed\xa0\x80", b"a" * 7000, "\U0001f600".encode())),
    *(((b"X-Forwarded-For", text),) for text in (b",,,", b"1.2.3.4:99999", b"[::1", b"\xff", b"1," * 1500, b"::1%x")),
    *(((b"Forwarded", text),) for text in (b"for=", b'for="[', b";;;", b"for=_x, for=unknown", b"for=1.2.3.4;" * 300)),
    *(((b"Connection", text),) for text in (b"close", b"upgrade", b"keep-alive, close", b"", b"x" * 4000)),
    *(((b"Range", text),) for text in (b"bytes=0-", b"bytes=9-1,-5,x")),
    ((b"Connection", b"Upgrade"), (b"Upgrade", b"h2c"), (b"HTTP2-Settings", b"AAM")),
    ((b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")),
    ((b"Sec-WebSocket-Key", b"eA=="), (b"Sec-WebSocket-Version", b"13")),
    ((b"Cookie", b"a=" + b"b" * 4000), (b"Cookie", b'"; ;=;')),
    tuple((b"X-%d" % number, b"y" * 20) for number in range(90)),
    ((b"X-Empty", b""), (b"x-case", b"\t tab \t"), (b"If-None-Match", b'"\\"'), (b"TE", b"trailers")),
    ((b"Authorization", b"Basic \xff"), (b"Accept-Encoding", b"gzip;q=x, \x80"), (b"If-Modified-Since", b"yesterday")),
    ((b"Content-MD5", b"-"), (b"Content-Range", b"bytes 0-1/2"), (b"Sec-Fetch-Site", b"\xe4"), (b"Via", b"\x7f")),
)  # fmt: skip


def _encoded(rng: random.Random, bodies: Bodies) -> RawRequest:
    body = bodies.valid if rng.random() < 0.4 else bodies.mutated
    packed = gzip.compress(body, 1)
    cut = rng.randrange(len(packed))
    flipped = bytearray(packed)
    flipped[cut] ^= 1 << rng.randrange(8)
    name, sent = rng.choice(
        (
            *(
                (b"gzip", one)
                for one in (packed, packed, packed[:cut], bytes(flipped), packed + packed, packed + b"x", body)
            ),
            *(
                (b"gzip", one)
                for one in (b"", b"\x1f\x8b", _BOMB, _NESTED_BOMB, gzip.compress(packed), gzip.compress(b""))
            ),
            *(
                (b"gzip", one)
                for one in (packed[:-8] + bytes(8), packed[:3] + b"\xff" + packed[4:], zlib.compress(body))
            ),
            *((b"deflate", one) for one in (zlib.compress(body), zlib.compress(body)[2:-4], _DEFLATE_BOMB, b"x")),
            *(
                (one, packed)
                for one in (b"GZIP", b" gzip ", b"x-gzip", b"gzip, gzip", b"gzip,identity", b"br", b"zstd")
            ),
            *(
                (one, body)
                for one in (b"identity", b"Identity", b"", b",", b"identity, identity", b"compress", b"\xff", b"*")
            ),
        )
    )
    if name == b"gzip" and rng.random() < 0.5:
        return RawRequest("encoding by address", build_request(sent, target=rng.choice(_PACKED_TARGETS)))
    return RawRequest(f"encoding {_label(name)}", build_request(sent, (b"Content-Encoding", name)))


_PACKED_TARGETS = (
    *(
        EVENTS + query
        for query in (b"?e=gzip", b"?e=gzip", b"?e=gzip&e=gzip", b"?e=", b"?e=br", b"?e=%67zip", b"?x=1&e=gzip")
    ),
    *(
        EVENTS + rest
        for rest in (b"/demoKey_01?e=gzip", b"/demoKey_01", b"/nosuchKey", b"/", b"/a", b"/\xff", b"/demoKey_01/x")
    ),
)


def _two_encodings(rng: random.Random, bodies: Bodies) -> RawRequest:
    packed = gzip.compress(gzip.compress(bodies.valid))
    names = rng.choice(((b"gzip", b"gzip"), (b"identity", b"gzip"), (b"gzip", b""), (b"br", b"gzip")))
    headers = [(b"Content-Encoding", name) for name in names]
    return RawRequest("two encodings", build_request(packed, *headers))


def _chunked(rng: random.Random, bodies: Bodies) -> RawRequest:
    body = bodies.valid if rng.random() < 0.5 else bodies.mutated
    parts, place = [], 0
    while place < len(body):
        part = body[place : place + rng.choice((1, 7, 100, 4000, 60_000))] if len(parts) < 200 else body[place:]
        place += len(part)
        parts.append(
            rng.choice((b"%x", b"%X", b"000%x", b"%x;a=b", b'%x;a="\\"')) % len(part) + b"\r\n" + part + b"\r\n"
        )
    end = rng.choice((b"0\r\n\r\n", b"0\r\n\r\n", b"000\r\n\r\n", b"0\r\nX-After: 1\r\n\r\n", b"0;end\r\n\r\n"))
    head = build_request(b"", (b"Transfer-Encoding", rng.choice((b"chunked", b"Chunked"))))
    # What a trailer or an extension may be is the parser's to say: it may refuse them, but must answer or close.
    return RawRequest(
        "chunked", head + b"".join(parts) + end, is_whole=end == b"0\r\n\r\n" and b";" not in b"".join(parts)
    )


def _bad_chunks(rng: random.Random, bodies: Bodies) -> RawRequest:
    body = bodies.valid
    size = b"%x" % len(body)
    sent = rng.choice(
        (
            *(
                bad + b"\r\n" + body + b"\r\n0\r\n\r\n"
                for bad in (b"", b"x", b"-1", b"0x10", b" " + size, b"f" * 16, b"f" * 40)
            ),
            *(
                size + end + body + b"\r\n0\r\n\r\n"
                for end in (b"\n", b"\r", b"\r\n\r\n", b";" + b"e" * 70_000 + b"\r\n")
            ),
            *(
                size + b"\r\n" + body + rest
                for rest in (b"0\r\n\r\n", b"\r\n", b"\r\n0\r\n", b"\r\nffffffff\r\n", b"\r\n0\n\n")
            ),
            b"%x\r\n" % (len(body) + 5) + body + b"\r\n0\r\n\r\n",
            b"%x\r\n" % max(1, len(body) - 5) + body + b"\r\n0\r\n\r\n",
            size + b"\r\n" + body + b"\r\n0\r\n" + b"X: y\r\n" * 3000 + b"\r\n",
            b"".join(b"1\r\n%c\r\n" % byte for byte in body[:3000]),
        )
    )
    return RawRequest("bad chunks", build_request(b"", (b"Transfer-Encoding", b"chunked")) + sent, is_whole=False)


def _bad_length(rng: random.Random, bodies: Bodies) -> RawRequest:
    size = len(bodies.valid)
    values = (
        *(b"%d" % number for number in (size + 1, size + 70_000, size - 1, size // 2, 0, 2**31, 2**63, 2**64)),
        *(
            b"-1",
            b"-0",
            b"+%d" % size,
            b"1e3",
            b"0x10",
            b"",
            b" ",
            b"a",
            b"%d, %d" % (size, size),
            b"9" * 5000,
            b"1_0",
            b"\xb2",
        ),
        *(b"%d " % size, b"\t%d" % size, b"00%d" % size, b"%d\x00" % size, b"%d.0" % size),
    )
    value = rng.choice(values)
    return RawRequest("bad length", build_request(bodies.valid, (b"Content-Length", value)), is_whole=False)


def _two_framings(rng: random.Random, bodies: Bodies) -> RawRequest:
    size = b"%d" % len(bodies.valid)
    headers = rng.choice(
        (
            ((b"Content-Length", size), (b"Content-Length", size)),
            ((b"Content-Length", size), (b"Content-Length", b"3")),
            ((b"Content-Length", size), (b"Transfer-Encoding", b"chunked")),
            ((b"Transfer-Encoding", b"chunked"), (b"Content-Length", size)),
            *(
                ((b"Transfer-Encoding", name), (b"Content-Length", size))
                for name in (b"identity", b"gzip", b"xchunked", b"")
            ),
            *(
                ((b"Transfer-Encoding", name),)
                for name in (b"chunked, chunked", b"gzip, chunked", b"chunked, gzip", b"\x0bchunked")
            ),
            ((b"Transfer-Encoding ", b"chunked"),),
            ((b"Transfer-Encoding", b"chunked"), (b"Transfer-Encoding", b"identity")),
        )
    )
    return RawRequest("two framings", build_request(bodies.valid, *headers), is_whole=False)


def _method(rng: random.Random, bodies: Bodies) -> RawRequest:
    method = rng.choice((b"GET", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"HEAD", b"TRACE", b"PROPFIND", b"QUERY"))
    return RawRequest("method", build_request(bodies.mutated, method=method), is_head=method == b"HEAD", is_whole=False)


def _odd_method(rng: random.Random, bodies: Bodies) -> RawRequest:
    method = rng.choice(
        (b"post", b"P\x00ST", b"", b"POST\t", b"CONNECT", b"PRI", b"\xff", b"X" * 9000, b"POST POST", b"P@")
    )
    return RawRequest("odd method", build_request(bodies.valid, method=method), is_whole=False)


_TARGETS = (
    b"/v1/events/", b"//v1/events", b"/v1/events?" + b"a" * 3000, b"/v1/%65vents", b"/v1/events%00",
    b"/v1/../v1/events",
    b"/v1/events#x", b"http://stats.example/v1/events", b"https://user@other.example:99/v1/events",
    b"http://[/v1/events",
    b"*", b"stats.example:80", b"/", b"", b" /v1/events", b"/v1/events HTTP/1.1", b"/v1/\xff\xfe", b"/v1/%ff",
    b"/v1/%zz",
    b"/v1/" + b"a" * 60_000, b"/v1/" + b"%61" * 20_000, b"/" + b"a" * 200_000, b"/v1/e\x00", b"/v1/e\tx",
    b"/v1/\xe2\x80\xa8",
    b"/s/.js", b"/s/%00.js", b"/s/demoKey_01.js", b"/s/" + b"k" * 5000 + b".js", b"/s/..%2f..%2fetc%2fpasswd.js",
    b"/s/\xf0.js",
    b"/healthz", b"/readyz", b"/metrics", b"/v1", b"/v1/events/../../healthz", b"/%2e%2e/", b"///", b"/v1/events;x",
    b"http://", b"http://:0/", b"//", b"/\\", b"/v1/events\\", b"?", b"/v1?/events", b"ftp://x/", b"http://\xff/",
    b"http://a:b/",
)  # fmt: skip


def _target(rng: random.Random, bodies: Bodies) -> RawRequest:
    method = rng.choice((b"POST", b"GET"))
    body = bodies.valid if method == b"POST" else b""
    return RawRequest("target", build_request(body, method=method, target=rng.choice(_TARGETS)), is_whole=False)


def _version(rng: random.Random, bodies: Bodies) -> RawRequest:
    version = rng.choice(
        (b"1.0", b"1.0", b"0.9", b"2.0", b"1.2", b"9.9", b"1", b"1.1.1", b"", b"x", b"1.1\x00", b"1.10", b"-1.1")
    )
    sent = build_request(bodies.valid, (b"Connection", rng.choice((b"keep-alive", b"close", b"x"))))
    return RawRequest("version", sent.replace(b"HTTP/1.1", b"HTTP/" + version, 1), is_whole=version == b"1.0")


_BAD_LINES = (
    b"X: \x00", b"X\x00: y", b": empty", b"NoColon", b"X : y", b" X: y", b"X: y\r\n folded", b"X: \r", b"X\xff: y",
    b"X: a\rb",
    b"X: " + b"z" * 200_000, b"X" * 200_000 + b": y", b"X: a\nY: b", b"Host: a\r\nHost: b", b"Host:", b"Host: \xff",
    b"X(): y",
    b"Host: a/b@c", b"X: \x01\x02", b'"X": y', b"\r\nGET / HTTP/1.1", b"\tX: y", b"X:\x0by", b"{}: y",
    b"Expect: nothing",
    b"Expect: 100-continue, x", b"Expect:", b"\r\n".join(b"X%d: y" % number for number in range(20_000)),
    b"X: \x80\r\n\xff: z",
)  # fmt: skip


def _bad_line(rng: random.Random, bodies: Bodies) -> RawRequest:
    sent = build_request(bodies.valid)
    place = rng.choice((b"Host: stats.example", b"Content-Length:"))
    return RawRequest(
        "bad header line", sent.replace(place, rng.choice(_BAD_LINES) + b"\r\n" + place, 1), is_whole=False
    )


def _expect(rng: random.Random, bodies: Bodies) -> RawRequest:
    body = bodies.valid if rng.random() < 0.5 else bodies.mutated
    return RawRequest("expect", build_request(body, (b"Expect", rng.choice((b"100-continue", b"100-Continue")))))


def _pipeline(rng: random.Random, bodies: Bodies) -> RawRequest:
    """A bad batch between two copies of a good one, which are stored once."""
    good = build_request(bodies.valid)
    return RawRequest("pipeline", good + build_request(bodies.mutated) + good, answers=3)


def _long_pipeline(rng: random.Random, bodies: Bodies) -> RawRequest:
    count = rng.randint(5, 40)
    return RawRequest("long pipeline", build_request(bodies.valid) * count, answers=count)


def _junk(rng: random.Random, bodies: Bodies) -> RawRequest:
    sent = rng.choice(
        (
            b"", b"\r\n" * 500, b"\0" * 5000, rng.randbytes(3000),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(500),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + rng.randbytes(50), b"GET /\r\n", b"GET / HTTP/1.1", bodies.valid,
            b"\x04\x01\0\x50",
            b"a" * 300_000, b"POST /v1/events HTTP/1.1\r\n\r\n",
            b"POST /v1/events HTTP/1.1\r\nHost: x\r\n\r\n" + bodies.valid,
        )
    )  # fmt: skip
    return RawRequest("junk", sent, is_whole=False)


def _mutated_head(rng: random.Random, bodies: Bodies) -> RawRequest:
    """A good request with some of its bytes changed, lost or doubled before the body."""
    sent = bytearray(build_request(bodies.valid, (b"Content-Type", b"text/plain")))
    end = sent.index(b"\r\n\r\n") + 4
    for _ in range(rng.choice((1, 1, 2, 5))):
        place = rng.randrange(end)
        if rng.random() < 0.5:
            sent[place] ^= 1 << rng.randrange(8)
        elif rng.random() < 0.5:
            del sent[place : place + rng.randint(1, 4)]
        else:
            sent[place:place] = rng.choice(
                (b"\r", b"\n", b"\r\n", b"\0", b" ", b":", rng.randbytes(3), sent[place : place + 9])
            )
    return RawRequest("mutated head", bytes(sent), is_whole=False)


def _cut_off(rng: random.Random, bodies: Bodies) -> RawRequest:
    sent = build_request(bodies.valid, (b"Content-Type", b"text/plain"))
    return RawRequest("cut off", sent[: rng.randrange(1, len(sent))], is_whole=False)


_Way = Callable[[random.Random, Bodies], RawRequest]
_WAYS: Sequence[_Way] = (
    *(
        _header,
        _header,
        _header,
        _encoded,
        _encoded,
        _encoded,
        _two_encodings,
        _chunked,
        _chunked,
        _bad_chunks,
        _bad_length,
    ),
    *(_two_framings, _method, _odd_method, _target, _target, _version, _bad_line, _bad_line, _expect, _pipeline),
    *(_long_pipeline, _junk, _mutated_head, _mutated_head, _cut_off),
)


def _label(name: bytes) -> str:
    return name.decode("ascii", "replace").strip().lower()[:24]
