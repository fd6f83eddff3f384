"""Valid batches made at random, with all that the wire format allows: extremes, odd texts, empty columns. Pure, seeded.

They are what mutations begin with, and the neighbours that must be stored whatever is sent beside them.
"""

import random
import time
from collections.abc import Callable, Sequence

Wire = dict[str, object]

MAX_PX = 10_000_000
MAX_MS = 604_800_000
MAX_COUNT = 1_000_000
ODD_TEXTS = (
    "a", "nav", "section:2", "#buy", "Größe", "日本語", "\U0001f600", "\U0010ffff", "e\u0301\u0301\u0301", "\u202eevil",
    "\ufeff", "\ufffe", "\u2028\u2029", "\x7f", "\x01\x1f", "'); drop table clicks; --", "\\N", "\\.", "{}", "%00%2f",
    "\t\r\n", '"quoted"', "a>b", "\u200b", "\ud7ff\ue000", "NULL", "=1+1", "<script>", "$1", "\\x00",
)  # fmt: skip
"""Texts that have broken one system or another; none holds U+0000."""
ODD_PATHS = (
    "/", "//", "/?q=1", "/#f", "/a/../..", "/.", "/%", "/%zz", "/%00", "/%ff%fe", "/%C3%A4", "/ä/ö", "/%e2%80%a8",
    "/\u2028", "/\ufeff", "/a//b/", "/%2e%2e/x", "/%252e", "/\\..\\x", "/;a=1", "/\U0001f600", "/a b", "/\x7f",
    "/?x=%00&x=%ff&y", "/a?y=2&x=1&z#/b", "/#/%2e%2e/\u2028", "/?&&==&x==&%78=+%2B",
)  # fmt: skip


def build_batch(rng: random.Random, key: str, now_ms: int | None = None) -> Wire:
    """Return one valid batch for the site of `key`; small as a rule, now and then as large as may be."""
    sent_ms = int(time.time() * 1000) if now_ms is None else now_ms
    steps = _steps(rng, _size(rng, 30, 600))
    geometries = [[_px(rng) for _ in range(4)] for _ in range(1 + _size(rng, 2, 63))]
    wire: Wire = {
        "v": 1,
        "b": f"{rng.getrandbits(128):032x}",
        "k": key,
        "t": sent_ms,
        "w": _view(rng, sent_ms, len(steps)),
        "g": geometries,
        "d": steps,
    }
    if rng.random() < 0.8:
        wire["c"] = _clicks(rng, _size(rng, 6, 200) if steps else 0, len(steps), len(geometries))
    if rng.random() < 0.6:
        wire["s"] = [
            [_index(rng, len(steps)), _ms(rng), rng.randrange(4)] for _ in range(_size(rng, 5, 200) if steps else 0)
        ]
    if rng.random() < 0.3:
        wire["m"] = _moves(rng, _size(rng, 20, 600) if steps else 0, len(steps))
    if rng.random() < 0.3:
        wire["f"] = _signals(rng, _size(rng, 8, 300), len(steps))
    if rng.random() < 0.15:
        wire["l"] = _layout(rng, _size(rng, 20, 150) if steps else 0, len(steps))
    return wire


def _size(rng: random.Random, usual: int, most: int) -> int:
    return rng.randint(usual, most) if rng.random() < 0.02 else rng.randint(0, usual)


def _index(rng: random.Random, size: int) -> int:
    return int(rng.random() * size)


def _px(rng: random.Random) -> int:
    return rng.choice((0, 1, MAX_PX, 1440, 390)) if rng.random() < 0.3 else int(rng.random() * 5000)


def _signed(rng: random.Random) -> int:
    return rng.choice((0, -1, MAX_PX, -MAX_PX)) if rng.random() < 0.2 else int(rng.random() * 5000) - 100


def _ms(rng: random.Random) -> int:
    return rng.choice((0, MAX_MS)) if rng.random() < 0.1 else int(rng.random() * 60_000)


def _text(rng: random.Random, most: int, least: int = 0) -> str:
    draw = rng.random()
    if draw < 0.6:
        return rng.choice(ODD_TEXTS)[:most]
    if draw < 0.65:
        return (rng.choice(("x", "ä", "\U0001f600")) * most)[:most]
    length = least + int(rng.random() * 12)
    return "".join(_letter(rng) for _ in range(min(most, length)))


def _letter(rng: random.Random) -> str:
    """Return any character that is neither U+0000 nor half of a surrogate pair."""
    code = rng.randrange(1, 0x250) if rng.random() < 0.8 else rng.randrange(1, 0x110000)
    return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)


