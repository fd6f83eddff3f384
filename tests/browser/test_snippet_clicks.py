"""Clicks of a real browser arrive as what they were: this element, this place inside it, this place on the page."""

import pytest
from playwright.async_api import Browser
from snippet_site import SCRIPT, fresh_page, snippet_site

pytestmark = pytest.mark.browser

MOUSE, TOUCH, PEN, KEYBOARD = range(4)
PRESSABLE = 16

PAGE = f"""<html><head>{SCRIPT}<style>
body {{ margin: 0; height: 3000px; position: relative }}
body > * {{ position: absolute }}
</style></head><body>
<button id="buy" style="left:100px;top:200px;width:200px;height:100px;padding:0"><span><b>Buy</b></span></button>
<main style="left:0;top:400px;width:800px;height:600px">
  <p style="margin:0;height:100px">first</p><p style="margin:0;height:100px">second</p>
  <form name="order"><div><div><input name="city" style="display:block;width:200px;height:40px"></div></div>
  <label style="display:block;width:300px;height:30px">Gift <input type="checkbox" name="gift"></label></form>
  <button data-testid="add" style="display:block">a</button><button data-testid="add" style="display:block">b</button>
</main>
<div id="css-1x2y3z" style="left:900px;top:400px;width:100px;height:100px"></div>
<div id="host" style="left:900px;top:600px;width:100px;height:100px"></div>
<script>
host.attachShadow({{mode: 'open'}}).innerHTML = '<i>x</i><button style="width:100px;height:50px;padding:0">in</button>';
</script></body></html>"""


async def test_a_click_is_placed_on_the_element_that_was_pressed(chromium: Browser) -> None:
    """A click on a button's label is a click on the button, at the fraction and the pixel where it happened."""
    async with snippet_site({"/a": PAGE}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        await page.mouse.click(150, 275)
        [click] = await site.wait_for(lambda site: site.clicks())
    assert click["key"] == "#buy"
    assert (click["x"], click["y"]) == (150, 275)
    assert (click["fx"], click["fy"]) == (64, 191)
    assert (click["w"], click["h"]) == (200, 100)
    assert (click["k"], click["n"]) == (MOUSE + PRESSABLE, 1)
    assert click["geometry"] == [1200, 800, 1200, 3000]


async def test_a_click_after_scrolling_keeps_its_place_on_the_page(chromium: Browser) -> None:
    """The position is that of the document, whatever the scroll position."""
    async with snippet_site({"/a": PAGE}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        await page.evaluate("scrollTo(0, 300)")
        await page.mouse.click(10, 250)
        [click] = await site.wait_for(lambda site: site.clicks())
    assert (click["key"], click["x"], click["y"]) == ("main>p[~636]", 10, 550)
    assert (click["fx"], click["fy"]) == (3, 128)


async def test_elements_have_keys_that_a_rebuild_does_not_change(chromium: Browser) -> None:
    """Names and ids that people chose are used, generated ids are not, and repeated test ids are told apart."""
    async with snippet_site({"/a": PAGE}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        await page.click("input[name=city]")
        for button in await page.query_selector_all("[data-testid=add]"):
            await button.click()
        await page.mouse.click(950, 450)
        await page.mouse.click(950, 645)
        await page.mouse.click(950, 645)
        clicks = await site.wait_for(lambda site: len(site.clicks()) == 6 and site.clicks())
    assert [(click["key"], click["n"]) for click in clicks] == [
        ("main>input[city]", 1),
        ("main>button[add]", 1),
        ("main>button[add]:2", 1),
        ("div:3", 1),
        ("#host>button[in]", 1),
        ("#host>button[in]", 2),
    ]


async def test_a_click_on_a_label_counts_once(chromium: Browser) -> None:
    """The second click that the browser sends to the label's control is not the visitor's."""
    async with snippet_site({"/a": PAGE}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        await page.locator("label").click(position={"x": 150, "y": 15})
        await page.click("#buy")
        clicks = await site.wait_for(lambda site: site.clicks())
        assert await page.is_checked("input[name=gift]")
    assert [click["key"] for click in clicks] == ["main>label[Gift]", "#buy"]


async def test_a_keyboard_click_lies_at_the_centre_of_its_element(chromium: Browser) -> None:
    """Enter on a focused button has no position of its own."""
    async with snippet_site({"/a": PAGE}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        await page.focus("#buy")
        await page.keyboard.press("Enter")
        [click] = await site.wait_for(lambda site: site.clicks())
    assert (click["key"], click["k"]) == ("#buy", KEYBOARD + PRESSABLE)
    assert (click["x"], click["y"], click["fx"], click["fy"]) == (200, 250, 128, 128)


async def test_a_tap_is_a_touch(chromium: Browser) -> None:
    """The kind of pointer is recorded, and that the main pointer is coarse."""
    phone = {"viewport": {"width": 390, "height": 700}, "has_touch": True, "is_mobile": True}
    async with snippet_site({"/a": PAGE}) as site, fresh_page(chromium, **phone) as page:
        await page.goto(f"{site.url}/a")
        await page.tap("#buy")
        [click] = await site.wait_for(lambda site: site.clicks())
        [view] = site.views().values()
    assert (click["key"], click["k"], view["w"]["c"]) == ("#buy", TOUCH + PRESSABLE, 1)


async def test_clicks_made_by_scripts_are_not_recorded(chromium: Browser) -> None:
    """Only a trusted click is a visitor's."""
    async with snippet_site({"/a": PAGE}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        await page.evaluate("document.getElementById('buy').click()")
        await page.mouse.click(10, 450)
        clicks = await site.wait_for(lambda site: site.clicks())
    assert [click["key"] for click in clicks] == ["main>p[~552]"]


async def test_the_last_click_before_leaving_arrives(chromium: Browser) -> None:
    """A click on a link that leaves the page is sent as the page goes."""
    pages = {"/a": f'<body>{SCRIPT}<a id="next" href="/b">next</a></body>', "/b": "<body>b</body>"}
    async with snippet_site(pages) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        await page.wait_for_function("typeof jalki === 'function'")
        await page.click("#next")
        [click] = await site.wait_for(lambda site: site.clicks())
        await page.wait_for_url("**/b")
    assert (click["key"], click["n"]) == ("#next", 1)


async def test_a_long_list_and_a_deep_tree_cost_a_bounded_walk(chromium: Browser) -> None:
    """Beyond 200 that look the same elements share a key; a deep element has one key whatever was clicked before."""
    items = "".join(f'<li class="i{number}">item</li>' for number in range(1, 301))
    deep = '<div style="padding:1px 0">' * 90 + '<b class="deep">deep</b>' + "</div>" * 90
    pages = dict.fromkeys(("/a", "/b"), f"<body>{SCRIPT}{deep}<ol>{items}</ol>")
    async with snippet_site(pages) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        for target in (".deep", ".i199", ".i201", ".i300"):
            await page.click(target)
        await page.goto(f"{site.url}/b")
        await page.click("body > div > div", position={"x": 1, "y": 1})
        await page.click(".deep")
        clicks = await site.wait_for(lambda site: len(site.clicks()) == 6 and site.clicks())
    first, *listed, _, second = (click["key"] for click in clicks)
    assert [key.split(">")[-1] for key in listed] == ["li[~431]:199", "li[~431]:201", "li[~431]:201"]
    assert first == second
    assert ">" not in first
