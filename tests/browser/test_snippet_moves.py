"""Places of the pointer: one in each tenth of a second, on the element beneath, and the last of them where it rests."""

from itertools import accumulate, pairwise

import pytest
from playwright.async_api import Browser
from snippet_site import SCRIPT, SnippetSite, fresh_page, snippet_site

pytestmark = pytest.mark.browser

PLACE_MS = 100
ROUNDING_MS = 1
PAGE = f"""<html><head>{SCRIPT}
<style>body {{ margin: 0; height: 4000px }} body > * {{ position: absolute }}</style></head>
<body><p id="first" style="left:0;top:0;width:1000px;height:500px;margin:0"></p>
<p id="last" style="left:0;top:500px;width:1000px;height:200px;margin:0"></p>
<div id="host" style="left:0;top:1000px;width:100px;height:100px"></div>
<script>
host.attachShadow({{mode: 'open'}}).innerHTML = '<button style="width:100px;height:50px;padding:0">in</button>';
</script></body></html>"""


async def test_places_come_ten_a_second_and_end_where_the_pointer_rests(chromium: Browser) -> None:
    """Whoever leaves at once has the last place, too."""
    async with snippet_site({"/a": PAGE, "/b": "b"}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        await page.wait_for_function("window.jalki?.v")
        for step in range(150):
            await page.mouse.move(100 + step, 100)
            await page.wait_for_timeout(10)
        await page.mouse.move(500, 600)
        await page.goto(f"{site.url}/b")
        await site.wait_for(lambda site: any(move["key"] == "#last" for move in site.rows("m")))
    moves = site.rows("m")
    times = _times(site)
    assert all(after - before >= PLACE_MS - ROUNDING_MS for before, after in pairwise(times))
    assert 10 <= len(moves) <= times[-1] / PLACE_MS + 2
    last = moves[-1]
    assert (last["key"], last["fx"], last["fy"]) == ("#last", 128, 128)


async def test_a_place_is_that_of_the_page_though_it_was_scrolled_since(chromium: Browser) -> None:
    """Places are read up to a second later; by then something else lies beneath the pointer."""
    async with snippet_site({"/a": PAGE, "/b": "b"}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        await page.wait_for_function("window.jalki?.v")
        await page.mouse.move(250, 600)
        await page.evaluate("scrollTo(0, 300)")
        await page.goto(f"{site.url}/b")
        [move] = await site.wait_for(lambda site: site.rows("m"))
    assert (move["key"], move["x"], move["y"], move["fx"], move["fy"]) == ("#last", 250, 600, 64, 128)


async def test_a_place_is_on_the_element_inside_a_shadow(chromium: Browser) -> None:
    """Outside of it a browser names its host only."""
    async with snippet_site({"/a": PAGE, "/b": "b"}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        await page.wait_for_function("window.jalki?.v")
        await page.evaluate("scrollTo(0, 800)")
        await page.mouse.move(50, 225)
        await page.goto(f"{site.url}/b")
        [move] = await site.wait_for(lambda site: site.rows("m"))
    assert (move["key"], move["fx"], move["fy"]) == ("#host>button[in]", 128, 128)


def _times(site: SnippetSite) -> list[int]:
    """Return when each place began, ms since the view did; within a batch they come as steps."""
    return [at_ms for batch in site.batches if "m" in batch for at_ms in accumulate(batch["m"]["t"])]
