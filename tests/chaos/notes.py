"""What the oracle wrote down, read back: what was sent, what was acknowledged, and what every answer was and when."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_REFUSALS = {429, 503}


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; `status` 0 is a connection that failed."""

    at_s: float
    batch: str
    status: int
    latency_s: float
    retry_after: str
    reason: str

    @property
    def is_acknowledged(self) -> bool:
        """The service promised that the batch is stored for good."""
        return 200 <= self.status < 300

    @property
    def sent_s(self) -> float:
        """When the request left."""
        return self.at_s - self.latency_s


@dataclass(slots=True)
class Notes:
    """The record: clicks by batch id, and the answers in order."""

    sent: dict[str, int] = field(default_factory=dict)
    acknowledged: dict[str, int] = field(default_factory=dict)
    replies: list[Reply] = field(default_factory=list)

    @property
    def events(self) -> int:
        """Acknowledged events: one for the view of a batch, and one a click."""
        return sum(self.acknowledged.values()) + len(self.acknowledged)

    def between(self, since_s: float, until_s: float) -> Iterator[Reply]:
        """Yield the answers to requests that left in this time."""
        return (reply for reply in self.replies if since_s <= reply.sent_s < until_s)

    def back_after(self, moment_s: float) -> float:
        """Return the seconds from a moment to the first acknowledgement of a request that left after it."""
        answered = (reply.at_s for reply in self.replies if reply.is_acknowledged and reply.sent_s >= moment_s)
        return min(answered, default=float("inf")) - moment_s


def read_notes(record: Path) -> Notes:
    """Return what is in the record so far; a line that is being written is left out."""
    notes = Notes()
    for line in record.read_text(encoding="ascii").rpartition("\n")[0].splitlines():
        kind, at_s, batch, *rest = line.split()
        if kind == "s":
            notes.sent[batch] = int(rest[0])
            continue
        reply = Reply(float(at_s), batch, int(rest[0]), float(rest[1]), rest[2].strip("-"), rest[3].strip("-"))
        notes.replies.append(reply)
        if reply.is_acknowledged:
            notes.acknowledged[batch] = notes.sent[batch]
    return notes


def count_statuses(replies: Iterable[Reply]) -> str:
    """Return how often each status and reason came, as `204: 120, 503 overloaded: 3`; 0 is a lost connection."""
    counts = Counter(f"{reply.status} {reply.reason}".strip() for reply in replies)
    return ", ".join(f"{status}: {count:,}" for status, count in sorted(counts.items())) or "none"


def bare_refusals(replies: Iterable[Reply]) -> int:
    """Return how many answers are neither an acknowledgement nor a 429 or 503 that says when to come back."""
    return sum(
        not reply.is_acknowledged and not (reply.status in _REFUSALS and reply.retry_after.isdigit())
        for reply in replies
    )


def percentile(values: Iterable[float], share: float) -> float:
    """Return the nearest-rank percentile; infinite where there is nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("inf")
