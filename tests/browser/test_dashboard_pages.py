"""The dashboard in a real Chromium: pages open clean, keys work, and what is live turns by itself."""

import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from dashboard_house import HOSTILE, House, make_view, running_house
from playwright.async_api import Browser, Locator, Page, expect

from collector.importer import import_recording
from collector.sites import Site

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1440, "height": 900}
VIEWER = "**/heatmap/viewer?**"


@pytest_asyncio.fixture
async def house(pool) -> AsyncIterator[House]:
    """The service with a client that is not signed in."""
    async with running_house(pool) as running:
        yield running


@asynccontextmanager
async def opened(chromium: Browser, house: House, **options: object) -> AsyncIterator[tuple[Page, list[str]]]:
    """Yield a page that is signed in through a link, and the complaints of its console."""
    context = await chromium.new_context(**({"viewport": DESKTOP} | options))
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(await house.sign_in_url())
    await expect(page).to_have_url(house.url + "/")
    try:
        yield page, complaints
    finally:
        await context.close()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("colours", ["light", "dark"])
async def test_every_page_opens_clean(chromium: Browser, house: House, viewport: dict, colours: str) -> None:
    """No console error, no sideways scrolling, no script of a visitor's, whatever a visitor sent."""
    site = await house.add_site(f"Shop {HOSTILE}")
    empty = await house.add_site("Empty")
    await house.send_view(site, label=HOSTILE)
    base, bare = f"/sites/{site.site_id}", f"/sites/{empty.site_id}"
    paths = [
        *("/", "/sites/new", base, f"{base}/heatmap", f"{base}/heatmap?kind=scroll&page=/product/teapot"),
        *(f"{base}/engagement", f"{base}/install", bare, f"{bare}/heatmap", f"{bare}/engagement", f"{bare}/install"),
    ]
    async with opened(chromium, house, viewport=viewport, color_scheme=colours) as (page, complaints):
        for path in paths:
            answer = await page.goto(house.url + path)  # modules have run and pictures have come by its load event
            assert answer is not None
            assert answer.status == 200, path
            width = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert width <= 0, f"{path} is {width} px too wide"
            assert await page.title() != "ran"
        assert complaints == []


async def test_the_install_page_turns_green_by_itself(chromium: Browser, house: House) -> None:
    """Nothing has to be pressed: the first stored event shows."""
    site = await house.add_site()
    async with opened(chromium, house) as (page, _):
        await page.goto(f"{house.url}/sites/{site.site_id}/install")
        await expect(page.get_by_text("Waiting for the first event")).to_be_visible()
        await house.send_view(site)
        await expect(page.get_by_text("Receiving events")).to_be_visible()
        await page.get_by_role("link", name="See the figures").click()
        await expect(page.get_by_role("heading", name="Savi & Lehti")).to_be_visible()


async def test_new_clicks_appear_in_the_open_viewer(chromium: Browser, house: House) -> None:
    """Figures, list and picture follow what is stored, without a reload, and an opened row stays open."""
    site = await house.add_site()
    await house.send_view(site)
    async with opened(chromium, house) as (page, complaints):
        await page.goto(f"{house.url}/sites/{site.site_id}/heatmap")
        figures = page.locator("[data-part=figures]")
        await expect(figures).to_contain_text("2 clicks in 1 view")
        await page.get_by_role("button", name="Buy").click()
        overlay = page.locator("[data-layer=overlay]")
        before = await overlay.get_attribute("src")
        await house.send_view(site)
        await expect(figures).to_contain_text("4 clicks in 2 views")
        await expect(overlay).not_to_have_attribute("src", before or "")
        await expect(page.get_by_text("2 of n 2 views").locator("visible=true")).to_have_count(1)
        assert complaints == []


