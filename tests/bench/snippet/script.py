"""What the scripted visitor does, and when: moves, clicks and wheel turns on one time line. Pure.

The visit is cut into stretches: each begins with three turns of the wheel, goes on with moves towards something in
view, and ends with a click on it. Two stretches in the middle scroll back up. Positions come from the page's own
boxes, read once before anything is measured, and from a fixed seed.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

VIEWPORT = (1280, 800)
START_S = 2.0
"""Time before the first input: what a script does in it is its start."""
_REST_S = 0.5
"""Time after the last input and before the visit's end."""
_WHEEL_TURNS = 3
_WHEEL_PX = 200
_WHEEL_GAP_S = 0.06
_EDGE_PX = 70
"""Distance from the viewport's edges that a click keeps: the header is sticky."""
_SEED = 20_26


class Kind(Enum):
    """What an input is."""

    MOVE = "move"
    CLICK = "click"
    WHEEL = "wheel"


@dataclass(frozen=True, slots=True)
class Spot:
    """Something that may be pressed: its kind, its centre in px of the document, whether it stays while one scrolls."""

    kind: str
    x: float
    y: float
    is_sticky: bool


@dataclass(frozen=True, slots=True)
class Input:
    """One input, due `at_s` after the visit began; `y` is the wheel's turn in px for a WHEEL."""

    kind: Kind
    at_s: float
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Length:
    """How long a visit is and what it holds: a click ends each stretch but the last."""

    seconds: float = 30.0
    moves: int = 600
    clicks: int = 13

    @property
    def stretches(self) -> int:
        """How many stretches there are."""
        return self.clicks + 1

    @property
    def wheels(self) -> int:
        """Turns of the wheel, 42 in a whole visit."""
        return self.stretches * _WHEEL_TURNS


@dataclass(frozen=True, slots=True)
class Script:
    """All inputs in order, and how often each kind of thing is pressed."""

    length: Length
    inputs: tuple[Input, ...]
    pressed: Counter[str]


WHOLE = Length()
SHORT = Length(seconds=4.0, moves=40, clicks=1)
QUICK = Length(seconds=10.0, moves=200, clicks=4)


def write_script(spots: Sequence[Spot], length: Length) -> Script:
    """Return the visit of a page whose pressable things are `spots`."""
    chance = random.Random(_SEED)
    pressed: Counter[str] = Counter()
    inputs: list[Input] = []
    stretch_s = (length.seconds - START_S - _REST_S) / length.stretches
    position, scroll_px = (VIEWPORT[0] / 2, VIEWPORT[1] / 2), 0.0
    for number in range(length.stretches):
        begin_s = START_S + number * stretch_s
        turn = -_WHEEL_PX if _is_upward(number, length) else _WHEEL_PX
        inputs += [Input(Kind.WHEEL, begin_s + i * _WHEEL_GAP_S, 0, turn) for i in range(_WHEEL_TURNS)]
        scroll_px = max(0.0, scroll_px + turn * _WHEEL_TURNS)
        spot = _choose(spots, scroll_px, pressed, chance)
        target = (spot.x, spot.y if spot.is_sticky else spot.y - scroll_px)
        moves = length.moves * (number + 1) // length.stretches - length.moves * number // length.stretches
        moves_s = (begin_s + _WHEEL_TURNS * _WHEEL_GAP_S, begin_s + stretch_s * 0.95)
        inputs += _move(position, target, moves, moves_s, chance)
        position = target
        if number < length.clicks:
            pressed[spot.kind] += 1
            inputs.append(Input(Kind.CLICK, begin_s + stretch_s * 0.97, *target))
    return Script(length, tuple(inputs), pressed)


def _is_upward(number: int, length: Length) -> bool:
    middle = length.stretches // 2
    return number in (middle, middle + 1)


def _choose(spots: Sequence[Spot], scroll_px: float, pressed: Counter[str], chance: random.Random) -> Spot:
    """Return a thing in view of the kind that was pressed least; every second one is dead."""
    low, high = scroll_px + _EDGE_PX, scroll_px + VIEWPORT[1] - _EDGE_PX
    seen = [spot for spot in spots if spot.is_sticky or low <= spot.y <= high]
    if pressed.total() % 2:
        seen = [spot for spot in seen if spot.kind == "dead"] or seen
    least = min(pressed[spot.kind] for spot in seen)
    return chance.choice([spot for spot in seen if pressed[spot.kind] == least])


def _move(
    begin: tuple[float, float], end: tuple[float, float], moves: int, due_s: tuple[float, float], chance: random.Random
) -> list[Input]:
    """Return moves that leave `begin` fast, waver, and come to rest on `end`."""
    inputs = []
    for number in range(1, moves + 1):
        share = number / moves
        eased = 1 - (1 - share) ** 2
        sway = 12 * (1 - share)
        x = begin[0] + (end[0] - begin[0]) * eased + chance.uniform(-sway, sway)
        y = begin[1] + (end[1] - begin[1]) * eased + chance.uniform(-sway, sway)
        at_s = due_s[0] + (due_s[1] - due_s[0]) * (number - 1) / moves
        inputs.append(
            Input(Kind.MOVE, at_s, round(min(max(x, 1), VIEWPORT[0] - 1)), round(min(max(y, 1), VIEWPORT[1] - 1)))
        )
    return inputs
