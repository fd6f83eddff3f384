"""What else a browser would tell of a view's clicks: the pointer's way to each, and signals about it. Pure.

Chance comes from the view's own id, so that visitors are the same with these and without them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from collector.ids import FIXED_FLAG, ClickFlag, ClickKind, Role, SignalKind
from heatmap.demo.clicking import Click
from heatmap.demo.recording import FittedPage

_INTERACTIVE = {Role.LINK, Role.BUTTON, Role.FIELD}
_STEPPERS = {"#more", "#longer", "#less"}
_WAY_MOVES = 8
_WAY_MS = 900
"""So many moves of 10 Hz lead to a click."""


@dataclass(frozen=True, slots=True)
class Move:
    """One move, before it is written as a batch's columns; `element` is its place in the layout."""

    at_ms: int
    element: int
    x_px: int
    y_px: int
    x_frac: int
    y_frac: int


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal, before it is written as a batch's columns; `element` is its place in the layout, or −1."""

    at_ms: int
    kind: SignalKind
    element: int
    value: int
    text: str = ""


def click_flags(page: FittedPage, click: Click) -> int:
    """Return the flags of a click's kind: what it was made on."""
    flags = 0
    if page.page.layout.roles[click.element] % FIXED_FLAG in _INTERACTIVE:
        flags |= ClickFlag.LOOKS_INTERACTIVE
    if page.element_keys[click.element] in _STEPPERS:
        flags |= ClickFlag.REPEATS
    return flags


def draw_moves(page: FittedPage, clicks: Sequence[Click]) -> list[Move]:
    """Return the ways of a mouse to these clicks, each from the click before; over no element there is no move."""
    moves: list[Move] = []
    last: Click | None = None
    for click in clicks:
        if click.kind == ClickKind.MOUSE:
            begun_ms = max(click.at_ms - _WAY_MS, last.at_ms if last else 0)
            begun_px = (last.x_px, last.y_px) if last else (page.geometry[0] / 2, click.y_px - page.geometry[1] / 4)
            moves += _draw_way(page, click, begun_ms, begun_px)
        last = click
    return moves


def _draw_way(page: FittedPage, click: Click, begun_ms: int, begun_px: tuple[float, float]) -> Iterator[Move]:
    way = np.linspace(0, 1, _WAY_MOVES, endpoint=False)
    eased = way * way * (3 - 2 * way)  # a hand speeds up and slows down
    x = np.round(begun_px[0] + (click.x_px - begun_px[0]) * eased)
    y = np.round(begun_px[1] + (click.y_px - begun_px[1]) * eased)
    at_ms = np.round(begun_ms + (click.at_ms - begun_ms) * way)
    left, top, width, height = page.elements.T[:, :, None]
    inside = (left <= x) & (x < left + width) & (top <= y) & (y < top + height)
    smallest = np.where(inside, width * height, np.inf).argmin(axis=0)
    for place in np.flatnonzero(inside.any(axis=0)).tolist():
        element = int(smallest[place])
        box_x, box_y, box_w, box_h = page.elements[element]
        x_frac, y_frac = round((x[place] - box_x) / box_w * 255), round((y[place] - box_y) / box_h * 255)
        yield Move(int(at_ms[place]), element, int(x[place]), int(y[place]), x_frac, y_frac)


def draw_signals(page: FittedPage, clicks: Sequence[Click], view_id: str, *, is_first: bool) -> list[Signal]:
    """Return what was noticed about these clicks; with a view's first report comes its largest contentful paint."""
    rng = np.random.default_rng([int(view_id, 16), len(clicks)])
    signals = [Signal(2_500, SignalKind.VITAL, -1, int(rng.lognormal(7.2, 0.4)), "LCP")] if is_first else []
    for click in clicks:
        if click_flags(page, click):
            response_ms = int(rng.lognormal(4.2, 0.6))
            signals.append(Signal(click.at_ms, SignalKind.RESPONSE, click.element, response_ms))
        if click.kind == ClickKind.MOUSE:
            signals.append(Signal(click.at_ms, SignalKind.HESITATION, click.element, int(rng.lognormal(6.0, 0.7))))
    return signals
