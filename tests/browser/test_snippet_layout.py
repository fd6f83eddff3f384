"""The layout that a browser reports on request: true boxes, useful labels, nobody's input, and small enough."""

import json

import pytest
from playwright.async_api import Browser
from snippet_site import SCRIPT, Batch, SnippetSite, fresh_page, key_of, snippet_site

pytestmark = pytest.mark.browser

WANT = {"X-Jalki-Want": "layout"}
LINK, BUTTON, FIELD, IMAGE, HEADING, LANDMARK, MEDIA = range(1, 8)
FIXED = 16
PAGE = f"""<html><head><title>Shop</title>{SCRIPT}</head><body style="margin:0;height:3000px">
<header style="position:fixed;top:0;left:0;width:100%;height:60px">
<a href="/" style="display:block;height:20px">Home</a></header>
<main style="margin-top:100px"><h1>Write to anna@example.org or 040 123 4567</h1>
<p>Some words here</p><button id="buy">Buy now</button><img alt="" width="50" height="40">
<form><input name="city" value="Secretville"><textarea>Secret text</textarea>
<select><option>Secret option</option></select>
<input type="submit" value="Secret button"></form>
<h2 style="margin-top:900px">More</h2><p>one two three</p></main></body></html>"""


async def _layout(site: SnippetSite) -> Batch:
    return await site.wait_for(lambda site: next((batch for batch in site.batches if "l" in batch), None))


def _boxes(batch: Batch) -> dict[str, tuple[int, int, int, int, int, str]]:
    layout = batch["l"]
    keys = [key_of(batch, index) for index in layout["i"]]
    return dict(zip(keys, zip(*(layout[name] for name in "xywhrt"), strict=True), strict=True))


