"""The decoder and the JSON Schema are one contract, and what decodes fits its column."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_batches import CONTRACT, NOW_MS, batch_rows, encode, flush_of, wire_batch, wire_layout, wire_sample

from collector import store
from collector.wire import Batch, Drop, DropReason, decode_batch

SCHEMA = json.loads((CONTRACT / "wire-v1.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
GOOD = sorted(path for path in CONTRACT.glob("*.json") if path.name != "wire-v1.schema.json")
BAD = sorted((CONTRACT / "bad").iterdir())
AFTER_DECODING = {DropReason.UNKNOWN_SITE, DropReason.TOO_OLD, DropReason.FROM_FUTURE}
SEMANTIC = (
    "U+0000",
    "before it",
    "deeper than",
    "differ in length",
    "does not hold",
    "exceed",
    "names a parent",
    "without a name",
)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_samples_follow_the_schema_and_decode(path: Path):
    """Every good sample of the contract is accepted by the schema and by the decoder."""
    body = path.read_bytes()

    VALIDATOR.validate(json.loads(body))
    assert isinstance(decode_batch(body), Batch)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_samples_are_refused_for_their_reason(path: Path):
    """Every bad sample is refused for the reason that begins its name, here or once its site and age are judged."""
    reason = DropReason(path.name.partition(".")[0])

    result = decode_batch(path.read_bytes())

    if reason in AFTER_DECODING:
        assert isinstance(result, Batch)
    else:
        assert isinstance(result, Drop)
        assert result.reason is reason
        assert reason is not DropReason.MALFORMED or result.detail


async def test_bad_samples_are_refused_over_http_and_their_neighbours_stored(collector):
    """Each bad sample gets the status of its reason and never 5xx, and a good batch sent in between is stored."""
    stored = 0
    for path in BAD:
        reason = DropReason(path.name.partition(".")[0])
        bad, good = await collector.post(path.read_bytes()), await collector.post(wire_batch())
        collector.clock.turn(seconds=1)
        stored += 1
        assert (path.name, bad.status, bad.headers.get("X-Jalki-Drop")) == (path.name, reason.status, reason)
        assert good.status == 204

    assert await collector.count("ledger") == stored


@pytest.mark.parametrize("reason", list(DropReason))
def test_every_reason_has_an_answer(reason: DropReason):
    """Each reason knows its status and says what the sender can do."""
    assert 400 <= reason.status < 600
    assert reason.hint
    assert reason.is_temporary == (reason.status in {429, 503})


def test_a_hint_names_the_place_and_no_value():
    """What a sender wrote is not repeated to it."""
    drop = decode_batch(encode(wire_batch(t="secret words")))

    assert isinstance(drop, Drop)
    assert "$.t" in drop.hint
    assert "secret" not in drop.hint


def _places(value: object, path: tuple = ()) -> list[tuple]:
    """Every place inside a JSON value."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in children for place in _places(child, (*path, key)))]


FULL = wire_sample() | {"l": wire_layout()}
PLACES = [place for place in _places(FULL) if place]
BOUNDS = [0, 1, 3, 5, 23, 63, 255, 4094, 4095, 10**4, 10**6, 10**7, -(10**7), 604_800_000, 8_640_000_000_000]
ODD_VALUES = st.one_of(
    st.integers(-(2**65), 2**65),
    st.builds(lambda bound, step: bound + step, st.sampled_from(BOUNDS), st.integers(-1, 1)),
    st.booleans(),
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda value: value != int(value)),
    st.text(max_size=300),
    st.sampled_from(["", "/", "/a", "a" * 32, "0" * 16, "demoKey_01", "s" * 200, "s" * 201]),
    st.lists(st.integers(-2, 300), max_size=6),
    st.just({}),
)
MUTATIONS = st.lists(
    st.tuples(st.sampled_from(PLACES), st.sampled_from(["set", "drop", "repeat"]), ODD_VALUES), max_size=3
)


