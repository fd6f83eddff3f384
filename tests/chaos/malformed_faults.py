"""Starts `jalki` with one fault in the way it takes bodies: the run with malformed input must notice each.

python malformed_faults.py NAME collector --database-url URL
"""

import itertools
import sys
from collections.abc import Callable

from aiohttp import web_protocol

from collector import intake, rows, wire
from collector.ids import VisitorKey
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


def takes_every_copy_for_anothers() -> None:
    """Each copy of a batch seems to come from another visitor: with buckets it is stored under several shard keys."""
    assert rows._visitor  # what is replaced must be there
    numbers = itertools.count()
    rows._visitor = lambda *_: VisitorKey(next(numbers))


def leaves_long_pipelines() -> None:
    """What is put aside of a pipeline, here behind four requests, is looked at only when more bytes come."""

    def data_received(self: web_protocol.RequestHandler, data: bytes) -> None:
        if data:
            old(self, data)

    assert web_protocol.MAX_MSG_QUEUE_SIZE  # what is replaced must be there
    old = web_protocol.RequestHandler.data_received
    web_protocol.MAX_MSG_QUEUE_SIZE = 4
    web_protocol.RequestHandler.data_received = data_received


FAULTS: dict[str, Callable[[], None]] = {
    fault.__name__: fault
    for fault in (
        lets_nul_through,
        raises_at_broken_bodies,
        forgets_every_hundredth,
        takes_every_copy_for_anothers,
        leaves_long_pipelines,
    )
}
"""The faults by name."""


if __name__ == "__main__":
    FAULTS[sys.argv.pop(1)]()
    sys.argv[0] = "jalki"
    main()
