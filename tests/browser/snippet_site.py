"""A small website that carries the built snippet, and a collector that keeps every body it was sent.

Each body is checked against the wire format's schema as it arrives. Waiting is for a condition over the batches, never
for time.
"""

import asyncio
import atexit
import gzip
import json
import os
import shutil
import signal
import subprocess
import tempfile
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from aiohttp import web
from find_browser import find_browser
from playwright.async_api import Browser, BrowserContext, Page

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "collector" / "dist"
SNIPPET = BUILT / "snippet.js"
SITE_KEY = "demoKey_01"
SCRIPT = f'<script async src="/s/{SITE_KEY}.js"></script>'
TIMEOUT_S = 60

Batch = dict[str, Any]
_SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "tests" / "contract" / "wire-v1.schema.json").read_text()))


@dataclass
class SnippetSite:
    """A running site: its pages by path, what its collector got, and what it answers."""

    pages: Mapping[str, str]
    url: str = ""
    batches: list[Batch] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Answers to the next batches, (status, headers); 0 closes the connection without one. Then 204."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers of every page."""
    requested: list[str] = field(default_factory=list)
    """Path of every page asked for."""
    settings: str = "0"
    """Settings of the site, as they stand in the script: flags, and parameters of the query."""
    modules: list[str] = field(default_factory=list)
    """Every module that was asked for, by its name without the hash."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def wait_for(self, condition: Callable[["SnippetSite"], object]) -> Any:
        """Return what `condition` returns as soon as that is something."""
        async with self.changed, asyncio.timeout(TIMEOUT_S):
            while not (result := condition(self)):
                await self.changed.wait()
        assert not self.faults, self.faults
        return result

    def views(self) -> dict[str, Batch]:
        """Return the newest report of each view by view id, in the order the views were first heard of."""
        newest: dict[str, Batch] = {}
        for batch in self.batches:
            view = batch["w"]
            if view["i"] not in newest or newest[view["i"]]["w"]["q"] < view["q"]:
                newest[view["i"]] = batch
        return newest

    def paths(self) -> list[tuple[str, int]]:
        """Return (path, how it began) of each view."""
        return [(batch["w"]["p"], batch["w"]["n"]) for batch in self.views().values()]

    def clicks(self) -> list[dict[str, Any]]:
        """Return every click once, by batch id, with its key and its geometry in full."""
        seen: dict[str, Batch] = {batch["b"]: batch for batch in self.batches}
        return [click for batch in seen.values() for click in clicks_of(batch)]

    def rows(self, part: str) -> list[dict[str, Any]]:
        """Return every move (`m`) or signal (`f`) once, with its key and its view's id."""
        seen: dict[str, Batch] = {batch["b"]: batch for batch in self.batches}
        return [{**row, "view": batch["w"]["i"]} for batch in seen.values() for row in rows_of(batch, part)]

    def sections(self) -> dict[str, tuple[int, int]]:
        """Return the highest (time in view, flags) of each section key."""
        found: dict[str, tuple[int, int]] = {}
        for batch in self.batches:
            for index, ms, flags in batch.get("s", []):
                key = key_of(batch, index)
                before = found.get(key, (0, 0))
                found[key] = (max(ms, before[0]), flags | before[1])
        return found


def key_of(batch: Batch, index: int) -> str:
    """Return the key text of a dictionary entry."""
    entry = batch["d"][index]
    if isinstance(entry, str):
        return entry
    parent, step = entry
    assert parent < index
    return step if parent < 0 else f"{key_of(batch, parent)}>{step}"


def clicks_of(batch: Batch) -> list[dict[str, Any]]:
    """Return the clicks of a batch as rows."""
    return [{**row, "geometry": batch["g"][row["g"]]} for row in rows_of(batch, "c")]


def rows_of(batch: Batch, part: str) -> list[dict[str, Any]]:
    """Return clicks (`c`), moves (`m`) or signals (`f`) of a batch as rows, each with its key; None: it has none."""
    columns = batch.get(part)
    if not columns:
        return []
    assert len({len(column) for column in columns.values()}) == 1
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return [{**row, "key": key_of(batch, row["e"]) if row["e"] >= 0 else None} for row in rows]