async def test_list_and_map_point_at_each_other(chromium: Browser, house: House) -> None:
    """A row under the pointer outlines its element; the element under the pointer marks its row."""
    site = await house.add_site()
    await house.send_view(site)
    async with opened(chromium, house) as (page, _):
        await page.goto(f"{house.url}/sites/{site.site_id}/heatmap", wait_until="networkidle")
        row = page.locator("tr.element", has_text="Buy")
        outline = page.locator(f'[data-outline="{await row.get_attribute("data-element")}"]')
        await row.hover()
        await expect(outline).to_have_class("outline is-current")
        await page.mouse.move(0, 0)
        await expect(outline).to_have_class("outline")
        box = await outline.bounding_box()
        assert box is not None
        await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        await expect(row).to_have_class("element is-current")


async def test_the_overlay_begins_lighter_and_its_strength_is_remembered(chromium: Browser, house: House) -> None:
    """The page shows through at first; the legend fades with the map; a reload keeps what was chosen."""
    site = await house.add_site()
    await house.send_view(site)
    async with opened(chromium, house) as (page, _):
        await page.goto(f"{house.url}/sites/{site.site_id}/heatmap", wait_until="networkidle")
        await expect(page.locator("[data-layer=overlay]")).to_have_css("opacity", "0.8")
        await page.locator("[data-opacity]").fill("35")
        await expect(page.locator("[data-layer=overlay]")).to_have_css("opacity", "0.35")
        await page.reload(wait_until="networkidle")
        for place in ("[data-layer=overlay]", ".legend-ramp"):
            await expect(page.locator(place)).to_have_css("opacity", "0.35")


async def test_a_service_that_does_not_answer_is_said_and_forgiven(chromium: Browser, house: House) -> None:
    """The viewer keeps what it shows, says that it is stale, and goes on when the service is back."""
    site = await house.add_site()
    await house.send_view(site)
    async with opened(chromium, house) as (page, _):
        await page.goto(f"{house.url}/sites/{site.site_id}/heatmap")
        await page.route(VIEWER, lambda route: route.abort())
        notice = page.get_by_role("alert")
        await expect(notice).to_contain_text("jalki does not answer")
        await expect(page.locator("[data-part=figures]")).to_contain_text("2 clicks in 1 view")
        await page.unroute(VIEWER)
        await page.get_by_role("button", name="Try again").click()
        await expect(notice).to_be_hidden()


async def test_a_picture_that_does_not_come_can_be_asked_for_again(chromium: Browser, house: House) -> None:
    """Instead of a broken image there is a sentence and a button."""
    site = await house.add_site()
    await house.send_view(site)
    async with opened(chromium, house) as (page, _):
        await page.route("**/heatmap.png?**", lambda route: route.abort())
        await page.goto(f"{house.url}/sites/{site.site_id}/heatmap")
        await expect(page.get_by_text("The picture could not be loaded.")).to_be_visible()
        await page.unroute("**/heatmap.png?**")
        await page.locator("[data-stage-retry]").click()
        await expect(page.get_by_text("The picture could not be loaded.")).to_be_hidden()


