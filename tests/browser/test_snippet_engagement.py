"""Scroll depth, engaged time and sections of a real browser.

Time passes on the page's own clock, which the test moves.
"""

import pytest
from playwright.async_api import Browser, Page
from snippet_site import SCRIPT, SnippetSite, fresh_page, key_of, snippet_site

pytestmark = pytest.mark.browser

SEEN, END_SEEN = 1, 2
ARTICLE = f"""<html><head>{SCRIPT}<style>
body {{ margin: 0 }} h1, h2, p, header, footer {{ margin: 0; height: 100px }} p {{ height: 700px }}
</style></head><body>
<header><nav>menu</nav></header>
<main><h1>Tea</h1><p>intro</p><section id="pots"><h2>Pots</h2><p>one</p></section><h2>12 cups</h2><p>two</p>
<h2>Pots</h2><p>three</p></main>
<footer>end</footer></body></html>"""
"""header 0–100, h1 100–900, "Pots" 900–1700, cups 1700–2500, the second "Pots" 2500–3300, footer 3300–3400.

Of the words of an h1 the key has their sum alone."""


async def _open(page: Page, site: SnippetSite, path: str = "/a") -> None:
    """Open a page whose clock stands at first, and let it find its sections."""
    await page.clock.install(time=1_790_000_000)
    await page.clock.pause_at(1_790_000_001)
    await page.goto(site.url + path)
    await page.clock.run_for(200)


async def _leave(page: Page, site: SnippetSite) -> None:
    """Go elsewhere, so that the last report is sent, and wait for it."""
    known = len(site.batches)
    await page.goto("about:blank")
    await site.wait_for(lambda site: len(site.batches) > known)


async def _scroll(page: Page, top: int) -> None:
    """Scroll, and wait until the page has been told."""
    await page.evaluate(
        "(top) => new Promise((done) => { addEventListener('scroll', done, {once: true}); scrollTo(0, top) })", top
    )


async def test_scroll_depth_is_the_lowest_edge_that_was_in_view(chromium: Browser) -> None:
    """Scrolling back up does not take it back, and the height of the document then is kept beside it."""
    async with snippet_site({"/a": ARTICLE}) as site, fresh_page(chromium) as page:
        await _open(page, site)
        await _scroll(page, 1000)
        await _scroll(page, 300)
        await _leave(page, site)
    [view] = site.views().values()
    assert view["w"]["h"] == [1800, 3400]


async def _route(page: Page, path: str, html: str, after_ms: int) -> None:
    """Do what routers do: change the address at once, and the page when it has come."""
    await page.evaluate("(path) => history.pushState(null, '', path)", path)
    await page.clock.run_for(after_ms)
    await page.evaluate("(html) => { app.innerHTML = html; scrollTo(0, 0) }", html)


async def _open_app(page: Page, site: SnippetSite) -> None:
    """Open an application of 3000 px and scroll it to its end."""
    await _open(page, site)
    await page.mouse.move(100, 100)
    await _scroll(page, 2200)
    await page.clock.run_for(1500)


APP = f"""<html><head>{SCRIPT}<style>body, h2 {{ margin: 0 }} section {{ height: 1500px }}</style></head><body>
<div id="app"><section><h2>Old top</h2></section><section><h2>Old end</h2></section></div></body></html>"""
NEXT = "<section><h2>New top</h2></section><section><h2>New end</h2></section>"


@pytest.mark.parametrize("after_ms", [0, 600], ids=["at-once", "after-fetching"])
async def test_a_new_route_inherits_neither_depth_nor_sections(chromium: Browser, after_ms: int) -> None:
    """What still stands while a router fetches is the page before; the new view begins with what it is shown."""
    async with snippet_site({"/a": APP}) as site, fresh_page(chromium) as page:
        await _open_app(page, site)
        await _route(page, "/b", NEXT, after_ms)
        await page.clock.run_for(1000)
        await page.mouse.move(200, 200)
        await page.clock.run_for(2000)
        await _leave(page, site)
    old, new = site.views().values()
    sections = {
        key_of(batch, row[0]) for batch in site.batches if batch["w"]["p"] == "/b" for row in batch.get("s", [])
    }
    assert old["w"]["h"] == [3000, 3000]
    assert new["w"]["h"] == [800, 3000]
    assert sections == {"h2[New top]"}


async def test_a_route_that_changes_nothing_is_taken_as_it_stands(chromium: Browser) -> None:
    """After two seconds, or at the first act, what stands is the page."""
    async with snippet_site({"/a": APP}) as site, fresh_page(chromium) as page:
        await _open_app(page, site)
        await page.evaluate("history.pushState(null, '', '/b')")
        await page.clock.run_for(200)
        await page.keyboard.press("Shift")
        await page.clock.run_for(1000)
        await page.evaluate("history.pushState(null, '', '/c')")
        await page.clock.run_for(2400)
        await _leave(page, site)
    assert [view["w"]["h"][0] for view in site.views().values()] == [3000, 3000, 3000]


