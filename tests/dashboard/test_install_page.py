"""The install page: every way in with the site's own key, and what its script does."""

import html
from urllib.parse import urlsplit

from dashboard_house import House

from collector.bundles import load_bundles
from collector.sites import SiteChange, edit_site
from collector.snippet import SnippetFlag, build_pinned_tag
from heatmap.dashboard.recipes import load_consent_recipes, load_wordpress_recipe


async def load_install(house: House, site_id: int) -> str:
    async with house.http.get(f"{house.url}/sites/{site_id}/install") as answer:
        assert answer.status == 200
        return html.unescape(await answer.text())


async def test_each_way_in_names_the_service_and_the_key(house: House) -> None:
    """What is copied needs no change: tags, the theme's lines, and the recipes of consent managers."""
    await house.sign_in()
    site = await house.add_site()
    text = await load_install(house, site.site_id)
    wordpress = load_wordpress_recipe(house.url, site.key).text

    assert build_pinned_tag(house.url, site.filling, load_bundles().present) in text
    assert f'<script data-cfasync="false" async src="{house.url}/s/{site.key}.js"></script>' in text
    assert wordpress in text
    assert f"'{house.url}/s/{site.key}.js'" in wordpress
    assert f"'{urlsplit(house.url).netloc}/s/'" in wordpress
    assert "example" not in wordpress
    assert all(recipe.text in text for recipe in load_consent_recipes())


async def test_the_page_tells_what_the_script_does(house: House) -> None:
    """Settings are shown as they are, and the pinned tag is the one for them."""
    await house.sign_in()
    site = await house.add_site()
    before = await load_install(house, site.site_id)
    change = SiteChange(params=["page", "lang"], on=SnippetFlag.CONSENT_FIRST | SnippetFlag.IGNORE_GPC)
    async with house.pool.acquire() as conn:
        site = await edit_site(conn, site.site_id, change)
    after = await load_install(house, site.site_id)

    agreed, honoured = "before the visitor has agreed</dt><dd>", "Do Not Track are honoured</dt><dd>"
    assert all(words in before for words in (f"{agreed}no", f"{honoured}yes", "part of an address</dt><dd>none"))
    assert all(words in after for words in (f"{agreed}yes", f"{honoured}no", "part of an address</dt><dd>lang, page"))
    assert build_pinned_tag(house.url, site.filling, load_bundles().present) in after
