"""Breaks batches in every way we know of: their bytes, their values, their shape, their encoding. Pure, seeded.

A mutation need not make a batch invalid: what comes out is decoded or refused, and nothing else may happen.
"""

import gzip
import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
from msgspec import Raw
from random_batches import Wire, build_batch

_POOL_SIZE = 400
"""Batches that mutations begin with; one of them is made anew for every `_RENEW_EVERY` mutations."""
_RENEW_EVERY = 25

NUMBERS = [
    *(b"0 -0 -1 1 2 3 4 5 23 24 63 64 199 200 201 255 256 499 500 501 1499 1500 1501 4094 4095 4096".split()),
    *(b"32767 32768 -32769 65535 65536 999999 1000000 1000001 9999999 10000000 10000001 -10000000 -10000001".split()),
    *(b"604800000 604800001 8640000000000 8640000000001 2147483647 2147483648 -2147483648 -2147483649".split()),
    *(b"4294967295 4294967296 9007199254740991 9007199254740993 9223372036854775807 9223372036854775808".split()),
    *(b"-9223372036854775808 -9223372036854775809 18446744073709551615 18446744073709551616".split()),
    *(b"0.0 -0.0 1.0 1.5 1e0 1E2 1e-1 1e308 1e400 -1e400 1e-400 1e99999999999999999999".split()),
    *(b"NaN -NaN Infinity -Infinity nan 01 +1 .5 5. 0x10 1_000 --1 1e 1e+ - 0b1 1n".split()),
    b"9" * 5000, b"-" + b"9" * 400, b"0." + b"0" * 3000 + b"1", b"1" + b"0" * 400 + b".0",
]  # fmt: skip
TEXTS = [
    rb'"\u0000"', rb'"a\u0000b"', rb'"/\u0000"', rb'"\ud800"', rb'"\udc00\ud800"', rb'"/\udfff"', rb'"\ud83d\ude00"',
    rb'"\ud83d"', rb'"\u"', rb'"\u12"', rb'"\uzzzz"', rb'"\x41"', rb'"\q"', rb'"\""', rb'"\\"', b'"\\', b'"',
    b'"\xff"', b'"\xc0\x80"', b'"/\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe2\x28\xa1"', b'"\xf0"',
    b'"\x00"', b'"a\nb"', b'"\t"', b'"\x1f"', b'"\x7f"', b'"\xc2\x80"', b'"\xef\xbb\xbf"', b'"\xef\xbf\xbe"',
    b'""', b'" "', b'"/"', b'"0"', b'"1"', b'"-1"', b'"null"', b"'a'", b"`a`", b"a", b'"__proto__"', b'"constructor"',
    *(b'"' + b"x" * size + b'"' for size in (80, 81, 120, 121, 200, 201, 253, 254, 1023, 1024, 1025, 9000)),
    *(b'"/' + "\U0001f600".encode() * size + b'"' for size in (199, 200, 252, 1023, 1024)),
    b'"' + rb"\u0041" * 400 + b'"', b'"/' + b"%00" * 341 + b'"', b'"/' + b"%e2%80%a8" * 100 + b'"',
    b'"/' + b"../" * 300 + b'"', b'"/' + b"\xe2\x80\xa8" * 1000 + b'"', b'"' + b"0" * 32 + b'"',
    b'"' + b"0" * 16 + b'"', b'"demoKey_0"', b'"\xef\xbc\x90' + b"0" * 15 + b'"', b'"2147483648"', b'"1e400"',
]  # fmt: skip
SHAPES = [
    b"null", b"true", b"false", b"[]", b"{}", b"[[]]", b"[null]", b"[{}]", b'{"":0}', b'{"a":{"a":{}}}', b"[0]",
    b"[-1,\"a\"]", b"[0,\"\"]", b"[0,0,0,0]", b"[1,1,1,1,1]", b"undefined", b"None", b"True", b"/*c*/1", b"//c\n1", b"",
    b"[1,]", b"[,1]", b"{,}", b'{"a"}', b'{"a":}', b"{a:1}", b"[1 2]", b"1,2", b"]", b"}", b"[[[[[[[[[[0]]]]]]]]]]",
    b"[" * 2000 + b"]" * 2000, b'{"a":' * 1000 + b"1" + b"}" * 1000, b"[" * 60_000, b'{"v":' * 9000,
    b"[" + b"0," * 499 + b"0]", b"[" + b"0," * 500 + b"0]", b"[" + b"0," * 30_000 + b"0]", b"[" + b"[]," * 900 + b"[]]",
    b"[" + b'[-1,"a"],' * 4095 + b'[-1,"a"]]', b"[" + b'[-1,"a"],' * 4096 + b'[-1,"a"]]',
    b"[" + b"[1,1,1,1]," * 63 + b"[1,1,1,1]]", b"[" + b"[1,1,1,1]," * 64 + b"[1,1,1,1]]",
    b"[" + b"[0,0,0]," * 200 + b"[0,0,0]]", b"{" + b'"a":1,' * 3000 + b'"a":1}',
]  # fmt: skip
_KEYS = b"v b k t w g d c s l f i q n p r a e h x m u y fx fy fz V __proto__".split()
_CODECS = (
    "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-7", "utf-8-sig", "latin-1", "cp1252", "cp500",
    "shift_jis", "gb18030", "hz",
)  # fmt: skip

