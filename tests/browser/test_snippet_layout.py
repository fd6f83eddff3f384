"""The layout that a browser reports on request: true boxes, useful labels, nobody's input, and small enough."""

import asyncio
import json

import pytest
from playwright.async_api import Browser
from snippet_site import SCRIPT, Batch, SnippetSite, fresh_page, key_of, snippet_site

pytestmark = pytest.mark.browser

WANT = {"X-Jalki-Want": "layout"}
LINK, BUTTON, FIELD, IMAGE, HEADING, LANDMARK, MEDIA = range(1, 8)
FIXED = 16
PAGE = f"""<html><head><title>Shop</title>{SCRIPT}</head><body style="margin:0;height:3000px">
<header id="top" style="position:fixed;top:0;left:0;width:100%;height:60px">
<a id="home" href="/" style="display:block;height:20px">Home</a></header>
<main style="margin-top:100px"><h1 id="mail">Write to anna@example.org or 040 123 4567</h1>
<p>Some words here</p><button id="buy">Buy now</button><img id="pixel" alt="" width="50" height="40">
<form><input id="city" name="city" value="Secretville"><textarea>Secret text</textarea>
<select><option>Secret option</option></select>
<input type="submit" value="Secret button"></form>
<h2 id="more" style="margin-top:900px">More</h2><p id="low">one two three</p></main></body></html>"""

Box = tuple[int, int, int, int, int, str]


async def _layout(site: SnippetSite) -> Batch:
    return await site.wait_for(lambda site: next((batch for batch in site.batches if "l" in batch), None))


def _boxes(batch: Batch) -> dict[str, Box]:
    """Return the boxes by the last step of their keys."""
    layout = batch["l"]
    steps = [key_of(batch, index).rpartition(">")[2] for index in layout["i"]]
    return dict(zip(steps, zip(*(layout[name] for name in "xywhrt"), strict=True), strict=True))


