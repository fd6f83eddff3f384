"""What was recorded arrives, once, whatever becomes of the collector or the network in between."""

import pytest
from playwright.async_api import Browser
from snippet_site import SCRIPT, fresh_page, snippet_site

pytestmark = pytest.mark.browser

PAGE = f'<body>{SCRIPT}<button id="go">go</button></body>'


@pytest.mark.parametrize("status", [0, 429, 503], ids=["no-answer", "too-many", "overloaded"])
async def test_a_batch_that_was_not_taken_is_sent_again_as_it_was(chromium: Browser, status: int) -> None:
    """A retry repeats the batch's id and all of its content but the time of sending."""
    async with snippet_site({"/a": PAGE}) as site, fresh_page(chromium) as page:
        site.answers += [(status, {}), (status, {})]
        await page.goto(f"{site.url}/a")
        await page.click("#go")
        await site.wait_for(lambda site: any(batch["answered"] == 204 for batch in site.batches))
    first, second, third = ({**batch, "t": 0, "answered": 0} for batch in site.batches[:3])
    assert first == second == third
    assert [batch["t"] for batch in site.batches[:3]] == sorted(batch["t"] for batch in site.batches[:3])


async def test_a_retry_waits_as_long_as_the_collector_asks(chromium: Browser) -> None:
    """Retry-After is honoured."""
    async with snippet_site({"/a": PAGE}) as site, fresh_page(chromium) as page:
        site.answers.append((503, {"Retry-After": "3"}))
        await page.goto(f"{site.url}/a")
        await page.click("#go")
        await site.wait_for(lambda site: len(site.batches) > 1)
    assert site.batches[1]["t"] - site.batches[0]["t"] >= 3000


async def test_a_refused_batch_is_not_sent_again(chromium: Browser) -> None:
    """A 4xx is final: what the collector cannot use it is not offered twice."""
    async with snippet_site({"/a": PAGE}) as site, fresh_page(chromium) as page:
        site.answers.append((400, {}))
        await page.goto(f"{site.url}/a")
        await page.click("#go")
        await site.wait_for(lambda site: site.batches)
        await page.click("#go")
        await page.goto("about:blank")
        await site.wait_for(lambda site: len(site.clicks()) == 2)
    assert len({batch["b"] for batch in site.batches}) == len(site.batches)


async def test_clicks_made_while_the_collector_is_away_arrive_once(chromium: Browser) -> None:
    """Every click is in exactly one batch, whatever was sent twice."""
    async with snippet_site({"/a": PAGE}) as site, fresh_page(chromium) as page:
        site.answers += [(503, {}), (0, {}), (503, {})]
        await page.goto(f"{site.url}/a")
        for _ in range(7):
            await page.click("#go")
            await page.evaluate("() => new Promise((done) => setTimeout(done, 200))")
        await page.goto("about:blank")
        clicks = await site.wait_for(lambda site: len(site.clicks()) >= 7 and site.clicks())
    assert [click["n"] for click in clicks] == [1, 2, 3, 4, 5, 6, 7]


async def test_more_clicks_than_a_batch_holds_are_split(chromium: Browser) -> None:
    """A robot's thousand clicks make several batches, none too large, and lose nothing."""
    async with snippet_site({"/a": PAGE}) as site, fresh_page(chromium) as page:
        site.answers.append((503, {"Retry-After": "5"}))
        await page.goto(f"{site.url}/a")
        await page.click("#go")
        await site.wait_for(lambda site: site.batches)
        session = await page.context.new_cdp_session(page)
        for _ in range(600):
            for kind in ("mousePressed", "mouseReleased"):
                await session.send(
                    "Input.dispatchMouseEvent",
                    {"type": kind, "x": 20, "y": 20, "button": "left", "clickCount": 1},
                )
        clicks = await site.wait_for(lambda site: len(site.clicks()) >= 601 and site.clicks())
    assert sorted(click["n"] for click in clicks) == list(range(1, 602))
    assert max(len(batch.get("c", {"t": []})["t"]) for batch in site.batches) <= 500


async def test_each_report_of_a_view_is_numbered_and_cumulative(chromium: Browser) -> None:
    """A later report has a higher number and never a smaller figure."""
    async with snippet_site({"/a": PAGE}) as site, fresh_page(chromium) as page:
        await page.goto(f"{site.url}/a")
        for count in (1, 2):
            await page.click("#go")
            await site.wait_for(lambda site, count=count: len(site.clicks()) == count)
        await page.click("#go")
        await page.goto("about:blank")
        await site.wait_for(lambda site: len(site.clicks()) == 3)
    # What has no answer when the page goes is sent once more, under its id.
    reports = list({batch["b"]: batch["w"] for batch in site.batches}.values())
    assert [report["q"] for report in reports] == list(range(len(reports)))
    for name in ("e", "a", "h"):
        assert [report[name] for report in reports] == sorted(report[name] for report in reports)