def _steps(rng: random.Random, size: int) -> list[list[object] | str]:
    """Parents come first, some keys stand whole; all stay far below the depth and the length that a key may have."""
    steps: list[list[object] | str] = []
    depths: list[int] = []
    for index in range(size):
        if rng.random() < 0.3:
            depths.append(rng.randint(0, 3))
            steps.append(">".join(_text(rng, 60, 1).replace(">", "") or "x" for _ in range(depths[-1] + 1)))
            continue
        parent = rng.randrange(index) if index and rng.random() < 0.7 else -1
        if parent >= 0 and depths[parent] >= 8:
            parent = -1
        depths.append(0 if parent < 0 else depths[parent] + 1)
        steps.append([parent, _text(rng, 200, 1)])
    return steps


def _view(rng: random.Random, sent_ms: int, n_steps: int) -> Wire:
    view: Wire = {
        "i": f"{rng.getrandbits(64):016x}",
        "s": sent_ms - rng.choice((0, 1, 12_345, 3_600_000, 86_000_000, -59_000)),
        "q": rng.choice((0, 1, 7, MAX_COUNT)),
        "n": rng.randrange(4),
        "p": rng.choice(ODD_PATHS) if rng.random() < 0.5 else "/" + _text(rng, 1023),
        "c": rng.randrange(2),
        "a": _ms(rng),
        "e": _ms(rng),
        "h": [_px(rng), _px(rng)],
    }
    if rng.random() < 0.4:
        view["r"] = _text(rng, 253)
    if n_steps and rng.random() < 0.5:
        view["x"] = _index(rng, n_steps)
    if rng.random() < 0.2:
        view["m"] = rng.randint(1, 255)
    if rng.random() < 0.2:
        view["u"] = f"{rng.getrandbits(128):032x}"
    return view


def _clicks(rng: random.Random, size: int, n_steps: int, n_geometries: int) -> Wire:
    def column(draw: Callable[[], int]) -> list[int]:
        return [draw() for _ in range(size)]

    return {
        "t": column(lambda: int(rng.random() * 2000)),
        "e": column(lambda: _index(rng, n_steps)),
        **{name: column(lambda: _signed(rng)) for name in ("x", "y", "w", "h")},
        **{name: column(lambda: int(rng.random() * 256)) for name in ("fx", "fy")},
        "g": column(lambda: _index(rng, n_geometries)),
        "k": column(lambda: int(rng.random() * 256)),
        "n": column(lambda: rng.choice((1, 2, MAX_COUNT))),
    }


def _moves(rng: random.Random, size: int, n_steps: int) -> Wire:
    def shifts() -> list[int]:
        places = [_signed(rng) for _ in range(size)]
        return [place - before for place, before in zip(places, [0, *places], strict=False)]

    return {
        "t": [int(rng.random() * 2000) for _ in range(size)],
        "e": [_index(rng, n_steps) for _ in range(size)],
        **{name: shifts() for name in ("x", "y")},
        **{name: [int(rng.random() * 256) for _ in range(size)] for name in ("fx", "fy")},
    }


def _signals(rng: random.Random, size: int, n_steps: int) -> Wire:
    signals: Wire = {
        "t": [_ms(rng) for _ in range(size)],
        "k": [1 + int(rng.random() * 64) for _ in range(size)],
        "e": [_index(rng, n_steps + 1) - 1 for _ in range(size)],
        "v": [rng.choice((0, -1, 2**31 - 1, -(2**31), 140)) for _ in range(size)],
    }
    if rng.random() < 0.5:
        signals["w"] = [rng.choice((0, 2**31 - 1, -(2**31))) for _ in range(size)]
    if rng.random() < 0.5:
        most = 500 if size < 50 else 20
        signals["s"] = [_text(rng, most) if rng.random() < 0.3 else "" for _ in range(size)]
    return signals


def _layout(rng: random.Random, size: int, n_steps: int) -> Wire:
    sections: Sequence[object] = [
        [_index(rng, n_steps), *(_signed(rng) for _ in range(4)), rng.randrange(MAX_COUNT), 3, _text(rng, 80)]
        for _ in range(rng.randint(0, min(4, size)))
    ]
    structure: Wire = {"v": rng.choice((0, 1, 2**32 - 1))} if rng.random() < 0.5 else {}
    return structure | {
        "u": _text(rng, 120),
        "i": [_index(rng, n_steps) for _ in range(size)],
        **{name: [_signed(rng) for _ in range(size)] for name in ("x", "y", "w", "h")},
        "r": [rng.randrange(8) + rng.choice((0, 16)) for _ in range(size)],
        "t": [_text(rng, 80) for _ in range(size)],
        "s": sections,
    }
