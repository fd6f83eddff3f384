"""Bots in pages, pictures, JSON and CSV: left out unless asked for, and it is said that they were."""

import csv

import pytest
from dashboard_house import House

from collector.sites import Site

GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
PAGE = "page=/product/teapot"
# Views of people and of bots that each choice counts.
CHOICES = {
    "": (2, "exclude"),
    "&bots=exclude": (2, "exclude"),
    "&bots=include": (5, "include"),
    "&bots=only": (3, "only"),
}


async def _fill(house: House, people: int = 2, bots: int = 3) -> Site:
    site = await house.add_site()
    for number in range(people + bots):
        await house.send_view(site, GOOGLEBOT if number < bots else "Mozilla/5.0")
    await house.sign_in()
    return site


async def _get_json(house: House, path: str) -> dict:
    async with house.http.get(house.url + path) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def _get_text(house: House, path: str) -> str:
    async with house.http.get(house.url + path) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.text()


async def test_every_report_leaves_bots_out_until_asked(house: House) -> None:
    """Heatmap, engagement and both CSV parts count the same views for each choice, and name it."""
    site = await _fill(house)
    api = f"/api/v1/sites/{site.site_id}"
    for choice, (views, name) in CHOICES.items():
        heatmap = await _get_json(house, f"{api}/heatmap.json?{PAGE}{choice}")
        report = await _get_json(house, f"{api}/engagement.json?{PAGE}{choice}")
        sheet = await _get_text(house, f"{api}/engagement.csv?{PAGE}&part=page{choice}")
        [row] = csv.DictReader(sheet.splitlines())
        audience = {"bots": name, "people_views": 2, "bot_views": 3}

        assert (heatmap["views"], heatmap["clicks"]) == (views, 2 * views)
        assert sum(item["clicks"] for item in heatmap["elements"]) == 2 * views
        assert heatmap["audience"] == report["audience"] == audience
        assert report["figures"]["views"] == views
        assert report["sections"][0]["reach"]["n"] == views
        assert (row["page_views"], row["bots"]) == (str(views), name)


async def test_pictures_of_other_audiences_are_other_pictures(house: House) -> None:
    """A browser never shows one for the other."""
    site = await _fill(house)
    tags = set()
    for choice in ("exclude", "include", "only"):
        address = f"{house.url}/api/v1/sites/{site.site_id}/heatmap.png?{PAGE}&bots={choice}"
        async with house.http.get(address) as answer:
            assert answer.status == 200
            tags.add(answer.headers["ETag"])
    assert len(tags) == 3


@pytest.mark.parametrize(("choice", "name"), [("", "engagement.csv"), ("&bots=only", "engagement-bots-only.csv")])
async def test_a_file_says_whose_views_it_counts(house: House, choice: str, name: str) -> None:
    """Its name does where it is not about people alone."""
    site = await _fill(house, people=1, bots=1)
    async with house.http.get(f"{house.url}/api/v1/sites/{site.site_id}/engagement.csv?{PAGE}{choice}") as answer:
        assert f'filename="{name}"' in answer.headers["Content-Disposition"]


async def test_another_choice_is_refused(house: House) -> None:
    """The answer names the three."""
    site = await _fill(house, people=1, bots=0)
    async with house.http.get(f"{house.url}/api/v1/sites/{site.site_id}/heatmap.json?{PAGE}&bots=yes") as answer:
        assert answer.status == 400
        assert "exclude, include, only" in await answer.text()


@pytest.mark.parametrize("screen", ["", "/heatmap", "/engagement"])
async def test_pages_say_how_many_views_are_left_out_and_lead_to_them(house: House, screen: str) -> None:
    """The link keeps the page, the days and the device; the page behind it leads back."""
    site = await _fill(house)
    page = f"{PAGE.replace('/', '%2F')}&" if screen else ""
    at = f"/sites/{site.site_id}{screen}?{page}device=desktop"
    left_out = await _get_text(house, at)
    shown = await _get_text(house, f"{at}&bots=include")
    only = await _get_text(house, f"{at}&bots=only")

    assert '<strong class="num">3</strong> views by bots are left out' in left_out
    assert f'href="{at.replace("&", "&amp;")}&amp;bots=include">Show them</a>' in left_out
    assert '<strong class="num">3</strong> of 5 views are by bots' in shown
    assert f'href="{at.replace("&", "&amp;")}">Leave them out</a>' in shown
    assert 'Only the views by bots: <strong class="num">3</strong> of 5' in only
    assert '<input type="hidden" name="bots" value="only">' in only


@pytest.mark.parametrize("screen", ["", "/heatmap", "/engagement?page=/product/teapot"])
async def test_a_site_that_only_bots_visit_says_so(house: House, screen: str) -> None:
    """No page is silently empty."""
    site = await _fill(house, people=0, bots=1)

    text = await _get_text(house, f"/sites/{site.site_id}{screen}")

    assert '<strong class="num">1</strong> view by a bot is left out' in text
    assert "Nobody but bots" in text


async def test_without_bots_nothing_is_said_of_them(house: House) -> None:
    """The line is there for the script that keeps the page fresh, and hidden."""
    site = await _fill(house, people=1, bots=0)

    assert '<p class="bots-note" data-part="bots" hidden>' in await _get_text(house, f"/sites/{site.site_id}/heatmap")
