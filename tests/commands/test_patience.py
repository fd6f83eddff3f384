"""Services that start before Postgres does: they wait, say so, and answer what can be answered meanwhile."""

import asyncio
from datetime import UTC, datetime

import aiohttp
from dashboard_house import make_view
from database_line import database_line, held_port
from processes import TIMEOUT_S, Running, run, started, until_ready

from collector.db import Pool
from collector.sites import NewSite, add_site

PARTS = (["collector", "--workers", "2", "--port", "0"], ["worker"])


async def test_a_collector_waits_for_postgres_and_answers_meanwhile(postgres_url: str, pool: Pool) -> None:
    """It lives, tells senders to come again, and takes their batches as soon as Postgres is there."""
    async with pool.acquire() as conn:
        site = await add_site(conn, NewSite(name="Shop"), "patienceKey1", datetime.now(UTC))
    view = make_view(site)
    with held_port() as port:
        words = ("collector", "--port", str(port), "--database-url")
        async with (
            database_line(postgres_url) as database,
            started(*words, database.url) as service,
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http,
        ):
            await _until_waiting(service)
            health = await _until_answered(http)
            probe = await http.get("/readyz")
            refused = await http.post("/v1/events", json=view)
            await database.mend()
            await until_ready(service)
            taken = await http.post("/v1/events", json=view)
            code = await service.stop()

    assert (health, probe.status, refused.status, taken.status) == (200, 503, 503, 204)
    assert (refused.headers["X-Jalki-Drop"], refused.headers["Retry-After"]) == ("unavailable", "5")
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert code == 0


async def test_whoever_waits_can_be_stopped(postgres_url: str) -> None:
    """SIGTERM ends each part with exit code 0 while it waits, and none has said that it is ready."""

    async def stop_waiting(words: list[str], url: str) -> tuple[int, bytes]:
        async with started(*words, "--database-url", url) as service:
            await _until_waiting(service)
            code = await service.stop()
            assert service.process.stdout is not None
            return code, await service.process.stdout.read()

    async with database_line(postgres_url) as database:
        ends = await asyncio.gather(*(stop_waiting(words, database.url) for words in PARTS))

    assert ends == [(0, b"")] * len(PARTS)


async def test_a_refusal_is_not_waited_for(postgres_url: str) -> None:
    """A database that does not exist will not come by itself: one line, exit code 1."""
    code, _, err = await run("worker", "--database-url", postgres_url.replace("@/", "@/no_such_"))

    assert code == 1
    assert err.startswith("jalki: Postgres at its socket/no_such_")
    assert err.count("\n") == 1


async def _until_waiting(service: Running) -> None:
    """Return once the service has logged that it waits."""
    async with asyncio.timeout(TIMEOUT_S):
        while not any("waiting for it, next try in" in line for line in service.log):  # noqa: ASYNC110  # read elsewhere
            await asyncio.sleep(0.02)


async def _until_answered(http: aiohttp.ClientSession) -> int:
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            try:
                async with http.get("/healthz") as answer:
                    return answer.status
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.02)
