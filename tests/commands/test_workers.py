"""`--workers N`: processes that share a port, and what happens when one of them dies."""

import asyncio
import os
import re
import signal
from datetime import UTC, datetime

import aiohttp
import pytest
from dashboard_house import make_view
from processes import TIMEOUT_S, UNLIMITED, end_of, ready, run

from collector.db import Pool
from collector.errors import ProcessError, SettingsError
from collector.settings import Settings, dump_settings, load_settings
from collector.sites import NewSite, Site, add_site
from heatmap.commands import workers
from heatmap.commands.keeper import Keeper, Program
from heatmap.commands.web import bind_socket

COLLECTOR = ("collector", "--workers", "2", "--port", "0", "--database-url")


async def test_processes_share_the_port_with_nobody_else(postgres_url: str, pool: Pool) -> None:
    """Both take connections and store batches, either tells the figures of both, and another parent is kept out."""
    site = await _add_site(pool)
    async with ready(*COLLECTOR, postgres_url, environ=UNLIMITED) as service:
        statuses = [await _post(service.url, site) for _ in range(40)]
        counted = await _until_counted(service.url, 40)
        words = ("collector", "--workers", "2", "--port", str(service.port), "--database-url", postgres_url)
        code, out, err = await run(*words)

    assert statuses == [204] * 40
    assert counted == 40
    # 16 bits of a flush's id tell who made it.
    assert await pool.fetchval("select count(distinct flush_id >> 6 & 65535) from ledger") == 2
    assert (code, out) == (4, "")
    assert err.startswith(f"jalki: cannot listen on 127.0.0.1:{service.port}: it is in use")


async def test_the_dead_are_replaced_and_the_living_die_with_their_parent(postgres_url: str, pool: Pool) -> None:
    """Connections that the kernel gives to a killed process wait for the next one; `kill -9` of the parent ends all."""
    site = await _add_site(pool)
    async with ready(*COLLECTOR, postgres_url, environ=UNLIMITED) as service:
        killed, other = service.children()
        await _kill(killed)
        statuses = await asyncio.gather(*(_post(service.url, site) for _ in range(30)))
        now = service.children()
        ends = [asyncio.create_task(end_of(pid)) for pid in now]
        await asyncio.sleep(0)
        service.process.kill()
        await asyncio.gather(*ends)

    assert statuses == [204] * 30
    assert (len(now), other in now, killed in now) == (2, True, False)
    assert any("ended with -9; starting it again" in line for line in service.log)
    bind_socket("127.0.0.1", service.port).close()


async def test_the_dashboard_is_the_same_from_each_process(postgres_url: str) -> None:
    """One sign-in holds on every connection, and a site made on one is known on all."""
    words = ("up", "--workers", "2", "--port", "0", "--database-url", postgres_url)
    # Each request takes a connection of its own, and the kernel chooses who answers it.
    connector, jar = aiohttp.TCPConnector(force_close=True), aiohttp.CookieJar(unsafe=True)
    async with ready(*words) as service, aiohttp.ClientSession(connector=connector, cookie_jar=jar) as http:
        origin = {"Origin": service.url}
        token = service.ready["sign_in_url"].partition("token=")[2]
        await http.post(f"{service.url}/sign-in", data={"token": token}, headers=origin)
        site = {"name": "Shop", "origin": "https://shop.example"}
        await http.post(f"{service.url}/sites/new", data=site, headers=origin)
        pages = [(await http.get(f"{service.url}/sites/1")).url.path for _ in range(20)]

    assert set(pages) == {"/sites/1"}


async def test_a_process_that_cannot_start_ends_its_keeper() -> None:
    """Where starting again would not help it is not tried."""
    keeper = Keeper(_program("raise SystemExit(3)"))

    with pytest.raises(ProcessError, match="ended with 3 before it was ready"):
        await keeper.keep(is_needed=True)


async def test_a_process_that_does_not_stop_is_killed() -> None:
    """SIGTERM first, and `kill -9` when it is ignored for longer than it may be."""
    text = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
    keeper = Keeper(_program(text, stop_timeout_s=0.1))
    task = asyncio.create_task(keeper.keep(is_needed=True))
    await keeper.is_ready.wait()
    keeper.stop.set()

    async with asyncio.timeout(TIMEOUT_S):
        await task


def test_the_rate_of_a_site_is_shared_out() -> None:
    """A site's visitors are spread over all processes, and so is what it may send; a sender's connection is not."""
    shared = workers.share_out(Settings(workers=3, site_rate=100, address_rate=50))

    assert (shared.site_rate, shared.address_rate) == (34, 50)


def test_settings_pass_through_the_environment_unchanged() -> None:
    """A process has the very settings of its parent, options of the command included."""
    settings = Settings(database_url="postgresql://u:p@h/d", port=1234, workers=3, linger_ms=0)

    assert load_settings(dump_settings(settings)) == settings


def test_only_linux_spreads_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere the command says so, and what to do instead."""
    monkeypatch.setattr(workers.sys, "platform", "darwin")
    with bind_socket("127.0.0.1", 0) as sock, pytest.raises(SettingsError, match="only Linux spreads connections"):
        workers.share_port(sock, 2)


def _program(text: str, stop_timeout_s: float = TIMEOUT_S) -> Program:
    return Program("trial", ("-c", text), {}, stop_timeout_s)


async def _kill(pid: int) -> None:
    gone = asyncio.create_task(end_of(pid))
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    await gone


async def _add_site(pool: Pool) -> Site:
    async with pool.acquire() as conn:
        return await add_site(conn, NewSite(name="Shop"), "workersKey01", datetime.now(UTC))


async def _post(url: str, site: Site) -> int:
    """Send a batch on a connection of its own."""
    async with aiohttp.ClientSession() as http, http.post(f"{url}/v1/events", json=make_view(site)) as answer:
        return answer.status


async def _until_counted(url: str, wanted: int) -> int:
    """Return how many batches the metrics of all processes count as stored, once they are as many as wanted."""
    async with asyncio.timeout(TIMEOUT_S), aiohttp.ClientSession() as http:
        while True:
            async with http.get(f"{url}/metrics") as answer:
                found = re.search(r'jalki_collector_answers_total{outcome="stored"} (\d+)', await answer.text())
            if found and int(found[1]) >= wanted:
                return int(found[1])
            await asyncio.sleep(0.05)  # processes write their figures once a second
