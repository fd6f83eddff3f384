"""HTTP around the intake: reads requests, writes answers, decides nothing."""

import asyncio
from dataclasses import dataclass

import msgspec
from aiohttp import web
from aiohttp.web_exceptions import HTTPException

from collector.admission import Network, client_address
from collector.db import Pool
from collector.errors import StorageError
from collector.intake import Accepted, Intake, Sender
from collector.settings import Settings
from collector.sites import POSTGRES_ERRORS, SiteDirectory
from collector.snippet import UNKNOWN_SITE, ScriptShelf
from collector.wire import Drop, DropReason

_BODY_TIMEOUT_S = 20
"""Longest time a body may take to arrive; a batch is at most 64 KiB, and its sender keeps it until it is answered."""
_READY_TIMEOUT_S = 2
_TYPES = {"text/plain", "application/json"}
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "X-Jalki-Want, X-Jalki-Drop, Retry-After",
}
_PREFLIGHT = {
    **_CORS,
    "Access-Control-Allow-Methods": "POST, OPTIONS",
    "Access-Control-Allow-Headers": "Content-Type",
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


class _DropBody(msgspec.Struct):
    error: str
    hint: str


class _HealthBody(msgspec.Struct):
    status: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Handlers:
    """The collector's routes."""

    settings: Settings
    proxies: tuple[Network, ...]
    pool: Pool
    intake: Intake
    sites: SiteDirectory
    scripts: ScriptShelf

    async def collect(self, request: web.Request) -> web.Response:
        """POST /v1/events: one batch; 204 once it is committed."""
        sender = self._sender(request)
        drop = _judge_headers(request) or self.intake.admit_address(sender.address)
        body = drop or await _read_body(request, self.settings.body_max_bytes)
        result = body if isinstance(body, Drop) else await self.intake.accept(body, sender)
        return _refuse(result) if isinstance(result, Drop) else _acknowledge(result)

    async def preflight(self, _request: web.Request) -> web.Response:
        """OPTIONS /v1/events: any page may post a batch; the site's origins are judged with the batch."""
        return web.Response(status=204, headers=_PREFLIGHT)

    async def refuse_method(self, _request: web.Request) -> web.Response:
        """Any other method at /v1/events: 405, which says what belongs there."""
        body = _DropBody("method_not_allowed", "POST a batch here, see js/README.md for the wire format")
        return _json(body, 405, {**_CORS, "Allow": "POST, OPTIONS"})

    async def refuse_address(self, _request: web.Request) -> web.Response:
        """Anything else below /v1/: 404."""
        return _json(_DropBody("not_found", "batches are posted to /v1/events"), 404, _CORS)

    async def serve_script(self, request: web.Request) -> web.Response:
        """GET /s/{key}.js: the snippet with the site's key in it."""
        try:
            site = await self.sites.find(request.match_info["key"])
        except StorageError:
            return _refuse(Drop(DropReason.UNAVAILABLE))
        if site is None:
            headers = {**_SCRIPT, "Cache-Control": _SOON}
            return web.Response(status=404, body=UNKNOWN_SITE.body, content_type=_SCRIPT_TYPE, headers=headers)
        script = self.scripts.script_of(site.key)
        is_gzipped = "gzip" in request.headers.get("Accept-Encoding", "").lower()
        etag = script.gzipped_etag if is_gzipped else script.etag
        headers = {**_SCRIPT, "Cache-Control": _FRESH, "ETag": etag}
        if etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        if is_gzipped:
            headers["Content-Encoding"] = "gzip"
        body = script.gzipped if is_gzipped else script.body
        return web.Response(body=body, content_type=_SCRIPT_TYPE, charset="utf-8", headers=headers)

    async def tell_health(self, _request: web.Request) -> web.Response:
        """GET /healthz: the process answers."""
        return _json(_HealthBody("ok"), 200)

    async def tell_readiness(self, _request: web.Request) -> web.Response:
        """GET /readyz: Postgres answers too."""
        try:
            async with asyncio.timeout(_READY_TIMEOUT_S), self.pool.acquire() as conn:
                await conn.execute("-- handlers.tell_readiness\nselect 1")
        except POSTGRES_ERRORS:
            return _json(_HealthBody("unavailable", "Postgres does not answer; `jalki doctor` says why"), 503)
        return _json(_HealthBody("ok"), 200)

    def _sender(self, request: web.Request) -> Sender:
        headers = request.headers
        address = client_address(request.remote or "", headers.getall("X-Forwarded-For", []), self.proxies)
        return Sender(headers.get("Origin"), address, headers.get("User-Agent", ""))


def _judge_headers(request: web.Request) -> Drop | None:
    if any(value.strip().lower() != "identity" for value in request.headers.getall("Content-Encoding", [])):
        return Drop(DropReason.UNSUPPORTED_ENCODING)
    if "Content-Type" in request.headers and request.content_type not in _TYPES:
        return Drop(DropReason.UNSUPPORTED_TYPE)
    return None


async def _read_body(request: web.Request, max_bytes: int) -> bytes | Drop:
    """Return the body, at most `max_bytes` of which are ever held."""
    if (request.content_length or 0) > max_bytes:
        return Drop(DropReason.TOO_LARGE)
    chunks = bytearray()
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            while chunk := await request.content.readany():
                chunks += chunk
                if len(chunks) > max_bytes:
                    return Drop(DropReason.TOO_LARGE)
    except TimeoutError:
        return Drop(DropReason.TOO_SLOW)
    except (HTTPException, web.RequestPayloadError):
        return Drop(DropReason.MALFORMED, "the body ends early")
    return bytes(chunks)


def _acknowledge(accepted: Accepted) -> web.Response:
    return web.Response(status=204, headers={**_CORS, "X-Jalki-Want": "layout"} if accepted.wants_layout else _CORS)


def _refuse(drop: Drop) -> web.Response:
    headers = {**_CORS, "X-Jalki-Drop": drop.reason.value}
    if drop.reason.is_temporary:
        headers["Retry-After"] = str(drop.retry_after_s)
    return _json(_DropBody(drop.reason.value, drop.hint), drop.reason.status, headers)


def _json(body: msgspec.Struct, status: int, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json", headers=headers)
