"""What a chaos run is asked to do and what it tells; no run decides here whether it was good enough for `make test`.

A run is a module with `NAME`, `MUTANTS` (the faults of `mutants.MUTANTS` that it must catch) and
`async run(plan) -> RunResult`.
"""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from postgres_switch import SwitchedPostgres

_T = TypeVar("_T")


class Size(Enum):
    """How long a run takes: seconds in `make test`, half a minute in `make chaos`, what the target says in the long."""

    QUICK = "quick"
    SHORT = "short"
    LONG = "long"


@dataclass(frozen=True, slots=True)
class Plan:
    """One run to be made; `folder` is its own and empty, `mutant` names the fault that is put into the product."""

    size: Size
    seed: int
    folder: Path
    postgres: "SwitchedPostgres"
    mutant: str = ""

    def pick(self, quick: _T, short: _T, long: _T) -> _T:
        """Return the value that fits the size."""
        return {Size.QUICK: quick, Size.SHORT: short, Size.LONG: long}[self.size]


@dataclass(frozen=True, slots=True)
class Figure:
    """Something measured beside its target; `is_timed` where a busy machine alone can miss it."""

    what: str
    value: str
    target: str
    ok: bool
    is_timed: bool = False


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run saw, in batches: LOST acknowledged but not stored, PHANTOM stored but never sent, DUP stored twice."""

    name: str
    acknowledged: int = 0
    lost: int = 0
    phantom: int = 0
    duplicates: int = 0
    figures: tuple[Figure, ...] = field(default=())
    skipped: str = ""
    """Why the run could not be made on this machine; empty where it was."""

    def is_good(self, *, with_times: bool) -> bool:
        """Exact, and every target met; without `with_times` those that a busy machine can miss are left out."""
        return not self.describe_faults(with_times=with_times)

    def describe_faults(self, *, with_times: bool) -> str:
        """Return in words what was lost, made up, doubled or missed; empty where the run was good."""
        counts = (("lost", self.lost), ("phantom", self.phantom), ("doubled", self.duplicates))
        wrong = [f"{count:,} {name}" for name, count in counts if count]
        missed = [one for one in self.figures if not one.ok and (with_times or not one.is_timed)]
        return "; ".join([*wrong, *(f"{one.what}: {one.value}, wanted {one.target}" for one in missed)])
