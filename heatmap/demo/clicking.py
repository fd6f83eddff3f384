"""What a visitor clicks on a page: the way to the next one, and the habits of each page. Pure; chance is passed in."""

import re
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from collector.ids import FIXED_FLAG, ClickKind, Role
from heatmap.demo.journeys import kind_of
from heatmap.demo.people import Person
from heatmap.demo.reading import Reading
from heatmap.demo.recording import FittedPage
from heatmap.demo.shop import ARTICLE

_WAYS = (
    (r"^/$", r"#logo$", 1.0),
    (r"^/shop$", r"#hero-shop$|#shop-this-story$", 3.0),
    (r"^/shop$", r"#nav-shop$|#see-all$", 2.0),
    (r"^/checkout$", r"#nav-basket$", 1.0),
    (r"^/finder$", r"#hero-finder$|#tab-back$", 2.0),
    (r"^/finder$", r"#nav-finder$", 1.0),
    (r"^/about$", r"#nav-about$", 1.0),
    (re.escape(ARTICLE), r"#read-story$", 2.0),
    (re.escape(ARTICLE), r"#nav-journal$", 1.0),
    (r"^/shop/", r"#buy-this$", 3.0),
    (r"^/shop/routa-teapot", r"#article-teapot$", 1.0),
)
"""Where one goes, the keys of elements that lead there, their weight."""

_HABITS: dict[str, tuple[float, tuple[tuple[str, float], ...]]] = {
    "/": (0.5, ((r"#kiln-picture>svg", 6), (r"#hero>figure:1>svg", 5), (r"#promise", 0.5), (r"#letter-", 1.5))),
    "/shop": (1.4, ((r"#filter-(ceramics|black)$", 16), (r"#filter-", 8), (r"#sort", 5))),
    "product": (
        1.6,
        (
            (r"#product-picture>svg", 15),
            (r"#option-|fieldset", 4),
            (r"#(care|delivery|returns)>summary", 5),
            (r"#more$", 3.5),
            (r"#fewer$", 1),
            (r"#add-to-basket$", 7),
            (r"#reviews", 1),
        ),
    ),
    "route": (1.0, ((r"#longer$", 10), (r"#less$", 7), (r"#answer-picture>svg", 4), (r"#steps", 0.7))),
    "/finder": (0.3, ((r"#finder-picture>", 5),)),
    "/checkout": (
        0.6,
        ((r"#by-|#how", 6), (r"#pay-|#pay", 3), (r"#voucher", 6), (r"#use-voucher", 3), (r"#summary", 1)),
    ),
    "/about": (0.4, ((r"#lake-picture>svg", 5), (r"#visit", 2), (r"#message", 2))),
    ARTICLE: (
        0.5,
        (
            (r"#article-picture>svg", 5),
            (r"#kiln-figure>svg", 4),
            (r"#cups-figure>svg", 6),
            (r"#pull-quote$", 4),
            (r"#shop-this-story", 3),
        ),
    ),
}
"""Clicks a view, and the keys that draw them with their weight."""

_FORM = ("#first-name", "#last-name", "#email", "#street", "#postcode", "#town", "#country", "#place-order")
_STAY = 0.9
"""Share who go on from one field of the checkout to the next."""
_ROLE_WEIGHTS = {
    Role.LINK: 0.2,
    Role.BUTTON: 0.3,
    Role.FIELD: 0.25,
    Role.IMAGE: 0.3,
    Role.HEADING: 0.1,
    Role.TEXT: 0.08,
}


@dataclass(frozen=True, slots=True)
class Click:
    """One click, before it is written as a batch's columns."""

    step: int
    at_ms: int
    element: int
    """Place in the layout."""
    x_px: int
    y_px: int
    x_frac: int
    y_frac: int
    kind: ClickKind
    nth: int = 1


def draw_clicks(
    rng: np.random.Generator, page: FittedPage, person: Person, reading: Reading, next_path: str
) -> list[Click]:
    """Return the clicks of a view in the order of time; the one that leads to `next_path` is the last."""
    path = page.page.path
    rate = _HABITS[kind_of(path)][0] * min(1.6, reading.n_steps / 40)
    clicks = [
        _place_click(rng, page, person, reading, (element, None))
        for element in _draw_habits(rng, page, rng.poisson(rate))
    ]
    if kind_of(path) == "/checkout":
        clicks += _fill_form(rng, page, person, reading)
    ways = _find_ways(tuple(page.element_keys), next_path) if next_path else {}
    if ways:
        way = int(rng.choice(list(ways), p=np.array(list(ways.values())) / sum(ways.values())))
        clicks.append(_place_click(rng, page, person, reading, (way, reading.n_steps - 1)))
    return _number(sorted((click for click in clicks if click), key=lambda click: click.at_ms))