async def test_a_page_that_grows_is_measured_at_its_new_height(chromium: Browser) -> None:
    """Who never scrolled has reached one viewport of the page as it is now."""
    async with snippet_site({"/a": ARTICLE}) as site, fresh_page(chromium) as page:
        await _open(page, site)
        await page.evaluate("document.querySelector('p').style.height = '1700px'")
        await _leave(page, site)
    [view] = site.views().values()
    assert view["w"]["h"] == [800, 4400]


async def test_engaged_time_ends_five_seconds_after_the_last_act(chromium: Browser) -> None:
    """Reading counts, an abandoned page does not, and coming back goes on where it stopped."""
    async with snippet_site({"/a": ARTICLE}) as site, fresh_page(chromium) as page:
        await _open(page, site)
        await page.clock.run_for(3000)
        await page.mouse.move(100, 100)
        await page.clock.run_for(2000)
        await page.mouse.move(200, 200)
        await page.clock.run_for(60_000)
        await page.keyboard.press("Shift")
        await page.clock.run_for(1000)
        await _leave(page, site)
    [view] = site.views().values()
    assert view["w"]["e"] == 2000 + 5000 + 1000
    assert view["w"]["a"] in range(65_000, 65_300)


async def test_a_view_without_an_act_is_not_engaged(chromium: Browser) -> None:
    """A page that is only open has no engaged time, whatever a script on it pretends."""
    async with snippet_site({"/a": ARTICLE}) as site, fresh_page(chromium) as page:
        await _open(page, site)
        await page.evaluate("document.body.dispatchEvent(new KeyboardEvent('keydown', {bubbles: true}))")
        await page.clock.run_for(30_000)
        # Nothing has changed since the first report, so the page leaves without another.
        await page.goto("about:blank")
    [view] = site.views().values()
    assert view["w"]["e"] == 0


async def test_a_box_that_a_script_scrolls_is_no_act(chromium: Browser) -> None:
    """A carousel that moves each second keeps nobody engaged, though the browser trusts its scroll events."""
    box = '<div id="box" style="overflow:scroll;width:200px;height:50px"><p style="width:9999px">cards</p></div>'
    move = "() => new Promise((done) => { box.onscroll = done; box.scrollLeft += 20 })"
    async with snippet_site({"/a": f"<body>{SCRIPT}{box}</body>"}) as site, fresh_page(chromium) as page:
        await _open(page, site)
        await page.mouse.move(100, 100)
        for _ in range(20):
            await page.clock.run_for(1000)
            await page.evaluate(move)
        await page.goto("about:blank")
    [view] = site.views().values()
    # The first move comes within 1.5 s of the act, and counts.
    assert view["w"]["e"] in range(5000, 6100)


async def test_a_sleep_of_the_computer_is_not_engaged(chromium: Browser) -> None:
    """A clock that jumps ahead by hours while no timer ran adds at most the five seconds after the last act."""
    async with snippet_site({"/a": ARTICLE}) as site, fresh_page(chromium) as page:
        await _open(page, site)
        await page.mouse.move(100, 100)
        await page.clock.fast_forward("08:00:00")
        await page.mouse.move(200, 200)
        await page.clock.run_for(1000)
        await _leave(page, site)
    assert [view["w"]["e"] for view in site.views().values()] == [5000, 1000]


async def test_an_act_after_a_long_pause_begins_a_view(chromium: Browser) -> None:
    """A tab that was left for half an hour is looked at anew; a shorter pause is the same look."""
    async with snippet_site({"/a": ARTICLE}) as site, fresh_page(chromium) as page:
        await _open(page, site)
        for pause in ("29:00", "31:00"):
            await page.mouse.move(100, 100)
            await page.clock.fast_forward(pause)
        await page.keyboard.press("Shift")
        await page.clock.run_for(3000)
        await _leave(page, site)
    old, new = (view["w"] for view in site.views().values())
    assert [(old["p"], old["n"], old["e"]), (new["p"], new["n"], new["e"])] == [("/a", 0, 10_000), ("/a", 2, 3000)]
    assert old["a"] in range(1_740_000, 1_741_000)
    assert new["h"] == [800, 3400]


async def test_a_view_does_not_grow_older_than_the_collector_takes(chromium: Browser) -> None:
    """Who comes back every 20 minutes for a day has a view of each half of it."""
    async with snippet_site({"/a": ARTICLE}) as site, fresh_page(chromium) as page:
        await _open(page, site)
        for step in range(72):
            await page.mouse.move(100 + step, 100)
            await page.clock.fast_forward("20:00")
        await _leave(page, site)
    views = site.views().values()
    assert len(views) == 2
    assert all(batch["t"] - batch["w"]["s"] <= 13 * 3_600_000 for batch in views)


