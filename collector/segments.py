"""The spool's segments as bytes: frames in a row of blocks, each block with a mark where reading can begin anew. Pure.

A block is 32 KiB. It begins with a mark: magic, version, where in the block the first frame begins, the numbers of
block and segment, CRC32C. The mark of the first block is the segment's header. Frames run on over the blocks::

    magic  length  sequence  stored_ms  CRC32C of these four  payload  CRC32C of these four and the payload  0xa5

A damaged payload costs its frame, since the checksum of the head vouches for the length; a damaged head costs what is
left of its block; a damaged mark costs nothing. The last byte is not zero, so that zeros at the end of a file are never
part of a whole frame. After a damaged head no byte is searched for a magic: payloads hold what strangers send, and
could hold a frame of their making. A segment's number is the first sequence number in it; numbers rise over all
segments, so that what a disk brings back from an older file is known as such.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from google_crc32c import extend, value

VERSION = 1
BLOCK_BYTES = 32_768
"""A damaged head of a frame costs at most this and one frame."""
MAX_PAYLOAD_BYTES = 8 << 20
"""Far above what a body of JALKI_BODY_MAX_BYTES becomes."""

_MARK = struct.Struct("<4sHHIQ")
_HEAD = struct.Struct("<4sIQQ")
_CRC = struct.Struct("<I")
_END = b"\xa5"
_MARK_MAGIC = b"JkSg"
_HEAD_MAGIC = b"JkFr"
_MARK_BYTES = _MARK.size + _CRC.size
_HEAD_BYTES = _HEAD.size + _CRC.size
_REST_BYTES = _CRC.size + len(_END)
_BODY_BYTES = BLOCK_BYTES - _MARK_BYTES
FRAME_BYTES = _HEAD_BYTES + _REST_BYTES
"""What a frame adds to its payload."""
_NO_FRAME = 0xFFFF  # no frame begins in this block


@dataclass(frozen=True, slots=True)
class Frame:
    """One record; `stored_ms` is in ms since 1970, `end` the offset behind its last byte."""

    sequence: int
    stored_ms: int
    payload: bytes
    end: int


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes from offset `start` to `end` that are no frame; `frames` is how many were there, as far as is known."""

    start: int
    end: int
    frames: int


@dataclass(frozen=True, slots=True)
class _Head:
    length: int
    sequence: int
    stored_ms: int
    crc: int

    @property
    def frame_bytes(self) -> int:
        return self.length + FRAME_BYTES


def encode_frames(number: int, offset: int, sequence: int, stored_ms: int, payloads: Sequence[bytes]) -> bytes:
    """Return what to write at `offset` of segment `number`: a frame for each payload, numbered from `sequence` on."""
    parts: list[bytes] = []
    block, room = (offset - 1) // BLOCK_BYTES, -offset % BLOCK_BYTES
    for nth, payload in enumerate(payloads, sequence):
        head = _HEAD.pack(_HEAD_MAGIC, len(payload), nth, stored_ms)
        crc = value(head)
        left = b"".join((head, _CRC.pack(crc), payload, _CRC.pack(extend(crc, payload)), _END))
        first = 0  # the frame itself begins where the next block does, unless a part of it stands before
        while len(left) > room:
            if room:
                parts.append(left[:room])
                left = left[room:]
                first = len(left) if len(left) < _BODY_BYTES else _NO_FRAME
            block, room = block + 1, _BODY_BYTES
            parts.append(_pack_mark(number, block, first))
        parts.append(left)
        room -= len(left)
    return b"".join(parts)


def is_readable(data: bytes) -> bool:
    """Return False for a segment of another version; True also where its header is damaged."""
    return _read_version(data) in {None, VERSION}


def scan(data: bytes, number: int) -> Iterator[Frame | Damage]:
    """Yield the frames of segment `number`, and the damage between them, in order; whatever the bytes are.

    Incomplete bytes at the end, zeros also, are what a crash leaves of a write that nobody was told of: no damage.
    """
    text = _Text(data, number)
    at, last, lost_at = 0, number - 1, -1
    last_seen = last
    while at < text.size:
        head = text.head(at, last)
        if head is None:
            lost_at = at if lost_at < 0 else lost_at
            at = text.next_start(at)
            continue
        if at + head.frame_bytes > text.size:
            break
        last_seen = head.sequence
        payload = text.payload(at, head)
        if payload is None:
            lost_at = at if lost_at < 0 else lost_at
        else:
            if lost_at >= 0:
                yield Damage(text.place(lost_at), text.place(at), max(1, head.sequence - last - 1))
                lost_at = -1
            last = head.sequence
            yield Frame(last, head.stored_ms, payload, text.end_place(at + head.frame_bytes))
        at += head.frame_bytes
    if lost_at >= 0 and not text.is_torn(lost_at, last):
        yield Damage(text.place(lost_at), len(data), max(1, last_seen - last))


