"""What operators and their machines ask: does the process answer, would it store, what has it counted."""

import asyncio
from dataclasses import dataclass

import msgspec
from aiohttp import web

from collector.admission import may_read_metrics
from collector.db import POSTGRES_ERRORS, Pool
from collector.metrics import CONTENT_TYPE, Metrics
from collector.settings import Settings

_READY_TIMEOUT_S = 2


class _Status(msgspec.Struct, omit_defaults=True):
    status: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Probes:
    """The collector's routes for operators."""

    settings: Settings
    pool: Pool
    metrics: Metrics

    async def tell_health(self, _request: web.Request) -> web.Response:
        """GET /healthz: the process answers."""
        return _answer(_Status("ok"), 200)

    async def tell_readiness(self, _request: web.Request) -> web.Response:
        """GET /readyz: 200 where a batch that comes now would be stored, in Postgres or in the spool; else 503."""
        gauges = self.metrics.gauges()
        if gauges.state == "refusing":
            hint = "too many batches wait, or the spool is full; `jalki doctor` says more"
            return _answer(_Status("refusing", hint), 503)
        is_answered = await self._asks_postgres()
        if is_answered and gauges.state == "storing":
            return _answer(_Status("ok"), 200)
        if gauges.has_spool:
            return _answer(_Status("spooling", "batches are kept on disk until Postgres takes them"), 200)
        return _answer(_Status("unavailable", "Postgres does not answer; `jalki doctor` says why"), 503)

    async def tell_metrics(self, request: web.Request) -> web.Response:
        """GET /metrics: the figures of all processes, for those who may read them."""
        token = self.settings.metrics_token
        authorization = request.headers.get("Authorization", "")
        if may_read_metrics(token, authorization, request.remote or "", request.headers):
            headers = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
            return web.Response(body=self.metrics.render(), headers=headers)
        if token:
            hint = "send JALKI_METRICS_TOKEN as `Authorization: Bearer`"
            return _answer(_Status("unauthorized", hint), 401, {"WWW-Authenticate": "Bearer"})
        hint = "without JALKI_METRICS_TOKEN only programs on this machine may read the metrics, and not through a proxy"
        return _answer(_Status("forbidden", hint), 403)

    async def _asks_postgres(self) -> bool:
        try:
            async with asyncio.timeout(_READY_TIMEOUT_S), self.pool.acquire() as conn:
                await conn.execute("-- probes.tell_readiness\nselect 1")
        except POSTGRES_ERRORS:
            return False
        return True


def _answer(body: _Status, status: int, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json", headers=headers)
