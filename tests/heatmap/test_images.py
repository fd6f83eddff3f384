"""Heatmaps of stored visits: what was clicked stands in the numbers and lies at its place in the picture."""

import io
from dataclasses import replace
from datetime import date

import msgspec
import numpy as np
import pytest
from PIL import Image
from traffic import START, Sent, add_test_site, store_flush

from collector.errors import InvalidError, NotFoundError
from collector.ids import Device
from heatmap.grid import build_histogram
from heatmap.images import HeatmapQuery, draw_backdrop, draw_heatmap, load_heatmap
from heatmap.picture import count_reach
from heatmap.rollup import advance

DAY = START.date()
STARTED_MS = int(START.timestamp() * 1000)
BUY, MAIN, _, DEEP, GONE = range(5)
DICTIONARY = [[-1, "#buy"], [-1, "main"], [1, "section:1"], [2, "p:2"], [-1, "#gone"]]
DESKTOP, PHONE = [1440, 900, 1440, 4000], [390, 800, 390, 6000]
QUERY = HeatmapQuery("/shop", "click", Device.ALL, DAY, DAY)

# What the layouts have: the buy button and the main area, not the section and paragraph in it and not what is gone.
BOXES = {"desktop": {BUY: (900, 500, 200, 60), MAIN: (100, 100, 1200, 3800)}, "phone": {BUY: (20, 1500, 350, 50)}}


def view(number, *, geometry=DESKTOP, path="/shop", depth_px=900, clicks=(), layout=None):
    """Return the only report of one view; clicks are (element, x_frac, y_frac), on boxes of 100 × 50 at (200, 300)."""
    seen = {}
    columns = {name: [] for name in ("t", "e", "x", "y", "fx", "fy", "w", "h", "g", "k", "n")}
    for element, fx, fy in clicks:
        seen[element] = seen.get(element, 0) + 1
        row = (
            100,
            element,
            200 + round(fx * 100 / 255),
            300 + round(fy * 50 / 255),
            fx,
            fy,
            100,
            50,
            0,
            0,
            seen[element],
        )
        for name, value in zip(columns, row, strict=True):
            columns[name].append(value)
    w = {"i": f"{number:016x}", "s": STARTED_MS, "q": 0, "n": 0, "p": path, "c": 0, "a": 900, "e": 900}
    w["h"] = [depth_px, geometry[3]]
    body = {"v": 1, "b": f"{number:032x}", "k": "rollupTest01", "t": STARTED_MS + 900, "w": w, "g": [geometry]}
    body |= {"d": DICTIONARY, "c": columns} if clicks else {"d": DICTIONARY}
    return Sent(
        body | ({"l": wire_layout(layout)} if layout else {}), STARTED_MS + 900, f"Mozilla/5.0 (visitor {number})"
    )


def wire_layout(name):
    boxes = BOXES[name]
    columns = dict(zip("xywh", (list(side) for side in zip(*boxes.values(), strict=True)), strict=True))
    roles = {BUY: (2, "Buy"), MAIN: (6, "")}
    picked = [roles[element] for element in boxes]
    texts = {"r": [role for role, _ in picked], "t": [label for _, label in picked]}
    return {"u": "Shop", "i": list(boxes), **columns, **texts, "s": []}


@pytest.fixture
async def conn(pool):
    async with pool.acquire() as connection:
        yield connection


async def store(conn, *views):
    """Store the views and bring the rollups up to date."""
    site = await add_test_site(conn)
    await store_flush(conn, site, views, 1)
    for key in site.shard_keys:
        await advance(conn, key, START)
    return site


def pixels_of(png):
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGBA")).astype(int)


async def test_clicks_made_are_clicks_shown(conn):
    """Elements, placements and total all count the clicks that were made, and say by how many views."""
    views = [
        view(1, clicks=[(BUY, 128, 128), (BUY, 128, 128), (DEEP, 10, 10)], layout="desktop"),
        view(2, clicks=[(BUY, 0, 0), (GONE, 255, 255)]),
        view(3),
    ]
    site = await store(conn, *views)

    heatmap = await load_heatmap(conn, site, QUERY)

    assert (heatmap.views, heatmap.clicks, heatmap.is_empty) == (3, 5, False)
    assert (heatmap.layout.device, heatmap.layout.views.count, heatmap.layout.views.n) == ("desktop", 3, 3)
    figures = {item.key: (item.clicks, item.clicked.count, item.clicked.n, item.placed) for item in heatmap.elements}
    assert figures == {
        "#buy": (3, 2, 3, "element"),
        "main>section:1>p:2": (1, 1, 3, "ancestor"),
        "#gone": (1, 1, 3, "page"),
    }
    assert (heatmap.placed.element, heatmap.placed.ancestor, heatmap.placed.page) == (3, 1, 1)
    assert (heatmap.anchoring.count, heatmap.anchoring.n, heatmap.anchoring.value) == (3, 5, 0.6)
    best = heatmap.elements[0]
    assert (best.label, best.role, best.x_px, best.y_px, best.w_px, best.h_px) == ("Buy", "button", 900, 500, 200, 60)


