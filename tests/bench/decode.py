"""CPU of decoding and validating a batch of 20 clicks: the typed decoder against `json.loads` and checks in Python.

Both refuse the same bad batches. Run it with

    python tests/bench/decode.py [--rounds 4000]
"""

import argparse
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

from collector.wire import Batch, decode_batch

CONTRACT = Path(__file__).parent.parent / "contract"
CLICKS = 20
TURNS = 7
HEX32, HEX16, KEY = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{16}"), re.compile(r"[A-Za-z0-9_-]{8,32}")
BOUNDS = {
    "t": (0, 604_800_000), "e": (0, 4095), "fx": (0, 255), "fy": (0, 255),
    "x": (-(10**7), 10**7), "y": (-(10**7), 10**7), "w": (-(10**7), 10**7), "h": (-(10**7), 10**7),
    "g": (0, 63), "k": (0, 255), "n": (1, 10**6),
}  # fmt: skip


def build_body() -> bytes:
    """The sample of the contract with 20 clicks on its 5 elements."""
    wire = json.loads((CONTRACT / "view-with-clicks.json").read_text())
    turn = {name: [column[place % 2] for place in range(CLICKS)] for name, column in wire["c"].items()}
    return json.dumps(wire | {"c": turn}, separators=(",", ":")).encode()


def build_grown_body(body: bytes) -> bytes:
    """The same batch with the moves of 10 s and five signals beside the clicks."""
    moves = {
        "t": [100] * 100,
        "e": [0, 4] * 50,
        "x": [300, 7] * 50,
        "y": [9, -9] * 50,
        "fx": [7] * 100,
        "fy": [9] * 100,
    }
    signals = {
        "t": [3200] * 5,
        "k": [1, 2, 3, 5, 9],
        "e": [0] * 5,
        "v": [140] * 5,
        "s": ["", "TypeError", "", "", "a.example"],
    }
    return json.dumps(json.loads(body) | {"m": moves, "f": signals}, separators=(",", ":")).encode()


def decode_by_hand(body: bytes) -> dict | None:
    """Decode with the standard library and check what a schema would: the shape that a first version takes."""
    wire = json.loads(body)
    if (
        wire["v"] != 1
        or not HEX32.fullmatch(wire["b"])
        or not KEY.fullmatch(wire["k"])
        or not is_int(wire["t"], 0, 8.64e12)
    ):
        return None
    return wire if is_view(wire["w"]) and is_dictionary(wire) and is_clicks(wire) and is_sections(wire) else None


def is_int(value: object, low: float, high: float) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def is_text(value: object, high: int) -> bool:
    return isinstance(value, str) and len(value) <= high and "\0" not in value


def is_view(view: dict) -> bool:
    return (
        HEX16.fullmatch(view["i"]) is not None
        and is_int(view["s"], 0, 8.64e12)
        and is_int(view["q"], 0, 10**6)
        and is_int(view["n"], 0, 3)
        and is_text(view["p"], 1024)
        and view["p"].startswith("/")
        and is_int(view["c"], 0, 1)
        and is_int(view["a"], 0, 604_800_000)
        and is_int(view["e"], 0, 604_800_000)
        and all(is_int(px, 0, 10**7) for px in view["h"])
        and is_text(view.get("r", ""), 253)
    )


def is_dictionary(wire: dict) -> bool:
    return all(is_int(px, 0, 10**7) for geometry in wire["g"] for px in geometry) and all(
        is_int(parent, -1, index - 1) and is_text(step, 200) for index, (parent, step) in enumerate(wire["d"])
    )


def is_clicks(wire: dict) -> bool:
    clicks = wire["c"]
    if set(clicks) != set(BOUNDS) or len({len(column) for column in clicks.values()}) != 1:
        return False
    if any(not is_int(value, *BOUNDS[name]) for name, column in clicks.items() for value in column):
        return False
    return max(clicks["e"]) < len(wire["d"]) and max(clicks["g"]) < len(wire["g"]) and sum(clicks["t"]) <= 604_800_000


def is_sections(wire: dict) -> bool:
    return all(
        is_int(index, 0, len(wire["d"]) - 1) and is_int(ms, 0, 604_800_000) and is_int(flags, 0, 3)
        for index, ms, flags in wire["s"]
    )


def measure(decode: Callable[[bytes], object], body: bytes, rounds: int) -> float:
    """Return the least µs of CPU a batch took over several turns."""
    least = float("inf")
    for _ in range(TURNS):
        begun = time.process_time_ns()
        for _ in range(rounds):
            decode(body)
        least = min(least, (time.process_time_ns() - begun) / rounds / 1000)
    return least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4000)
    rounds = parser.parse_args().rounds
    body = build_body()
    assert isinstance(decode_batch(body), Batch)
    assert decode_by_hand(body) is not None
    typed, by_hand = measure(decode_batch, body, rounds), measure(decode_by_hand, body, rounds)
    print(f"{CLICKS} clicks, {len(body)} bytes: typed {typed:.1f} µs, json and checks {by_hand:.1f} µs a batch")
    print(f"ratio {by_hand / typed:.1f}")
    grown = build_grown_body(body)
    assert isinstance(decode_batch(grown), Batch)
    print(
        f"with 100 moves and 5 signals, {len(grown)} bytes: typed {measure(decode_batch, grown, rounds):.1f} µs a batch"
    )


if __name__ == "__main__":
    main()
