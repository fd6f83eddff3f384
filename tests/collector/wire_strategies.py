"""Hypothesis strategies for batches with all that the wire format allows in them, and for the sites that take them."""

from collections.abc import Sequence

from hypothesis import strategies as st
from wire_batches import NOW_MS

from collector.sites import NewSite
from collector.snippet import SnippetFlag
from collector.wire import MAX_KEY_DEPTH, MAX_KEY_LENGTH

MAX_PX, MAX_MS, MAX_COUNT, MAX_UNIX_MS = 10_000_000, 604_800_000, 1_000_000, 8_640_000_000_000


def _between(low: int, high: int) -> st.SearchStrategy[int]:
    """Any whole number of a range, its ends more often than chance would have it."""
    return st.sampled_from([low, high]) | st.integers(low, high)


PX, SIGNED_PX, MS = _between(0, MAX_PX), _between(-MAX_PX, MAX_PX), _between(0, MAX_MS)
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
"""Every character but U+0000 and halves of surrogate pairs: astral ones, controls, marks that join."""
GEOMETRY = st.lists(PX, min_size=4, max_size=4)


ODD_PATHS = [
    "",
    "a/../b",
    "%",
    "%2f%00%ff",
    "%C3%A4",
    "?q",
    "//",
    "\u2028" * 1023,
    "?x=%00&y=%ff&x",
    "a?x=1#/b",
    "#/%00",
]


def _texts(most: int, least: int = 0) -> st.SearchStrategy[str]:
    return st.text(LETTERS, min_size=least, max_size=min(most, 20)) | st.builds(
        lambda letter: letter * most, st.sampled_from("aä\u2028\U0001f600\U0010ffff")
    )


@st.composite
def _steps(draw: st.DrawFn) -> list[list]:
    """A dictionary of elements whose keys are neither too deep nor too long; some texts repeat or hold a `>`."""
    steps: list[list] = []
    sizes: list[tuple[int, int]] = []
    for index in range(draw(st.integers(0, 8))):
        text = draw(st.sampled_from(["a", "a>b", "b", "ä", "\U0001f600" * 200, "x" * 200]) | _texts(200, 1))
        parent = draw(st.integers(-1, index - 1))
        depth, length = (0, -1) if parent < 0 else sizes[parent]
        if depth + 1 > MAX_KEY_DEPTH or length + 1 + len(text) > MAX_KEY_LENGTH:
            parent, depth, length = -1, 0, -1
        steps.append([parent, text])
        sizes.append((depth + 1, length + 1 + len(text)))
    return steps


