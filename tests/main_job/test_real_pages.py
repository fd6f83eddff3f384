"""The main job on pages nobody here wrote: known clicks in a real browser become numbers and peaks of the heatmap."""

import asyncio
import io
import json
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from known_clicks import CLICK_AT, Box, choose_targets, click_targets, measure_boxes
from PIL import Image
from playwright.async_api import Browser
from service import Service, run_command, start_service

from heatmap.demo.shop import ARTICLE, ShopLinks, setup_sample_site

WIDTHS = (1440, 1100, 390)
"""Two desktop widths and a phone's."""

MAP_WIDTH = WIDTHS[0]
CELL_PX = 4
ARRIVAL_TIMEOUT_S = 60
PACKAGES = Path(__file__).parents[2] / "js" / "node_modules"
PAGES = [
    ARTICLE,
    "/pages/spectre.css/docs/elements/typography.html",
    "/pages/uikit/tests/article.html",
    "/pages/milligram/example.html",
]

pytestmark = pytest.mark.browser


@dataclass(frozen=True, slots=True)
class Instrumented:
    """A service, a site of it, and a web server whose pages carry the site's snippet."""

    service: Service
    site_id: int
    token: str
    pages_url: str

    async def fetch(self, path: str, **params: object) -> bytes:
        """Return the body of one API answer."""
        address = f"{self.service.url}/api/v1/sites/{self.site_id}/{path}"
        headers = {"Authorization": f"Bearer {self.token}"}
        query = {key: str(value) for key, value in params.items()}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(address, params=query) as answer,
        ):
            body = await answer.read()
            assert answer.status == 200, body
            return body

    async def wait_for_map(self, page: str, clicks: int) -> dict[str, object]:
        """Return `heatmap.json` once it has the clicks and a layout as wide as the map asked for."""
        async with asyncio.timeout(ARRIVAL_TIMEOUT_S):
            while True:
                try:
                    found = json.loads(await self.fetch("heatmap.json", page=page, kind="click", width=MAP_WIDTH))
                except AssertionError:
                    found = {}
                layout = found.get("layout", {})
                if layout.get("captured_at") and layout["viewport_w_px"] == MAP_WIDTH and found["clicks"] >= clicks:
                    return found
                await asyncio.sleep(0.2)


