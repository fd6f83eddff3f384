"""Two local servers: one has the page, the other answers as every script's own collector would, and counts.

They differ in their port, so that each script talks to another origin, as it does in life: who needs a preflight, asks.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

MAX_BODY_BYTES = 64 << 20
BLANK = "/blank.js"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a collector answers to a path."""

    status: int = 200
    body: str = ""
    content_type: str = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One request that came: bytes of the body as sent, or of the script that was served, before compression."""

    method: str
    path: str
    body: bytes
    is_script: bool


@dataclass(slots=True)
class Stub:
    """Both servers while they run; `scripts` and `replies` belong to who is measured.

    Both go by path. `*/NAME` is a script wherever it is asked for; a reply's `*` at the end stands for any rest.
    """

    page_html: str
    page_url: str = ""
    collector_url: str = ""
    scripts: Mapping[str, str] = field(default_factory=dict)
    replies: Mapping[str, Reply] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by each request that comes."""

    def clear(self, scripts: Mapping[str, str], replies: Mapping[str, Reply]) -> None:
        """Forget what came, and serve another's scripts and replies."""
        self.scripts, self.replies = {BLANK: "", **scripts}, replies
        self.calls.clear()
        self.unexpected.clear()


@asynccontextmanager
async def run_stub(page_html: str) -> AsyncIterator[Stub]:
    """Serve `page_html` and the collectors on free ports of the loopback interface."""
    stub = Stub(page_html)

    async def serve_page(request: web.Request) -> web.Response:
        text = stub.page_html if request.path == "/" else "<!doctype html><title>Left</title>"
        return web.Response(text=text, content_type="text/html", status=200 if request.path in ("/", "/left") else 404)

    async def collect(request: web.Request) -> web.Response:
        return await _collect(stub, request)

    runners = [await _start(serve_page), await _start(collect)]
    stub.page_url, stub.collector_url = (f"http://127.0.0.1:{runner.addresses[0][1]}" for runner in runners)
    try:
        yield stub
    finally:
        for runner in runners:
            await runner.cleanup()


async def _start(handler: object) -> web.AppRunner:
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_route("*", "/{path:.*}", handler)  # type: ignore[arg-type]
    runner = web.AppRunner(app, shutdown_timeout=1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


async def _collect(stub: Stub, request: web.Request) -> web.Response:
    stub.heard.set()
    body = await request.read()
    script = stub.scripts.get(request.path, stub.scripts.get(f"*/{request.path.rpartition('/')[2]}"))
    stub.calls.append(Call(request.method, request.path_qs, body, script is not None))
    cors = {
        "Access-Control-Allow-Origin": request.headers.get("Origin", "*"),
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
        "Access-Control-Allow-Headers": request.headers.get("Access-Control-Request-Headers", "*"),
        "Access-Control-Expose-Headers": "X-Jalki-Want, Retry-After",
    }
    if request.method == "OPTIONS":
        return web.Response(status=204, headers=cors)
    if script is not None:
        return web.Response(text=script, content_type="text/javascript", headers=cors)
    reply = _find_reply(stub, request.path)
    return web.Response(
        status=reply.status,
        body=reply.body.encode() if reply.body else None,
        content_type=reply.content_type if reply.body else None,
        headers={**cors, **reply.headers},
    )


def _find_reply(stub: Stub, path: str) -> Reply:
    reply = stub.replies.get(path)
    if reply is not None:
        return reply
    for pattern, other in stub.replies.items():
        if pattern.endswith("*") and path.startswith(pattern[:-1]):
            return other
    stub.unexpected.append(path)
    return Reply(404)
