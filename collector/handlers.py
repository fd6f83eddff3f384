"""HTTP around the intake: reads requests, writes answers, decides nothing."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec
from aiohttp import web
from aiohttp.web_exceptions import HTTPException

from collector.admission import Network, client_address
from collector.bodies import is_debug, judge_type, read_encoding, read_key, unpack
from collector.errors import StorageError
from collector.intake import Accepted, Intake, Sender
from collector.metrics import Metrics
from collector.scripts import Form, Script, choose_coding, has_tag
from collector.settings import Settings
from collector.sites import Site, SiteDirectory
from collector.snippet import UNKNOWN_MODULE, UNKNOWN_SITE, UNKNOWN_VERSION, Filling, ModuleShelf, ScriptShelf
from collector.wire import Drop, DropReason

BODY_TIMEOUT_S = 27
"""Longest time a body may take to arrive, 2 s before its connection is closed; its sender keeps it until it is
answered."""
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "X-Jalki-Want, X-Jalki-Drop, Retry-After",
}
_DEBUG = {
    "X-Jalki-Debug": "1",
    "Access-Control-Expose-Headers": f"{CORS['Access-Control-Expose-Headers']}, X-Jalki-Debug",
}
"""Headers of the answer to a batch that was judged and not stored."""
_PREFLIGHT = {
    **CORS,
    "Access-Control-Allow-Methods": "POST, OPTIONS",
    "Access-Control-Allow-Headers": "Content-Type, Content-Encoding",
    "Access-Control-Max-Age": "86400",
}
_SCRIPT = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}
_SCRIPT_TYPE = "text/javascript"
_FRESH = "public, max-age=300, stale-while-revalidate=86400"
_SOON = "public, max-age=60"
_FOREVER = "public, max-age=31536000, immutable"


class DropBody(msgspec.Struct):
    """What a refusal says, as JSON."""

    error: str
    hint: str


_Read: TypeAlias = tuple[bytes, Sender, str | None]


@dataclass(frozen=True, slots=True)
class Handlers:
    """The collector's routes for pages: batches and scripts."""

    settings: Settings
    proxies: tuple[Network, ...]
    intake: Intake
    sites: SiteDirectory
    scripts: ScriptShelf
    modules: ModuleShelf
    metrics: Metrics
    _building: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def collect(self, request: web.Request) -> web.Response:
        """POST /v1/events, or /v1/events/{key}: one batch; 204 once it is stored, with `?d=1` if it would be."""
        if is_debug(request.query_string):
            return await self._try_out(request)
        body = await self._read(request)
        result = body if isinstance(body, Drop) else await self.intake.accept(*body)
        return self._refuse(result) if isinstance(result, Drop) else _acknowledge(result)

    async def preflight(self, _request: web.Request) -> web.Response:
        """OPTIONS /v1/events: any page may post a batch; the site's origins are judged with the batch."""
        return web.Response(status=204, headers=_PREFLIGHT)

    async def refuse_method(self, _request: web.Request) -> web.Response:
        """Any other method at /v1/events: 405, which says what belongs there."""
        body = DropBody("method_not_allowed", "POST a batch here, see js/README.md for the wire format")
        return _json(body, 405, {**CORS, "Allow": "POST, OPTIONS"})

    async def refuse_address(self, _request: web.Request) -> web.Response:
        """Anything else below /v1/: 404."""
        return _json(DropBody("not_found", "batches are posted to /v1/events"), 404, CORS)

    async def serve_script(self, request: web.Request) -> web.Response:
        """GET /s/{key}.js: the present snippet with the site's key in it, fresh within minutes."""
        site = await self._find_site(request.match_info["key"])
        if not isinstance(site, Site):
            return site
        version = self.scripts.present(site.filling.settings)
        return _send_script(request, await self._script_of(site.filling, version), _FRESH)

    async def serve_pinned(self, request: web.Request) -> web.Response:
        """GET /s/{key}.{version}.js: that build with those settings and no other, for ever."""
        site = await self._find_site(request.match_info["key"])
        if not isinstance(site, Site):
            return site
        version = request.match_info["version"]
        if not self.scripts.is_known(site.filling.settings, version):
            return _send_warning(UNKNOWN_VERSION)
        return _send_script(request, await self._script_of(site.filling, version), _FOREVER)

    async def serve_module(self, request: web.Request) -> web.Response:
        """GET /s/m/{name}.{hash}.js: a part of the snippet that is loaded later, the same for all sites, for ever."""
        address = request.match_info["address"]
        if not self.modules.is_known(address):
            return _send_warning(UNKNOWN_MODULE)
        shelf = self.modules
        script = await self._obtain(lambda: shelf.find(address), lambda: shelf.build(address))
        return _send_script(request, script, _FOREVER)

    async def _try_out(self, request: web.Request) -> web.Response:
        """Answer as if the batch were stored; neither it nor its refusal is counted."""
        body = await self._read(request)
        drop = body if isinstance(body, Drop) else await self.intake.judge(*body)
        response = web.Response(status=204, headers=CORS) if drop is None else _tell(drop)
        response.headers.update(_DEBUG)
        return response

    async def _read(self, request: web.Request) -> _Read | Drop:
        """Return a body with its sender and the key of its address, or why it is not read."""
        headers = request.headers
        key = read_key(request.path)
        encoding = read_encoding(headers.getall("Content-Encoding", []), request.query_string)
        if isinstance(key, Drop):
            return key
        if isinstance(encoding, Drop):
            return encoding
        sender = self._sender(request)
        drop = judge_type(headers.get("Content-Type")) or self.intake.admit_address(sender.address)
        drop = drop or (Drop(DropReason.OVERLOADED) if self.intake.is_full else None)
        drop = drop or await self._admit_key(key, sender)
        packed = drop or await _read_body(request, self.settings.body_max_bytes)
        body = packed if isinstance(packed, Drop) else unpack(packed, encoding, self.settings.body_max_bytes)
        return body if isinstance(body, Drop) else (body, sender, key)

    async def _admit_key(self, key: str | None, sender: Sender) -> Drop | None:
        return None if key is None else await self.intake.admit_key(key, sender)

    def _sender(self, request: web.Request) -> Sender:
        headers = request.headers
        hops, forwarded = headers.getall("X-Forwarded-For", []), headers.getall("Forwarded", [])
        address = client_address(request.remote or "", hops, self.proxies, forwarded)
        return Sender(headers.get("Origin"), address, headers.get("User-Agent", ""))

    def _refuse(self, drop: Drop) -> web.Response:
        self.metrics.count_drop(drop.reason)
        return _tell(drop)

    async def _find_site(self, key: str) -> Site | web.Response:
        try:
            site = await self.sites.find(key)
        except StorageError:
            return _tell(Drop(DropReason.UNAVAILABLE))
        return site or _send_warning(UNKNOWN_SITE)

    async def _script_of(self, filling: Filling, version: str) -> Script:
        shelf = self.scripts
        return await self._obtain(lambda: shelf.find(filling, version), lambda: shelf.build(filling, version))

    async def _obtain(self, find: Callable[[], Script | None], build: Callable[[], Script]) -> Script:
        """Return a script; a new one is compressed in a thread, one at a time."""
        if script := find():
            return script
        async with self._building:
            script = find()
            return script if script is not None else await asyncio.to_thread(build)