@pytest.fixture(scope="module")
def data_folder() -> Iterator[Path]:
    """A folder that the user Postgres runs as may enter."""
    folder = Path(tempfile.mkdtemp(prefix="jalki-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture(scope="module")
async def instrumented(data_folder: Path) -> AsyncIterator[Instrumented]:
    """`jalki up` as a user starts it, and a server with the sample shop and the real pages."""
    service = await start_service(data_folder)
    door = socket.create_server(("127.0.0.1", 0))
    pages_url = f"http://127.0.0.1:{door.getsockname()[1]}"
    site = await run_command(data_folder, "site", "add", "--name", "Real pages", "--origin", pages_url)
    token = await run_command(data_folder, "token", "add", "--site", str(site["site_id"]), "--scope", "read")
    runner = web.AppRunner(_build_pages(f"{service.url}/s/{site['key']}.js"))
    await runner.setup()
    await web.SockSite(runner, door).start()
    yield Instrumented(service, int(str(site["site_id"])), str(token["token"]), pages_url)
    await runner.cleanup()
    assert await service.stop() == 0


@pytest.mark.parametrize("path", PAGES)
async def test_known_clicks_are_counted_exactly_and_peak_on_their_elements(
    instrumented: Instrumented, chromium: Browser, path: str
) -> None:
    """Clicks made at three widths are all on the map, on the element that was clicked, and nowhere else."""
    url = instrumented.pages_url + path
    targets = await choose_targets(chromium, url, WIDTHS)
    assert len(targets) >= 4
    made = sum(target.clicks for target in targets) * len(WIDTHS)
    await _leave_layout(instrumented, chromium, url, path)

    contexts = [await click_targets(chromium, url, width, targets) for width in WIDTHS]

    found = await instrumented.wait_for_map(path, made)
    for context in contexts:
        await context.close()
    ratio = found["picture"]["width_px"] / found["layout"]["width_px"]
    boxes = [box.scale(ratio) for box in await measure_boxes(chromium, url, MAP_WIDTH, targets)]
    assert found["clicks"] == made
    assert found["anchoring"]["count"] == made
    assert _clicks_by_box(found["elements"], boxes) == [target.clicks * len(WIDTHS) for target in targets]
    assert sum(element["clicks"] for element in found["elements"]) == made
    picture = await instrumented.fetch("heatmap.png", page=path, kind="click", width=MAP_WIDTH, scale=CELL_PX)
    assert _peaks_outside(picture, boxes) == []
    assert _clicks_without_peak(picture, boxes) == []


async def _leave_layout(instrumented: Instrumented, browser: Browser, url: str, path: str) -> None:
    """Visit the page without a click until the collector has its layout at the map's width."""
    context = await browser.new_context(viewport={"width": MAP_WIDTH, "height": 800})
    page = await context.new_page()
    await page.goto(url)
    await instrumented.wait_for_map(path, 0)
    await context.close()


def _build_pages(snippet_url: str) -> web.Application:
    app = web.Application(middlewares=[_build_injector(snippet_url)])
    setup_sample_site(app, ShopLinks(snippet_url, snippet_url.split("/s/", 1)[0] + "/"))
    for package in ("spectre.css", "uikit", "milligram"):
        app.router.add_static(f"/pages/{package}", PACKAGES / package)
    return app


def _build_injector(snippet_url: str) -> Middleware:
    @web.middleware
    async def inject(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not (request.path.startswith("/pages/") and request.path.endswith(".html")):
            return await handler(request)
        text = (PACKAGES / request.path.removeprefix("/pages/")).read_text()
        tag = f'<script async src="{snippet_url}"></script></head>'
        return web.Response(text=text.replace("</head>", tag, 1), content_type="text/html")

    return inject


def _clicks_by_box(elements: Sequence[dict[str, object]], boxes: Sequence[Box]) -> list[int]:
    """Return for each box the clicks of the element that has it, by the numbers of `heatmap.json`."""
    return [sum(int(str(one["clicks"])) for one in elements if _is_same(one, box)) for box in boxes]


def _is_same(element: dict[str, object], box: Box) -> bool:
    names = ("x_px", "y_px", "w_px", "h_px")
    return all(
        abs(float(str(element[name])) - value) <= 1.5
        for name, value in zip(names, (box.left, box.top, box.width, box.height), strict=True)
    )


def _find_peaks(picture: bytes) -> list[tuple[float, float]]:
    """Return the middles (x, y in CSS px) of the plateaus of the picture that nothing beside them exceeds."""
    with Image.open(io.BytesIO(picture)) as image:
        index = np.asarray(image).astype(int)
    padded = np.pad(index, 1)
    shifts = [(dy, dx) for dy in (0, 1, 2) for dx in (0, 1, 2)]
    highest = np.max([padded[dy : dy + index.shape[0], dx : dx + index.shape[1]] for dy, dx in shifts], axis=0)
    left = {(int(y), int(x)) for y, x in np.argwhere((index == highest) & (index > 0))}
    peaks = []
    while left:
        plateau = _take_plateau(left, index)
        if plateau:
            ys, xs = zip(*plateau, strict=True)
            peaks.append(((sum(xs) / len(xs) + 0.5) * CELL_PX, (sum(ys) / len(ys) + 0.5) * CELL_PX))
    return peaks


def _take_plateau(left: set[tuple[int, int]], index: np.ndarray) -> list[tuple[int, int]]:
    """Remove one plateau of equal pixels from `left`; return it where no neighbour of any of its pixels is higher."""
    queue = [next(iter(left))]
    level, plateau, is_peak = index[queue[0]], set(queue), True
    while queue:
        y, x = queue.pop()
        for ny in range(max(0, y - 1), min(index.shape[0], y + 2)):
            for nx in range(max(0, x - 1), min(index.shape[1], x + 2)):
                if index[ny, nx] > level:
                    is_peak = False
                if index[ny, nx] == level and (ny, nx) not in plateau:
                    plateau.add((ny, nx))
                    queue.append((ny, nx))
    left -= plateau
    return sorted(plateau) if is_peak else []


def _lies_on(peak: tuple[float, float], box: Box) -> bool:
    x, y = peak
    return (
        box.left - CELL_PX <= x <= box.left + box.width + CELL_PX
        and box.top - CELL_PX <= y <= box.top + box.height + CELL_PX
    )


def _peaks_outside(picture: bytes, boxes: Sequence[Box]) -> list[tuple[float, float]]:
    return [peak for peak in _find_peaks(picture) if not any(_lies_on(peak, box) for box in boxes)]


def _clicks_without_peak(picture: bytes, boxes: Sequence[Box]) -> list[Box]:
    """Return the boxes whose clicked point is further than a cell from every peak."""
    peaks = _find_peaks(picture)
    return [box for box in boxes if not any(_is_near(peak, box) for peak in peaks)]


def _is_near(peak: tuple[float, float], box: Box) -> bool:
    x, y = box.left + box.width * CLICK_AT[0], box.top + box.height * CLICK_AT[1]
    # A cell, and half a step of the 255 into which a box is divided.
    return abs(peak[0] - x) <= CELL_PX + box.width / 510 and abs(peak[1] - y) <= CELL_PX + box.height / 510
