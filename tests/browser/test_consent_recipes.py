"""The recipes for consent managers, run in a real Chromium against what each manager documents of itself."""

from pathlib import Path

import pytest
from playwright.async_api import Browser
from snippet_site import fresh_page

from heatmap.dashboard.recipes import load_consent_recipes

pytestmark = pytest.mark.browser

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
RECIPES = {recipe.slug: recipe.text for recipe in load_consent_recipes()}
TCF = """<script>
  let listener;
  function __tcfapi(command, version, callback) {
    if (command === 'addEventListener' && version === 2) listener = callback;
  }
  function choose(eventStatus, ...purposes) {
    const consents = Object.fromEntries([1, 2, 7, 8, 9, 10].map((id) => [id, purposes.includes(id)]));
    listener({ eventStatus, gdprApplies: true, purpose: { consents, legitimateInterests: {} }, listenerId: 1 }, true);
  }
</script>"""
GTAG = """<script>
  window.dataLayer = window.dataLayer || [];
  function gtag() { dataLayer.push(arguments); }
  gtag('consent', 'default', { ad_storage: 'denied', analytics_storage: 'denied', wait_for_update: 500 });
  const choose = (analytics_storage) => gtag('consent', 'update', { analytics_storage, ad_storage: 'denied' });
</script>"""
COOKIEBOT = """<script>
  window.Cookiebot = { consent: { necessary: true, statistics: false }, hasResponse: false };
  function choose(event, statistics) {
    Object.assign(Cookiebot, { hasResponse: true, consent: { necessary: true, statistics } });
    window.dispatchEvent(new Event(event));
  }
</script>"""
CALLS = "[...(jalki.q ?? [])].map((call) => [...call])"
GRANTED, COUNTING = ["consent", "granted"], ["consent", "counting"]


async def run(chromium: Browser, *parts: str, then: str = "") -> list[list[str]]:
    """Return the calls of `jalki` that a page with these parts makes, in one that has not loaded the script yet."""
    async with fresh_page(chromium) as page:
        await page.set_content("".join(parts))
        await page.evaluate(f"() => {{ {then} }}")
        return await page.evaluate(CALLS)


async def test_tcf_grants_with_the_purposes_that_are_needed(chromium: Browser) -> None:
    """All three purposes keep an id; without one of them visits are only counted; an open banner says nothing."""
    steps = "choose('cmpuishown'); choose('tcloaded', 1, 8, 9); choose('useractioncomplete', 8, 9, 10)"

    assert await run(chromium, TCF, RECIPES["tcf"], then=steps) == [GRANTED, COUNTING]


async def test_tcf_that_is_not_known_or_does_not_apply_grants_nothing(chromium: Browser) -> None:
    """A manager that failed says nothing; one without purposes leaves the mode that keeps nothing."""
    steps = "listener(null, false); listener({ eventStatus: 'tcloaded', gdprApplies: false }, true)"

    assert await run(chromium, TCF, RECIPES["tcf"], then=steps) == [COUNTING]


async def test_google_consent_mode_is_heard_by_its_updates(chromium: Browser) -> None:
    """Each update of analytics_storage is told, a default is not; what pages push otherwise still arrives."""
    steps = (
        "choose('granted'); dataLayer.push({ event: 'other' }, null); choose('denied'); gtag('consent', 'update', {})"
    )
    async with fresh_page(chromium) as page:
        await page.set_content(RECIPES["google_consent_mode"] + GTAG)
        before = await page.evaluate(CALLS)
        await page.evaluate(f"() => {{ {steps} }}")
        after, pushed = await page.evaluate(CALLS), await page.evaluate("dataLayer.length")

    assert (before, after) == ([], [GRANTED, COUNTING])
    assert pushed == 6


async def test_google_consent_mode_that_was_updated_before_is_heard(chromium: Browser) -> None:
    """A choice that stands in the data layer already counts."""
    calls = await run(chromium, GTAG, "<script>choose('granted')</script>", RECIPES["google_consent_mode"])

    assert calls == [GRANTED]


async def test_cookiebot_is_heard_by_its_events(chromium: Browser) -> None:
    """Before an answer nothing is told; statistics decide, whether the banner was accepted or declined."""
    steps = "choose('CookiebotOnAccept', true); choose('CookiebotOnAccept', false); choose('CookiebotOnDecline', false)"
    calls = await run(chromium, COOKIEBOT, RECIPES["cookiebot"], then=steps)

    assert calls == [GRANTED, COUNTING, COUNTING]


@pytest.mark.parametrize("is_first", [True, False], ids=["recipe first", "Cookiebot first"])
async def test_cookiebot_that_knows_the_visitor_is_heard(chromium: Browser, is_first: bool) -> None:
    """A visitor who answered on an earlier page is told of, whether Cookiebot or the recipe comes first."""
    known = f"{COOKIEBOT}<script>choose('CookiebotOnAccept', true)</script>"
    parts = [RECIPES["cookiebot"], known] if is_first else [known, RECIPES["cookiebot"]]

    assert await run(chromium, *parts) == [GRANTED]


@pytest.mark.parametrize("name", RECIPES)
async def test_a_recipe_calls_the_script_that_is_there(chromium: Browser, name: str) -> None:
    """Where the script has come already, its own function is called and not replaced."""
    choice = {
        "tcf": "choose('useractioncomplete', 1, 8, 9)",
        "google_consent_mode": "choose('granted')",
        "cookiebot": "choose('CookiebotOnAccept', true)",
    }[name]
    manager = {"tcf": TCF, "google_consent_mode": GTAG, "cookiebot": COOKIEBOT}[name]
    script = "<script>const heard = []; window.jalki = (...call) => heard.push(call)</script>"
    async with fresh_page(chromium) as page:
        await page.set_content(script + manager + RECIPES[name])
        await page.evaluate(f"() => {{ {choice} }}")
        heard = await page.evaluate("heard")

    assert heard == [GRANTED]


@pytest.mark.parametrize("name", RECIPES)
def test_the_readme_has_the_same_text(name: str) -> None:
    """What the README shows is what the install page gives, and what ran above."""
    assert f"```html\n{RECIPES[name]}\n```" in README
