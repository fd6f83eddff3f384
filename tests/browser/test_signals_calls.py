"""What the site's own code says, and where its links lead: variants, events, outbound links, downloads."""

import json

import pytest
from playwright.async_api import Browser
from signals_page import DOWNLOAD, EVENT, OUTBOUND, VARIANT, kinds, leave, pause, said, watched_page
from snippet_site import SCRIPT

pytestmark = pytest.mark.browser

STUB = (
    "<script>window.jalki = window.jalki || function () { (jalki.q = jalki.q || []).push(arguments) };"
    "jalki('variant', 'price', 'low'); jalki('event', 'early')</script>"
)
LINKS = (
    "<script>addEventListener('click', (event) => event.preventDefault())</script>"
    '<a id="out" href="https://other.example/path?token=abc">out</a> <a id="same" href="/b?x=1">same</a>'
    '<a id="mail" href="mailto:anna@example.org">mail</a>'
    '<a id="pdf" href="/files/price%20list.PDF?user=anna">pdf</a>'
    '<a id="saved" href="/export/4921?for=anna@example.org" download>save</a>'
    '<a id="personal" href="/files/anna.virtanen@example.org/131052-308T.pdf">own</a>'
    '<a id="far" href="https://cdn.example/manual.zip">zip</a>'
    '<a id="made" href="blob:null/x" download="anna virtanen.csv">made</a>'
    '<p data-jalki-mask><a id="masked" href="/files/anna-virtanen.pdf">masked</a></p>'
    '<p data-jalki-ignore><a id="ignored" href="https://ignored.example/x.pdf">ignored</a></p>'
)


async def test_calls_are_said_early_or_late(chromium: Browser) -> None:
    """What the page called before the script and what it calls later, in order; other commands are none."""
    async with watched_page(chromium, STUB) as (site, page):
        await page.evaluate(
            "() => { jalki('variant', 'price', 'low'); jalki('variant', 'hero', 2); jalki('other', 'x');"
            " jalki('event', 'added', { sku: 'T-1', price: 12.5, gift: false, none: null, nested: {a: 1}, f() {} });"
            " jalki('event'); jalki('event', {a: 1}); jalki('variant', 'empty'); jalki('event', 'bare', 'text') }"
        )
        await leave(site, page)
    assert [text for *_, text in said(site, VARIANT)] == ["price=low", "hero=2"]
    [early, added, bare] = [text for *_, text in said(site, EVENT)]
    assert (early, bare) == ("early", "bare")
    name, _, props = added.partition(" ")
    assert name == "added"
    assert json.loads(props) == {"sku": "T-1", "price": 12.5, "gift": False, "none": None}


async def test_calls_are_bounded_and_masked(chromium: Browser) -> None:
    """No more than a hundred events of a view, no long text, and nothing that looks like a person's."""
    async with watched_page(chromium, "") as (site, page):
        await page.evaluate(
            "() => { jalki('event', 'by anna@example.org', {card: '4111 1111 1111 1111', n: 4111111111111111,"
            " id: '131052-308T', iban: 'FI21 1234 5600 0007 85', call: '+358 40 123 4567', count: 12345,"
            " jwt: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl'});"
            " jalki('event', 'x'.repeat(500),"
            " Object.fromEntries([...Array(99)].map((_, i) => ['p' + i, 'y'.repeat(99)])));"
            " for (let i = 0; i < 200; i++) jalki('event', 'many');"
            " for (let i = 0; i < 30; i++) jalki('variant', 't' + i, 1) }"
        )
        await leave(site, page)
    events = [text for *_, text in said(site, EVENT)]
    assert len(events) == 100
    assert len(said(site, VARIANT)) == 10
    props = json.loads(events[0].removeprefix("by … "))
    assert props.pop("count") == 12345
    assert set(props.values()) <= {"…", "FI…"}
    assert events[1].startswith("x" * 60 + " ")
    assert 0 < len(json.loads(events[1][61:])) < 5
    assert len(events[1]) <= 461


async def test_a_variant_holds_for_the_views_that_follow(chromium: Browser) -> None:
    """Each later route says it anew, as each view is read by itself."""
    async with watched_page(chromium, STUB) as (site, page):
        await pause(page, ms=200)
        await page.evaluate("history.pushState(0, '', '/b')")
        await leave(site, page, lambda site: len(said(site, VARIANT)) == 2)
    views = [(row["view"], row["s"]) for row in site.rows("f") if row["k"] == VARIANT]
    assert [text for _, text in views] == ["price=low"] * 2
    assert len({view for view, _ in views}) == 2


async def test_links_say_the_host_they_lead_to_and_the_path_of_files(chromium: Browser) -> None:
    """Without query, decoded and masked; of a file that a script made only its ending."""
    async with watched_page(chromium, LINKS) as (site, page):
        for link in ("out", "same", "mail", "pdf", "saved", "personal", "far", "made", "masked", "ignored"):
            await page.click(f"#{link}")
        await page.click("#out", button="right")
        await page.click("#far", button="middle")
        await leave(site, page)
    assert [(key, text) for key, _, _, text in said(site, OUTBOUND)] == [
        ("#out", "other.example"),
        ("#far", "cdn.example"),
        ("#far", "cdn.example"),
    ]
    assert [(key, text) for key, _, _, text in said(site, DOWNLOAD)] == [
        ("#pdf", "/files/price list.PDF"),
        ("#saved", "/export/4921"),
        ("#personal", "/files/…/….pdf"),
        ("#far", "/manual.zip"),
        ("#made", ".csv"),
        ("#masked", ".pdf"),
        ("#far", "/manual.zip"),
    ]
    assert "virtanen" not in json.dumps(site.rows("f"))


async def test_a_view_without_calls_and_links_says_none(chromium: Browser) -> None:
    """A click on plain words is no link, no event and no variant."""
    async with watched_page(chromium, "<p id=p>words</p>", {"/s/x": SCRIPT}) as (site, page):
        await page.click("#p")
        await leave(site, page)
    assert kinds(site) & {VARIANT, EVENT, OUTBOUND, DOWNLOAD} == set()
