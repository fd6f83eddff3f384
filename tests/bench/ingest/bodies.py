"""Requests as browsers send them, built before anything is measured: only ids differ from one to the next.

A few hundred batches are composed, with pages, elements and views in the unequal shares that real ones have; each
request is one of them with a batch id and a view id of its own.
"""

import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

TEMPLATES = 512
REPORTS_A_VIEW = 4
"""Successive requests that belong to one view."""
PAGES = 60
ELEMENTS = 40
LIKED = 6
"""Elements of its page that one visitor clicks at all."""
ORIGIN = "https://shop.example"

_BATCH_MARK, _VIEW_MARK = "0" * 31 + "b", "0" * 15 + "a"
_SCREENS = ((1920, 947), (1536, 730), (1440, 789), (2560, 1305), (390, 664), (412, 784), (820, 1106))
_CONTROLS = ("a[data-testid=card]", "button[data-testid=add]", "a", "button", "img", "p", "li", "label", "summary")
_REFERRERS = ("search.example", "news.example", "social.example")


class Headers(StrEnum):
    """Whose headers a request carries."""

    CHROME = "chrome"
    MINIMAL = "minimal"


class Order(msgspec.Struct, frozen=True):
    """Which requests to build; `seed` decides every id, so that who knows it can recount."""

    site_key: str
    clicks: int
    count: int
    seed: int
    headers: Headers = Headers.CHROME


@dataclass(frozen=True, slots=True)
class Template:
    """A request without its two ids: `head`, batch id, `middle`, view id, `tail`."""

    head: bytes
    middle: bytes
    tail: bytes


def batch_ids(order: Order) -> list[bytes]:
    """Return the ids of the requests in the order in which they are sent, as 32 hexadecimal digits each."""
    return _hex_words(random.Random(order.seed), order.count, 16)


