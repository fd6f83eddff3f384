"""What a site's settings make of its script: the text in it, the pinned addresses, and how fast an edit is seen."""

import base64
import hashlib
import re

import pytest
from wire_batches import KEY, NOW, stored_site

from collector.errors import InvalidError
from collector.scripts import Coding
from collector.sites import NewSite, SiteChange, add_site, edit_site, load_site
from collector.snippet import (
    KEY_PLACE,
    MAX_PARAMS,
    SITE_PLACE,
    Bundles,
    Filling,
    ScriptShelf,
    SnippetFlag,
    build_pinned_tag,
    version_of,
)

SOURCE = f'k="{KEY_PLACE}",s="{SITE_PLACE}";'
BUNDLES = Bundles(SOURCE)
PLAIN = {"Accept-Encoding": "identity"}


async def script(collector, name: str = KEY) -> str:
    return await (await collector.client.get(f"/s/{name}.js", headers=PLAIN)).text()


async def edit(collector, change: SiteChange) -> None:
    """Change the site, and let the collector read its sites anew."""
    async with collector.pool.acquire() as conn:
        await edit_site(conn, collector.site.site_id, change)
    collector.clock.turn(seconds=1)
    await collector.client.get("/s/unknownKey.js")


async def test_the_script_of_a_site_holds_its_settings(start_collector):
    """Flags and parameters stand in it as the snippet reads them; a site that chose nothing has flag 1 alone."""
    collector = await start_collector(bundles=BUNDLES)
    before = await script(collector)
    await edit(collector, SiteChange(params=["page", "lang"], on=SnippetFlag.CONSENT_FIRST | SnippetFlag.HASH_ROUTES))
    after = await script(collector)
    await edit(collector, SiteChange(params=[], off=SnippetFlag.SIGNALS | SnippetFlag.HASH_ROUTES))

    assert before == f'k="{KEY}",s="1";'
    assert after == f'k="{KEY}",s="7,lang,page";'
    assert await script(collector) == f'k="{KEY}",s="2";'


async def test_an_edit_changes_the_address_of_the_pinned_script(start_collector):
    """A tag fits the script behind it byte by byte; after an edit its address names nothing, and a new tag fits."""
    collector = await start_collector(bundles=BUNDLES)
    old = build_pinned_tag("", collector.site.filling, SOURCE)
    old_body = await _load_pinned(collector, old)
    await edit(collector, SiteChange(params=["page"]))
    async with collector.pool.acquire() as conn:
        site = await load_site(conn, collector.site.site_id)
    new = build_pinned_tag("", site.filling, SOURCE)
    new_body = await _load_pinned(collector, new)
    gone = await collector.client.get(_src(old))

    assert _src(old) != _src(new)
    for tag, body in ((old, old_body), (new, new_body)):
        assert f'integrity="sha384-{base64.b64encode(hashlib.sha384(body).digest()).decode()}"' in tag
    assert (gone.status, gone.headers["Cache-Control"]) == (404, "public, max-age=60")
    assert b"settings are others by now" in await gone.read()


def test_sites_with_other_settings_do_not_share_a_script():
    """The key of the shelf is all that is filled in."""
    shelf = ScriptShelf(BUNDLES)
    fillings = [Filling(KEY), Filling(KEY, SnippetFlag(3)), Filling(KEY, params=("page",)), Filling("otherKey_1")]
    scripts = [shelf.build(filling, shelf.present(filling.settings)) for filling in fillings]

    assert len({script.forms[Coding.IDENTITY].body for script in scripts}) == len(fillings)
    assert len({script.integrity for script in scripts}) == len(fillings)


def test_a_build_from_before_there_were_settings_keeps_its_address():
    """Where there is no place for settings they change neither the script nor what it is called."""
    old = f'k="{KEY_PLACE}";'

    assert version_of(old, "7,lang") == version_of(old, "1")
    assert ScriptShelf(Bundles(SOURCE, (old,))).is_known("7,lang", version_of(old, "1"))


async def test_new_sites_may_begin_with_settings(pool):
    """They are stored with the site, each name once and in the order in which addresses are written."""
    async with pool.acquire() as conn:
        new = NewSite("Shop", params=("page", "lang", "page"), snippet_flags=SnippetFlag.CONSENT_FIRST)
        added = await add_site(conn, new, KEY, NOW)
        plain = await stored_site(conn, key="plainKey_1")
        renamed = await edit_site(conn, added.site_id, SiteChange(name="Store"))

    assert (added.params, added.snippet_flags) == (("lang", "page"), SnippetFlag.CONSENT_FIRST)
    assert plain.filling == Filling("plainKey_1")
    assert renamed.filling == added.filling


@pytest.mark.parametrize(
    "params", [["a b"], ["a=1"], [""], ["x" * 41], ["ä"], ['";alert(1)//'], [f"p{n}" for n in range(MAX_PARAMS + 1)]]
)
async def test_what_cannot_stand_in_a_script_is_refused(pool, params):
    """Names that no address needs, text that would end a string, and too many of them."""
    async with pool.acquire() as conn:
        site = await stored_site(conn)
        with pytest.raises(InvalidError):
            await edit_site(conn, site.site_id, SiteChange(params=params))
        with pytest.raises(InvalidError):
            await add_site(conn, NewSite("Shop", params=tuple(params)), "shopKey_01", NOW)


def _src(tag: str) -> str:
    return re.search(r'src="([^"]+)"', tag)[1]


async def _load_pinned(collector, tag: str) -> bytes:
    answer = await collector.client.get(_src(tag), headers=PLAIN)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    return await answer.read()
