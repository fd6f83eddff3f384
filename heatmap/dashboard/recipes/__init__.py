"""Texts that owners copy into their own sites, in one place: the install page fills them in, the README shows them."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from collector.snippet import build_tag

EXAMPLE_ADDRESS = "https://stats.example.org"
EXAMPLE_KEY = "KEY"
"""What stands in the files where a service's address and a site's key belong."""
CONSENT = {
    "tcf": "IAB TCF",
    "google_consent_mode": "Google consent mode",
    "cookiebot": "Cookiebot",
}
"""Consent managers by the name of their recipe: JavaScript that calls `jalki('consent', …)`."""
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Recipe:
    """A text to copy; `slug` names it in the page."""

    slug: str
    title: str
    text: str


def load_consent_recipes() -> list[Recipe]:
    """Return the recipes of the consent managers as script elements; they are the same for every site."""
    return [Recipe(slug, title, f"<script>\n{_read(f'{slug}.js')}</script>") for slug, title in CONSENT.items()]


def load_wordpress_recipe(address: str, key: str) -> Recipe:
    """Return the PHP for a site's theme; `address` is that of the service, without a slash at the end."""
    tag = f"{EXAMPLE_ADDRESS}/s/{EXAMPLE_KEY}.js"
    text = _read("wordpress.php").replace(tag, f"{address}/s/{key}.js")
    return Recipe("wordpress", "WordPress", text.replace(urlsplit(EXAMPLE_ADDRESS).netloc, urlsplit(address).netloc))


def build_rocket_loader_tag(address: str, key: str) -> str:
    """Return the tag that Cloudflare's Rocket Loader leaves alone; the attribute has to stand before `src`."""
    return build_tag(address, key).replace("<script async", '<script data-cfasync="false" async')


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