async def test_a_layout_is_sent_only_when_the_collector_wants_one(chromium: Browser) -> None:
    """It goes once a view, in a batch of its own, with the page's title; the next view is asked anew."""
    async with snippet_site({"/a": PAGE, "/b": PAGE}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/b")
        await page.click("#buy")
        await site.wait_for(lambda site: site.clicks())
        site.answers += [(204, WANT)] * 9
        await page.goto(f"{site.url}/a")
        batch = await _layout(site)
        await page.click("#buy")
        await site.wait_for(lambda site: len(site.clicks()) == 2)
        await page.evaluate("history.pushState(null, '', '/c')")
        await site.wait_for(lambda site: sum("l" in batch for batch in site.batches) > 1)
    assert [batch["w"]["p"] for batch in site.batches if "l" in batch] == ["/a", "/c"]
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
    assert boxes["#top"] == (0, 0, 1200, 60, LANDMARK + FIXED, "")
    assert boxes["#home"] == (0, 0, 1200, 20, LINK + FIXED, "Home")
    assert boxes["#pixel"][2:5] == (50, 40, IMAGE)
    assert boxes["#low"][1] > 900


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
    assert "example.org" not in text
    assert "4567" not in text
    assert boxes["#mail"][5].startswith("Write to ")
    assert boxes["#city"][4:] == (FIELD, "")


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
    sections = {section[7]: section[1:] for section in batch["l"]["s"]}
    more = sections["More"]
    assert more[4:6] == [4, 0]
    assert more[1] > 900
    assert next(section for title, section in sections.items() if title.startswith("Write"))[5] == 1


async def test_words_of_a_heading_are_parted_where_lines_are(chromium: Browser) -> None:
    """A line break and a block's border are spaces; a border within a line is none."""
    html = f"""<html><head>{SCRIPT}</head><body><main><h1>Hello Anna Virtanen</h1>
<h2>Tea for the dark,<br>cl<b>ay</b> and</h2><p>x</p>
<button id="buy"><div>Buy</div><div>now</div></button></main>"""
    async with snippet_site({"/a": html}) as site, fresh_page(chromium) as page:
        site.answers.append((204, WANT))
        await page.goto(f"{site.url}/a")
        batch = await _layout(site)
    assert [section[7] for section in batch["l"]["s"]] == ["Hello Anna Virtanen", "Tea for the dark, clay and"]
    assert _boxes(batch)["#buy"][5] == "Buy now"


async def test_a_huge_page_gives_a_bounded_sample_that_keeps_what_matters(chromium: Browser) -> None:
    """With 20,000 blocks the body stays below the collector's limit; what was clicked or can be pressed is in it."""
    blocks = "".join(f"<p>block number {number} with some text in it</p>" for number in range(20_000))
    html = f'<html><head>{SCRIPT}</head><body><main>{blocks}<p id="last">last</p><button id="buy">Buy</button></main>'
    async with snippet_site({"/a": html}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        await site.wait_for(lambda site: site.batches)
        site.answers.append((204, WANT))
        await page.click("#last")  # a report that the collector answers
        batch = await _layout(site)
    keys = [key_of(batch, index) for index in batch["l"]["i"]]
    assert keys[:2] == ["#last", "#buy"]
    assert 500 <= len(keys) <= 1200


async def test_what_stands_in_frames_and_shadow_roots_is_part_of_the_page(chromium: Browser) -> None:
    """Boxes of a same-origin frame are moved by the frame's; a frame of another origin is a box and no more."""
    inner = '<body style="margin:0"><button id="in" style="margin:30px;width:90px;height:20px">In</button>'
    html = f"""<html><head>{SCRIPT}</head><body style="margin:0;height:2000px"><main>
<iframe src="/inner" style="position:absolute;left:200px;top:500px;border:5px solid;width:300px;height:200px"></iframe>
<iframe id="other" src="OTHER/inner" width="300" height="100"></iframe><shadow-box></shadow-box></main><script>
document.querySelector('shadow-box').attachShadow({{mode: 'open'}}).innerHTML = '<button id="shade">Shade</button>';
</script>"""
    async with (
        snippet_site({"/inner": inner}) as other,
        snippet_site({"/a": html.replace("OTHER", other.url), "/inner": inner}) as site,
        fresh_page(chromium) as page,
    ):
        site.answers.append((204, WANT))
        await page.goto(f"{site.url}/a")
        await page.evaluate("scrollTo(0, 100)")
        boxes = _boxes(await _layout(site))
    assert boxes["#in"] == (235, 535, 90, 20, BUTTON, "In")
    assert boxes["#shade"][4:] == (BUTTON, "Shade")
    assert boxes["#other"][4] == MEDIA


async def test_ignored_parts_are_left_out_and_masked_ones_have_no_words(chromium: Browser) -> None:
    """Of what is masked the boxes are there, without label and title; of what is ignored there is nothing."""
    html = f"""<html><head>{SCRIPT}</head><body><main><h2>Open</h2><p>x</p>
<section data-jalki-ignore><h2 id="gone">Ignored</h2><a id="away" href="/">Ignored link</a></section>
<section data-jalki-mask><h2 id="still">Masked heading</h2><a id="there" href="/">Masked link</a>
<img id="face" alt="Masked face" width="9" height="9"></section></main>"""
    async with snippet_site({"/a": html}) as site, fresh_page(chromium) as page:
        site.answers.append((204, WANT))
        await page.goto(f"{site.url}/a")
        batch = await _layout(site)
    boxes = _boxes(batch)
    assert {"#gone", "#away"}.isdisjoint(boxes)
    assert [boxes[key][5] for key in ("#still", "#there", "#face")] == ["", "", ""]
    assert "Masked" not in json.dumps(batch["l"])
    assert "Ignored" not in json.dumps(batch)


_CARD = "<article><h3>Teapot</h3><p>42 €</p><button>Buy</button></article>"
_SHOP = """<header><nav aria-label="Main"><a href="/">Home</a></nav></header>
<main><h1>Teapots</h1><section id="list">CARDS</section><section id="advice"><h2>Advice</h2></section></main>"""
_SAME_STRUCTURE = {
    "more-items": _SHOP.replace("CARDS", _CARD * 9),
    "another-price-and-words": _SHOP.replace("CARDS", _CARD.replace("42 €", "39 €").replace("Teapot", "Kettle")),
    "a-visitor": _SHOP.replace("CARDS", _CARD).replace("Teapots", "Hello Anna").replace("Main", "Anna's pages"),
    "a-dialog": _SHOP.replace("CARDS", _CARD) + "<dialog open><h2>Welcome</h2></dialog>",
    "a-notice": _SHOP.replace("CARDS", _CARD) + '<div style="position:fixed"><h2>Cookies</h2></div>',
    "an-item-with-an-id": _SHOP.replace("CARDS", _CARD + _CARD.replace("<article", '<article id="kettle"')),
}
_OTHER_STRUCTURE = {
    "a-new-section": _SHOP.replace("CARDS", _CARD).replace(
        "</main>", '<section id="faq"><h2>Why</h2></section></main>'
    ),
    "another-level": _SHOP.replace("CARDS", _CARD).replace("h2>", "h3>"),
    "another-order": '<main><section id="advice"><h2>Advice</h2></section></main>' + _SHOP.replace("CARDS", _CARD),
    "no-navigation": _SHOP.replace("CARDS", _CARD).replace("nav", "div"),
}


async def test_the_hash_of_the_structure_tells_a_redesign_from_another_day(chromium: Browser) -> None:
    """Another item, price, visitor, dialog or notice leaves it; another section, level, order or landmark does not."""
    bodies = {"first": _SHOP.replace("CARDS", _CARD), **_SAME_STRUCTURE, **_OTHER_STRUCTURE}
    pages = {f"/{name}": f"<html><head>{SCRIPT}</head><body>{body}" for name, body in bodies.items()}
    async with snippet_site(pages) as site, fresh_page(chromium) as page:
        site.answers += [(204, WANT)] * 99
        context = page.context
        opened = await asyncio.gather(*(context.new_page() for _ in pages))
        await asyncio.gather(*(one.goto(site.url + path) for one, path in zip(opened, pages, strict=True)))
        await site.wait_for(lambda site: len({batch["w"]["p"] for batch in site.batches if "l" in batch}) == len(pages))
        hashes = {batch["w"]["p"][1:]: batch["l"]["v"] for batch in site.batches if "l" in batch}
    same = {name for name, value in hashes.items() if value == hashes["first"]}
    assert same == {"first", *_SAME_STRUCTURE}
    assert len({hashes[name] for name in _OTHER_STRUCTURE}) == len(_OTHER_STRUCTURE)