Place = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Mutated:
    """A body, and the ways in which it was changed, first to last."""

    body: bytes
    ways: tuple[str, ...]
    is_by_hand: bool = False


@dataclass(frozen=True, slots=True)
class Samples:
    """Batches that people wrote: good ones, and ones that must be refused."""

    good: Sequence[bytes]
    bad: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class _Base:
    body: bytes
    ids: tuple[bytes, bytes]
    places: tuple[Place, ...]


class Mutator:
    """Makes mutated bodies without end, after the bad samples as they are; the same seed makes the same ones."""

    def __init__(self, seed: int, samples: Samples, keys: Sequence[str], now_ms: int) -> None:
        self._rng = random.Random(seed)
        self._keys = keys
        self._now_ms = now_ms
        self._samples = [_base(msgspec.json.decode(sample)) for sample in samples.good]
        self._bad = samples.bad
        self._by_hand = list(samples.bad)
        self._pool = [self._draw_base() for _ in range(_POOL_SIZE)]
        self._made = 0

    @property
    def rng(self) -> random.Random:
        """The one source of chance, for what else a run draws."""
        return self._rng

    def make_valid(self) -> bytes:
        """Return a valid batch of ids of its own."""
        return msgspec.json.encode(build_batch(self._rng, self._rng.choice(self._keys), self._now_ms))

    def make(self) -> Mutated:
        """Return a batch changed in one to four ways, under ids of its own where they survive."""
        rng = self._rng
        if self._by_hand:
            return Mutated(self._by_hand.pop(), ("by hand",), is_by_hand=True)
        self._made += 1
        draw = rng.random()
        if draw < 0.02:
            return self._splice() if draw < 0.01 else self._take_bad()
        if self._made % _RENEW_EVERY == 0:
            self._pool[rng.randrange(_POOL_SIZE)] = self._draw_base()
        base = rng.choice(self._samples) if rng.random() < 0.05 else rng.choice(self._pool)
        body, ways = base.body, []
        if rng.random() < 0.65:
            body, ways = self._change_values(base)
        if not ways or rng.random() < 0.1:
            for _ in range(1 if rng.random() < 0.8 else rng.randint(2, 3)):
                way, change = rng.choice(_BYTE_CHANGES)
                body, ways = change(rng, body), [*ways, way]
        return Mutated(self._renamed(body, base), tuple(ways))

    def _splice(self) -> Mutated:
        """Return the head of one batch and the tail of another."""
        first, second = self._rng.choice(self._pool).body, self._rng.choice(self._pool).body
        return Mutated(
            first[: self._rng.randrange(len(first))] + second[self._rng.randrange(len(second)) :], ("splice",)
        )

    def _take_bad(self) -> Mutated:
        """Return a batch that must be refused, with some of its bytes changed."""
        return Mutated(_flip_bits(self._rng, self._rng.choice(self._bad)), ("by hand, flipped",))

    def _draw_base(self) -> _Base:
        return _base(build_batch(self._rng, self._rng.choice(self._keys), self._now_ms))

    def _change_values(self, base: _Base) -> tuple[bytes, list[str]]:
        wire = msgspec.json.decode(base.body)
        ways: list[str] = []
        for _ in range(1 if self._rng.random() < 0.75 else self._rng.randint(2, 4)):
            way, change = self._rng.choice(_VALUE_CHANGES)
            if _apply(self._rng, wire, self._rng.choice(base.places), change):
                ways.append(way)
        return msgspec.json.encode(wire), ways

    def _renamed(self, body: bytes, base: _Base) -> bytes:
        batch_id, view_id = base.ids
        return body.replace(batch_id, b"%032x" % self._rng.getrandbits(128), 1).replace(
            view_id, b"%016x" % self._rng.getrandbits(64), 1
        )


