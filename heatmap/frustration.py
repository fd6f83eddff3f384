"""Which clicks are rage, dead or errors, which elements mislead, and which views were quick backs: DEFINITIONS as code.

Pure numpy: columns in, columns out, all clicks of a page and day at once. Everything is judged from stored facts, so
that a site may change its thresholds and the past is judged anew. What was not watched is never judged: a click without
a fact about its response is not dead.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from collector.ids import BUTTON_MASK, ClickFlag, SignalKind

Int64 = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

WATCHED_MS = 2_500
"""How long the browser waits for a response to a click (the window of PostHog). Where the visitor went on meanwhile, a
fact may hold a longer wait: that is no response."""

FAULT_WATCHED_MS = 1_000
"""How long after a click the browser puts an error down to it."""

NO_RESPONSE = -1
"""Value of a RESPONSE signal where none came."""

UNWATCHED = -2
"""Of a click about which no such fact was stored."""

NO_GROUP = -1
"""Of a click that is part of no rage."""

_AT_BITS = 30  # a view's clicks lie within 7 days, 604,800,000 ms


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on something counts as frustration; a site may choose its own.

    Raises:
        ValueError: one is outside of what the facts can tell.
    """

    rage_clicks: int = 3
    rage_radius_px: int = 30
    """Between a click and the one before (PostHog's rule, as the time)."""
    rage_gap_ms: int = 1_000
    dead_ms: int = WATCHED_MS
    error_ms: int = FAULT_WATCHED_MS
    misleading_visitors: int = 3
    quick_back_ms: int = 7_000

    def __post_init__(self) -> None:
        if not (0 < self.dead_ms <= WATCHED_MS and 0 <= self.error_ms <= FAULT_WATCHED_MS):
            raise ValueError(
                f"responses are watched for {WATCHED_MS} ms and errors for {FAULT_WATCHED_MS} ms, no longer"
            )
        if min(self.rage_clicks, self.misleading_visitors) < 2:
            raise ValueError("one click is no rage, and one visitor misleads nobody")


DEFAULT = Thresholds()


@dataclass(frozen=True, slots=True, eq=False)
class Clicks:
    """Clicks, one row each in any order; `kinds` as stored, `parent_ids` of the elements, 0 where there is none."""

    view_ids: Int64
    element_ids: Int64
    parent_ids: Int64
    x_px: Int64
    y_px: Int64
    at_ms: Int64
    kinds: Int64


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """Signals of the same views, one row each in any order and of any kind."""

    view_ids: Int64
    element_ids: Int64
    at_ms: Int64
    kinds: Int64
    values: Int64


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """Views, one row each in any order; `clicks` is how many each had."""

    visitor_keys: Int64
    page_ids: Int64
    started_ms: Int64
    clicks: Int64


def find_rage(clicks: Clicks, thresholds: Thresholds = DEFAULT) -> Int64:
    """Return the number of the rage that each click is part of, from 0, or `NO_GROUP`.

    A rage is a chain of primary clicks in one view, each near the one before in place and time and on the same element,
    its parent or its child. One on a control made for repetition, or that selects text, is in none and ends the chain.
    """
    order = np.lexsort((clicks.at_ms, clicks.view_ids))
    may_rage = _is_click(clicks)[order] & ~_has(clicks, ClickFlag.REPEATS | ClickFlag.SELECTING)[order]
    follows = np.zeros(order.size, np.bool_)
    follows[1:] = may_rage[1:] & may_rage[:-1] & _is_next(clicks, order, thresholds)
    chain = np.cumsum(~follows) - 1
    is_rage = np.bincount(chain, minlength=1)[chain] >= thresholds.rage_clicks
    groups = np.full(order.size, NO_GROUP, np.int64)
    groups[order[is_rage]] = np.unique(chain[is_rage], return_inverse=True)[1]
    return groups


def find_waits(clicks: Clicks, signals: Signals) -> Int64:
    """Return how long each click waited for the page's response, ms, or `NO_RESPONSE`, or `UNWATCHED`."""
    return _value_of(clicks, signals, SignalKind.RESPONSE)


def find_dead(clicks: Clicks, signals: Signals, thresholds: Thresholds = DEFAULT) -> Flags:
    """Return which clicks are dead: on something that looks interactive, and without a response in time."""
    return _has(clicks, ClickFlag.LOOKS_INTERACTIVE) & _is_unanswered(clicks, signals, thresholds)


def find_errors(clicks: Clicks, signals: Signals, thresholds: Thresholds = DEFAULT) -> Flags:
    """Return which clicks were followed by an uncaught error or rejection."""
    after_ms = _value_of(clicks, signals, SignalKind.ERROR)
    is_error: Flags = _is_click(clicks) & (after_ms != UNWATCHED) & (after_ms <= thresholds.error_ms)
    return is_error


