"""The sample shop: a handful of server-rendered pages that carry the real snippet tag.

It stands for a site that an owner instruments: it knows the dashboard's address for its one banner link, and nothing
else of this program. Its forms are answered by the page itself; the server accepts no data.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from urllib.parse import quote

import jinja2
import msgspec
from aiohttp import web
from markupsafe import Markup

SITE_PATH = Path(str(resources.files("heatmap.demo"))) / "site"
ARTICLE = "/journal/a-cup-in-the-dark-months"
FINDER_KINDS = ("green", "black", "oolong", "white", "herbal")
_RELATED = 3


class Product(msgspec.Struct, frozen=True):
    """One thing on the shelf; colours are for its drawing."""

    slug: str
    name: str
    kind: str
    group: str
    shape: str
    word: str
    price: int
    unit: str
    light: str
    dark: str
    tint: str
    line: str
    options: list[str]
    story: str
    care: str
    facts: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ShopLinks:
    """What ties the shop to the service."""

    snippet_url: str
    """Address of the snippet, with the site's key inside."""
    heatmap_url: str
    """Address of the dashboard's heatmap of this site; the page is added as `?page=`."""


def load_products() -> list[Product]:
    """Return the shelf, in its order."""
    return msgspec.json.decode((SITE_PATH / "products.json").read_bytes(), type=list[Product])


def list_paths() -> list[str]:
    """Return every page of the shop, routes of the single-page application included."""
    products = [f"/shop/{item.slug}" for item in load_products()]
    routes = [f"/finder/{kind}" for kind in FINDER_KINDS]
    return ["/", "/shop", *products, ARTICLE, "/checkout", "/about", "/finder", *routes]


def setup_sample_site(app: web.Application, links: ShopLinks) -> None:
    """Add the shop's pages, its stylesheet and its scripts to `app`."""
    shop = _Shop(links)
    for path, template, title in (
        ("/", "home", "Tea for the dark, clay to hold it"),
        ("/shop", "shop", "Shop"),
        (ARTICLE, "article", "A cup in the dark months"),
        ("/checkout", "checkout", "Checkout"),
        ("/about", "about", "About us"),
        ("/finder", "finder", "Tea finder"),
    ):
        app.router.add_get(path, shop.answer_with(template, title))
    for kind in FINDER_KINDS:
        app.router.add_get(f"/finder/{kind}", shop.answer_with("finder", "Tea finder"))
    app.router.add_get("/shop/{slug}", shop.product)
    app.router.add_static("/static", SITE_PATH / "static")
    app.router.add_get("/{rest:.*}", shop.missing)


class _Shop:
    """The handlers, which share the templates and the shelf."""

    def __init__(self, links: ShopLinks) -> None:
        self._links = links
        self._products = load_products()
        loader = jinja2.FileSystemLoader(SITE_PATH)
        self._pages = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
        self._pages.globals["products"] = self._products
        self._pages.globals["tag"] = Markup('<script async src="{}"></script>').format(links.snippet_url)

    def answer_with(self, template: str, title: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            return self._draw(request, template, title=title)

        return answer

    async def product(self, request: web.Request) -> web.Response:
        slugs = [item.slug for item in self._products]
        if request.match_info["slug"] not in slugs:
            return await self.missing(request)
        place = slugs.index(request.match_info["slug"])
        item, others = self._products[place], self._products[place + 1 :] + self._products[:place]
        return self._draw(request, "product", title=item.name, item=item, related=others[:_RELATED])

    async def missing(self, request: web.Request) -> web.Response:
        return self._draw(request, "missing", status=404, title="Not here")

    def _draw(self, request: web.Request, template: str, *, status: int = 200, **values: object) -> web.Response:
        heatmap_url = f"{self._links.heatmap_url}?page={quote(request.path, safe='/')}"
        text = self._pages.get_template(f"pages/{template}.html").render(
            path=request.path, heatmap_url=heatmap_url, **values
        )
        return web.Response(text=text, status=status, content_type="text/html", headers={"Cache-Control": "no-cache"})
