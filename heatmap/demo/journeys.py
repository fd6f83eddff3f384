"""Which pages a visitor opens, one after another. Pure; chance is passed in."""

from collections.abc import Mapping

import numpy as np

from collector.ids import Navigation
from heatmap.demo.shop import ARTICLE, FINDER_KINDS, load_products

_MAX_VIEWS = 14
_EXIT = ""
_PRODUCT = "product"
_ROUTE = "route"

_ENTRIES: dict[str, dict[str, float]] = {
    "search": {"/": 0.36, _PRODUCT: 0.32, ARTICLE: 0.2, "/finder": 0.08, "/shop": 0.04},
    "newsletter": {ARTICLE: 0.6, "/shop": 0.26, "/": 0.14},
    "social": {ARTICLE: 0.46, _PRODUCT: 0.3, "/": 0.16, "/finder": 0.08},
    "direct": {"/": 0.62, "/shop": 0.18, "/finder": 0.08, "/about": 0.08, "/checkout": 0.04},
}
_NEXT: dict[str, dict[str, float]] = {
    "/": {"/shop": 0.33, _PRODUCT: 0.16, ARTICLE: 0.11, "/finder": 0.1, "/about": 0.05, _EXIT: 0.25},
    "/shop": {_PRODUCT: 0.58, "/": 0.04, "/finder": 0.06, "/checkout": 0.02, _EXIT: 0.3},
    _PRODUCT: {"/checkout": 0.14, "/shop": 0.27, _PRODUCT: 0.12, "/": 0.03, _EXIT: 0.44},
    ARTICLE: {"/shop": 0.1, _PRODUCT: 0.07, "/finder": 0.06, "/": 0.07, _EXIT: 0.7},
    "/finder": {_ROUTE: 0.66, "/shop": 0.06, _EXIT: 0.28},
    _ROUTE: {_ROUTE: 0.36, _PRODUCT: 0.24, "/finder": 0.06, _EXIT: 0.34},
    "/checkout": {"/shop": 0.14, _PRODUCT: 0.08, "/": 0.1, _EXIT: 0.68},
    "/about": {"/": 0.14, "/shop": 0.22, _EXIT: 0.64},
}
_POPULARITY = (0.27, 0.14, 0.07, 0.1, 0.18, 0.08, 0.09, 0.04, 0.03)
"""Share of product views, in the order of the shelf."""
_ROUTE_POPULARITY = (0.24, 0.3, 0.14, 0.1, 0.22)

_SLUGS = [item.slug for item in load_products()]
_TEAS = {item.kind: f"/shop/{item.slug}" for item in load_products() if item.shape == "packet"}


def kind_of(path: str) -> str:
    """Return what sort of page a path is: itself, or one name for all products and one for all finder routes."""
    if path.startswith("/shop/"):
        return _PRODUCT
    return _ROUTE if path.startswith("/finder/") else path


def draw_journey(rng: np.random.Generator, source: str) -> list[str]:
    """Return the pages of one session, in order; at least one."""
    paths = [_draw_page(rng, _draw(rng, _ENTRIES[source]), "")]
    while len(paths) < _MAX_VIEWS:
        kind = _draw(rng, _NEXT[kind_of(paths[-1])])
        if kind == _EXIT:
            break
        path = _draw_page(rng, kind, paths[-1])
        if path != paths[-1]:
            paths.append(path)
    return paths


def draw_navigation(rng: np.random.Generator, path: str, earlier: list[str]) -> Navigation:
    """Return how a page is reached after those of `earlier`: the finder changes routes, going back restores."""
    if not earlier:
        return Navigation.PRERENDER if rng.random() < 0.03 else Navigation.LOAD
    if path.startswith("/finder") and earlier[-1].startswith("/finder"):
        return Navigation.ROUTE
    return Navigation.RESTORE if path in earlier and rng.random() < 0.6 else Navigation.LOAD


def _draw(rng: np.random.Generator, shares: Mapping[str, float]) -> str:
    return list(shares)[rng.choice(len(shares), p=list(shares.values()))]


def _draw_page(rng: np.random.Generator, kind: str, before: str) -> str:
    if kind == _ROUTE:
        return f"/finder/{FINDER_KINDS[rng.choice(len(FINDER_KINDS), p=_ROUTE_POPULARITY)]}"
    if kind != _PRODUCT:
        return kind
    if before.startswith("/finder/"):
        return _TEAS[before.removeprefix("/finder/")]
    return f"/shop/{_SLUGS[0 if before == ARTICLE else rng.choice(len(_SLUGS), p=_POPULARITY)]}"