def _mutate(wire: dict, mutations: list) -> dict:
    for place, how, value in mutations:
        holder: object = wire
        try:
            for key in place[:-1]:
                holder = holder[key]
            if how == "set":
                holder[place[-1]] = value
            elif how == "drop":
                del holder[place[-1]]
            elif isinstance(holder, list):
                holder.append(copy.deepcopy(holder[place[-1]]))
        except (KeyError, IndexError, TypeError):
            continue  # an earlier mutation removed the place
    return wire


@settings(max_examples=500, deadline=None)
@given(MUTATIONS)
def test_the_decoder_and_the_schema_agree(mutations):
    """What the schema accepts decodes or breaks one of the rules beyond it; what decodes the schema accepts."""
    wire = _mutate(copy.deepcopy(FULL), mutations)
    try:
        body = json.dumps(wire).encode()
        body.decode()
        follows = VALIDATOR.is_valid(wire)
    except UnicodeError:
        return

    result = decode_batch(body)

    if isinstance(result, Batch):
        assert follows, list(VALIDATOR.iter_errors(wire))
    elif follows:
        assert any(words in result.detail for words in SEMANTIC), result.detail


def _is_first_number(place: tuple) -> bool:
    value: object = FULL
    for key in place:
        value = value[key]
    return isinstance(value, int) and not (len(place) == 3 and place[0] in "cl" and place[2] > 0)


def test_the_decoder_and_the_schema_agree_at_every_bound():
    """Each number of a batch is set to and beside every bound of the format: both accept or both refuse it."""
    numbers = [place for place in PLACES if _is_first_number(place)]
    for place in numbers:
        for value in {bound + step for bound in BOUNDS for step in (-1, 0, 1)}:
            wire = _mutate(copy.deepcopy(FULL), [(place, "set", value)])

            result = decode_batch(json.dumps(wire).encode())

            follows = VALIDATOR.is_valid(wire)
            assert (
                follows
                if isinstance(result, Batch)
                else not follows or any(words in result.detail for words in SEMANTIC)
            )


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 10**6), st.integers(0, 255))
def test_no_bytes_break_the_decoder(junk, place, byte):
    """Arbitrary bytes, and a batch with one byte changed, are decoded or refused; nothing is raised."""
    body = bytearray(encode(FULL))
    body[place % len(body)] = byte

    assert isinstance(decode_batch(junk), Batch | Drop)
    assert isinstance(decode_batch(bytes(body)), Batch | Drop)


async def test_the_largest_values_fit_their_columns(pool):
    """A batch with every value at its bound, up and down, is stored with its neighbours."""
    most, px = 604_800_000, 10_000_000
    wire = wire_batch(
        d=[[-1, "s" * 200], [0, "\U0001f600" * 200]], g=[[px, px, px, px]], s=[[1, most, 3]],
        c={"t": [most, 0], "e": [1, 1], "x": [px, -px], "y": [-px, px], "fx": [0, 255], "fy": [255, 0], "w": [px, -px],
           "h": [-px, px], "g": [0, 0], "k": [3, 3], "n": [1_000_000, 1]},
        l={"u": "t" * 120, "i": [1], "x": [px], "y": [-px], "w": [px], "h": [px], "r": [23], "t": ["l" * 80],
           "s": [[1, px, px, -px, px, 1_000_000, 10_000, "\U0001f600" * 80]]},
    )  # fmt: skip
    wire["w"] |= {"i": "f" * 16, "q": 1_000_000, "n": 3, "p": "/" + "ä" * 1023, "r": "r" * 253, "c": 1}
    wire["w"] |= {"a": most, "e": most, "h": [px, px], "x": 1, "s": NOW_MS - 86_400_000}
    async with pool.acquire() as conn:
        await store.ensure_partitions(conn, *[flush_of().fact_day] * 2)

        stored = await store.write_batches(conn, flush_of(batch_rows(wire), batch_rows()), store.Dictionaries())

    VALIDATOR.validate(wire)
    assert len(stored) == 2
