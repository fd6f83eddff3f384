"""What one visit sent: batches as they came, and clicks, moves, signals and sections read out of them.

Waiting is for a condition over what came, never for time.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NewType, TypeVar

import jsonschema

from .snippet_build import ROOT

TIMEOUT_S = 60
Batch = dict[str, Any]
Key = NewType("Key", str)
_Found = TypeVar("_Found")
_SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "tests" / "contract" / "wire-v1.schema.json").read_text()))


@dataclass(frozen=True, slots=True)
class Click:
    """A click as it came; fractions are 0 to 1 of the element's box, views are numbered from 0."""

    view: int
    key: Key
    at_ms: int
    pointer: int
    button: int
    kind: int
    """All bits of the wire's `c.k`."""
    x_px: int
    y_px: int
    x_frac: float
    y_frac: float
    w_px: int
    h_px: int
    nth: int
    geometry: tuple[int, int, int, int]
    path: str


@dataclass(frozen=True, slots=True)
class Move:
    """A sample of the pointer's path."""

    key: Key
    at_ms: int
    x_px: int
    y_px: int
    x_frac: float
    y_frac: float


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal; `key` is empty where it belongs to no element."""

    view: int
    key: Key
    at_ms: int
    kind: int
    value: int
    extra: int
    text: str


@dataclass(slots=True)
class Arrivals:
    """The batches of one visit, each checked against the schema as it comes."""

    batches: list[Batch] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    wants_layout: bool = False
    """Whether answers ask for a layout."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, text: bytes) -> None:
        """Keep one batch; one that came before is a retry and is left out."""
        batch: Batch = json.loads(text)
        self.faults.extend(f"{error.json_path}: {error.message}" for error in _SCHEMA.iter_errors(batch))
        async with self.changed:
            if all(batch["b"] != known["b"] for known in self.batches):
                self.batches.append(batch)
            self.changed.notify_all()

    async def wait_for(self, condition: Callable[["Arrivals"], _Found]) -> _Found:
        """Return what `condition` returns as soon as that is something."""
        async with self.changed, asyncio.timeout(TIMEOUT_S):
            while not (found := condition(self)):
                await self.changed.wait()
        assert not self.faults, self.faults
        return found

    def views(self) -> list[Batch]:
        """Return the newest report of each view, in the order in which the views began."""
        newest: dict[str, Batch] = {}
        for batch in self.batches:
            view = batch["w"]
            if view["i"] not in newest or newest[view["i"]]["w"]["q"] < view["q"]:
                newest[view["i"]] = batch
        return sorted(newest.values(), key=lambda batch: int(batch["w"]["s"]))

    def clicks(self) -> list[Click]:
        """Return all clicks in the order in which they were made."""
        found = []
        for view, batches in enumerate(self._by_view()):
            for batch in batches:
                # Times count from the click before in the same batch; the first from the view's beginning.
                at_ms = 0
                for row in _rows(batch, "c"):
                    at_ms += row["t"]
                    found.append(_click(view, batch, row, at_ms))
        return found

    def moves(self) -> list[Move]:
        """Return all moves; positions are sums of what each batch says."""
        found = []
        for batch in (batch for batches in self._by_view() for batch in batches):
            at_ms = x_px = y_px = 0
            for row in _rows(batch, "m"):
                at_ms, x_px, y_px = at_ms + row["t"], x_px + row["x"], y_px + row["y"]
                key = key_of(batch, row["e"])
                found.append(Move(key, at_ms, x_px, y_px, row["fx"] / 255, row["fy"] / 255))
        return found

    def signals(self, *kinds: int) -> list[Signal]:
        """Return the signals of these kinds, or all."""
        rows = [
            (view, batch, row)
            for view, batches in enumerate(self._by_view())
            for batch in batches
            for row in _rows(batch, "f")
        ]
        return [_signal(view, batch, row) for view, batch, row in rows if not kinds or row["k"] in kinds]

    def section_titles(self) -> list[str]:
        """Return the titles of the sections of the first layout, in its order; the key where there is none."""
        batch = next(batch for batch in self.batches if "l" in batch)
        return [row[7] or key_of(batch, row[0]) for row in batch["l"]["s"]]

    def engaged_ms(self) -> int:
        """Return the engaged time of all views together."""
        return sum(int(batch["w"]["e"]) for batch in self.views())

    def _by_view(self) -> list[list[Batch]]:
        views: dict[str, list[Batch]] = {}
        for batch in self.batches:
            views.setdefault(batch["w"]["i"], []).append(batch)
        by_number = [sorted(batches, key=lambda batch: int(batch["w"]["q"])) for batches in views.values()]
        return sorted(by_number, key=lambda batches: int(batches[0]["w"]["s"]))


def key_of(batch: Batch, index: int) -> Key:
    """Return the text of a key in the dictionary of a batch."""
    entry = batch["d"][index]
    if isinstance(entry, str):
        return Key(entry)
    parent, step = entry
    assert parent < index
    return Key(step if parent < 0 else f"{key_of(batch, parent)}>{step}")


def _rows(batch: Batch, member: str) -> list[dict[str, Any]]:
    columns = batch.get(member)
    if not columns:
        return []
    assert len({len(column) for column in columns.values()}) == 1
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _click(view: int, batch: Batch, row: dict[str, Any], at_ms: int) -> Click:
    bits = row["k"]
    width, height, document_width, document_height = batch["g"][row["g"]]
    return Click(
        view=view,
        key=key_of(batch, row["e"]),
        at_ms=at_ms,
        pointer=bits & 3,
        button=bits >> 2 & 3,
        kind=bits,
        x_px=row["x"],
        y_px=row["y"],
        x_frac=row["fx"] / 255,
        y_frac=row["fy"] / 255,
        w_px=row["w"],
        h_px=row["h"],
        nth=row["n"],
        geometry=(width, height, document_width, document_height),
        path=batch["w"]["p"],
    )


def _signal(view: int, batch: Batch, row: dict[str, Any]) -> Signal:
    key = key_of(batch, row["e"]) if row["e"] >= 0 else Key("")
    return Signal(view, key, row["t"], row["k"], row["v"], row.get("w", 0), row.get("s", ""))