@asynccontextmanager
async def snippet_site(pages: Mapping[str, str], **options: Any) -> AsyncIterator[SnippetSite]:
    """Serve `pages` on a free port of the loopback interface."""
    built_folder()
    site = SnippetSite(pages, **options)
    app = web.Application()
    app.add_routes(
        [
            web.post("/v1/events", partial(_collect, site)),
            web.get("/s/m/{name}.{hash}.js", partial(_serve_module, site)),
            web.get("/s/{key}.js", partial(_serve_snippet, site)),
            web.get("/{path:.*}", partial(_serve_page, site)),
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


@asynccontextmanager
async def fresh_page(browser: Browser, **options: Any) -> AsyncIterator[Page]:
    """Open a page in a profile of its own; a page error fails the test."""
    context: BrowserContext = await browser.new_context(**{"viewport": {"width": 1200, "height": 800}, **options})
    errors: list[str] = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    try:
        yield await context.new_page()
    finally:
        await context.close()
    assert errors == []


@asynccontextmanager
async def undriven_browser(url: str) -> AsyncIterator[None]:
    """Open `url` in a Chromium that nobody drives: driving one switches its back/forward cache and prerendering off."""
    path = find_browser()
    if path is None:
        pytest.skip("no Chromium")
    with tempfile.TemporaryDirectory(prefix="jalki-test-", ignore_cleanup_errors=True) as profile:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
        process = await asyncio.create_subprocess_exec(
            path, *flags, f"--user-data-dir={profile}", url, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _collect(site: SnippetSite, request: web.Request) -> web.Response:
    body = await request.read()
    is_packed = "e=gzip" in request.query_string
    text = (gzip.decompress(body) if is_packed else body).decode()
    batch = json.loads(text)
    site.faults.extend(f"{error.json_path}: {error.message}" for error in _SCHEMA.iter_errors(batch))
    content_type = request.headers.get("Content-Type", "").partition(";")[0]
    if content_type != ("" if is_packed else "text/plain"):
        site.faults.append(f"content type {content_type}")
    if len(text.encode()) > 65_536:
        site.faults.append(f"body of {len(text.encode())} bytes")
    status, headers = site.answers.pop(0) if site.answers else (204, {})
    async with site.changed:
        site.batches.append({**batch, "answered": status})
        site.changed.notify_all()
    if status == 0:
        assert request.transport is not None
        request.transport.close()
    return web.Response(status=status or 500, headers=headers)


async def _serve_snippet(site: SnippetSite, request: web.Request) -> web.Response:
    text = _built("snippet.js").replace("__JALKI_KEY__", request.match_info["key"])
    return web.Response(text=text.replace("__JALKI_SITE__", site.settings), content_type="text/javascript")


async def _serve_module(site: SnippetSite, request: web.Request) -> web.Response:
    name = request.match_info["name"]
    site.modules.append(name)
    return web.Response(text=_built(f"modules/{name}.js"), content_type="text/javascript")


@lru_cache
def _built(name: str) -> str:
    """Return a script as its sources make it: built once, as what is committed is compared with that elsewhere."""
    return (built_folder() / name).read_text()


@lru_cache
def built_folder() -> Path:
    """Return the folder of the scripts, built from their sources at the first call."""
    node = shutil.which("node")
    if node is None or not (ROOT / "js" / "node_modules" / "esbuild").exists():
        return BUILT
    folder = Path(tempfile.mkdtemp(prefix="jalki-built-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    subprocess.run([node, "build.mjs", str(folder)], cwd=ROOT / "js", check=False, timeout=60, capture_output=True)
    return folder


async def _serve_page(site: SnippetSite, request: web.Request) -> web.Response:
    async with site.changed:
        site.requested.append(request.path)
        site.changed.notify_all()
    html = site.pages.get(request.path)
    if html is None:
        return web.Response(status=404)
    return web.Response(text=f"<!doctype html>{html}", content_type="text/html", headers=site.headers)