def _base(wire: Wire) -> _Base:
    ids = str(wire["b"]).encode(), str(wire["w"]["i"]).encode()  # type: ignore[index]
    return _Base(msgspec.json.encode(wire), ids, tuple(_places(wire)))


def _places(value: object, path: Place = ()) -> list[Place]:
    """Return every place inside a JSON value, of long lists the first few."""
    children: Sequence[tuple[int | str, object]] = ()
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))[:5]
    found = [path] if path else []
    for key, child in children:
        found += _places(child, (*path, key))
    return found


Holder = dict[int | str, object] | list[object]
ValueChange = Callable[[random.Random, Holder, int | str], None]
ByteChange = Callable[[random.Random, bytes], bytes]


def _apply(rng: random.Random, wire: object, place: Place, change: ValueChange) -> bool:
    """Change the value at a place; False where an earlier change has taken the place away."""
    holder = wire
    try:
        for key in place[:-1]:
            holder = holder[key]  # type: ignore[index]
        if not isinstance(holder, dict | list):
            return False
        change(rng, holder, place[-1])
    except (KeyError, IndexError, TypeError):
        return False
    return True


def _set_number(rng: random.Random, holder: Holder, key: int | str) -> None:
    holder[key] = Raw(rng.choice(NUMBERS))  # type: ignore[index]


def _set_text(rng: random.Random, holder: Holder, key: int | str) -> None:
    holder[key] = Raw(rng.choice(TEXTS))  # type: ignore[index]


def _set_shape(rng: random.Random, holder: Holder, key: int | str) -> None:
    holder[key] = Raw(rng.choice(SHAPES))  # type: ignore[index]


def _nudge(rng: random.Random, holder: Holder, key: int | str) -> None:
    value = holder[key]  # type: ignore[index]
    if isinstance(value, int):
        value = rng.choice((value + 1, value - 1, -value, value * 2, value ^ 1 << rng.randrange(40)))
    elif isinstance(value, str):
        value = rng.choice((value + "a", value[:-1], value * 2, value.upper(), value[::-1], value + "\U0001f600"))
    elif isinstance(value, list):
        value = rng.choice((value[:-1], value + value[:1], value[::-1], value * 2, []))
    holder[key] = value  # type: ignore[index]


def _swap_type(_rng: random.Random, holder: Holder, key: int | str) -> None:
    value = holder[key]  # type: ignore[index]
    if isinstance(value, bool | int):
        holder[key] = str(value)  # type: ignore[index]
    elif isinstance(value, str):
        holder[key] = [value]  # type: ignore[index]
    elif isinstance(value, list):
        holder[key] = dict(enumerate(value))  # type: ignore[index]
    elif isinstance(value, dict):
        holder[key] = list(value.values())  # type: ignore[index]


def _remove(_rng: random.Random, holder: Holder, key: int | str) -> None:
    del holder[key]  # type: ignore[arg-type]


def _exchange(rng: random.Random, holder: Holder, key: int | str) -> None:
    other = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    holder[key], holder[other] = holder[other], holder[key]  # type: ignore[index]


def _add_member(rng: random.Random, holder: Holder, _key: int | str) -> None:
    value = Raw(rng.choice(rng.choice((NUMBERS, TEXTS, SHAPES))))
    if isinstance(holder, dict):
        holder[rng.choice(_KEYS).decode()] = value
    else:
        holder.insert(rng.randrange(len(holder) + 1), value)


def _move_deeper(_rng: random.Random, holder: Holder, key: int | str) -> None:
    value = holder[key]  # type: ignore[index]
    holder[key] = [value] if isinstance(holder, list) else {str(key): value}  # type: ignore[index]


