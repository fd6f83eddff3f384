"""Starts `jalki` with one fault in the way it takes bodies: the run with malformed input must notice each.

python malformed_faults.py NAME collector --database-url URL
"""

import sys
from collections.abc import Callable

from collector import intake, wire
from collector.wire import Batch, Drop
from heatmap.__main__ import main


def lets_nul_through() -> None:
    """A text may hold U+0000, which Postgres refuses."""
    assert wire._find_nul  # what is replaced must be there
    wire._find_nul = lambda _batch: ""


def raises_at_broken_bodies() -> None:
    """What cannot be decoded is an exception that nobody expects."""

    def decode(body: bytes) -> Batch | Drop:
        found = old(body)
        if isinstance(found, Drop):
            raise UnicodeDecodeError("utf-8", body, 0, 1, found.detail)
        return found

    old = intake.decode_batch
    intake.decode_batch = decode


def forgets_every_hundredth() -> None:
    """One batch of a hundred is taken for the one before it."""
    seen: list[Batch] = []

    def decode(body: bytes) -> Batch | Drop:
        found = old(body)
        if isinstance(found, Drop):
            return found
        seen.append(found)
        return seen[-2] if len(seen) % 100 == 0 else found

    old = intake.decode_batch
    intake.decode_batch = decode


FAULTS: dict[str, Callable[[], None]] = {
    fault.__name__: fault for fault in (lets_nul_through, raises_at_broken_bodies, forgets_every_hundredth)
}
"""The faults by name."""


if __name__ == "__main__":
    FAULTS[sys.argv.pop(1)]()
    sys.argv[0] = "jalki"
    main()
