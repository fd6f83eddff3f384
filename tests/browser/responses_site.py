"""Pages that carry `responses.ts` and `traits.ts` alone, and keep in `facts` and `clicks` what these say."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache, partial
from pathlib import Path
from shutil import which

import pytest
from aiohttp import web

JS = Path(__file__).resolve().parents[2] / "js"
_TIMEOUT_S = 60
_SLOW_S = 1.5
_ENTRY = """
import { INTERACTIVE, pressedElement } from './element';
import { listen } from './guard';
import { observeResponses } from './responses';
import { traitsOf } from './traits';

const facts = [];
const clicks = [];
Object.assign(window, { facts, clicks });
const watchClick = observeResponses((kind, element, ms, _extra, text, atMs) =>
  facts.push({ kind, id: element.id, ms, atMs: Math.round(atMs), text }),
);
listen('click', (event) => {
  const element = pressedElement(event.composedPath()[0]);
  const atMs = performance.now();
  const isPressable = element.matches(INTERACTIVE) || getComputedStyle(element).cursor === 'pointer';
  const kind = (isPressable ? 16 : 0) + traitsOf(element, event);
  clicks.push({ id: element.id, x: event.pageX, y: event.pageY, atMs: Math.round(atMs), kind });
  watchClick(element, [event.pageX, event.pageY, 0, 0, 0, 0], atMs);
});
"""
_BUILD = """
import { build } from 'esbuild';
const { outputFiles } = await build({
  stdin: { contents: process.argv[1], resolveDir: 'src', loader: 'js' },
  bundle: true, format: 'iife', target: 'es2021', write: false,
});
process.stdout.write(outputFiles[0].text);
"""


@cache
def bundle_observers() -> str:
    """Return the script of the pages."""
    node = which("node")
    if node is None or not (JS / "node_modules" / "esbuild").exists():
        pytest.skip("needs Node.js and `npm ci` in js/")
    command = [node, "--input-type=module", "-e", _BUILD, "--", _ENTRY]
    return subprocess.run(command, cwd=JS, check=True, timeout=_TIMEOUT_S, capture_output=True, text=True).stdout


@asynccontextmanager
async def responses_site(pages: Mapping[str, str]) -> AsyncIterator[str]:
    """Serve `pages` by path, a `/slow` answer, and `/stay`, which no browser leaves its page for; yield the address."""
    app = web.Application()
    routes = [("/slow", _answer_slowly), ("/stay", _answer_nothing), ("/{path:.*}", partial(_serve, pages))]
    app.add_routes([web.get(path, answer) for path, answer in routes])
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _answer_slowly(_request: web.Request) -> web.Response:
    await asyncio.sleep(_SLOW_S)
    return web.Response(text="done")


async def _answer_nothing(_request: web.Request) -> web.Response:
    return web.Response(status=204)


async def _serve(pages: Mapping[str, str], request: web.Request) -> web.Response:
    html = pages.get(request.path)
    return web.Response(text=html, content_type="text/html") if html else web.Response(status=404)