_VALUE_CHANGES: Sequence[tuple[str, ValueChange]] = (
    ("number", _set_number), ("number", _set_number), ("text", _set_text), ("text", _set_text), ("shape", _set_shape),
    *[("nudge", _nudge)] * 8, ("type", _swap_type), ("remove", _remove),
    ("exchange", _exchange), ("member", _add_member), ("deeper", _move_deeper),
)  # fmt: skip


def _flip_bits(rng: random.Random, body: bytes) -> bytes:
    changed = bytearray(body or b"\0")
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _set_byte(rng: random.Random, body: bytes) -> bytes:
    place = rng.randrange(len(body) or 1)
    return body[:place] + bytes((rng.choice(b'\0\xff"\\{}[],:0- '),)) + body[place + 1 :]


def _cut_end(rng: random.Random, body: bytes) -> bytes:
    return body[: rng.randrange(len(body) or 1)]


def _cut_middle(rng: random.Random, body: bytes) -> bytes:
    start = rng.randrange(len(body) or 1)
    return body[:start] + body[start + rng.randint(1, 40) :]


def _insert_token(rng: random.Random, body: bytes) -> bytes:
    place = rng.randrange(len(body) + 1)
    return body[:place] + rng.choice(rng.choice((NUMBERS, TEXTS, SHAPES))) + body[place:]


def _insert_junk(rng: random.Random, body: bytes) -> bytes:
    place = rng.randrange(len(body) + 1)
    return body[:place] + rng.randbytes(rng.choice((1, 2, 16, 300))) + body[place:]


def _repeat_slice(rng: random.Random, body: bytes) -> bytes:
    start = rng.randrange(len(body) or 1)
    part = body[start : start + rng.randint(1, 60)]
    return body[:start] + part * rng.choice((2, 3, 50)) + body[start + len(part) :]


def _double_key(rng: random.Random, body: bytes) -> bytes:
    """Say a member twice: the later one of a name is the one that counts, in most decoders."""
    braces = [place for place, byte in enumerate(body[:5000]) if byte == 0x7B]
    if not braces:
        return body
    place = rng.choice(braces) + 1
    value = rng.choice(rng.choice((NUMBERS, TEXTS, SHAPES)))
    return body[:place] + b'"' + rng.choice(_KEYS) + b'":' + value + b"," + body[place:]


def _recode(rng: random.Random, body: bytes) -> bytes:
    return body.decode("utf-8", "replace").encode(rng.choice(_CODECS), "replace")


def _surround(rng: random.Random, body: bytes) -> bytes:
    before, after = rng.choice(_SURROUNDINGS)
    return before + body + after


_SURROUNDINGS = (
    (b"\xef\xbb\xbf", b""), (b"[", b"]"), (b" " * 3000, b"\n"), (b"", b"\0"), (b"", b"}"), (b'{"v":1,"w":', b"}"),
    (b'"', b'"'), (b"data=", b""), (b"", b"{}"), (b"(", b")"), (b"\x1e", b"\n"), (b"--x\r\n\r\n", b"\r\n--x--"),
    (b"", b"//"), (b"\f", b""),
)  # fmt: skip


def _twice(_rng: random.Random, body: bytes) -> bytes:
    return body + body


def _swallow(rng: random.Random, _body: bytes) -> bytes:
    return rng.choice(
        (b"", b" ", b"\0", b"null", b"{}", b"[]", b'""', b"{", b"[" * 60_000, rng.randbytes(rng.randrange(500)))
    )


def _compress(rng: random.Random, body: bytes) -> bytes:
    return rng.choice((gzip.compress(body, 1), zlib.compress(body), gzip.compress(body, 1)[: rng.randrange(1, 60)]))


_BYTE_CHANGES: Sequence[tuple[str, ByteChange]] = (
    ("flip", _flip_bits), ("flip", _flip_bits), ("flip", _flip_bits), ("byte", _set_byte), ("byte", _set_byte),
    ("cut", _cut_end), ("cut", _cut_end), ("hole", _cut_middle), ("hole", _cut_middle), ("token", _insert_token),
    ("token", _insert_token), ("junk", _insert_junk), ("repeat", _repeat_slice), ("double", _double_key),
    ("double", _double_key), ("recode", _recode), ("surround", _surround), ("twice", _twice), ("swallow", _swallow),
    ("compress", _compress),
)  # fmt: skip
