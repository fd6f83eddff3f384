"""The spool's segments as bytes: what is written is read, what is damaged is not, and damage stays small."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.segments import BLOCK_BYTES, FRAME_BYTES, Damage, Frame, encode_frames, is_readable, scan

NUMBER = 41
STORED_MS = 1_772_625_600_000
FLIPS = 20_000


def segment(payloads: list[bytes]) -> bytes:
    return encode_frames(NUMBER, 0, NUMBER, STORED_MS, payloads)


def frames(data: bytes) -> list[Frame]:
    return [found for found in scan(data, NUMBER) if isinstance(found, Frame)]


def damage(data: bytes) -> list[Damage]:
    return [found for found in scan(data, NUMBER) if isinstance(found, Damage)]


def payloads_of(seed: int, count: int, largest: int) -> list[bytes]:
    """Payloads without a zero byte, so that zeros never complete one that was cut."""
    rng = random.Random(seed)
    return [bytes(rng.choices(range(1, 256), k=rng.randint(0, largest))) for _ in range(count)]


@settings(max_examples=150, deadline=None)
@given(
    groups=st.lists(
        st.lists(
            st.binary(max_size=80)
            | st.integers(0, 3 * BLOCK_BYTES).map(lambda size: b"x" * size)
            | st.integers(BLOCK_BYTES - 80, BLOCK_BYTES).map(lambda size: b"\0" * size),
            min_size=1,
            max_size=5,
        ),
        max_size=6,
    )
)
def test_what_is_written_in_groups_is_read_in_order(groups: list[list[bytes]]) -> None:
    """Frames of any size, on and across the borders of blocks, come back as they were."""
    data, written = b"", []
    for group in groups:
        data += encode_frames(NUMBER, len(data), NUMBER + len(written), STORED_MS, group)
        written += group

    found = list(scan(data, NUMBER))

    assert [(frame.sequence, frame.stored_ms, frame.payload) for frame in found] == [
        (NUMBER + nth, STORED_MS, payload) for nth, payload in enumerate(written)
    ]
    assert [frame.end for frame in found][-1:] == ([len(data)] if written else [])


def test_a_segment_cut_at_any_byte_has_the_frames_before_the_cut() -> None:
    """A torn tail is no damage, wherever the tear is."""
    data = segment(payloads_of(1, 14, 6_000))
    whole = frames(data)

    for size in range(len(data)):
        found = list(scan(data[:size], NUMBER))
        assert found == [frame for frame in whole if frame.end <= size], size


def test_a_tail_of_zeros_is_a_torn_tail() -> None:
    """What a file system puts where nothing was written is never taken for frames, nor for damage."""
    data = segment(payloads_of(2, 30, 4_000))
    whole = frames(data)

    for size in range(0, len(data), 67):
        kept = [frame for frame in whole if frame.end - 1 <= size]  # without its last byte a frame is whole
        for zeros in (1, 40, 3 * BLOCK_BYTES):
            assert list(scan(data[:size] + bytes(zeros), NUMBER)) == kept, (size, zeros)


def test_a_flipped_bit_costs_one_frame_or_the_rest_of_a_block() -> None:
    """Of 20,000 flips none makes a wrong frame, and the frames behind the damage are found."""
    payloads = payloads_of(3, 32, 4_000)
    data = bytearray(segment(payloads))
    whole = frames(bytes(data))
    known = {frame.sequence: frame for frame in whole}
    largest = max(map(len, payloads)) + FRAME_BYTES
    rng = random.Random(4)
    worst = 0
    for _ in range(FLIPS):
        place, bit = rng.randrange(len(data)), 1 << rng.randrange(8)
        data[place] ^= bit
        found = list(scan(bytes(data), NUMBER))
        data[place] ^= bit
        kept = {one.sequence: one for one in found if isinstance(one, Frame)}
        lost = [one for one in whole if one.sequence not in kept]
        damaged = [one for one in found if isinstance(one, Damage)]
        assert all(known[sequence] == one for sequence, one in kept.items())
        assert sum(len(one.payload) + FRAME_BYTES for one in lost) <= BLOCK_BYTES + largest
        assert bool(damaged) == bool(lost)
        if lost and lost[-1] is not whole[-1]:
            assert sum(one.frames for one in damaged) == len(lost)
        worst = max(worst, len(lost))
    assert worst > 1


def test_a_damaged_payload_costs_its_own_frame_alone() -> None:
    """The head's own checksum vouches for where the next frame begins."""
    data = bytearray(segment([b"a" * 100, b"b" * 100, b"c" * 100]))
    place = data.index(b"b" * 100)
    data[place + 50] ^= 1

    found = list(scan(bytes(data), NUMBER))

    assert [one.payload if isinstance(one, Frame) else one.frames for one in found] == [b"a" * 100, 1, b"c" * 100]


def test_frames_inside_a_payload_are_never_taken_for_frames() -> None:
    """Payloads hold what strangers send: behind a damaged head nothing in them is believed."""
    forged = encode_frames(NUMBER, 0, NUMBER + 1, STORED_MS, [b"forged"] * 20)
    blocks = forged + bytes(-len(forged) % BLOCK_BYTES)
    data = bytearray(segment([blocks * 2 + forged, b"behind" * 9_000, b"last"]))
    data[30] ^= 1  # in the head of the first frame

    found = frames(bytes(data))

    assert b"forged" not in {frame.payload for frame in found}
    assert [frame.payload for frame in found] == [b"behind" * 9_000, b"last"]


def test_bytes_of_an_older_segment_are_not_read_again() -> None:
    """What a disk shows of a file that was there before has lower numbers, and is damage."""
    older = encode_frames(3, 0, 3, STORED_MS, [b"old" * 5_000] * 8)
    for new in (b"new", b"new" * 5_000):  # the end of the new frame lies within an older one, or where one begins
        data = segment([new])

        found = list(scan(data + older[len(data) :], NUMBER))

        assert [type(one) for one in found] == [Frame, Damage]


def test_damage_at_the_end_is_told_from_a_torn_tail() -> None:
    """A last frame that is all there but wrong was perhaps acknowledged: it is counted."""
    data = bytearray(segment([b"a" * 100, b"b" * 100]))
    data[-20] ^= 1

    assert damage(bytes(data)) == [Damage(frames(bytes(data))[0].end, len(data), 1)]


def test_a_segment_of_another_version_is_known_as_such() -> None:
    """Its header says so; a header that cannot be read says nothing."""
    data = bytearray(segment([b"a"]))
    broken = bytes([data[0] ^ 1]) + data[1:]

    assert is_readable(bytes(data))
    assert is_readable(broken)
    assert is_readable(b"")
    assert [frame.payload for frame in frames(broken)] == [b"a"]


@settings(max_examples=100, deadline=None)
@given(
    data=st.binary(max_size=300),
    edits=st.lists(st.tuples(st.integers(0, 3 * BLOCK_BYTES), st.binary(max_size=60)), max_size=6),
)
def test_any_bytes_are_scanned_without_an_error(data: bytes, edits: list[tuple[int, bytes]]) -> None:
    """Nothing raises, nothing that was not written is accepted, and damage lies within the bytes."""
    good = segment(payloads_of(5, 20, 5_000))
    edited = bytearray(good)
    for place, replacement in edits:
        edited[place : place + len(replacement)] = replacement

    for text in (data, good + data, data + good, bytes(edited)):
        found = list(scan(text, NUMBER))
        assert set(frames(good)).issuperset(one for one in found if isinstance(one, Frame))
        assert all(0 <= one.start < one.end <= len(text) for one in found if isinstance(one, Damage))