def build_requests(order: Order, host: str) -> list[bytes]:
    """Return whole requests, from the request line to the last byte of the body."""
    templates = build_templates(order, host)
    ids = batch_ids(order)
    views = _hex_words(random.Random(-order.seed - 1), order.count // REPORTS_A_VIEW + 1, 8)
    requests = []
    for place, batch_id in enumerate(ids):
        one = templates[place % TEMPLATES]
        requests.append(one.head + batch_id + one.middle + views[place // REPORTS_A_VIEW] + one.tail)
    return requests


def build_templates(order: Order, host: str) -> list[Template]:
    """Return `TEMPLATES` requests; each run of `REPORTS_A_VIEW` of them belongs to one view."""
    rng = random.Random(order.clicks)
    now_ms = int(time.time() * 1000)
    pages = [_page(rng, number) for number in range(PAGES)]
    templates = []
    for _ in range(TEMPLATES // REPORTS_A_VIEW):
        visit = _visit(rng, pages)
        headers = _headers(order.headers, host, _user_agent(rng, is_phone=visit.is_phone))
        reports = (_batch(rng, order, visit, seq, now_ms) for seq in range(REPORTS_A_VIEW))
        templates += [_template(wire, headers) for wire in reports]
    return templates


@dataclass(frozen=True, slots=True)
class _Element:
    key: tuple[str, ...]
    box: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Page:
    path: str
    height_px: int
    sections: tuple[str, ...]
    elements: tuple[_Element, ...]


@dataclass(frozen=True, slots=True)
class _Visit:
    """One view: a page, a window, and the few elements that this visitor clicks."""

    page: _Page
    screen: tuple[int, int]
    liked: tuple[_Element, ...]

    @property
    def is_phone(self) -> bool:
        return self.screen[0] < 600


def _page(rng: random.Random, number: int) -> _Page:
    height_px = rng.randrange(2_000, 9_000)
    return _Page(
        path="/" if number == 0 else rng.choice(("/product/", "/guide/", "/blog/2026/")) + f"item-{number}",
        height_px=height_px,
        sections=tuple(f"h2[part-{part}-of-{number}]" for part in range(rng.randrange(3, 9))),
        elements=tuple(_element(rng, place, height_px) for place in range(ELEMENTS)),
    )


def _element(rng: random.Random, place: int, height_px: int) -> _Element:
    """Return an element whose key has one to four steps, as most have: what has an id stands alone."""
    box = (rng.randrange(0, 1_200), rng.randrange(0, height_px), rng.randrange(24, 500), rng.randrange(16, 240))
    if place % 3 == 0:
        return _Element((f"#{rng.choice(('buy', 'menu', 'open', 'search', 'next'))}-{place}",), box)
    between = [f"div:{rng.randrange(1, 4)}" for _ in range(rng.choice((0, 1, 1, 2)))]
    return _Element((f"#main-{place % 3}", *between, f"{rng.choice(_CONTROLS)}:{1 + place % 9}"), box)


def _visit(rng: random.Random, pages: Sequence[_Page]) -> _Visit:
    page = rng.choices(pages, _unequal(len(pages)))[0]
    liked = rng.choices(page.elements, _unequal(len(page.elements)), k=LIKED)
    return _Visit(page, rng.choice(_SCREENS), tuple(liked))


def _unequal(n: int) -> list[float]:
    """Return weights as real popularity has them: the k-th is the first divided by k."""
    return [1 / (1 + place) for place in range(n)]


def _batch(rng: random.Random, order: Order, visit: _Visit, seq: int, now_ms: int) -> dict[str, object]:
    page, (viewport_w_px, viewport_h_px) = visit.page, visit.screen
    steps: list[list[int | str]] = []
    clicks = _clicks(rng, order.clicks, visit.liked, steps)
    seen = rng.sample(page.sections, rng.randrange(1, 4))
    sections = [[len(steps) + place, rng.randrange(100, 9_000), rng.randrange(4)] for place in range(len(seen))]
    steps += [[-1, name] for name in seen]
    age_ms = 5_000 * (seq + 1) + sum(clicks["t"])
    view = {"i": _VIEW_MARK, "s": now_ms - age_ms, "q": seq, "n": 0, "p": page.path, "r": rng.choice(_REFERRERS)}
    view |= {"c": int(visit.is_phone), "a": age_ms - 400, "e": age_ms // 200 * 100, "x": sections[0][0]}
    view |= {"h": [min(page.height_px, viewport_h_px * (seq + 1)), page.height_px]}
    geometry = [viewport_w_px, viewport_h_px, viewport_w_px, page.height_px]
    whole = {"v": 1, "b": _BATCH_MARK, "k": order.site_key, "t": now_ms, "w": view}
    return whole | {"g": [geometry], "d": steps, "c": clicks, "s": sections}


def _clicks(
    rng: random.Random, n: int, elements: Sequence[_Element], steps: list[list[int | str]]
) -> dict[str, list[int]]:
    """Return the columns of n clicks; the elements that they name are added to `steps`."""
    columns: dict[str, list[int]] = {name: [] for name in ("t", "e", "x", "y", "fx", "fy", "w", "h", "g", "k", "n")}
    known: dict[tuple[str, ...], int] = {}
    times: dict[int, int] = {}
    for element in rng.choices(elements, k=n):
        index = _intern(element.key, steps, known)
        times[index] = times.get(index, 0) + 1
        x, y, w, h = element.box
        fx, fy = (min(255, max(0, int(rng.gauss(128, 50)))) for _ in range(2))
        row = (rng.randrange(150, 4_000), index, x + w * fx // 255, y + h * fy // 255, fx, fy, w, h, 0, 0, times[index])
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
    return columns


def _intern(key: Sequence[str], steps: list[list[int | str]], known: dict[tuple[str, ...], int]) -> int:
    parent = -1
    for depth in range(1, len(key) + 1):
        path = tuple(key[:depth])
        if path not in known:
            known[path] = len(steps)
            steps.append([parent, key[depth - 1]])
        parent = known[path]
    return parent


def _template(wire: dict[str, object], headers: str) -> Template:
    body = json.dumps(wire, separators=(",", ":"))
    before, after = body.split(_BATCH_MARK)
    middle, tail = after.split(_VIEW_MARK)
    head = headers.replace("LENGTH", str(len(body)), 1) + "\r\n" + before
    return Template(head.encode(), middle.encode(), tail.encode())


def _headers(kind: Headers, host: str, agent: str) -> str:
    """Return the request line and the headers; Chrome's are those of its `fetch` from a page of another site."""
    lines = ["POST /v1/events HTTP/1.1", f"Host: {host}", "Connection: keep-alive", "Content-Length: LENGTH"]
    lines += [f"User-Agent: {agent}", "Content-Type: text/plain;charset=UTF-8", f"Origin: {ORIGIN}"]
    if kind is Headers.CHROME:
        major = agent.partition("Chrome/")[2].partition(".")[0]
        is_phone = "Mobile" in agent
        lines[4:4] = [f'sec-ch-ua-platform: "{"Android" if is_phone else "Windows"}"']
        lines += [
            f'sec-ch-ua: "Chromium";v="{major}", "Not=A?Brand";v="24", "Google Chrome";v="{major}"',
            f"sec-ch-ua-mobile: ?{int(is_phone)}",
            "Accept: */*",
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Mode: cors",
            "Sec-Fetch-Dest: empty",
            f"Referer: {ORIGIN}/",
            "Accept-Encoding: gzip, deflate, br, zstd",
            "Accept-Language: en-GB,en;q=0.9,fi;q=0.8",
        ]
    return "\r\n".join(lines) + "\r\n"


def _user_agent(rng: random.Random, *, is_phone: bool) -> str:
    major = rng.randrange(126, 142)
    platform = "Linux; Android 10; K" if is_phone else "Windows NT 10.0; Win64; x64"
    mobile = " Mobile" if is_phone else ""
    return f"Mozilla/5.0 ({platform}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{major}.0.0.0{mobile} Safari/537.36"


def _hex_words(rng: random.Random, n: int, width: int) -> list[bytes]:
    digits = rng.randbytes(n * width).hex().encode()
    return [digits[start : start + 2 * width] for start in range(0, len(digits), 2 * width)]
