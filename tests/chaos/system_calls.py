"""Reads what strace wrote of a collector and judges in which order answers and promises of durability came. Pure.

A call counts as begun where it is first named (answers, writes) and as done where its result stands (reads, syncs).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_BEGUN = re.compile(r"^(\d+)\s+(\w+)\((\d+)(.*?)(<unfinished \.\.\.>|= -?\d+.*)$")
_RESUMED = re.compile(r"^(\d+)\s+<\.\.\. (\w+) resumed>(.*?)= (-?\d+).*$")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_BATCH = re.compile(rb'"b":\s?"([0-9a-f]{32})"')
_READS = {"read", "readv", "recvfrom", "recvmsg"}
_SYNCS = {"fdatasync", "fsync"}
_COMMITTED = b"COMMIT\0"
_MARK = re.compile(rb"JkSg.{20}", re.DOTALL)
"""The mark of a block in a segment of the spool, which frames run on over (collector/segments.py)."""
_OVERLAP_BYTES = 64  # an id may lie across two writes


@dataclass(frozen=True, slots=True)
class Call:
    """One system call on a file; a call with `is_done` False has only begun."""

    name: str
    file: int
    data: bytes
    is_done: bool


@dataclass(slots=True)
class Order:
    """What became of the answers 204."""

    by_commit: int = 0
    by_sync: int = 0
    early: int = 0

    @property
    def answers(self) -> int:
        """All answers 204."""
        return self.by_commit + self.by_sync + self.early


@dataclass(slots=True)
class _Judge:
    order: Order = field(default_factory=Order)
    asked: dict[int, bytes] = field(default_factory=dict)
    """The batch that was last read from a line."""
    forms: dict[bytes, bytes] = field(default_factory=dict)
    """Each batch that is not durable yet, by how it may be spelled: in hexadecimal or as 16 bytes."""
    carried: dict[int, set[bytes]] = field(default_factory=dict)
    """Batches written to a file or connection and not promised by it yet."""
    tails: dict[int, bytes] = field(default_factory=dict)
    durable: dict[bytes, str] = field(default_factory=dict)

    def take(self, call: Call) -> None:
        if call.name in _SYNCS:
            if call.is_done:
                self._promise(call.file, "sync")
        elif call.name in _READS:
            self._take_read(call)
        elif call.data.startswith(b"HTTP/1.1 "):
            self._take_answer(call)
        else:
            self._take_write(call)

    def _take_read(self, call: Call) -> None:
        if _COMMITTED in call.data:
            self._promise(call.file, "commit")
        for found in _BATCH.finditer(call.data):
            batch = self.asked[call.file] = found[1]
            self.forms[batch] = self.forms[bytes.fromhex(batch.decode())] = batch

    def _take_write(self, call: Call) -> None:
        data = _MARK.sub(b"", self.tails.get(call.file, b"") + call.data)
        self.tails[call.file] = data[-_OVERLAP_BYTES:]
        carried = {batch for form, batch in self.forms.items() if form in data}
        self.carried.setdefault(call.file, set()).update(carried)

    def _promise(self, file: int, by: str) -> None:
        for batch in self.carried.pop(file, set()):
            self.durable.setdefault(batch, by)

    def _take_answer(self, call: Call) -> None:
        batch = self.asked.pop(call.file, b"")
        if not call.data.startswith(b"HTTP/1.1 204"):
            return
        by = self.durable.get(batch)
        self.order.by_commit += by == "commit"
        self.order.by_sync += by == "sync"
        self.order.early += by is None
        self.forms.pop(batch, None)
        self.forms.pop(bytes.fromhex(batch.decode()), None)


def judge_order(trace: Path) -> Order:
    """Return how many answers 204 left after, and how many before, their batch was durable."""
    judge = _Judge()
    for call in _read_calls(trace):
        judge.take(call)
    return judge.order


def _read_calls(trace: Path) -> Iterator[Call]:
    """Yield writes when they begin, reads and syncs when they are done."""
    begun: dict[str, Call] = {}
    with trace.open(encoding="ascii", errors="replace") as lines:
        for line in lines:
            if found := _BEGUN.match(line):
                thread, name, file, text, end = found.groups()
                is_done = end.startswith("= ") and not end.startswith("= -")
                call = Call(name, int(file), _data(text), is_done)
                if end.startswith("<"):
                    begun[thread] = call
                if is_done or name not in _READS | _SYNCS:
                    yield call
            elif found := _RESUMED.match(line):
                thread, name, text, result = found.groups()
                call = begun.pop(thread, None)
                if call is not None and name in _READS | _SYNCS and int(result) >= 0:
                    yield Call(name, call.file, _data(text), is_done=True)


def _data(text: str) -> bytes:
    return b"".join(bytes.fromhex(part.replace("\\x", "")) for part in _TEXT.findall(text))
