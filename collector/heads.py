"""Heads of requests that were parsed before: the same bytes mean the same again. Pure.

A browser sends the same head with every batch but for the digits of Content-Length, and a fifth of what a batch costs
is parsing it. A head is remembered only after aiohttp's parser has read exactly these bytes, with one Content-Length
and no Transfer-Encoding, so that no head is ever understood in two ways.
"""

from typing import NamedTuple

from collector.wire import Drop

_START = b"POST /v1/events HTTP/1.1\r\n"
_LENGTH = b"\r\nContent-Length: "
_END = b"\r\n\r\n"
_MAX_DIGITS = 7
_MAX_HEAD_BYTES = 4_096
_MAX_HEADS = 4_096  # with the above 16 MB at the very most, 4 MB with heads as browsers send them
_VARYING = (b"forwarded", b"transfer-encoding", b"expect", b"upgrade", b"content-encoding")


class Head(NamedTuple):
    """What a batch needs of its head; `drop`: why its body is not read."""

    origin: str | None
    user_agent: str
    drop: Drop | None
    should_close: bool


class Frame(NamedTuple):
    """One whole request: its head without the digits of its length, and where its body begins."""

    head: bytes
    body_at: int


def frame(data: bytes) -> Frame | None:
    """Return the parts of `data` if it is one whole POST of a batch and nothing else, as browsers spell it."""
    at = data.find(_LENGTH) + len(_LENGTH)
    end = data.find(b"\r\n", at, at + _MAX_DIGITS + 2)
    body_at = data.find(_END, end) + len(_END)
    digits = data[at:end]
    if at < len(_LENGTH) or end < 0 or body_at < len(_END) or not digits.isdigit() or not data.startswith(_START):
        return None
    if body_at + int(digits) != len(data):
        return None
    return Frame(data[:at] + data[end : body_at - len(_END)], body_at)


class KnownHeads:
    """The heads that were parsed lately; when there are too many all are forgotten."""

    def __init__(self) -> None:
        self._heads: dict[bytes, Head] = {}

    def __len__(self) -> int:
        return len(self._heads)

    def find(self, framed: Frame) -> Head | None:
        """Return what the parser made of these bytes; None where it has not read them yet."""
        return self._heads.get(framed.head)

    def learn(self, framed: Frame, head: Head) -> None:
        """Remember what the parser made of a request of just these bytes, unless its head is of a kind that varies."""
        lower = framed.head.lower()
        is_plain = lower.count(b"content-length") == 1 and _END not in lower
        if not is_plain or len(lower) > _MAX_HEAD_BYTES or any(name in lower for name in _VARYING):
            return
        if len(self._heads) >= _MAX_HEADS:
            self._heads.clear()
        self._heads[framed.head] = head