def find_misleading(clicks: Clicks, signals: Signals, visitor_keys: Int64, thresholds: Thresholds = DEFAULT) -> Int64:
    """Return the elements, sorted, that do not look interactive and that enough visitors clicked in vain.

    `visitor_keys` has the visitor of each click.
    """
    in_vain = _is_unanswered(clicks, signals, thresholds) & ~_has(clicks, ClickFlag.LOOKS_INTERACTIVE)
    pairs = np.unique(np.column_stack((clicks.element_ids[in_vain], visitor_keys[in_vain])), axis=0)
    element_ids, visitors = np.unique(pairs[:, 0], return_counts=True)
    return element_ids[visitors >= thresholds.misleading_visitors]


def find_quick_backs(looks: Looks, thresholds: Thresholds = DEFAULT) -> Flags:
    """Return which views were left for the page before them, soon and without a click in them."""
    order = np.lexsort((looks.started_ms, looks.visitor_keys))
    visitor, page, started = (column[order] for column in (looks.visitor_keys, looks.page_ids, looks.started_ms))
    is_quick = np.zeros(order.size, np.bool_)
    is_quick[1:-1] = (
        (visitor[:-2] == visitor[1:-1])
        & (visitor[1:-1] == visitor[2:])
        & (page[:-2] == page[2:])
        & (page[:-2] != page[1:-1])
        & (started[2:] - started[1:-1] <= thresholds.quick_back_ms)
        & (looks.clicks[order][1:-1] == 0)
    )
    found = np.zeros(order.size, np.bool_)
    found[order] = is_quick
    return found


def _is_click(clicks: Clicks) -> Flags:
    is_primary: Flags = clicks.kinds & BUTTON_MASK == 0
    return is_primary


def _has(clicks: Clicks, flags: ClickFlag) -> Flags:
    has_any: Flags = clicks.kinds & flags.value != 0
    return has_any


def _is_next(clicks: Clicks, order: Int64, thresholds: Thresholds) -> Flags:
    """Return of each click but the first in `order` whether it is near the one before."""
    view, element, parent, x_px, y_px, at_ms = (
        column[order].astype(np.int64)
        for column in (clicks.view_ids, clicks.element_ids, clicks.parent_ids, clicks.x_px, clicks.y_px, clicks.at_ms)
    )
    is_next: Flags = (
        (view[1:] == view[:-1])
        & (np.diff(at_ms) <= thresholds.rage_gap_ms)
        & (np.diff(x_px) ** 2 + np.diff(y_px) ** 2 <= thresholds.rage_radius_px**2)
        & ((element[1:] == element[:-1]) | (element[1:] == parent[:-1]) | (parent[1:] == element[:-1]))
    )
    return is_next


def _is_unanswered(clicks: Clicks, signals: Signals, thresholds: Thresholds) -> Flags:
    waits = find_waits(clicks, signals)
    is_judged = _is_click(clicks) & ~_has(clicks, ClickFlag.SELECTING | ClickFlag.MODIFIED)
    is_unanswered: Flags = is_judged & ((waits == NO_RESPONSE) | (waits > thresholds.dead_ms))
    return is_unanswered


def _value_of(clicks: Clicks, signals: Signals, kind: SignalKind) -> Int64:
    """Return the least value of the signals of one kind about each click: they repeat its view, element and time."""
    rows = np.flatnonzero(signals.kinds == kind)
    codes = _codes(
        np.concatenate((clicks.view_ids, signals.view_ids[rows])),
        np.concatenate((clicks.element_ids, signals.element_ids[rows])),
        np.concatenate((clicks.at_ms, signals.at_ms[rows])),
    )
    wanted, known = np.split(codes, [clicks.view_ids.size])
    order = np.lexsort((signals.values[rows], known))
    known, values = np.append(known[order], -1), np.append(signals.values[rows][order], UNWATCHED)
    place = np.searchsorted(known[:-1], wanted)
    return np.where(known[place] == wanted, values[place], UNWATCHED).astype(np.int64)


def _codes(view_ids: Int64, element_ids: Int64, at_ms: Int64) -> Int64:
    """Return one number for each row, the same for the same view, element and time."""
    views, elements = (np.unique(ids, return_inverse=True)[1].astype(np.int64) for ids in (view_ids, element_ids))
    pairs = np.unique(views << 32 | elements, return_inverse=True)[1].astype(np.int64)
    codes: Int64 = pairs << _AT_BITS | at_ms.astype(np.int64)
    return codes