async def test_a_layout_is_sent_only_when_the_collector_wants_one(chromium: Browser) -> None:
    """It goes once, in a batch of its own, with the page's title."""
    async with snippet_site({"/a": PAGE, "/b": PAGE}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/b")
        await page.click("#buy")
        await site.wait_for(lambda site: site.clicks())
        site.answers += [(204, WANT), (204, WANT), (204, WANT), (204, WANT)]
        await page.goto(f"{site.url}/a")
        batch = await _layout(site)
        await page.click("#buy")
        await site.wait_for(lambda site: len(site.clicks()) == 2)
    assert [batch["w"]["p"] for batch in site.batches if "l" in batch] == ["/a"]
    assert batch["l"]["u"] == "Shop"
    assert "c" not in batch


async def test_the_boxes_are_where_the_browser_put_the_elements(chromium: Browser) -> None:
    """Document px for what scrolls, viewport px for what is fixed, wherever the page was scrolled to."""
    async with snippet_site({"/a": PAGE}) as site, fresh_page(chromium) as page:
        site.answers.append((204, WANT))
        await page.goto(f"{site.url}/a")
        await page.evaluate("scrollTo(0, 400)")
        boxes = _boxes(await _layout(site))
        rect = await page.evaluate(
            "() => { const r = buy.getBoundingClientRect(); return [r.x + scrollX, r.y + scrollY, r.width, r.height] }"
        )
    assert boxes["#buy"] == (*map(round, rect), BUTTON, "Buy now")
    assert boxes["body>header"] == (0, 0, 1200, 60, LANDMARK + FIXED, "")
    assert boxes["body>header>a:1"] == (0, 0, 1200, 20, LINK + FIXED, "Home")
    assert boxes["body>main>img:1"][2:5] == (50, 40, IMAGE)
    assert boxes["body>main>p:2"][1] > 900


async def test_a_layout_holds_nothing_that_was_typed_and_no_addresses(chromium: Browser) -> None:
    """Fields have boxes without text; mail addresses and long numbers in labels are masked."""
    async with snippet_site({"/a": PAGE}) as site, fresh_page(chromium) as page:
        site.answers.append((204, WANT))
        await page.goto(f"{site.url}/a")
        await page.fill("input[name=city]", "Typed")
        batch = await _layout(site)
    text = json.dumps(batch)
    boxes = _boxes(batch)
    assert "Secret" not in text
    assert "Typed" not in text
    assert boxes["body>main>h1:1"][5] == "Write to …@… or …"
    assert boxes["body>main>form>input[name=city]"][4:] == (FIELD, "")


async def test_pictures_are_called_what_the_page_says_instead_of_them(chromium: Browser) -> None:
    """aria-label, alt, an svg's title or a title attribute; an icon lends its name to its link; text stays at home."""
    html = f"""<html><head>{SCRIPT}</head><body><main><img id="a" alt="A teapot of 0401234567" width="9" height="9">
<svg id="b" width="9" height="9"><title>A cup</title></svg><svg id="c" aria-label="Kiln" width="9" height="9"></svg>
<video id="d" title="Throwing a bowl"></video><a id="e" href="/"><img alt="Home" width="9" height="9"></a>
<p id="f">Private words</p></main>"""
    async with snippet_site({"/a": html}) as site, fresh_page(chromium) as page:
        site.answers.append((204, WANT))
        await page.goto(f"{site.url}/a")
        boxes = _boxes(await _layout(site))
    labels = {key: boxes[f"#{key}"][5] for key in "abcdef"}
    said = ("A teapot of …", "A cup", "Kiln", "Throwing a bowl", "Home", "")
    assert labels == dict(zip("abcdef", said, strict=True))


async def test_the_sections_come_with_their_words_and_images(chromium: Browser) -> None:
    """Expected reading time needs both."""
    async with snippet_site({"/a": PAGE}) as site, fresh_page(chromium) as page:
        site.answers.append((204, WANT))
        await page.goto(f"{site.url}/a")
        batch = await _layout(site)
    sections = {key_of(batch, section[0]): section[1:] for section in batch["l"]["s"]}
    more = sections["h2[more]"]
    assert more[4:] == [4, 0, "More"]
    assert more[1] > 900
    assert sections["h1"][5] == 1


async def test_words_of_a_heading_are_parted_where_lines_are(chromium: Browser) -> None:
    """A line break and a block's border are spaces; a border within a line is none; an h1 gives no words to a key."""
    html = f"""<html><head>{SCRIPT}</head><body><main><h1>Hello Anna Virtanen</h1>
<h2>Tea for the dark,<br>cl<b>ay</b> and</h2><p>x</p>
<button id="buy"><div>Buy</div><div>now</div></button></main>"""
    async with snippet_site({"/a": html}) as site, fresh_page(chromium) as page:
        site.answers.append((204, WANT))
        await page.goto(f"{site.url}/a")
        batch = await _layout(site)
    sections = {key_of(batch, section[0]): section[7] for section in batch["l"]["s"]}
    assert sections == {"h1": "Hello Anna Virtanen", "h2[tea-for-the-dark-clay-and]": "Tea for the dark, clay and"}
    assert _boxes(batch)["#buy"][5] == "Buy now"


async def test_a_huge_page_gives_a_bounded_sample_that_keeps_what_matters(chromium: Browser) -> None:
    """With 20,000 blocks the body stays below the collector's limit; what was clicked or can be pressed is in it."""
    blocks = "".join(f"<p>block number {number} with some text in it</p>" for number in range(20_000))
    html = f'<html><head>{SCRIPT}</head><body><main>{blocks}<p id="last">last</p><button id="buy">Buy</button></main>'
    async with snippet_site({"/a": html}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        await page.click("#last")
        await site.wait_for(lambda site: site.clicks())
        site.answers.append((204, WANT))
        await page.click("#last")  # a report that the collector answers
        batch = await _layout(site)
    keys = [key_of(batch, index) for index in batch["l"]["i"]]
    assert keys[:2] == ["#last", "#buy"]
    assert 500 <= len(keys) <= 1200