@pytest.mark.parametrize(("width", "ratio"), [(None, 1), (720, 0.5)])
@pytest.mark.parametrize("scale", [1, 2, 4])
async def test_the_peak_lies_on_the_clicked_element(conn, width, ratio, scale):
    """Seen elsewhere by its visitor, a click shines where the layout has its element, within one cell, at any size."""
    site = await store(conn, view(1, geometry=PHONE, clicks=[(BUY, 128, 128)]), view(2, layout="desktop"))

    heatmap = await load_heatmap(conn, site, replace(QUERY, width=width, scale=scale))
    pixels = pixels_of(draw_heatmap(heatmap))

    assert pixels.shape[:2] == (heatmap.picture.image_h, heatmap.picture.image_w)
    assert (heatmap.picture.width_px, heatmap.picture.height_px) == (1440 * ratio, 4000 * ratio)
    light = pixels[:, :, :3].sum(axis=2)
    peak = (np.argwhere(light == light.max()) + 0.5).mean(axis=0) * scale
    assert peak == pytest.approx([530 * ratio, 1000 * ratio], abs=4)


async def test_each_device_has_its_own_picture(conn):
    """A device's heatmap counts its views and clicks only, on its own layout; all of them use the busiest device's."""
    site = await store(
        conn,
        view(1, clicks=[(BUY, 9, 9)], layout="desktop"),
        view(2, geometry=PHONE, clicks=[(BUY, 9, 9), (BUY, 9, 9)], layout="phone"),
        view(3, geometry=PHONE),
    )

    phone = await load_heatmap(conn, site, replace(QUERY, device=Device.PHONE))
    everyone = await load_heatmap(conn, site, QUERY)

    assert (phone.views, phone.clicks, phone.layout.device, phone.picture.width_px) == (2, 2, "phone", 390)
    assert (everyone.views, everyone.clicks, everyone.layout.device) == (3, 3, "phone")
    assert everyone.anchoring.value == 1


async def test_a_page_without_a_layout_is_drawn_by_page_coordinates(conn):
    """Before any browser reported boxes, clicks lie where they were made and none counts as anchored."""
    site = await store(conn, view(1, clicks=[(BUY, 128, 128)]))

    heatmap = await load_heatmap(conn, site, QUERY)

    assert heatmap.layout.captured_at is None
    assert (heatmap.anchoring.value, heatmap.placed.page, heatmap.picture.width_px) == (0, 1, 1440)
    light = pixels_of(draw_heatmap(heatmap))[:, :, :3].sum(axis=2)
    assert (np.argwhere(light == light.max()) + 0.5).mean(axis=0) * 4 == pytest.approx([325, 250], abs=4)
    assert pixels_of(draw_backdrop(heatmap)).shape[:2] == light.shape


@pytest.mark.parametrize("kind", ["click", "scroll"])
async def test_a_range_without_data_is_empty_and_blank(conn, kind):
    """A known page has an empty heatmap for days on which nobody came: marked, transparent, and no error."""
    site = await store(conn, view(1, clicks=[(BUY, 1, 1)], layout="desktop"))
    quiet = date(2026, 2, 1)

    heatmap = await load_heatmap(conn, site, replace(QUERY, kind=kind, first_day=quiet, last_day=quiet))

    assert (heatmap.is_empty, heatmap.views, heatmap.clicks, heatmap.elements) == (True, 0, 0, [])
    assert heatmap.anchoring.value is None
    assert not pixels_of(draw_heatmap(heatmap)).any()