class _Text:
    """The bytes of a segment less the marks of its blocks, which frames run on over; `at` counts these bytes."""

    def __init__(self, data: bytes, number: int) -> None:
        self._data = data
        self._number = number
        self.size = _text_size(len(data))

    def head(self, at: int, last: int) -> _Head | None:
        """Return the head of the frame that begins at `at`; None unless it is whole and newer than `last`."""
        if at + _HEAD_BYTES > self.size:
            return None
        raw = self._take(at, _HEAD_BYTES)
        magic, length, sequence, stored_ms = _HEAD.unpack_from(raw)
        (crc,) = _CRC.unpack_from(raw, _HEAD.size)
        if magic != _HEAD_MAGIC or sequence <= last or crc != value(raw[: _HEAD.size]):
            return None
        return _Head(length, sequence, stored_ms, crc)

    def payload(self, at: int, head: _Head) -> bytes | None:
        """Return the payload of the frame at `at`, which lies within the bytes; None where it is damaged."""
        raw = self._take(at + _HEAD_BYTES, head.length + _CRC.size)
        payload = raw[: head.length]
        return payload if _CRC.unpack_from(raw, head.length)[0] == extend(head.crc, payload) else None

    def next_start(self, at: int) -> int:
        """Return where the first frame of a later block begins by its mark; the end where no mark says."""
        for block in range(at // _BODY_BYTES + 1, -(-len(self._data) // BLOCK_BYTES)):
            first = self._first_frame(block)
            if first is not None:
                return min(self.size, block * _BODY_BYTES + first)
        return self.size

    def is_torn(self, at: int, last: int) -> bool:
        """Return whether all from `at` on is one frame that was not written to its end, or zeros."""
        written = _text_size(len(self._data.rstrip(b"\0")))
        if written - at < _HEAD_BYTES:
            return True
        head = self.head(at, last)
        return head is not None and at + head.frame_bytes > written

    def place(self, at: int) -> int:
        """Return the offset in the file of a byte."""
        block, rest = divmod(at, _BODY_BYTES)
        return block * BLOCK_BYTES + _MARK_BYTES + rest

    def end_place(self, at: int) -> int:
        """Return the offset behind the byte before `at`."""
        return self.place(at - 1) + 1

    def _take(self, at: int, size: int) -> bytes:
        block, rest = divmod(at, _BODY_BYTES)
        start = block * BLOCK_BYTES + _MARK_BYTES + rest
        if rest + size <= _BODY_BYTES:
            return self._data[start : start + size]
        parts = [self._data[start : (block + 1) * BLOCK_BYTES]]
        left = size - len(parts[0])
        while left > 0:
            block += 1
            start = block * BLOCK_BYTES + _MARK_BYTES
            parts.append(self._data[start : start + min(left, _BODY_BYTES)])
            left -= _BODY_BYTES
        return b"".join(parts)

    def _first_frame(self, block: int) -> int | None:
        raw = self._data[block * BLOCK_BYTES : block * BLOCK_BYTES + _MARK_BYTES]
        if len(raw) < _MARK_BYTES or _CRC.unpack_from(raw, _MARK.size)[0] != value(raw[: _MARK.size]):
            return None
        magic, version, first, nth, number = _MARK.unpack_from(raw)
        is_ours = (magic, version, nth, number) == (_MARK_MAGIC, VERSION, block, self._number)
        return first if is_ours and first < _BODY_BYTES else None


def _pack_mark(number: int, block: int, first: int) -> bytes:
    mark = _MARK.pack(_MARK_MAGIC, VERSION, first, block, number)
    return mark + _CRC.pack(value(mark))


def _text_size(data_bytes: int) -> int:
    blocks, rest = divmod(data_bytes, BLOCK_BYTES)
    return blocks * _BODY_BYTES + max(0, rest - _MARK_BYTES)


def _read_version(data: bytes) -> int | None:
    raw = data[:_MARK_BYTES]
    if len(raw) < _MARK_BYTES or _CRC.unpack_from(raw, _MARK.size)[0] != value(raw[: _MARK.size]):
        return None
    magic, version, *_ = _MARK.unpack_from(raw)
    return version if magic == _MARK_MAGIC else None