async def test_the_keyboard_reaches_and_moves_everything(chromium: Browser, house: House) -> None:
    """Skip link, arrow keys in rows of choices and charts, the page picker, Esc."""
    site = await house.add_site()
    for path in ("/product/teapot", "/article/firing"):
        await house.send_view(site, path=path)
    async with opened(chromium, house) as (page, _):
        await page.goto(f"{house.url}/sites/{site.site_id}")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        await page.get_by_role("navigation", name="Device").get_by_role("link", name="All").focus()
        await page.keyboard.press("ArrowRight")
        await expect(page.get_by_role("link", name="Desktop").first).to_be_focused()
        await page.locator("[data-chart]").focus()
        await page.keyboard.press("ArrowLeft")
        await expect(page.locator(".tip")).to_contain_text("Views: 2")
        await page.goto(f"{house.url}/sites/{site.site_id}/heatmap?page=/product/teapot")
        search = page.get_by_role("searchbox", name="Search pages")
        await page.locator("[data-picker] summary").focus()
        await page.keyboard.press("Enter")
        await expect(search).to_be_focused()
        await page.keyboard.type("firing")
        await expect(page.locator(".picker-list a:visible")).to_have_count(1)
        await page.keyboard.press("Escape")
        await expect(page.locator("[data-picker] summary")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(search).to_be_focused()
        await search.fill("firing")
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(f"{house.url}/sites/{site.site_id}/heatmap?page=%2Farticle%2Ffiring")


async def test_the_chosen_colours_are_remembered(chromium: Browser, house: House) -> None:
    """The button goes from the system's colours to light and dark, and a reload keeps the choice."""
    async with opened(chromium, house, color_scheme="light") as (page, _):
        button = page.locator("[data-theme-toggle]")
        await button.click()
        await button.click()
        await page.reload()
        await expect(button).to_have_text("Dark colours")
        assert await page.evaluate("document.documentElement.dataset.theme") == "dark"


async def test_a_head_sorts_its_table(chromium: Browser, house: House) -> None:
    """Pressing a head turns the order and says so to a screen reader."""
    site = await house.add_site()
    for path in ("/b", "/a", "/b"):
        await house.send_view(site, path=path)
    async with opened(chromium, house) as (page, _):
        await page.goto(f"{house.url}/sites/{site.site_id}")
        rows = page.locator("[data-sortable] tbody th a.path")
        await expect(rows).to_have_text(["/b", "/a"])
        await page.get_by_role("button", name="Page", exact=True).click()
        await expect(rows).to_have_text(["/a", "/b"])
        await expect(page.locator("[data-sortable] th").first).to_have_attribute("aria-sort", "ascending")


async def test_the_report_tells_views_that_fit_the_screen_apart(chromium: Browser, house: House) -> None:
    """A page without anything to scroll is reached to its end by opening it; a second curve leaves such views out."""
    site = await house.add_site()
    await house.send_view(site)
    async with opened(chromium, house) as (page, _):
        await page.goto(f"{house.url}/sites/{site.site_id}/engagement")
        await expect(page.locator(".curve-line")).to_have_count(1)
        await expect(page.locator(".curve-thin")).to_have_count(0)
        await _send_fitting_view(house, site)
        await page.reload()
        await expect(page.locator(".curve-thin")).to_have_count(1)
        await expect(page.get_by_text("1 of 2 views fit the screen")).to_be_visible()
        await expect(page.locator(".totals dt")).to_have_text(
            ["Views", "Visitors", "Sessions", "Engaged, median", "Engaged, p75", "Scroll depth, median"]
        )


async def test_visitors_say_that_each_day_counts_anew(chromium: Browser, house: House) -> None:
    """The note stands on the page beside every sum over days, and not beside a single day."""
    site = await house.add_site()
    await house.send_view(site)
    today = f"from={datetime.now(UTC).date()}"
    async with opened(chromium, house) as (page, _):
        for path in (f"/sites/{site.site_id}", f"/sites/{site.site_id}/engagement"):
            await page.goto(house.url + path)
            await expect(page.locator(".totals").get_by_text("each day counted anew")).to_be_visible()
            await page.goto(f"{house.url}{path}?{today}")
            await expect(page.get_by_text("each day counted anew")).to_have_count(0)
        await page.goto(house.url)
        await expect(page.get_by_text("each day counted anew")).to_be_visible()


@pytest.mark.parametrize("screen", ["heatmap", "engagement"])
async def test_a_page_that_was_never_viewed_leads_to_those_that_were(
    chromium: Browser, house: House, screen: str
) -> None:
    """The refusal stands inside the site: its navigation, its pages, and what was asked for as text."""
    site = await house.add_site()
    await house.send_view(site)
    async with opened(chromium, house) as (page, _):
        answer = await page.goto(f"{house.url}/sites/{site.site_id}/{screen}?page=/{HOSTILE}")
        assert answer is not None
        assert answer.status == 404
        await expect(page.get_by_role("heading", name=f"/{HOSTILE}")).to_be_visible()
        await expect(page.get_by_role("navigation", name=site.name).get_by_role("link")).to_have_count(4)
        await page.get_by_role("link", name="/product/teapot").click()
        await expect(page).to_have_url(f"{house.url}/sites/{site.site_id}/{screen}?page=%2Fproduct%2Fteapot")


@pytest.mark.parametrize("width", [360, 390])
async def test_a_phone_has_room_for_the_map_and_every_figure(chromium: Browser, house: House, width: int) -> None:
    """The controls above the map are low, the axis is legible, and no figure of a section is out of sight."""
    site = await house.add_site()
    await house.send_view(site)
    async with opened(chromium, house, viewport={"width": width, "height": 780}) as (page, _):
        await page.goto(f"{house.url}/sites/{site.site_id}/heatmap")
        assert await _top(page, ".map-scroll") - await _top(page, ".toolbar") <= 300
        await page.goto(f"{house.url}/sites/{site.site_id}/engagement")
        axis = [await text.bounding_box() for text in await page.locator(".curve text.axis[y='220']:visible").all()]
        places = [(box["x"], box["x"] + box["width"]) for box in axis if box]
        assert all(end < begin for (_, end), (begin, _) in itertools.pairwise(places)), places
        number, title = page.locator(".sections .chip"), page.locator(".sections tbody th .path")
        assert await _right(number) < await _left(title)
        figures = page.locator(".sections tbody td[data-label]")
        await expect(figures).to_have_count(6)
        for figure in await figures.all():
            box = await figure.bounding_box()
            assert box is not None
            assert 0 <= box["x"] < box["x"] + box["width"] <= width


async def test_empty_ranges_are_named_for_what_they_are(chromium: Browser, house: House) -> None:
    """One day is one day, the past is not yet to come, and nothing is not few; a new site is told what to do."""
    site, bare = await house.add_site(), await house.add_site("Bare")
    await house.send_view(site)
    past = f"{house.url}/sites/{site.site_id}/heatmap?page=/product/teapot&from=2026-10-05&to=2026-10-05"
    async with opened(chromium, house) as (page, _):
        await page.goto(past)
        empty = page.locator(".stage-empty")
        await expect(empty).to_contain_text("No clicks in this range")
        await expect(empty).to_contain_text("Nobody opened this page on Mon 5 Oct 2026.")
        await expect(page.locator(".map-figures .few-note")).to_have_count(0)
        await page.goto(past.replace("heatmap", "engagement"))
        await expect(page.locator(".empty")).to_contain_text("Nobody opened /product/teapot on Mon 5 Oct 2026.")
        for screen in ("heatmap", "engagement"):
            await page.goto(f"{house.url}/sites/{bare.site_id}/{screen}")
            await expect(page.get_by_role("heading", name="Waiting for the first visit")).to_be_visible()
            await expect(page.get_by_role("link", name="Install the snippet")).to_be_visible()


async def _top(page: Page, selector: str) -> float:
    box = await page.locator(selector).bounding_box()
    assert box is not None
    return box["y"]


async def _left(item: Locator) -> float:
    box = await item.bounding_box()
    assert box is not None
    return box["x"]


async def _right(item: Locator) -> float:
    box = await item.bounding_box()
    assert box is not None
    return box["x"] + box["width"]


async def test_an_unknown_site_is_named_as_it_was_asked_for(chromium: Browser, house: House) -> None:
    """No number that nobody wrote, no command for a shell, and a way on."""
    async with opened(chromium, house) as (page, _):
        for asked in ("abc", "99"):
            await page.goto(f"{house.url}/sites/{asked}/heatmap")
            await expect(page.get_by_role("heading")).to_have_text(f"There is no site {asked}")
            await expect(page.locator("code")).to_have_count(0)
            await page.get_by_role("link", name="All sites").click()
            await expect(page).to_have_url(house.url + "/")


async def _send_fitting_view(house: House, site: Site) -> None:
    batch = make_view(site, with_layout=False)
    batch["w"]["h"], batch["g"] = [800, 800], [[1440, 900, 1440, 800]]
    line = json.dumps({"at": batch["t"], "ip": "192.0.2.8", "ua": "Mozilla/5.0", "body": batch})
    result = await import_recording(house.pool, site, [line.encode()])
    assert result.stored == 1, result
    await house.settle()