def _draw_habits(rng: np.random.Generator, page: FittedPage, n: int) -> list[int]:
    weights = _weigh(tuple(page.element_keys), tuple(page.page.layout.roles), page.page.path)
    if n == 0 or not weights.sum():
        return []
    chosen = rng.choice(len(weights), size=n, p=weights / weights.sum())
    steppers = [index for index in chosen if page.element_keys[index] in {"#more", "#longer", "#less"}]
    return [int(index) for index in chosen] + [int(index) for index in steppers for _ in range(rng.integers(0, 4))]


@lru_cache(maxsize=256)
def _weigh(keys: tuple[str, ...], roles: tuple[int, ...], path: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    weights = np.array([_ROLE_WEIGHTS.get(Role(role % FIXED_FLAG), 0.0) for role in roles])
    pressed = tuple(
        f"{key}>" for key, role in zip(keys, roles, strict=True) if role % FIXED_FLAG in {Role.LINK, Role.BUTTON}
    )
    weights[[key.startswith(pressed) for key in keys]] = 0  # the snippet says that the link was clicked, not its icon
    for pattern, weight in reversed(_HABITS[kind_of(path)][1]):
        found = np.array([re.search(pattern, key) is not None for key in keys], dtype=bool)
        weights[found & (weights > 0)] = weight / max(1, int(found.sum())) ** 0.5
    return weights


@lru_cache(maxsize=1024)
def _find_ways(keys: tuple[str, ...], next_path: str) -> dict[int, float]:
    patterns = [(pattern, weight) for target, pattern, weight in _WAYS if re.search(target, next_path)]
    slug = next_path.rsplit("/", 1)[-1]
    if next_path.startswith("/shop/"):
        patterns += [(rf"#(home|item|with)-{slug}>(a|h3:1>a)", 1.0)]
    if next_path.startswith("/finder/"):
        patterns += [(rf"#(mood|tab)-{slug}$", 1.0)]
    return {place: weight for place, key in enumerate(keys) for pattern, weight in patterns if re.search(pattern, key)}


def _fill_form(rng: np.random.Generator, page: FittedPage, person: Person, reading: Reading) -> list[Click | None]:
    places = {key.rpartition(">")[2]: place for place, key in enumerate(page.element_keys)}
    clicks: list[Click | None] = []
    for field in _FORM:
        if field not in places or rng.random() > _STAY:
            break
        step = min(reading.n_steps - 1, int(reading.n_steps * (0.1 + 0.8 * len(clicks) / len(_FORM))))
        clicks.append(_place_click(rng, page, person, reading, (places[field], step)))
    return clicks


def _place_click(
    rng: np.random.Generator, page: FittedPage, person: Person, reading: Reading, target: tuple[int, int | None]
) -> Click | None:
    """Return a click on an element while it is in view, or None if it never is; a way out is taken at its step."""
    element, step = target
    x, y, width, height = page.elements[element]
    is_fixed = page.page.layout.roles[element] >= FIXED_FLAG
    if width < 1 or height < 1:
        return None
    if step is None:
        middle = y + height / 2
        in_view = (reading.scroll_px <= middle) & (middle <= reading.scroll_px + page.geometry[1]) | is_fixed
        steps = np.flatnonzero(in_view)
        if not len(steps):
            return None
        step = int(rng.choice(steps))
    fractions = np.clip(rng.normal(0.5, 0.17, size=2), 0.02, 0.98)
    kind = ClickKind.TOUCH if person.is_coarse else ClickKind.KEYBOARD if rng.random() < 0.02 else ClickKind.MOUSE
    if kind == ClickKind.KEYBOARD:
        fractions[:] = 0.5
    at_ms = int(reading.wall_ms[step]) - int(rng.integers(0, 450))
    x_frac, y_frac = (int(value) for value in np.round(fractions * 255))
    x_px, y_px = round(x + fractions[0] * width), round(y + fractions[1] * height)
    return Click(step, max(1, at_ms), element, x_px, y_px, x_frac, y_frac, kind)


def _number(clicks: list[Click]) -> list[Click]:
    counts: dict[int, int] = {}
    numbered = []
    for click in clicks:
        nth = counts[click.element] = counts.get(click.element, 0) + 1
        numbered.append(replace(click, nth=nth))
    return numbered