async def test_a_scroll_map_shows_how_far_views_came(conn):
    """Of five views two reach the end; bands, rows, lines and the fold all say so."""
    depths = [900, 1000, 2000, 4000]
    views = [view(number, depth_px=depth_px) for number, depth_px in enumerate(depths, 1)]
    site = await store(conn, *views, view(5, path="/", layout="desktop"), view(6, depth_px=4000, layout="desktop"))

    heatmap = await load_heatmap(conn, site, replace(QUERY, kind="scroll"))

    assert (heatmap.scroll.n, heatmap.scroll.fold_px) == (5, 900)
    rows = {row.depth_frac: row.reach.count for row in heatmap.scroll.rows}
    assert [rows[at] for at in (0, 0.22, 0.25, 0.5, 0.51, 1)] == [5, 5, 4, 3, 2, 2]
    assert {line.share: line.y_px for line in heatmap.scroll.lines} == {0.25: 4000, 0.5: 2000, 0.75: 1000, 0.9: 900}
    light = pixels_of(draw_heatmap(heatmap))[:, 7, :3].sum(axis=1)
    assert light[100] > light[240] > light[400] > light[700]


def test_reach_counts_views_at_least_so_deep():
    """Every view reached the top; below it, those whose depth is that much or more."""
    depth = build_histogram([20, 500, 1000], [1, 2, 4])

    assert count_reach(depth, np.array([0, 0.02, 0.03, 0.5, 0.501, 1])).tolist() == [7, 7, 6, 6, 4, 4]


async def test_the_legend_is_the_scale_of_the_picture(conn):
    """The colour at the peak, looked up in the legend, is the density of the clicks there."""
    site = await store(conn, view(1, clicks=[(BUY, 128, 128)] * 8, layout="desktop"))

    heatmap = await load_heatmap(conn, site, QUERY)

    assert [stop.at for stop in heatmap.legend.stops] == [0, 0.25, 0.5, 0.75, 1]
    assert [stop.value for stop in heatmap.legend.stops] == pytest.approx(
        [heatmap.legend.top * at**2 for at in (0, 0.25, 0.5, 0.75, 1)]
    )
    # Eight clicks on one spot: 8 / (2π σ²) per px², the only hotspot and so the top.
    assert heatmap.legend.top == pytest.approx(8 / (2 * np.pi * (14**2 - 4)) * 1000, rel=0.01)


async def test_a_backdrop_lies_beneath_the_overlay(conn):
    """With the wireframe asked for, the picture is opaque and of the same size; without, it keeps its alpha."""
    site = await store(conn, view(1, clicks=[(BUY, 1, 1)], layout="desktop"))

    heatmap = await load_heatmap(conn, site, replace(QUERY, backdrop="wireframe"))
    blended, under = pixels_of(draw_heatmap(heatmap)), pixels_of(draw_backdrop(heatmap))

    assert blended.shape == under.shape
    assert (blended[:, :, 3] == 255).all()
    assert (blended[0, 0, :3] < under[0, 0, :3]).all()


async def test_the_numbers_are_json(conn):
    """What is served as heatmap.json is plain JSON without the arrays that the picture is drawn from."""
    site = await store(conn, view(1, clicks=[(BUY, 1, 1)], layout="desktop"))

    answer = msgspec.json.decode(msgspec.json.encode(await load_heatmap(conn, site, QUERY)))

    assert (answer["page"], answer["clicks"], answer["device"]) == ("/shop", 1, "all")
    assert "drawing" not in answer


async def test_an_unknown_page_is_not_found(conn):
    """A page nobody has seen is an error of its own, not an empty picture."""
    site = await store(conn, view(1))

    with pytest.raises(NotFoundError, match="/nowhere"):
        await load_heatmap(conn, site, replace(QUERY, page="/nowhere"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 49},
        {"width": 3841},
        {"scale": 3},
        {"kind": "moves"},
        {"backdrop": "page"},
        {"last_day": date(2020, 1, 1)},
    ],
)
async def test_what_has_no_meaning_is_refused(conn, wrong):
    """Each parameter outside its range is refused with a hint that says what it may be."""
    site = await store(conn, view(1))

    with pytest.raises(InvalidError) as refusal:
        await load_heatmap(conn, site, replace(QUERY, **wrong))

    assert refusal.value.hint


async def test_an_image_too_large_for_memory_is_refused(conn):
    """A very tall page at full size is refused with advice; at quarter scale it is drawn, cut at the limit."""
    endless = [1440, 900, 1440, 9_000_000]
    site = await store(conn, view(1, geometry=endless, clicks=[(GONE, 1, 1)], layout="desktop"))

    with pytest.raises(InvalidError, match="pixels") as refusal:
        await load_heatmap(conn, site, replace(QUERY, scale=1))
    heatmap = await load_heatmap(conn, site, QUERY)

    assert "scale=4" in refusal.value.hint
    assert pixels_of(draw_heatmap(heatmap)).shape[:2] == (15_000, 360)
