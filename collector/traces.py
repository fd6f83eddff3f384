"""The parts of a batch that tell of moves and signals, and what a schema cannot say of them. Pure.

`wire` puts them into a `Batch`. As there, every value of a part without a fault fits the column it is stored in.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from collector.bounds import MAX_PX, MAX_VIEW_MS, Byte, DurationMs, Index, Int32, Shift
from collector.ids import MAX_SIGNAL_KIND

_Shifts = Annotated[list[Shift], Meta(max_length=600)]
_Fractions = Annotated[list[Byte], Meta(max_length=600)]
_Numbers = Annotated[list[Int32], Meta(max_length=300)]
_Kind = Annotated[int, Meta(ge=1, le=MAX_SIGNAL_KIND)]
_Element = Annotated[int, Meta(ge=-1, le=4095)]


class Moves(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Where the pointer was since the last acknowledged batch, by column; time and position are delta-coded."""

    delta_ms: Annotated[list[DurationMs], Meta(max_length=600)] = field(name="t")
    elements: Annotated[list[Index], Meta(max_length=600)] = field(name="e")
    delta_x_px: _Shifts = field(name="x")
    delta_y_px: _Shifts = field(name="y")
    x_frac: _Fractions = field(name="fx")
    y_frac: _Fractions = field(name="fy")


class Signals(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What else was noticed since the last acknowledged batch, by column; see `ids.SignalKind`."""

    at_ms: Annotated[list[DurationMs], Meta(max_length=300)] = field(name="t")
    kinds: Annotated[list[_Kind], Meta(max_length=300)] = field(name="k")
    elements: Annotated[list[_Element], Meta(max_length=300)] = field(name="e")
    """−1: it is about no element."""
    values: _Numbers = field(name="v")
    extras: _Numbers | UnsetType = field(name="w", default=UNSET)
    texts: Annotated[list[Annotated[str, Meta(max_length=500)]], Meta(max_length=300)] | UnsetType = field(
        name="s", default=UNSET
    )


def find_bad_move(moves: Moves, n_steps: int) -> str:
    """Return what is wrong with the moves of a batch whose dictionary has so many steps; nothing: an empty text."""
    columns = (moves.delta_ms, moves.delta_x_px, moves.delta_y_px, moves.x_frac, moves.y_frac)
    if any(len(column) != len(moves.elements) for column in columns):
        return "the columns of $.m differ in length"
    if not moves.elements:
        return ""
    if max(moves.elements) >= n_steps:
        return "$.m.e names an element that $.d does not hold"
    if sum(moves.delta_ms) > MAX_VIEW_MS:
        return f"the times of $.m.t exceed {MAX_VIEW_MS} ms"
    if _leaves_range(moves.delta_x_px) or _leaves_range(moves.delta_y_px):
        return f"the positions of $.m.x or $.m.y exceed {MAX_PX} px"
    return ""


def _leaves_range(deltas: Sequence[int]) -> bool:
    places = list(accumulate(deltas))
    return max(places) > MAX_PX or min(places) < -MAX_PX


def find_bad_signal(signals: Signals, n_steps: int) -> str:
    """Return what is wrong with the signals of a batch whose dictionary has so many steps; nothing: an empty text."""
    n = len(signals.elements)
    is_even = len(signals.at_ms) == n and len(signals.kinds) == n and len(signals.values) == n
    if (
        not is_even
        or (signals.extras is not UNSET and len(signals.extras) != n)
        or (signals.texts is not UNSET and len(signals.texts) != n)
    ):
        return "the columns of $.f differ in length"
    return "$.f.e names an element that $.d does not hold" if n and max(signals.elements) >= n_steps else ""
