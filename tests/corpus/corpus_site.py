"""Serves the corpus on a free port, each page with the snippet as the first script of its head, and keeps what it gets.

Each visit has a site key of its own, so that many visits can go on beside each other and none sees another's batches.
"""

import gzip
import hashlib
import itertools
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from .arrivals import Arrivals
from .snippet_build import PACKAGES, build_snippet

SIGNALS, CONSENT_FIRST, HASH_ROUTES = 1, 2, 4
"""Flags of a site, as the server puts them into the script."""
_HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
# The web components name their parts by package. The browser finds the packages where they lie.
_IMPORT_MAP = (
    '<script type="importmap">'
    + json.dumps(
        {"imports": {f"{name}/": f"/pages/{name}/" for name in ("@polymer", "@webcomponents", "marked", "prismjs")}}
    )
    + "</script>"
)
# UIkit's pages name a script that only its repository has; it loads the library in one of its styles.
_UIKIT_START = """document.write('<link rel="stylesheet" href="../dist/css/uikit.css">' +
'<script src="../dist/js/uikit.js"></' + 'script><script src="../dist/js/uikit-icons.js"></' + 'script>');"""


@dataclass(slots=True)
class CorpusSite:
    """A running server; `url` has no trailing slash."""

    url: str = ""
    visits: dict[str, Arrivals] = field(default_factory=dict)
    flags: dict[str, int] = field(default_factory=dict)
    numbers: itertools.count = field(default_factory=itertools.count)

    def open_visit(self, flags: int = SIGNALS) -> tuple[str, Arrivals]:
        """Return a new site key and what will come in under it."""
        key = f"corpus_{next(self.numbers):04d}"
        self.visits[key] = Arrivals()
        self.flags[key] = flags
        return key, self.visits[key]

    def address(self, path: str, key: str = "") -> str:
        """Return where a page of a package stands; without a key it carries no snippet."""
        bare, mark, fragment = path.partition("#")
        return f"{self.url}/pages/{bare}" + (f"?visit={key}" if key else "") + mark + fragment


@asynccontextmanager
async def corpus_site() -> AsyncIterator[CorpusSite]:
    """Serve every package of js/node_modules below /pages/."""
    site = CorpusSite()
    snippet = (build_snippet() / "snippet.js").read_text()
    app = web.Application()

    async def collect(request: web.Request) -> web.Response:
        body = await request.read()
        text = gzip.decompress(body) if request.query.get("e") == "gzip" else body
        arrivals = site.visits[_site_key(text)]
        await arrivals.take(text)
        return web.Response(status=204, headers={"X-Jalki-Want": "layout"} if arrivals.wants_layout else {})

    async def serve_snippet(request: web.Request) -> web.Response:
        key = request.match_info["key"]
        text = snippet.replace("__JALKI_KEY__", key).replace("__JALKI_SITE__", str(site.flags[key]))
        return web.Response(text=text, content_type="text/javascript")

    app.add_routes(
        [
            web.post("/v1/events", collect),
            web.get("/s/{key}.js", serve_snippet),
            web.get("/s/m/{name}.{hash}.js", _serve_module),
            web.get("/favicon.ico", _serve_no_icon),
            web.get("/pages/uikit/tests/js/test.js", _serve_uikit_start),
            web.get("/pages/{path:.*\\.html}", _serve_page),
            web.static("/pages", PACKAGES),
        ]
    )
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield site
    finally:
        await runner.cleanup()


def _site_key(text: bytes) -> str:
    found = re.search(rb'"k":"(corpus_\d{4})"', text)
    assert found is not None, text
    return found[1].decode()


async def _serve_module(request: web.Request) -> web.StreamResponse:
    file = build_snippet() / "modules" / f"{request.match_info['name']}.js"
    if not file.exists():
        return web.Response(status=404)
    content = file.read_bytes()
    assert hashlib.sha256(content).hexdigest()[:8] == request.match_info["hash"]
    return web.Response(body=content, content_type="text/javascript", headers={"Access-Control-Allow-Origin": "*"})


async def _serve_no_icon(_request: web.Request) -> web.Response:
    return web.Response(status=204)


async def _serve_uikit_start(request: web.Request) -> web.Response:
    return web.Response(text=_UIKIT_START, content_type="text/javascript")


async def _serve_page(request: web.Request) -> web.StreamResponse:
    file = PACKAGES / request.match_info["path"]
    if not file.is_file():
        return web.Response(status=404)
    key = request.query.get("visit")
    script = f'<script async src="/s/{key}.js"></script>' if key else ""
    extra = _IMPORT_MAP if "/@polymer/" in request.path else ""
    text = _HEAD.sub(lambda head: head[0] + script + extra, file.read_text(encoding="utf-8"), count=1)
    return web.Response(text=text, content_type="text/html")
