"""A site full of secrets, and a tap that keeps every byte on its way to a real collector."""

import gzip
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from .arrivals import Arrivals
from .secrets_sought import SECRETS
from .snippet_build import build_snippet

PAGE = Path(__file__).parent / "canary.html"
LOGIN = '<!doctype html><html><head>@@script@@</head><body><a id="in" href="%s">In</a></body></html>'
HOP_BY_HOP = {"host", "content-length", "transfer-encoding", "connection"}


@dataclass(slots=True)
class Tap:
    """What passed, byte by byte: heads and bodies, packed ones unpacked as well."""

    url: str = ""
    passed: list[bytes] = field(default_factory=list)
    arrivals: Arrivals = field(default_factory=Arrivals)
    refusals: list[str] = field(default_factory=list)


@asynccontextmanager
async def tapping(collector_url: str, key: str, site_flags: int) -> AsyncIterator[Tap]:
    """Stand between browser and collector; the scripts are this tree's own."""
    tap = Tap()
    snippet = (build_snippet() / "snippet.js").read_text()

    async def pass_on(request: web.Request) -> web.Response:
        body = await request.read()
        tap.passed += [_head(request), body]
        if request.query.get("e") == "gzip":
            body_read = gzip.decompress(body)
            tap.passed.append(body_read)
        else:
            body_read = body
        headers = {name: text for name, text in request.headers.items() if name.lower() not in HOP_BY_HOP}
        async with client.post(collector_url + request.path_qs, data=body, headers=headers) as answer:
            said = await answer.read()
            if answer.status >= 400:
                tap.refusals.append(f"{answer.status} {dict(answer.headers)} {said!r}")
            if request.query.get("d") != "1":
                await tap.arrivals.take(body_read)
            kept = {name: text for name, text in answer.headers.items() if name.lower() not in HOP_BY_HOP}
            return web.Response(status=answer.status, body=said, headers=kept)

    async def serve_script(request: web.Request) -> web.Response:
        tap.passed.append(_head(request))
        name = request.match_info.get("name")
        text = (build_snippet() / "modules" / f"{name}.js").read_text() if name else snippet
        text = text.replace("__JALKI_KEY__", key).replace("__JALKI_SITE__", str(site_flags))
        headers = {"Access-Control-Allow-Origin": "*"}
        return web.Response(text=text, content_type="text/javascript", headers=headers)

    app = web.Application()
    app.add_routes(
        [
            web.post("/v1/events", pass_on),
            web.get("/s/m/{name}.{hash}.js", serve_script),
            web.get("/s/{key}.js", serve_script),
        ]
    )
    async with (
        aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=("Content-Type",)) as client,
        _serving(app) as port,
    ):
        tap.url = f"http://127.0.0.1:{port}"
        yield tap


@asynccontextmanager
async def secret_site(script_url: str, link: str) -> AsyncIterator[str]:
    """Serve the pages and yield their origin, which is another host's than the collector's."""
    script = f'<script async src="{script_url}"></script>'

    async def serve(request: web.Request) -> web.Response:
        text = {"/account": PAGE.read_text(), "/login": LOGIN % link}.get(request.path)
        if text is None:
            return web.Response(status=404)
        return web.Response(text=fill(text, {**SECRETS, "script": script}), content_type="text/html")

    app = web.Application()
    app.add_routes([web.get("/{path:.*}", serve)])
    async with _serving(app) as port:
        yield f"http://localhost:{port}"


def fill(text: str, words: Mapping[str, str]) -> str:
    """Put words into their places in a text."""
    for name, word in words.items():
        text = text.replace(f"@@{name}@@", word)
    return text


def _head(request: web.Request) -> bytes:
    lines = [f"{request.method} {request.raw_path}".encode()]
    return b"\r\n".join([*lines, *(name + b": " + text for name, text in request.raw_headers)])


@asynccontextmanager
async def _serving(app: web.Application) -> AsyncIterator[int]:
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