def _send_script(request: web.Request, script: Script, caching: str) -> web.Response:
    coding = choose_coding(",".join(request.headers.getall("Accept-Encoding", [])))
    form: Form = script.forms[coding]
    headers = {**_SCRIPT, "Cache-Control": caching, "ETag": form.etag}
    if has_tag(",".join(request.headers.getall("If-None-Match", [])), form.etag):
        return web.Response(status=304, headers=headers)
    if coding != "identity":
        headers["Content-Encoding"] = coding
    return web.Response(body=form.body, content_type=_SCRIPT_TYPE, charset="utf-8", headers=headers)


def _send_warning(script: bytes) -> web.Response:
    headers = {**_SCRIPT, "Cache-Control": _SOON}
    return web.Response(status=404, body=script, content_type=_SCRIPT_TYPE, charset="utf-8", headers=headers)


async def _read_body(request: web.Request, max_bytes: int) -> bytes | Drop:
    """Return the body, at most `max_bytes` of which are ever held."""
    if (request.content_length or 0) > max_bytes:
        return Drop(DropReason.TOO_LARGE)
    chunks = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while chunk := await request.content.readany():
                chunks += chunk
                if len(chunks) > max_bytes:
                    return Drop(DropReason.TOO_LARGE)
    except TimeoutError:
        return Drop(DropReason.TOO_SLOW)
    # The last is what aiohttp's stream says where the sender has hung up.
    except (HTTPException, web.RequestPayloadError, ConnectionError, RuntimeError):
        return Drop(DropReason.MALFORMED, "the body ends early")
    return bytes(chunks)


def _acknowledge(accepted: Accepted) -> web.Response:
    return web.Response(status=204, headers={**CORS, "X-Jalki-Want": "layout"} if accepted.wants_layout else CORS)


def _tell(drop: Drop) -> web.Response:
    headers = {**CORS, "X-Jalki-Drop": drop.reason.value}
    if drop.reason.is_temporary:
        headers["Retry-After"] = str(drop.retry_after_s)
    return _json(DropBody(drop.reason.value, drop.hint), drop.reason.status, headers)


def _json(body: msgspec.Struct, status: int, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json", headers=headers)