@st.composite
def _clicks(draw: st.DrawFn, n_steps: int, n_geometries: int) -> dict[str, list[int]]:
    size = draw(st.integers(0, 6)) if n_steps else 0

    def column(values: st.SearchStrategy[int]) -> list[int]:
        return draw(st.lists(values, min_size=size, max_size=size))

    return {
        "t": column(_between(0, MAX_MS // 6)),
        "e": column(st.integers(0, max(0, n_steps - 1))),
        **{name: column(SIGNED_PX) for name in ("x", "y", "w", "h")},
        **{name: column(_between(0, 255)) for name in ("fx", "fy")},
        "g": column(st.integers(0, n_geometries - 1)),
        "k": column(_between(0, 255)),
        "n": column(_between(1, MAX_COUNT)),
    }


@st.composite
def _moves(draw: st.DrawFn, n_steps: int) -> dict[str, list[int]]:
    """Positions are drawn and their differences sent, so that they reach every bound."""
    size = draw(st.integers(0, 6)) if n_steps else 0

    def column(values: st.SearchStrategy[int]) -> list[int]:
        return draw(st.lists(values, min_size=size, max_size=size))

    def deltas(values: list[int]) -> list[int]:
        return [value - before for value, before in zip(values, [0, *values], strict=False)]

    return {
        "t": deltas(sorted(column(MS))),
        "e": column(st.integers(0, max(0, n_steps - 1))),
        **{name: deltas(column(SIGNED_PX)) for name in ("x", "y")},
        **{name: column(_between(0, 255)) for name in ("fx", "fy")},
    }


@st.composite
def _signals(draw: st.DrawFn, n_steps: int) -> dict[str, list]:
    size = draw(st.integers(0, 6))

    def column(values: st.SearchStrategy) -> list:
        return draw(st.lists(values, min_size=size, max_size=size))

    signals = {
        "t": column(MS),
        "k": column(_between(1, 64)),
        "e": column(st.integers(-1, n_steps - 1)),
        "v": column(_between(-(2**31), 2**31 - 1)),
    }
    if draw(st.booleans()):
        signals["w"] = column(_between(-(2**31), 2**31 - 1))
    if draw(st.booleans()):
        signals["s"] = column(st.just("") | _texts(500))
    return signals


@st.composite
def _layouts(draw: st.DrawFn, n_steps: int) -> dict[str, object]:
    size = draw(st.integers(0, 6)) if n_steps else 0
    index = st.integers(0, max(0, n_steps - 1))

    def column(values: st.SearchStrategy) -> list:
        return draw(st.lists(values, min_size=size, max_size=size))

    box = st.tuples(index, *[SIGNED_PX] * 4, _between(0, MAX_COUNT), _between(0, 10_000), _texts(80))
    structure = {"v": draw(_between(0, 2**32 - 1))} if draw(st.booleans()) else {}
    return structure | {
        "u": draw(_texts(120)),
        "i": column(index),
        **{name: column(SIGNED_PX) for name in ("x", "y", "w", "h")},
        "r": column(st.sampled_from([*range(8), *range(16, 24)])),
        "t": column(_texts(80)),
        "s": draw(st.lists(box, max_size=4 if n_steps else 0)),
    }


@st.composite
def _views(draw: st.DrawFn, sent_ms: int, n_steps: int) -> dict[str, object]:
    age_ms = draw(st.sampled_from([0, -60_000, 86_400_000]) | st.integers(-60_000, 86_400_000))
    view = {
        "i": draw(
            st.sampled_from(["0" * 16, "f" * 16, "8" + "0" * 15]) | st.integers(0, 2**64 - 1).map("{:016x}".format)
        ),
        "s": min(MAX_UNIX_MS, max(0, sent_ms - age_ms)),
        "q": draw(_between(0, MAX_COUNT)),
        "n": draw(st.integers(0, 3)),
        "p": "/" + draw(_texts(1023) | st.sampled_from(ODD_PATHS)),
        "c": draw(st.integers(0, 1)),
        "a": draw(MS),
        "e": draw(MS),
        "h": [draw(PX), draw(PX)],
    }
    if draw(st.booleans()):
        view["r"] = draw(_texts(253))
    if n_steps and draw(st.booleans()):
        view["x"] = draw(st.integers(0, n_steps - 1))
    if draw(st.booleans()):
        view["m"] = draw(_between(1, 255))
    if draw(st.booleans()):
        view["u"] = f"{draw(_between(0, 2**128 - 1)):032x}"
    return view


def whole_key(entries: Sequence[str | tuple[int, str]], index: int) -> str:
    """Return the key that an entry of a dictionary stands for."""
    entry = entries[index]
    if isinstance(entry, str):
        return entry
    parent, step = entry
    return step if parent < 0 else f"{whole_key(entries, parent)}>{step}"


def _written(steps: Sequence[tuple[int, str]], index: int) -> str | tuple[int, str]:
    """An entry as a whole key, unless a `>` of its own would read as two steps there."""
    parent, step = steps[index]
    above = _written(steps, parent) if parent >= 0 else ""
    return steps[index] if ">" in step or not isinstance(above, str) else f"{above}>{step}".removeprefix(">")


@st.composite
def _wires(draw: st.DrawFn) -> dict[str, object]:
    """One batch with all that the wire format allows in it."""
    sent_ms = draw(_between(0, MAX_UNIX_MS) | st.just(NOW_MS))
    steps = draw(_steps())
    steps = [_written(steps, index) if draw(st.booleans()) else steps[index] for index in range(len(steps))]
    geometries = draw(st.lists(GEOMETRY, min_size=1, max_size=4))
    wire = {"v": 1, "b": f"{draw(st.integers(0, 2**128 - 1)):032x}", "k": "demoKey_01", "t": sent_ms, "g": geometries}
    wire |= {"w": draw(_views(sent_ms, len(steps))), "d": steps}
    if draw(st.booleans()):
        wire["c"] = draw(_clicks(len(steps), len(geometries)))
    if draw(st.booleans()):
        section = st.tuples(st.integers(0, max(0, len(steps) - 1)), MS, st.integers(0, 3))
        wire["s"] = draw(st.lists(section, max_size=5 if steps else 0))
    if draw(st.booleans()):
        wire["l"] = draw(_layouts(len(steps)))
    if draw(st.booleans()):
        wire["m"] = draw(_moves(len(steps)))
    if draw(st.booleans()):
        wire["f"] = draw(_signals(len(steps)))
    return wire


def _of_one_page(wires: list[dict]) -> list[dict]:
    """Several views of one page in one window, so that they meet in the dictionaries and the layouts."""
    for wire in wires[1:]:
        wire["g"][-1] = wires[0]["g"][-1]
        wire["w"] |= {name: wires[0]["w"][name] for name in ("p", "c")}
        wire.setdefault("l", {"u": "empty", **{name: [] for name in "ixywhrts"}})
    return wires


WIRES = st.lists(_wires(), min_size=1, max_size=3, unique_by=lambda wire: wire["b"])
WIRES = WIRES | WIRES.map(_of_one_page)
SITES = st.builds(
    NewSite,
    name=st.just("Sample"),
    time_zone=st.sampled_from(["UTC", "Pacific/Kiritimati", "America/St_Johns", "Africa/Monrovia"]),
    buckets=st.sampled_from([1, 7, 256]),
    tablet_min_px=st.sampled_from([1, 600]),
    desktop_min_px=st.sampled_from([600, 1024, 32_767]),
    params=st.sampled_from([(), ("x", "y")]),
    snippet_flags=st.sampled_from([SnippetFlag.SIGNALS, SnippetFlag.HASH_ROUTES]),
)
SENDERS = st.tuples(
    st.sampled_from(["192.0.2.7", "2001:db8::1", "", "no address"]),
    st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace").decode("ascii", "surrogateescape")),
)