async def test_time_in_a_page_without_focus_is_not_engaged(chromium: Browser) -> None:
    """While another window has the focus the page's time stands still."""
    async with snippet_site({"/a": ARTICLE}) as site, fresh_page(chromium) as page:
        await page.add_init_script("document.hasFocus = () => !window.isElsewhere")
        await _open(page, site)
        await page.mouse.move(100, 100)
        await page.clock.run_for(1000)
        await page.evaluate("window.isElsewhere = true; dispatchEvent(new Event('blur'))")
        await page.clock.run_for(3000)
        await page.evaluate("window.isElsewhere = false; dispatchEvent(new Event('focus'))")
        await page.clock.run_for(500)
        await _leave(page, site)
    [view] = site.views().values()
    assert view["w"]["e"] == 1500


async def test_time_in_view_is_shared_by_the_height_that_each_section_fills(chromium: Browser) -> None:
    """800 px of viewport over two sections give each its part of the engaged time."""
    async with snippet_site({"/a": ARTICLE}) as site, fresh_page(chromium) as page:
        await _open(page, site)
        await _scroll(page, 700)
        await page.clock.run_for(200)
        await page.mouse.move(100, 100)
        await page.clock.run_for(4000)
        await _leave(page, site)
    sections = site.sections()
    [view] = site.views().values()
    total_ms = sum(ms for ms, _ in sections.values())
    assert total_ms == pytest.approx(view["w"]["e"], abs=101)
    assert sections["h1[~282]"][0] == pytest.approx(total_ms / 4, abs=60)
    assert sections["h2[Pots]"][0] == pytest.approx(total_ms * 3 / 4, abs=60)


async def test_time_before_a_scroll_belongs_to_what_was_in_view(chromium: Browser) -> None:
    """Who reads the top for four seconds and then scrolls to the cups has read the cups for the rest alone."""
    async with snippet_site({"/a": ARTICLE}) as site, fresh_page(chromium) as page:
        await _open(page, site)
        await page.clock.run_for(2000)
        await page.mouse.move(100, 100)
        await page.clock.run_for(4000)
        await _scroll(page, 1700)
        await page.clock.run_for(3000)
        await _leave(page, site)
    sections = site.sections()
    assert sections["header"][0] + sections["h1[~282]"][0] == pytest.approx(4000, abs=150)
    assert sections["h2[cups]"][0] == pytest.approx(1000, abs=150)


async def test_a_section_is_seen_after_a_second_in_view(chromium: Browser) -> None:
    """Half of it, or half a viewport of it, for one continuous second; its end likewise; passing by is not enough."""
    async with snippet_site({"/a": ARTICLE}) as site, fresh_page(chromium) as page:
        await _open(page, site)
        await page.clock.run_for(1100)
        await _scroll(page, 900)
        await page.clock.run_for(400)
        await _scroll(page, 2150)
        await page.clock.run_for(1100)
        await page.mouse.move(100, 100)
        await page.clock.run_for(200)
        await _leave(page, site)
    flags = {key: flags for key, (_, flags) in site.sections().items()}
    assert flags["header"] == SEEN | END_SEEN
    assert flags["h1[~282]"] == SEEN
    assert not flags.get("h2[Pots]")
    assert flags["h2[cups]"] == END_SEEN
    assert flags["h2[Pots]:2"] == SEEN


async def test_the_exit_section_fills_most_of_the_last_viewport(chromium: Browser) -> None:
    """Where the visitor was when the view ended is named, by a key that text above it does not change."""
    async with snippet_site({"/a": ARTICLE}) as site, fresh_page(chromium) as page:
        await _open(page, site)
        await page.evaluate("document.querySelector('main').prepend(document.createElement('h1'), 'news')")
        await _scroll(page, 1700)
        await page.clock.run_for(1000)
        await _leave(page, site)
    [view] = site.views().values()
    assert view["d"][view["w"]["x"]] == "h2[cups]"


async def test_marked_parts_and_cards_are_sections(chromium: Browser) -> None:
    """A mark wins over headings; cards side by side are one section each; a page without any is one section."""
    cards = "".join(f'<div style="width:200px"><h3>Card {name}</h3><p>text</p></div>' for name in "abc")
    html = f"""<body>{SCRIPT}<div data-jalki-section="hero"><h1>Welcome</h1><h2>Sub</h2></div>
    <main><div style="display:flex">{cards}</div></main></body>"""
    pages = {"/a": html, "/b": f"<body>{SCRIPT}<main><div>plain</div></main></body>"}
    async with snippet_site(pages) as site, fresh_page(chromium) as page:
        for path in pages:
            await _open(page, site, path)
            await page.mouse.move(100, 100)
            await page.clock.run_for(2000)
            await _leave(page, site)
    assert set(site.sections()) == {
        "[data-jalki-section=hero]",
        "h3[Card a]",
        "h3[Card b]",
        "h3[Card c]",
        "main",
    }
